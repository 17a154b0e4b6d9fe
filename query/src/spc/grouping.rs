//! Which samples are one subgroup: sample by sample, in the order of time.
//!
//! | subgroups | complete |
//! |---|---|
//! | of so many samples | with the last of them |
//! | of an interval, between two changes of a trigger | with the first sample of the next; of the first so many, with the last of them |
//!
//! A subgroup of so many samples does not go across a gap: one that is begun is given up.
//!
//! *Invariant.* What is not in a subgroup is counted by one: samples that are no good, and those of
//! a subgroup that was given up. One that is not complete is not given out.

use super::plan::Grouping;
use super::subgroup::{Figures, Joint, Spread, Subgroup};

/// A sample that is good for something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Observation<'a> {
    /// A measured value.
    Value(f64),
    /// Events, and of how many units.
    Count { count: f64, size: f64 },
    /// A value of each variable.
    Vector(&'a [f64]),
}

/// Puts samples together.
#[derive(Debug, Clone)]
pub struct Grouper {
    grouping: Grouping,
    gap_ns: Option<i64>,
    open: Option<Open>,
    /// The interval or the batch that is full.
    full: Option<i64>,
    /// The time of the last sample that was taken.
    last: Option<i64>,
    /// What was left out since the subgroup before.
    left_out: u64,
    fresh: bool,
    /// Whether subgroups keep their values.
    keeps: bool,
}

/// A subgroup that is not complete.
#[derive(Debug, Clone)]
struct Open {
    key: i64,
    count: u64,
    group: Subgroup,
}

impl Grouper {
    /// Puts samples together in this way; a gap is so many nanoseconds without one.
    #[must_use]
    pub fn new(grouping: Grouping, gap_ns: Option<i64>) -> Self {
        let (open, full, last) = (None, None, None);
        Self { grouping, gap_ns, open, full, last, left_out: 0, fresh: true, keeps: false }
    }

    /// The same, where subgroups keep their values.
    #[must_use]
    pub(crate) fn keeping(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// How many values the subgroup has that is not complete.
    pub(crate) fn values_open(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.group.values.len())
    }

    /// What was left out since the last subgroup.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out + self.open.as_ref().map_or(0, |open| open.group.left_out)
    }

    /// What tells subgroups apart at a time, `batch` being that of the trigger.
    fn key(&self, ts: i64, batch: i64) -> i64 {
        match self.grouping {
            Grouping::Count(_) => 0,
            Grouping::Interval(length, _) => ts.div_euclid(length.max(1)),
            Grouping::Trigger(_) => batch,
        }
    }

    /// How many samples make a subgroup full.
    fn most(&self) -> u64 {
        match self.grouping {
            Grouping::Count(count) => count,
            Grouping::Interval(_, first) | Grouping::Trigger(first) => first.unwrap_or(u64::MAX),
        }
    }

    /// A sample that is no good.
    pub(crate) fn leave_out(&mut self, ts: i64, batch: i64) {
        let key = self.key(ts, batch);
        match &mut self.open {
            Some(open) if open.key == key => open.group.left_out += 1,
            _ => self.left_out += 1,
        }
    }

    /// Takes a sample; the subgroups that it makes complete, in order.
    pub(crate) fn take(
        &mut self,
        ts: i64,
        batch: i64,
        observation: Observation<'_>,
    ) -> [Option<Subgroup>; 2] {
        let key = self.key(ts, batch);
        let gap = self.last.zip(self.gap_ns);
        let gap = gap.is_some_and(|(last, gap)| ts.saturating_sub(last) > gap);
        let mut before = None;
        if self.open.as_ref().is_some_and(|open| open.key != key) {
            before = self.close();
        }
        if gap && matches!(self.grouping, Grouping::Count(_)) {
            self.give_up();
        }
        if gap && self.open.is_none() {
            self.fresh = true;
        }
        self.last = Some(ts);
        let counted = matches!(self.grouping, Grouping::Count(_));
        if !counted && self.full == Some(key) {
            return [before, None];
        }
        let most = self.most();
        let open = self.open.get_or_insert_with(|| Open {
            key,
            count: 0,
            group: Subgroup {
                start: ts,
                end: ts,
                figures: nothing(observation),
                left_out: std::mem::take(&mut self.left_out),
                excluded: None,
                fresh: std::mem::take(&mut self.fresh),
                values: Vec::new(),
            },
        });
        open.group.end = ts;
        open.count += 1;
        add(&mut open.group.figures, observation);
        if let (true, Observation::Value(value)) = (self.keeps, observation) {
            open.group.values.push(value);
        }
        let full = open.count >= most;
        if full {
            self.full = Some(key);
        }
        [before, if full { self.close() } else { None }]
    }

    fn close(&mut self) -> Option<Subgroup> {
        self.open.take().map(|open| open.group)
    }

    fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            self.left_out += open.group.left_out + open.count;
            self.fresh |= open.group.fresh;
        }
    }

    /// The end of all samples. A subgroup is complete where its interval is over by then, or the
    /// trigger has changed.
    pub(crate) fn finish(&mut self, end: End) -> Option<Subgroup> {
        let over = match (self.grouping, &self.open, end) {
            (_, None, _) | (Grouping::Count(_), ..) => false,
            (_, _, End::Cut) => true,
            (Grouping::Interval(length, _), Some(open), End::Known { to, .. }) => {
                let end = open.key.checked_add(1).and_then(|next| next.checked_mul(length));
                end.is_some_and(|end| end <= to)
            }
            (Grouping::Trigger(_), _, End::Known { batch_is_over, .. }) => batch_is_over,
        };
        if over {
            return self.close();
        }
        self.give_up();
        None
    }

    /// Whether a sample that comes later may complete a subgroup that ends before it.
    pub(crate) fn waits(&self) -> bool {
        self.open.is_some() && !matches!(self.grouping, Grouping::Count(_))
    }
}

