//! The records of a segment's tables: statistics, where a page lies, what a tag has.
//!
//! Columns that follow from others in the normal case are written as the difference from it, so
//! that they are zeros and cost nothing: `docs/format/segment.md`.
//!
//! *Invariant.* What `put` wrote, `take` reads back equal; every record that `take` gives keeps
//! to the order of its times and counts.

use std::ops::Range;

use tacitus_model::{Kind, TagId};

use crate::block::Row;
use crate::segment::table::Record;
use crate::statistics::Statistics;

/// Bytes of a segment: where they begin and how many they are, checksum included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// Where a page lies and which sequences are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// The values; of no length where only the statistics were kept.
    pub(crate) values: Span,
    /// What the pages of its chunk have in common; of no length where that is nothing.
    pub(crate) meta: Span,
    pub(crate) times: Span,
    /// The sequence of each row; of no length where all have the first.
    pub(crate) sequences: Span,
    /// Which page of its chunk it is.
    pub(crate) number: u8,
    /// Its records in the table of states, and how many.
    pub(crate) first_state: u32,
    pub(crate) states: u32,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
}

/// One page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PageEntry {
    pub(crate) place: Place,
    pub(crate) statistics: Statistics,
}

/// What a segment has of one tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TagEntry {
    pub(crate) tag: TagId,
    pub(crate) kind: Kind,
    /// Whether the integrals hold each value to the next.
    pub(crate) step: bool,
    pub(crate) first_page: u32,
    pub(crate) page_count: u32,
    /// Its first record among those of 32 pages, where it has that many pages.
    pub(crate) first_roll: u32,
    /// Its first record among those of 1,024 pages, where it has that many pages.
    pub(crate) first_great_roll: u32,
    pub(crate) last_bits: u64,
    pub(crate) last_quality: u32,
    pub(crate) last_null: bool,
    /// How far a sample that was left out may be from what the kept ones say; 0: none was.
    pub(crate) error_bound: f64,
    pub(crate) statistics: Statistics,
}

/// How long a page's tag was in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateTime {
    /// The state, or 0 and 1 of a bool.
    pub state: u64,
    /// The time from each sample in this state to the next sample, in nanoseconds.
    pub held_ns: i64,
    /// How often it was entered; the first sample of a run counts.
    pub entries: u64,
}

impl Place {
    /// Whether only the statistics of the page were kept.
    pub(crate) fn is_bare(&self) -> bool {
        self.values.len == 0
    }
}

impl TagEntry {
    /// The numbers of its pages.
    pub(crate) fn pages(&self) -> Range<usize> {
        let first = self.first_page as usize;
        first..first + self.page_count as usize
    }

    /// Its latest row, but for a text.
    pub(crate) fn last_row(&self) -> Row {
        Row {
            ts: self.statistics.last_ns,
            bits: self.last_bits,
            null: self.last_null,
            quality: self.last_quality,
            text: None,
            sequence: 0,
        }
    }
}

const ROUNDED: u64 = 1;

impl Record for Statistics {
    const COLUMNS: &'static [Kind] = &[
        Kind::Int,   // rows
        Kind::Int,   // rows − good
        Kind::Int,   // bad
        Kind::Int,   // good − values
        Kind::Int,   // first time
        Kind::Int,   // last time − first time
        Kind::Float, // first
        Kind::Float, // last
        Kind::Float, // min
        Kind::Float, // max
        Kind::Int,   // time of min − first time
        Kind::Int,   // time of max − first time
        Kind::Float, // sum
        Kind::Float, // second moment
        Kind::Float, // integral
        Kind::Int,   // (last time − first time) − good time
        Kind::Int,   // flags
    ];

    fn put(&self, lanes: &mut Vec<u64>) {
        let span = self.last_ns.wrapping_sub(self.first_ns);
        // Without a value the extremes mean nothing; what stands for them must cost nothing.
        let none = self.values == 0;
        let number = |number: f64| if none { 0 } else { number.to_bits() };
        let moment = |ns: i64| if none { 0 } else { ns.wrapping_sub(self.first_ns) };
        lanes.extend([self.rows, self.rows.wrapping_sub(self.good), self.bad]);
        lanes.push(self.good.wrapping_sub(self.values));
        lanes.extend([self.first_ns, span].map(i64::cast_unsigned));
        lanes.extend([number(self.first), number(self.last)]);
        lanes.extend([number(self.min), number(self.max)]);
        lanes.extend([moment(self.min_ns), moment(self.max_ns)].map(i64::cast_unsigned));
        lanes.extend([self.sum, self.m2, self.integral].map(f64::to_bits));
        lanes.push(span.wrapping_sub(self.good_ns).cast_unsigned());
        lanes.push(if self.rounded { ROUNDED } else { 0 });
    }

    fn take(lanes: &[u64]) -> Option<Self> {
        let [
            rows,
            not_good,
            bad,
            no_value,
            first_ns,
            span,
            first,
            last,
            min,
            max,
            min_at,
            max_at,
            sum,
            m2,
            integral,
            lost,
            flags,
        ] = *<&[u64; 17]>::try_from(lanes).ok()?;
        let good = rows.checked_sub(not_good)?;
        let values = good.checked_sub(no_value)?;
        let (first_ns, span) = (first_ns.cast_signed(), span.cast_signed());
        let last_ns = first_ns.wrapping_add(span);
        if rows == 0 || last_ns < first_ns || bad > not_good || flags > ROUNDED {
            return None;
        }
        let none = values == 0;
        let number = |bits: u64, without: f64| if none { without } else { f64::from_bits(bits) };
        let moment = |at: u64| if none { 0 } else { first_ns.wrapping_add(at.cast_signed()) };
        Some(Self {
            rows,
            good,
            bad,
            values,
            first_ns,
            last_ns,
            first: number(first, f64::NAN),
            last: number(last, f64::NAN),
            min: number(min, f64::INFINITY),
            max: number(max, f64::NEG_INFINITY),
            min_ns: moment(min_at),
            max_ns: moment(max_at),
            sum: f64::from_bits(sum),
            m2: f64::from_bits(m2),
            integral: f64::from_bits(integral),
            good_ns: span.wrapping_sub(lost.cast_signed()),
            rounded: flags & ROUNDED != 0,
        })
    }
}

