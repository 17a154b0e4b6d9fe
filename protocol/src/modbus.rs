//! Modbus TCP: requests and answers as bytes, addresses as people write them, registers as values.
//!
//! ```text
//! "40001:F:CDAB" ─▶ Address, Shape, Order ─▶ plan: few reads ─▶ frame ─▶ answer ─▶ values
//! ```
//! Sources: *MODBUS Application Protocol Specification* V1.1b3 (functions 1 to 4, exceptions),
//! *MODBUS Messaging on TCP/IP Implementation Guide* V1.0b (the header).
//!
//! *Not here.* Sockets and time: `src/collect/modbus`.

mod address;
mod frame;
mod plan;
mod shape;

pub use address::{Address, Area, Notation};
pub use frame::{Answer, Exception, HEADER_BYTES, Malformed, Request, answer_bytes, decode_answer};
pub use plan::{Bounds, Read, plan};
pub use shape::{Order, Shape, Unreadable};
