//! Collectors: the server's own connections to devices, as opposed to devices that connect to it.
//!
//! ```text
//!  definition ─ kind ─▶ Collector ─ start ─▶ tasks ─ values ─▶ Store ─▶ ingest
//!  (configuration, HTTP)      │                └─ State ─▶ status, metrics, relation
//!                         Collectors: pause, resume, change, remove
//! ```
//!
//! *Invariant.* A collector never gives up and never disturbs another: it is a set of tasks of
//! its own, and whatever its device does ends in a retry, a count and a line in its [`State`].
//!
//! *Not here.* What a device's words mean (`tacitus_protocol`), and how samples become durable
//! (`ingest`).

mod collector;
mod collectors;
mod definition;
mod kind;
pub mod limits;
mod modbus;
pub mod opcua;
mod order;
mod state;
mod store;

pub use collector::{Collector, Parts, Problem, Running};
pub use collectors::{Collectors, Entry, Mistake, Origin};
pub use definition::Definition;
pub(crate) use definition::{changed, shown};
pub use kind::{Check, KINDS, Kind};
pub use order::{Order, Unfulfilled};
pub use state::{Failure, Phase, State, Status};
pub use store::{Known, Store, StoreError};
