//! A manifest made up from what the files say of themselves.
//!
//! *Invariant.* It names every segment, catalog and document file that is not replaced by another, or it is
//! refused: where files contradict each other nobody can tell which of them counted.

use crate::audit::{AuditEntry, read_audit};
use crate::catalog::read_catalog;
use crate::disk::Disk;
use crate::documents::documents_record;
use crate::error::{Error, ErrorKind};
use crate::log::{StoreId, header_of};
use crate::manifest::{FileRecord, Manifest, SegmentRecord};
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
    settle_imports(&mut manifest.segments);
    manifest.segments = without_replaced(manifest.segments)?;
    let audit = names.iter().filter_map(|name| Naming::audit_number(name)).max();
    if let Some(number) = audit {
        let entries = read_audit(disk, &store, number)?;
        let sequence = |entry: Option<&AuditEntry>| entry.map_or(0, |entry| entry.sequence);
        let (first_sequence, last_sequence) = (sequence(entries.first()), sequence(entries.last()));
        let name = Naming::audit(number);
        let size = disk.open(&name).and_then(|file| file.size());
        let bytes = size.map_err(|source| Error::io("open", &name, source))?;
        manifest.audit = Some(FileRecord { number, bytes, first_sequence, last_sequence });
        manifest.deletions = entries.iter().filter_map(AuditEntry::deletion).collect();
    }
    for number in names.iter().filter_map(|name| Naming::catalog_number(name)) {
        manifest.catalogs.push(catalog_record(disk, &store, number)?);
    }
    for number in names.iter().filter_map(|name| Naming::documents_number(name)) {
        manifest.documents.push(documents_record(disk, &store, number)?);
    }
    manifest.documents.sort_by_key(|file| file.number);
    // What a later file was merged from must not bring removed documents back.
    let all = manifest.documents.clone();
    manifest.documents.retain(|inner| {
        !all.iter().any(|outer| {
            outer.number > inner.number
                && outer.first_sequence <= inner.first_sequence
                && inner.last_sequence <= outer.last_sequence
        })
    });
    // Later files hold later definitions, and a file with all of them comes after its parts.
    manifest.catalogs.sort_by_key(|file| file.number);
    let files = || manifest.files().map(|(_, file)| file);
    let checkpoint = files().map(|file| file.last_sequence).max().unwrap_or(0);
    let next_number = files().map(|file| file.number + 1).max().unwrap_or(1);
    let logs = names.iter().filter_map(|name| Naming::log_number(name));
    let first_log = logs.min().unwrap_or(1);
    let numbers = names.iter().filter_map(|name| Naming::manifest_number(name));
    let generation = numbers.max().unwrap_or(0);
    Ok(Manifest { generation, checkpoint, first_log, next_number, ..manifest })
}

/// The identity of the store, from the first log file that can say it.
fn store_of(disk: &dyn Disk, names: &[String]) -> Result<StoreId, Error> {
    let mut logs = names.iter().filter(|name| Naming::log_number(name).is_some());
    logs.find_map(|name| header_of(disk, name).ok()).ok_or_else(|| {
        let hint = "restore a backup";
        let what = "no log file says whose store it is, and the manifest cannot be read";
        Error::new(ErrorKind::Corrupt, what, hint)
    })
}

/// Segments in order of sequence, without those that a later, larger one holds already.
fn without_replaced(mut segments: Vec<SegmentRecord>) -> Result<Vec<SegmentRecord>, Error> {
    // A compaction takes its inputs' sequences, and splits them by class and partition.
    let replaces = |outer: &SegmentRecord, inner: &SegmentRecord| {
        outer.level > inner.level
            && outer.file.number > inner.file.number
            && outer.file.first_sequence <= inner.file.first_sequence
            && inner.file.last_sequence <= outer.file.last_sequence
    };
    let all = segments.clone();
    segments.retain(|inner| !all.iter().any(|outer| replaces(outer, inner)));
    segments.sort_by_key(SegmentRecord::rank);
    let apart = |a: &SegmentRecord, b: &SegmentRecord| {
        a.file.last_sequence < b.file.first_sequence
            || a.replaced
            || !a.range().overlaps(&b.range())
            || a.class != b.class
            || (a.file.first_sequence, a.file.last_sequence)
                == (b.file.first_sequence, b.file.last_sequence)
    };
    if segments.is_sorted_by(apart) {
        return Ok(segments);
    }
    let hint = "restore a backup";
    let what = "the manifest cannot be read, and the segments contradict each other";
    Err(Error::new(ErrorKind::Corrupt, what, hint))
}

/// An import does not know its sequence when it is written: it came after the files before it.
fn settle_imports(segments: &mut [SegmentRecord]) {
    segments.sort_by_key(|segment| segment.file.number);
    let mut last = 0;
    for segment in segments {
        if segment.file.last_sequence == 0 {
            (segment.file.first_sequence, segment.file.last_sequence) = (last, last);
        }
        last = last.max(segment.file.last_sequence);
    }
}

fn catalog_record(disk: &dyn Disk, store: &StoreId, number: u64) -> Result<FileRecord, Error> {
    let tags = read_catalog(disk, store, number)?;
    let name = Naming::catalog(number);
    let size = disk.open(&name).and_then(|file| file.size());
    let bytes = size.map_err(|source| Error::io("open", &name, source))?;
    let sequences = || tags.iter().map(|entry| entry.tag.sequence);
    let (first, last) = (sequences().min(), sequences().max());
    Ok(FileRecord {
        number,
        bytes,
        first_sequence: first.unwrap_or(0),
        last_sequence: last.unwrap_or(0),
    })
}
