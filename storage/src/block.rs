//! Samples of one tag in columns, in time order: what a reader is given.
//!
//! *Invariant.* `times` is strictly increasing; `bits` has a lane for every row, also where the
//! value is null; the optional columns are as long as `times`.

use std::sync::Arc;

use tacitus_model::{Kind, Quality, Timestamp, Value};

use crate::statistics::Run;

/// Samples of one tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the lanes of `bits` mean.
    pub kind: Kind,
    /// Nanoseconds since 1970, strictly increasing.
    pub times: Vec<i64>,
    /// Float: its bits; int: its bits; bool: 0 or 1; state: its index; text: an index into
    /// `texts`.
    pub bits: Vec<u64>,
    /// The texts of a text tag, in the order of their rows; empty for other kinds.
    pub texts: Vec<Arc<str>>,
    /// Which rows have no value; `None` where all have one.
    pub nulls: Option<Vec<bool>>,
    /// The qualities; `None` where all are [`Quality::GOOD`].
    pub qualities: Option<Vec<u32>>,
    /// The sequence at which each row was committed; `None` where nobody asked.
    pub sequences: Option<Vec<u64>>,
}

impl Block {
    /// A block without rows.
    pub fn empty(kind: Kind) -> Self {
        Self {
            kind,
            times: Vec::new(),
            bits: Vec::new(),
            texts: Vec::new(),
            nulls: None,
            qualities: None,
            sequences: None,
        }
    }

    /// A block without rows that keeps the sequence of each row it is given.
    pub(crate) fn tracked(kind: Kind, tracked: bool) -> Self {
        Self { sequences: tracked.then(Vec::new), ..Self::empty(kind) }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Whether a row has no value.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().and_then(|nulls| nulls.get(row)).copied().unwrap_or(false)
    }

    /// The value of a row; `Null` also beyond the end.
    pub fn value(&self, row: usize) -> Value {
        match self.bits.get(row) {
            Some(bits) if !self.is_null(row) => value_of(self.kind, *bits, || self.text(*bits)),
            _ => Value::Null,
        }
    }

    /// The quality of a row; good also beyond the end.
    pub fn quality(&self, row: usize) -> Quality {
        let known = self.qualities.as_ref().and_then(|qualities| qualities.get(row));
        Quality(known.copied().unwrap_or(Quality::GOOD.0))
    }

    /// Whether the columns are as long as they have to be and every text is there.
    pub(crate) fn is_sound(&self) -> bool {
        let rows = self.times.len();
        let sparse = self.nulls.as_ref().is_none_or(|nulls| nulls.len() == rows)
            && self.qualities.as_ref().is_none_or(|qualities| qualities.len() == rows)
            && self.sequences.as_ref().is_none_or(|sequences| sequences.len() == rows);
        let texts = self.texts.len() as u64;
        let texts = self.kind != Kind::Text || self.bits.iter().all(|index| *index < texts);
        self.bits.len() == rows && sparse && texts
    }

    fn text(&self, index: u64) -> Option<Arc<str>> {
        usize::try_from(index).ok().and_then(|index| self.texts.get(index)).cloned()
    }

    /// Adds a row at the end.
    pub(crate) fn push(&mut self, row: Row) {
        let at = self.times.len();
        self.times.push(row.ts);
        if self.kind == Kind::Text {
            self.bits.push(self.texts.len() as u64);
            self.texts.push(row.text.unwrap_or_else(|| Arc::from("")));
        } else {
            self.bits.push(row.bits);
        }
        push_sparse(&mut self.nulls, at, row.null, false);
        push_sparse(&mut self.qualities, at, row.quality, Quality::GOOD.0);
        if let Some(sequences) = &mut self.sequences {
            sequences.push(row.sequence);
        }
    }

    /// Adds rows of another block of the same kind at the end.
    pub(crate) fn extend(&mut self, from: &Self, rows: std::ops::Range<usize>) {
        let at = self.times.len();
        self.times.extend_from_slice(from.times.get(rows.clone()).unwrap_or_default());
        let lanes = from.bits.get(rows.clone()).unwrap_or_default();
        if self.kind == Kind::Text {
            for lane in lanes {
                self.bits.push(self.texts.len() as u64);
                self.texts.push(from.text(*lane).unwrap_or_else(|| Arc::from("")));
            }
        } else {
            self.bits.extend_from_slice(lanes);
        }
        extend_sparse(&mut self.nulls, at, from.nulls.as_deref(), rows.clone(), false);
        let good = Quality::GOOD.0;
        extend_sparse(&mut self.qualities, at, from.qualities.as_deref(), rows.clone(), good);
        if let Some(sequences) = &mut self.sequences {
            let own = from.sequences.as_deref().and_then(|own| own.get(rows));
            sequences.extend_from_slice(own.unwrap_or_default());
        }
    }

