//! The documents of the store, as those who own records see them.
//!
//! *Invariant.* A record is kept by the committer like any sample: after the sync, in order.

use std::sync::Arc;

use async_trait::async_trait;
use tacitus_storage::{Collection, Document, Engine};

use crate::ingest::{Ingest, WriteError};
use crate::keeper::{Keeper, NotKept};

/// The store as a keeper of records.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) engine: Arc<Engine>,
    pub(super) ingest: Ingest,
}

#[async_trait]
impl Keeper for Kept {
    fn kept(&self, collection: Collection) -> Vec<(Vec<u8>, Vec<u8>)> {
        let own = self.engine.documents(collection);
        own.iter().map(|(key, body)| (key.to_vec(), body.to_vec())).collect()
    }

    async fn keep(&self, records: Vec<Document>) -> Result<(), NotKept> {
        let written = self.ingest.write_with(Vec::new(), records).await;
        written.map(drop).map_err(|error: WriteError| NotKept(error.to_string()))
    }
}
