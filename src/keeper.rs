//! Small records of the server that outlive it: definitions, the ledger of gaps, what is trusted.
//!
//! *Invariant.* [`Keeper::keep`] returns `Ok` only when the records are on disk, all of them.
//!
//! *Not here.* What a record means: that is known to whoever owns its collection.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

/// Whose records they are. A number that was used is never given to another owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Drawer(pub u8);

/// Definitions of collectors, by name.
pub const COLLECTORS: Drawer = Drawer(7);
/// The ledger of gaps, by number.
pub const GAPS: Drawer = Drawer(8);
/// Certificates of OPC UA servers and clients, by thumbprint.
pub const OPCUA_TRUST: Drawer = Drawer(11);

/// A record to keep, or to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Whose it is.
    pub drawer: Drawer,
    /// Which of them.
    pub key: Vec<u8>,
    /// What it says; `None` forgets it.
    pub body: Option<Vec<u8>>,
}

/// Why records are not known to be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store did not keep it: {0}")]
pub struct NotKept(pub String);

/// What keeps records.
#[async_trait]
pub trait Keeper: fmt::Debug + Send + Sync {
    /// The records of a drawer, by key.
    fn kept(&self, drawer: Drawer) -> Vec<(Vec<u8>, Vec<u8>)>;

    /// Keeps and forgets records, all of them or none.
    async fn keep(&self, records: Vec<Record>) -> Result<(), NotKept>;
}

/// Keeps records for as long as it lives.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<BTreeMap<(Drawer, Vec<u8>), Vec<u8>>>);

#[async_trait]
impl Keeper for Shelf {
    fn kept(&self, drawer: Drawer) -> Vec<(Vec<u8>, Vec<u8>)> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = shelf.iter().filter(|((of, _), _)| *of == drawer);
        own.map(|((_, key), body)| (key.clone(), body.clone())).collect()
    }

    async fn keep(&self, records: Vec<Record>) -> Result<(), NotKept> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Record { drawer, key, body } in records {
            match body {
                Some(body) => drop(shelf.insert((drawer, key), body)),
                None => drop(shelf.remove(&(drawer, key))),
            }
        }
        Ok(())
    }
}
