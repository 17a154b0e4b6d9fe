//! Statistics of a tag over windows: whole pages from what is known of them, edges from rows.
//!
//! *Exact*: a page that lies in one window is taken by its statistics, 32 or 1,024 at a time where
//! they all do; a page across an edge is read and split. *Plot*: no page is read; one across an
//! edge counts in every window it touches, so an envelope is never too narrow and at most one page
//! too wide at each end.
//!
//! *Invariant.* Exact figures are those of all rows that the snapshot sees, up to the rounding of
//! sums, whatever was read and whatever not.

use std::ops::Range;

use crate::block::Block;
use crate::cache::{PageBlock, Parts};
use crate::error::Error;
use crate::merge::{Merge, PageRun, Part};
use crate::segment::{BLOCK_RECORDS, PageNumbers, PageReader, Place, ROLL_PAGES, StateTime};
use crate::statistics::{Statistics, Times};

/// Pages of one record of the pyramid's second level.
const GREAT_ROLL_PAGES: usize = ROLL_PAGES * ROLL_PAGES;

/// LIMIT: parts of a page that are kept for the next who asks, which is less than the page decoded.
const PARTS_MAX: usize = 64;

/// How edges are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// Pages across an edge are read.
    Exact,
    /// Nothing is read.
    Plot,
}

/// Statistics by window.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// One record a window; one without samples has no rows.
    pub statistics: Vec<Statistics>,
    /// Pages that were taken by their statistics.
    pub pages_known: u64,
    /// Pages that were read.
    pub pages_read: u64,
}

/// The windows as they fill.
#[derive(Debug)]
pub(crate) struct Fold<'a> {
    /// Rising; window `n` is from `edges[n]` to before `edges[n + 1]`.
    edges: &'a [i64],
    mode: Edges,
    step: bool,
    /// The window of the last row, from which the next is looked for.
    at: usize,
    windows: Windows,
    /// Room for the page that is read.
    room: Option<PageNumbers>,
    /// Room for its parts.
    parts: Vec<Statistics>,
}

impl<'a> Fold<'a> {
    pub(crate) fn new(edges: &'a [i64], mode: Edges, step: bool) -> Self {
        let statistics = vec![Statistics::default(); edges.len().saturating_sub(1)];
        let windows = Windows { statistics, pages_known: 0, pages_read: 0 };
        Self { edges, mode, step, at: 0, windows, room: None, parts: Vec::new() }
    }

    pub(crate) fn over(mut self, merge: &mut Merge) -> Result<Windows, Error> {
        while let Some(part) = merge.next_part()? {
            match part {
                Part::Rows(block) => self.rows(&block),
                Part::Pages(run) => self.run(&run)?,
            }
        }
        Ok(self.windows)
    }

    /// The end of the window that a time is in.
    fn find(&mut self, ts: i64) -> i64 {
        if ts < self.edge(self.at) {
            // Statistics that outlived their rows may overlap.
            self.at = self.edges.partition_point(|edge| *edge <= ts).saturating_sub(1);
        }
        while self.at + 2 < self.edges.len() && self.edge(self.at + 1) <= ts {
            // Windows are often finer than samples: leap.
            let ahead = self.edges.get(self.at + 2..).unwrap_or_default();
            let passed = if ahead.first().is_some_and(|edge| *edge > ts) {
                0
            } else {
                ahead.partition_point(|edge| *edge <= ts)
            };
            self.at = (self.at + 1 + passed).min(self.edges.len() - 2);
        }
        self.edge(self.at + 1)
    }

    fn edge(&self, at: usize) -> i64 {
        self.edges.get(at).copied().unwrap_or(i64::MAX)
    }

    fn absorb(&mut self, part: &Statistics) {
        if let Some(window) = self.windows.statistics.get_mut(self.at) {
            window.absorb(part, self.step);
        }
    }

    fn rows(&mut self, block: &Block) {
        let step = self.step;
        let part = |rows| Statistics::of(block.run(rows, step));
        self.split(Times::Each(&block.times), block.len(), part);
    }

    /// Counts every part of some rows in the window that it is in, and notes it.
    fn split(&mut self, times: Times<'_>, rows: usize, part: impl Fn(Range<usize>) -> Statistics) {
        self.parts.clear();
        let mut from = 0;
        while from < rows {
            let end = self.find(times.at(from));
            // The next row is in the window even where it is not before its end (at the last
            // moment of all, nothing is).
            let until = times.before(end, rows).max(from + 1);
            let own = part(from..until);
            self.absorb(&own);
            self.parts.push(own);
            from = until;
        }
    }

    fn run(&mut self, run: &PageRun) -> Result<(), Error> {
        let mut page = run.pages.start;
        while page < run.pages.end {
            let number = page / BLOCK_RECORDS;
            let block = run.segment.page_block(number)?;
            page = self.run_of_block(run, page, &block)?;
        }
        Ok(())
    }

