//! A page: up to 1,024 samples of one tag as bytes.
//!
//! ```text
//! page   times │ values │ nulls │ qualities        each: kind 1 │ content
//! ```
//! The kinds and their contents: `docs/format/segment.md`.
//!
//! *Invariant.* What [`encode_page`] wrote, [`decode_page`] reads back bit for bit, whatever the
//! bits (NaN payloads, −0, the ends of i64); any other bytes give a page or `None`, never a panic,
//! and never more memory than a page can need.

mod lane;
mod sparse;
mod text;
mod time;

use tacitus_model::Kind;

use crate::block::Block;
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;

/// A page of these rows; at most [`PAGE_ROWS_MAX`] of them.
pub(crate) fn encode_page(block: &Block) -> Vec<u8> {
    debug_assert!(block.len() <= PAGE_ROWS_MAX, "a page has a bounded number of rows");
    let mut out = Vec::new();
    time::encode(&mut out, &block.times);
    match block.kind {
        Kind::Text => text::encode(&mut out, block),
        kind => lane::encode(&mut out, kind, &block.bits),
    }
    sparse::encode_nulls(&mut out, block.nulls.as_deref());
    sparse::encode_qualities(&mut out, block.qualities.as_deref());
    out
}

/// The rows of a page; `None` for bytes that are no page of this kind and length.
pub(crate) fn decode_page(kind: Kind, rows: usize, bytes: &[u8]) -> Option<Block> {
    if rows == 0 || rows > PAGE_ROWS_MAX {
        return None;
    }
    let mut from = Cursor::new(bytes);
    let times = time::decode(&mut from, rows)?;
    let (bits, texts) = match kind {
        Kind::Text => text::decode(&mut from, rows)?,
        kind => (lane::decode(&mut from, kind, rows)?, Vec::new()),
    };
    let nulls = sparse::decode_nulls(&mut from, rows)?;
    let qualities = sparse::decode_qualities(&mut from, rows)?;
    from.is_empty().then_some(Block { kind, times, bits, texts, nulls, qualities })
}

#[cfg(test)]
mod tests;
