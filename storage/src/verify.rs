//! Whether every byte of a store is what was written: manifest, files, pages, log, and that they
//! belong together.
//!
//! *Invariant.* Nothing is changed, and one damage hides no other: what can still be read is
//! checked.
//!
//! *Not here.* What to do about it: `repair`.

use std::collections::HashMap;
use std::fmt::Display;

use tacitus_model::{Kind, TagId, TimeRange};

use crate::audit::read_audit;
use crate::backup;
use crate::cache::BlockCache;
use crate::catalog::read_catalog;
use crate::disk::Disk;
use crate::documents::read_documents;
use crate::error::Error;
use crate::limits::CHECK_CACHE_BYTES;
use crate::log::{self, Record, RecoverFrom};
use crate::manifest::{Manifest, SegmentRecord};
use crate::marks::Marks;
use crate::naming::Naming;
use crate::segment::Segment;

/// A place that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes cannot be relied on.
    pub bytes: u64,
    /// What is wrong, for people.
    pub what: String,
    /// The tag whose samples are affected, where there is exactly one.
    pub tag: Option<TagId>,
    /// The path of that tag.
    pub path: Option<String>,
    /// The times between which samples are affected, where they are known.
    pub range: Option<TimeRange>,
    /// The samples that cannot be read, where their number is known; else 0.
    pub samples: u64,
}

impl Damage {
    /// A file of which nothing can be relied on.
    pub(crate) fn whole(file: &str, what: &dyn Display) -> Self {
        Self::at(file, 0, 0, what)
    }

    /// A place that belongs to no tag.
    pub(crate) fn at(file: &str, offset: u64, bytes: u64, what: &dyn Display) -> Self {
        Self {
            file: file.to_owned(),
            offset,
            bytes,
            what: what.to_string(),
            tag: None,
            path: None,
            range: None,
            samples: 0,
        }
    }
}

/// What was checked and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Files that were read.
    pub files: u64,
    /// Bytes of segments and catalog files.
    pub bytes: u64,
    /// Samples that could be read.
    pub samples: u64,
    /// The last sequence that could be read.
    pub sequence: u64,
    /// What is damaged; empty for a sound store.
    pub damages: Vec<Damage>,
    /// Files that an earlier repair put aside.
    pub put_aside: Vec<String>,
}

/// Checks a store, or a directory of backups, that no process has open.
///
/// # Errors
/// As the operating system says when the directory is listed; everything else is in the report.
pub fn verify(disk: &dyn Disk) -> Result<VerifyReport, Error> {
    let names = disk.list().map_err(|source| Error::io("list", "the directory", source))?;
    let mut report = VerifyReport {
        put_aside: names.iter().filter(|name| Naming::is_bad(name)).cloned().collect(),
        ..VerifyReport::default()
    };
    let has = |number: fn(&str) -> Option<u64>| names.iter().any(|name| number(name).is_some());
    if has(Naming::backup_number) && !has(Naming::manifest_number) {
        report.damages = backup::verify(disk)?;
        report.files = names.len() as u64;
        return Ok(report);
    }
    match Manifest::load(disk) {
        Ok(Some(manifest)) => Survey::new(disk, &manifest, &mut report).run(),
        Ok(None) => {
            // An empty directory is a store that was never begun.
            let files = has(Naming::segment_number) || has(Naming::catalog_number);
            if files || log::has_frames(disk)? {
                report.damages.push(Damage::whole("manifest", &"it is missing"));
            }
        }
        Err(error) => report.damages.push(Damage::whole("manifest", &error)),
    }
    Ok(report)
}

/// One pass over a store with a manifest.
struct Survey<'a> {
    disk: &'a dyn Disk,
    manifest: &'a Manifest,
    report: &'a mut VerifyReport,
    tags: HashMap<TagId, (String, Kind)>,
    /// Whether the definitions of all tags could be read.
    defined: bool,
    cache: BlockCache,
}

impl<'a> Survey<'a> {
    fn new(disk: &'a dyn Disk, manifest: &'a Manifest, report: &'a mut VerifyReport) -> Self {
        let cache = BlockCache::new(CHECK_CACHE_BYTES);
        Self { disk, manifest, report, tags: HashMap::new(), defined: true, cache }
    }

    fn run(mut self) {
        self.report.files += 1;
        self.report.sequence = self.manifest.checkpoint;
        self.manifest_itself();
        self.catalogs();
        self.audit();
        self.documents();
        self.log();
        self.segments();
        if let Err(error) = Marks::load(self.disk, &self.manifest.store) {
            self.damage(Damage::whole(Naming::MARKS, &error));
        }
        for damage in &mut self.report.damages {
            let tag = damage.tag.and_then(|tag| self.tags.get(&tag));
            damage.path = tag.map(|(path, _)| path.clone());
        }
    }

