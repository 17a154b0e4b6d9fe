//! Store and forward: what this server takes in goes on to another Tacitus, in order and once, however
//! long the way there is cut.
//!
//! ```text
//! store ─▶ stretch after the cursor ─▶ message ─▶ HTTP ─▶ receiver of the upstream ─▶ its sync
//!   ▲ hold                                                                                │
//!   └──────────────── cursor: a document of this store ◀── acknowledged ──────────────────┘
//! ```
//! *Invariant.* A sample that was acknowledged here reaches the upstream, unless the upstream refuses
//! it for what it is or the buffer is full; both are counted and shown.
//!
//! *Not here.* How rows after a sequence are found and held: `tacitus_storage`. A standby that can
//! take over: this copies samples and tags, not the whole server.

mod batch;
mod buffer;
mod cursor;
mod forwards;
pub mod limits;
mod link;
mod message;
mod receiver;
mod sender;
mod settings;
mod state;

pub use forwards::{Definition, Entry, Forwards, Mistake, hold_what_waits};
pub(crate) use receiver::{Receiver, Taken, Unfit};
pub use sender::Parts;
pub use settings::{Order, Settings, Start, Target};
pub use state::{State, Status};

/// Checks settings that were written under the names of the configuration.
///
/// # Errors
/// Everything that is wrong with them.
pub fn check(
    name: &str,
    settings: &serde_json::Map<String, serde_json::Value>,
) -> Result<Settings, Vec<crate::collect::Problem>> {
    settings::check(name, settings)
}

/// The identity of a store as servers tell it each other.
#[must_use]
pub fn identity(engine: &tacitus_storage::Engine) -> String {
    let half = u128::from_be_bytes(engine.identity()) >> 64;
    format!("{half:016x}")
}
