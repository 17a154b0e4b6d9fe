//! What the server keeps beside samples: small documents by collection and key, in the same log,
//! sequence and backup.
//!
//! All documents are in memory, so that reading one touches no file. Those that changed since the
//! last seal are in the head too, as [`Changes`]; a seal writes them to a file.
//!
//! ```text
//! commit ─▶ log ─▶ documents, changes of the head ─▶ N.docs, with the head's samples
//! ```
//! *Invariant.* A document and the samples of one commit that fits a log frame are kept both or
//! neither. Of one key the later sequence counts.
//!
//! *Not here.* What a body means: whoever owns the collection.

mod file;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::cursor::{Cursor, put_varint};
use crate::error::{Error, ErrorKind};
use crate::limits::{DOCUMENT_KEY_BYTES_MAX, DOCUMENTS_BYTES_MAX};

#[cfg(fuzzing)]
pub(crate) use file::fuzz;
pub(crate) use file::{documents_record, read_documents, seal_documents, write_documents};

/// A set of documents with one owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(pub u8);

/// One document as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it belongs.
    pub collection: Collection,
    /// Its name there.
    pub key: Vec<u8>,
    /// Its content; `None` removes it.
    pub body: Option<Vec<u8>>,
}

/// Key and body of a document.
pub type Kept = (Arc<[u8]>, Arc<[u8]>);

/// Collection and key.
pub(crate) type Address = (Collection, Arc<[u8]>);

/// What a document became; `None`: it was removed.
pub(crate) type Change = Option<Arc<[u8]>>;

/// The last change of each document, by address.
pub(crate) type Latest = BTreeMap<Address, Change>;

/// Memory of a document beside its key and body, in bytes.
const OVERHEAD_BYTES: usize = 96;

impl Document {
    /// What it takes to write it, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.body.as_ref().map_or(0, Vec::len) + OVERHEAD_BYTES
    }

    fn address(&self) -> Address {
        (self.collection, Arc::from(self.key.as_slice()))
    }
}

/// All documents of a store.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bodies: BTreeMap<Address, Arc<[u8]>>,
    bytes: usize,
}

impl Documents {
    pub(crate) fn get(&self, collection: Collection, key: &[u8]) -> Option<Arc<[u8]>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.bodies.get(&(collection, Arc::from(key))).cloned()
    }

    /// The documents of a collection, by key.
    pub(crate) fn all(&self, collection: Collection) -> Vec<Kept> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let first: Address = (collection, Arc::from([].as_slice()));
        let own = held.bodies.range(first..).take_while(|((own, _), _)| *own == collection);
        own.map(|((_, key), body)| (Arc::clone(key), Arc::clone(body))).collect()
    }

    /// Documents, and bytes they take in memory.
    pub(crate) fn size(&self) -> (usize, usize) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (held.bodies.len(), held.bytes)
    }

    /// Refuses documents that there is no room for; removing some is always possible.
    pub(crate) fn check(&self, documents: &[Document]) -> Result<(), Error> {
        if let Some(long) = documents.iter().find(|own| own.key.len() > DOCUMENT_KEY_BYTES_MAX) {
            let what = format!(
                "the key of a document has {} bytes, at most {DOCUMENT_KEY_BYTES_MAX}",
                long.key.len()
            );
            return Err(Error::new(ErrorKind::Invalid, what, "use a shorter name"));
        }
        let puts = documents.iter().filter(|own| own.body.is_some());
        let more: usize = puts.map(Document::size_bytes).sum();
        let bytes = self.size().1;
        if more > 0 && bytes.saturating_add(more) > DOCUMENTS_BYTES_MAX {
            let what = format!(
                "documents take {bytes} bytes, {more} more would pass {DOCUMENTS_BYTES_MAX}"
            );
            let hint = "let clients fetch what waits for them, or remove retained messages";
            return Err(Error::new(ErrorKind::Busy, what, hint));
        }
        Ok(())
    }

    pub(crate) fn apply(&self, address: Address, change: Change) {
        let key_bytes = address.1.len();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let size = |body: &Arc<[u8]>| body.len() + key_bytes + OVERHEAD_BYTES;
        let after = change.as_ref().map_or(0, size);
        let before = match change {
            Some(body) => held.bodies.insert(address, body),
            None => held.bodies.remove(&address),
        };
        held.bytes = held.bytes.saturating_sub(before.as_ref().map_or(0, size)) + after;
    }
}

/// What became of documents during one head.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    latest: Mutex<Latest>,
}

impl Changes {
    /// Notes a change; the bytes of memory that this takes.
    pub(crate) fn note(&self, address: Address, change: Change) -> usize {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let key_bytes = address.1.len();
        let body_bytes = change.as_ref().map_or(0, |body| body.len());
        match latest.insert(address, change) {
            Some(_) => body_bytes,
            None => body_bytes + key_bytes + OVERHEAD_BYTES,
        }
    }

    pub(crate) fn latest(&self) -> Latest {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The documents of one commit, ready to be held.
pub(crate) fn changes_of(documents: &[Document]) -> impl Iterator<Item = (Address, Change)> {
    documents.iter().map(|own| (own.address(), own.body.as_deref().map(Arc::from)))
}

/// Appends documents: their number, then collection, key, and the body or that there is none.
pub(crate) fn encode_documents(out: &mut Vec<u8>, documents: &[Document]) {
    put_varint(out, documents.len() as u64);
    for own in documents {
        put_document(out, own.collection, &own.key, own.body.as_deref());
    }
}

/// Reads what [`encode_documents`] wrote.
pub(crate) fn decode_documents(from: &mut Cursor<'_>) -> Option<Vec<Document>> {
    let count = from.count()?;
    (0..count).map(|_| take_document(from)).collect()
}

fn put_document(out: &mut Vec<u8>, collection: Collection, key: &[u8], body: Option<&[u8]>) {
    out.push(collection.0);
    put_varint(out, key.len() as u64);
    out.extend_from_slice(key);
    out.push(u8::from(body.is_some()));
    if let Some(body) = body {
        put_varint(out, body.len() as u64);
        out.extend_from_slice(body);
    }
}

fn take_document(from: &mut Cursor<'_>) -> Option<Document> {
    let collection = Collection(from.u8()?);
    let len = from.count()?;
    let key = from.take(len)?.to_vec();
    let body = match from.u8()? {
        0 => None,
        1 => {
            let len = from.count()?;
            Some(from.take(len)?.to_vec())
        }
        _ => return None,
    };
    Some(Document { collection, key, body })
}

#[cfg(test)]
mod tests;
