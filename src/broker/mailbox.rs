//! Messages that wait for one session.
//!
//! ```text
//! keep (room is taken, serial given) ─▶ store ─▶ push ─▶ pop ─▶ in flight ─▶ ended
//! ```
//!
//! *Invariant.* Never more than [`MAILBOX_BYTES_MAX`], nor much more than [`MAILBOXES_BYTES_MAX`] in
//! all; pushing never waits, so no subscriber can slow down anybody else. A serial is given once
//! and remembered until its delivery has ended, so that its document can be forgotten.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tacitus_protocol::mqtt::{Delivery, QoS};
use tokio::sync::Notify;

use super::limits::{KEPT_BYTES_MAX, MAILBOX_BYTES_MAX, MAILBOX_BYTES_SHARE, MAILBOXES_BYTES_MAX};

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
    last_serial: u64,
    /// Serials whose deliveries have not ended, and what they take on disk.
    serials: BTreeMap<u64, usize>,
}

/// Bytes of all mailboxes.
#[derive(Debug, Default)]
pub(super) struct Load {
    waiting: AtomicUsize,
    /// Of deliveries that are on disk too, in flight or waiting.
    kept: AtomicUsize,
}

/// The mailbox of one session.
#[derive(Debug)]
pub(super) struct Mailbox {
    load: Arc<Load>,
    /// Whether what waits here with quality 1 or 2 survives the server.
    is_kept: bool,
    inside: Mutex<Inside>,
    arrived: Notify,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let inside = self.inside();
        self.load.waiting.fetch_sub(inside.bytes, Ordering::Relaxed);
        self.load.kept.fetch_sub(inside.serials.values().sum(), Ordering::Relaxed);
    }
}

impl Mailbox {
    /// An empty mailbox of an absent client.
    pub(super) fn new(load: Arc<Load>, is_kept: bool) -> Self {
        Self { load, is_kept, inside: Mutex::default(), arrived: Notify::new() }
    }

    /// Puts back what was remembered: deliveries in the order of their serials, and the serials of
    /// those that are in flight.
    pub(super) fn recall(&self, waiting: Vec<Delivery>, in_flight: &[u64]) {
        let mut inside = self.inside();
        inside.serials.extend(in_flight.iter().map(|serial| (*serial, 0)));
        let kept = waiting.iter().map(|delivery| (delivery.serial, delivery.bytes()));
        inside.serials.extend(kept);
        inside.last_serial = inside.serials.last_key_value().map_or(0, |(serial, _)| *serial);
        let bytes: usize = waiting.iter().map(Delivery::bytes).sum();
        inside.bytes += bytes;
        self.load.waiting.fetch_add(bytes, Ordering::Relaxed);
        self.load.kept.fetch_add(bytes, Ordering::Relaxed);
        inside.waiting.extend(waiting);
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what waits here with quality 1 or 2 survives the server.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Whether its client is connected.
    pub(super) fn is_present(&self) -> bool {
        self.inside().is_present
    }

    /// Takes room for so many bytes.
    fn reserve(&self, inside: &mut Inside, bytes: usize) -> bool {
        let all_bytes = self.load.waiting.load(Ordering::Relaxed);
        let bytes_max =
            if all_bytes < MAILBOXES_BYTES_MAX { MAILBOX_BYTES_MAX } else { MAILBOX_BYTES_SHARE };
        let has_room = inside.bytes + bytes <= bytes_max && !inside.is_overflown;
        if has_room {
            inside.bytes += bytes;
            self.load.waiting.fetch_add(bytes, Ordering::Relaxed);
        } else if inside.is_present {
            inside.is_overflown = true;
        }
        has_room
    }

    /// Takes room for a delivery that is to be written to disk before it is pushed, and gives it a
    /// serial. `None`: there is no room.
    pub(super) fn keep(&self, delivery: &mut Delivery) -> Option<()> {
        let mut inside = self.inside();
        let bytes = delivery.bytes();
        // LIMIT: what is on disk for sessions leaves room for everything else that is kept there.
        let fits = self.load.kept.load(Ordering::Relaxed) + bytes <= KEPT_BYTES_MAX;
        if !fits || !self.reserve(&mut inside, bytes) {
            drop(inside);
            self.arrived.notify_one();
            return None;
        }
        self.load.kept.fetch_add(bytes, Ordering::Relaxed);
        inside.last_serial += 1;
        delivery.serial = inside.last_serial;
        let serial = delivery.serial;
        inside.serials.insert(serial, bytes);
        Some(())
    }

    /// Gives back what [`Mailbox::keep`] took: the delivery was not written.
    pub(super) fn unkeep(&self, delivery: &Delivery) {
        let mut inside = self.inside();
        self.forget(&mut inside, delivery.serial);
        self.give_back(&mut inside, delivery.bytes());
    }

    fn give_back(&self, inside: &mut Inside, bytes: usize) {
        inside.bytes = inside.bytes.saturating_sub(bytes);
        self.load.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn forget(&self, inside: &mut Inside, serial: u64) {
        let bytes = inside.serials.remove(&serial).unwrap_or(0);
        self.load.kept.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Adds a delivery, if there is room; one with a serial has it.
    pub(super) fn push(&self, delivery: Delivery) -> Pushed {
        let mut inside = self.inside();
        if !inside.is_present && delivery.qos == QoS::AtMostOnce {
            return Pushed::NotKept;
        }
        let has_room = delivery.serial > 0 || self.reserve(&mut inside, delivery.bytes());
        if has_room {
            inside.waiting.push_back(delivery);
        }
        drop(inside);
        self.arrived.notify_one();
        if has_room { Pushed::Waits } else { Pushed::Dropped }
    }

    /// The oldest delivery.
    pub(super) fn pop(&self) -> Option<Delivery> {
        let mut inside = self.inside();
        let delivery = inside.waiting.pop_front()?;
        self.give_back(&mut inside, delivery.bytes());
        Some(delivery)
    }

    /// Forgets the serials of deliveries that have ended.
    pub(super) fn end(&self, serials: &[u64]) {
        let mut inside = self.inside();
        for serial in serials {
            self.forget(&mut inside, *serial);
        }
    }

    /// The serials of all deliveries that have not ended.
    pub(super) fn serials(&self) -> Vec<u64> {
        self.inside().serials.keys().copied().collect()
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
        let of_quality_0 = |delivery: &&Delivery| delivery.qos == QoS::AtMostOnce;
        let bytes = inside.waiting.iter().filter(of_quality_0).map(Delivery::bytes).sum();
        inside.waiting.retain(|delivery| delivery.qos != QoS::AtMostOnce);
        self.give_back(&mut inside, bytes);
    }
}
