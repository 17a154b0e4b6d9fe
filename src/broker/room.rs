//! What all connections share: sessions, subscriptions, retained messages, the bus.
//!
//! *Invariant.* A message gets its number when it leaves for the bus, in the same moment it
//! becomes its topic's retained message, and a subscription notes the number of that moment: so
//! a new subscriber gets each message once, retained or live. Locks are taken in the order bus,
//! book, tree, boxes, and none but the bus is held while waiting.
//!
//! *Not here.* Sockets (`connection`), the store (`intake`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use tacitus_model::Timestamp;
use tacitus_protocol::mqtt::{
    Connection, Delivery, Message, Request, RetainForwardRule, Retained, Retention, Session,
    SessionKey, SubscribeReasonCode, Subscription, Tree, UnsubAckReason, check_filter,
    limits::SUBSCRIPTIONS_MAX,
};
use tacitus_storage::Clock;

use super::bus::{Bus, Exit};
use super::counters::{Counters, many, one, set};
use super::intake::{Incoming, Intake, StoreError};
use super::limits::{
    RETAINED_BYTES_MAX, RETAINED_MAX, RETAINED_WAITING_MAX, STORING_BYTES_MAX, SUBSCRIBE_TURN,
    SUBSCRIPTIONS_ALL_MAX,
};
use super::mailbox::{Mailbox, Pushed};
use super::seats::{Claim, Ended, Seat, Seats, Vacated};

/// Retained messages and the number of the last message handed over.
#[derive(Debug)]
struct Book {
    retained: Retained,
    last_number: u64,
}

