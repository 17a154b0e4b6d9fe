//! What all connections share: sessions, subscriptions, retained messages, the bus.
//!
//! *Invariant.* A message gets its number when it leaves for the bus, in the same moment it
//! becomes its topic's retained message, and a subscription notes the number of that moment: so
//! a new subscriber gets each message once, retained or live. Locks are taken in the order bus,
//! book, tree, boxes, and none but the bus is held while waiting.
//!
//! *Not here.* Sockets (`connection`), the store (`intake`).

mod retaining;
mod routes;
mod sessions;
mod subscriptions;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tacitus_model::Timestamp;
use tacitus_protocol::mqtt::{Message, Retained, Retention, SessionKey, Tree};
use tacitus_storage::{Clock, Document};

use super::bus::{Bus, Exit};
use super::counters::{Counters, many, one, set};
use super::desk::Desk;
use super::intake::{Incoming, Intake, StoreError};
use super::limits::{RETAINED_BYTES_MAX, RETAINED_MAX, STORING_BYTES_MAX};
use super::mailbox::Mailbox;
use super::memory;
use super::seats::{Legacy, Seats};
use retaining::Retaining;
use routes::Route;

pub(super) use routes::Routes;
pub(super) use sessions::{Going, Testament};
pub(super) use subscriptions::Wish;

/// Retained messages and the number of the last message handed over.
#[derive(Debug)]
struct Book {
    retained: Retained,
    last_number: u64,
    /// Where messages on the bus go, as far as that was decided before they were stored.
    routes: HashMap<u64, Route>,
}

type Boxes = HashMap<SessionKey, Arc<Mailbox>>;

/// The broker's common state.
pub(super) struct Room {
    pub(super) counters: Arc<Counters>,
    pub(super) intake: Arc<dyn Intake>,
    pub(super) desk: Desk,
    clock: Arc<dyn Clock>,
    /// What is to be added to the monotonic clock to get the time of day, in milliseconds.
    day_offset_ms: u64,
    bus: Bus,
    book: Mutex<Book>,
    tree: RwLock<Tree>,
    boxes: RwLock<Boxes>,
    /// How many of the boxes survive the server.
    kept_boxes: AtomicUsize,
    retaining: Mutex<HashMap<Box<str>, Retaining>>,
    seats: Mutex<Seats>,
    guests: AtomicU64,
    last_will: AtomicU64,
    /// Bytes of messages that are with the store.
    storing_bytes: AtomicUsize,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("bus", &self.bus).finish_non_exhaustive()
    }
}

impl Room {
    pub(super) fn new(
        bus: Bus,
        intake: Arc<dyn Intake>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
    ) -> Self {
        let retained = Retained::new(RETAINED_MAX, RETAINED_BYTES_MAX);
        let day_ms = u64::try_from(clock.now().nanos() / 1_000_000).unwrap_or(0);
        Self {
            counters,
            intake,
            desk: Desk::default(),
            day_offset_ms: day_ms.saturating_sub(clock.monotonic_ns() / 1_000_000),
            clock,
            bus,
            book: Mutex::new(Book { retained, last_number: 0, routes: HashMap::new() }),
            tree: RwLock::default(),
            boxes: RwLock::default(),
            kept_boxes: AtomicUsize::new(0),
            retaining: Mutex::default(),
            seats: Mutex::default(),
            guests: AtomicU64::new(0),
            last_will: AtomicU64::new(0),
            storing_bytes: AtomicUsize::new(0),
        }
    }

    /// Milliseconds since 1970 as the clock said at the start, going on evenly from there: what
    /// expires is measured with it, and it means the same after a restart.
    pub(super) fn now_ms(&self) -> u64 {
        self.day_offset_ms + self.clock.monotonic_ns() / 1_000_000
    }

    /// A number for a client without an identifier.
    pub(super) fn next_guest(&self) -> u64 {
        self.guests.fetch_add(1, Ordering::Relaxed)
    }

