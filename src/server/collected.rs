//! The way from collectors into the store.
//!
//! *Invariant.* A collector's points wait here as long as the disk is full or slow: a device is
//! slowed, never answered with a loss. Only a store that has ended ends the wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tacitus_model::{Batch, Quality, TagDefinition, TagId, TimeRange, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_storage::{Engine, Snapshot, TagQuery};

use crate::collect::{Known, Store, StoreError};
use crate::ingest::{Ingest, WriteError};

/// How long to rest before a store that had no room is asked again.
const REST: Duration = Duration::from_millis(200);

/// Who takes out what says that a source could not be reached.
const USER: &str = "collector";

/// The ingestion as collectors see it.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) engine: Arc<Engine>,
    pub(super) ingest: Ingest,
}

#[async_trait]
impl Store for Collected {
    fn known(&self, path: &str) -> Option<Known> {
        let snapshot = self.engine.snapshot();
        let latest = snapshot.latest(snapshot.find(path)?.id);
        let in_gap = latest.as_ref().is_some_and(|sample| {
            sample.quality == Quality::BAD_NO_COMMUNICATION && sample.value == Value::Null
        });
        Some(Known { latest: latest.map(|sample| sample.ts), in_gap })
    }

    fn of_source(&self, source: &str) -> Vec<TagDefinition> {
        match self.engine.snapshot().select(&TagQuery::Source(source.to_owned())) {
            Ok(tags) => tags.into_iter().map(|tag| tag.definition.clone()).collect(),
            Err(error) => {
                tracing::warn!(%error, hint = error.hint(), "tags could not be looked up");
                Vec::new()
            }
        }
    }

    fn define(&self, definition: TagDefinition) {
        let path = definition.path.clone();
        if let Err(error) = self.engine.catalog().define(definition) {
            tracing::warn!(%path, %error, hint = error.hint(), "a tag could not be defined");
        }
    }

    async fn put(&self, points: Vec<Point>, source: &str) -> Result<u64, StoreError> {
        self.ingest.heard(source, &points);
        let resolved = self.ingest.resolve(points, source);
        let refused = resolved.refused_count as u64;
        loop {
            match self.ingest.enqueue(resolved.batch.clone()).await {
                Ok(()) => return Ok(refused),
                Err(error) => rest(error).await?,
            }
        }
    }

    async fn write(&self, points: Vec<Point>, source: &str) -> Result<u64, StoreError> {
        let resolved = self.ingest.resolve(points, source);
        let refused = resolved.refused_count as u64;
        loop {
            let batch: Batch = resolved.batch.clone();
            match self.ingest.write(batch).await {
                Ok(_) => return Ok(refused),
                Err(error) => rest(error).await?,
            }
        }
    }

    async fn bridge(&self, paths: &[String], from: Timestamp, to: Timestamp) {
        let engine = Arc::clone(&self.engine);
        let feed = Arc::clone(self.ingest.feed());
        let paths = paths.to_vec();
        let work = move || {
            let snapshot = engine.snapshot();
            for (ts, tags) in marks(&snapshot, &paths, TimeRange { first: from, last: to }) {
                let range = TimeRange { first: ts, last: ts };
                match engine.delete(&tags, range, USER, "the gap is back-filled") {
                    Ok(sequence) => feed.reset(sequence),
                    Err(error) => {
                        tracing::warn!(%error, "a gap that is filled is still shown");
                        return;
                    }
                }
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            tracing::error!(%error, "gaps that are filled are still shown");
        }
    }
}

/// Rests before another try, where one makes sense.
async fn rest(error: WriteError) -> Result<(), StoreError> {
    match error {
        WriteError::Full | WriteError::Busy => {
            tokio::time::sleep(REST).await;
            Ok(())
        }
        error => Err(StoreError { reason: error.to_string() }),
    }
}

/// The samples without a value that say that there was no communication, by time.
fn marks(
    snapshot: &Snapshot,
    paths: &[String],
    range: TimeRange,
) -> BTreeMap<Timestamp, Vec<TagId>> {
    let mut marks: BTreeMap<Timestamp, Vec<TagId>> = BTreeMap::new();
    for tag in paths.iter().filter_map(|path| snapshot.find(path)) {
        // What cannot be read stays.
        for block in snapshot.scan(tag.id, range).map_while(Result::ok) {
            for index in 0..block.times.len() {
                let is_mark =
                    block.quality(index) == Quality::BAD_NO_COMMUNICATION && block.is_null(index);
                if let Some(ts) = block.times.get(index).filter(|_| is_mark) {
                    marks.entry(Timestamp::from_nanos(*ts)).or_default().push(tag.id);
                }
            }
        }
    }
    marks
}
