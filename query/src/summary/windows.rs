//! The windows of time that keys make, found by asking their expressions.
//!
//! The next windows are guessed to be as long as the last one, and searched for where that is
//! wrong (months, days when clocks change). All tags have the same windows, so what was found for
//! one of them serves the next.
//!
//! *Invariant.* All moments of a window have the same keys, and the moment after it another.

use arrow::compute::kernels::partition::partition;
use datafusion::error::Result;

use super::key::Keys;

/// LIMIT: edges that are kept for the next tag.
const KNOWN_MAX: usize = 16_384;

/// Finds where windows end.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// How long the last whole window was.
    width: Option<i64>,
    /// Where windows begin: each of them after `known_from`, up to the last of these.
    known: Vec<i64>,
    known_from: i64,
}

impl Windows {
    /// How long windows are, where that is known.
    pub(super) fn width(&self) -> Option<i64> {
        self.width
    }

    /// The edges of at most `count` windows from `from` on; the last edge is at most `end`.
    pub(super) fn edges(
        &mut self,
        keys: &Keys,
        from: i64,
        end: i64,
        count: usize,
    ) -> Result<Vec<i64>> {
        let mut edges = vec![from];
        self.recall(&mut edges, from, end, count);
        let mut last = edges.last().copied().unwrap_or(from);
        while last < end && edges.len() <= count {
            let before = edges.len();
            if let Some(width) = self.width {
                Self::guess(keys, &mut edges, width, end, count)?;
            }
            if edges.len() == before {
                let next = search(keys, last, end)?;
                // A window that is cut off by the end says how long windows are at least.
                let width = next - last;
                self.width =
                    if next < end { Some(width) } else { self.width.map(|known| known.max(width)) };
                edges.push(next);
            }
            last = edges.last().copied().unwrap_or(end);
        }
        self.keep(&edges, from, end);
        Ok(edges)
    }

    /// Adds the edges that another tag had.
    fn recall(&self, edges: &mut Vec<i64>, from: i64, end: i64, count: usize) {
        if !self.knows(from) {
            return;
        }
        let at = self.known.partition_point(|edge| *edge <= from);
        let ahead = self.known.get(at..).unwrap_or_default();
        let inside = ahead.iter().take_while(|edge| **edge < end).take(count);
        edges.extend(inside);
        let is_all = edges.len() <= ahead.len();
        if is_all && edges.len() <= count {
            // The window that is under way has no edge before the end.
            edges.push(end);
        }
    }

    /// Keeps the edges for other tags. The end is none of them.
    fn keep(&mut self, edges: &[i64], from: i64, end: i64) {
        let found = edges.get(1..).unwrap_or_default();
        let found = found.strip_suffix(&[end]).unwrap_or(found);
        let is_full = self.known.len() >= KNOWN_MAX;
        if !self.knows(from) {
            if is_full && from > self.known_from {
                return;
            }
            (self.known_from, self.known) = (from, Vec::new());
        } else if is_full {
            return;
        }
        let last = self.known.last().copied().unwrap_or(from);
        let at = found.partition_point(|edge| *edge <= last);
        self.known.extend_from_slice(found.get(at..).unwrap_or_default());
    }

    /// Whether it is known which edges follow a moment.
    fn knows(&self, from: i64) -> bool {
        self.known_from <= from && self.known.last().is_some_and(|last| from <= *last)
    }

    /// Adds the windows that are as long as the last one.
    fn guess(keys: &Keys, edges: &mut Vec<i64>, width: i64, end: i64, count: usize) -> Result<()> {
        let Some(last) = edges.last().copied() else { return Ok(()) };
        let guesses: Vec<i64> =
            std::iter::successors(last.checked_add(width), |edge| edge.checked_add(width))
                .take_while(|edge| *edge < end)
                .take((count + 1).saturating_sub(edges.len()))
                .collect();
        // A moment, then each guess with the moment before it: where all are right, pairs are runs
        // of equal keys.
        let mut times = vec![last];
        times.extend(guesses.iter().flat_map(|edge| [edge - 1, *edge]));
        if guesses.len() + edges.len() <= count {
            // The last window is cut off by the end.
            times.push(end - 1);
        }
        let runs = partition(&keys.of_times(&times)?)?.ranges();
        let right = runs.iter().enumerate().take_while(|(at, run)| **run == (2 * at..2 * at + 2));
        let right = right.count();
        edges.extend(guesses.iter().copied().chain([end]).take(right));
        Ok(())
    }
}

