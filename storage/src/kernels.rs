//! The codecs, for the benchmark that measures them.
//!
//! *Invariant.* Only built with the feature `kernels`, which only `benches/codec.rs` asks for;
//! nothing here is an interface.

use tacitus_model::Kind;

use crate::block::Block;
use crate::codec::{Chunk, EncodedChunk, Guess, Level};
use crate::codec::{decode_times, encode_chunk, encode_times};

/// One tag's encoder, with what it remembers.
#[derive(Debug)]
pub struct Encoder {
    level: Level,
    guess: Guess,
}

/// A chunk as bytes.
#[derive(Debug)]
pub struct Encoded(EncodedChunk, Kind);

impl Encoder {
    /// An encoder that has seen nothing.
    pub fn new(is_cold: bool) -> Self {
        let level = if is_cold { Level::Cold } else { Level::Hot };
        Self { level, guess: Guess::default() }
    }

    /// A block of at most 8,192 rows, without its times.
    pub fn encode(&mut self, block: &Block) -> Encoded {
        Encoded(encode_chunk(block, self.level, &mut self.guess), block.kind)
    }
}

impl Encoded {
    /// Its length.
    pub fn bytes(&self) -> usize {
        self.0.meta.len() + self.0.pages.iter().map(Vec::len).sum::<usize>()
    }

    /// Decodes all pages to one block without times.
    pub fn decode(&self, rows: usize) -> Option<Block> {
        let chunk = Chunk::parse(self.1, &self.0.meta)?;
        let mut out = Block::empty(self.1);
        for (number, page) in self.0.pages.iter().enumerate() {
            chunk.decode(number, page, (rows - number * 1024).min(1024), &mut out)?;
        }
        Some(out)
    }

    /// What was chosen: the first byte of the meta or 0, and the code of the first page.
    pub fn code(&self) -> String {
        format!("{:02x?} {:02x?}", self.0.meta.get(..4.min(self.0.meta.len())), self.0.pages.first().map(|p| p[..p.len().min(6)].to_vec()))
    }

    /// Decodes the lanes of all pages and adds them up.
    pub fn sum_of_lanes(&self, rows: usize) -> Option<f64> {
        let chunk = Chunk::parse(self.1, &self.0.meta)?;
        let mut out = [0; 1024];
        let mut sum = 0.0;
        for (number, page) in self.0.pages.iter().enumerate() {
            let rows = (rows - number * 1024).min(1024);
            chunk.decode_lanes(number, page, rows, &mut out)?;
            sum += out[..rows].iter().map(|lane| f64::from_bits(*lane)).sum::<f64>();
        }
        Some(sum)
    }
}

/// A page of times.
pub fn times(times: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_times(&mut out, times);
    out
}

/// The times of such a page.
pub fn times_of(bytes: &[u8], rows: usize) -> Option<Vec<i64>> {
    let mut out = Vec::new();
    decode_times(bytes, rows, &mut out)?;
    Some(out)
}
