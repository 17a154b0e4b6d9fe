//! When nothing came, for the ledger of gaps.
//!
//! *Invariant.* From the last sign of life to the next there is one entry for the whole source,
//! also where this process was killed in between; it is closed once values are subscribed again.

use std::sync::Arc;

use tacitus_model::Timestamp;

use super::Survey;
use crate::gaps::{Cause, Gaps};

/// The interruption that lasts, if one does.
#[derive(Debug)]
pub(super) struct Interruption {
    gaps: Arc<Gaps>,
    source: String,
    /// The entry of the whole source.
    whole: Option<u64>,
    /// Entries of single tags.
    parts: Vec<u64>,
    /// Whether what an earlier process left was looked at.
    begun: bool,
}

impl Interruption {
    pub(super) fn new(gaps: Arc<Gaps>, source: String) -> Self {
        Self { gaps, source, whole: None, parts: Vec::new(), begun: false }
    }

    /// Takes up what an earlier process left: an interruption that lasts, or the time since the
    /// latest sample. Returns that time where no sample shows it yet.
    pub(super) fn begin(&mut self, latest: Option<Timestamp>) -> Option<Timestamp> {
        if std::mem::replace(&mut self.begun, true) {
            return None;
        }
        let lasting = self.gaps.lasting(&self.source);
        let whole = lasting.iter().find(|gap| gap.tags.is_none()).map(|gap| gap.id);
        let rest = lasting.iter().map(|gap| gap.id).filter(|id| Some(*id) != whole);
        self.parts.extend(rest);
        self.whole = self.whole.or(whole);
        let since = latest.filter(|_| self.whole.is_none())?;
        self.whole = Some(self.gaps.open(&self.source, None, since, Cause::CollectorDown));
        Some(since)
    }

    /// Whether that was done.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Nothing comes since then.
    pub(super) fn since(&mut self, from: Timestamp, cause: Cause) {
        if self.whole.is_none() {
            self.whole = Some(self.gaps.open(&self.source, None, from, cause));
        }
    }

    /// Nothing comes of these tags since then; no news while nothing comes of any.
    pub(super) fn of_tags(&mut self, tags: Vec<String>, from: Timestamp) {
        if self.whole.is_some() {
            return;
        }
        self.parts.push(self.gaps.open(&self.source, Some(tags), from, Cause::Network));
    }

    /// All tags are watched again.
    pub(super) fn over(&mut self, now: Timestamp, survey: &Survey) {
        if let Some(id) = self.whole.take() {
            let gap = self.gaps.get(id);
            let by_network = gap.filter(|gap| gap.cause == Cause::Network);
            let started = survey
                .started
                .map(|theirs| theirs.nanos().saturating_sub(survey.skew_ns.unwrap_or(0)));
            let cause = by_network
                .filter(|gap| started.is_some_and(|started| started > gap.from.nanos()))
                .map(|_| Cause::DeviceDown);
            self.gaps.close(id, now, cause);
        }
        self.parts_over(now);
    }

    /// Tags that were not watched are again.
    pub(super) fn parts_over(&mut self, now: Timestamp) {
        for id in self.parts.drain(..) {
            self.gaps.close(id, now, None);
        }
    }

    /// Notifications of this time are lost.
    pub(super) fn lost(&self, from: Timestamp, to: Timestamp) {
        let id = self.gaps.open(&self.source, None, from, Cause::Network);
        self.gaps.close(id, to, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gaps::Outcome;
    use crate::keeper::Shelf;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn survey(started: i64, skew_s: i64) -> Survey {
        Survey {
            namespaces: Vec::new(),
            read_max: 1,
            browse_max: 1,
            create_max: 1,
            history_max: 1,
            translate_max: 1,
            started: Some(at(started)),
            skew_ns: Some(skew_s * 1_000_000_000),
        }
    }

    #[test]
    fn a_server_that_began_anew_meanwhile_was_down_and_one_that_did_not_was_out_of_reach() {
        for (started, skew_s, want) in [
            (50, 0, Cause::Network),
            (150, 0, Cause::DeviceDown),
            // Its clock is 200 s ahead: it began before the gap.
            (250, 200, Cause::Network),
        ] {
            let gaps = Arc::new(Gaps::new(Arc::new(Shelf::default())));
            let mut interruption = Interruption::new(Arc::clone(&gaps), "opcua:a".into());
            assert_eq!(interruption.begin(None), None);
            interruption.since(at(100), Cause::Network);
            interruption.since(at(110), Cause::Network);
            interruption.over(at(200), &survey(started, skew_s));
            let all = gaps.all();
            assert_eq!(all.len(), 1);
            assert_eq!((all[0].from, all[0].to), (at(100), Some(at(200))));
            assert_eq!((all[0].cause, all[0].outcome), (want, Outcome::Open));
        }
    }

    #[test]
    fn a_kill_is_a_gap_from_the_latest_sample_to_the_return() {
        let gaps = Arc::new(Gaps::new(Arc::new(Shelf::default())));
        let mut interruption = Interruption::new(Arc::clone(&gaps), "opcua:a".into());
        assert_eq!(interruption.begin(Some(at(70))), Some(at(70)));
        assert_eq!(interruption.begin(Some(at(80))), None);
        interruption.over(at(90), &survey(0, 0));
        let missing = gaps.missing("opcua:a");
        assert_eq!((missing[0].from, missing[0].to), (at(70), Some(at(90))));
        assert_eq!(missing[0].cause, Cause::CollectorDown);
    }

    #[test]
    fn a_gap_that_lasted_at_the_kill_is_taken_up() {
        let gaps = Arc::new(Gaps::new(Arc::new(Shelf::default())));
        gaps.open("opcua:a", None, at(10), Cause::Network);
        let mut interruption = Interruption::new(Arc::clone(&gaps), "opcua:a".into());
        assert_eq!(interruption.begin(Some(at(10))), None);
        interruption.over(at(90), &survey(0, 0));
        assert_eq!(gaps.all().len(), 1);
        assert_eq!(gaps.all()[0].to, Some(at(90)));
    }
}
