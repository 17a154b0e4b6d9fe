//! SQL as a client meets it, over a small store in memory.
//!
//! *Invariant.* Every test asks through `Session::sql`, as the wires do.

/// The store that all tests ask.
mod fixture;
/// `tests/slt/*.slt`: behaviour a user can read.
mod slt;
