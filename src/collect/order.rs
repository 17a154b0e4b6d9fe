//! Orders to a device, given through its collector: the call of a method, for one.
//!
//! *Invariant.* An order waits for a device that answers and for nothing else: a collector without
//! a connection refuses it at once.

use serde_json::Value;
use tokio::sync::oneshot;

/// An order. Its kind of collector knows what it says.
#[derive(Debug)]
pub struct Order {
    /// What to do.
    pub what: Value,
    /// Who waits for the outcome.
    pub answer: oneshot::Sender<Result<Value, Unfulfilled>>,
}

/// Why an order was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfulfilled {
    /// It says nothing that makes sense.
    #[error("{0}")]
    Wrong(String),
    /// The device refused it.
    #[error("{0}")]
    Refused(String),
    /// There is no connection; nothing was sent.
    #[error("there is no connection to the device")]
    Unconnected,
    /// It was sent, and what became of it is not known.
    #[error("it is not known whether the device did it: {0}")]
    Unknown(String),
}
