//! What OPC UA says, in the words of the model: data values and names of nodes.
//!
//! *Invariant.* Nothing is changed on the way in: a `StatusCode` keeps its 32 bits, a number its
//! exact value. What cannot be kept exactly is refused with a reason.
//!
//! *Not here.* Sessions and subscriptions: those belong to the server's collector.

mod node;
mod value;

pub use node::{NodeName, NodeNameError};
pub use value::{Reading, Refusal, reading, server_time};
