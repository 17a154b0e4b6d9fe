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
    use super::*;

    /// Every span and every range between these.
    const MOMENTS: [i64; 10] =
        [i64::MIN, -1_000_000_007, -3, -1, 0, 1, 2, 9, 1_000_000_009, i64::MAX];

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn ranges() -> Vec<TimeRange> {
        let of = |first: i64| {
            let later = MOMENTS.into_iter().filter(move |last| *last >= first);
            later.map(move |last| TimeRange { first: at(first), last: at(last) })
        };
        MOMENTS.into_iter().flat_map(of).collect()
    }

    #[test]
    fn what_a_look_at_all_finds_is_found() {
        let ended = ranges().into_iter().map(|own| (own.first, Some(own.last)));
        let lasting = MOMENTS.map(|start| (at(start), None));
        let rows: Vec<(u64, (Timestamp, Option<Timestamp>))> =
            (0..).zip(ended.chain(lasting)).collect();
        let mut spans = Spans::default();
        for (id, (start, end)) in &rows {
            spans.insert(*id, *start, *end);
        }
        let is_gone = |id: u64| id % 7 == 3;
        for (id, (start, end)) in rows.iter().filter(|(id, _)| is_gone(*id)) {
            spans.remove(*id, *start, *end);
        }
        for starts in ranges() {
            for ends in ranges() {
                let found: BTreeSet<u64> = spans.find(starts, ends).into_iter().collect();
                for (id, (start, end)) in &rows {
                    let touches =
                        starts.contains(*start) && end.is_none_or(|end| ends.contains(end));
                    assert!(
                        is_gone(*id) && !found.contains(id)
                            || !is_gone(*id) && (!touches || found.contains(id)),
                        "{start:?} to {end:?} by {starts:?} {ends:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_lies_far_off_is_not_looked_at() {
        let mut spans = Spans::default();
        for id in 0..1_000_u32 {
            let start = i64::from(id) * 100;
            spans.insert(id.into(), at(start), Some(at(start + 50)));
        }
        let moment = TimeRange { first: at(50_010), last: at(50_020) };
        let starts = TimeRange { first: Timestamp::MIN, last: moment.last };
        let ends = TimeRange { first: moment.first, last: Timestamp::MAX };
        assert_eq!(spans.find(starts, ends), [500]);
    }
}
