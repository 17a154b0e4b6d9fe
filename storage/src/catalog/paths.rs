//! The current paths of all tags in sorted order, for prefixes and patterns.
//!
//! ```text
//! fresh ids ─▶ level │ level │ … each a finite state transducer from path to id, older and larger
//!                                to the left; as many as are of like size become one
//! ```
//! A path that a tag no longer has may still be in a level; what is found is compared with the tag.
//!
//! After a start all tags are fresh, so that nobody waits for the index: until the steps have
//! sorted them, a search looks at each.
//!
//! *Invariant.* The path of every tag is in a level, or the tag is among the fresh ones.

use std::sync::Arc;

use fst::map::OpBuilder;
use fst::{IntoStreamer, Map, MapBuilder, Streamer};
use tacitus_model::TagId;

use crate::catalog::tags::Tags;
use crate::error::{Error, ErrorKind};
use crate::limits::{FRESH_PATHS_MAX, INDEX_STEP_PATHS};

/// Paths in order, that never change.
pub(super) type Level = Arc<Map<Box<[u8]>>>;

#[derive(Debug, Default)]
pub(super) struct Paths {
    /// From the largest to the smallest.
    levels: Vec<Level>,
    /// Tags whose path no level has.
    fresh: Vec<u32>,
    /// Whether a level may have paths that are no longer so.
    stale: bool,
}

/// What a search looks through.
#[derive(Debug)]
pub(super) struct PathView {
    pub(super) levels: Vec<Level>,
    pub(super) fresh: Vec<u32>,
    pub(super) stale: bool,
}

impl Paths {
    /// Notes that a tag has a path that no level has.
    pub(super) fn add(&mut self, id: TagId) {
        self.fresh.push(id.0);
    }

    /// Notes that a tag has another path than a level says.
    pub(super) fn replace(&mut self, id: TagId) {
        self.stale = true;
        self.fresh.push(id.0);
    }

    pub(super) fn view(&self) -> PathView {
        let Self { levels, fresh, stale } = self;
        PathView { levels: levels.clone(), fresh: fresh.clone(), stale: *stale }
    }

    /// The fresh ids that are to become a level, if there are enough; how many at most is said.
    pub(super) fn ripe(&self, most: usize) -> Option<Vec<u32>> {
        let ripe = self.fresh.len() >= FRESH_PATHS_MAX;
        ripe.then(|| self.fresh.iter().take(most).copied().collect())
    }

    /// Puts a level of the first `count` fresh ids in their place.
    pub(super) fn ripened(&mut self, level: Level, count: usize) {
        self.fresh.drain(..count.min(self.fresh.len()));
        self.fresh.shrink_to(2 * FRESH_PATHS_MAX);
        self.levels.push(level);
    }

    /// The youngest levels that together are about as large as the one before them.
    pub(super) fn to_merge(&self) -> Option<Vec<Level>> {
        let mut from = self.levels.len().checked_sub(1)?;
        let mut paths = self.levels.get(from).map_or(0, |level| level.len());
        while let Some(before) = from.checked_sub(1).and_then(|before| self.levels.get(before))
            && before.len() <= 3 * paths
        {
            paths += before.len();
            from -= 1;
        }
        let levels = self.levels.get(from..)?;
        (levels.len() > 1).then(|| levels.to_vec())
    }

    /// Puts a level in the place of those it was merged from.
    pub(super) fn merged(&mut self, from: &[Level], level: Level) {
        let is_from = |own: &Level| from.iter().any(|other| Arc::ptr_eq(own, other));
        let at = self.levels.iter().position(is_from).unwrap_or(self.levels.len());
        self.levels.retain(|own| !is_from(own));
        self.levels.insert(at.min(self.levels.len()), level);
    }
}

/// A level of tags, read while the catalog is locked and built when it no longer is.
pub(super) fn collect(tags: &Tags, ids: &[u32]) -> Vec<(Box<str>, u32)> {
    let path = |id: &u32| Some((Box::from(tags.path(TagId(*id))?), *id));
    ids.iter().filter_map(path).collect()
}

/// Builds a level.
pub(super) fn build(mut paths: Vec<(Box<str>, u32)>) -> Result<Level, Error> {
    paths.sort_unstable();
    paths.dedup_by(|(a, _), (b, _)| a == b);
    let mut builder = MapBuilder::memory();
    for (path, id) in &paths {
        builder.insert(path.as_bytes(), u64::from(*id)).map_err(|error| failed(&error))?;
    }
    finish(builder)
}

fn finish(builder: MapBuilder<Vec<u8>>) -> Result<Level, Error> {
    let bytes = builder.into_inner().map_err(|error| failed(&error))?;
    Ok(Arc::new(Map::new(bytes.into_boxed_slice()).map_err(|error| failed(&error))?))
}

fn failed(error: &fst::Error) -> Error {
    let what = format!("the index of paths could not be built: {error}");
    Error::new(ErrorKind::Io, what, "report this: it is a fault of the program")
}

/// Levels that are becoming one, piece by piece.
pub(super) struct Merge {
    pub(super) from: Vec<Level>,
    builder: MapBuilder<Vec<u8>>,
    /// The last path that was taken over.
    after: Option<Vec<u8>>,
}

impl Merge {
    pub(super) fn new(from: Vec<Level>) -> Self {
        Self { from, builder: MapBuilder::memory(), after: None }
    }

    /// Takes over some more paths; whether all are.
    pub(super) fn go_on(&mut self) -> Result<bool, Error> {
        let mut operation = OpBuilder::new();
        for level in &self.from {
            let range = match &self.after {
                Some(after) => level.range().gt(after),
                None => level.range(),
            };
            operation.push(range.into_stream());
        }
        let mut stream = operation.union();
        for _ in 0..INDEX_STEP_PATHS {
            let Some((path, ids)) = stream.next() else { return Ok(true) };
            // Of one path in two levels the younger level, the later in the list, is right.
            let newest = ids.iter().max_by_key(|own| own.index);
            let id = newest.map_or(0, |own| own.value);
            self.builder.insert(path, id).map_err(|error| failed(&error))?;
            match &mut self.after {
                Some(after) => path.clone_into(after),
                after @ None => *after = Some(path.to_vec()),
            }
        }
        Ok(false)
    }

    pub(super) fn finish(self) -> Result<(Vec<Level>, Level), Error> {
        Ok((self.from, finish(self.builder)?))
    }
}

impl std::fmt::Debug for Merge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Merge of {} levels", self.from.len())
    }
}
