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

mod backfill;
mod browse;
mod describe;
mod events;
mod items;
mod link;
mod mailbox;
mod pump;
mod redundancy;
mod settings;
mod subscribe;
mod supervisor;
mod survey;
#[cfg(test)]
pub(super) mod tests;
mod trust;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::JoinHandle;

pub use settings::{
    Backfill, Browse, Deadband, Draft, DraftBrowse, DraftNode, Login, Node, Password, Patterns,
    Policy, Security, SecurityMode, Settings, Times, Watch,
};
pub use trust::{Certificate, Decision, Distrust, Trust};

use self::mailbox::Mailbox;
use self::pump::Pump;
use self::supervisor::Supervisor;
use super::{Collector, Parts, Problem, State};
use crate::shutdown::Shutdown;

impl Collector for Settings {
    fn kind(&self) -> &'static str {
        "opcua"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    fn start(&self, parts: &Parts, state: Arc<State>, shutdown: Shutdown) -> Vec<JoinHandle<()>> {
        let settings = Arc::new(self.clone());
        let (mailbox, letters) = Mailbox::new(Arc::clone(&state), Arc::clone(&parts.clock));
        let pump = Pump::new(Arc::clone(&settings), Arc::clone(&state), parts);
        let supervisor = Supervisor::new(settings, state, parts.clone(), mailbox, shutdown);
        vec![tokio::spawn(pump.run(letters)), tokio::spawn(supervisor.run())]
    }
}

/// The collector of a definition.
///
/// # Errors
/// All that is wrong with its settings.
pub(super) fn collector(
    name: &str,
    settings: &Map<String, Value>,
) -> Result<Arc<dyn Collector>, Vec<Problem>> {
    let mut settings = settings.clone();
    let problem = |key: &str, reason: String, hint: &str| {
        vec![Problem { key: key.to_owned(), reason, hint: hint.to_owned() }]
    };
    if let Some(file) = settings.remove("password_file") {
        let hint = "name a file that Tacitus may read and others may not";
        let file = file.as_str().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(Path::new(&file)).map_err(|error| {
            problem("password_file", format!("\"{file}\" cannot be read: {error}"), hint)
        })?;
        settings.insert("password".into(), text.trim_end_matches(['\r', '\n']).into());
    }
    let draft: Draft = serde_json::from_value(Value::Object(settings)).map_err(|error| {
        problem("settings", error.to_string(), "docs/opcua.md lists what there is to set")
    })?;
    match (Draft { name: name.to_owned(), ..draft }).check() {
        Ok(settings) => Ok(Arc::new(settings)),
        Err(problems) => Err(problems),
    }
}
