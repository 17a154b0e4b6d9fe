//! What travels on wires, as bytes in and actions out.

pub mod mqtt;
