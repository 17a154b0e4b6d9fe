//! Background work, one piece a call: freeze the head, seal it, reuse log files, make the next one
//! ready.
//!
//! ```text
//! freeze    the head becomes frozen, a new one begins                      (writer lock, no I/O)
//! seal      catalog file, segment, manifest; then the version without it   (no lock that a commit
//!           waits for)
//! recycle   a log file that the manifest no longer needs becomes a spare
//! ```
//!
//! *Invariant.* A frozen head leaves the version in the same swap that brings its segment in, and
//! only after the manifest that names the segment is durable. A log file is reused only after
//! that manifest.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tacitus_model::TagDefinition;

use crate::audit::{read_audit, write_audit};
use crate::catalog::seal_catalog;
use crate::codec::Level;
use crate::documents::seal_documents;
use crate::engine::{Engine, Keeper, Writer};
use crate::error::{Error, ErrorKind, Outcome};
use crate::head::Head;
use crate::limits::SPACE_ASKED_EVERY_NS;
use crate::log::StoreId;
use crate::manifest::{Manifest, Mark, SegmentRecord, Tier};
use crate::moment::{self, Moment};
use crate::naming::Naming;
use crate::planted::{self, Bug};
use crate::segment::{Segment, SegmentWriter, WriteOptions};
use crate::thinning::thin;
use crate::version::Version;

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing: there is nothing to do.
    Idle,
    /// Something: there may be more.
    Did,
}

impl Engine {
    /// Does one piece of background work, if there is any. To be called when there is time, at
    /// least a few times a second; two calls at once wait for each other, commits wait for neither
    /// but for moments.
    ///
    /// # Errors
    /// As the operating system says; the same piece is tried again by the next step.
    pub fn step(&self) -> Result<Progress, Error> {
        let mut keeper = self.lock_keeper();
        self.watch_clock(&mut keeper);
        self.ask_for_space(&mut keeper)?;
        self.check_poison()?;
        let done = self.seal_frozen(&mut keeper).and_then(|sealed| {
            Ok(sealed
                || self.recycle(&keeper)?
                || self.freeze_if_due()
                || self.prepare()?
                || self.shared.catalog.step()?
                || self.keep_marks(&mut keeper)?
                || self.scrub_if_due(&mut keeper))
        });
        match done {
            Ok(done) => Ok(if done { Progress::Did } else { Progress::Idle }),
            Err(error) => {
                if error.kind() == ErrorKind::Full {
                    self.full.store(true, Ordering::Release);
                }
                Err(error)
            }
        }
    }

