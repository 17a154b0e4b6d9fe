//! The last retained message of each topic.
//!
//! *Invariant.* At most `count_max` messages and `bytes_max` bytes are held; what does not fit is
//! not retained, and said so. An empty payload removes.
//!
//! *Not here.* Whether and to whom they are sent: `connection` and the server.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::filter::{literal_prefix, matches};
use super::message::Message;

/// What became of a message that asked to be retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// It is the topic's retained message, or the topic has none any more.
    Done,
    /// The table is full.
    Full,
}

/// All retained messages.
#[derive(Debug)]
pub struct Retained {
    messages: BTreeMap<Box<str>, Message>,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

impl Retained {
    /// An empty table with its bounds.
    #[must_use]
    pub const fn new(count_max: usize, bytes_max: usize) -> Self {
        Self { messages: BTreeMap::new(), bytes: 0, count_max, bytes_max }
    }

    /// Number of retained messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of all retained messages.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes in a message with the retain flag.
    pub fn apply(&mut self, message: &Message) -> Retention {
        let topic = message.topic();
        if let Some(earlier) = self.messages.remove(topic) {
            self.bytes -= earlier.bytes();
        }
        if message.payload().is_empty() {
            return Retention::Done;
        }
        if self.messages.len() >= self.count_max || self.bytes + message.bytes() > self.bytes_max {
            return Retention::Full;
        }
        self.bytes += message.bytes();
        self.messages.insert(topic.into(), message.clone());
        Retention::Done
    }

    /// The message of a topic.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&Message> {
        self.messages.get(topic)
    }

    /// The messages a filter matches, in the order of their topics.
    pub fn matching<'a>(
        &'a self,
        filter: &'a str,
        now_ms: u64,
    ) -> impl Iterator<Item = &'a Message> {
        let prefix = literal_prefix(filter);
        self.messages
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(topic, _)| topic.starts_with(prefix))
            .filter(move |(topic, message)| matches(filter, topic) && !message.is_expired(now_ms))
            .map(|(_, message)| message)
    }
}