    /// Takes pages as far as they are in this block of the table, or further; where the next one
    /// is.
    fn run_of_block(
        &mut self,
        run: &PageRun,
        mut page: usize,
        block: &PageBlock,
    ) -> Result<usize, Error> {
        // The integral of a page holds for the way the tag moved when it was written.
        let usable = run.entry.step == self.step || self.mode == Edges::Plot;
        let begin = page - page % BLOCK_RECORDS;
        let end_of_block = run.pages.end.min(begin + BLOCK_RECORDS);
        while page < end_of_block {
            let from = page - begin;
            let known = block.statistics.get(from..end_of_block - begin).unwrap_or_default();
            let Some(first) = known.first() else { return Ok(run.pages.end) };
            let end = self.find(first.first_ns);
            let mut taken = 0;
            if usable {
                taken = self.take_rolls(run, page, known, end)?;
                if taken == 0 {
                    // Up to where the next roll begins, which may say more.
                    let at = page - run.entry.pages().start;
                    taken = self.take_known(known, end, ROLL_PAGES - at % ROLL_PAGES);
                }
            }
            if taken == 0 {
                taken = 1;
                match block.places.get(from).filter(|place| !place.is_bare()) {
                    Some(place) if self.mode == Edges::Exact => {
                        self.windows.pages_read += 1;
                        self.read(run, page, place, first)?;
                    }
                    _ => {
                        self.windows.pages_known += 1;
                        self.spread(first);
                    }
                }
            }
            page += taken;
        }
        Ok(page)
    }

    /// Reads a page across an edge: its numbers where they are all that matters, or its rows.
    fn read(
        &mut self,
        run: &PageRun,
        page: usize,
        place: &Place,
        known: &Statistics,
    ) -> Result<(), Error> {
        let (inside, step) = (self.edges_within(known), self.step);
        if let Some(parts) = inside.and_then(|inside| run.segment.parts(place, inside, step)) {
            for part in &parts.statistics {
                self.find(part.first_ns);
                self.absorb(part);
            }
            return Ok(());
        }
        let mut room = self.room.take().unwrap_or_default();
        let read = room.read(&run.segment, &run.entry, place, known.rows, step);
        // What cannot be read shows again with the rows.
        if let Ok(Some(numbers)) = read {
            let part = |rows| numbers.part(rows).statistics();
            self.split(numbers.times, numbers.digits.len(), part);
            if let Some(edges) = inside {
                let (edges, statistics) = (edges.into(), self.parts.as_slice().into());
                run.segment.keep_parts(place, Parts { edges, step, statistics });
            }
        } else {
            self.rows(&run.read(page, false)?);
        }
        self.room = Some(room);
        Ok(())
    }

    /// The edges within a page that begins in the window found last, where they are few and the
    /// page ends before the last edge of all.
    fn edges_within(&self, page: &Statistics) -> Option<&'a [i64]> {
        let ahead = self.edges.get(self.at + 1..)?;
        let count = ahead.iter().take(PARTS_MAX).take_while(|edge| **edge <= page.last_ns).count();
        (count < ahead.len().min(PARTS_MAX)).then(|| ahead.get(..count))?
    }

    /// Takes pages that end before the end of the window, at most so many; how many.
    fn take_known(&mut self, pages: &[Statistics], end: i64, most: usize) -> usize {
        let Some(window) = self.windows.statistics.get_mut(self.at) else { return 0 };
        let mut taken = 0;
        // A copy, which stays in registers.
        let mut whole = *window;
        for page in pages.iter().take(most).take_while(|page| page.last_ns < end) {
            whole.absorb(page, self.step);
            taken += 1;
        }
        *window = whole;
        self.windows.pages_known += taken as u64;
        taken
    }

    /// Takes the whole tag, 1,024 or 32 pages at once, where they end before the end of the
    /// window; how many.
    fn take_rolls(
        &mut self,
        run: &PageRun,
        page: usize,
        ahead: &[Statistics],
        end: i64,
    ) -> Result<usize, Error> {
        let entry = &run.entry;
        let own = entry.pages();
        let (at, left) = (page - own.start, own.end.min(run.pages.end) - page);
        let mut known = None;
        if at == 0 && left == own.len() && entry.statistics.last_ns < end {
            known = Some((entry.statistics, left));
        } else if at.is_multiple_of(ROLL_PAGES) && own.len() >= ROLL_PAGES {
            let whole = |pages: usize| pages.min(own.end - page);
            // The last page of the roll is often at hand, and says that the roll is too long.
            let long = ahead.get(whole(ROLL_PAGES) - 1).is_some_and(|last| last.last_ns >= end);
            if !long && left >= whole(ROLL_PAGES) {
                let roll = run.segment.roll(entry.first_roll as usize + at / ROLL_PAGES)?;
                known = (roll.last_ns < end).then_some((roll, whole(ROLL_PAGES)));
            }
            if known.is_some()
                && at.is_multiple_of(GREAT_ROLL_PAGES)
                && own.len().div_ceil(ROLL_PAGES) >= ROLL_PAGES
                && left >= whole(GREAT_ROLL_PAGES)
            {
                let first = entry.first_great_roll as usize;
                let great = run.segment.great_roll(first + at / GREAT_ROLL_PAGES)?;
                if great.last_ns < end {
                    known = Some((great, whole(GREAT_ROLL_PAGES)));
                }
            }
        }
        let Some((known, pages)) = known else { return Ok(0) };
        self.windows.pages_known += pages as u64;
        self.absorb(&known);
        Ok(pages)
    }

    /// Counts a page in every window it touches.
    fn spread(&mut self, page: &Statistics) {
        self.find(page.first_ns);
        self.absorb(page);
        let first = self.at;
        while self.at + 2 < self.edges.len() && self.edge(self.at + 1) <= page.last_ns {
            self.at += 1;
            self.absorb(page);
        }
        // The next page may begin in the window in which this one ended, not before.
        self.at = self.at.max(first);
    }
}

