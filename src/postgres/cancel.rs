//! Cancelling from another connection, as PostgreSQL does it.
//!
//! *Invariant.* Only who holds the key of a connection can cancel on it, and only what runs when
//! the request comes: a cancel that finds nothing running is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pgwire::messages::startup::SecretKey;
use tokio::sync::watch;

/// The connections that can be cancelled on.
#[derive(Debug, Default)]
pub(super) struct Registry {
    entries: Mutex<HashMap<i32, Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: SecretKey,
    asked: watch::Sender<u64>,
}

/// One connection's place in the registry; left when dropped.
#[derive(Debug)]
pub(super) struct Registered {
    registry: Arc<Registry>,
    pid: i32,
    asked: watch::Receiver<u64>,
}

impl Registry {
    /// Enters a connection under the number and key it told its client.
    pub(super) fn enter(self: &Arc<Self>, pid: i32, key: SecretKey) -> Registered {
        let (sender, asked) = watch::channel(0);
        let entry = Entry { key, asked: sender };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(pid, entry);
        Registered { registry: Arc::clone(self), pid, asked }
    }

    /// Cancels what runs on a connection, if the key is right.
    pub(super) fn cancel(&self, pid: i32, key: &SecretKey) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(&pid)
            && entry.key.eq_value(key)
        {
            entry.asked.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}

impl Registered {
    /// Forgets requests that came before.
    pub(super) fn forget(&mut self) {
        self.asked.mark_unchanged();
    }

    /// Returns when someone asks for a cancel.
    pub(super) async fn asked(&mut self) {
        if self.asked.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut entries = self.registry.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&self.pid);
    }
}
