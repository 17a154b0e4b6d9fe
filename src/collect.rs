//! Collectors: the server's own connections to devices, as opposed to devices that connect to it.
//!
//! ```text
//!  settings ─▶ Collector ─ values ─▶ Store ─▶ ingest
//!                  └─ State ─▶ status, metrics
//! ```
//!
//! *Invariant.* A collector never gives up and never disturbs another: it is a set of tasks of
//! its own, and whatever its device does ends in a retry, a count and a line in its [`State`].
//!
//! *Not here.* What a device's words mean (`tacitus_protocol`), and how samples become durable
//! (`ingest`).

pub mod limits;
pub mod opcua;
mod state;
mod store;

pub use state::{Failure, Phase, State, Status};
pub use store::{Known, Store, StoreError};