    /// The rows that `keep` keeps, by their time and sequence.
    pub(crate) fn retain(&mut self, keep: impl Fn(i64, u64) -> bool) {
        let sequence = |row: usize| {
            self.sequences.as_ref().and_then(|own| own.get(row)).copied().unwrap_or_default()
        };
        let kept: Vec<usize> = (0..self.len())
            .filter(|row| self.times.get(*row).is_some_and(|ts| keep(*ts, sequence(*row))))
            .collect();
        if kept.len() == self.len() {
            return;
        }
        let mut left = Self::tracked(self.kind, self.sequences.is_some());
        kept.into_iter().filter_map(|row| self.row(row)).for_each(|row| left.push(row));
        *self = left;
    }

    /// The rows as the statistics see them.
    pub(crate) fn run(&self, rows: std::ops::Range<usize>, step: bool) -> Run<'_> {
        Run {
            kind: self.kind,
            step,
            times: self.times.get(rows.clone()).unwrap_or_default(),
            bits: self.bits.get(rows.clone()).unwrap_or_default(),
            nulls: self.nulls.as_deref().and_then(|nulls| nulls.get(rows.clone())),
            qualities: self.qualities.as_deref().and_then(|qualities| qualities.get(rows)),
        }
    }

    /// One row, ready to be pushed to another block.
    pub(crate) fn row(&self, row: usize) -> Option<Row> {
        let bits = *self.bits.get(row)?;
        let text = if self.kind == Kind::Text { self.text(bits) } else { None };
        let ts = *self.times.get(row)?;
        let sequence = self.sequences.as_ref().and_then(|own| own.get(row)).copied();
        Some(Row {
            ts,
            bits,
            null: self.is_null(row),
            quality: self.quality(row).0,
            text,
            sequence: sequence.unwrap_or_default(),
        })
    }
}

/// One row on its way between blocks.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) ts: i64,
    pub(crate) bits: u64,
    pub(crate) null: bool,
    pub(crate) quality: u32,
    pub(crate) text: Option<Arc<str>>,
    /// 0 where nobody asked.
    pub(crate) sequence: u64,
}

/// The quality of a value that cannot be read: `Bad_DataLost` of OPC UA, Part 8.
const BAD_DATA_LOST: u32 = 0x809D_0000;

impl Row {
    /// A row that cannot be read.
    pub(crate) fn lost(ts: i64) -> Self {
        Self { ts, bits: 0, null: true, quality: BAD_DATA_LOST, text: None, sequence: 0 }
    }

    /// A sample as a row of its tag.
    pub(crate) fn of(ts: Timestamp, value: &Value, quality: Quality) -> Self {
        let text = if let Value::Text(text) = value { Some(Arc::from(&**text)) } else { None };
        let null = matches!(value, Value::Null);
        let (ts, bits) = (ts.nanos(), bits_of(value));
        Self { ts, bits, null, quality: quality.0, text, sequence: 0 }
    }
}

/// Adds to a column that exists only once a row differs from the usual.
fn push_sparse<T: Copy + PartialEq>(column: &mut Option<Vec<T>>, at: usize, item: T, usual: T) {
    match column {
        Some(column) => column.push(item),
        None if item == usual => {}
        None => {
            let mut filled = vec![usual; at];
            filled.push(item);
            *column = Some(filled);
        }
    }
}

/// Adds a part of such a column to another.
fn extend_sparse<T: Copy + PartialEq>(
    column: &mut Option<Vec<T>>,
    at: usize,
    from: Option<&[T]>,
    rows: std::ops::Range<usize>,
    usual: T,
) {
    let part = from.and_then(|from| from.get(rows.clone()));
    match (column, part) {
        (None, None) => {}
        (Some(column), Some(part)) => column.extend_from_slice(part),
        (Some(column), None) => column.resize(at + rows.len(), usual),
        (column @ None, Some(part)) => {
            if part.iter().any(|item| *item != usual) {
                let mut filled = vec![usual; at];
                filled.extend_from_slice(part);
                *column = Some(filled);
            }
        }
    }
}

/// The value that a lane of this kind stands for.
pub(crate) fn value_of(kind: Kind, bits: u64, text: impl FnOnce() -> Option<Arc<str>>) -> Value {
    match kind {
        Kind::Float => Value::Float(f64::from_bits(bits)),
        Kind::Int => Value::Int(bits.cast_signed()),
        Kind::Bool => Value::Bool(bits != 0),
        Kind::State => Value::State(u32::try_from(bits).unwrap_or(u32::MAX)),
        Kind::Text => Value::Text(text().map_or_else(|| "".into(), |text| (&*text).into())),
    }
}

/// The lane that stands for a value; text has none of its own.
fn bits_of(value: &Value) -> u64 {
    match value {
        Value::Float(number) => number.to_bits(),
        Value::Int(number) => number.cast_unsigned(),
        Value::Bool(fact) => u64::from(*fact),
        Value::State(index) => u64::from(*index),
        Value::Null | Value::Text(_) => 0,
    }
}
