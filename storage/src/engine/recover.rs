//! Opening a store: manifest, catalog files, segments, then the log on top.
//!
//! *Invariant.* Opening changes nothing before everything it needs was read and found sound; it
//! can be interrupted anywhere and begun again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use crate::audit::{Audit, AuditEntry, read_audit};
use crate::cache::BlockCache;
use crate::catalog::read_catalogs;
use crate::compaction::Partitions;
use crate::disk::Disk;
use crate::documents::{Documents, read_documents};
use crate::engine::pins::Pins;
use crate::engine::wall::{Remembered, Wall};
use crate::engine::{Engine, Keeper, Parts, Settings, Shared, Writer};
use crate::error::Error;
use crate::head::{Head, LastValues};
use crate::log::{self, Log, Record, RecoverFrom, StoreId};
use crate::manifest::{FileRecord, Manifest};
use crate::marks::{Marks, ScrubMark};
use crate::naming::Naming;
use crate::scrub::Tour;
use crate::segment::Segment;
use crate::version::Version;

pub(crate) fn open(parts: Parts, settings: Settings) -> Result<Engine, Error> {
    settings.check()?;
    let disk = Arc::clone(&parts.disk);
    let reserve_bytes = settings.reserve_on(&*disk)?;
    let manifest = match Manifest::load(&*disk)? {
        Some(manifest) => manifest,
        None => create(&parts, &settings)?,
    };
    let (shared, segments) = read_sealed(&disk, &manifest, settings.cache_bytes_max)?;
    let checkpoint = manifest.checkpoint;
    let head = Arc::new(Head::new(checkpoint + 1));
    let deletions = Arc::new(manifest.deletions.clone());
    let version =
        Version { segments, checkpoint, frozen: None, head: Arc::clone(&head), deletions };
    shared.version.store(Arc::new(version));
    let (log, last) = read_log(&disk, &manifest, &settings, &shared, &head)?;
    remove_leftovers(&*disk, &manifest)?;
    let (wall, scrub) = recall(&parts, &manifest);
    let now = parts.clock.monotonic_ns().max(1);
    let age = if last > checkpoint { now } else { 0 };
    let log_bytes = log.bytes();
    let pins = Arc::new(Pins::new(disk));
    shared.visible.store(last, Ordering::Release);
    let partitions = Partitions::new(settings.retention.clone());
    let numbers = AtomicU64::new(manifest.next_number);
    let engine = Engine {
        parts,
        settings,
        shared: Arc::new(shared),
        writer: Mutex::new(Writer { log, next_sequence: last + 1 }),
        clock_suspect: AtomicBool::new(wall.is_suspect()),
        scrub_tours: AtomicU64::new(scrub.mark().tours),
        keeper: Mutex::new(Keeper { manifest, space_asked_ns: None, wall, scrub }),
        full: AtomicBool::new(false),
        poisoned: AtomicBool::new(false),
        free_bytes: AtomicU64::new(u64::MAX),
        reserve_bytes,
        head_since_ns: AtomicU64::new(age),
        log_bytes: AtomicU64::new(log_bytes),
        upkeep: Mutex::new(()),
        halted: AtomicBool::new(false),
        partitions,
        numbers,
        pins,
        holds: Mutex::default(),
        findings: Mutex::default(),
    };
    // What was deleted may have been the latest.
    let deletions = Arc::clone(&engine.shared.version.load().deletions);
    for deletion in deletions.iter() {
        engine.refresh_latest(&deletion.tags, deletion.range)?;
    }
    Ok(engine)
}

/// What the marks say of the clock and of the scrub. Whatever is wrong with them, the store opens:
/// no sample depends on them.
fn recall(parts: &Parts, manifest: &Manifest) -> (Wall, Tour) {
    let (remembered, scrub) = match Marks::load(&*parts.disk, &manifest.store) {
        Ok(None) => (Remembered::Nothing, ScrubMark::default()),
        Ok(Some(marks)) => (Remembered::HighWater(marks.high_water_ns), marks.scrub),
        Err(_) => (Remembered::Unreadable, ScrubMark::default()),
    };
    (Wall::open(&*parts.clock, remembered), Tour::resume(scrub))
}

/// Makes the files of a new store. The manifest comes last: without one there is no store yet,
/// and the next start begins again.
fn create(parts: &Parts, settings: &Settings) -> Result<Manifest, Error> {
    let disk = &*parts.disk;
    if log::has_frames(disk)? {
        let what = "the manifest is missing, yet there is a log with records";
        return Err(Error::corrupt("manifest", what));
    }
    refuse_orphans(disk)?;
    remove(disk, |name| Naming::log_number(name).is_some() || Naming::is_temporary(name))?;
    let [low, high] = [parts.chance.next_u64(), parts.chance.next_u64()];
    let mut store: StoreId = [0; 16];
    let bytes = low.to_le_bytes().into_iter().chain(high.to_le_bytes());
    store.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    log::create(&parts.disk, store, settings.log_file_bytes, 1)?;
    // From its first moment on a store knows how late it was: a clock that jumps before the first
    // marks were kept would be believed by the next start.
    let high_water_ns = parts.clock.now().nanos();
    Marks { high_water_ns, ..Marks::default() }.publish(disk, &store)?;
    let manifest = Manifest::new(store);
    manifest.publish(disk)?;
    Ok(manifest)
}

