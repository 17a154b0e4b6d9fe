//! From values to points: names, gaps, and the hand-over to the store.
//!
//! *Invariant.* Samples of one tag reach the store in the order in which they came.
//!
//! *Invariant.* A gap ends. After an interruption a server states an unchanged value with the
//! time of its last change, which lies before the gap. Such a statement is stored a second time,
//! at the moment the server confirmed it, or the trend would show no communication for ever.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use opcua::types::DataValue;
use tacitus_model::{Quality, TagDefinition, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_protocol::opcua::{Reading, Refusal, reading, server_time};

use super::Parts;
use super::items::Handle;
use super::mailbox::{Letters, Message, Origin};
use super::settings::{Node, Settings};
use crate::collect::limits::STORE_POINTS_MAX;
use crate::collect::{Phase, State, Store, StoreError};

/// The overflow bit of a `StatusCode` whose info type is "data value" (Part 4, 7.39.1).
const OVERFLOW: u32 = 0x0000_0480;

/// The status of an item that the server has not sampled yet (Part 6, A.2).
const BAD_WAITING_FOR_INITIAL_DATA: Quality = Quality(0x8032_0000);

/// A tag as the pump knows it.
#[derive(Debug)]
struct Track {
    node: Node,
    /// Whether the tag is in the catalog, so that a sample without a value has a kind.
    defined: bool,
    latest: Option<Timestamp>,
    gap: Option<Timestamp>,
    /// The subscription that last stated a value.
    generation: u64,
}

/// Reads the mailbox until its end.
pub(super) struct Pump {
    settings: Arc<Settings>,
    state: Arc<State>,
    store: Arc<dyn Store>,
    clock: Arc<dyn tacitus_storage::Clock>,
    source: String,
    tracks: BTreeMap<Handle, Track>,
    points: Vec<Point>,
}

impl Pump {
    pub(super) fn new(settings: Arc<Settings>, state: Arc<State>, parts: &Parts) -> Self {
        Self {
            source: format!("opcua:{}", settings.name),
            settings,
            state,
            store: Arc::clone(&parts.store),
            clock: Arc::clone(&parts.clock),
            tracks: BTreeMap::new(),
            points: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut letters: Letters) {
        while let Some(message) = letters.next().await {
            let mut ended = self.take(message);
            while !ended && self.points.len() < STORE_POINTS_MAX {
                let Some(message) = letters.waiting() else { break };
                ended = self.take(message);
            }
            if let Err(error) = self.hand_over().await {
                self.state.error(self.clock.now(), error.to_string());
                tracing::error!(collector = %self.settings.name, %error, "the collector stops");
                break;
            }
            if ended {
                break;
            }
        }
        self.state.change(|status| status.phase = Phase::Stopped);
    }

    /// Takes one message; returns whether it was the last.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Item { handle, node } => {
                let known = self.store.known(node.tag.as_str());
                let latest = known.and_then(|known| known.latest);
                let gap = latest.filter(|_| known.is_some_and(|known| known.in_gap));
                let track = Track { node, defined: known.is_some(), latest, gap, generation: 0 };
                self.tracks.insert(handle, track);
            }
            Message::Values { origin, arrival, values, .. } => {
                for (handle, data) in values {
                    self.value(handle, &data, arrival, origin);
                }
            }
            Message::Gap { at, quality, handles } => self.gap(at, quality, handles.as_deref()),
            Message::End => return true,
        }
        false
    }

    fn value(&mut self, handle: Handle, data: &DataValue, arrival: Timestamp, origin: Origin) {
        let Some(track) = self.tracks.get_mut(&handle) else { return };
        let reading = match reading(data, arrival, self.settings.quantum_ns) {
            Ok(reading) => reading,
            Err(refusal) => return self.refused(handle, refusal),
        };
        if reading.value == Value::Null && reading.quality == BAD_WAITING_FOR_INITIAL_DATA {
            // The server has not looked yet: that says nothing of the signal.
            return;
        }
        if reading.quality.0 & OVERFLOW == OVERFLOW {
            self.state.overflows.fetch_add(1, Ordering::Relaxed);
        }
        let states_how_things_are = match origin {
            Origin::Read => true,
            Origin::Subscription(generation) => {
                let first = track.generation != generation;
                track.generation = generation;
                first
            }
        };
        if !track.defined {
            // A tag's kind is that of its first value; until there is one, there is no tag.
            let Some(definition) = definition(track, &reading, &self.settings, &self.source) else {
                return;
            };
            self.store.define(definition);
            track.defined = true;
        }
        let confirmed = track.gap.filter(|gap| states_how_things_are && reading.ts <= *gap);
        let again = confirmed.map(|gap| {
            let after = |ts: &Timestamp| *ts > gap;
            let server = server_time(data).map(|ts| ts.quantised(self.settings.quantum_ns));
            server
                .filter(after)
                .or(Some(arrival).filter(after))
                .unwrap_or_else(|| later(gap, self.settings.quantum_ns))
        });
        let path = track.node.tag.as_str();
        self.points.push(point(path, &reading, reading.ts));
        self.points.extend(again.map(|ts| point(path, &reading, ts)));
        let newest = again.unwrap_or(reading.ts);
        track.latest = track.latest.max(Some(newest));
        track.gap = track.gap.filter(|gap| newest <= *gap);
    }

    fn refused(&self, handle: Handle, refusal: Refusal) {
        self.state.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(track) = self.tracks.get(&handle) {
            let text = format!("{} ({}): {refusal}", track.node.tag, track.node.node);
            self.state.error(self.clock.now(), text);
        }
    }

    /// One sample without a value per tag that has any, unless it is in a gap already.
    fn gap(&mut self, at: Timestamp, quality: Quality, handles: Option<&[Handle]>) {
        let mut written = false;
        for (handle, track) in &mut self.tracks {
            let meant = handles.is_none_or(|handles| handles.contains(handle));
            let (Some(latest), None, true) = (track.latest, track.gap, meant) else { continue };
            // A source whose clock is ahead must not have its gap before its last value.
            let quantum_ns = self.settings.quantum_ns;
            let ts = at.quantised(quantum_ns).max(later(latest, quantum_ns));
            let reading = Reading { ts, value: Value::Null, quality };
            self.points.push(point(track.node.tag.as_str(), &reading, ts));
            track.latest = Some(ts);
            track.gap = Some(ts);
            written = true;
        }
        if written {
            self.state.change(|status| status.gaps_total += 1);
        }
    }

    async fn hand_over(&mut self) -> Result<(), StoreError> {
        if self.points.is_empty() {
            return Ok(());
        }
        let points = std::mem::take(&mut self.points);
        let refused = self.store.put(points, &self.source).await?;
        self.state.refused.fetch_add(refused, Ordering::Relaxed);
        Ok(())
    }
}

fn definition(
    track: &Track,
    reading: &Reading,
    settings: &Settings,
    source: &str,
) -> Option<TagDefinition> {
    let kind = reading.value.kind()?;
    let mut definition = TagDefinition::new(track.node.tag.clone(), kind, source);
    definition.unit.clone_from(&track.node.unit);
    definition.description.clone_from(&track.node.description);
    definition.quantum_ns = settings.quantum_ns.max(1);
    definition.labels = vec![("node".to_owned(), track.node.node.to_string())];
    Some(definition)
}

fn point(path: &str, reading: &Reading, ts: Timestamp) -> Point {
    Point::new(path, reading.value.clone()).at(Some(ts)).with_quality(reading.quality)
}

/// The next moment a tag of this quantum can have.
fn later(ts: Timestamp, quantum_ns: i64) -> Timestamp {
    Timestamp::from_nanos(ts.nanos().saturating_add(quantum_ns.max(1)))
}
