//! The records of a frame: kind, length, content; one sequence each.
//!
//! *Invariant.* A payload is decoded whole or not at all.

use tacitus_model::Batch;

use crate::audit::{self, AuditEntry};
use crate::catalog::{Entry, decode_entry, encode_entry};
use crate::cursor::{Cursor, put_varint};
use crate::documents::{Document, decode_documents, encode_documents};
use crate::log::batch::{decode_batch, encode_rows};

const SAMPLES: u8 = 1;
const DEFINITION: u8 = 2;
const AUDIT: u8 = 3;
const IMPORT: u8 = 4;
const DOCUMENTS: u8 = 5;

/// What one sequence stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Samples(Batch),
    Definition(Entry),
    Audit(AuditEntry),
    /// What an import wrote has this sequence, if a manifest names it.
    Import,
    /// What becomes of documents.
    Documents(Vec<Document>),
}

/// Appends a record of samples.
pub(crate) fn encode_batch(out: &mut Vec<u8>, batch: &Batch) {
    put_record(out, SAMPLES, |content| encode_rows(content, batch));
}

/// Appends a record of a tag's definition and names.
pub(crate) fn encode_definition(out: &mut Vec<u8>, entry: &Entry) {
    put_record(out, DEFINITION, |content| encode_entry(content, entry));
}

/// Appends a record of a change to stored samples.
pub(crate) fn encode_audit(out: &mut Vec<u8>, entry: &AuditEntry) {
    put_record(out, AUDIT, |content| audit::encode_entry(content, entry));
}

/// Appends a record of an import.
pub(crate) fn encode_import(out: &mut Vec<u8>) {
    put_record(out, IMPORT, |_content| {});
}

/// Appends a record of documents.
pub(crate) fn encode_documents_record(out: &mut Vec<u8>, documents: &[Document]) {
    put_record(out, DOCUMENTS, |content| encode_documents(content, documents));
}

fn put_record(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    write(&mut content);
    out.push(kind);
    put_varint(out, content.len() as u64);
    out.extend_from_slice(&content);
}

/// The records of a payload; the sequence of a change is that of its record, which the frame says.
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
            IMPORT => Record::Import,
            DOCUMENTS => Record::Documents(decode_documents(&mut content)?),
            AUDIT => Record::Audit(audit::decode_entry(&mut content, 0)?),
            _ => return None,
        };
        if !content.is_empty() {
            return None;
        }
        records.push(record);
    }
    Some(records)
}
