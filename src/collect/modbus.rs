//! Modbus TCP: registers of devices, read in turn.
//!
//! ```text
//! settings ─▶ plan: few reads for each unit and pace ─▶ poll ─▶ values, or why there are none
//! ```
//! *Invariant.* What a device does not say is not stored as if it had: a value that cannot be had
//! becomes one sample of bad quality and an entry of the ledger of gaps, not a line across them.
//!
//! *Not here.* Bytes, addresses and types: `tacitus_protocol::modbus`.

mod link;
mod map;
mod poll;
mod settings;
#[cfg(test)]
mod tests;
mod unit;

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::JoinHandle;

use super::{Collector, Parts, Problem, State};
use crate::shutdown::Shutdown;
use poll::Poller;
use settings::Settings;

impl Collector for Settings {
    fn kind(&self) -> &'static str {
        "modbus"
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn endpoint(&self) -> String {
        self.address.clone()
    }

    fn start(&self, parts: &Parts, state: Arc<State>, shutdown: Shutdown) -> Vec<JoinHandle<()>> {
        let poller = Poller::new(self.clone(), parts.clone(), state, shutdown);
        vec![tokio::spawn(poller.run())]
    }
}

/// A collector of these settings.
pub(super) fn collector(
    name: &str,
    settings: &Map<String, Value>,
) -> Result<Arc<dyn Collector>, Vec<Problem>> {
    Ok(Arc::new(settings::read(name, settings)?))
}
