//! The decoders of the store, for the fuzz targets: any bytes may come from a damaged disk.
//!
//! *Invariant.* Only built for fuzzing; each function hands the bytes to a decoder, past the
//! checksum where there is one, and lets nothing out.

use tacitus_model::Kind;

use crate::codec::decode_page;
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;
use crate::log::decode_records;
use crate::{backup, catalog, manifest, marks, segment};

/// A page of every kind; the first two bytes choose kind and rows.
pub fn page(bytes: &[u8]) {
    let [kind, rows, page @ ..] = bytes else { return };
    let kind = Kind::ALL.into_iter().cycle().nth(usize::from(*kind)).unwrap_or(Kind::Float);
    let rows = (usize::from(*rows) * 5).min(PAGE_ROWS_MAX);
    if let Some(block) = decode_page(kind, rows, page) {
        assert_eq!(block.len(), rows, "a page has the rows it was asked for");
        assert!(block.times.is_sorted_by(|a, b| a < b), "times rise");
    }
}

/// The records of a log frame.
pub fn records(bytes: &[u8]) {
    drop(decode_records(bytes, 1));
}

/// A tag's definition.
pub fn definition(bytes: &[u8]) {
    drop(catalog::decode_tag(&mut Cursor::new(bytes), 1));
}

/// A manifest.
pub fn manifest(bytes: &[u8]) {
    manifest::fuzz(bytes);
}

/// The tables around a segment's pages.
pub fn segment(bytes: &[u8]) {
    segment::fuzz(bytes);
}

/// The list of a backup.
pub fn backup(bytes: &[u8]) {
    backup::fuzz(bytes);
}

/// The marks.
pub fn marks(bytes: &[u8]) {
    marks::fuzz(bytes);
}
