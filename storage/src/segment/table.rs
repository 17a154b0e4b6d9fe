//! A table of records by column, in blocks: how a segment says what it holds.
//!
//! ```text
//! block      for each column: length (varint) │ the column (docs/format/codec.md)
//! directory  number of records 8 │ for each block: offset 8 │ length 4      (a block ends with its crc)
//! ```
//! Blocks hold [`BLOCK_RECORDS`] records, the last one what is left. They lie among the pages;
//! the directory is a section and stays in memory.
//!
//! *Invariant.* Record `n` is in block `n / BLOCK_RECORDS`. A block is decoded whole or not at
//! all.

use tacitus_model::Kind;

use crate::codec::{Level, decode_column, encode_column};
use crate::cursor::{Cursor, put_varint};

/// Records in a block: some tens of microseconds to decode, a few dozen bytes a record.
pub(crate) const BLOCK_RECORDS: usize = 512;

const RECORD_BYTES: usize = 12;

/// A record that a table can hold: a fixed number of 64-bit lanes.
pub(crate) trait Record: Sized {
    /// What each lane is: [`Kind::Int`] or [`Kind::Float`].
    const COLUMNS: &'static [Kind];

    /// Appends one lane for each column.
    fn put(&self, lanes: &mut Vec<u64>);

    /// The record of these lanes, as many as there are columns; `None` where they make no sense.
    fn take(lanes: &[u64]) -> Option<Self>;
}

/// Where a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    pub(crate) offset: u64,
    /// With its checksum.
    pub(crate) len: u32,
}

/// Where the blocks of a table are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    pub(crate) records: usize,
    pub(crate) blocks: Vec<BlockPlace>,
}

impl Directory {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.blocks.len() * RECORD_BYTES);
        out.extend_from_slice(&(self.records as u64).to_le_bytes());
        for block in &self.blocks {
            out.extend_from_slice(&block.offset.to_le_bytes());
            out.extend_from_slice(&block.len.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Cursor::new(bytes);
        let records = usize::try_from(from.u64()?).ok()?;
        let count = records.div_ceil(BLOCK_RECORDS);
        if from.remaining() != count.checked_mul(RECORD_BYTES)? {
            return None;
        }
        let block = |_| Some(BlockPlace { offset: from.u64()?, len: from.u32()? });
        let blocks = (0..count).map(block).collect::<Option<_>>()?;
        Some(Self { records, blocks })
    }

    /// How many records a block has.
    pub(crate) fn records_of(&self, block: usize) -> usize {
        self.records.saturating_sub(block * BLOCK_RECORDS).min(BLOCK_RECORDS)
    }
}

/// The records of one block.
pub(crate) fn encode_block<R: Record>(records: &[R], level: Level) -> Vec<u8> {
    let mut lanes = Vec::with_capacity(records.len() * R::COLUMNS.len());
    records.iter().for_each(|record| record.put(&mut lanes));
    let width = R::COLUMNS.len();
    let mut out = Vec::new();
    let mut column = Vec::new();
    for (at, kind) in R::COLUMNS.iter().enumerate() {
        let own: Vec<u64> = lanes.iter().skip(at).step_by(width).copied().collect();
        column.clear();
        encode_column(&mut column, *kind, &own, level);
        put_varint(&mut out, column.len() as u64);
        out.extend_from_slice(&column);
    }
    out
}

/// Reads a block of `count` records.
pub(crate) fn decode_block<R: Record>(bytes: &[u8], count: usize) -> Option<Vec<R>> {
    let mut from = Cursor::new(bytes);
    let width = R::COLUMNS.len();
    let mut lanes = vec![0; count * width];
    for (at, kind) in R::COLUMNS.iter().enumerate() {
        let len = from.count()?;
        let column = decode_column(from.take(len)?, *kind, count)?;
        let places = lanes.iter_mut().skip(at).step_by(width);
        places.zip(column).for_each(|(place, lane)| *place = lane);
    }
    if !from.is_empty() {
        return None;
    }
    lanes.chunks_exact(width).map(R::take).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Pair(i64, f64);

    impl Record for Pair {
        const COLUMNS: &'static [Kind] = &[Kind::Int, Kind::Float];

        fn put(&self, lanes: &mut Vec<u64>) {
            lanes.extend([self.0.cast_unsigned(), self.1.to_bits()]);
        }

        fn take(lanes: &[u64]) -> Option<Self> {
            let [number, float] = lanes else { return None };
            Some(Self(number.cast_signed(), f64::from_bits(*float)))
        }
    }

    #[test]
    fn records_come_back_at_both_levels() {
        let pairs: Vec<Pair> =
            (0..500_i32).map(|n| Pair(i64::from(n) * 7 - 900, f64::from(n) / 3.0)).collect();
        for level in [Level::Hot, Level::Cold] {
            let bytes = encode_block(&pairs, level);
            assert_eq!(decode_block::<Pair>(&bytes, pairs.len()).unwrap(), pairs);
            assert!(decode_block::<Pair>(&bytes[..bytes.len() - 1], pairs.len()).is_none());
        }
    }

    #[test]
    fn a_directory_that_does_not_fit_its_count_is_refused() {
        let blocks = vec![BlockPlace { offset: 9, len: 4 }, BlockPlace { offset: 13, len: 2 }];
        let directory = Directory { records: BLOCK_RECORDS + 1, blocks };
        let bytes = directory.encode();
        assert_eq!(Directory::decode(&bytes), Some(directory));
        assert_eq!(Directory::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Directory::decode(&u64::MAX.to_le_bytes()), None);
    }
}
