//! What the values themselves say of gaps: queues that overflowed, qualities that are bad.
//!
//! *Invariant.* However often that happens, the ledger gets few entries: lost values are written
//! down together, and a bad quality only once it has lasted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tacitus_model::Timestamp;

use crate::collect::limits::BAD_QUALITY_GRACE;
use crate::gaps::{Cause, Gaps, Outcome, TAGS_NAMED_MAX};

/// What is to be written down.
#[derive(Debug)]
pub(super) struct Notes {
    gaps: Arc<Gaps>,
    source: String,
    lost: Option<Lost>,
    bad: BTreeMap<String, Bad>,
}

/// Values that are lost, of one tag or another.
#[derive(Debug)]
struct Lost {
    /// `None`: of all, or of more than an entry names.
    tags: Option<BTreeSet<String>>,
    from: Timestamp,
    to: Timestamp,
}

/// A tag whose quality is bad.
#[derive(Debug)]
struct Bad {
    since: Timestamp,
    entry: Option<u64>,
}

impl Notes {
    pub(super) fn new(gaps: Arc<Gaps>, source: String) -> Self {
        Self { gaps, source, lost: None, bad: BTreeMap::new() }
    }

    /// Values of a tag, or of all, between two moments are lost.
    pub(super) fn lost(&mut self, tag: Option<&str>, from: Timestamp, to: Timestamp) {
        let lost = self.lost.get_or_insert(Lost { tags: Some(BTreeSet::new()), from, to });
        lost.from = lost.from.min(from);
        lost.to = lost.to.max(to);
        match (&mut lost.tags, tag) {
            (Some(tags), Some(tag)) if tags.len() < TAGS_NAMED_MAX => {
                if !tags.contains(tag) {
                    tags.insert(tag.to_owned());
                }
            }
            _ => lost.tags = None,
        }
    }

    /// The quality of a tag's newest sample.
    pub(super) fn quality(&mut self, tag: &str, ts: Timestamp, is_bad: bool) {
        if is_bad {
            if !self.bad.contains_key(tag) {
                self.bad.insert(tag.to_owned(), Bad { since: ts, entry: None });
            }
        } else if !self.bad.is_empty()
            && let Some(bad) = self.bad.remove(tag)
        {
            self.end(bad.entry, ts);
        }
    }

    /// Nothing is known of any tag from here on, which stands in the ledger by itself.
    pub(super) fn interrupted(&mut self, at: Timestamp) {
        for bad in std::mem::take(&mut self.bad).into_values() {
            self.end(bad.entry, at);
        }
    }

    /// Writes down what there is to write down.
    pub(super) fn write_down(&mut self, now: Timestamp) {
        if let Some(lost) = self.lost.take() {
            let tags = lost.tags.map(|tags| tags.into_iter().collect());
            let id = self.gaps.open(&self.source, tags, lost.from, Cause::Overflow);
            self.gaps.close(id, lost.to, None);
        }
        let grace_ns = i64::try_from(BAD_QUALITY_GRACE.as_nanos()).unwrap_or(i64::MAX);
        for (tag, bad) in &mut self.bad {
            let lasted = now.nanos().saturating_sub(bad.since.nanos());
            if bad.entry.is_none() && lasted >= grace_ns {
                let tags = Some(vec![tag.clone()]);
                bad.entry = Some(self.gaps.open(&self.source, tags, bad.since, Cause::BadQuality));
            }
        }
    }

    /// The device itself had nothing better: nobody has the samples.
    fn end(&self, entry: Option<u64>, at: Timestamp) {
        if let Some(id) = entry {
            self.gaps.close(id, at, None);
            self.gaps.settle(id, Outcome::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::Shelf;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn notes() -> (Arc<Gaps>, Notes) {
        let gaps = Arc::new(Gaps::new(Arc::new(Shelf::default())));
        (Arc::clone(&gaps), Notes::new(gaps, "opcua:a".into()))
    }

    #[test]
    fn lost_values_are_written_down_together() {
        let (gaps, mut notes) = notes();
        notes.lost(Some("x"), at(10), at(11));
        notes.lost(Some("y"), at(9), at(10));
        notes.lost(Some("x"), at(12), at(13));
        notes.write_down(at(20));
        notes.write_down(at(30));
        let all = gaps.all();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].from, all[0].to), (at(9), Some(at(13))));
        assert_eq!(all[0].tags, Some(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!((all[0].cause, all[0].outcome), (Cause::Overflow, Outcome::Open));
    }

    #[test]
    fn a_bad_quality_that_lasts_is_a_gap_and_a_short_one_is_not() {
        let (gaps, mut notes) = notes();
        notes.quality("x", at(0), true);
        notes.quality("x", at(3), false);
        notes.quality("y", at(4), true);
        notes.write_down(at(8));
        assert!(gaps.all().is_empty());
        notes.write_down(at(15));
        notes.quality("y", at(60), false);
        let all = gaps.all();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].from, all[0].to), (at(4), Some(at(60))));
        assert_eq!((all[0].cause, all[0].outcome), (Cause::BadQuality, Outcome::Lost));
    }
}
