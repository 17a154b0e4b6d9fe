//! The samples of one tag as they come, and their blocks in order.
//!
//! *Invariant.* The optional columns exist only once a row needs them, and are then as long as
//! the times.

use std::collections::HashSet;
use std::sync::Arc;

use tacitus_model::{Kind, Quality, Value};
use tacitus_storage::Block;

use crate::limits::BLOCK_ROWS_MAX;

/// What a row is counted as, with the room that a growing vector has ahead.
const ROW_BYTES: usize = 24;

/// How many different texts of a tag are shared. LIMIT: a tag of serial numbers has no two alike.
const TEXTS_SHARED_MAX: usize = 1024;

/// Samples of one tag.
#[derive(Debug)]
pub(super) struct Column {
    rows: Block,
    /// Times rise strictly so far.
    rising: bool,
    shared: HashSet<Arc<str>>,
}

impl Column {
    pub(super) fn new(kind: Kind) -> Self {
        Self { rows: Block::empty(kind), rising: true, shared: HashSet::new() }
    }

    /// Adds a sample at the end; the bytes it takes.
    pub(super) fn push(&mut self, ts: i64, value: &Value, quality: Quality) -> usize {
        let mut bytes = ROW_BYTES;
        self.rising &= self.rows.times.last().is_none_or(|last| *last < ts);
        let at = self.rows.len();
        let lane = match value {
            Value::Null => 0,
            Value::Float(number) => number.to_bits(),
            Value::Int(number) => number.cast_unsigned(),
            Value::Bool(fact) => u64::from(*fact),
            Value::State(index) => u64::from(*index),
            Value::Text(_) => at as u64,
        };
        if self.rows.kind == Kind::Text {
            let text: &str = if let Value::Text(text) = value { text } else { "" };
            let (text, new_bytes) = self.share(text);
            bytes += new_bytes + 16;
            self.rows.texts.push(text);
            self.rows.bits.push(at as u64);
        } else {
            self.rows.bits.push(lane);
        }
        self.rows.times.push(ts);
        bytes += sparse(&mut self.rows.nulls, at, matches!(value, Value::Null), false);
        bytes += sparse(&mut self.rows.qualities, at, quality.0, Quality::GOOD.0);
        bytes
    }

    /// A text, the one there is already if it is one of the first; the bytes of a new one.
    fn share(&mut self, text: &str) -> (Arc<str>, usize) {
        if let Some(known) = self.shared.get(text) {
            return (Arc::clone(known), 0);
        }
        let new: Arc<str> = Arc::from(text);
        if self.shared.len() < TEXTS_SHARED_MAX {
            self.shared.insert(Arc::clone(&new));
        }
        (new, text.len() + 32)
    }

    /// The rows in order of time, the last of each time, in blocks.
    pub(super) fn blocks(self) -> impl Iterator<Item = Block> {
        let Self { rows, rising, .. } = self;
        let order = (!rising).then(|| order(&rows.times));
        let count = order.as_ref().map_or(rows.len(), Vec::len);
        (0..count.div_ceil(BLOCK_ROWS_MAX)).map(move |number| {
            let range = number * BLOCK_ROWS_MAX..count.min((number + 1) * BLOCK_ROWS_MAX);
            let mut block = Block::empty(rows.kind);
            match &order {
                None => append(&rows, range, &mut block),
                Some(order) => {
                    for at in order.get(range).unwrap_or_default() {
                        append(&rows, *at..*at + 1, &mut block);
                    }
                }
            }
            block
        })
    }
}

/// The places of the rows by time; of equal times the last.
fn order(times: &[i64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|at| times.get(*at).copied().unwrap_or_default());
    let time = |at: Option<&usize>| at.and_then(|at| times.get(*at));
    let mut kept = Vec::with_capacity(order.len());
    for (place, at) in order.iter().enumerate() {
        if time(Some(at)) != time(order.get(place + 1)) {
            kept.push(*at);
        }
    }
    kept
}

/// Appends rows of one block to another of the same kind.
pub(super) fn append(from: &Block, rows: std::ops::Range<usize>, to: &mut Block) {
    let at = to.len();
    to.times.extend_from_slice(from.times.get(rows.clone()).unwrap_or_default());
    let lanes = from.bits.get(rows.clone()).unwrap_or_default();
    if from.kind == Kind::Text {
        for lane in lanes {
            let text = usize::try_from(*lane).ok().and_then(|lane| from.texts.get(lane)).cloned();
            to.bits.push(to.texts.len() as u64);
            to.texts.push(text.unwrap_or_else(|| Arc::from("")));
        }
    } else {
        to.bits.extend_from_slice(lanes);
    }
    for (place, row) in rows.enumerate() {
        sparse(&mut to.nulls, at + place, from.is_null(row), false);
        sparse(&mut to.qualities, at + place, from.quality(row).0, Quality::GOOD.0);
        if from.nulls.is_none()
            && from.qualities.is_none()
            && to.nulls.is_none()
            && to.qualities.is_none()
        {
            return;
        }
    }
}

/// Adds to a column that exists only once a row differs from the usual; the bytes it took.
fn sparse<T: Copy + PartialEq>(column: &mut Option<Vec<T>>, at: usize, item: T, usual: T) -> usize {
    match column {
        Some(column) => {
            column.push(item);
            2 * size_of::<T>()
        }
        None if item == usual => 0,
        None => {
            let mut filled = vec![usual; at];
            filled.push(item);
            *column = Some(filled);
            (at + 1) * 2 * size_of::<T>()
        }
    }
}
