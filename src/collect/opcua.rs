//! An OPC UA collector: a client that keeps its subscriptions alive through everything a server
//! and a network do, and turns what they report into samples.
//!
//! ```text
//!            ┌───────────── supervisor: connect, survey, subscribe, watch, retry ────────────┐
//!  server ⇄ link (session and its driver) ── callback ─▶ mailbox ─▶ pump ─▶ Store ─▶ ingest  │
//!            └── Up / Lost / Failed ─────────────────────── Gap ──────▶┘─────────────────────┘
//! ```
//!
//! The client library reconnects by itself, but what it makes of subscriptions then cannot be
//! trusted: it forgets to ask for notifications, ignores items that fail, and uses node ids of
//! a namespace array that may have changed. Here the library only reactivates a session that
//! still exists; everything else is made anew from the collector's own list of items.
//!
//! *Invariant.* The list of items is the truth. After every new session the namespace array is
//! read again and every item is created again and accounted for one by one.
//!
//! *Invariant.* An interruption is visible in the history: one sample without a value and with
//! the quality `BadNoCommunication` per tag, unless the server's queues bridged the cut.
//!
//! *Known limit.* The library acknowledges a notification before it is on disk, so values that
//! wait in the mailbox are lost if this process is killed. They wait some milliseconds.

mod browse;
mod items;
mod link;
mod mailbox;
mod pump;
pub mod settings;
mod subscribe;
mod supervisor;
mod survey;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use tacitus_storage::Clock;
use tokio::task::JoinHandle;

pub use settings::{Draft, DraftBrowse, DraftNode, Password, Problem, Settings};

use self::mailbox::Mailbox;
use self::pump::Pump;
use self::supervisor::Supervisor;
use super::{State, Store};
use crate::shutdown::Shutdown;

/// What a collector works with.
#[derive(Clone)]
pub struct Parts {
    /// Where values go.
    pub store: Arc<dyn Store>,
    /// When they arrived.
    pub clock: Arc<dyn Clock>,
    /// Where certificates are kept; created when missing.
    pub pki_dir: PathBuf,
}

/// A collector at work.
#[derive(Debug)]
pub struct Collector {
    state: Arc<State>,
    tasks: [JoinHandle<()>; 2],
}

impl Collector {
    /// Starts to collect, in tasks of the current runtime, until the stop is requested.
    #[must_use]
    pub fn start(settings: Settings, parts: Parts, shutdown: Shutdown) -> Self {
        let state = Arc::new(State::new(&settings.name, &settings.endpoint));
        let settings = Arc::new(settings);
        let (mailbox, receiver) = Mailbox::new(Arc::clone(&state), Arc::clone(&parts.clock));
        let pump = Pump::new(Arc::clone(&settings), Arc::clone(&state), &parts);
        let supervisor = Supervisor::new(settings, Arc::clone(&state), parts, mailbox, shutdown);
        let tasks = [tokio::spawn(pump.run(receiver)), tokio::spawn(supervisor.run())];
        Self { state, tasks }
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Returns when the collector has stopped and its last values are with the store.
    pub async fn stopped(self) {
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of a collector ended by a panic");
            }
        }
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Parts").field("pki_dir", &self.pki_dir).finish_non_exhaustive()
    }
}
