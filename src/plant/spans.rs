//! Which of many spans of time touch another, without looking at all of them.
//!
//! Spans are sorted by start within classes of length, each class twice as long as the one before.
//! Of a class it is known how long before a moment a span may start and still reach it.
//!
//! *Invariant.* Every span that touches is found.

use std::collections::{BTreeMap, BTreeSet};

use tacitus_model::{TimeRange, Timestamp};

/// The class of spans without an end.
const OPEN: u32 = u64::BITS + 1;

/// Spans by number.
#[derive(Debug, Default)]
pub(super) struct Spans {
    /// By class: start and number.
    classes: BTreeMap<u32, BTreeSet<(Timestamp, u64)>>,
}

impl Spans {
    pub(super) fn insert(&mut self, id: u64, start: Timestamp, end: Option<Timestamp>) {
        self.classes.entry(class(start, end)).or_default().insert((start, id));
    }

    pub(super) fn remove(&mut self, id: u64, start: Timestamp, end: Option<Timestamp>) {
        let class = class(start, end);
        if let Some(own) = self.classes.get_mut(&class) {
            own.remove(&(start, id));
            if own.is_empty() {
                self.classes.remove(&class);
            }
        }
    }

    /// The spans that start in one range and end in another, or have no end; and some more.
    pub(super) fn find(&self, starts: TimeRange, ends: TimeRange) -> Vec<u64> {
        let mut found = Vec::new();
        for (class, own) in &self.classes {
            let reach = match *class {
                OPEN => None,
                bits => Some(1_i64.checked_shl(bits).filter(|reach| *reach > 0)),
            };
            let first = match reach {
                Some(Some(reach)) => {
                    let earliest = ends.first.nanos().saturating_sub(reach);
                    starts.first.max(Timestamp::from_nanos(earliest))
                }
                _ => starts.first,
            };
            let last = if reach.is_some() { starts.last.min(ends.last) } else { starts.last };
            if first <= last {
                let range = (first, u64::MIN)..=(last, u64::MAX);
                found.extend(own.range(range).map(|(_, id)| *id));
            }
        }
        found
    }
}

/// How many bits the length of a span has.
fn class(start: Timestamp, end: Option<Timestamp>) -> u32 {
    let Some(end) = end else { return OPEN };
    u64::BITS - end.nanos().abs_diff(start.nanos()).leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment() -> impl Strategy<Value = i64> {
        prop_oneof![-50_i64..50, any::<i64>(), Just(i64::MIN), Just(i64::MAX)]
    }

    fn range((one, other): (i64, i64)) -> TimeRange {
        let (first, last) = (one.min(other), one.max(other));
        TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) }
    }

    proptest! {
        #[test]
        fn what_a_look_at_all_finds_is_found(
            given in proptest::collection::vec(((moment(), moment()), any::<bool>()), 0..40),
            starts in (moment(), moment()).prop_map(range),
            ends in (moment(), moment()).prop_map(range),
            removed in 0_u64..40,
        ) {
            let mut spans = Spans::default();
            let rows: Vec<(u64, TimeRange, Option<Timestamp>)> = (0..)
                .zip(&given)
                .map(|(id, (own, open))| (id, range(*own), (!open).then(|| range(*own).last)))
                .collect();
            for (id, own, end) in &rows {
                spans.insert(*id, own.first, *end);
            }
            for (id, own, end) in rows.iter().filter(|(id, ..)| *id == removed) {
                spans.remove(*id, own.first, *end);
            }
            let found: BTreeSet<u64> = spans.find(starts, ends).into_iter().collect();
            prop_assert!(!found.contains(&removed));
            for (id, own, end) in rows.iter().filter(|(id, ..)| *id != removed) {
                let touches = starts.contains(own.first) && end.is_none_or(|end| ends.contains(end));
                prop_assert!(!touches || found.contains(id), "{own:?} {end:?}");
            }
        }
    }
}
