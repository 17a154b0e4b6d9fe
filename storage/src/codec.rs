//! The samples of one tag as bytes: pages of up to 1,024 rows, in chunks of up to eight pages.
//!
//! ```text
//! chunk   meta │ page 0 │ page 1 …      page: values │ nulls │ qualities
//! times   apart, a page each, so that tags of one scan can share them
//! ```
//! Every byte: `docs/format/codec.md`.
//!
//! *Invariant.* What an encoder wrote, its decoder reads back bit for bit, whatever the bits (NaN
//! payloads, −0, the ends of i64); any other bytes give rows or `None`, never a panic, and never
//! more memory than the rows asked for can need.

mod lane;
mod sparse;
mod text;
mod time;

use tacitus_model::Kind;

use crate::block::Block;
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;

/// How much work goes into few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Sealed from the head: pages that stand alone and are decoded at memory speed.
    Hot,
    /// Compacted: the pages of a chunk share what was learned about all of them.
    Cold,
}

/// Pages in a chunk. LIMIT: 8,192 rows, where a longer chunk gains little and reading one page
/// would need more of its meta.
pub(crate) const CHUNK_PAGES_MAX: usize = 8;

/// What won for a tag last time: the first guess of the next time.
#[derive(Debug, Default, Clone)]
pub(crate) struct Guess {}

/// A chunk as bytes.
#[derive(Debug, Default)]
pub(crate) struct EncodedChunk {
    /// What the pages share; empty where they stand alone.
    pub(crate) meta: Vec<u8>,
    /// A page for every 1,024 rows, and one for the rest.
    pub(crate) pages: Vec<Vec<u8>>,
}

/// What the rows of a page have besides values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purity {
    /// Some row has no value.
    pub(crate) has_nulls: bool,
    /// Some row is not [`tacitus_model::Quality::GOOD`].
    pub(crate) has_qualities: bool,
}

/// Appends the times of one page: at most [`PAGE_ROWS_MAX`], strictly rising.
pub(crate) fn encode_times(out: &mut Vec<u8>, times: &[i64]) {
    time::encode(out, times);
}

/// Appends the `rows` times of a page; they rise strictly.
pub(crate) fn decode_times(bytes: &[u8], rows: usize, out: &mut Vec<i64>) -> Option<()> {
    if rows == 0 || rows > PAGE_ROWS_MAX {
        return None;
    }
    let mut from = Cursor::new(bytes);
    let times = time::decode(&mut from, rows)?;
    out.extend(times);
    from.is_empty().then_some(())
}

/// The values, nulls and qualities (not the times) of at most [`CHUNK_PAGES_MAX`] pages of rows.
pub(crate) fn encode_chunk(block: &Block, _level: Level, _guess: &mut Guess) -> EncodedChunk {
    debug_assert!(block.len() <= CHUNK_PAGES_MAX * PAGE_ROWS_MAX, "a chunk has bounded rows");
    let page = |first: usize| {
        let mut part = Block::empty(block.kind);
        part.extend(block, first..block.len().min(first + PAGE_ROWS_MAX));
        encode_values(&part)
    };
    let pages = (0..block.len()).step_by(PAGE_ROWS_MAX).map(page).collect();
    EncodedChunk { meta: Vec::new(), pages }
}

/// A chunk's meta, parsed once and kept by whoever reads its pages.
#[derive(Debug)]
pub(crate) struct Chunk {
    kind: Kind,
}

impl Chunk {
    /// The meta of a chunk of this kind; `None` for bytes that are none.
    pub(crate) fn parse(kind: Kind, meta: &[u8]) -> Option<Self> {
        meta.is_empty().then_some(Self { kind })
    }

    /// About the memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self)
    }

    /// Decodes page `number` of the chunk and appends what it has, all but times, to `out`, whose
    /// `bits` must be as long as its columns. After `None`, `out` is of no use.
    pub(crate) fn decode(
        &self,
        number: usize,
        page: &[u8],
        rows: usize,
        out: &mut Block,
    ) -> Option<()> {
        if rows == 0 || rows > PAGE_ROWS_MAX || number >= CHUNK_PAGES_MAX {
            return None;
        }
        let at = out.bits.len();
        let mut from = Cursor::new(page);
        if self.kind == Kind::Text {
            let (_, texts) = text::decode(&mut from, rows)?;
            out.bits.extend((out.texts.len() as u64..).take(rows));
            out.texts.extend(texts);
        } else {
            out.bits.extend(lane::decode(&mut from, self.kind, rows)?);
        }
        let nulls = sparse::decode_nulls(&mut from, rows)?;
        let qualities = sparse::decode_qualities(&mut from, rows)?;
        sparse::append(&mut out.nulls, at, rows, nulls, false);
        sparse::append(&mut out.qualities, at, rows, qualities, 0);
        from.is_empty().then_some(())
    }

    /// Decodes the lanes alone, into the first `rows` of `out`; the lane of a text is its row.
    pub(crate) fn decode_lanes(
        &self,
        number: usize,
        page: &[u8],
        rows: usize,
        out: &mut [u64; PAGE_ROWS_MAX],
    ) -> Option<Purity> {
        let mut block = Block::empty(self.kind);
        self.decode(number, page, rows, &mut block)?;
        out.iter_mut().zip(&block.bits).for_each(|(to, from)| *to = *from);
        Some(Purity { has_nulls: block.nulls.is_some(), has_qualities: block.qualities.is_some() })
    }
}

/// Appends one column of an index table: lanes of ints or floats, any number of them.
pub(crate) fn encode_column(out: &mut Vec<u8>, kind: Kind, lanes: &[u64], _level: Level) {
    lane::encode(out, kind, lanes);
}

/// The `rows` lanes of such a column.
pub(crate) fn decode_column(bytes: &[u8], kind: Kind, rows: usize) -> Option<Vec<u64>> {
    let mut from = Cursor::new(bytes);
    let lanes = lane::decode(&mut from, kind, rows)?;
    from.is_empty().then_some(lanes)
}

fn encode_values(block: &Block) -> Vec<u8> {
    let mut out = Vec::new();
    match block.kind {
        Kind::Text => text::encode(&mut out, block),
        kind => lane::encode(&mut out, kind, &block.bits),
    }
    sparse::encode_nulls(&mut out, block.nulls.as_deref());
    sparse::encode_qualities(&mut out, block.qualities.as_deref());
    out
}

/// A page of these rows with its times; at most [`PAGE_ROWS_MAX`] of them.
pub(crate) fn encode_page(block: &Block) -> Vec<u8> {
    let mut out = Vec::new();
    time::encode(&mut out, &block.times);
    out.extend(encode_values(block));
    out
}

/// The rows of such a page; `None` for bytes that are no page of this kind and length.
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
    from.is_empty().then_some(Block { kind, times, bits, texts, nulls, qualities, sequences: None })
}

#[cfg(test)]
mod tests;
