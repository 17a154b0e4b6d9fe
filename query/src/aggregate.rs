//! The 37 standard aggregates of OPC UA Part 13, as pure functions over samples in time order.
//!
//! ```text
//! Series ─ edge ─ samples inside ─ edge ─ … ─▶ Output: time, value, StatusCode with historian bits
//! ```
//!
//! A [`Walk`] passes over the samples of one tag once, by rising time, and gives one output an
//! interval and aggregate, empty intervals included. Between two edges it keeps sums, not samples:
//! memory does not grow with the range. A run of samples that are known to be good may come as
//! one [`Run`] of statistics instead.
//!
//! Sources: OPC 10000-13 v1.05, 4.2, 5.3 and 5.4 for the definitions; its published examples
//! (Annex A and `AggregateExamples.csv`) where the text leaves room.
//!
//! *Decided here, where the text says nothing.* A sample without a finite number counts as bad.
//! The interval of a backward range includes its later edge and its start is that edge: bounds
//! and their difference follow the flow of time; `Start`, `End` and `Delta` are of the earliest and
//! the latest sample, and of equal extremes the oldest is reported, as the text has them. A value
//! that holds has no bound of its own at the later edge. An interval without samples, between samples, has no transitions and counts nothing,
//! with a good status. Integers are interpolated as doubles. Without annotations of its own the
//! store counts each sample as annotated once, as the published tables do.
//!
//! *Not here.* Where samples come from, that marks of an archive's creation are none of them, and SQL.

mod bound;
mod configuration;
mod extreme;
mod inside;
mod interval;
mod line;
mod name;
mod output;
mod point;
mod region;
mod status;
mod tally;
mod walk;
mod worst;

#[cfg(test)]
mod tests;

pub(crate) use configuration::Configuration;
pub(crate) use extreme::Extreme;
pub(crate) use inside::{Inside, Needs};
pub(crate) use interval::Interval;
pub(crate) use name::Aggregate;
pub(crate) use output::Output;
pub(crate) use point::{Class, Point, Run};
pub(crate) use walk::{Pass, Series, Walk};
