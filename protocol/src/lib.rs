//! What travels on wires: bytes in, points and actions out.
//!
//! The decoders take untrusted bytes and answer with [`Point`]s, the words in which every source
//! speaks to ingestion, or with a refusal that says what was wrong; [`mqtt`] is the sessions of
//! the embedded broker without their sockets.
//!
//! *Invariant.* Nothing here does I/O, reads a clock or panics, whatever the bytes are; every
//! list, depth and text that a sender can make grow has a bound in [`limits`] or
//! [`mqtt::limits`].
//!
//! *Not here.* Names becoming tags and samples becoming durable: that is the server's ingestion.

pub mod limits;
pub mod line;
pub mod modbus;
pub mod mqtt;
pub mod opcua;
pub mod payload;
pub mod remote_write;
pub mod samples;
pub mod sparkplug;
pub mod topic;

mod json;
mod moment;
mod point;

pub use point::Point;
