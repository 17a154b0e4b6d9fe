//! The samples of one tag in the store, as aggregates read them.
//!
//! *From samples*: one cursor that only goes forward. *From statistics*: where intervals hold many
//! samples, what the store knows of each interval; only intervals with a sample that is not good,
//! and pages across an edge, are read.
//!
//! *Invariant.* Both ways give the same outputs, up to the rounding of sums. A pass asks first for the
//! last sample before its range: where there is no value, marks at the beginning are left out.
//!
//! *Not here.* What is worked out from them ([`aggregate`](crate::aggregate)).

mod known;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use tacitus_model::{Kind, Quality, Tag, TimeRange, Timestamp};
use tacitus_storage::{Block, Error, Snapshot, TagScan};

use crate::aggregate::{Configuration, Inside, Interval, Needs, Point, Series};
use known::Known;

/// The samples of a tag.
#[derive(Debug, Clone)]
pub(super) struct TagSamples {
    pub(super) snapshot: Snapshot,
    pub(super) tag: Arc<Tag>,
    /// Samples before are as if they were not there.
    begin: i64,
}

/// LIMIT: marks that are passed over where a tag begins; further ones count as bad samples. More
/// would be read by every question about its beginning.
const MARKS_MAX: usize = 10_000;

impl TagSamples {
    pub(super) fn new(snapshot: Snapshot, tag: Arc<Tag>) -> Self {
        Self { snapshot, tag, begin: i64::MIN }
    }

    pub(super) fn scan(&self, first: i64, last: i64) -> TagScan {
        let first = Timestamp::from_nanos(first.max(self.begin));
        self.snapshot.scan(self.tag.id, TimeRange { first, last: Timestamp::from_nanos(last) })
    }

    /// The first and the last time of the tag's samples, if it has any.
    pub(super) fn extent(&self) -> Option<(i64, i64)> {
        let extent = self.snapshot.extent(self.tag.id)?;
        let (first, last) = (extent.first.nanos().max(self.begin), extent.last.nanos());
        (first <= last).then_some((first, last))
    }

    /// Leaves out what an archive may begin with: marks that it was created, and has no data yet.
    /// They are values of no aggregate.
    fn leave_out_marks(&mut self) -> Result<(), Error> {
        let Some((first, _)) = self.extent() else { return Ok(()) };
        let mut cursor = Cursor::new(self.scan(first, i64::MAX));
        for _ in 0..MARKS_MAX {
            match cursor.peek()? {
                Some(point) if point.is_mark() => self.begin = point.ts.saturating_add(1),
                _ => break,
            }
            cursor.pass();
        }
        Ok(())
    }

    /// The sample at a time.
    pub(super) fn at(&self, ts: i64) -> Result<Option<Point>, Error> {
        Cursor::new(self.scan(ts, ts)).peek()
    }

    /// The first sample at or after a time that passes a test.
    pub(super) fn first(
        &self,
        ts: i64,
        passes: &dyn Fn(&Point) -> bool,
    ) -> Result<Option<Point>, Error> {
        if self.extent().is_none_or(|(_, last)| last < ts) {
            return Ok(None);
        }
        let mut cursor = Cursor::new(self.scan(ts, i64::MAX));
        while let Some(point) = cursor.peek()? {
            if passes(&point) {
                return Ok(Some(point));
            }
            cursor.pass();
        }
        Ok(None)
    }

    /// The last sample before a time that passes a test.
    pub(super) fn last(
        &self,
        ts: i64,
        passes: &dyn Fn(&Point) -> bool,
    ) -> Result<Option<Point>, Error> {
        const FIRST_WIDTH_NS: i64 = 1_000_000_000;
        const WIDER: i64 = 16;
        let Some((first, last)) = self.extent().filter(|(first, _)| *first < ts) else {
            return Ok(None);
        };
        let mut end = last.min(ts - 1);
        let mut width_ns = FIRST_WIDTH_NS;
        loop {
            let begin = end.saturating_sub(width_ns).max(first);
            let mut found = None;
            for block in self.scan(begin, end) {
                let block = block?;
                let rows = (0..block.len()).rev().filter_map(|row| point(&block, row));
                found = rows.into_iter().find(|point| passes(point)).or(found);
            }
            if found.is_some() || begin == first {
                return Ok(found);
            }
            end = begin - 1;
            width_ns = width_ns.saturating_mul(WIDER);
        }
    }
}

/// A row of a block as a sample. A text is told from others by its hash.
pub(super) fn point(block: &Block, row: usize) -> Option<Point> {
    let (ts, bits) = (*block.times.get(row)?, *block.bits.get(row)?);
    let number = if block.is_null(row) {
        f64::NAN
    } else {
        match block.kind {
            Kind::Float => f64::from_bits(bits),
            #[expect(clippy::cast_precision_loss, reason = "documented: nearest float")]
            Kind::Int => bits.cast_signed() as f64,
            #[expect(clippy::cast_precision_loss, reason = "0, 1 or an index below 2^32")]
            Kind::Bool | Kind::State => bits as f64,
            Kind::Text => usize::try_from(bits)
                .ok()
                .and_then(|at| block.texts.get(at))
                .map_or(f64::NAN, |text| hash(text)),
        }
    };
    Some(Point { ts, number, quality: block.quality(row) })
}

/// A number that stands for a text: the same for the same, almost surely another for another.
fn hash(text: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    #[expect(clippy::cast_precision_loss, reason = "52 bits are kept")]
    let number = (hasher.finish() >> 12) as f64;
    number
}

/// Goes through samples once, forward.
#[derive(Debug)]
pub(super) struct Cursor {
    scan: TagScan,
    block: Option<Block>,
    row: usize,
}