    /// A number for a will.
    pub(super) fn next_will(&self) -> u64 {
        self.last_will.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The time samples get.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retaining(&self) -> MutexGuard<'_, HashMap<Box<str>, Retaining>> {
        self.retaining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree_mut(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn boxes(&self) -> RwLockReadGuard<'_, Boxes> {
        self.boxes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn boxes_mut(&self) -> RwLockWriteGuard<'_, Boxes> {
        self.boxes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so much waits for the store that only those with nothing waiting may add to it.
    pub(super) fn is_crowded(&self) -> bool {
        self.storing_bytes.load(Ordering::Relaxed) >= STORING_BYTES_MAX
    }

    /// Bytes are going to the store.
    pub(super) fn begin_storing(&self, bytes: usize) {
        self.storing_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The store has answered for them.
    pub(super) fn end_storing(&self, bytes: usize) {
        self.storing_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Stores messages as one group, with what has to be remembered of them and with these
    /// documents; says where they go. Topics that begin with `$` are not the historian's.
    pub(super) async fn store(
        &self,
        client: &Arc<str>,
        messages: &[Message],
        mut documents: Vec<Document>,
        received: Timestamp,
    ) -> Result<Routes, StoreError> {
        let group: Vec<Incoming> = messages
            .iter()
            .filter(|message| !message.topic().starts_with('$'))
            .map(|message| Incoming {
                client: Arc::clone(client),
                topic: message.topic().into(),
                payload: message.payload(),
                qos: message.qos() as u8,
                retain: message.retain(),
                received,
            })
            .collect();
        let retained = messages.iter().filter(|message| message.retain());
        documents.extend(retained.map(memory::retained));
        self.begin_retaining(client, messages);
        let routes = self.route(messages, &mut documents);
        if group.is_empty() && documents.is_empty() {
            return Ok(routes);
        }
        one(&self.counters.groups_stored);
        let stored = self.intake.store(&group, documents).await;
        if stored.is_err() {
            self.unroute(&routes);
            self.end_retaining(messages).await;
        }
        stored.map(|()| routes)
    }

    /// Sends stored messages to whoever is subscribed, and retains those that ask for it.
    pub(super) async fn publish(&self, messages: &[Message], routes: Routes) {
        let mut routes = routes.into_iter().peekable();
        let mut index = 0;
        self.bus
            .hand_over(messages, |message| {
                let mut book = self.book();
                book.last_number += 1;
                if let Some((_, route)) = routes.next_if(|(place, _)| *place == index) {
                    let number = book.last_number;
                    book.routes.insert(number, route);
                }
                index += 1;
                if message.retain() {
                    if book.retained.apply(message) == Retention::Full {
                        one(&self.counters.retained_refused);
                        self.desk.put(vec![memory::no_retained(message.topic())]);
                    }
                    set(&self.counters.retained_now, book.retained.len());
                    set(&self.counters.retained_bytes_now, book.retained.bytes());
                }
            })
            .await;
        self.end_retaining(messages).await;
    }

    /// Waits until what was published is in the mailboxes.
    pub(super) async fn settled(&self) {
        self.bus.is_empty().await;
    }

    /// Publishes what the broker says of itself.
    pub(super) async fn publish_own(&self, messages: &[Message]) {
        // They are of quality 0: nothing of them is remembered.
        let routes = self.route(messages, &mut Vec::new());
        self.publish(messages, routes).await;
    }

    /// Stores and publishes a will, and forgets it.
    pub(super) async fn publish_will(&self, legacy: Legacy) {
        let Legacy { client, number, message } = legacy;
        let messages = [message];
        let documents = vec![memory::no_will(number)];
        match self.store(&client, &messages, documents, self.now()).await {
            Ok(routes) => self.publish(&messages, routes).await,
            Err(error) => {
                one(&self.counters.messages_not_kept);
                tracing::warn!(%client, %error, "will was not kept");
            }
        }
    }

    /// Takes messages off the bus and puts them into mailboxes, for ever.
    pub(super) async fn dispatch(&self, mut exit: Exit) {
        let mut number = 0;
        let mut found = Vec::new();
        loop {
            if let Ok(message) = self.bus.take(&mut exit).await {
                number += 1;
                self.distribute(&message, number, &mut found);
                continue;
            }
            one(&self.counters.router_restarts);
            let mut stranded = Vec::new();
            let renumber = || {
                let mut book = self.book();
                let last = book.last_number;
                many(
                    &self.counters.router_lost,
                    usize::try_from(last.saturating_sub(number)).unwrap_or(usize::MAX),
                );
                number = last;
                // What is on disk for a session reaches it all the same.
                stranded.extend(book.routes.drain());
            };
            match self.bus.replace(renumber).await {
                Ok(fresh) => exit = fresh,
                Err(error) => {
                    tracing::error!(%error, "router cannot be restarted: subscribers get nothing");
                    return;
                }
            }
            stranded.sort_by_key(|(number, _)| *number);
            for (_, route) in stranded {
                self.follow(route);
            }
            tracing::error!("router was restarted: subscribers may have missed messages");
        }
    }
}
