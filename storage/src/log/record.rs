//! The records of a frame: kind, length, content; one sequence each.
//!
//! *Invariant.* A payload is decoded whole or not at all.

use tacitus_model::Batch;

use crate::catalog::{Entry, decode_entry, encode_entry};
use crate::cursor::{Cursor, put_varint};
use crate::log::batch::{decode_batch, encode_rows};

const SAMPLES: u8 = 1;
const DEFINITION: u8 = 2;

/// What one sequence stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Samples(Batch),
    Definition(Entry),
}

/// Appends a record of samples.
pub(crate) fn encode_batch(out: &mut Vec<u8>, batch: &Batch) {
    put_record(out, SAMPLES, |content| encode_rows(content, batch));
}

/// Appends a record of a tag's definition and names.
pub(crate) fn encode_definition(out: &mut Vec<u8>, entry: &Entry) {
    put_record(out, DEFINITION, |content| encode_entry(content, entry));
}

fn put_record(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    write(&mut content);
    out.push(kind);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(&content);
}

/// The records of a payload.
pub(crate) fn decode_records(payload: &[u8]) -> Option<Vec<Record>> {
    let mut from = Cursor::new(payload);
    let mut records = Vec::new();
    while !from.is_empty() {
        let kind = from.u8()?;
        let len = from.count()?;
        let mut content = Cursor::new(from.take(len)?);
        let record = match kind {
            SAMPLES => Record::Samples(decode_batch(&mut content)?),
            DEFINITION => Record::Definition(decode_entry(&mut content)?),
            _ => return None,
        };
        if !content.is_empty() {
            return None;
        }
        records.push(record);
    }
    Some(records)
}
