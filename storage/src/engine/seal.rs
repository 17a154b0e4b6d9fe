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

use crate::catalog::seal_catalog;
use crate::engine::{Engine, Keeper};
use crate::error::{Error, ErrorKind};
use crate::head::Head;
use crate::limits::SPACE_ASKED_EVERY_NS;
use crate::manifest::Manifest;
use crate::naming::Naming;
use crate::segment::{Segment, write_segment};
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
        self.ask_for_space(&mut keeper)?;
        self.check_poison()?;
        let done = self.seal_frozen(&mut keeper).and_then(|sealed| {
            let freed = sealed || self.recycle(&keeper)?;
            Ok(freed || self.freeze_if_due() || self.prepare()? || self.shared.catalog.step()?)
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
        let mut keeper = self.lock_keeper();
        self.check_poison()?;
        self.seal_frozen(&mut keeper)?;
        self.freeze();
        self.seal_frozen(&mut keeper)?;
        while self.recycle(&keeper)? {}
        Ok(())
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
        self.full.store(free < self.settings.reserve_bytes, Ordering::Release);
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
        let version = self.shared.version.load_full();
        if version.frozen.is_some() || version.head.last_sequence() < version.head.first_sequence()
        {
            return false;
        }
        self.head_since_ns.store(0, Ordering::Relaxed);
        self.shared.version.store(Arc::new(Version {
            segments: version.segments.clone(),
            checkpoint: version.checkpoint,
            frozen: Some(Arc::clone(&version.head)),
            head: Arc::new(Head::new(writer.next_sequence)),
        }));
        true
    }

    fn seal_frozen(&self, keeper: &mut Keeper) -> Result<bool, Error> {
        let version = self.shared.version.load_full();
        let Some(frozen) = &version.frozen else { return Ok(false) };
        let disk = &*self.parts.disk;
        let mut manifest = keeper.manifest.clone();
        manifest.generation += 1;
        manifest.checkpoint = frozen.last_sequence();
        let (first, last) = (frozen.first_sequence(), frozen.last_sequence());
        seal_catalog(disk, &self.shared.catalog, &mut manifest, first, last)?;
        let store = manifest.store;
        let number = manifest.next_number;
        let record = write_segment(disk, &store, number, &self.shared.catalog, frozen)?;
        let mut segments = version.segments.clone();
        if let Some(record) = record {
            segments.push(Arc::new(Segment::open(disk, &store, &record)?));
            manifest.segments.push(record);
            manifest.next_number += 1;
        }
        manifest.first_log = self.lock_writer().log.first_needed(manifest.checkpoint);
        manifest.publish(disk)?;
        self.shared.catalog.sealed(manifest.checkpoint);
        self.remove_unlisted_catalogs(&keeper.manifest, &manifest);
        let checkpoint = manifest.checkpoint;
        keeper.manifest = manifest;
        self.swap_in(segments, checkpoint);
        Ok(true)
    }

    /// Removes the catalog files that a merge made superfluous. One that stays is removed at the
    /// next start.
    fn remove_unlisted_catalogs(&self, before: &Manifest, after: &Manifest) {
        for file in before.catalogs.iter().filter(|file| !after.catalogs.contains(file)) {
            drop(self.parts.disk.remove(&Naming::catalog(file.number)));
        }
    }

    /// Replaces the frozen head by its segment. The writer's lock keeps the head from being
    /// appended to a version that is about to go.
    fn swap_in(&self, segments: Vec<Arc<Segment>>, checkpoint: u64) {
        let _writer = self.lock_writer();
        let head = Arc::clone(&self.shared.version.load().head);
        self.shared.version.store(Arc::new(Version { segments, checkpoint, frozen: None, head }));
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
