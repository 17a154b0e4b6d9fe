//! How time is cut into files, and how long each retention class keeps what.
//!
//! *Invariant.* A time of a class lies in exactly one partition; a partition is whole days of UTC
//! counted from 1970, so that it expires as a file.

use tacitus_model::Timestamp;

use crate::manifest::Tier;

const DAY_NS: i64 = 86_400_000_000_000;

/// Days of a partition that is kept for months or for ever.
const LONG_DAYS: i64 = 30;

/// Retention below which a partition is one day.
const SHORT_DAYS: i64 = 120;

/// How long the tags of a class are kept, in nanoseconds; `None`: for ever.
///
/// When raw samples go, what is left are the statistics of every minute, where `minute_ns` says
/// for how long, and then those of every hour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    /// The name that tags refer to; empty for those that name none.
    pub class: String,
    /// How long samples are kept.
    pub raw_ns: Option<i64>,
    /// How long statistics of every minute are kept; 0: not at all.
    pub minute_ns: Option<i64>,
    /// How long statistics of every hour are kept; 0: not at all.
    pub hour_ns: Option<i64>,
}

/// The classes there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Partitions {
    classes: Vec<Retention>,
}

impl Partitions {
    pub(crate) fn new(classes: Vec<Retention>) -> Self {
        Self { classes }
    }

    /// What holds for a class; one that nobody configured is kept for ever.
    pub(crate) fn class(&self, name: &str) -> Retention {
        let own = self.classes.iter().find(|class| class.class == name);
        own.cloned().unwrap_or_default()
    }

    /// The partition of a time.
    pub(crate) fn of(&self, class: &str, ts: i64) -> i64 {
        ts.div_euclid(self.width_ns(class))
    }

    /// The first moment after a partition; `None` where time ends first.
    pub(crate) fn end(&self, class: &str, partition: i64) -> Option<i64> {
        partition.checked_add(1)?.checked_mul(self.width_ns(class))
    }

    /// The tier that a segment of a class whose last sample was at `last_ns` should have, `None`
    /// where nothing of it is kept any more.
    pub(crate) fn tier(&self, class: &str, last_ns: i64, now: Timestamp) -> Option<Tier> {
        let Retention { raw_ns, minute_ns, hour_ns, .. } = self.class(class);
        let age_ns = now.nanos().saturating_sub(last_ns);
        let Some(raw_ns) = raw_ns else { return Some(Tier::Raw) };
        let tiers = [(Tier::Raw, Some(raw_ns)), (Tier::Minute, minute_ns), (Tier::Hour, hour_ns)];
        let kept = tiers.into_iter().find(|(_, kept)| kept.is_none_or(|kept| age_ns <= kept));
        kept.map(|(tier, _)| tier)
    }

    fn width_ns(&self, class: &str) -> i64 {
        let short = self.class(class).raw_ns.is_some_and(|kept| kept <= SHORT_DAYS * DAY_NS);
        if short { DAY_NS } else { LONG_DAYS * DAY_NS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> Partitions {
        let class = |class: &str, days: [Option<i64>; 3]| {
            let [raw_ns, minute_ns, hour_ns] = days.map(|days| days.map(|days| days * DAY_NS));
            Retention { class: class.into(), raw_ns, minute_ns, hour_ns }
        };
        Partitions::new(vec![
            class("week", [Some(7), Some(0), Some(0)]),
            class("chain", [Some(30), Some(365), None]),
        ])
    }

    #[test]
    fn a_class_that_expires_soon_has_days_and_others_months() {
        let partitions = partitions();
        assert_eq!(partitions.of("week", -1), -1);
        assert_eq!(partitions.of("week", DAY_NS), 1);
        assert_eq!(partitions.of("", 30 * DAY_NS - 1), 0);
        assert_eq!(partitions.end("", 0), Some(30 * DAY_NS));
        let last = partitions.of("week", i64::MAX);
        assert_eq!(partitions.end("week", last), None);
        assert!(partitions.end("", partitions.of("", i64::MIN)).is_some());
    }

    #[test]
    fn samples_become_minutes_then_hours_then_nothing_as_the_class_says() {
        let partitions = partitions();
        let tier = |class: &str, age_days: i64| {
            partitions.tier(class, 0, Timestamp::from_nanos(age_days * DAY_NS))
        };
        assert_eq!(tier("", 10_000), Some(Tier::Raw));
        assert_eq!(tier("week", 7), Some(Tier::Raw));
        assert_eq!(tier("week", 8), None);
        assert_eq!(tier("chain", 30), Some(Tier::Raw));
        assert_eq!(tier("chain", 31), Some(Tier::Minute));
        assert_eq!(tier("chain", 366), Some(Tier::Hour));
        assert_eq!(tier("chain", 30_000), Some(Tier::Hour));
    }
}
