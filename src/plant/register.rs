//! Numbered records with a start and an end, found by time: events, annotations.
//!
//! *Invariant.* A record is on disk before it is shown and answered for. A number is given once, as
//! long as the record of the highest one is there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tacitus_model::{TimeRange, Timestamp};
use tacitus_storage::{Collection, Document};

use super::limits::RECORD_BYTES_MAX;
use super::mistake::{Kind, Mistake};
use super::spans::Spans;
use crate::keeper::Keeper;

/// A record of a register.
pub trait Record: fmt::Debug + Send + Sync + Sized {
    /// Where it is kept.
    const COLLECTION: Collection;
    /// What it is called.
    const KIND: Kind;
    /// How many there may be.
    const MOST: usize;

    /// Its number.
    fn id(&self) -> u64;
    /// When it starts.
    fn start(&self) -> Timestamp;
    /// When it ends; `None` while it lasts.
    fn end(&self) -> Option<Timestamp>;
    /// As it is kept.
    fn written(&self) -> Vec<u8>;
    /// From what was kept.
    ///
    /// # Errors
    /// What cannot be read.
    fn read(bytes: &[u8]) -> Result<Self, serde_json::Error>;
}

/// All records of a kind.
#[derive(Debug)]
pub struct Register<T> {
    keeper: Arc<dyn Keeper>,
    book: RwLock<Book<T>>,
    /// Held for the length of a change.
    door: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Book<T> {
    records: BTreeMap<u64, Arc<T>>,
    spans: Spans,
    last: u64,
}

impl<T: Record> Register<T> {
    /// The records that were kept.
    #[must_use]
    pub fn new(keeper: Arc<dyn Keeper>) -> Self {
        let mut book = Book { records: BTreeMap::new(), spans: Spans::default(), last: 0 };
        for (key, body) in keeper.kept(T::COLLECTION) {
            match T::read(&body) {
                Ok(record) => book.enter(Arc::new(record)),
                Err(error) => tracing::error!(?key, kind = %T::KIND, %error, "unreadable"),
            }
        }
        let door = tokio::sync::Mutex::new(());
        Self { keeper, book: RwLock::new(book), door }
    }

    /// Adds a record, made with its number.
    ///
    /// # Errors
    /// Nothing was added, and why.
    pub async fn add(
        &self,
        make: impl FnOnce(u64) -> Result<T, Mistake> + Send,
    ) -> Result<Arc<T>, Mistake> {
        let _door = self.door.lock().await;
        let (count, last) = self.read(|book| (book.records.len(), book.last));
        if count >= T::MOST {
            return Err(Mistake::TooMany(T::KIND, T::MOST));
        }
        self.put(make(last + 1)?).await
    }

    /// Changes a record; no other change comes between the look at it and what is kept.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn change<E: From<Mistake>>(
        &self,
        id: u64,
        change: impl FnOnce(&T) -> Result<T, E> + Send,
    ) -> Result<Arc<T>, E> {
        let _door = self.door.lock().await;
        let record = self.get(id).ok_or_else(|| unknown::<T>(id))?;
        Ok(self.put(change(&record)?).await?)
    }

    /// Removes a record.
    ///
    /// # Errors
    /// Nothing was removed, and why.
    pub async fn remove(&self, id: u64) -> Result<(), Mistake> {
        let _door = self.door.lock().await;
        self.get(id).ok_or_else(|| unknown::<T>(id))?;
        self.keep(id, None).await?;
        self.book.write().unwrap_or_else(PoisonError::into_inner).leave(id);
        Ok(())
    }

    /// One record.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<Arc<T>> {
        self.read(|book| book.records.get(&id).cloned())
    }

    /// The records that start in one range and end in another, or have no end, by start.
    #[must_use]
    pub fn find(&self, starts: TimeRange, ends: TimeRange) -> Vec<Arc<T>> {
        let mut found: Vec<Arc<T>> = self.read(|book| {
            let ids = book.spans.find(starts, ends).into_iter();
            ids.filter_map(|id| book.records.get(&id).cloned()).collect()
        });
        found.retain(|own| {
            starts.contains(own.start()) && own.end().is_none_or(|end| ends.contains(end))
        });
        found.sort_unstable_by_key(|own| (own.start(), own.id()));
        found
    }

    async fn put(&self, record: T) -> Result<Arc<T>, Mistake> {
        let body = record.written();
        if body.len() > RECORD_BYTES_MAX {
            return Err(Mistake::TooLarge(T::KIND, RECORD_BYTES_MAX));
        }
        self.keep(record.id(), Some(body)).await?;
        let record = Arc::new(record);
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        book.enter(Arc::clone(&record));
        Ok(record)
    }

    async fn keep(&self, id: u64, body: Option<Vec<u8>>) -> Result<(), Mistake> {
        let key = id.to_be_bytes().to_vec();
        let record = Document { collection: T::COLLECTION, key, body };
        self.keeper.keep(vec![record]).await.map_err(Mistake::NotKept)
    }

    fn read<R>(&self, of: impl FnOnce(&Book<T>) -> R) -> R {
        of(&self.book.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Record> Book<T> {
    fn enter(&mut self, record: Arc<T>) {
        self.leave(record.id());
        self.spans.insert(record.id(), record.start(), record.end());
        self.last = self.last.max(record.id());
        self.records.insert(record.id(), record);
    }

    fn leave(&mut self, id: u64) {
        if let Some(record) = self.records.remove(&id) {
            self.spans.remove(id, record.start(), record.end());
        }
    }
}

fn unknown<T: Record>(id: u64) -> Mistake {
    Mistake::Unknown(T::KIND, id.to_string())
}