/// A new store is not begun over files of another one: whoever lost its manifest, or restores it
/// by hand, would lose the rest.
fn refuse_orphans(disk: &dyn Disk) -> Result<(), Error> {
    let names = disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
    let orphan = |name: &&String| {
        Naming::segment_number(name).is_some()
            || Naming::catalog_number(name).is_some()
            || Naming::documents_number(name).is_some()
            || Naming::backup_number(name).is_some()
    };
    match names.iter().find(orphan) {
        Some(name) => {
            let what = format!("the manifest is missing, yet there is \"{name}\"");
            Err(Error::corrupt("manifest", what))
        }
        None => Ok(()),
    }
}

/// The catalog and the segments that the manifest names, and the latest values from them.
fn read_sealed(
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
    cache_bytes_max: usize,
) -> Result<(Shared, Vec<Arc<Segment>>), Error> {
    let catalog = read_catalogs(&**disk, manifest)?;
    let last = LastValues::new();
    let cache = BlockCache::new(cache_bytes_max);
    let mut segments = Vec::with_capacity(manifest.segments.len());
    for record in &manifest.segments {
        let segment = Segment::open(&**disk, &manifest.store, record.clone(), &cache)?;
        let segment = Arc::new(segment);
        if record.replaced {
            segments.push(segment);
            continue;
        }
        for latest in segment.latest() {
            let (tag, first, row) = latest?;
            last.note_row(tag, row);
            last.note_first(tag, first);
        }
        segments.push(segment);
    }
    let head = Arc::new(Head::new(manifest.checkpoint + 1));
    let audit = Audit::default();
    if let Some(file) = &manifest.audit {
        let entries = read_audit(&**disk, &manifest.store, file.number)?;
        entries.into_iter().for_each(|entry| audit.enter(entry));
    }
    let documents = Documents::default();
    for file in &manifest.documents {
        let changes = read_documents(&**disk, &manifest.store, file.number)?;
        changes.into_iter().for_each(|(address, change)| documents.apply(address, change));
    }
    let deletions = Arc::default();
    let version = Version { segments: Vec::new(), checkpoint: 0, frozen: None, head, deletions };
    let version = ArcSwap::from_pointee(version);
    let visible = AtomicU64::new(0);
    Ok((Shared { catalog, last, cache, audit, documents, version, visible }, segments))
}

/// The records after the checkpoint, into the head; the open log and the last sequence.
fn read_log(
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
    settings: &Settings,
    shared: &Shared,
    head: &Head,
) -> Result<(Log, u64), Error> {
    let from = RecoverFrom { checkpoint: manifest.checkpoint, first_file: manifest.first_log };
    let mut last = manifest.checkpoint;
    let mut apply = |sequence, record| {
        match record {
            Record::Definition(entry) => {
                shared.catalog.enter(&entry, sequence)?;
                head.note_sequence(sequence);
            }
            Record::Audit(entry) => {
                shared.enter_change(AuditEntry { sequence, ..entry });
                head.note_sequence(sequence);
            }
            Record::Import => head.note_sequence(sequence),
            Record::Documents(documents) => shared.keep_documents(head, &documents, sequence),
            Record::Samples(batch) => {
                head.append(&batch, sequence);
                shared.last.note(&batch);
            }
        }
        last = sequence;
        Ok(())
    };
    let log = log::recover(disk, manifest.store, settings.log_file_bytes, from, &mut apply)?;
    Ok((log, last))
}

/// Removes what an interrupted seal or roll left: temporary files, older manifests, segments and
/// catalog files that no manifest names. Their content is in the log.
fn remove_leftovers(disk: &dyn Disk, manifest: &Manifest) -> Result<(), Error> {
    let segments: Vec<FileRecord> = manifest.segments.iter().map(|own| own.file).collect();
    let audit: Vec<FileRecord> = manifest.audit.into_iter().collect();
    let unlisted = |number: Option<u64>, list: &[FileRecord]| {
        number.is_some_and(|number| list.iter().all(|file| file.number != number))
    };
    remove(disk, |name| {
        Naming::is_temporary(name)
            || Naming::manifest_number(name).is_some_and(|number| number < manifest.generation)
            || unlisted(Naming::segment_number(name), &segments)
            || unlisted(Naming::audit_number(name), &audit)
            || unlisted(Naming::catalog_number(name), &manifest.catalogs)
            || unlisted(Naming::documents_number(name), &manifest.documents)
    })
}

fn remove(disk: &dyn Disk, leftover: impl Fn(&str) -> bool) -> Result<(), Error> {
    let remove = || {
        let mut removed = false;
        for name in disk.list()?.iter().filter(|name| leftover(name)) {
            disk.remove(name)?;
            removed = true;
        }
        if removed { disk.sync_dir() } else { Ok(()) }
    };
    remove().map_err(|source| Error::io("tidy", "the data directory", source))
}
