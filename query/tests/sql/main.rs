//! SQL as a client meets it, over a small store in memory.
//!
//! *Invariant.* Every test asks through `Session::sql`, as the wires do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(clippy::panic, reason = "a test that cannot go on may panic")]

/// Answers as clients read them.
mod answer;
/// Statements made to hurt: long, deep, endless.
mod bombs;
/// Functions in the place of relations.
mod calls;
/// Control charts and capability.
mod charts;
/// Codes, hints and places of errors.
mod errors;
/// The store that all tests ask.
mod fixture;
/// Machines, and what stands around them.
mod floor;
/// What statements may take: time, memory, rows, places.
mod limits;
/// What machines did with their time.
mod oee;
/// The published tables of OPC UA Part 13.
mod part13;
/// A filter answers the same whether the store answers it or not.
mod pushdown;
/// `tests/slt/*.slt`: behaviour a user can read.
mod slt;
/// An aggregate answers the same from statistics and from rows.
mod summary;
