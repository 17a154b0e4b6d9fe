//! The one handle through which every wire asks.
//!
//! ```text
//! caller's threads: text ─┐                                      ┌─ Answer::next ─ time limit, cancel
//! light threads:          └─ parse ─ plan ─┬─ run ─ batches ─────┤
//! heavy threads:                           └─ wait in line ─ run ┘
//! ```
//!
//! *Invariant.* A statement reads one snapshot, runs on this session's threads only (a runaway
//! statement never holds up the network), and holds its place among the running statements until
//! its work has really ended.
//!
//! *Not here.* One statement on its way ([`run`](crate::run)); who may run
//! ([`admission`](crate::admission)).

use std::sync::{Arc, OnceLock};

use datafusion::common::config::Dialect;
use datafusion::error::Result as EngineResult;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SessionState;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;
use tacitus_storage::Engine;
use tokio::runtime::{Builder, Runtime};

use crate::admission::{Admission, environment};
use crate::answer::Answer;
use crate::connection::Connection;
use crate::error::{QueryError, SqlState};
use crate::function;
use crate::holding::CountWindows;
use crate::limits::{BATCH_ROWS_MAX, LIGHT_THREADS, Limits, THREAD_STACK_BYTES};
use crate::padding::ForgetPadded;
use crate::plans::Plans;
use crate::relation::{CATALOG, Landscape, SCHEMA};
use crate::statement::Parameter;
use crate::summary::Summarize;
use crate::yielding::YieldAboveJoins;

/// Answers statements over a store.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    limits: Limits,
}

/// What all connections have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    /// Settings and functions of every statement.
    pub(crate) state: Arc<SessionState>,
    /// Plans of statements without a dialect.
    pub(crate) plans: Arc<Plans>,
    pub(crate) admission: Arc<Admission>,
    /// What is around the store, once somebody told.
    pub(crate) landscape: OnceLock<Arc<dyn Landscape>>,
    /// `None` only while it is dropped.
    threads: Option<Threads>,
}

/// The threads that execute statements.
#[derive(Debug)]
pub(crate) struct Threads {
    /// Plan every statement, and run the light ones.
    pub(crate) light: Runtime,
    pub(crate) heavy: Runtime,
}

impl Session {
    /// A session over a store.
    ///
    /// # Errors
    /// The operating system gave no threads, or the query engine does not start.
    pub fn new(engine: Arc<Engine>, limits: Limits) -> Result<Self, QueryError> {
        let classify = |error| QueryError::classify(&error, "");
        let shared = Shared {
            engine,
            state: Arc::new(state(&limits).map_err(classify)?),
            plans: Arc::default(),
            admission: Arc::new(Admission::new(&limits).map_err(classify)?),
            landscape: OnceLock::new(),
            threads: Some(Threads {
                light: threads("light", LIGHT_THREADS + 2 * limits.threads)?,
                heavy: threads("heavy", limits.threads)?,
            }),
        };
        Ok(Self { shared: Arc::new(shared), limits })
    }

    /// Shows what is around the store in `collectors` and `gaps`. Who tells first is believed.
    pub fn surround(&self, landscape: Arc<dyn Landscape>) {
        // A second one is dropped, as it says.
        drop(self.shared.landscape.set(landscape));
    }

    /// A connection of a role; a role that is not configured has the default limits.
    pub fn connect(&self, role: &str) -> Connection {
        Connection::new(Arc::clone(&self.shared), self.shared.admission.role(role))
    }

    /// Answers one statement of the default role; `parameters` are the values of `$1`, `$2`, …
    /// Dropping the future or the answer stops the work.
    ///
    /// # Errors
    /// What is wrong with the statement, or which limit it met. Nothing was written.
    pub async fn sql(&self, text: &str, parameters: &[Parameter]) -> Result<Answer, QueryError> {
        self.connect("").run(text, parameters).await
    }

    /// The limits of this session.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The memory that running statements hold together, in bytes, as the query engine counts it.
    pub fn memory_bytes(&self) -> usize {
        self.shared.admission.memory_bytes()
    }
}

impl Shared {
    pub(crate) fn threads(&self) -> Result<&Threads, QueryError> {
        self.threads
            .as_ref()
            .ok_or_else(|| QueryError::new(SqlState::QUERY_CANCELED, "the server stops"))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(Threads { light, heavy }) = self.threads.take() {
            // Waiting for threads is forbidden in asynchronous code, where a session may be
            // dropped; the statements are aborted, and end at their next pause.
            light.shutdown_background();
            heavy.shutdown_background();
        }
    }
}

fn threads(lane: &str, count: usize) -> Result<Runtime, QueryError> {
    Builder::new_multi_thread()
        .worker_threads(count.max(1))
        .thread_name(format!("query-{lane}"))
        .thread_stack_size(THREAD_STACK_BYTES)
        .enable_time()
        .build()
        .map_err(|error| {
            QueryError::new(SqlState::INTERNAL_ERROR, format!("could not start threads: {error}"))
        })
}

/// The engine's settings and functions: nothing that reads or writes files of the user.
fn state(limits: &Limits) -> EngineResult<SessionState> {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(false)
        .with_batch_size(BATCH_ROWS_MAX)
        .with_target_partitions(limits.threads.max(1));
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".to_owned());
    // A scan is divided by tags; dealing out the batches of one tag costs more than it brings,
    // and takes them out of order.
    options.optimizer.enable_round_robin_repartition = false;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(environment(None, 0)?))
        .with_expr_planners(function::planners())
        .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .with_physical_optimizer_rules(optimizer_rules())
        .build();
    function::register(&mut state)?;
    Ok(state)
}

/// The engine's rules, and ours.
fn optimizer_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Before distribution and order are decided.
    let at = rules.iter().position(|rule| rule.name() == "EnsureRequirements").unwrap_or_default();
    rules.insert(at, Arc::new(Summarize));
    rules.insert(at, Arc::new(ForgetPadded));
    rules.push(Arc::new(CountWindows));
    rules.push(Arc::new(YieldAboveJoins));
    rules
}
