//! How the work of a summary is divided.
//!
//! *Invariant.* The shares together are the whole, without overlap, in the order of (tag, time).
//! Where groups are to be whole, none is in two shares.

use std::ops::Range;

use datafusion::error::Result;
use tacitus_model::{TimeRange, Timestamp};

use super::key::Keys;
use crate::scan::SampleScan;

/// Shares a thread where groups are whole, so that one long share does not keep all waiting.
const SHARES_OF_THREAD: usize = 4;
/// LIMIT: a share of less than so many samples is not worth a task of its own.
const ROWS_OF_SHARE_MIN: usize = 64 * 1024;

/// Some tags, over a span of time: what one stream works through, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// Positions of the tags.
    pub(super) tags: Range<usize>,
    pub(super) range: TimeRange,
}

/// Divides the work: many tags by tags, few by time.
pub(super) fn shares(scan: &SampleScan, partitions: usize) -> Vec<Share> {
    let tags = scan.tags.len();
    let partitions = partitions.max(1);
    if tags == 0 || tags >= partitions || scan.range.is_empty() {
        return by_tags(scan, partitions);
    }
    let slices = partitions.div_ceil(tags);
    let mut shares = Vec::with_capacity(tags * slices);
    for at in 0..tags {
        let slices = sliced(range_of(scan, at), slices);
        shares.extend(slices.into_iter().map(|range| Share { tags: at..at + 1, range }));
    }
    shares
}

/// Divides the work between groups.
pub(super) fn whole_shares(scan: &SampleScan, keys: &Keys, threads: usize) -> Result<Vec<Share>> {
    let tags = scan.tags.len();
    let threads = threads.max(1);
    let wanted = scan.rows_estimate().map_or(usize::MAX, |rows| rows / ROWS_OF_SHARE_MIN);
    let wanted = wanted.clamp(1, threads * SHARES_OF_THREAD);
    if threads == 1 || wanted == 1 || tags >= wanted || scan.range.is_empty() {
        return Ok(by_tags(scan, if threads == 1 { 1 } else { wanted }));
    }
    let slices = wanted.div_ceil(tags.max(1));
    let mut shares = Vec::with_capacity(tags * slices);
    for at in 0..tags {
        let range = range_of(scan, at);
        let Some(end) = range.last.nanos().checked_add(1) else {
            shares.push(Share { tags: at..at + 1, range });
            continue;
        };
        let inner: Vec<i64> =
            sliced(range, slices).iter().skip(1).map(|slice| slice.first.nanos()).collect();
        let first = range.first.nanos();
        let mut edges = vec![first];
        edges.extend(keys.begins(&inner, end)?.into_iter().filter(|edge| *edge > first));
        edges.push(end);
        edges.sort_unstable();
        edges.dedup();
        shares.extend(edges.array_windows().map(|[first, end]| Share {
            tags: at..at + 1,
            range: TimeRange {
                first: Timestamp::from_nanos(*first),
                last: Timestamp::from_nanos(end - 1),
            },
        }));
    }
    Ok(shares)
}

/// The span of time that is to be read of a tag.
fn range_of(scan: &SampleScan, at: usize) -> TimeRange {
    let extent = scan.tags.get(at).and_then(|tag| scan.snapshot.extent(tag.id));
    extent.map_or(scan.range, |extent| extent.intersect(&scan.range))
}

fn by_tags(scan: &SampleScan, shares: usize) -> Vec<Share> {
    let tags = scan.tags.len();
    let shares = shares.min(tags).max(1);
    let edge = |at: usize| tags * at / shares;
    (0..shares).map(|at| Share { tags: edge(at)..edge(at + 1), range: scan.range }).collect()
}

/// A span of time in equal slices.
fn sliced(range: TimeRange, slices: usize) -> Vec<TimeRange> {
    if range.is_empty() {
        return vec![range];
    }
    let (first, last) = (i128::from(range.first.nanos()), i128::from(range.last.nanos()));
    let slices = i128::try_from(slices).unwrap_or(1).clamp(1, last - first + 1);
    let edge = |at: i128| first + (last - first + 1) * at / slices;
    let moment = |nanos: i128| Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    (0..slices)
        .map(|at| TimeRange { first: moment(edge(at)), last: moment(edge(at + 1) - 1) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64) -> TimeRange {
        TimeRange { first: Timestamp::from_nanos(first), last: Timestamp::from_nanos(last) }
    }

    #[test]
    fn slices_cover_a_span_without_gap_and_without_overlap() {
        assert_eq!(sliced(range(0, 9), 3), [range(0, 2), range(3, 5), range(6, 9)]);
        assert_eq!(sliced(range(5, 5), 4), [range(5, 5)]);
        assert_eq!(sliced(range(i64::MIN, i64::MAX), 2), [range(i64::MIN, -1), range(0, i64::MAX)]);
    }

    #[test]
    fn an_empty_span_stays_one_empty_slice() {
        assert_eq!(sliced(range(1, 0), 3), [range(1, 0)]);
    }
}
