//! What can be saved of a damaged store, saved; what cannot, put aside and told exactly.
//!
//! ```text
//! manifest  damaged or missing ─▶ rebuilt from what the files say of themselves, or refused
//! segment   damaged ─▶ its intact pages in a new one; unreadable ─▶ given up
//! log       a gap ─▶ every intact frame sealed into a segment, a new log begun   (only if asked)
//! catalog   damaged ─▶ the definitions that are left, stand-ins for the others    (only if asked)
//! audit     damaged ─▶ given up; what was deleted stays deleted                   (only if asked)
//! documents damaged ─▶ given up                                                (only if asked)
//! then      a new manifest published ─▶ what it replaces is renamed to NAME.bad
//! ```
//! A gap in the log, a lost definition, document or record of changes needs a word of its own
//! because no file says so afterwards.
//!
//! *Invariant.* Nothing that can be read is lost, and no damaged file is removed. Cut anywhere,
//! the store is as damaged as before, or repaired.

mod definitions;
mod manifest;
mod salvage;

use std::sync::Arc;

use crate::audit::{AuditEntry, read_audit, write_audit};
use crate::cache::BlockCache;
use crate::disk::Disk;
use crate::documents::{read_documents, write_documents};
use crate::error::{Error, ErrorKind};
use crate::limits::CHECK_CACHE_BYTES;
use crate::log::{self, RecoverFrom};
use crate::manifest::{Manifest, SegmentRecord, Tier};
use crate::marks::Marks;
use crate::naming::Naming;
use crate::planted::{self, Bug};
use crate::segment::{Segment, SegmentWriter, WriteOptions};
use crate::verify::{Damage, VerifyReport, verify};
use definitions::Definitions;

/// What a repair may give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RepairOptions {
    /// Go on where records of the log or definitions of tags are lost for good.
    pub salvage: bool,
    /// The length of a log file; at least 4096.
    pub log_file_bytes: u64,
}

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RepairReport {
    /// What was damaged before.
    pub found: Vec<Damage>,
    /// Samples in segments that could not be saved, where their number is known.
    pub samples_lost: u64,
    /// Samples copied from damaged segments, or saved from a damaged log.
    pub samples_saved: u64,
    /// Files that hold what was saved.
    pub written: Vec<String>,
    /// The damaged files, under their new names.
    pub put_aside: Vec<String>,
    /// The store after the repair.
    pub after: VerifyReport,
}

/// Repairs a store that no process has open.
///
/// # Errors
/// [`ErrorKind::Corrupt`] where the damage needs [`RepairOptions::salvage`], or is such that
/// nothing can be told for sure: nothing was changed then. Else what the operating system refuses.
pub fn repair(disk: &Arc<dyn Disk>, options: RepairOptions) -> Result<RepairReport, Error> {
    let found = verify(&**disk)?.damages;
    if found.is_empty() {
        return Ok(RepairReport { after: verify(&**disk)?, ..RepairReport::default() });
    }
    let (manifest, rebuilt) = match Manifest::load(&**disk) {
        Ok(Some(manifest)) => (manifest, false),
        Ok(None) => (manifest::rebuild(&**disk)?, true),
        Err(error) if error.kind() == ErrorKind::Corrupt => (manifest::rebuild(&**disk)?, true),
        Err(error) => return Err(error),
    };
    let mut repair = Repair::new(disk, options, manifest, rebuilt);
    repair.report.found = found;
    repair.read_definitions()?;
    repair.read_changes()?;
    repair.read_documents()?;
    repair.read_log()?;
    // From here on things are written, though nothing counts before the manifest does.
    repair.segments()?;
    repair.seal_log()?;
    repair.write_definitions()?;
    repair.publish()
}

/// A repair under way.
struct Repair<'a> {
    disk: &'a Arc<dyn Disk>,
    options: RepairOptions,
    manifest: Manifest,
    /// Whether the manifest is not the one of the store.
    rebuilt: bool,
    definitions: Definitions,
    salvage: Option<salvage::Salvage>,
    /// Names to put aside once the new manifest is durable.
    replaced: Vec<String>,
    report: RepairReport,
}

impl<'a> Repair<'a> {
    fn new(
        disk: &'a Arc<dyn Disk>,
        options: RepairOptions,
        manifest: Manifest,
        rebuilt: bool,
    ) -> Self {
        let (definitions, report) = (Definitions::default(), RepairReport::default());
        let replaced = Vec::new();
        Self { disk, options, manifest, rebuilt, definitions, salvage: None, replaced, report }
    }

    fn read_definitions(&mut self) -> Result<(), Error> {
        for file in &self.manifest.catalogs {
            if let Err(error) = self.definitions.read(&**self.disk, &self.manifest.store, file) {
                if !self.options.salvage {
                    return Err(needs_salvage(&error.to_string()));
                }
                self.definitions.lost = true;
            }
        }
        Ok(())
    }

