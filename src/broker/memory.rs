//! What the broker remembers across a restart and a kill: which documents there are, and how they
//! become sessions, messages and wills again.
//!
//! *Invariant.* What a document says was promised to a client before it was written, or is
//! promised after. A document that cannot be read, or whose session is gone, is forgotten and
//! counted: it never keeps the broker from starting.
//!
//! *Not here.* The bytes (`tacitus_protocol::mqtt::record`); when documents are written (`desk`,
//! `room`).

use std::collections::{BTreeMap, HashMap};

use tacitus_protocol::mqtt::record::{self, SessionDocument, SessionRecord, WillRecord};
use tacitus_protocol::mqtt::{Delivery, Message, Note, Session, SessionKey, Subscription};

use tacitus_storage::{Collection, Document};

use super::intake::Intake;
use crate::documents::{
    BROKER_SESSIONS as SESSIONS, OPEN_MESSAGES as OPEN, QUEUED_MESSAGES as QUEUED,
    RETAINED_MESSAGES as RETAINED, WILLS,
};

fn put(collection: Collection, key: Vec<u8>, body: Vec<u8>) -> Document {
    Document { collection, key, body: Some(body) }
}

fn remove(collection: Collection, key: Vec<u8>) -> Document {
    Document { collection, key, body: None }
}

/// A session, present or absent.
pub(super) fn session(client: &str, session: SessionRecord) -> Document {
    put(SESSIONS, record::session_key(client), session.encode())
}

/// A subscription.
pub(super) fn subscription(key: SessionKey, filter: &str, subscription: &Subscription) -> Document {
    let body = record::encode_subscription(subscription);
    put(SESSIONS, record::subscription_key(key, filter), body)
}

/// The end of a subscription.
pub(super) fn no_subscription(key: SessionKey, filter: &str) -> Document {
    remove(SESSIONS, record::subscription_key(key, filter))
}

/// A retained message, or that a topic has none any more.
pub(super) fn retained(message: &Message) -> Document {
    let key = message.topic().as_bytes().to_vec();
    if message.payload().is_empty() {
        remove(RETAINED, key)
    } else {
        put(RETAINED, key, message.block().to_vec())
    }
}

/// That a topic has no retained message.
pub(super) fn no_retained(topic: &str) -> Document {
    remove(RETAINED, topic.as_bytes().to_vec())
}

/// A message that waits for a session.
pub(super) fn queued(key: SessionKey, delivery: &Delivery) -> Document {
    put(QUEUED, record::delivery_key(key, delivery.serial), record::encode_delivery(delivery))
}

/// The end of such a message.
pub(super) fn no_queued(key: SessionKey, serial: u64) -> Document {
    remove(QUEUED, record::delivery_key(key, serial))
}

/// An id of quality 2 that is promised.
pub(super) fn open(key: SessionKey, id: u16) -> Document {
    put(OPEN, record::open_key(key, id), Vec::new())
}

/// What a step of quality 2 changes.
pub(super) fn noted(key: SessionKey, note: Note) -> Document {
    match note {
        Note::Complete { id } => remove(OPEN, record::open_key(key, id)),
        Note::Arrived { serial, .. } => put(QUEUED, record::delivery_key(key, serial), Vec::new()),
    }
}

/// A will.
pub(super) fn will(number: u64, will: &WillRecord) -> Document {
    put(WILLS, number.to_be_bytes().to_vec(), will.encode())
}

/// That a will is published or void.
pub(super) fn no_will(number: u64) -> Document {
    remove(WILLS, number.to_be_bytes().to_vec())
}

/// The end of a session, with all that belongs to it.
pub(super) fn no_session(client: &str, session: &Session, serials: &[u64]) -> Vec<Document> {
    if !session.is_kept() {
        return Vec::new();
    }
    let key = session.key();
    let mut documents = vec![remove(SESSIONS, record::session_key(client))];
    documents.extend(session.filters().iter().map(|filter| no_subscription(key, filter)));
    documents.extend(serials.iter().map(|serial| no_queued(key, *serial)));
    documents.extend(session.open_ids().map(|id| remove(OPEN, record::open_key(key, id))));
    documents
}

/// A session as it was.
#[derive(Debug)]
pub(super) struct Recalled {
    pub(super) client: String,
    pub(super) record: SessionRecord,
    pub(super) session: Session,
    pub(super) subscriptions: Vec<(String, Subscription)>,
    /// In the order of their serials.
    pub(super) waiting: Vec<Delivery>,
    /// Serials of deliveries of which only PUBREL is owed.
    pub(super) released: Vec<u64>,
    pub(super) will: Option<(u64, WillRecord)>,
}

