//! Which statistics may be used in the place of rows.
//!
//! *Invariant.* [`Needs::verdict`] says yes only to statistics whose figures are exactly those of
//! the rows that would have counted: a page with a bad sample, a null or a NaN is read.

use tacitus_storage::Statistics;

use super::course::Course;
use super::figure::{Asked, Figure};

/// Of which samples the statistics of a window must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// Nothing is asked.
    Nothing,
    /// How many there are.
    Rows,
    /// Figures that do not depend on which samples have no value.
    Values,
    /// The first and the last of them too.
    Ends,
}

/// What must be true of statistics that are used.
#[derive(Debug, Clone)]
pub(super) struct Needs {
    of_all: Depth,
    of_good: Depth,
    serve: bool,
    range: Option<ValueRange>,
    /// Whether the times in each state are asked for.
    states: bool,
}

/// Values that pass a condition. The two ranges differ at zero: statistics do not tell 0 from −0,
/// which the engine tells apart when it compares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ValueRange {
    /// A value from here to there passes.
    pub(super) surely: [f64; 2],
    /// A value that passes is from here to there.
    pub(super) possibly: [f64; 2],
}

impl ValueRange {
    /// The values that pass both conditions.
    pub(super) fn and(self, other: Self) -> Self {
        let both = |one: [f64; 2], other: [f64; 2]| [one[0].max(other[0]), one[1].min(other[1])];
        Self {
            surely: both(self.surely, other.surely),
            possibly: both(self.possibly, other.possibly),
        }
    }
}

/// What statistics say of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that is asked.
    Known,
    /// That none of its samples counts.
    Void,
    /// Not enough.
    Unknown,
}

impl Needs {
    /// `rows` says which samples reach the aggregation.
    pub(super) fn new(asked: &[Asked], rows: Rows) -> Self {
        let depth = |wanted: bool| {
            let of = asked.iter().filter(|asked| asked.good_only == wanted);
            of.map(|asked| match asked.figure {
                Figure::Rows | Figure::Good => Depth::Rows,
                Figure::Values
                | Figure::Sum
                | Figure::Mean
                | Figure::Least
                | Figure::Greatest
                | Figure::Spread => Depth::Values,
                Figure::Earliest
                | Figure::Latest
                | Figure::First
                | Figure::Last
                | Figure::Begin
                | Figure::End
                | Figure::Course(_) => Depth::Ends,
            })
            .max()
            .unwrap_or(Depth::Nothing)
        };
        let (mut of_all, mut of_good) = (depth(false), depth(true));
        // Groups are there with their rows, whatever is asked of them.
        let least = if rows.good_only { &mut of_good } else { &mut of_all };
        *least = (*least).max(Depth::Rows);
        if rows.range.is_some() {
            // Which rows pass depends on their values.
            *least = (*least).max(Depth::Values);
        }
        let states = asked.iter().filter_map(Asked::course).any(Course::reads_states);
        Self { of_all, of_good, serve: rows.statistics_serve, range: rows.range, states }
    }

    /// Whether statistics are worth a look at all.
    pub(super) fn statistics_serve(&self) -> bool {
        self.serve
    }

    /// Whether the times in each state are asked for.
    pub(super) fn states(&self) -> bool {
        self.states
    }

    /// What the statistics of a window say.
    pub(super) fn verdict(&self, own: &Statistics) -> Verdict {
        let counting = if self.of_all == Depth::Nothing { own.good } else { own.rows };
        if own.rows == 0 || counting == 0 {
            return Verdict::Void;
        }
        if let Some(range) = self.range {
            if !own.is_pure() {
                return Verdict::Unknown;
            }
            let ([least, greatest], [lowest, highest]) = (range.surely, range.possibly);
            if own.max < lowest || own.min > highest {
                return Verdict::Void;
            }
            if own.min < least || own.max > greatest {
                return Verdict::Unknown;
            }
        }
        let all = match self.of_all {
            Depth::Nothing | Depth::Rows => true,
            Depth::Values | Depth::Ends => own.is_pure(),
        };
        let good = match self.of_good {
            Depth::Nothing | Depth::Rows => true,
            Depth::Values => own.values == own.good,
            Depth::Ends => own.is_pure(),
        };
        if all && good { Verdict::Known } else { Verdict::Unknown }
    }
}

/// Which samples reach the aggregation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    /// Only good ones.
    pub(super) good_only: bool,
    /// Only those with a value in a range.
    pub(super) range: Option<ValueRange>,
    /// Nothing else is tested, so that statistics may be used.
    pub(super) statistics_serve: bool,
}
