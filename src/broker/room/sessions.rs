//! How sessions come, go, end and come back after a restart.
//!
//! *Invariant.* A session that outlives its connection is on disk before its client is accepted,
//! and so is every will; what belonged to a session that ended is forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tacitus_protocol::mqtt::record::{SessionRecord, WillRecord};
use tacitus_protocol::mqtt::{Session, Will};
use tacitus_storage::Document;

use super::super::counters::{many, set};
use super::super::intake::StoreError;
use super::super::memory::{self, Recalled};
use super::super::seats::{Claim, Coming, Ended, Granted, Legacy, Seat, Vacated};
use super::Room;

/// A will that its client has not taken back.
#[derive(Debug, Clone)]
pub(in super::super) struct Testament {
    pub(in super::super) number: u64,
    pub(in super::super) will: Will,
}

/// How a client goes.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Going<'a> {
    /// How long its session lives on, in seconds.
    pub(in super::super) expiry_s: u32,
    pub(in super::super) testament: Option<&'a Testament>,
    /// Whether the will is to be published.
    pub(in super::super) keeps_will: bool,
    /// The server stops: the will stays on disk for the next start.
    pub(in super::super) stops: bool,
}

impl Room {
    /// Asks for a session; a session that ends by it is cleared, and its will returned.
    pub(in super::super) fn claim(
        &self,
        client: &Arc<str>,
        coming: Coming,
    ) -> (Claim, Option<Legacy>) {
        let mut seats = self.seats();
        let mut claim = seats.claim(client, coming);
        set(&self.counters.sessions_now, seats.len());
        drop(seats);
        let mut will = None;
        if let Claim::Granted(granted) = &mut claim {
            let mailbox = Arc::clone(&granted.seat.mailbox);
            let is_kept = mailbox.is_kept();
            if self.boxes_mut().insert(granted.seat.key, mailbox).is_none() && is_kept {
                self.kept_boxes.fetch_add(1, Ordering::AcqRel);
            }
            will = granted.ended.take().and_then(|ended| self.clear(ended));
        }
        (claim, will)
    }

    /// Writes what has to be known of a client that was let in.
    pub(in super::super) async fn remember_arrival(
        &self,
        granted: &Granted,
        expiry_s: u32,
        testament: Option<&Testament>,
    ) -> Result<(), StoreError> {
        let client = &granted.seat.client;
        let key = granted.seat.key;
        let mut documents = Vec::new();
        if granted.session.is_kept() {
            let record = SessionRecord { key, expiry_s, absent_since_ms: 0 };
            documents.push(memory::session(client, record));
        }
        documents.extend(granted.void_will.map(memory::no_will));
        documents.extend(testament.map(|testament| {
            let will = testament.will.clone();
            let record = WillRecord { client: client.to_string(), key, due_ms: 0, will };
            memory::will(testament.number, &record)
        }));
        self.desk.write(documents).await
    }

    /// Gives a session back; returns the will that is due at once.
    pub(in super::super) fn vacate(
        &self,
        seat: Seat,
        session: Session,
        going: Going<'_>,
    ) -> Option<Legacy> {
        let now_ms = self.now_ms();
        let client = Arc::clone(&seat.client);
        let key = seat.key;
        let mut documents = Vec::new();
        if session.is_kept() && going.expiry_s > 0 {
            let absent_since_ms = now_ms.max(1);
            let record = SessionRecord { key, expiry_s: going.expiry_s, absent_since_ms };
            documents.push(memory::session(&client, record));
        }
        let will = going.testament.filter(|_| !going.stops).and_then(|testament| {
            let Testament { number, will } = testament;
            let message = if going.keeps_will { will.message(key, now_ms) } else { None };
            let Some(message) = message else {
                documents.push(memory::no_will(*number));
                return None;
            };
            if will.delay_s > 0 && going.expiry_s > 0 {
                let delay_ms = u64::from(will.delay_s.min(going.expiry_s)) * 1000;
                let due_ms = now_ms.saturating_add(delay_ms).max(1);
                let record =
                    WillRecord { client: client.to_string(), key, due_ms, will: will.clone() };
                documents.push(memory::will(*number, &record));
            }
            Some((will.delay_s, Legacy { client: Arc::clone(&client), number: *number, message }))
        });
        self.desk.put(documents);
        let mut seats = self.seats();
        let vacated = seats.vacate(seat, session, going.expiry_s, will, Instant::now());
        set(&self.counters.sessions_now, seats.len());
        drop(seats);
        match vacated {
            Vacated::Ended(ended) => self.clear(*ended),
            Vacated::Away(due) => due,
        }
    }

    /// Ends sessions whose time is over; returns the wills that are due.
    pub(in super::super) fn expire(&self) -> Vec<Legacy> {
        let mut seats = self.seats();
        let (ended, mut wills) = seats.due(Instant::now());
        set(&self.counters.sessions_now, seats.len());
        set(&self.counters.sessions_away_now, seats.away());
        drop(seats);
        wills.extend(ended.into_iter().filter_map(|ended| self.clear(ended)));
        wills
    }

