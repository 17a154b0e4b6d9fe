//! The way from collectors into the store.
//!
//! *Invariant.* A collector's points wait here as long as the disk is full or slow: a device is
//! slowed, never answered with a loss. Only a store that has ended ends the wait.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tacitus_model::{Quality, TagDefinition, Value};
use tacitus_protocol::Point;
use tacitus_storage::Engine;

use crate::collect::{Known, Store, StoreError};
use crate::ingest::{Ingest, WriteError};

/// How long to rest before a store that had no room is asked again.
const REST: Duration = Duration::from_millis(200);

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

    fn define(&self, definition: TagDefinition) {
        let path = definition.path.clone();
        if let Err(error) = self.engine.catalog().define(definition) {
            tracing::warn!(%path, %error, hint = error.hint(), "a tag could not be defined");
        }
    }

    async fn put(&self, points: Vec<Point>, source: &str) -> Result<u64, StoreError> {
        let resolved = self.ingest.resolve(points, source);
        let refused = resolved.refused_count as u64;
        loop {
            match self.ingest.enqueue(resolved.batch.clone()).await {
                Ok(()) => return Ok(refused),
                Err(WriteError::Full | WriteError::Busy) => tokio::time::sleep(REST).await,
                Err(error) => return Err(StoreError { reason: error.to_string() }),
            }
        }
    }
}
