//! The checksum of the store: CRC-32 (IEEE 802.3) over parts that stand one after the other.
//!
//! *Invariant.* Besides the bytes themselves every checksum covers where they belong: the store,
//! the file, the offset. A block that a disk wrote to, or read from, the wrong place does not
//! verify.

use crc32fast::Hasher;

/// The CRC-32 of the parts as if they were one.
pub(crate) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut hasher = Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}