    fn clear(&self, ended: Ended) -> Option<Legacy> {
        let mut tree = self.tree_mut();
        match &ended.session {
            Some(session) => {
                for filter in session.filters() {
                    tree.remove(filter, ended.key);
                }
            }
            None => tree.forget(ended.key),
        }
        set(&self.counters.subscriptions_now, tree.len());
        set(&self.counters.subscriptions_shared_now, tree.shared_len());
        drop(tree);
        let mailbox = self.boxes_mut().remove(&ended.key);
        if let Some(mailbox) = mailbox.filter(|mailbox| mailbox.is_kept()) {
            self.kept_boxes.fetch_sub(1, Ordering::AcqRel);
            if let Some(session) = &ended.session {
                let serials = mailbox.serials();
                self.desk.put(memory::no_session(&ended.client, session, &serials));
            }
        }
        ended.will
    }

    /// Takes back what an earlier run remembered; the wills that are due now. To be called before
    /// anybody is let in.
    pub(in super::super) fn recall(&self) -> Vec<Legacy> {
        let past = memory::recall(&*self.intake);
        let now_ms = self.now_ms();
        many(&self.counters.records_forgotten, past.litter.len());
        let mut litter: Vec<Document> = past.litter;
        self.seats().begin_after(past.last_key);
        self.last_will.store(past.last_will, Ordering::Relaxed);
        {
            let mut book = self.book();
            for message in &past.retained {
                if message.is_expired(now_ms) {
                    litter.push(memory::no_retained(message.topic()));
                } else {
                    book.retained.apply(message);
                }
            }
            set(&self.counters.retained_now, book.retained.len());
            set(&self.counters.retained_bytes_now, book.retained.bytes());
        }
        self.desk.put(litter);
        let mut due = Vec::new();
        for recalled in past.sessions {
            self.recall_one(recalled, now_ms, &mut due);
        }
        for (number, record) in past.wills {
            due.extend(legacy(number, &record, now_ms));
        }
        let seats = self.seats();
        set(&self.counters.sessions_now, seats.len());
        set(&self.counters.sessions_away_now, seats.away());
        due
    }

    fn recall_one(&self, recalled: Recalled, now_ms: u64, due: &mut Vec<Legacy>) {
        let Recalled { client, mut record, session, subscriptions, waiting, released, will } =
            recalled;
        let client: Arc<str> = client.into();
        if record.absent_since_ms == 0 {
            // Connected when the server ended: absent since now.
            record.absent_since_ms = now_ms.max(1);
            self.desk.put(vec![memory::session(&client, record)]);
        }
        let lives_ms = match record.expiry_s {
            u32::MAX => None,
            expiry_s => {
                let ends_ms = record.absent_since_ms.saturating_add(u64::from(expiry_s) * 1000);
                Some(ends_ms.saturating_sub(now_ms))
            }
        };
        let after = |wait_ms: u64| Instant::now().checked_add(Duration::from_millis(wait_ms));
        let will = will.and_then(|(number, record)| {
            let legacy = legacy(number, &record, now_ms)?;
            let wait_ms = match record.due_ms {
                0 => u64::from(record.will.delay_s) * 1000,
                due_ms => due_ms.saturating_sub(now_ms),
            };
            if wait_ms == 0 {
                due.push(legacy);
                return None;
            }
            Some((after(wait_ms.min(lives_ms.unwrap_or(u64::MAX)))?, legacy))
        });
        let key = session.key();
        {
            let mut tree = self.tree_mut();
            for (filter, subscription) in subscriptions {
                tree.insert(&filter, key, subscription);
            }
            set(&self.counters.subscriptions_now, tree.len());
            set(&self.counters.subscriptions_shared_now, tree.shared_len());
        }
        let mut seats = self.seats();
        let mailbox = seats.mailbox(true);
        mailbox.recall(waiting, &released);
        self.boxes_mut().insert(key, Arc::clone(&mailbox));
        self.kept_boxes.fetch_add(1, Ordering::AcqRel);
        // A session whose time ran out meanwhile ends at the first look at the clock.
        let expires = lives_ms.and_then(after);
        seats.recall(client, session, mailbox, expires, will);
    }

    /// Forgets deliveries that have ended.
    pub(in super::super) fn end_deliveries(&self, seat: &Seat, serials: &[u64]) {
        seat.mailbox.end(serials);
        let ended = serials.iter().map(|serial| memory::no_queued(seat.key, *serial));
        self.desk.put(ended.collect());
    }

    /// Gives up the seat of a client that is not let in because nothing could be written of it.
    pub(in super::super) fn refuse_arrival(&self, granted: Granted) {
        let Granted { seat, session, .. } = granted;
        let going = Going { expiry_s: 1, testament: None, keeps_will: false, stops: false };
        let going = if session.is_kept() { going } else { Going { expiry_s: 0, ..going } };
        drop(self.vacate(seat, session, going));
    }
}

fn legacy(number: u64, record: &WillRecord, now_ms: u64) -> Option<Legacy> {
    let message = record.will.message(record.key, now_ms)?;
    Some(Legacy { client: record.client.as_str().into(), number, message })
}
