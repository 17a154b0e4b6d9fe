//! A batch as bytes in the log: columns, each as differences or runs.
//!
//! ```text
//! rows │ tag differences │ time differences │ runs of kinds, with values │ runs of qualities
//! ```
//! Layout: `docs/format/log.md`.
//!
//! *Invariant.* What [`encode_rows`] wrote, [`decode_batch`] reads back bit for bit.

use tacitus_model::{Batch, Kind, Quality, Sample, TagId, Timestamp, Value};

use crate::cursor::{Cursor, put_text, put_varint, put_zigzag};

const NULL_CODE: u8 = 0;

/// A batch as bytes, for whoever sends samples to another store.
#[must_use]
pub fn rows_to_bytes(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_rows(&mut bytes, batch);
    bytes
}

/// What [`rows_to_bytes`] made of a batch, and nothing behind it.
#[must_use]
pub fn rows_from_bytes(bytes: &[u8]) -> Option<Batch> {
    let mut from = Cursor::new(bytes);
    decode_batch(&mut from).filter(|_| from.is_empty())
}

pub(crate) fn encode_rows(out: &mut Vec<u8>, batch: &Batch) {
    put_varint(out, batch.len() as u64);
    let mut before = 0;
    for tag in batch.tags() {
        put_zigzag(out, i64::from(tag.0) - before);
        before = i64::from(tag.0);
    }
    let mut before = 0_i64;
    for ts in batch.times() {
        put_zigzag(out, ts.nanos().wrapping_sub(before));
        before = ts.nanos();
    }
    for run in batch.values().chunk_by(|a, b| a.kind() == b.kind()) {
        let kind = run.first().and_then(Value::kind);
        out.push(kind.map_or(NULL_CODE, Kind::code));
        put_varint(out, run.len() as u64);
        run.iter().for_each(|value| put_value(out, value));
    }
    for run in batch.qualities().chunk_by(|a, b| a == b) {
        out.extend_from_slice(&run.first().map_or(0, |quality| quality.0).to_le_bytes());
        put_varint(out, run.len() as u64);
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => {}
        Value::Float(number) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
        Value::Int(number) => put_zigzag(out, *number),
        Value::Bool(fact) => out.push(u8::from(*fact)),
        Value::State(index) => put_varint(out, u64::from(*index)),
        Value::Text(text) => put_text(out, text),
    }
}

pub(crate) fn decode_batch(from: &mut Cursor<'_>) -> Option<Batch> {
    // Every row takes at least a byte each for its tag and its time.
    let rows = from.count()?;
    let mut before = 0_i64;
    let tags = (0..rows)
        .map(|_| {
            before = before.checked_add(from.zigzag()?)?;
            u32::try_from(before).ok().map(TagId)
        })
        .collect::<Option<Vec<_>>>()?;
    let mut before = 0_i64;
    let times = (0..rows)
        .map(|_| {
            before = before.wrapping_add(from.zigzag()?);
            Some(Timestamp::from_nanos(before))
        })
        .collect::<Option<Vec<_>>>()?;
    let values = decode_values(from, rows)?;
    let qualities = decode_qualities(from, rows)?;
    let columns = tags.into_iter().zip(times).zip(values).zip(qualities);
    Some(columns.map(|(((tag, ts), value), quality)| Sample { tag, ts, value, quality }).collect())
}

fn decode_values(from: &mut Cursor<'_>, rows: usize) -> Option<Vec<Value>> {
    let mut values = Vec::with_capacity(rows);
    while values.len() < rows {
        let code = from.u8()?;
        let run = run_length(from, rows - values.len())?;
        if code == NULL_CODE {
            values.resize(values.len() + run, Value::Null);
            continue;
        }
        let kind = Kind::from_code(code)?;
        for _ in 0..run {
            values.push(decode_value(from, kind)?);
        }
    }
    Some(values)
}

fn decode_value(from: &mut Cursor<'_>, kind: Kind) -> Option<Value> {
    Some(match kind {
        Kind::Float => Value::Float(f64::from_bits(from.u64()?)),
        Kind::Int => Value::Int(from.zigzag()?),
        Kind::Bool => match from.u8()? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return None,
        },
        Kind::State => Value::State(u32::try_from(from.varint()?).ok()?),
        Kind::Text => Value::Text(from.text()?.into()),
    })
}

fn decode_qualities(from: &mut Cursor<'_>, rows: usize) -> Option<Vec<Quality>> {
    let mut qualities = Vec::with_capacity(rows);
    while qualities.len() < rows {
        let quality = Quality(from.u32()?);
        let run = run_length(from, rows - qualities.len())?;
        qualities.resize(qualities.len() + run, quality);
    }
    Some(qualities)
}

/// The length of a run: at least 1 and at most what is left to fill.
fn run_length(from: &mut Cursor<'_>, most: usize) -> Option<usize> {
    let run = usize::try_from(from.varint()?).ok()?;
    (1..=most).contains(&run).then_some(run)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
            any::<i64>().prop_map(Value::Int),
            any::<bool>().prop_map(Value::Bool),
            any::<u32>().prop_map(Value::State),
            ".{0,12}".prop_map(|text| Value::Text(text.into())),
        ]
    }

    fn samples() -> impl Strategy<Value = Sample> {
        (any::<u32>(), any::<i64>(), values(), prop_oneof![Just(0), any::<u32>()]).prop_map(
            |(tag, ts, value, quality)| Sample {
                tag: TagId(tag),
                ts: Timestamp::from_nanos(ts),
                value,
                quality: Quality(quality),
            },
        )
    }

    proptest! {
        #[test]
        fn a_batch_comes_back_bit_for_bit(batch in proptest::collection::vec(samples(), 0..50)) {
            let batch: Batch = batch.into_iter().collect();
            let mut bytes = Vec::new();
            encode_rows(&mut bytes, &batch);
            let mut from = Cursor::new(&bytes);
            prop_assert_eq!(decode_batch(&mut from), Some(batch));
            prop_assert!(from.is_empty());
        }

        #[test]
        fn rubbish_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(decode_batch(&mut Cursor::new(&bytes)));
        }
    }
}