/// How long a tag was in each state, by window, while samples are merged.
#[derive(Debug)]
pub(crate) struct StateFold<'a> {
    fold: Fold<'a>,
    states: Vec<Vec<StateTime>>,
    /// The window, time and state of the sample before.
    last: Option<(usize, i64, u64)>,
}

impl<'a> StateFold<'a> {
    pub(crate) fn new(edges: &'a [i64]) -> Self {
        let fold = Fold::new(edges, Edges::Exact, true);
        let states = vec![Vec::new(); edges.len().saturating_sub(1)];
        Self { fold, states, last: None }
    }

    pub(crate) fn over(mut self, merge: &mut Merge) -> Result<Vec<Vec<StateTime>>, Error> {
        while let Some(part) = merge.next_part()? {
            match part {
                Part::Rows(block) => self.rows(&block),
                Part::Pages(run) => self.run(&run)?,
            }
        }
        self.states.iter_mut().for_each(|states| states.sort_by_key(|own| own.state));
        Ok(self.states)
    }

    fn run(&mut self, run: &PageRun) -> Result<(), Error> {
        let mut reader = PageReader::default();
        for page in run.pages.clone() {
            let statistics = reader.statistics(&run.segment, page)?;
            let place = reader.place(&run.segment, page)?;
            let inside = statistics.last_ns < self.fold.find(statistics.first_ns);
            let bare = place.is_bare();
            if (inside && place.states > 0) || bare {
                self.page(&statistics, run.segment.states(&place)?);
            } else {
                self.rows(&run.read(page, false)?);
            }
        }
        Ok(())
    }

    /// Takes a page by the states that were noted of it.
    fn page(&mut self, page: &Statistics, states: Vec<StateTime>) {
        self.fold.find(page.first_ns);
        let joined = self.bridge(page.first_ns);
        let first = state_of(page.first);
        for own in states {
            let joins = u64::from(joined.is_some() && joined == first && first == Some(own.state));
            self.add(own.state, own.held_ns, own.entries.saturating_sub(joins));
        }
        self.last = state_of(page.last).map(|state| (self.fold.at, page.last_ns, state));
    }

    fn rows(&mut self, block: &Block) {
        for row in 0..block.len() {
            let (Some(ts), Some(bits)) = (block.times.get(row), block.bits.get(row)) else { break };
            self.fold.find(*ts);
            let before = self.bridge(*ts);
            let known = !block.is_null(row) && block.quality(row).is_good();
            if known {
                self.add(*bits, 0, u64::from(before != Some(*bits)));
            }
            self.last = known.then_some((self.fold.at, *ts, *bits));
        }
    }

    /// Adds the time since the sample before, where that is in this window; its state.
    fn bridge(&mut self, ts: i64) -> Option<u64> {
        let (window, from, state) = self.last?;
        if window != self.fold.at {
            return None;
        }
        self.add(state, ts.saturating_sub(from), 0);
        Some(state)
    }

    fn add(&mut self, state: u64, held_ns: i64, entries: u64) {
        let Some(states) = self.states.get_mut(self.fold.at) else { return };
        if let Some(own) = states.iter_mut().find(|own| own.state == state) {
            own.held_ns = own.held_ns.saturating_add(held_ns);
            own.entries += entries;
        } else {
            states.push(StateTime { state, held_ns, entries });
        }
    }
}

/// The state that a page's first or last number stands for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "states are whole numbers from 0, kept exactly; others are refused"
)]
fn state_of(number: f64) -> Option<u64> {
    (0.0..4_294_967_296.0).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests;
