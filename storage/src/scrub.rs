//! The tour over all files that never change, so that rot is found before it is needed.
//!
//! *Invariant.* The place of a tour is a file number and a part of that file. Numbers only rise,
//! so a file that goes away, or a process that ends, loses no more than the part being read.
//!
//! *Not here.* When to go on: `engine/scrub.rs`.

use crate::audit::read_audit;
use crate::cache::BlockCache;
use crate::catalog::read_catalog;
use crate::disk::Disk;
use crate::documents::read_documents;
use crate::error::Error;
use crate::limits::CHECK_CACHE_BYTES;
use crate::manifest::{FileKind, FileName, FileRecord, Manifest};
use crate::marks::ScrubMark;
use crate::segment::Segment;
use crate::verify::Damage;

/// A tour under way.
#[derive(Debug)]
pub(crate) struct Tour {
    mark: ScrubMark,
    /// The segment being read.
    open: Option<(u64, Segment)>,
    /// Bytes that the pace allows.
    allowance: u64,
    /// Monotonic time of the last look at the pace.
    paced_ns: Option<u64>,
}

/// What a part of a tour came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrubProgress {
    /// Bytes that were read.
    pub bytes: u64,
    /// Whether the tour came to its end.
    pub finished: bool,
    /// What is damaged.
    pub damages: Vec<Damage>,
}

impl Tour {
    pub(crate) fn resume(mark: ScrubMark) -> Self {
        Self { mark, open: None, allowance: 0, paced_ns: None }
    }

    pub(crate) fn mark(&self) -> ScrubMark {
        self.mark
    }

    /// The bytes that may be read now so that a tour over `total` bytes takes `tour_ns`; 0 while
    /// it is not worth while.
    pub(crate) fn allow(&mut self, now_ns: u64, total: u64, tour_ns: u64, piece: u64) -> u64 {
        let since = now_ns.saturating_sub(self.paced_ns.unwrap_or(now_ns));
        let earned = u128::from(since) * u128::from(total) / u128::from(tour_ns.max(1));
        // Less than a byte is not lost: the time stands until it amounts to one.
        if earned > 0 || self.paced_ns.is_none() {
            self.paced_ns = Some(now_ns);
            let earned = u64::try_from(earned).unwrap_or(u64::MAX);
            // What a long pause earned is not made up in one go.
            self.allowance = self.allowance.saturating_add(earned).min(piece.saturating_mul(4));
        }
        if self.allowance < piece.min(total).max(1) {
            return 0;
        }
        std::mem::take(&mut self.allowance)
    }

    /// Goes on by about `budget` bytes.
    pub(crate) fn advance(
        &mut self,
        disk: &dyn Disk,
        manifest: &Manifest,
        now_ns: i64,
        budget: u64,
    ) -> ScrubProgress {
        let mut progress = ScrubProgress::default();
        if self.mark == ScrubMark::default() {
            self.mark.began_ns = now_ns;
        }
        while progress.bytes < budget {
            let ahead = manifest.files().filter(|(name, _)| name.number >= self.mark.file);
            let Some((name, record)) = ahead.min_by_key(|(name, _)| name.number) else {
                let tours = self.mark.tours + 1;
                self.mark = ScrubMark { tours, began_ns: now_ns, file: 0, offset: 0 };
                self.open = None;
                progress.finished = true;
                break;
            };
            if name.number != self.mark.file {
                (self.mark.file, self.mark.offset) = (name.number, 0);
            }
            let part = match name.kind {
                FileKind::Segment => self.part(disk, manifest, name),
                _ => self.small(disk, manifest, name, &record),
            };
            match part {
                Some(Ok(bytes)) => progress.bytes += bytes.max(1),
                Some(Err(damage)) => {
                    progress.bytes += damage.bytes.max(1);
                    progress.damages.push(*damage);
                }
                None => {
                    (self.mark.file, self.mark.offset) = (name.number + 1, 0);
                    self.open = None;
                }
            }
        }
        progress
    }

    /// A catalog, audit or document file is one part.
    fn small(
        &mut self,
        disk: &dyn Disk,
        manifest: &Manifest,
        name: FileName,
        record: &FileRecord,
    ) -> Option<Result<u64, Box<Damage>>> {
        if self.mark.offset > 0 {
            return None;
        }
        self.mark.offset = 1;
        let (store, number) = (&manifest.store, record.number);
        let read = match name.kind {
            FileKind::Audit => read_audit(disk, store, number).map(drop),
            FileKind::Documents => read_documents(disk, store, number).map(drop),
            FileKind::Catalog | FileKind::Segment => read_catalog(disk, store, number).map(drop),
        };
        let damage = |error| Box::new(Damage::whole(&name.in_words(), &error));
        Some(read.map(|()| record.bytes).map_err(damage))
    }

    /// The tables of a segment are read again when the tour comes to it; then its parts follow.
    fn part(
        &mut self,
        disk: &dyn Disk,
        manifest: &Manifest,
        name: FileName,
    ) -> Option<Result<u64, Box<Damage>>> {
        let segment = match self.open.take().filter(|(number, _)| *number == name.number) {
            Some((_, segment)) => segment,
            None => match open(disk, manifest, name) {
                Ok(segment) => segment,
                Err(error) => {
                    let seen = self.mark.offset == u64::MAX;
                    self.mark.offset = u64::MAX;
                    return (!seen).then(|| Err(Box::new(Damage::whole(&name.in_words(), &error))));
                }
            },
        };
        let part = segment.check_part(self.mark.offset);
        self.mark.offset = self.mark.offset.saturating_add(1);
        self.open = Some((name.number, segment));
        part
    }
}

/// Opens a segment that the manifest names.
fn open(disk: &dyn Disk, manifest: &Manifest, name: FileName) -> Result<Segment, Error> {
    let record = manifest.segment(name.number);
    let record =
        record.ok_or_else(|| Error::corrupt(&name.in_words(), "the manifest does not name it"))?;
    Segment::open(disk, &manifest.store, record.clone(), &BlockCache::new(CHECK_CACHE_BYTES))
}
