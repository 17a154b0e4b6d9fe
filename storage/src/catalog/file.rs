//! A catalog file: the entries that were committed between two seals, the last one of each tag.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ store id 16 │ number 8 │ count 4 │ (sequence, entry) …
//! ```
//! Layout: `docs/format/catalog.md`.
//!
//! *Invariant.* Immutable once published; the manifest names it with its length. Read in the
//! order of the manifest, the files leave of each tag the last entry up to the checkpoint.

use std::collections::BTreeMap;

use tacitus_model::TagId;

use crate::catalog::Catalog;
use crate::catalog::entry::Entry;
use crate::catalog::record::{RawEntry, decode_raw, encode_entry};
use crate::cursor::{Cursor, put_varint};
use crate::disk::Disk;
use crate::envelope::Envelope;
use crate::error::Error;
use crate::limits::CATALOG_FILES_MAX;
use crate::log::StoreId;
use crate::manifest::{FileRecord, Manifest, merged_from};
use crate::naming::Naming;
use crate::publish;

const ENVELOPE: Envelope =
    Envelope { magic: *b"TACCAT1\0", version: 1, otherwise: "it is no catalog file" };
const HEAD_BYTES: usize = 16;
/// No entry is shorter, so a damaged count cannot ask for more memory than the file is long.
const ENTRY_BYTES_MIN: usize = 8;
const NONSENSE: &str = "its content makes no sense";

/// The last entry of each tag, by id: its sequence and its bytes.
type Latest<'a> = BTreeMap<TagId, (u64, &'a [u8])>;

/// Writes the entries of a span of sequences to a file and names it in the manifest. Where there
/// would be too many files, the youngest that together are about as large as the one before them
/// are merged into it.
pub(crate) fn seal_catalog(
    disk: &dyn Disk,
    catalog: &Catalog,
    manifest: &mut Manifest,
    first: u64,
    last: u64,
) -> Result<(), Error> {
    let fresh: Vec<(TagId, u64, Vec<u8>)> = catalog.unsealed(first, last);
    if fresh.is_empty() {
        return Ok(());
    }
    let store = manifest.store;
    let bytes = fresh.iter().map(|(_, _, bytes)| bytes.len() as u64).sum();
    let merged =
        manifest.catalogs.split_off(merged_from(&manifest.catalogs, bytes, CATALOG_FILES_MAX));
    let read = |file: &FileRecord| read_sound(disk, &store, file.number);
    let files = merged.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let mut latest = Latest::new();
    for bytes in &files {
        latest.extend(
            entries(bytes).flatten().map(|(sequence, entry, raw)| (entry.id, (sequence, raw))),
        );
    }
    latest.extend(fresh.iter().map(|(id, sequence, bytes)| (*id, (*sequence, bytes.as_slice()))));
    let number = manifest.next_number;
    let bytes = encode(&store, number, &latest);
    publish::publish(disk, &Naming::catalog(number), &bytes)?;
    // What cannot be read back must not replace the log.
    read_sound(disk, &store, number)?;
    let first_sequence = merged.first().map_or(first, |file| file.first_sequence);
    let bytes = bytes.len() as u64;
    manifest.catalogs.push(FileRecord { number, bytes, first_sequence, last_sequence: last });
    manifest.next_number += 1;
    Ok(())
}

/// Reads the files of a manifest into a new catalog.
pub(crate) fn read_catalogs(disk: &dyn Disk, manifest: &Manifest) -> Result<Catalog, Error> {
    let catalog = Catalog::default();
    for file in &manifest.catalogs {
        let name = Naming::catalog(file.number);
        let (_, bytes) = publish::read_whole(disk, &name)?;
        let damaged = |what| Error::corrupt(&name, what);
        let count = check(&manifest.store, file.number, &bytes).map_err(damaged)?;
        catalog.reserve(count.min(bytes.len() / ENTRY_BYTES_MIN));
        let mut read = 0;
        for entry in entries(&bytes) {
            let (sequence, raw, _) = entry.ok_or_else(|| damaged(NONSENSE))?;
            catalog.load(raw, sequence)?;
            read += 1;
        }
        if read != count {
            return Err(damaged(NONSENSE));
        }
    }
    Ok(catalog)
}