/// The broker's common state.
pub(super) struct Room {
    pub(super) counters: Arc<Counters>,
    pub(super) intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    bus: Bus,
    book: Mutex<Book>,
    tree: RwLock<Tree>,
    boxes: RwLock<HashMap<SessionKey, Arc<Mailbox>>>,
    seats: Mutex<Seats>,
    guests: AtomicU64,
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
        Self {
            counters,
            intake,
            clock,
            bus,
            book: Mutex::new(Book { retained, last_number: 0 }),
            tree: RwLock::default(),
            boxes: RwLock::default(),
            seats: Mutex::default(),
            guests: AtomicU64::new(0),
            storing_bytes: AtomicUsize::new(0),
        }
    }

    /// Milliseconds of the clock that message expiry is measured with.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.monotonic_ns() / 1_000_000
    }

    /// A number for a client without an identifier.
    pub(super) fn next_guest(&self) -> u64 {
        self.guests.fetch_add(1, Ordering::Relaxed)
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

    /// Asks for a session; a session that ends by it is cleared, and its will returned.
    pub(super) fn claim(
        &self,
        client: &Arc<str>,
        clean_start: bool,
    ) -> (Claim, Option<(Arc<str>, Message)>) {
        let mut seats = self.seats();
        let mut claim = seats.claim(client, clean_start);
        set(&self.counters.sessions_now, seats.len());
        drop(seats);
        let mut will = None;
        if let Claim::Granted(granted) = &mut claim {
            self.boxes
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(granted.seat.key, Arc::clone(&granted.seat.mailbox));
            will = granted.ended.take().and_then(|ended| self.clear(ended));
        }
        (claim, will)
    }

    /// Gives a session back; returns the will that is due at once.
    pub(super) fn vacate(
        &self,
        seat: Seat,
        session: Session,
        expiry_s: u32,
        will: Option<&tacitus_protocol::mqtt::Will>,
    ) -> Option<(Arc<str>, Message)> {
        let client = Arc::clone(&seat.client);
        let will = will.and_then(|will| Some((will, will.message(seat.key, self.now_ms())?)));
        let mut seats = self.seats();
        let vacated = seats.vacate(seat, session, expiry_s, will, Instant::now());
        set(&self.counters.sessions_now, seats.len());
        drop(seats);
        match vacated {
            Vacated::Ended(ended) => self.clear(ended),
            Vacated::Away(due) => due.map(|message| (client, message)),
        }
    }

    /// Ends sessions whose time is over; returns the wills that are due.
    pub(super) fn expire(&self) -> Vec<(Arc<str>, Message)> {
        let mut seats = self.seats();
        let (ended, mut wills) = seats.due(Instant::now());
        set(&self.counters.sessions_now, seats.len());
        drop(seats);
        wills.extend(ended.into_iter().filter_map(|ended| self.clear(ended)));
        wills
    }

    fn clear(&self, ended: Ended) -> Option<(Arc<str>, Message)> {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        match &ended.session {
            Some(session) => {
                for filter in session.filters() {
                    tree.remove(filter, ended.key);
                }
            }
            None => tree.forget(ended.key),
        }
        set(&self.counters.subscriptions_now, tree.len());
        drop(tree);
        self.boxes.write().unwrap_or_else(PoisonError::into_inner).remove(&ended.key);
        ended.will.map(|message| (ended.client, message))
    }

    /// Makes the subscriptions of a SUBSCRIBE and answers it.
    pub(super) async fn subscribe(
        &self,
        connection: &mut Connection,
        packet_id: u16,
        subscription_id: Option<u32>,
        requests: &[Request],
    ) {
        let mut codes = Vec::with_capacity(requests.len());
        let mut retained = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            if index % SUBSCRIBE_TURN == SUBSCRIBE_TURN - 1 {
                tokio::task::yield_now().await;
            }
            codes.push(self.subscribe_one(connection, subscription_id, request, &mut retained));
        }
        connection.subscribed(packet_id, codes, retained);
    }

    fn subscribe_one(
        &self,
        connection: &mut Connection,
        subscription_id: Option<u32>,
        request: &Request,
        retained: &mut Vec<Delivery>,
    ) -> SubscribeReasonCode {
        use tacitus_protocol::mqtt::FilterError;
        match check_filter(&request.filter) {
            Ok(()) => {}
            Err(FilterError::Invalid) => return SubscribeReasonCode::TopicFilterInvalid,
            Err(FilterError::Shared) => {
                return SubscribeReasonCode::SharedSubscriptionsNotSupported;
            }
        }
        let key = connection.session().key();
        let filters = connection.session().filters();
        let is_new = !filters.contains(&request.filter);
        let all = self.counters.subscriptions_now.load(Ordering::Relaxed);
        let is_full = filters.len() >= SUBSCRIPTIONS_MAX || all >= SUBSCRIPTIONS_ALL_MAX as u64;
        if is_new && is_full {
            return SubscribeReasonCode::QuotaExceeded;
        }
        let book = self.book();
        let wants_retained = match request.retain_rule {
            RetainForwardRule::OnEverySubscribe => true,
            RetainForwardRule::OnNewSubscribe => is_new,
            RetainForwardRule::Never => false,
        };
        let before = retained.len();
        if wants_retained {
            let messages = book.retained.matching(&request.filter, self.now_ms());
            retained.extend(messages.take(RETAINED_WAITING_MAX).map(|message| Delivery {
                message: message.clone(),
                qos: if message.qos() < request.qos { message.qos() } else { request.qos },
                retain: true,
                subscription_ids: subscription_id.into_iter().collect(),
            }));
            if connection.retained_waiting() + retained.len() > RETAINED_WAITING_MAX {
                retained.truncate(before);
                return SubscribeReasonCode::QuotaExceeded;
            }
        }
        let subscription = Subscription {
            qos: request.qos,
            no_local: request.no_local,
            retain_as_published: request.retain_as_published,
            id: subscription_id,
            since: book.last_number,
        };
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        tree.insert(&request.filter, key, subscription);
        set(&self.counters.subscriptions_now, tree.len());
        connection.own_filter(&request.filter);
        SubscribeReasonCode::Success(request.qos)
    }

    /// Ends the subscriptions of an UNSUBSCRIBE and answers it.
    pub(super) fn unsubscribe(
        &self,
        connection: &mut Connection,
        packet_id: u16,
        filters: &[String],
    ) {
        let key = connection.session().key();
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        let mut reasons = Vec::with_capacity(filters.len());
        for filter in filters {
            reasons.push(if tree.remove(filter, key) {
                UnsubAckReason::Success
            } else {
                UnsubAckReason::NoSubscriptionExisted
            });
            connection.disown_filter(filter);
        }
        set(&self.counters.subscriptions_now, tree.len());
        drop(tree);
        connection.unsubscribed(packet_id, reasons);
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

    /// Stores messages as one group. Topics that begin with `$` are not the historian's.
    pub(super) async fn store(
        &self,
        client: &Arc<str>,
        messages: &[Message],
        received: Timestamp,
    ) -> Result<(), StoreError> {
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
        if group.is_empty() {
            return Ok(());
        }
        one(&self.counters.groups_stored);
        self.intake.store(&group).await
    }

    /// Sends stored messages to whoever is subscribed, and retains those that ask for it.
    pub(super) async fn publish(&self, messages: &[Message]) {
        self.bus
            .hand_over(messages, |message| {
                let mut book = self.book();
                book.last_number += 1;
                if message.retain() {
                    if book.retained.apply(message) == Retention::Full {
                        one(&self.counters.retained_refused);
                    }
                    set(&self.counters.retained_now, book.retained.len());
                }
            })
            .await;
    }

    /// Stores and publishes a will.
    pub(super) async fn publish_will(&self, (client, message): (Arc<str>, Message)) {
        let messages = [message];
        match self.store(&client, &messages, self.now()).await {
            Ok(()) => self.publish(&messages).await,
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
            let renumber = || {
                let last = self.book().last_number;
                many(
                    &self.counters.router_lost,
                    usize::try_from(last.saturating_sub(number)).unwrap_or(usize::MAX),
                );
                number = last;
            };
            match self.bus.replace(renumber).await {
                Ok(fresh) => exit = fresh,
                Err(error) => {
                    tracing::error!(%error, "router cannot be restarted: subscribers get nothing");
                    return;
                }
            }
            tracing::error!("router was restarted: subscribers may have missed messages");
        }
    }

    fn distribute(&self, message: &Message, number: u64, found: &mut Vec<(SessionKey, Delivery)>) {
        if message.is_expired(self.now_ms()) {
            return;
        }
        self.tree.read().unwrap_or_else(PoisonError::into_inner).deliveries(message, number, found);
        if found.is_empty() {
            return;
        }
        let boxes = self.boxes.read().unwrap_or_else(PoisonError::into_inner);
        for (session, delivery) in found.drain(..) {
            let pushed = boxes.get(&session).map(|mailbox| mailbox.push(delivery));
            if pushed == Some(Pushed::Dropped) {
                one(&self.counters.messages_dropped);
            }
        }
    }
}
