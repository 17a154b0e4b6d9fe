//! What OPC UA says, in the words of the model, and back: data values and names of nodes.
//!
//! *Invariant.* Nothing is changed on the way in: a `StatusCode` keeps its 32 bits, a number its
//! exact value. What cannot be kept exactly is refused with a reason.
//!
//! *Not here.* Sessions and subscriptions: those belong to the server's collector and to its
//! OPC UA server.

mod leaf;
mod node;
mod spoken;
mod standard;
mod structure;
mod value;

pub use leaf::{Leaf, leaves};
pub use node::{NodeName, NodeNameError};
pub use spoken::{date_time, spoken, variant};
pub use value::{Reading, Refusal, moment, reading, server_time};
