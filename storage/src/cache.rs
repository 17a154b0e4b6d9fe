//! What was read from segments and decoded, kept for the next reader within a budget of bytes.
//!
//! *Invariant.* Segments are immutable and their numbers are never reused, so an entry is right
//! for as long as it lives. The cache never holds more than its budget, and dropping all of it
//! changes no answer.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::codec::Chunk;
use crate::segment::{Place, StateTime, TagEntry};
use crate::statistics::Statistics;

/// The blocks and chunks of all segments of a store.
#[derive(Debug, Clone)]
pub(crate) struct BlockCache {
    cache: Arc<Cache<Key, Cached, Weight>>,
}

/// A file, and the offset in it.
type Key = (u64, u64);

/// The pages of one block.
#[derive(Debug, Default)]
pub(crate) struct PageBlock {
    pub(crate) places: Vec<Place>,
    pub(crate) statistics: Vec<Statistics>,
}

/// What is known of a page between the edges of windows. Those who ask again, as a trend on a wall
/// does, mostly ask with the same edges.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The edges within the page.
    pub(crate) edges: Box<[i64]>,
    pub(crate) step: bool,
    /// By time; of a window without rows there is none.
    pub(crate) statistics: Box<[Statistics]>,
}

/// Something decoded.
#[derive(Debug, Clone)]
pub(crate) enum Cached {
    Pages(Arc<PageBlock>),
    Rolls(Arc<Vec<Statistics>>),
    Tags(Arc<Vec<TagEntry>>),
    States(Arc<Vec<StateTime>>),
    Chunk(Chunk),
    Parts(Arc<Parts>),
}

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<Key, Cached> for Weight {
    fn weight(&self, _key: &Key, cached: &Cached) -> u64 {
        let bytes = match cached {
            Cached::Pages(block) => {
                block.places.len() * (size_of::<Place>() + size_of::<Statistics>())
            }
            Cached::Rolls(rolls) => rolls.len() * size_of::<Statistics>(),
            Cached::Tags(tags) => tags.len() * size_of::<TagEntry>(),
            Cached::States(states) => states.len() * size_of::<StateTime>(),
            Cached::Chunk(chunk) => chunk.bytes(),
            Cached::Parts(parts) => {
                size_of::<Parts>() + size_of_val(&*parts.edges) + size_of_val(&*parts.statistics)
            }
        };
        (bytes + size_of::<(Key, Cached)>() * 2) as u64
    }
}

impl BlockCache {
    /// A cache that holds at most so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        // An estimate of the count only sizes the shards.
        let entries = (bytes_max / 16_384).max(64);
        Self { cache: Arc::new(Cache::with_weighter(entries, bytes_max as u64, Weight)) }
    }

    pub(crate) fn get(&self, file: u64, offset: u64) -> Option<Cached> {
        self.cache.get(&(file, offset))
    }

    pub(crate) fn put(&self, file: u64, offset: u64, cached: Cached) {
        self.cache.insert((file, offset), cached);
    }

    /// The bytes in it.
    pub(crate) fn bytes(&self) -> u64 {
        self.cache.weight()
    }
}
