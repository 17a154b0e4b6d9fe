//! What went into a rewriting and what came out: a count and a hash of rows in any order.
//!
//! *Invariant.* The digest of rows does not depend on their order, page or file; a row that is
//! missing, doubled or changed in any bit changes it (a sum of 64-bit hashes).

use std::fmt;
use std::sync::Arc;

use tacitus_model::{Kind, TagId};

use crate::block::Block;
use crate::checksum::checksum;
use crate::error::Error;
use crate::segment::Segment;

/// Count and hash of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    rows: u64,
    hash: u64,
}

impl Digest {
    /// Adds every row of a segment as it is read from the disk.
    pub(crate) fn segment(&mut self, segment: &Arc<Segment>) -> Result<(), Error> {
        for tag in segment.tags() {
            let Some(entry) = segment.tag(tag)? else { continue };
            for page in entry.pages() {
                self.block(tag, &segment.read(&entry, page, false)?);
            }
        }
        Ok(())
    }

    /// Adds the rows of a block.
    pub(crate) fn block(&mut self, tag: TagId, block: &Block) {
        self.rows += block.len() as u64;
        for (row, (ts, bits)) in block.times.iter().zip(&block.bits).enumerate() {
            let value = match (block.is_null(row), block.kind) {
                (true, _) => 0,
                (false, Kind::Text) => text_of(block, *bits),
                (false, _) => *bits,
            };
            let quality = u64::from(block.quality(row).0) << 1 | u64::from(block.is_null(row));
            let name = mix(u64::from(tag.0) << 33 ^ quality);
            let hash = mix(name ^ mix(ts.cast_unsigned()) ^ mix(value).rotate_left(21));
            self.hash = self.hash.wrapping_add(hash);
        }
    }
}

fn text_of(block: &Block, index: u64) -> u64 {
    let text = usize::try_from(index).ok().and_then(|index| block.texts.get(index));
    let bytes = text.map_or(&[][..], |text| text.as_bytes());
    u64::from(checksum(&[bytes])) << 32 | bytes.len() as u64 & 0xffff_ffff
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input moves half of
/// the output's.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} samples ({:016x})", self.rows, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Row;

    fn digest(rows: &[(i64, u64, u32)]) -> Digest {
        let mut digest = Digest::default();
        for (ts, bits, quality) in rows {
            let mut block = Block::empty(Kind::Float);
            let (ts, bits, quality) = (*ts, *bits, *quality);
            block.push(Row { ts, bits, null: false, quality, text: None, sequence: 0 });
            digest.block(TagId(1), &block);
        }
        digest
    }

    #[test]
    fn order_does_not_matter_and_every_change_does() {
        let rows = [(1, 10, 0), (2, 10, 0), (3, 11, 1 << 31)];
        let whole = digest(&rows);
        assert_eq!(whole, digest(&[rows[2], rows[0], rows[1]]));
        assert_ne!(whole, digest(&rows[..2]));
        assert_ne!(whole, digest(&[rows[0], rows[0], rows[2]]));
        for changed in [(2, 10, 1), (2, 11, 0), (4, 10, 0)] {
            assert_ne!(whole, digest(&[rows[0], changed, rows[2]]));
        }
        // Values swapped between two times.
        assert_ne!(digest(&[(1, 5, 0), (2, 6, 0)]), digest(&[(1, 6, 0), (2, 5, 0)]));
    }
}