/// The first moment after `last`, before `end`, whose keys differ from those of `last`; else `end`.
pub(super) fn search(keys: &Keys, last: i64, end: i64) -> Result<i64> {
    /// The first step, in nanoseconds; each is twice the one before.
    const STEP_NS: i64 = 1_000_000;
    /// Moments looked at together.
    const MOMENTS: i128 = 64;
    /// Windows that may lie between two steps, and some more.
    const LEAPS_MAX: usize = 4;
    if keys.times().is_empty() {
        return Ok(end);
    }
    let steps = std::iter::successors(Some(STEP_NS), |step| step.checked_mul(2));
    let far = steps.map_while(|step| last.checked_add(step)).take_while(|moment| *moment < end);
    let moments: Vec<i64> = far.chain([end - 1]).collect();
    let (mut same, mut other) = divided(keys, last, &moments, end)?;
    // Mostly a key is the moment at which its window begins.
    for _ in 0..LEAPS_MAX {
        let Some(begin) = keys.begin_of(other)? else { break };
        if begin <= same || begin > other || other == end {
            break;
        }
        let (before, found) = divided(keys, last, &[begin - 1, begin], other)?;
        if (before, found) == (begin - 1, begin) {
            return Ok(begin);
        }
        (same, other) = (same.max(before), found);
    }
    while other - same > 1 {
        let (low, span) = (i128::from(same), i128::from(other - same));
        let mut moments: Vec<i64> = (1..=MOMENTS)
            .filter_map(|at| i64::try_from(low + span * at / (MOMENTS + 1)).ok())
            .filter(|moment| *moment > same && *moment < other)
            .collect();
        moments.dedup();
        (same, other) = divided(keys, last, &moments, other)?;
    }
    Ok(other)
}

/// Of rising moments, the last with the keys of `last` (or `last` itself) and the first with
/// other keys (or `end`).
fn divided(keys: &Keys, last: i64, moments: &[i64], end: i64) -> Result<(i64, i64)> {
    let mut times = vec![last];
    times.extend_from_slice(moments);
    let runs = partition(&keys.of_times(&times)?)?.ranges();
    let equal = runs.first().map_or(1, |run| run.end);
    let same = times.get(equal - 1).copied().unwrap_or(last);
    Ok((same, times.get(equal).copied().unwrap_or(end)))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
    use datafusion::common::DFSchema;
    use datafusion::functions::expr_fn::date_trunc;
    use datafusion::logical_expr::{col, lit};
    use datafusion::prelude::SessionContext;
    use proptest::prelude::*;

    use super::*;

    const DAY_NS: i64 = 86_400_000_000_000;

    fn by(unit: &str) -> Keys {
        let utc = DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
        let schema = Schema::new(vec![Field::new("ts", utc, false)]);
        let schema = DFSchema::try_from(schema).unwrap();
        let expr = date_trunc(lit(unit), col("ts"));
        let expr = SessionContext::new().create_physical_expr(expr, &schema).unwrap();
        Keys::read(&[(expr, "begin".to_owned())], |own| Some(std::sync::Arc::clone(own))).unwrap()
    }

    proptest! {
        #[test]
        fn what_one_tag_had_changes_nothing_for_the_next(
            spans in proptest::collection::vec((0..400_i64, 1..400_i64, -1..2_i64, 1..20_usize), 1..8),
            monthly: bool,
        ) {
            let keys = by(if monthly { "month" } else { "day" });
            let mut shared = Windows::default();
            for (first, days, off, count) in spans {
                let from = first * DAY_NS + off;
                let end = from + days * DAY_NS + off;
                let alone = Windows::default().edges(&keys, from, end, count).unwrap();
                prop_assert_eq!(shared.edges(&keys, from, end, count).unwrap(), alone);
            }
        }
    }
}
