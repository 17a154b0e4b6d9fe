//! Windows of one tag, from statistics where these say enough.
//!
//! A window whose statistics do not say enough (a bad sample among a million) is looked at in
//! parts, so that only the neighbourhood of what is in the way is read row by row.
//!
//! *Invariant.* The pieces of a span of time cover it, in time order, without overlap.

use std::collections::VecDeque;

use datafusion::error::{DataFusionError, Result};
use tacitus_model::{Tag, TimeRange, Timestamp};
use tacitus_storage::{Edges, StateTime, Statistics};

use super::Summary;
use super::figure::Asked;
use super::needs::Verdict;
use super::stream::Counters;
use crate::function::run::Run;

/// What is known of a part of a window, or that it is to be read.
#[derive(Debug)]
pub(super) enum Piece {
    Known(Known),
    /// Rows are to be read.
    Unknown(TimeRange),
}

/// What is known of windows of one tag.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// A moment of each.
    pub(super) times: Vec<i64>,
    pub(super) statistics: Vec<Statistics>,
    /// What each function that follows the course of the values says of them.
    pub(super) runs: Vec<Vec<Run>>,
}

/// The pieces of some windows.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) queue: VecDeque<Piece>,
    /// Whether a window may have come in more than one.
    pub(super) parted: bool,
}

/// LIMIT: a window with this many samples is read rather than looked at in parts; it takes some
/// hundred microseconds.
const PART_ROWS_MIN: u64 = 32 * 1024;
/// Parts that a window is looked at in.
const PARTS: i128 = 32;
/// LIMIT: how often parts are looked at in parts; 32^4 parts of a window are smaller than a page.
const DEPTH_MAX: usize = 4;

/// Asks the store for windows of a tag.
#[derive(Debug)]
pub(super) struct Inquiry<'a> {
    pub(super) summary: &'a Summary,
    pub(super) tag: &'a Tag,
    pub(super) counters: &'a Counters,
}

impl Inquiry<'_> {
    /// What is known between edges, a window each.
    pub(super) fn pieces(&self, edges: &[i64]) -> Result<Pieces> {
        let mut pieces = Pieces::default();
        self.look(edges, 0, &mut pieces)?;
        Ok(pieces)
    }

    fn look(&self, edges: &[i64], depth: usize, pieces: &mut Pieces) -> Result<()> {
        let outside = |error| DataFusionError::External(Box::new(error));
        let (needs, snapshot) = (&self.summary.needs, &self.summary.scan.snapshot);
        let windows = snapshot.aggregate(self.tag.id, edges, Edges::Exact).map_err(outside)?;
        self.counters.pages(windows.pages_known, windows.pages_read);
        let states = if needs.states() {
            snapshot.state_times(self.tag.id, edges).map_err(outside)?
        } else {
            Vec::new()
        };
        let verdicts: Vec<Verdict> =
            windows.statistics.iter().map(|own| needs.verdict(own)).collect();
        let plain = depth == 0 && !self.summary.asked.iter().any(|own| own.course().is_some());
        if plain && verdicts.iter().all(|verdict| *verdict == Verdict::Known) {
            let mut times = edges.to_vec();
            times.truncate(windows.statistics.len());
            let known = Known { times, statistics: windows.statistics, runs: Vec::new() };
            pieces.queue.push_back(Piece::Known(known));
            return Ok(());
        }
        let unknown = verdicts.iter().filter(|verdict| **verdict == Verdict::Unknown).count();
        // Where most parts are unknown, what is in the way is everywhere.
        let deeper = depth == 0 || (depth < DEPTH_MAX && unknown * 2 <= verdicts.len());
        pieces.parted |= depth > 0 || unknown > 0;
        let mut states = states.iter();
        let spans = edges.windows(2).zip(&windows.statistics).zip(verdicts);
        for ((span, statistics), verdict) in spans {
            let [from, end] = span else { continue };
            let states = states.next().map(Vec::as_slice).unwrap_or_default();
            match verdict {
                Verdict::Void => {}
                Verdict::Known => {
                    if !self.known(pieces, *from, *statistics, states) {
                        self::unknown(pieces, *from, *end);
                    }
                }
                Verdict::Unknown if deeper && statistics.rows > PART_ROWS_MIN => {
                    self.look(&parted(*from, *end), depth + 1, pieces)?;
                }
                Verdict::Unknown => self::unknown(pieces, *from, *end),
            }
        }
        Ok(())
    }

    /// Adds a window that is known; false where a function cannot be answered after all.
    fn known(
        &self,
        pieces: &mut Pieces,
        from: i64,
        statistics: Statistics,
        states: &[StateTime],
    ) -> bool {
        let courses = self.summary.asked.iter().filter_map(Asked::course);
        let runs: Option<Vec<Run>> =
            courses.map(|course| course.run(self.tag, &statistics, states)).collect();
        let Some(runs) = runs else {
            pieces.parted = true;
            return false;
        };
        if !matches!(pieces.queue.back(), Some(Piece::Known(_))) {
            let runs = vec![Vec::new(); runs.len()];
            pieces.queue.push_back(Piece::Known(Known { runs, ..Known::default() }));
        }
        if let Some(Piece::Known(known)) = pieces.queue.back_mut() {
            known.times.push(from);
            known.statistics.push(statistics);
            known.runs.iter_mut().zip(runs).for_each(|(column, run)| column.push(run));
        }
        true
    }
}

fn unknown(pieces: &mut Pieces, from: i64, end: i64) {
    let last = Timestamp::from_nanos(end - 1);
    match pieces.queue.back_mut() {
        Some(Piece::Unknown(range)) if range.last.nanos() + 1 == from => range.last = last,
        _ => {
            let first = Timestamp::from_nanos(from);
            pieces.queue.push_back(Piece::Unknown(TimeRange { first, last }));
        }
    }
}

/// The edges of the parts of a window.
fn parted(from: i64, end: i64) -> Vec<i64> {
    let (low, span) = (i128::from(from), i128::from(end) - i128::from(from));
    let edge = |at: i128| i64::try_from(low + span * at / PARTS).unwrap_or(end);
    let mut edges: Vec<i64> = (0..=PARTS).map(edge).collect();
    edges.dedup();
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_window_of_any_length() {
        for (from, end) in [(0, 1), (0, 5), (-7, 1_000), (i64::MIN, i64::MAX)] {
            let edges = parted(from, end);
            assert_eq!((edges.first(), edges.last()), (Some(&from), Some(&end)));
            assert!(edges.is_sorted_by(|a, b| a < b), "{edges:?}");
        }
    }
}