/// Publishes a file of these entries; its length.
pub(crate) fn write_catalog<'a>(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
    entries: impl Iterator<Item = &'a Entry>,
) -> Result<u64, Error> {
    let entries: Vec<_> =
        entries.map(|own| (own.tag.id, own.tag.sequence, bytes_of(own))).collect();
    let latest = entries.iter().map(|(id, sequence, bytes)| (*id, (*sequence, bytes.as_slice())));
    let bytes = encode(store, number, &latest.collect());
    publish::publish(disk, &Naming::catalog(number), &bytes)?;
    Ok(bytes.len() as u64)
}

/// Reads a file of entries, in order of their tags.
pub(crate) fn read_catalog(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
) -> Result<Vec<Entry>, Error> {
    let bytes = read_sound(disk, store, number)?;
    let entry = |(sequence, raw, _): (u64, RawEntry<'_>, _)| Some(raw.into_entry()?.at(sequence));
    Ok(entries(&bytes).flatten().filter_map(entry).collect())
}

/// The bytes of a file that is sound to its last entry.
fn read_sound(disk: &dyn Disk, store: &StoreId, number: u64) -> Result<Vec<u8>, Error> {
    let name = Naming::catalog(number);
    let (_, bytes) = publish::read_whole(disk, &name)?;
    let count = check(store, number, &bytes).map_err(|what| Error::corrupt(&name, what))?;
    let sound = entries(&bytes).try_fold(0, |count, entry| entry.map(|_| count + 1));
    if sound == Some(count) { Ok(bytes) } else { Err(Error::corrupt(&name, NONSENSE)) }
}

fn encode(store: &StoreId, number: u64, latest: &Latest<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(store);
    body.extend_from_slice(&number.to_le_bytes());
    body.extend_from_slice(&u32::try_from(latest.len()).unwrap_or(u32::MAX).to_le_bytes());
    for (sequence, bytes) in latest.values() {
        put_varint(&mut body, *sequence);
        body.extend_from_slice(bytes);
    }
    ENVELOPE.seal(&body)
}

/// Checks what stands before the entries; how many there are to be.
fn check(store: &StoreId, number: u64, bytes: &[u8]) -> Result<usize, &'static str> {
    let short = "it is cut off";
    let mut from = ENVELOPE.open(bytes)?;
    if from.array().ok_or(short)? != *store {
        return Err("it belongs to another store");
    }
    if from.u64().ok_or(short)? != number {
        return Err("it has another file's name");
    }
    from.u32().map(|count| count as usize).ok_or(short)
}

/// The entries of a file, each with its sequence and its bytes; `None`, and no more, where one
/// makes no sense.
fn entries(bytes: &[u8]) -> impl Iterator<Item = Option<(u64, RawEntry<'_>, &[u8])>> {
    let mut from = Cursor::new(bytes.get(HEAD_BYTES + 28..).unwrap_or_default());
    let mut sound = true;
    std::iter::from_fn(move || {
        if !sound || from.is_empty() {
            return None;
        }
        let mut next = || {
            let sequence = from.varint()?;
            let rest = from;
            let entry = decode_raw(&mut from)?;
            let raw = { rest }.take(rest.remaining() - from.remaining())?;
            Some((sequence, entry, raw))
        };
        let entry = next();
        sound = entry.is_some();
        Some(entry)
    })
}

/// An entry's bytes.
pub(crate) fn bytes_of(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_entry(&mut bytes, entry);
    bytes
}

#[cfg(test)]
mod tests {
    use tacitus_model::{Kind, TagDefinition, TagPath};

    use super::*;
    use crate::disk::SimDisk;
    use crate::error::ErrorKind;