    /// Seals everything committed so far, whatever its age and size.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn seal(&self) -> Result<(), Error> {
        self.seal_all(&mut self.lock_keeper())
    }

    pub(super) fn seal_all(&self, keeper: &mut Keeper) -> Result<(), Error> {
        self.check_poison()?;
        self.seal_frozen(keeper)?;
        self.freeze();
        self.seal_frozen(keeper)?;
        while self.recycle(keeper)? {}
        Ok(())
    }

    /// Seals everything and gives back the space of the log, for a store that is going to rest.
    ///
    /// # Errors
    /// As [`Engine::step`].
    pub fn rest(&self) -> Result<(), Error> {
        let mut keeper = self.lock_keeper();
        self.check_poison()?;
        self.seal_frozen(&mut keeper)?;
        self.freeze();
        self.seal_frozen(&mut keeper)?;
        let mut manifest = keeper.next_manifest();
        let files = {
            let mut writer = self.lock_writer();
            writer.log.roll_short()?;
            manifest.first_log = writer.log.first_needed(manifest.checkpoint);
            writer.log.files()
        };
        manifest.next_number = self.numbers.load(Ordering::Relaxed);
        manifest.publish(&*self.parts.disk)?;
        keeper.manifest = manifest;
        loop {
            let given_up = self.lock_writer().log.give_up(keeper.manifest.first_log);
            let Some(number) = given_up else { return Ok(()) };
            files.drop_file(number)?;
        }
    }

    /// Ends the use of the store: waits for a running commit or step, and refuses later ones.
    /// Nothing need be written: what is acknowledged is on disk already.
    pub fn close(&self) {
        let _keeper = self.lock_keeper();
        let _writer = self.lock_writer();
        self.poisoned.store(true, Ordering::Release);
    }

    /// Compares the free space with the reserve, now and then.
    fn ask_for_space(&self, keeper: &mut Keeper) -> Result<(), Error> {
        let now = self.parts.clock.monotonic_ns();
        let due = |asked: u64| now.saturating_sub(asked) >= SPACE_ASKED_EVERY_NS;
        if keeper.space_asked_ns.is_some_and(|asked| !due(asked)) {
            return Ok(());
        }
        let free = self.parts.disk.free_bytes();
        let free = free.map_err(|source| Error::io("ask for free space of", "the disk", source))?;
        keeper.space_asked_ns = Some(now);
        self.free_bytes.store(free, Ordering::Relaxed);
        let full = free < self.reserve_bytes && !planted::active(Bug::IgnoreReserve);
        self.full.store(full, Ordering::Release);
        Ok(())
    }

    fn freeze_if_due(&self) -> bool {
        let since = self.head_since_ns.load(Ordering::Relaxed);
        if since == 0 {
            return false;
        }
        let age_ns = self.parts.clock.monotonic_ns().saturating_sub(since);
        let head_bytes = self.shared.version.load().head.bytes();
        let log_bytes = self.lock_writer().log.frame_bytes();
        let due = age_ns >= self.settings.seal_after_s.saturating_mul(1_000_000_000)
            || head_bytes >= self.settings.head_bytes_max
            || log_bytes >= self.settings.log_bytes_max;
        due && self.freeze()
    }

    /// Begins a new head, where the old one has any record.
    fn freeze(&self) -> bool {
        let writer = self.lock_writer();
        self.freeze_locked(&writer)
    }

    fn freeze_locked(&self, writer: &Writer) -> bool {
        let version = self.shared.version.load_full();
        if version.frozen.is_some() || version.head.last_sequence() < version.head.first_sequence()
        {
            return false;
        }
        self.head_since_ns.store(0, Ordering::Relaxed);
        self.shared.version.store(Arc::new(Version {
            frozen: Some(Arc::clone(&version.head)),
            head: Arc::new(Head::new(writer.next_sequence)),
            ..version.share()
        }));
        true
    }

    fn seal_frozen(&self, keeper: &mut Keeper) -> Result<bool, Error> {
        let version = self.shared.version.load_full();
        let Some(frozen) = &version.frozen else { return Ok(false) };
        let mut manifest = keeper.next_manifest();
        manifest.checkpoint = frozen.last_sequence();
        self.seal_definitions(&mut manifest, frozen)?;
        self.seal_changes(&mut manifest, &version, frozen)?;
        self.seal_documents(&mut manifest, frozen)?;
        let last = frozen.last_sequence();
        manifest.segments.extend(self.write_head(&manifest.store, frozen, last)?);
        self.publish(keeper, manifest, None)?;
        Ok(true)
    }

    /// Seals everything committed so far, and in the sequence behind it what was imported;
    /// that sequence.
    pub(crate) fn seal_with(&self, imported: Vec<SegmentRecord>) -> Result<u64, Error> {
        let mut keeper = self.lock_keeper();
        self.check_poison()?;
        self.seal_frozen(&mut keeper)?;
        let sequence = {
            let mut writer = self.lock_writer();
            let sequence = self.take_sequence(&mut writer)?;
            self.freeze_locked(&writer);
            sequence
        };
        let version = self.shared.version.load_full();
        let Some(frozen) = &version.frozen else { return Ok(sequence) };
        let mut manifest = keeper.next_manifest();
        manifest.checkpoint = sequence;
        self.seal_definitions(&mut manifest, frozen)?;
        self.seal_changes(&mut manifest, &version, frozen)?;
        self.seal_documents(&mut manifest, frozen)?;
        manifest.segments.extend(self.write_head(&manifest.store, frozen, sequence - 1)?);
        for mut record in imported {
            record.file.first_sequence = sequence;
            record.file.last_sequence = sequence;
            // Deletions before it do not concern it.
            record.applied = sequence;
            manifest.segments.push(record);
        }
        let published = self.publish(&mut keeper, manifest, Some(sequence));
        published.map_err(|error| self.withdraw(&mut keeper, error))?;
        Ok(sequence)
    }

    /// Makes sure that an import that failed did not happen: the manifest that names it may have
    /// its name, and count after a power cut. Where that cannot be made sure, nothing is
    /// acknowledged any more before a restart shows what there is.
    fn withdraw(&self, keeper: &mut Keeper, error: Error) -> Error {
        if error.outcome() == Outcome::NotWritten {
            return error;
        }
        let mut manifest = keeper.next_manifest();
        manifest.generation += 1;
        if manifest.publish(&*self.parts.disk).is_ok() {
            keeper.manifest = manifest;
            error.with_outcome(Outcome::NotWritten)
        } else {
            self.poisoned.store(true, Ordering::Release);
            error
        }
    }

    /// Publishes a manifest in which the frozen head is sealed, then shows what it names.
    fn publish(
        &self,
        keeper: &mut Keeper,
        mut manifest: Manifest,
        imported: Option<u64>,
    ) -> Result<(), Error> {
        manifest.sort();
        manifest.next_number = self.numbers.load(Ordering::Relaxed);
        manifest.first_log = self.lock_writer().log.first_needed(manifest.checkpoint);
        if self.settings.audit_ns == 0 {
            manifest.history = manifest.checkpoint;
        }
        // By what a wrong clock said nobody could tell later how far to look back.
        self.watch_clock(keeper);
        if !self.clock_suspect() {
            let at_ns = self.parts.clock.now().nanos();
            manifest.mark(Mark { sequence: manifest.checkpoint, at_ns }, self.settings.audit_ns);
        }
        let known = self.shared.version.load_full();
        let mut segments = known.segments.clone();
        let mut latest = Vec::new();
        for record in &manifest.segments {
            if segments.iter().all(|own| own.record().file.number != record.file.number) {
                let (disk, store) = (&*self.parts.disk, &manifest.store);
                let segment = Segment::open(disk, store, record.clone(), &self.shared.cache)?;
                // A sealed segment brings no values that are not known.
                if imported == Some(segment.record().file.first_sequence) {
                    latest.extend(segment.latest().collect::<Result<Vec<_>, _>>()?);
                }
                segments.push(Arc::new(segment));
            }
        }
        segments.sort_by_key(|segment| segment.record().rank());
        manifest.publish(&*self.parts.disk)?;
        for (tag, first, row) in latest {
            self.shared.last.note_row(tag, row);
            self.shared.last.note_first(tag, first);
        }
        self.shared.catalog.sealed(manifest.checkpoint);
        self.remove_unlisted(&keeper.manifest, &manifest);
        let checkpoint = manifest.checkpoint;
        keeper.manifest = manifest;
        self.swap_in(segments, checkpoint);
        Ok(())
    }

    /// Writes the audit to a file, where the frozen head has entries, and takes its deletions
    /// into the manifest.
    fn seal_changes(
        &self,
        manifest: &mut Manifest,
        version: &Version,
        frozen: &Head,
    ) -> Result<(), Error> {
        let last = manifest.checkpoint;
        let sealed = |sequence: u64| sequence < frozen.first_sequence();
        let fresh = version.deletions.iter().filter(|own| !sealed(own.sequence));
        manifest.deletions.extend(fresh.filter(|own| own.sequence <= last).cloned());
        let mut entries = self.shared.audit.entries();
        entries.retain(|entry| entry.sequence <= last);
        if entries.last().is_none_or(|entry| sealed(entry.sequence)) {
            return Ok(());
        }
        let disk = &*self.parts.disk;
        let record = write_audit(disk, &manifest.store, self.next_number(), &entries)?;
        read_audit(disk, &manifest.store, record.number)?;
        manifest.audit = Some(record);
        Ok(())
    }

    /// Publishes the samples of a frozen head as a segment, and those that later ones replaced,
    /// while somebody may look back at them, as others.
    fn write_head(
        &self,
        store: &StoreId,
        head: &Head,
        last_sequence: u64,
    ) -> Result<Vec<SegmentRecord>, Error> {
        if head.rows() == 0 {
            return Ok(Vec::new());
        }
        let looks_back = self.settings.audit_ns > 0;
        let is_held = self.held_after() < last_sequence;
        // A deletion among the rows needs to know which of them it came after.
        let deletions = Arc::clone(&self.shared.version.load().deletions);
        let apart = deletions.iter().any(|own| own.sequence > head.first_sequence());
        let begin = |replaced| {
            let options = WriteOptions {
                number: self.next_number(),
                level: Level::Hot,
                tier: Tier::Raw,
                replaced,
                class: String::new(),
                first_sequence: head.first_sequence(),
                last_sequence,
                history: if looks_back || apart || is_held { 0 } else { last_sequence },
            };
            SegmentWriter::begin(&*self.parts.disk, store, options)
        };
        let mut writer = begin(false)?;
        let mut past: Vec<SegmentWriter<'_>> = Vec::new();
        for id in head.tags() {
            moment::pass(Moment::Seal);
            let Some(tag) = self.shared.catalog.get(id) else { continue };
            let TagDefinition { kind, step, thinning, .. } = tag.definition;
            let (mut rows, replaced) = head.read_all(id, kind);
            let before = rows.len();
            if let Some(thinning) = thinning {
                rows = thin(&rows, thinning, step);
            }
            writer.add(id, step, &rows)?;
            if rows.len() < before {
                writer.widen(thinning.map_or(0.0, |thinning| thinning.band));
            }
            for (at, rows) in replaced.iter().enumerate().filter(|_| looks_back) {
                if at == past.len() {
                    past.push(begin(true)?);
                }
                past.get_mut(at).map_or(Ok(()), |past| past.add(id, step, rows))?;
            }
        }
        let made_ns = self.parts.clock.now().nanos();
        let mut records = Vec::new();
        for (at, writer) in std::iter::once(writer).chain(past).enumerate() {
            records.extend(writer.finish()?.map(|finished| SegmentRecord {
                file: finished.file,
                level: 0,
                tier: Tier::Raw,
                replaced: at > 0,
                class: String::new(),
                first_ns: finished.first_ns,
                last_ns: finished.last_ns,
                samples: finished.samples,
                made_ns,
                applied: 0,
            }));
        }
        Ok(records)
    }

    /// Writes the definitions of a frozen head to a catalog file.
    fn seal_definitions(&self, manifest: &mut Manifest, frozen: &Head) -> Result<(), Error> {
        let (first, last) = (frozen.first_sequence(), manifest.checkpoint);
        manifest.next_number = self.next_number();
        seal_catalog(&*self.parts.disk, &self.shared.catalog, manifest, first, last)
    }

    /// Writes what became of documents during a frozen head to a file.
    fn seal_documents(&self, manifest: &mut Manifest, frozen: &Head) -> Result<(), Error> {
        let changes = frozen.documents();
        if changes.is_empty() {
            return Ok(());
        }
        let (disk, documents) = (&*self.parts.disk, &self.shared.documents);
        let sequences = (frozen.first_sequence(), manifest.checkpoint);
        seal_documents(disk, documents, changes, manifest, self.next_number(), sequences)
    }

    /// Removes the catalog, audit and document files that newer ones made superfluous. One that stays is
    /// removed at the next start.
    fn remove_unlisted(&self, before: &Manifest, after: &Manifest) {
        for file in before.catalogs.iter().filter(|file| !after.catalogs.contains(file)) {
            self.pins.remove(Naming::catalog(file.number));
        }
        for file in before.documents.iter().filter(|file| !after.documents.contains(file)) {
            self.pins.remove(Naming::documents(file.number));
        }
        for file in before.audit.iter().filter(|file| after.audit.as_ref() != Some(*file)) {
            self.pins.remove(Naming::audit(file.number));
        }
    }

    /// Replaces the frozen head by its segment. The writer's lock keeps the head from being
    /// appended to a version that is about to go.
    fn swap_in(&self, segments: Vec<Arc<Segment>>, checkpoint: u64) {
        let _writer = self.lock_writer();
        let version = self.shared.version.load_full().share();
        let version = Version { segments, checkpoint, frozen: None, ..version };
        self.shared.version.store(Arc::new(version));
        // A sequence that only an import has is visible with it.
        self.shared.visible.fetch_max(checkpoint, Ordering::AcqRel);
    }

    fn recycle(&self, keeper: &Keeper) -> Result<bool, Error> {
        let mut writer = self.lock_writer();
        let Some(number) = writer.log.give_up(keeper.manifest.first_log) else {
            return Ok(false);
        };
        let files = writer.log.files();
        self.log_bytes.store(writer.log.bytes(), Ordering::Relaxed);
        drop(writer);
        files.retire(number).map(|()| true)
    }

    /// Makes the next log file ready. Only a roll that comes meanwhile waits for it.
    fn prepare(&self) -> Result<bool, Error> {
        if self.full.load(Ordering::Acquire) {
            return Ok(false);
        }
        let files = self.lock_writer().log.files();
        files.prepare()
    }
}