/// Why there are no more samples.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Nothing more is known before a time.
    Known {
        /// That time.
        to: i64,
        /// Whether the trigger has changed since the last sample.
        batch_is_over: bool,
    },
    /// From here on other limits hold.
    Cut,
}

fn nothing(observation: Observation<'_>) -> Figures {
    match observation {
        Observation::Value(_) => Figures::Values(Spread::default()),
        Observation::Count { .. } => Figures::Counts { count: 0.0, size: 0.0 },
        Observation::Vector(values) => Figures::Vectors(Joint::new(values.len())),
    }
}

fn add(figures: &mut Figures, observation: Observation<'_>) {
    match (figures, observation) {
        (Figures::Values(spread), Observation::Value(value)) => spread.add(value),
        (Figures::Counts { count, size }, Observation::Count { count: more, size: of }) => {
            *count += more;
            *size += of;
        }
        (Figures::Vectors(joint), Observation::Vector(values)) => joint.add(values),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of first and last sample, number of samples, what was left out, whether runs begin
    /// anew.
    type Seen = (i64, i64, f64, u64, bool);

    fn seen(group: &Subgroup) -> Seen {
        let Subgroup { start, end, figures, left_out, fresh, .. } = group;
        (*start, *end, figures.size(), *left_out, *fresh)
    }

    /// Groups of samples at times; a negative one is no good. The trigger changes at multiples of
    /// a hundred.
    fn groups(grouping: Grouping, gap_ns: Option<i64>, times: &[i64], to: i64) -> Vec<Seen> {
        let mut grouper = Grouper::new(grouping, gap_ns);
        let mut groups = Vec::new();
        for ts in times {
            let batch = ts.abs().div_euclid(100);
            if *ts < 0 {
                grouper.leave_out(-ts, batch);
            } else {
                let made = grouper.take(*ts, batch, Observation::Value(1.0));
                groups.extend(made.iter().flatten().map(seen));
            }
        }
        groups.extend(grouper.finish(End::Known { to, batch_is_over: false }).as_ref().map(seen));
        groups
    }

    #[test]
    fn samples_are_put_together_by_number_by_time_and_by_trigger() {
        let times = [0, 10, -20, 30, 110, 120, 190, 200, 205];
        let by = |grouping| groups(grouping, None, &times, 210);
        assert_eq!(
            by(Grouping::Count(3)),
            [(0, 30, 3.0, 1, true), (110, 190, 3.0, 0, false)],
            "the last two are not three"
        );
        let hundreds = [(0, 30, 3.0, 1, true), (110, 190, 3.0, 0, false)];
        assert_eq!(by(Grouping::Interval(100, None)), hundreds);
        assert_eq!(by(Grouping::Trigger(None)), hundreds);
        assert_eq!(
            by(Grouping::Interval(100, Some(1))),
            [(0, 0, 1.0, 0, true), (110, 110, 1.0, 1, false), (200, 200, 1.0, 0, false)]
        );
        assert_eq!(
            groups(Grouping::Interval(100, None), None, &times, 300).last(),
            Some(&(200, 205, 2.0, 0, false)),
            "the interval is over"
        );
    }

    #[test]
    fn a_gap_begins_runs_anew_and_ends_a_count() {
        let times = [0, 10, 20, 90, 100, 110];
        assert_eq!(
            groups(Grouping::Count(2), Some(50), &times, 200),
            [(0, 10, 2.0, 0, true), (90, 100, 2.0, 1, true)]
        );
        assert_eq!(
            groups(Grouping::Count(1), Some(50), &times, 200).iter().filter(|own| own.4).count(),
            2
        );
        // Within an interval a gap is none.
        assert_eq!(
            groups(Grouping::Interval(100, None), Some(50), &times, 200),
            [(0, 90, 4.0, 0, true), (100, 110, 2.0, 0, false)]
        );
    }
}
