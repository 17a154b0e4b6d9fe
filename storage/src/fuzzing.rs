//! The decoders of the store, for the fuzz targets: any bytes may come from a damaged disk.
//!
//! *Invariant.* Only built for fuzzing; each function hands the bytes to a decoder, past the
//! checksum where there is one, and lets nothing out.

use tacitus_model::Kind;

use crate::block::Block;
use crate::codec::{Chunk, decode_column, decode_times};
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;
use crate::log::decode_records;
use crate::{audit, backup, catalog, documents, manifest, marks, segment};

/// A page of a chunk, and its meta; the first three bytes choose kind, rows and the length of
/// the meta.
pub fn page(bytes: &[u8]) {
    let [kind, rows, length, bytes @ ..] = bytes else { return };
    let kind = Kind::ALL.into_iter().cycle().nth(usize::from(*kind)).unwrap_or(Kind::Float);
    let rows = (usize::from(*rows) * 5).min(PAGE_ROWS_MAX);
    let Some((meta, page)) = bytes.split_at_checked(usize::from(*length)) else { return };
    let Some(chunk) = Chunk::parse(kind, meta) else { return };
    let mut block = Block::empty(kind);
    let mut lanes = [0; PAGE_ROWS_MAX];
    let is_block = chunk.decode(0, page, rows, &mut block).is_some();
    let pure = chunk.decode_pure(0, page, rows, &mut lanes);
    if is_block {
        assert_eq!(block.bits.len(), rows, "a page has the rows it was asked for");
    }
    if let Some(pure) = pure {
        pure.finish(&mut lanes[..rows]);
        assert!(is_block && block.nulls.is_none() && block.qualities.is_none(), "all rows count");
        assert!(block.bits == lanes[..rows], "lanes are those of the block");
    }
    assert!(
        chunk.totals(0, page, rows).is_none_or(|totals| totals.rows == rows),
        "totals of all rows"
    );
}

/// A page of times; the first byte chooses the rows.
pub fn times(bytes: &[u8]) {
    let [rows, bytes @ ..] = bytes else { return };
    let rows = (usize::from(*rows) * 5).min(PAGE_ROWS_MAX);
    let mut times = Vec::new();
    if decode_times(bytes, rows, &mut times).is_some() {
        assert_eq!(times.len(), rows, "a page has the rows it was asked for");
        assert!(times.is_sorted_by(|a, b| a < b), "times rise");
    }
}

/// A column of an index table; the first two bytes choose kind and rows.
pub fn column(bytes: &[u8]) {
    let [is_float, rows, bytes @ ..] = bytes else { return };
    let kind = if is_float % 2 == 0 { Kind::Int } else { Kind::Float };
    let rows = usize::from(*rows) * 40;
    if let Some(lanes) = decode_column(bytes, kind, rows) {
        assert_eq!(lanes.len(), rows, "a column has the rows it was asked for");
    }
}

/// The records of a log frame.
pub fn records(bytes: &[u8]) {
    drop(decode_records(bytes));
}

/// A tag's definition.
pub fn definition(bytes: &[u8]) {
    drop(catalog::decode_entry(&mut Cursor::new(bytes)));
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

/// The entries of an audit file, past its checksum.
pub fn audit(bytes: &[u8]) {
    audit::fuzz(bytes);
}

/// The documents of a file, past its checksum.
pub fn documents(bytes: &[u8]) {
    documents::fuzz(bytes);
}
