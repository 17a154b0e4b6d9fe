//! Which rows of a tag a reader may see: not those after its moment, not those it has had, not
//! those deleted.
//!
//! *Invariant.* A row is hidden by a deletion only if it was committed before it.

use tacitus_model::{TimeRange, Timestamp};

use crate::segment::Place;
use crate::statistics::Statistics;

/// What a reader may see of one tag.
#[derive(Debug, Clone)]
pub(crate) struct Visibility {
    /// The last sequence it sees.
    pub(crate) as_of: u64,
    /// The last sequence it has had already; 0: none, as the first is 1.
    pub(crate) after: u64,
    /// Deleted ranges and the sequence of each deletion.
    pub(crate) deleted: Vec<(TimeRange, u64)>,
}

/// What a reader may see of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Whole,
    Nothing,
    /// Row by row.
    Part,
}

impl Visibility {
    /// Everything up to a sequence.
    pub(crate) fn up_to(as_of: u64) -> Self {
        Self { as_of, after: 0, deleted: Vec::new() }
    }

    pub(crate) fn sees(&self, ts: i64, sequence: u64) -> bool {
        let ts = Timestamp::from_nanos(ts);
        let hides = |(range, at): &(TimeRange, u64)| sequence < *at && range.contains(ts);
        self.after < sequence && sequence <= self.as_of && !self.deleted.iter().any(hides)
    }

    /// What is seen of a page without looking at its rows.
    pub(crate) fn of_page(&self, place: &Place, page: &Statistics) -> Seen {
        if place.first_sequence > self.as_of || place.last_sequence <= self.after {
            return Seen::Nothing;
        }
        let cut = place.last_sequence > self.as_of || place.first_sequence <= self.after;
        let mut seen = if cut { Seen::Part } else { Seen::Whole };
        for (range, at) in &self.deleted {
            let (first, last) = (range.first.nanos(), range.last.nanos());
            if place.first_sequence >= *at || last < page.first_ns || page.last_ns < first {
                continue;
            }
            if place.last_sequence < *at && first <= page.first_ns && page.last_ns <= last {
                return Seen::Nothing;
            }
            seen = Seen::Part;
        }
        seen
    }
}
