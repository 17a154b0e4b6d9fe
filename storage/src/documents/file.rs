//! A file of documents: what became of them between two seals, or since the first.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ store id 16 │ number 8 │ first, last sequence 8 each │ documents
//! ```
//! Layout: `docs/format/documents.md`.
//!
//! *Invariant.* Immutable once published; the manifest names it with its length. Read in the order
//! of the manifest, of each document the last change counts. The first file has no removals.

use crate::cursor::{Cursor, put_varint};
use crate::disk::Disk;
use crate::documents::{Change, Documents, Latest, changes_of, decode_documents, put_document};
use crate::envelope::Envelope;
use crate::error::Error;
use crate::limits::{DOCUMENT_FILES_MAX, DOCUMENTS_DEAD_BYTES_MAX};
use crate::log::StoreId;
use crate::manifest::{FileRecord, Manifest, merged_from};
use crate::naming::Naming;
use crate::publish;

const ENVELOPE: Envelope =
    Envelope { magic: *b"TACDOC1\0", version: 1, otherwise: "it is no file of documents" };

/// Writes the changes of a span of sequences to a file and names it in the manifest. Where there
/// would be too many files, or most of their bytes say nothing any more, files are merged into it.
pub(crate) fn seal_documents(
    disk: &dyn Disk,
    documents: &Documents,
    changes: Latest,
    manifest: &mut Manifest,
    number: u64,
    (first, last): (u64, u64),
) -> Result<(), Error> {
    let size = |(key, body): (&_, &Change)| {
        let (_, key): &(_, std::sync::Arc<[u8]>) = key;
        (key.len() + body.as_ref().map_or(0, |body| body.len())) as u64
    };
    let fresh: u64 = changes.iter().map(size).sum();
    let filed: u64 = manifest.documents.iter().map(|file| file.bytes).sum();
    let live = documents.size().1 as u64;
    let from = if filed > live.saturating_mul(2).saturating_add(DOCUMENTS_DEAD_BYTES_MAX) {
        0
    } else {
        merged_from(&manifest.documents, fresh, DOCUMENT_FILES_MAX)
    };
    let merged = manifest.documents.split_off(from);
    let mut latest = Latest::new();
    for file in &merged {
        latest.extend(read_documents(disk, &manifest.store, file.number)?);
    }
    latest.extend(changes);
    if from == 0 {
        latest.retain(|_, change| change.is_some());
    }
    let first = merged.first().map_or(first, |file| file.first_sequence);
    let record = write_documents(disk, &manifest.store, number, (first, last), &latest)?;
    // What cannot be read back must not replace the log.
    read_documents(disk, &manifest.store, number)?;
    manifest.documents.push(record);
    Ok(())
}

/// Publishes a file of changes.
pub(crate) fn write_documents(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
    (first_sequence, last_sequence): (u64, u64),
    latest: &Latest,
) -> Result<FileRecord, Error> {
    let mut body = store.to_vec();
    for word in [number, first_sequence, last_sequence] {
        body.extend_from_slice(&word.to_le_bytes());
    }
    put_varint(&mut body, latest.len() as u64);
    for ((collection, key), change) in latest {
        put_document(&mut body, *collection, key, change.as_deref());
    }
    let bytes = ENVELOPE.seal(&body);
    publish::publish(disk, &Naming::documents(number), &bytes)?;
    Ok(FileRecord { number, bytes: bytes.len() as u64, first_sequence, last_sequence })
}

/// The changes in a file.
pub(crate) fn read_documents(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
) -> Result<Latest, Error> {
    read(disk, store, number).map(|(_, latest)| latest)
}

/// What a file says of itself.
pub(crate) fn documents_record(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
) -> Result<FileRecord, Error> {
    read(disk, store, number).map(|(record, _)| record)
}

fn read(disk: &dyn Disk, store: &StoreId, number: u64) -> Result<(FileRecord, Latest), Error> {
    let name = Naming::documents(number);
    let (_, bytes) = publish::read_whole(disk, &name)?;
    let (sequences, latest) =
        decode(store, number, &bytes).map_err(|what| Error::corrupt(&name, what))?;
    let (first_sequence, last_sequence) = sequences;
    let record = FileRecord { number, bytes: bytes.len() as u64, first_sequence, last_sequence };
    Ok((record, latest))
}

fn decode(
    store: &StoreId,
    number: u64,
    bytes: &[u8],
) -> Result<((u64, u64), Latest), &'static str> {
    let short = "it is cut off";
    let mut from = ENVELOPE.open(bytes)?;
    if from.array().ok_or(short)? != *store {
        return Err("it belongs to another store");
    }
    if from.u64().ok_or(short)? != number {
        return Err("it has another file's name");
    }
    let sequences = (from.u64().ok_or(short)?, from.u64().ok_or(short)?);
    let latest = decode_latest(from).ok_or("its content makes no sense")?;
    Ok((sequences, latest))
}

fn decode_latest(mut from: Cursor<'_>) -> Option<Latest> {
    let documents = decode_documents(&mut from)?;
    from.is_empty().then(|| changes_of(&documents).collect())
}

/// Decodes the documents of a file, past their checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    drop(decode_latest(Cursor::new(bytes)));
}
