//! Bounded loss: which samples of a tag may be left out, because the kept ones say nearly the same.
//!
//! ```text
//! exception      ●───────●─────●        a kept value holds; out of the band, the next is kept
//! swinging door  ●──────────────●       a straight line leads through the doors (± band) of all
//! ```
//!
//! *Invariant.* A sample that is left out lies within the band of what the kept ones say at its
//! time: by exception, of the value that holds; by swinging door, of the straight line. For a tag
//! that is read as linear, exception keeps also the sample before each kept one, so that a line
//! between them is within twice the band. Kept whatever the band says: the first and the last
//! sample, every change of quality and of "no value", values that are no numbers, integers beyond
//! 2^53, and enough samples that no gap between two kept ones is longer than the policy allows.
//!
//! *Not here.* Which tags are thinned, and when: the definition and the seal say.

use tacitus_model::{Kind, Thinning, ThinningRule};

use crate::block::Block;

/// The rows of a tag that its thinning keeps.
pub(crate) fn thin(block: &Block, thinning: Thinning, step: bool) -> Block {
    if !matches!(block.kind, Kind::Float | Kind::Int) {
        return block.clone();
    }
    let mut thinner = Thinner { block, thinning, step, kept: Vec::new(), last: 0 };
    // A line through values that hold means nothing.
    if thinning.rule == ThinningRule::SwingingDoor && !step {
        thinner.swinging_door();
    } else {
        thinner.exception();
    }
    if thinner.kept.len() == block.len() {
        return block.clone();
    }
    let mut thinned = Block::tracked(block.kind, block.sequences.is_some());
    for run in thinner.kept.chunk_by(|a, b| a + 1 == *b) {
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            thinned.extend(block, *first..last + 1);
        }
    }
    thinned
}

struct Thinner<'b> {
    block: &'b Block,
    thinning: Thinning,
    step: bool,
    kept: Vec<usize>,
    /// The last kept row.
    last: usize,
}

/// The slopes, from the last kept row, that pass through the doors of all rows since.
#[derive(Clone, Copy)]
struct Doors {
    low: f64,
    high: f64,
}

const OPEN: Doors = Doors { low: f64::NEG_INFINITY, high: f64::INFINITY };

impl Thinner<'_> {
    fn keep(&mut self, row: usize) {
        self.kept.push(row);
        self.last = row;
    }

    fn exception(&mut self) {
        let Some(end) = self.block.len().checked_sub(1) else { return };
        self.keep(0);
        for row in 1..=end {
            if self.last + 1 < row && self.gap_is_long(row) {
                self.keep(row - 1);
            }
            let holds = self.is_alike(row)
                && !self.gap_is_long(row)
                && (self.value(row) - self.value(self.last)).abs() <= self.thinning.band;
            if holds && row < end {
                continue;
            }
            if !holds && !self.step && self.last + 1 < row {
                self.keep(row - 1);
            }
            self.keep(row);
        }
    }

    fn swinging_door(&mut self) {
        let Some(end) = self.block.len().checked_sub(1) else { return };
        self.keep(0);
        let mut doors = OPEN;
        for row in 1..=end {
            let alike = self.is_alike(row);
            if self.last + 1 < row {
                let narrower = doors.through(self.door(row - 1));
                if alike && !self.gap_is_long(row) && narrower.pass(self.slope(row)) {
                    doors = narrower;
                } else {
                    self.close(row - 1);
                    doors = OPEN;
                }
            }
            if !alike || (self.last + 1 == row && self.gap_is_long(row)) {
                self.keep(row);
                doors = OPEN;
            }
        }
        if self.last < end {
            self.close(end);
        }
    }

    /// Keeps a row to which a straight line leads; where rounding carries a row on the way out of
    /// its band, keeps all of them.
    fn close(&mut self, row: usize) {
        let (from, slope) = (self.last, self.slope(row));
        let on_line = |between: &usize| {
            let line = self.value(from) + slope * self.seconds(*between);
            (line - self.value(*between)).abs() <= self.thinning.band
        };
        if !(from + 1..row).all(|between| on_line(&between)) {
            self.kept.extend(from + 1..row);
        }
        self.keep(row);
    }

    /// Whether a row can be left out next to the last kept one at all.
    fn is_alike(&self, row: usize) -> bool {
        let like = |row| (self.block.is_null(row), self.block.quality(row));
        like(row) == like(self.last)
            && self.value(row).is_finite()
            && self.value(self.last).is_finite()
    }

    fn gap_is_long(&self, row: usize) -> bool {
        self.nanoseconds(row) > self.thinning.max_gap_ns.unsigned_abs()
    }

    /// The time from the last kept row.
    fn nanoseconds(&self, row: usize) -> u64 {
        let time = |row| self.block.times.get(row).copied().unwrap_or_default();
        time(row).wrapping_sub(time(self.last)).cast_unsigned()
    }

    #[expect(clippy::cast_precision_loss, reason = "a line is checked after it was rounded")]
    fn seconds(&self, row: usize) -> f64 {
        self.nanoseconds(row) as f64 / 1e9
    }

    /// The value of a row as a number; a row without one is as good as 0 beside its like.
    #[expect(clippy::cast_precision_loss, reason = "larger integers are no numbers here")]
    fn value(&self, row: usize) -> f64 {
        const EXACT: u64 = 1 << 53;
        let bits = self.block.bits.get(row).copied().unwrap_or_default();
        if self.block.is_null(row) {
            return 0.0;
        }
        match self.block.kind {
            Kind::Int if bits.cast_signed().unsigned_abs() > EXACT => f64::NAN,
            Kind::Int => bits.cast_signed() as f64,
            _ => f64::from_bits(bits),
        }
    }

    /// The slope of the line from the last kept row.
    fn slope(&self, row: usize) -> f64 {
        (self.value(row) - self.value(self.last)) / self.seconds(row)
    }

    /// The slopes, from the last kept row, that pass within the band of a row.
    fn door(&self, row: usize) -> Doors {
        let (rise, seconds) = (self.value(row) - self.value(self.last), self.seconds(row));
        let band = self.thinning.band;
        Doors { low: (rise - band) / seconds, high: (rise + band) / seconds }
    }
}

impl Doors {
    fn through(self, door: Self) -> Self {
        Self { low: self.low.max(door.low), high: self.high.min(door.high) }
    }

    fn pass(self, slope: f64) -> bool {
        self.low <= slope && slope <= self.high
    }
}

#[cfg(test)]
mod tests;
