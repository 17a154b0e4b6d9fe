//! Stretches of time in one condition, each stop with its whole length.
//!
//! *Invariant.* Stretches follow each other without a gap from the first change on. A stop is short
//! by its whole length, whatever part of it is asked for, and one that has no end yet is not.

use super::condition::{Condition, StopClass};
use super::timeline::Timeline;

/// A span in one condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: i64,
    /// The moment after its last; the end of time where nothing follows.
    pub(crate) to: i64,
    pub(crate) condition: Condition,
    /// Where the stop that it is part of begins: neighbours of one class are one stop.
    pub(crate) stop_from: i64,
    /// Where that stop ends; `None` while it lasts.
    pub(crate) stop_to: Option<i64>,
    /// Whether the stop is unplanned and shorter than what counts.
    pub(crate) is_micro: bool,
}

/// The stretches of a machine. An unplanned stop shorter than `micro_stop_ns` is a micro stop.
pub(crate) fn stretches(states: &Timeline<Condition>, micro_stop_ns: i64) -> Vec<Stretch> {
    let changes = states.changes();
    let mut all = Vec::with_capacity(changes.len());
    let mut rest = changes;
    while let Some((start, first)) = rest.first() {
        let class = first.stop();
        let joined = match class {
            None => 1,
            Some(_) => rest.iter().take_while(|(_, own)| own.stop() == class).count(),
        };
        let (group, after) = rest.split_at(joined);
        let end = after.first().map(|(at, _)| *at);
        let is_micro = class == Some(StopClass::Unplanned)
            && end.is_some_and(|end| end.saturating_sub(*start) < micro_stop_ns);
        for (at, (from, condition)) in group.iter().enumerate() {
            all.push(Stretch {
                from: *from,
                to: group.get(at + 1).map(|(next, _)| *next).or(end).unwrap_or(i64::MAX),
                condition: *condition,
                stop_from: *start,
                stop_to: end,
                is_micro,
            });
        }
        rest = after;
    }
    all
}
