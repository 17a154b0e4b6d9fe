//! Alarms: the states of ISA-18.2, and the course of a condition through them.
//!
//! ```text
//! a report (what a source says of a condition) ─▶ Conditions ─▶ transition: before, after, who, why
//! ```
//! Reports come from events of OPC UA servers (Part 9), stored as text samples. Whatever else judges
//! conditions makes reports too, and everything behind them is the same.
//!
//! *Invariant.* The same reports in the same order give the same transitions: nothing here has a
//! clock. A report that says nothing new is no transition, so that a source may tell again what it
//! told before.
//!
//! A source that was asked for all its conditions and left one out says that nothing of it is left.
//!
//! *Not here.* Rules that judge samples.

mod conditions;
mod report;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use conditions::{Condition, Conditions, Transition};
pub(crate) use report::{Report, retained};
pub(crate) use state::AlarmState;

/// The label of tags whose texts are events of OPC UA servers, and its value.
pub const EVENTS_LABEL: (&str, &str) = ("content", "opcua-events");
