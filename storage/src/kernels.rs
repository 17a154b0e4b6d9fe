//! The codecs, for the benchmark that measures them.
//!
//! *Invariant.* Only built with the feature `kernels`, which only `benches/codec.rs` asks for;
//! nothing here is an interface.

use tacitus_model::Kind;

use crate::block::Block;
use crate::codec::{Chunk, EncodedChunk, Guess, Level};
use crate::codec::{decode_times, encode_chunk, encode_times};
use crate::limits::PAGE_ROWS_MAX;

/// One tag's encoder, with what it remembers.
#[derive(Debug)]
pub struct Encoder {
    level: Level,
    guess: Guess,
}

impl Encoder {
    /// An encoder that has seen nothing.
    pub fn new(is_cold: bool) -> Self {
        let level = if is_cold { Level::Cold } else { Level::Hot };
        Self { level, guess: Guess::default() }
    }

    /// A block of at most 8,192 rows, without its times.
    pub fn encode(&mut self, block: &Block) -> Encoded {
        let chunk = encode_chunk(block, self.level, &mut self.guess);
        Encoded { chunk, kind: block.kind, rows: block.len() }
    }
}

/// A chunk as bytes.
#[derive(Debug)]
pub struct Encoded {
    chunk: EncodedChunk,
    kind: Kind,
    rows: usize,
}

impl Encoded {
    /// Its length.
    pub fn bytes(&self) -> usize {
        self.chunk.meta.len() + self.chunk.pages.iter().map(Vec::len).sum::<usize>()
    }

    /// The first bytes of the meta and of the first page, which say what was chosen.
    pub fn head(&self) -> (Vec<u8>, Vec<u8>) {
        let some = |bytes: &[u8]| bytes.iter().take(4).copied().collect();
        (
            some(&self.chunk.meta),
            self.chunk.pages.first().map(|page| some(page)).unwrap_or_default(),
        )
    }

    /// Its meta, parsed.
    pub fn reader(&self) -> Option<Reader> {
        Chunk::parse(self.kind, &self.chunk.meta).map(Reader)
    }

    fn pages(&self) -> impl Iterator<Item = (usize, &[u8], usize)> {
        let rows = |number: usize| (self.rows - number * PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
        (0..).zip(&self.chunk.pages).map(move |(number, page)| (number, &page[..], rows(number)))
    }
}

/// A chunk's meta.
#[derive(Debug)]
pub struct Reader(Chunk);

impl Reader {
    /// All pages as one block without times.
    pub fn block(&self, encoded: &Encoded) -> Option<Block> {
        let mut out = Block::empty(encoded.kind);
        for (number, page, rows) in encoded.pages() {
            self.0.decode(number, page, rows, &mut out)?;
        }
        Some(out)
    }

    /// The lanes of all pages, one page after the other in the same place; gives the last. `None`
    /// where a row is null or not good, and for texts.
    pub fn lanes(&self, encoded: &Encoded) -> Option<u64> {
        let mut out = [0; PAGE_ROWS_MAX];
        for (number, page, rows) in encoded.pages() {
            self.0.decode_pure(number, page, rows, &mut out)?.finish(&mut out);
        }
        out.first().copied()
    }

    /// The sum, the least and the greatest of each page, added up.
    pub fn totals(&self, encoded: &Encoded) -> Option<f64> {
        encoded.pages().try_fold(0.0, |sum, (number, page, rows)| {
            let totals = self.0.totals(number, page, rows)?;
            Some(sum + totals.sum + totals.least + totals.greatest)
        })
    }
}

/// A page of times.
pub fn encode_page_of_times(times: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_times(&mut out, times);
    out
}

/// The times of such a page.
pub fn decode_page_of_times(bytes: &[u8], rows: usize) -> Option<Vec<i64>> {
    let mut out = Vec::new();
    decode_times(bytes, rows, &mut out)?;
    Some(out)
}
