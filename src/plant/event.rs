//! Event frames: what lasted from when to when, of which kind, at which asset.
//!
//! *Invariant.* An event never ends before it starts. Members are never renamed: they are in stores.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tacitus_model::Timestamp;
use tacitus_query::calendar::Fault;
use tacitus_storage::Collection;

use super::asset::path_fault;
use super::limits::EVENTS_MAX;
use super::mistake::{Kind, Mistake, fault};
use super::register::Record;
use crate::documents::EVENTS;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub id: u64,
    /// When it was written down.
    pub created: Timestamp,
    /// What it says.
    pub says: EventDraft,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDraft {
    /// What it is: `downtime`, `batch`, `changeover`.
    pub kind: String,
    /// Where it was.
    pub asset: Option<String>,
    /// When it started.
    pub start: Timestamp,
    /// When it ended; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// 1 to 1000, as OPC UA has it.
    pub severity: Option<u16>,
    /// What it is, for people.
    pub text: String,
    /// What else is known of it.
    pub attributes: Map<String, Value>,
}

/// An event as it is kept. Members may be added.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    id: u64,
    created: i64,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    start: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<u16>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
}

impl EventDraft {
    /// The event of this number.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn numbered(self, id: u64, created: Timestamp) -> Result<Event, Mistake> {
        let mut faults = Vec::new();
        if self.kind.trim().is_empty() {
            faults.push(fault("kind", "it is empty", "say what it is: \"downtime\", \"batch\""));
        }
        faults.extend(self.asset.as_deref().and_then(|path| path_fault("asset", path)));
        faults.extend(end_fault(self.start, self.end));
        if self.severity.is_some_and(|severity| !(1..=1000).contains(&severity)) {
            faults.push(fault("severity", "it is not 1 to 1000", "1000 is the most severe"));
        }
        if faults.is_empty() {
            Ok(Event { id, created, says: self })
        } else {
            Err(Mistake::Faults(faults))
        }
    }
}

/// What is wrong with an end.
pub(super) fn end_fault(start: Timestamp, end: Option<Timestamp>) -> Option<Fault> {
    end.filter(|end| *end < start)
        .map(|_| fault("end", "it is before the start", "an end is not before its start"))
}

impl Record for Event {
    const COLLECTION: Collection = EVENTS;
    const KIND: Kind = Kind::Event;
    const MOST: usize = EVENTS_MAX;

    fn id(&self) -> u64 {
        self.id
    }

    fn start(&self) -> Timestamp {
        self.says.start
    }

    fn end(&self) -> Option<Timestamp> {
        self.says.end
    }

    fn written(&self) -> Vec<u8> {
        let says = self.says.clone();
        let body = Body {
            id: self.id,
            created: self.created.nanos(),
            kind: says.kind,
            asset: says.asset,
            start: says.start.nanos(),
            end: says.end.map(Timestamp::nanos),
            severity: says.severity,
            text: says.text,
            attributes: says.attributes,
        };
        // Numbers, texts and maps with text keys always have a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(bytes)?;
        let says = EventDraft {
            kind: body.kind,
            asset: body.asset,
            start: Timestamp::from_nanos(body.start),
            end: body.end.map(Timestamp::from_nanos),
            severity: body.severity,
            text: body.text,
            attributes: body.attributes,
        };
        Ok(Self { id: body.id, created: Timestamp::from_nanos(body.created), says })
    }
}