    /// Gives up a record of changes that cannot be read. What they deleted stays deleted: that
    /// stands in the manifest too.
    fn read_changes(&mut self) -> Result<(), Error> {
        let Some(file) = self.manifest.audit else { return Ok(()) };
        match read_audit(&**self.disk, &self.manifest.store, file.number) {
            Ok(_) => return Ok(()),
            // The disk may give the file tomorrow.
            Err(error) if error.kind() == ErrorKind::Io && !error.is_not_found() => Err(error),
            Err(error) if !self.options.salvage => Err(needs_salvage(&error.to_string())),
            Err(_) => Ok(()),
        }?;
        self.replaced.push(Naming::audit(file.number));
        self.manifest.audit = None;
        Ok(())
    }

    /// Gives up files of documents that cannot be read.
    fn read_documents(&mut self) -> Result<(), Error> {
        for file in std::mem::take(&mut self.manifest.documents) {
            match read_documents(&**self.disk, &self.manifest.store, file.number) {
                Ok(_) => self.manifest.documents.push(file),
                // The disk may give the file tomorrow.
                Err(error) if error.kind() == ErrorKind::Io && !error.is_not_found() => {
                    return Err(error);
                }
                Err(error) if !self.options.salvage => {
                    return Err(needs_salvage(&error.to_string()));
                }
                Err(_) => self.replaced.push(Naming::documents(file.number)),
            }
        }
        Ok(())
    }

    /// Reads what the log has after the checkpoint; keeps it only where there is a gap, because a
    /// sound log stays as it is.
    fn read_log(&mut self) -> Result<(), Error> {
        let Manifest { checkpoint, first_log, store, .. } = self.manifest;
        let mut salvage = salvage::Salvage::new(checkpoint);
        let from = RecoverFrom { checkpoint, first_file: first_log };
        let definitions = &mut self.definitions;
        let mut apply = |sequence, record| salvage.take(sequence, record, definitions);
        let survey = log::survey(&**self.disk, store, from, &mut apply)?;
        let missing = |gap: &&log::Gap| gap.sequences.0 < gap.sequences.1;
        if let Some(gap) = survey.gaps.iter().find(missing)
            && !self.options.salvage
        {
            return Err(needs_salvage(&gap.clone().damage().what));
        }
        if !survey.gaps.is_empty() || self.definitions.lost {
            salvage.next_file = survey.next_file;
            self.salvage = Some(salvage);
        }
        Ok(())
    }

    fn segments(&mut self) -> Result<(), Error> {
        for record in std::mem::take(&mut self.manifest.segments) {
            let cache = BlockCache::new(CHECK_CACHE_BYTES);
            let opened = Segment::open(&**self.disk, &self.manifest.store, record.clone(), &cache);
            if let Ok(segment) = &opened {
                segment.kinds().for_each(|(tag, kind)| self.definitions.note(tag, kind));
                if segment.verify().is_empty() {
                    self.manifest.segments.push(record);
                    continue;
                }
            }
            let saved = match opened {
                Ok(segment) => self.rewrite(&segment, &record)?,
                Err(error) if error.kind() == ErrorKind::Io && !error.is_not_found() => {
                    // The disk may give the file tomorrow.
                    return Err(error);
                }
                Err(_) => None,
            };
            self.manifest.segments.extend(saved);
            self.replaced.push(Naming::segment(record.file.number));
        }
        Ok(())
    }

    /// Copies the intact pages of a segment to a new one.
    fn rewrite(
        &mut self,
        segment: &Segment,
        record: &SegmentRecord,
    ) -> Result<Option<SegmentRecord>, Error> {
        let options = WriteOptions {
            number: self.manifest.next_number,
            level: segment.level(),
            tier: record.tier,
            replaced: record.replaced,
            class: record.class.clone(),
            first_sequence: record.file.first_sequence,
            last_sequence: record.file.last_sequence,
            history: if record.tier == Tier::Raw { 0 } else { record.applied },
        };
        let mut writer = SegmentWriter::begin(&**self.disk, &self.manifest.store, options)?;
        for (entry, pages) in segment.intact() {
            if planted::active(Bug::ForgetTag) && entry.tag.0 == 2 {
                continue;
            }
            for page in pages {
                if let Some(statistics) = segment.only_statistics(page)? {
                    writer.add_statistics(&entry, statistics)?;
                } else {
                    writer.add(entry.tag, entry.step, &segment.read(&entry, page, true)?)?;
                    writer.widen(entry.error_bound);
                }
            }
        }
        let saved = writer.finish()?.map(|finished| SegmentRecord {
            file: finished.file,
            first_ns: finished.first_ns,
            last_ns: finished.last_ns,
            samples: finished.samples,
            ..record.clone()
        });
        let samples = match &saved {
            Some(saved) => {
                self.manifest.next_number += 1;
                self.report.written.push(Naming::segment(saved.file.number));
                let cache = BlockCache::new(CHECK_CACHE_BYTES);
                let (disk, store) = (&**self.disk, &self.manifest.store);
                Segment::open(disk, store, saved.clone(), &cache)?.samples()
            }
            None => 0,
        };
        self.report.samples_saved += samples;
        self.report.samples_lost += segment.samples().saturating_sub(samples);
        Ok(saved)
    }

