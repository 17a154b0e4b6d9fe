//! Who may run: places, roles, and two lanes.
//!
//! ```text
//! enter (places of all, places of the role) ─ plan ─┬─ light ─────────────▶ run, at once
//!                                                   └─ heavy ─ wait in line ▶ run, few at a time
//! ```
//!
//! *Invariant.* A light statement never waits for a heavy one: it needs a place, and runs on
//! threads that heavy ones never get. A place is held until the work has really ended.
//!
//! *Not here.* What is heavy: [`cost`](crate::cost).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::error::Result as EngineResult;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{QueryError, SqlState};
use crate::limits::{Limits, RoleLimits};
use crate::memory::StatementPool;

/// The role of who names none.
const DEFAULT: &str = "default";

/// Places and lanes of one session.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    places_max: usize,
    heavy: Arc<Semaphore>,
    line: Arc<Semaphore>,
    line_max: usize,
    memory: Arc<dyn MemoryPool>,
    default: Arc<Role>,
    roles: BTreeMap<String, Arc<Role>>,
}

/// Who asks, and what they may take.
#[derive(Debug)]
pub(crate) struct Role {
    name: String,
    pub(crate) limits: RoleLimits,
    places: Arc<Semaphore>,
    /// What its statements have in common: the folder for temporary files.
    environment: RuntimeEnv,
}

/// The right to run, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _all: OwnedSemaphorePermit,
    _role: OwnedSemaphorePermit,
}

/// A statement's stay in the lane of the heavy ones.
#[derive(Debug)]
pub(crate) struct Lane {
    /// `None` while it makes room for others.
    permit: Option<OwnedSemaphorePermit>,
    heavy: Arc<Semaphore>,
}

impl Lane {
    /// Makes room for others while a reader takes its time.
    pub(crate) async fn pause<T>(&mut self, wait: impl Future<Output = T>) -> T {
        drop(self.permit.take());
        let waited = wait.await;
        self.permit = Arc::clone(&self.heavy).acquire_owned().await.ok();
        waited
    }
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> EngineResult<Self> {
        let role = |name: &str, own: &RoleLimits| -> EngineResult<Arc<Role>> {
            Ok(Arc::new(Role {
                name: name.to_owned(),
                limits: own.clone(),
                places: Arc::new(Semaphore::new(own.statements_max)),
                environment: environment(limits.temp_dir.as_ref(), own.temp_bytes_max)?,
            }))
        };
        let roles = limits.roles.iter().map(|(name, own)| Ok((name.clone(), role(name, own)?)));
        Ok(Self {
            places: Arc::new(Semaphore::new(limits.statements_max)),
            places_max: limits.statements_max,
            heavy: Arc::new(Semaphore::new(limits.heavy_max.max(1))),
            line: Arc::new(Semaphore::new(limits.waiting_max)),
            line_max: limits.waiting_max,
            memory: Arc::new(GreedyMemoryPool::new(limits.memory_bytes_max)),
            default: role(DEFAULT, &limits.role())?,
            roles: roles.collect::<EngineResult<_>>()?,
        })
    }

    /// The role of this name; who is not named in the configuration gets the default.
    pub(crate) fn role(&self, name: &str) -> Arc<Role> {
        Arc::clone(self.roles.get(name).unwrap_or(&self.default))
    }

    /// A place for one statement.
    pub(crate) fn enter(&self, role: &Role) -> Result<Place, QueryError> {
        let full = |who: &str, most: usize| {
            QueryError::new(
                SqlState::TOO_MANY_STATEMENTS,
                format!("{most} statements {who}are running"),
            )
            .with_hint("repeat it later")
        };
        let all = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_full| full("", self.places_max))?;
        let own = Arc::clone(&role.places)
            .try_acquire_owned()
            .map_err(|_full| full(&format!("of \"{}\" ", role.name), role.limits.statements_max))?;
        Ok(Place { _all: all, _role: own })
    }

    /// Waits in line for the lane of the heavy ones.
    pub(crate) async fn heavy(&self) -> Result<Lane, QueryError> {
        let heavy = Arc::clone(&self.heavy);
        if let Ok(permit) = Arc::clone(&heavy).try_acquire_owned() {
            return Ok(Lane { permit: Some(permit), heavy });
        }
        let _waiting = self.line.try_acquire().map_err(|_full| {
            QueryError::new(
                SqlState::TOO_MANY_STATEMENTS,
                format!("{} large statements wait already", self.line_max),
            )
            .with_hint("repeat it later, read fewer tags or a shorter span")
        })?;
        let permit = Arc::clone(&heavy)
            .acquire_owned()
            .await
            .map_err(|_closed| QueryError::new(SqlState::QUERY_CANCELED, "the server stops"))?;
        Ok(Lane { permit: Some(permit), heavy })
    }

    /// Where one statement of a role takes memory and temporary files from.
    pub(crate) fn environment(&self, role: &Role) -> Arc<RuntimeEnv> {
        let pool = StatementPool::new(role.limits.memory_bytes_max, Arc::clone(&self.memory));
        Arc::new(RuntimeEnv { memory_pool: Arc::new(pool), ..role.environment.clone() })
    }

    /// The memory that all statements together hold, in bytes, as they declare it.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.reserved()
    }
}

/// Temporary files below one folder, within a bound; no other files.
pub(crate) fn environment(
    temp_dir: Option<&PathBuf>,
    temp_bytes_max: u64,
) -> EngineResult<RuntimeEnv> {
    let mode = match temp_dir {
        Some(dir) if temp_bytes_max > 0 => DiskManagerMode::Directories(vec![dir.clone()]),
        _ => DiskManagerMode::Disabled,
    };
    let files =
        DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(temp_bytes_max);
    let environment = RuntimeEnvBuilder::new().with_disk_manager_builder(files).build()?;
    environment.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    Ok(environment)
}