    fn damage(&mut self, damage: Damage) {
        self.report.damages.push(damage);
    }

    /// What the manifest says must make sense before its files are asked.
    fn manifest_itself(&mut self) {
        let manifest = self.manifest;
        let ordered = manifest.segments.is_sorted_by_key(SegmentRecord::rank);
        let numbered = manifest.files().all(|(name, _)| name.number < manifest.next_number);
        let sealed = manifest.files().all(|(_, file)| file.last_sequence <= manifest.checkpoint);
        if !(ordered && numbered && sealed) {
            let name = Naming::manifest(manifest.generation);
            self.damage(Damage::whole(&name, &"its files contradict each other"));
        }
    }

    fn catalogs(&mut self) {
        for file in &self.manifest.catalogs {
            self.report.files += 1;
            self.report.bytes += file.bytes;
            match read_catalog(self.disk, &self.manifest.store, file.number) {
                Ok(tags) => tags.into_iter().for_each(|tag| {
                    let definition = tag.tag.definition;
                    let entry = (definition.path.as_str().to_owned(), definition.kind);
                    self.tags.insert(tag.tag.id, entry);
                }),
                Err(error) => {
                    self.defined = false;
                    let name = Naming::catalog(file.number);
                    self.damage(Damage { bytes: file.bytes, ..Damage::whole(&name, &error) });
                }
            }
        }
    }

    fn audit(&mut self) {
        let Some(file) = self.manifest.audit else { return };
        self.report.files += 1;
        self.report.bytes += file.bytes;
        if let Err(error) = read_audit(self.disk, &self.manifest.store, file.number) {
            let name = Naming::audit(file.number);
            self.damage(Damage { bytes: file.bytes, ..Damage::whole(&name, &error) });
        }
    }

    fn documents(&mut self) {
        for file in &self.manifest.documents {
            self.report.files += 1;
            self.report.bytes += file.bytes;
            if let Err(error) = read_documents(self.disk, &self.manifest.store, file.number) {
                let name = Naming::documents(file.number);
                self.damage(Damage { bytes: file.bytes, ..Damage::whole(&name, &error) });
            }
        }
    }

    fn segments(&mut self) {
        for record in &self.manifest.segments {
            self.report.files += 1;
            let file = record.file;
            self.report.bytes += file.bytes;
            let name = Naming::segment(file.number);
            let (store, cache) = (&self.manifest.store, &self.cache);
            let segment = match Segment::open(self.disk, store, record.clone(), cache) {
                Ok(segment) => segment,
                Err(error) => {
                    self.damage(Damage { bytes: file.bytes, ..Damage::whole(&name, &error) });
                    continue;
                }
            };
            // An import did not know its sequence when it was written.
            let known = segment.sequences_of_file();
            if known != (0, 0) && known != (file.first_sequence, file.last_sequence) {
                self.damage(Damage::whole(&name, &"its sequences are not those of the manifest"));
            }
            for (tag, kind) in segment.kinds() {
                let unlike = |(_, defined): &(String, Kind)| *defined != kind;
                if self.defined && self.tags.get(&tag).is_none_or(unlike) {
                    let what = "it has samples of a tag that is not defined so";
                    self.damage(Damage { tag: Some(tag), ..Damage::whole(&name, &what) });
                }
            }
            let damages = segment.verify();
            let lost: u64 = damages.iter().map(|damage| damage.samples).sum();
            self.report.samples += segment.samples().saturating_sub(lost);
            self.report.damages.extend(damages);
        }
    }

    fn log(&mut self) {
        let manifest = self.manifest;
        let from = RecoverFrom { checkpoint: manifest.checkpoint, first_file: manifest.first_log };
        let (tags, report) = (&mut self.tags, &mut *self.report);
        let mut apply = |sequence, record| {
            report.sequence = sequence;
            match record {
                Record::Definition(entry) => {
                    let tag = entry.tag;
                    let definition = tag.definition;
                    let entry = (definition.path.as_str().to_owned(), definition.kind);
                    tags.insert(tag.id, entry);
                }
                Record::Audit(_) | Record::Import | Record::Documents(_) => {}
                Record::Samples(batch) => report.samples += batch.len() as u64,
            }
        };
        match log::survey(self.disk, manifest.store, from, &mut apply) {
            Ok(survey) => {
                self.report.files += survey.files;
                let damages = survey.gaps.into_iter().map(log::Gap::damage);
                self.report.damages.extend(damages);
            }
            Err(error) => self.damage(Damage::whole("log", &error)),
        }
    }
}

#[cfg(test)]
mod tests;
