//! Windows of one tag, from statistics where these say enough.
//!
//! A window whose statistics do not say enough (a bad sample among a million) is looked at in
//! parts, so that only the neighbourhood of what is in the way is read row by row.
//!
//! *Invariant.* The pieces of a span of time cover it, in time order, without overlap.

use std::collections::VecDeque;

use datafusion::error::{DataFusionError, Result};
use tacitus_model::{Tag, TimeRange, Timestamp};
use tacitus_storage::{Edges, Snapshot, Statistics};

use super::figure::{Needs, Verdict};
use super::stream::Counters;

/// What is known of a part of a window, or that it is to be read.
#[derive(Debug)]
pub(super) enum Piece {
    /// Statistics of windows, and a moment of each.
    Known(Vec<i64>, Vec<Statistics>),
    /// Rows are to be read.
    Unknown(TimeRange),
}

/// LIMIT: a window with this many samples is read rather than looked at in parts; it takes some
/// hundred microseconds.
const PART_ROWS_MIN: u64 = 32 * 1024;
/// Parts that a window is looked at in.
const PARTS: i128 = 32;
/// LIMIT: how often parts are looked at in parts; 32^4 parts of a window are smaller than a page.
const DEPTH_MAX: usize = 4;

/// Asks the store for windows.
#[derive(Debug)]
pub(super) struct Inquiry<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) tag: &'a Tag,
    pub(super) needs: &'a Needs,
    pub(super) counters: &'a Counters,
}

impl Inquiry<'_> {
    /// What is known between edges, a window each.
    pub(super) fn pieces(&self, edges: &[i64]) -> Result<VecDeque<Piece>> {
        let mut pieces = VecDeque::new();
        self.look(edges, 0, &mut pieces)?;
        Ok(pieces)
    }

    fn look(&self, edges: &[i64], depth: usize, pieces: &mut VecDeque<Piece>) -> Result<()> {
        let windows = self
            .snapshot
            .aggregate(self.tag.id, edges, Edges::Exact)
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        self.counters.pages(windows.pages_known, windows.pages_read);
        let verdicts: Vec<Verdict> =
            windows.statistics.iter().map(|own| self.needs.verdict(own)).collect();
        let unknown = verdicts.iter().filter(|verdict| **verdict == Verdict::Unknown).count();
        // Where most parts are unknown, what is in the way is everywhere.
        let deeper = depth == 0 || (depth < DEPTH_MAX && unknown * 2 <= verdicts.len());
        let spans = edges.windows(2).zip(&windows.statistics).zip(verdicts);
        for ((span, statistics), verdict) in spans {
            let [from, end] = span else { continue };
            match verdict {
                Verdict::Void => {}
                Verdict::Known => known(pieces, *from, *statistics),
                Verdict::Unknown if deeper && statistics.rows > PART_ROWS_MIN => {
                    self.look(&parted(*from, *end), depth + 1, pieces)?;
                }
                Verdict::Unknown => self::unknown(pieces, *from, *end),
            }
        }
        Ok(())
    }
}

fn known(pieces: &mut VecDeque<Piece>, from: i64, statistics: Statistics) {
    if let Some(Piece::Known(times, windows)) = pieces.back_mut() {
        times.push(from);
        windows.push(statistics);
    } else {
        pieces.push_back(Piece::Known(vec![from], vec![statistics]));
    }
}

fn unknown(pieces: &mut VecDeque<Piece>, from: i64, end: i64) {
    let last = Timestamp::from_nanos(end - 1);
    match pieces.back_mut() {
        Some(Piece::Unknown(range)) if range.last.nanos() + 1 == from => range.last = last,
        _ => {
            pieces
                .push_back(Piece::Unknown(TimeRange { first: Timestamp::from_nanos(from), last }));
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