impl Cursor {
    pub(super) fn new(scan: TagScan) -> Self {
        Self { scan, block: None, row: 0 }
    }

    /// The sample under the cursor.
    pub(super) fn peek(&mut self) -> Result<Option<Point>, Error> {
        loop {
            if let Some(point) = self.block.as_ref().and_then(|block| point(block, self.row)) {
                return Ok(Some(point));
            }
            let Some(block) = self.scan.next().transpose()? else {
                self.block = None;
                return Ok(None);
            };
            (self.block, self.row) = (Some(block), 0);
        }
    }

    /// Goes to the next one.
    pub(super) fn pass(&mut self) {
        self.row += 1;
    }

    /// Goes to the first sample at or after a time.
    fn seek(&mut self, ts: i64) -> Result<Option<Point>, Error> {
        while let Some(point) = self.peek()? {
            if point.ts >= ts {
                return Ok(Some(point));
            }
            self.pass();
        }
        Ok(None)
    }

    /// Gives the samples before a time that lie in the block under the cursor; whether that was
    /// all.
    fn give(&mut self, before: i64, inside: &mut Inside) -> Result<bool, Error> {
        if self.peek()?.is_none() {
            return Ok(true);
        }
        let Some(block) = &self.block else { return Ok(true) };
        while let Some(point) = point(block, self.row) {
            if point.ts >= before {
                return Ok(true);
            }
            inside.point(&point);
            self.row += 1;
        }
        Ok(false)
    }
}

/// The samples of a tag for one pass over neighbouring intervals.
#[derive(Debug)]
pub(super) struct StoreSeries {
    samples: TagSamples,
    source: Source,
    ahead: Ahead,
    /// Whether it is known where the tag's data begins, as far as that matters.
    begun: bool,
}

/// The next usable sample after bad ones.
#[derive(Debug, Clone, Copy)]
enum Ahead {
    /// Not looked for yet.
    Unknown,
    Found(Point),
    /// There is none.
    Nothing,
}

#[derive(Debug)]
enum Source {
    Samples(Box<Cursor>),
    Known(Box<Known>),
}

impl StoreSeries {
    /// The samples around some intervals.
    pub(super) fn open(
        samples: TagSamples,
        intervals: &[Interval],
        needs: Needs,
        configuration: &Configuration,
    ) -> Result<Self, Error> {
        let known = Known::new(&samples, intervals, needs, configuration)?;
        let low = intervals.first().map_or(i64::MAX, |first| first.low);
        let cursor = || Source::Samples(Box::new(Cursor::new(samples.scan(low, i64::MAX))));
        let source = known.map_or_else(cursor, |known| Source::Known(Box::new(known)));
        Ok(Self { samples, source, ahead: Ahead::Unknown, begun: false })
    }

    /// The samples around some intervals, whatever is known of them.
    #[cfg(test)]
    pub(super) fn open_samples(samples: TagSamples, low: i64) -> Self {
        let cursor = Cursor::new(samples.scan(low, i64::MAX));
        Self {
            samples,
            source: Source::Samples(Box::new(cursor)),
            ahead: Ahead::Unknown,
            begun: false,
        }
    }
}

impl Series for StoreSeries {
    type Error = Error;

    fn at(&mut self, ts: i64) -> Result<Option<Point>, Error> {
        match &mut self.source {
            Source::Samples(cursor) => {
                let at = cursor.seek(ts)?.filter(|point| point.ts == ts);
                if at.is_some() {
                    cursor.pass();
                }
                Ok(at)
            }
            Source::Known(known) => known.at(&self.samples, ts),
        }
    }

    fn between(&mut self, low: i64, high: i64, inside: &mut Inside) -> Result<bool, Error> {
        match &mut self.source {
            Source::Samples(cursor) => cursor.give(high, inside),
            Source::Known(known) => known.between(&self.samples, low, high, inside),
        }
    }

    fn next(&mut self, ts: i64) -> Result<Option<Point>, Error> {
        match &mut self.source {
            Source::Samples(cursor) => cursor.peek(),
            Source::Known(known) => known.next(&self.samples, ts),
        }
    }

    fn usable_next(
        &mut self,
        ts: i64,
        configuration: &Configuration,
    ) -> Result<Option<Point>, Error> {
        match self.ahead {
            Ahead::Found(point) if point.ts > ts => return Ok(Some(point)),
            Ahead::Nothing => return Ok(None),
            _ => {}
        }
        let Some(after) = ts.checked_add(1) else { return Ok(None) };
        let found = self.samples.first(after, &|point| point.is_usable(configuration))?;
        self.ahead = found.map_or(Ahead::Nothing, Ahead::Found);
        Ok(found)
    }

    fn last(&mut self, ts: i64, passes: &dyn Fn(&Point) -> bool) -> Result<Option<Point>, Error> {
        if !std::mem::replace(&mut self.begun, true) {
            let before = self.samples.last(ts, &|_| true)?;
            let value = match before {
                Some(point) if point.is_mark() => self.samples.last(ts, &|one| !one.is_mark())?,
                before => before,
            };
            if value.is_none() {
                self.samples.leave_out_marks()?;
                if let Source::Samples(cursor) = &mut self.source {
                    **cursor = Cursor::new(self.samples.scan(ts, i64::MAX));
                }
                return Ok(None);
            }
            if before.is_some_and(|point| passes(&point)) {
                return Ok(before);
            }
        }
        self.samples.last(ts, passes)
    }
}

/// A good sample, as statistics know it.
fn good(ts: i64, number: f64) -> Point {
    Point { ts, number, quality: Quality::GOOD }
}
