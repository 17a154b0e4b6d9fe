//! A manifest made up from what the files say of themselves.
//!
//! *Invariant.* It names every segment and catalog file that is not replaced by another, or it is
//! refused: where files contradict each other nobody can tell which of them counted.

use crate::catalog::read_catalog;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::log::{StoreId, header_of};
use crate::manifest::{FileRecord, Manifest};
use crate::naming::Naming;
use crate::segment;

/// Makes up the manifest of a store that has lost it.
pub(crate) fn rebuild(disk: &dyn Disk) -> Result<Manifest, Error> {
    let names = disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
    let store = store_of(disk, &names)?;
    let mut manifest = Manifest::new(store);
    for number in names.iter().filter_map(|name| Naming::segment_number(name)) {
        manifest.segments.push(segment::record_of(disk, &store, number)?);
    }
    manifest.segments = without_replaced(manifest.segments)?;
    for number in names.iter().filter_map(|name| Naming::catalog_number(name)) {
        manifest.catalogs.push(catalog_record(disk, &store, number)?);
    }
    // Later files hold later definitions, and a file with all of them comes after its parts.
    manifest.catalogs.sort_by_key(|file| file.number);
    let files = || manifest.files().map(|(_, file)| file);
    let checkpoint = files().map(|file| file.last_sequence).max().unwrap_or(0);
    let next_number = files().map(|file| file.number + 1).max().unwrap_or(1);
    let logs = names.iter().filter_map(|name| Naming::log_number(name));
    let first_log = logs.min().unwrap_or(1);
    let numbers = names.iter().filter_map(|name| Naming::manifest_number(name));
    let generation = numbers.max().unwrap_or(0);
    Ok(Manifest { checkpoint, next_number, first_log, generation, ..manifest })
}

/// The identity of the store, from the first log file that can say it.
fn store_of(disk: &dyn Disk, names: &[String]) -> Result<StoreId, Error> {
    let logs = names.iter().filter(|name| Naming::log_number(name).is_some());
    logs.filter_map(|name| header_of(disk, name).ok()).next().ok_or_else(|| {
        let hint = "restore a backup";
        let what = "no log file says whose store it is, and the manifest cannot be read";
        Error::new(ErrorKind::Corrupt, what, hint)
    })
}

/// Segments in order of sequence, without those that a later, larger one holds already.
fn without_replaced(mut segments: Vec<FileRecord>) -> Result<Vec<FileRecord>, Error> {
    let holds = |outer: &FileRecord, inner: &FileRecord| {
        outer.number > inner.number
            && outer.first_sequence <= inner.first_sequence
            && inner.last_sequence <= outer.last_sequence
    };
    let all = segments.clone();
    segments.retain(|inner| !all.iter().any(|outer| holds(outer, inner)));
    segments.sort_by_key(|file| file.first_sequence);
    if segments.is_sorted_by(|a, b| a.last_sequence < b.first_sequence) {
        return Ok(segments);
    }
    let hint = "restore a backup";
    let what = "the manifest cannot be read, and the segments contradict each other";
    Err(Error::new(ErrorKind::Corrupt, what, hint))
}

fn catalog_record(disk: &dyn Disk, store: &StoreId, number: u64) -> Result<FileRecord, Error> {
    let tags = read_catalog(disk, store, number)?;
    let name = Naming::catalog(number);
    let size = disk.open(&name).and_then(|file| file.size());
    let bytes = size.map_err(|source| Error::io("open", &name, source))?;
    let sequences = || tags.iter().map(|tag| tag.sequence);
    let (first, last) = (sequences().min(), sequences().max());
    Ok(FileRecord {
        number,
        bytes,
        first_sequence: first.unwrap_or(0),
        last_sequence: last.unwrap_or(0),
    })
}
