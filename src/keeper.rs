//! Small records of the server that outlive it: definitions, the ledger of gaps, what is trusted.
//!
//! *Invariant.* [`Keeper::keep`] returns `Ok` only when the records are on disk, all of them.
//!
//! *Not here.* What a record means: that is known to whoever owns its collection, see
//! `documents`.

#[cfg(test)]
use std::collections::BTreeMap;
use std::fmt;
#[cfg(test)]
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use tacitus_storage::{Collection, Document};

/// Why records are not known to be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store did not keep it: {0}")]
pub struct NotKept(pub String);

/// What keeps records.
#[async_trait]
pub trait Keeper: fmt::Debug + Send + Sync {
    /// The records of a collection, by key.
    fn kept(&self, collection: Collection) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// Keeps and forgets records, all of them or none.
    async fn keep(&self, records: Vec<Document>) -> Result<(), NotKept>;
}

/// Keeps records for as long as it lives.
#[cfg(test)]
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Records>);

#[cfg(test)]
type Records = BTreeMap<(Collection, Vec<u8>), Vec<u8>>;

#[cfg(test)]
#[async_trait]
impl Keeper for Shelf {
    fn kept(&self, collection: Collection) -> Vec<(Vec<u8>, Vec<u8>)> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = shelf.iter().filter(|((of, _), _)| *of == collection);
        own.map(|((_, key), body)| (key.clone(), body.clone())).collect()
    }

    async fn keep(&self, records: Vec<Document>) -> Result<(), NotKept> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Document { collection, key, body } in records {
            match body {
                Some(body) => drop(shelf.insert((collection, key), body)),
                None => drop(shelf.remove(&(collection, key))),
            }
        }
        Ok(())
    }
}
