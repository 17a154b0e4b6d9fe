//! A catalog file: the definitions that were committed between two seals.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ store id 16 │ number 8 │ count 4 │ (sequence, definition) …
//! ```
//! Layout: `docs/format/catalog.md`.
//!
//! *Invariant.* Immutable once published; the manifest names it with its length.

use std::sync::Arc;

use tacitus_model::Tag;

use crate::catalog::record::{decode_tag, encode_tag};
use crate::checksum::checksum;
use crate::cursor::{Cursor, put_varint};
use crate::disk::Disk;
use crate::error::Error;
use crate::log::StoreId;
use crate::naming::Naming;
use crate::publish;

const MAGIC: [u8; 8] = *b"TACCAT1\0";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 16;

/// Publishes a file of these definitions; its length.
pub(crate) fn write_catalog(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
    tags: &[Arc<Tag>],
) -> Result<u64, Error> {
    let bytes = encode(store, number, tags);
    publish::publish(disk, &Naming::catalog(number), &bytes)?;
    Ok(bytes.len() as u64)
}

/// Reads a file of definitions, in the order they were written.
pub(crate) fn read_catalog(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
) -> Result<Vec<Tag>, Error> {
    let name = Naming::catalog(number);
    let (_, bytes) = publish::read_whole(disk, &name)?;
    decode(store, number, &bytes).map_err(|what| Error::corrupt(&name, what))
}

fn encode(store: &StoreId, number: u64, tags: &[Arc<Tag>]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(store);
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(&u32::try_from(tags.len()).unwrap_or(u32::MAX).to_le_bytes());
    for tag in tags {
        put_varint(&mut body, tag.sequence);
        encode_tag(&mut body, tag);
    }
    let version = VERSION.to_le_bytes();
    let crc = checksum(&[&MAGIC, &version, &body]).to_le_bytes();
    [&MAGIC[..], &version, &crc, &body].concat()
}

fn decode(store: &StoreId, number: u64, bytes: &[u8]) -> Result<Vec<Tag>, &'static str> {
    let short = "it is cut off";
    let mut from = Cursor::new(bytes);
    if from.array().ok_or(short)? != MAGIC {
        return Err("it is no catalog file");
    }
    let version = from.u32().ok_or(short)?;
    if version != VERSION {
        return Err("a newer version of Tacitus wrote it; nothing was touched");
    }
    let crc = from.u32().ok_or(short)?;
    let body = bytes.get(HEAD_BYTES..).ok_or(short)?;
    if crc != checksum(&[&MAGIC, &version.to_le_bytes(), body]) {
        return Err("its checksum is wrong");
    }
    if from.array().ok_or(short)? != *store {
        return Err("it belongs to another store");
    }
    if from.u64().ok_or(short)? != number {
        return Err("it has another file's name");
    }
    decode_tags(from).ok_or("its content makes no sense")
}

fn decode_tags(mut from: Cursor<'_>) -> Option<Vec<Tag>> {
    let count = from.u32()? as usize;
    let mut tags = Vec::new();
    for _ in 0..count {
        let sequence = from.varint()?;
        tags.push(decode_tag(&mut from, sequence)?);
    }
    from.is_empty().then_some(tags)
}

#[cfg(test)]
mod tests {
    use tacitus_model::{Kind, TagDefinition, TagId, TagPath};

    use super::*;
    use crate::disk::SimDisk;
    use crate::error::ErrorKind;

    fn tags() -> Vec<Arc<Tag>> {
        let tag = |id: u32| {
            let path = TagPath::new(&format!("line/{id}")).unwrap();
            let definition = TagDefinition::new(path, Kind::Int, "test");
            Arc::new(Tag { id: TagId(id), definition, sequence: u64::from(id) * 3 })
        };
        (1..4).map(tag).collect()
    }

    #[test]
    fn definitions_come_back_with_their_sequences() {
        let disk = SimDisk::new();
        write_catalog(&disk, &[1; 16], 4, &tags()).unwrap();
        let read: Vec<Arc<Tag>> =
            read_catalog(&disk, &[1; 16], 4).unwrap().into_iter().map(Arc::new).collect();
        assert_eq!(read, tags());
        let foreign = read_catalog(&disk, &[2; 16], 4).unwrap_err();
        assert_eq!(foreign.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_file_with_any_bit_flipped_is_refused() {
        let bytes = encode(&[1; 16], 4, &tags());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&[1; 16], 4, &flipped).is_err(), "bit {bit}");
        }
    }
}
