//! Which tags lines of text are for, by the bytes that name series and field.
//!
//! A sender spells a series in the same way with every sample, so neither labels nor path have to
//! be made again.
//!
//! *Invariant.* What is told is so: a name that led to a tag leads to it until a name is released,
//! and of what was learnt before a release nothing is told.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tacitus_model::TagId;
use tacitus_protocol::line;
use tacitus_storage::Engine;

/// LIMIT: some 200,000 series; of more, those are forgotten that were not seen for long.
const BYTES_MAX: u64 = 32 << 20;

/// What an entry takes beside its bytes.
const ENTRY_BYTES: u64 = 96;

/// A tag, and how many names had been released before it was found.
type Learnt = (TagId, u64);

/// What lines taught.
#[derive(Debug)]
pub(super) struct Spellings {
    engine: Arc<Engine>,
    tags: Cache<Box<[u8]>, Learnt, Weight>,
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Box<[u8]>, Learnt> for Weight {
    fn weight(&self, spelling: &Box<[u8]>, _learnt: &Learnt) -> u64 {
        spelling.len() as u64 + ENTRY_BYTES
    }
}

impl Spellings {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        let entries = usize::try_from(BYTES_MAX / (2 * ENTRY_BYTES)).unwrap_or(usize::MAX);
        Self { engine, tags: Cache::with_weighter(entries, BYTES_MAX, Weight) }
    }

    /// How many names were released: asked before names are looked up.
    pub(super) fn releases(&self) -> u64 {
        self.engine.catalog().releases()
    }

    pub(super) fn learn(&self, spelling: Box<[u8]>, tag: TagId, releases: u64) {
        self.tags.insert(spelling, (tag, releases));
    }
}

impl line::Spellings for Spellings {
    fn tag(&self, spelling: &[u8]) -> Option<TagId> {
        let (tag, releases) = self.tags.get(spelling)?;
        (releases == self.releases()).then_some(tag)
    }
}