    /// Seals what could be read of the log.
    fn seal_log(&mut self) -> Result<(), Error> {
        let Some(salvage) = &self.salvage else { return Ok(()) };
        self.definitions.stand_in(self.manifest.checkpoint);
        let (number, store) = (self.manifest.next_number, self.manifest.store);
        let saved = salvage.write(&**self.disk, &store, number, &self.definitions)?;
        if let Some((record, samples)) = saved {
            self.report.samples_saved += samples;
            self.report.written.push(Naming::segment(number));
            self.manifest.segments.push(record);
            self.manifest.next_number += 1;
        }
        self.manifest.deletions.extend(salvage.changes.iter().filter_map(AuditEntry::deletion));
        if !salvage.changes.is_empty() {
            let former =
                self.manifest.audit.map(|file| read_audit(&**self.disk, &store, file.number));
            let mut entries = former.transpose()?.unwrap_or_default();
            entries.extend(salvage.changes.iter().cloned());
            let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
            let number = self.manifest.next_number;
            let record = write_audit(&**self.disk, &store, number, &entries)?;
            self.report.written.push(Naming::audit(number));
            self.replaced.extend(self.manifest.audit.map(|file| Naming::audit(file.number)));
            self.manifest.audit = Some(record);
            self.manifest.next_number += 1;
        }
        if !salvage.documents.is_empty() {
            let number = self.manifest.next_number;
            let sequences = (self.manifest.checkpoint + 1, salvage.last_sequence());
            let documents = &salvage.documents;
            let record = write_documents(&**self.disk, &store, number, sequences, documents)?;
            self.report.written.push(Naming::documents(number));
            self.manifest.documents.push(record);
            self.manifest.next_number += 1;
        }
        self.manifest.checkpoint = salvage.last_sequence();
        let old = self.manifest.first_log..salvage.next_file;
        self.replaced.extend(old.map(Naming::log));
        self.manifest.first_log = salvage.next_file;
        Ok(())
    }

    /// Puts all definitions into one file, where any of them is not in a file that stays.
    fn write_definitions(&mut self) -> Result<(), Error> {
        if self.salvage.is_none() {
            return Ok(());
        }
        let former = std::mem::take(&mut self.manifest.catalogs);
        self.replaced.extend(former.iter().map(|file| Naming::catalog(file.number)));
        let number = self.manifest.next_number;
        let last = self.manifest.checkpoint;
        let saved = self.definitions.write(&**self.disk, &self.manifest.store, number, last)?;
        if let Some(record) = saved {
            self.report.written.push(Naming::catalog(number));
            self.manifest.catalogs.push(record);
            self.manifest.next_number += 1;
        }
        Ok(())
    }

    /// Makes the repaired store the store, then puts aside what it does not need.
    fn publish(mut self) -> Result<RepairReport, Error> {
        let disk = &**self.disk;
        let former = self.manifest.generation;
        let list = |source| Error::io("list", "the data directory", source);
        let names = disk.list().map_err(list)?;
        let newest = names.iter().filter_map(|name| Naming::manifest_number(name)).max();
        self.manifest.generation = newest.unwrap_or(former) + 1;
        // A rewritten segment has another number, and with it another place.
        self.manifest.sort();
        if let Some(salvage) = &self.salvage {
            let store = self.manifest.store;
            log::create(self.disk, store, self.options.log_file_bytes, salvage.next_file)?;
        }
        if self.rebuilt {
            let damaged = names.iter().filter(|name| Naming::manifest_number(name).is_some());
            self.replaced.extend(damaged.cloned());
            self.manifest.put(disk)?;
        } else {
            self.manifest.publish(disk)?;
        }
        if Marks::load(disk, &self.manifest.store).is_err() {
            // The next start believes no clock that is not confirmed: nothing is remembered.
            let high_water_ns = i64::MIN;
            Marks { high_water_ns, ..Marks::default() }.publish(disk, &self.manifest.store)?;
        }
        for name in std::mem::take(&mut self.replaced) {
            if names.contains(&name) {
                let bad = Naming::bad(&name);
                let renamed = disk.rename(&name, &bad);
                renamed.map_err(|source| Error::io("put aside", &name, source))?;
                self.report.put_aside.push(bad);
            }
        }
        disk.sync_dir().map_err(|source| Error::io("sync", "the data directory", source))?;
        self.report.after = verify(disk)?;
        Ok(self.report)
    }
}

fn needs_salvage(what: &str) -> Error {
    let hint = "restore a backup, or run repair with --salvage to keep all that is left";
    Error::new(ErrorKind::Corrupt, format!("something is lost for good: {what}"), hint)
}

#[cfg(test)]
mod tests;
