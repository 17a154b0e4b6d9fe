//! The door from the broker to the historian: whoever keeps samples implements [`Intake`].
//!
//! *Invariant.* The broker promises nothing to a client (no PUBACK, no PUBREC) and shows nothing
//! to a subscriber before [`Intake::store`] of the group that holds the message returned `Ok`.
//!
//! *Not here.* Which topics become tags and how payloads are read: that is the implementor's.

use std::sync::Arc;

use bytes::Bytes;
use tacitus_model::{TimeRange, Timestamp};
use tacitus_storage::{Collection, Document};

/// One PUBLISH as a client sent it, topic alias already resolved.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Client identifier of the sender.
    pub client: Arc<str>,
    /// Topic name: valid UTF-8, not empty, no wildcard, no NUL; never begins with `$`.
    pub topic: Arc<str>,
    /// Payload, possibly empty.
    pub payload: Bytes,
    /// Quality of service of the sender: 0, 1 or 2.
    pub qos: u8,
    /// Whether the sender asked to retain the message; does not matter for storing.
    pub retain: bool,
    /// When the read batch that holds the packet was taken from the socket.
    pub received: Timestamp,
}

/// Key and body of a document.
pub type Remembered = (Arc<[u8]>, Arc<[u8]>);

/// A stretch of the past that a client wants to be told, and what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Topic filter that the paths of the tags have to match.
    pub filter: String,
    /// The stretch.
    pub range: TimeRange,
    /// Whether what is stored from now on follows.
    pub goes_on: bool,
}

/// A stored sample as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The path of its tag.
    pub topic: String,
    /// Value, time and quality.
    pub payload: Vec<u8>,
}

/// Why the past is not told to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoryError {
    /// The client reads more slowly than samples are stored.
    #[error("samples are stored faster than they are read")]
    Lagged,
    /// The store could not be read, or the client asks for too much.
    #[error("{0}")]
    Failed(String),
}

/// The past, being told.
#[async_trait::async_trait]
pub trait Story: Send {
    /// The next samples, in time order and then in the order in which they are stored, each once;
    /// none at the end.
    async fn next(&mut self) -> Result<Vec<Told>, StoryError>;
}

/// Why a group was not kept. The sender is told in its protocol's own terms and never gets an
/// acknowledgement: MQTT 5 gets reason code 0x97 where it may try again, 3.1.1 is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk or a quota is full: nothing was written; the sender may try again later.
    #[error("the store is full")]
    Full,
    /// There was no room in time: nothing was written; the sender may try again soon.
    #[error("the store is busy")]
    Busy,
    /// The store has stopped or its state is unknown: the group may have been written. Every
    /// sender is disconnected.
    #[error("the store has failed")]
    Failed,
}

/// Keeps what clients publish and what the broker remembers.
#[async_trait::async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Keeps the publishes of one socket read batch as one group, in their order, together with
    /// documents: all of it survives, or none.
    ///
    /// `Ok` means: everything in the group with a quality of service above 0 that the rules store
    /// is on disk, and so are the documents; what is only of quality 0 has been accepted. A message
    /// that fits no rule is counted by the implementor and is no error. Several groups of one
    /// connection may wait at the same time; they are polled first in their order.
    async fn store(&self, group: &[Incoming], documents: Vec<Document>) -> Result<(), StoreError>;

    /// The documents of a set, by key.
    fn documents(&self, collection: Collection) -> Vec<Remembered>;

    /// A client's connection has ended, and its will, if one was due at once, was published.
    fn left(&self, _client: &str) {}

    /// Begins to tell the past.
    fn tell(&self, span: &Span) -> Result<Box<dyn Story>, StoryError>;
}
