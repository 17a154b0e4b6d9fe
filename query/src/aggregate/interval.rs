//! A stretch of time that an aggregate is of.
//!
//! *Source.* OPC 10000-13, 5.3.2: time flows from the start of a request to its end. Forward an
//! interval includes its earlier edge and not the later one, backward the other way round; its
//! timestamp is the edge it includes.

use super::point::Point;

/// One interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    /// The earlier edge, nanoseconds since 1970.
    pub(crate) low: i64,
    /// The later edge.
    pub(crate) high: i64,
    /// Time flows backward.
    pub(crate) backward: bool,
    /// The range ended before the interval was full.
    pub(crate) shortened: bool,
}

impl Interval {
    /// Where the interval begins in the flow of time: its timestamp.
    pub(crate) fn start(&self) -> i64 {
        if self.backward { self.high } else { self.low }
    }

    /// The time just before the interval ends, in the flow of time.
    pub(crate) fn effective_end(&self, resolution_ns: i64) -> i64 {
        if self.backward {
            self.low.saturating_add(resolution_ns)
        } else {
            self.high.saturating_sub(resolution_ns)
        }
    }

    /// Whether a sample at one of the edges belongs to the interval.
    pub(crate) fn includes_edge(&self, point: &Point) -> bool {
        point.ts == self.start()
    }
}
