//! What every kind of collector is: settings that were checked, and can be started.
//!
//! *Invariant.* A [`Collector`] holds no state of its own: it is started as often as a person
//! resumes it, each time from its settings and what the store says.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tacitus_storage::Clock;
use tokio::task::JoinHandle;

use super::opcua::Trust;
use super::{State, Store};
use crate::gaps::Gaps;
use crate::shutdown::{Shutdown, Trigger};

/// A collector whose settings are in order.
pub trait Collector: fmt::Debug + Send + Sync {
    /// The word of its kind: `opcua`.
    fn kind(&self) -> &'static str;

    /// Its name; unique among the collectors of a server.
    fn name(&self) -> &str;

    /// Where its device is, for people.
    fn endpoint(&self) -> String;

    /// What its tags name as their source.
    fn source(&self) -> String {
        format!("{}:{}", self.kind(), self.name())
    }

    /// Starts to collect, in tasks of the current runtime. They end when the stop is requested,
    /// with everything they received handed to the store and [`State::stopped`] said.
    fn start(&self, parts: &Parts, state: Arc<State>, shutdown: Shutdown) -> Vec<JoinHandle<()>>;
}

/// What a collector works with.
#[derive(Clone)]
pub struct Parts {
    /// Where values go.
    pub store: Arc<dyn Store>,
    /// When they arrived.
    pub clock: Arc<dyn Clock>,
    /// Where interruptions are written down.
    pub gaps: Arc<Gaps>,
    /// Which OPC UA servers are trusted.
    pub trust: Arc<Trust>,
    /// Where certificates are kept; created when missing.
    pub pki_dir: PathBuf,
}

/// What is wrong with the settings of a collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, below the collector's table: `nodes[3].tag`.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub hint: String,
}

/// A collector at work.
#[derive(Debug)]
pub struct Running {
    state: Arc<State>,
    trigger: Trigger,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts a collector.
    #[must_use]
    pub fn start(collector: &dyn Collector, parts: &Parts) -> Self {
        let state =
            State::new(collector.name(), collector.kind(), &collector.endpoint(), &parts.clock);
        let state = Arc::new(state);
        let (trigger, shutdown) = Trigger::new();
        let tasks = collector.start(parts, Arc::clone(&state), shutdown);
        Self { state, trigger, tasks }
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Stops it, and returns when its last values are with the store.
    pub async fn stop(self) {
        self.trigger.stop();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of a collector ended by a panic");
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} ({})", self.key, self.reason, self.hint)
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Parts").field("pki_dir", &self.pki_dir).finish_non_exhaustive()
    }
}