impl Record for Place {
    const COLUMNS: &'static [Kind] = &[Kind::Int; 13];

    fn put(&self, lanes: &mut Vec<u64>) {
        for piece in [self.values, self.meta, self.times, self.sequences] {
            lanes.extend([piece.offset, u64::from(piece.len)]);
        }
        lanes.push(u64::from(self.number));
        lanes.extend([self.first_state, self.states].map(u64::from));
        lanes.extend([self.first_sequence, self.last_sequence - self.first_sequence]);
    }

    fn take(lanes: &[u64]) -> Option<Self> {
        let lanes = <&[u64; 13]>::try_from(lanes).ok()?;
        let [values, meta, times, sequences] = [
            (lanes[0], lanes[1]),
            (lanes[2], lanes[3]),
            (lanes[4], lanes[5]),
            (lanes[6], lanes[7]),
        ]
        .map(|(offset, len)| Some(Span { offset, len: u32::try_from(len).ok()? }));
        Some(Self {
            values: values?,
            meta: meta?,
            times: times?,
            sequences: sequences?,
            number: u8::try_from(lanes[8]).ok()?,
            first_state: u32::try_from(lanes[9]).ok()?,
            states: u32::try_from(lanes[10]).ok()?,
            first_sequence: lanes[11],
            last_sequence: lanes[11].checked_add(lanes[12])?,
        })
    }
}

const PLACE_COLUMNS: usize = Place::COLUMNS.len();

/// The columns of one record, then those of another.
const fn both<const N: usize>(first: &[Kind], second: &[Kind]) -> [Kind; N] {
    let mut columns = [Kind::Int; N];
    let mut at = 0;
    while at < N {
        columns[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    columns
}

impl Record for PageEntry {
    const COLUMNS: &'static [Kind] =
        &both::<{ PLACE_COLUMNS + 17 }>(Place::COLUMNS, Statistics::COLUMNS);

    fn put(&self, lanes: &mut Vec<u64>) {
        self.place.put(lanes);
        self.statistics.put(lanes);
    }

    fn take(lanes: &[u64]) -> Option<Self> {
        let (place, statistics) = lanes.split_at_checked(PLACE_COLUMNS)?;
        Some(Self { place: Place::take(place)?, statistics: Statistics::take(statistics)? })
    }
}

const STEP: u64 = 1;
const LAST_NULL: u64 = 2;
const TAG_COLUMNS: usize = 10;

impl Record for TagEntry {
    const COLUMNS: &'static [Kind] =
        &both::<{ TAG_COLUMNS + 17 }>(&[Kind::Int; TAG_COLUMNS], Statistics::COLUMNS);

    fn put(&self, lanes: &mut Vec<u64>) {
        let step = if self.step { STEP } else { 0 };
        let null = if self.last_null { LAST_NULL } else { 0 };
        // The last value is a column of the statistics already, where it is a float's.
        let known = self.kind == Kind::Float && self.statistics.last.to_bits() == self.last_bits;
        let last_bits = if known { 0 } else { self.last_bits };
        lanes.extend([u64::from(self.tag.0), u64::from(self.kind.code()), step | null]);
        lanes.extend([self.first_page, self.page_count, self.first_roll].map(u64::from));
        lanes.extend([u64::from(self.first_great_roll), last_bits]);
        lanes.push(u64::from(self.last_quality) << 1 | u64::from(known));
        lanes.push(self.error_bound.to_bits());
        self.statistics.put(lanes);
    }

    fn take(lanes: &[u64]) -> Option<Self> {
        let (own, statistics) = lanes.split_at_checked(TAG_COLUMNS)?;
        let own = <&[u64; TAG_COLUMNS]>::try_from(own).ok()?;
        let statistics = Statistics::take(statistics)?;
        let small = |at: usize| own.get(at).and_then(|lane| u32::try_from(*lane).ok());
        let known = own[8] & 1 != 0;
        let entry = Self {
            tag: TagId(small(0)?),
            kind: Kind::from_code(u8::try_from(own[1]).ok()?)?,
            step: own[2] & STEP != 0,
            last_null: own[2] & LAST_NULL != 0,
            first_page: small(3)?,
            page_count: small(4)?,
            first_roll: small(5)?,
            first_great_roll: small(6)?,
            last_bits: if known { statistics.last.to_bits() } else { own[7] },
            last_quality: u32::try_from(own[8] >> 1).ok()?,
            error_bound: f64::from_bits(own[9]),
            statistics,
        };
        (entry.page_count > 0).then_some(entry)
    }
}

impl Record for StateTime {
    const COLUMNS: &'static [Kind] = &[Kind::Int; 3];

    fn put(&self, lanes: &mut Vec<u64>) {
        lanes.extend([self.state, self.held_ns.cast_unsigned(), self.entries]);
    }

    fn take(lanes: &[u64]) -> Option<Self> {
        let [state, held_ns, entries] = *<&[u64; 3]>::try_from(lanes).ok()?;
        Some(Self { state, held_ns: held_ns.cast_signed(), entries })
    }
}