    fn entry(id: u32, unit: &str, sequence: u64) -> Entry {
        let path = TagPath::new(&format!("line/{id}")).unwrap();
        let definition =
            TagDefinition { unit: unit.into(), ..TagDefinition::new(path, Kind::Int, "test") };
        Entry::new(TagId(id), definition).at(sequence)
    }

    fn manifest() -> Manifest {
        Manifest::new([1; 16])
    }

    /// The entries of a file.
    fn read(disk: &SimDisk, number: u64) -> Vec<Entry> {
        let bytes = read_sound(disk, &[1; 16], number).unwrap();
        let entry =
            |(sequence, raw, _): (u64, RawEntry<'_>, _)| raw.into_entry().unwrap().at(sequence);
        entries(&bytes).flatten().map(entry).collect()
    }

    /// Enters entries, one a sequence from `first` on, and seals them.
    fn seal(disk: &SimDisk, catalog: &Catalog, manifest: &mut Manifest, entries: &[Entry]) {
        let first = entries[0].tag.sequence;
        for entry in entries {
            catalog.enter(entry, entry.tag.sequence).unwrap();
        }
        let last = first + entries.len() as u64 - 1;
        seal_catalog(disk, catalog, manifest, first, last).unwrap();
        catalog.sealed(last);
    }

    #[test]
    fn entries_come_back_with_their_sequences_to_their_own_store_only() {
        let (disk, catalog, mut manifest) = (SimDisk::new(), Catalog::default(), manifest());
        let entries = [entry(1, "m", 5), entry(2, "s", 6)];
        seal(&disk, &catalog, &mut manifest, &entries);
        assert_eq!(read(&disk, 1), entries);
        manifest.store = [2; 16];
        let foreign = read_catalogs(&disk, &manifest).unwrap_err();
        assert_eq!(foreign.kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn of_a_tag_changed_twice_between_seals_the_last_entry_is_kept() {
        let (disk, catalog, mut manifest) = (SimDisk::new(), Catalog::default(), manifest());
        seal(&disk, &catalog, &mut manifest, &[entry(1, "m", 1), entry(1, "km", 2)]);
        let read = read(&disk, 1);
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].tag.definition.unit.as_str(), read[0].first), ("km", 1));
    }

    #[test]
    fn what_is_committed_after_the_seal_began_stays_for_the_next() {
        let (disk, catalog, mut manifest) = (SimDisk::new(), Catalog::default(), manifest());
        catalog.enter(&entry(1, "m", 1), 1).unwrap();
        catalog.enter(&entry(1, "km", 2), 2).unwrap();
        seal_catalog(&disk, &catalog, &mut manifest, 1, 1).unwrap();
        assert_eq!(read(&disk, 1)[0].tag.definition.unit, "m");
        seal_catalog(&disk, &catalog, &mut manifest, 2, 2).unwrap();
        assert_eq!(read(&disk, 2)[0].tag.definition.unit, "km");
    }

    #[test]
    fn merged_files_say_what_the_files_said() {
        let (disk, catalog, mut manifest) = (SimDisk::new(), Catalog::default(), manifest());
        for n in 1..100 {
            let tag = u32::try_from(n).unwrap();
            let unit = format!("unit {n}");
            let changed = entry((tag / 2).max(1), &unit, 2 * n);
            seal(&disk, &catalog, &mut manifest, &[entry(tag, "m", 2 * n - 1), changed]);
            assert!(manifest.catalogs.len() <= CATALOG_FILES_MAX, "after {n} seals");
        }
        let again = read_catalogs(&disk, &manifest).unwrap();
        assert_eq!(again.committed(u64::MAX), catalog.committed(u64::MAX));
    }

    #[test]
    fn a_file_with_any_bit_flipped_is_refused() {
        let raw = bytes_of(&entry(1, "m", 5));
        let bytes = encode(&[1; 16], 4, &Latest::from([(TagId(1), (5, raw.as_slice()))]));
        assert_eq!(check(&[1; 16], 4, &bytes), Ok(1));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&[1; 16], 4, &flipped).is_err(), "bit {bit}");
        }
    }
}