/// Everything that was remembered.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) sessions: Vec<Recalled>,
    pub(super) retained: Vec<Message>,
    /// Wills of sessions that did not outlive their connection.
    pub(super) wills: Vec<(u64, WillRecord)>,
    /// Greater than every session key that is still spoken of.
    pub(super) last_key: u64,
    pub(super) last_will: u64,
    /// What is to be forgotten because it means nothing.
    pub(super) litter: Vec<Document>,
}

#[derive(Default)]
struct Parts {
    subscriptions: Vec<(String, Subscription)>,
    waiting: BTreeMap<u64, Delivery>,
    released: Vec<u64>,
    open: Vec<u16>,
    will: Option<(u64, WillRecord)>,
}

/// Reads what was remembered.
pub(super) fn recall(intake: &dyn Intake) -> Past {
    let mut past = Past::default();
    let mut heads = Vec::new();
    let mut subscribed = Vec::new();
    for (key, body) in intake.documents(SESSIONS) {
        let read = match record::read_session_key(&key) {
            Some(SessionDocument::Session(client)) => {
                SessionRecord::decode(&body).map(|head| heads.push((client, head)))
            }
            Some(SessionDocument::Subscription(session, filter)) => {
                record::decode_subscription(&body)
                    .map(|subscription| subscribed.push((session, filter, subscription)))
            }
            None => None,
        };
        if read.is_none() {
            past.litter.push(remove(SESSIONS, key.to_vec()));
        }
    }
    let mut parts: HashMap<SessionKey, Parts> =
        heads.iter().map(|(_, head)| (head.key, Parts::default())).collect();
    for (session, filter, subscription) in subscribed {
        match parts.get_mut(&session) {
            Some(parts) => parts.subscriptions.push((filter, subscription)),
            None => past.litter.push(no_subscription(session, &filter)),
        }
    }
    recall_queued(intake, &mut parts, &mut past);
    recall_wills(intake, &mut parts, &mut past);
    for (topic, block) in intake.documents(RETAINED) {
        match Message::from_block(bytes::Bytes::copy_from_slice(&block)) {
            Some(message) => {
                past.last_key = past.last_key.max(message.publisher().0);
                past.retained.push(message);
            }
            None => past.litter.push(remove(RETAINED, topic.to_vec())),
        }
    }
    for (client, record) in heads {
        let Some(parts) = parts.remove(&record.key) else { continue };
        past.last_key = past.last_key.max(record.key.0);
        let filters = parts.subscriptions.iter().map(|(filter, _)| filter.clone());
        let released = parts.released.iter().copied();
        let session = Session::remembered(record.key, filters, parts.open, released);
        past.sessions.push(Recalled {
            client,
            record,
            session,
            subscriptions: parts.subscriptions,
            waiting: parts.waiting.into_values().collect(),
            released: parts.released,
            will: parts.will,
        });
    }
    past
}

fn recall_queued(intake: &dyn Intake, parts: &mut HashMap<SessionKey, Parts>, past: &mut Past) {
    for (key, body) in intake.documents(QUEUED) {
        let found = record::read_delivery_key(&key)
            .and_then(|(session, serial)| Some((parts.get_mut(&session)?, serial)));
        let read = found.and_then(|(parts, serial)| {
            if body.is_empty() {
                parts.released.push(serial);
                return Some(());
            }
            let delivery = record::decode_delivery(&body, serial)?;
            past.last_key = past.last_key.max(delivery.message.publisher().0);
            parts.waiting.insert(serial, delivery);
            Some(())
        });
        if read.is_none() {
            past.litter.push(remove(QUEUED, key.to_vec()));
        }
    }
    for (key, _) in intake.documents(OPEN) {
        let found = record::read_open_key(&key)
            .and_then(|(session, id)| Some((parts.get_mut(&session)?, id)));
        match found {
            Some((parts, id)) => parts.open.push(id),
            None => past.litter.push(remove(OPEN, key.to_vec())),
        }
    }
}

fn recall_wills(intake: &dyn Intake, parts: &mut HashMap<SessionKey, Parts>, past: &mut Past) {
    for (key, body) in intake.documents(WILLS) {
        let number = <[u8; 8]>::try_from(&key[..]).ok().map(u64::from_be_bytes);
        let (Some(number), Some(will)) = (number, WillRecord::decode(&body)) else {
            past.litter.push(remove(WILLS, key.to_vec()));
            continue;
        };
        past.last_will = past.last_will.max(number);
        past.last_key = past.last_key.max(will.key.0);
        match parts.get_mut(&will.key) {
            // A session has one will; an older one was replaced with its connection.
            Some(parts) => {
                if let Some((older, _)) = parts.will.replace((number, will)) {
                    past.litter.push(no_will(older));
                }
            }
            None => past.wills.push((number, will)),
        }
    }
}
