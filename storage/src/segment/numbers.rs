//! A page as the statistics of its parts need it: numbers and when they were, read page after
//! page into the same place.
//!
//! *Invariant.* What is given is what the rows of the page would say; of a page with a row that
//! is null or not good, with texts, or that cannot be read, nothing is given, and its rows must
//! be read.

use crate::codec::{Lanes, decode_steady_times, decode_times, to_float};
use crate::error::Error;
use crate::limits::PAGE_ROWS_MAX;
use crate::segment::{Place, Segment, TagEntry};
use crate::statistics::{Numbers, Times, numbers_of};

/// Room for the numbers of one page.
#[derive(Debug)]
pub(crate) struct PageNumbers {
    lanes: Box<[u64; PAGE_ROWS_MAX]>,
    numbers: Box<[f64; PAGE_ROWS_MAX]>,
    times: Vec<i64>,
}

impl Default for PageNumbers {
    fn default() -> Self {
        Self {
            lanes: Box::new([0; PAGE_ROWS_MAX]),
            numbers: Box::new([0.0; PAGE_ROWS_MAX]),
            times: Vec::with_capacity(PAGE_ROWS_MAX),
        }
    }
}

impl PageNumbers {
    /// Reads a page of so many rows of a tag that steps or does not.
    pub(crate) fn read(
        &mut self,
        segment: &Segment,
        entry: &TagEntry,
        place: &Place,
        rows: u64,
        step: bool,
    ) -> Result<Option<Numbers<'_>>, Error> {
        let Some(rows) = usize::try_from(rows).ok().filter(|rows| *rows <= PAGE_ROWS_MAX) else {
            return Ok(None);
        };
        let (times, values) = (segment.piece(place.times)?, segment.piece(place.values)?);
        let (Some(times), Some(values)) = (times, values) else { return Ok(None) };
        let Some(chunk) = segment.chunk(entry.kind, place.meta)? else { return Ok(None) };
        let number = usize::from(place.number);
        let Some(decoded) = chunk.decode_pure(number, &values, rows, &mut self.lanes) else {
            return Ok(None);
        };
        let (lanes, numbers) = (&mut self.lanes[..rows], &mut self.numbers[..rows]);
        let divisor = match decoded {
            Lanes::Digits(scale) if !scale.is_single => {
                let pairs = numbers.iter_mut().zip(lanes);
                pairs.for_each(|(number, digits)| *number = to_float(*digits));
                scale.power()
            }
            values => {
                values.finish(lanes);
                // Which of the integers was rounded the rows must say.
                if numbers_of(entry.kind, lanes, numbers) {
                    return Ok(None);
                }
                1.0
            }
        };
        let times = if let Some((first_ns, step_ns)) = decode_steady_times(&times, rows) {
            Times::Steady { first_ns, step_ns }
        } else {
            self.times.clear();
            if decode_times(&times, rows, &mut self.times).is_none() {
                return Ok(None);
            }
            Times::Each(&self.times)
        };
        Ok(Some(Numbers { step, digits: numbers, divisor, times }))
    }
}
