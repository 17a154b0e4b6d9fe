//! Messages that wait for one session.
//!
//! *Invariant.* Never more than [`MAILBOX_BYTES_MAX`], nor much more than [`MAILBOXES_BYTES_MAX`] in
//! all; pushing never waits, so no subscriber can
//! slow down anybody else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tacitus_protocol::mqtt::{Delivery, QoS};
use tokio::sync::Notify;

use super::limits::{MAILBOX_BYTES_MAX, MAILBOX_BYTES_SHARE, MAILBOXES_BYTES_MAX};

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Waits,
    /// Nobody will see it: the session is absent and the quality is 0.
    NotKept,
    /// The mailbox is full.
    Dropped,
}

#[derive(Debug, Default)]
struct Inside {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    is_present: bool,
    is_overflown: bool,
}

/// The mailbox of one session.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Bytes in all mailboxes.
    all_bytes: Arc<AtomicUsize>,
    inside: Mutex<Inside>,
    arrived: Notify,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.all_bytes.fetch_sub(self.inside().bytes, Ordering::Relaxed);
    }
}

impl Mailbox {
    /// An empty mailbox of an absent client; `all_bytes` is shared by all mailboxes.
    pub(super) fn new(all_bytes: Arc<AtomicUsize>) -> Self {
        Self { all_bytes, inside: Mutex::default(), arrived: Notify::new() }
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a delivery, if there is room.
    pub(super) fn push(&self, delivery: Delivery) -> Pushed {
        let mut inside = self.inside();
        if !inside.is_present && delivery.qos == QoS::AtMostOnce {
            return Pushed::NotKept;
        }
        let bytes = delivery.bytes();
        let all_bytes = self.all_bytes.load(Ordering::Relaxed);
        let bytes_max =
            if all_bytes < MAILBOXES_BYTES_MAX { MAILBOX_BYTES_MAX } else { MAILBOX_BYTES_SHARE };
        let has_room = inside.bytes + bytes <= bytes_max && !inside.is_overflown;
        if has_room {
            inside.bytes += bytes;
            self.all_bytes.fetch_add(bytes, Ordering::Relaxed);
            inside.waiting.push_back(delivery);
        } else if inside.is_present {
            inside.is_overflown = true;
        }
        drop(inside);
        self.arrived.notify_one();
        if has_room { Pushed::Waits } else { Pushed::Dropped }
    }

    /// The oldest delivery.
    pub(super) fn pop(&self) -> Option<Delivery> {
        let mut inside = self.inside();
        let delivery = inside.waiting.pop_front()?;
        inside.bytes -= delivery.bytes();
        self.all_bytes.fetch_sub(delivery.bytes(), Ordering::Relaxed);
        Some(delivery)
    }

    /// Waits until something was pushed since the last wait.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Whether something did not fit while the client was connected.
    pub(super) fn is_overflown(&self) -> bool {
        self.inside().is_overflown
    }

    /// The client is connected.
    pub(super) fn come(&self) {
        let mut inside = self.inside();
        inside.is_present = true;
        inside.is_overflown = false;
    }

    /// The client is gone: what has quality 0 goes too.
    pub(super) fn leave(&self) {
        let mut inside = self.inside();
        inside.is_present = false;
        inside.is_overflown = false;
        inside.waiting.retain(|delivery| delivery.qos != QoS::AtMostOnce);
        let bytes = inside.waiting.iter().map(Delivery::bytes).sum();
        self.all_bytes.fetch_sub(inside.bytes - bytes, Ordering::Relaxed);
        inside.bytes = bytes;
    }
}
