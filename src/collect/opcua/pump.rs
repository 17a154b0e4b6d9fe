//! From values to points: names, gaps, and the hand-over to the store.
//!
//! *Invariant.* Samples of one tag reach the store in the order in which they came.

mod event_log;
mod notes;
mod queue;
mod track;

use std::collections::BTreeMap;
use std::sync::Arc;

use opcua::types::custom::DataTypeTree;
use opcua::types::{DataValue, Variant};
use tacitus_model::{Quality, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_protocol::opcua::{Refusal, leaves, moment, reading, server_time};
use tokio::time::{MissedTickBehavior, interval};

use self::event_log::EventLog;
use self::notes::Notes;
pub(super) use self::queue::Queue;
use self::track::{NODE_LABEL, Stated, Track};
use super::describe::About;
use super::events::{About as AboutEvent, Event};
use super::items::Handle;
use super::mailbox::{Letters, Message, Origin, Values};
use super::settings::{Node, Settings, Times};
use crate::collect::limits::{LEAVES_MAX, NOTES_INTERVAL, STORE_POINTS_MAX};
use crate::collect::{Collector as _, Parts, State, Store, StoreError};

/// The overflow bit of a `StatusCode` whose info type is "data value" (Part 4, 7.39.1).
const OVERFLOW: u32 = 0x0000_0480;

/// The status of an item that the server has not sampled yet (Part 6, A.2).
const BAD_WAITING_FOR_INITIAL_DATA: Quality = Quality(0x8032_0000);

/// An item, with the tags it fills: one, or one for each leaf.
#[derive(Debug)]
struct Item {
    node: Node,
    own: Track,
    leaves: BTreeMap<String, Track>,
    /// The subscription that last stated a value.
    generation: u64,
    queue: Queue,
}

/// Reads the mailbox until its end.
pub(super) struct Pump {
    settings: Arc<Settings>,
    state: Arc<State>,
    store: Arc<dyn Store>,
    clock: Arc<dyn tacitus_storage::Clock>,
    source: String,
    items: BTreeMap<Handle, Item>,
    /// Tags of an earlier process and their nodes, until an item claims them.
    earlier: BTreeMap<String, String>,
    types: Option<Arc<DataTypeTree>>,
    notes: Notes,
    events: EventLog,
    points: Vec<Point>,
}

impl Item {
    /// The tags it fills.
    fn tracks(&self) -> impl Iterator<Item = &Track> {
        let own = Some(&self.own).filter(|_| self.leaves.is_empty());
        own.into_iter().chain(self.leaves.values())
    }

    /// The time of its newest sample.
    fn latest(&self) -> Option<Timestamp> {
        self.tracks().filter_map(|track| track.latest).max()
    }
}

impl Pump {
    pub(super) fn new(settings: Arc<Settings>, state: Arc<State>, parts: &Parts) -> Self {
        let source = settings.source();
        let events = format!("{}{}/events/", settings.prefix, settings.name);
        Self {
            events: EventLog::new(events, source.clone()),
            notes: Notes::new(Arc::clone(&parts.gaps), source.clone()),
            source,
            settings,
            state,
            store: Arc::clone(&parts.store),
            clock: Arc::clone(&parts.clock),
            items: BTreeMap::new(),
            earlier: BTreeMap::new(),
            types: None,
            points: Vec::new(),
        }
    }

    pub(super) async fn run(mut self, mut letters: Letters) {
        let earlier = self.store.of_source(&self.source).into_iter();
        self.earlier =
            earlier.filter_map(|own| Some((own.path.to_string(), node_of(&own)?))).collect();
        let mut look = interval(NOTES_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let message = tokio::select! {
                message = letters.next() => message,
                _ = look.tick() => {
                    self.notes.write_down(self.clock.now());
                    continue;
                }
            };
            let Some(message) = message else { break };
            let mut ended = self.take(message);
            while !ended && self.points.len() < STORE_POINTS_MAX {
                let Some(message) = letters.waiting() else { break };
                ended = self.take(message);
            }
            if let Err(error) = self.hand_over().await {
                self.state.error(error.to_string());
                tracing::error!(collector = %self.settings.name, %error, "the collector stops");
                break;
            }
            if ended {
                break;
            }
        }
        self.notes.write_down(self.clock.now());
        self.state.stopped();
    }

    /// Takes one message; returns whether it was the last.
    fn take(&mut self, message: Message) -> bool {
        match message {
            Message::Item { handle, node } => {
                let own = Track::new(node.tag.clone(), &*self.store);
                self.earlier.remove(node.tag.as_str());
                let leaves = self.leaves_of(&node);
                let queue = Queue::default();
                let item = Item { node, own, leaves, generation: 0, queue };
                self.items.insert(handle, item);
            }
            Message::About { handle, about } => self.about(handle, about),
            Message::Queue { handle, queue } => {
                if let Some(item) = self.items.get_mut(&handle) {
                    item.queue = queue;
                }
            }
            Message::Types(types) => self.types = Some(types),
            Message::Values(values) => {
                self.full_queues(&values);
                for (handle, data) in values.list {
                    self.value(handle, data, values.arrival, values.origin);
                }
            }
            Message::Events { events, .. } => {
                events.into_iter().for_each(|event| self.event(event));
            }
            Message::Dropped { from, to } => self.notes.lost(None, from, to),
            Message::Gap { at, quality, handles } => self.gap(at, quality, handles.as_deref()),
            Message::End => return true,
        }
        false
    }

    /// The leaves that an earlier process stored of an item: their trends show an interruption too.
    fn leaves_of(&mut self, node: &Node) -> BTreeMap<String, Track> {
        let above = format!("{}/", node.tag);
        let name = node.node.to_string();
        let below = self.earlier.range(above.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&above));
        // A node may have nodes below it: their tags are their own.
        let own: Vec<String> =
            below.filter(|(_, node)| **node == name).map(|(path, _)| path.clone()).collect();
        let mut leaves = BTreeMap::new();
        for path in own {
            self.earlier.remove(&path);
            let leaf = path.strip_prefix(&above).unwrap_or_default().to_owned();
            if let Ok(path) = TagPath::new(&path) {
                leaves.insert(leaf, Track::new(path, &*self.store));
            }
        }
        leaves
    }

    /// What a person said of a tag counts more than what the server says.
    fn about(&mut self, handle: Handle, about: About) {
        let Some(item) = self.items.get_mut(&handle) else { return };
        let node = &mut item.node;
        if let Some(unit) = about.unit.filter(|_| node.unit.is_empty()) {
            node.unit = unit;
        }
        if let Some(text) = about.description.filter(|_| node.description.is_empty()) {
            node.description = text;
        }
        node.range = node.range.or(about.range);
    }

    /// Notes what queues of items may have dropped before these values.
    fn full_queues(&mut self, values: &Values) {
        let Some(sent) = values.sent else { return };
        let mut came: BTreeMap<Handle, (u32, &DataValue)> = BTreeMap::new();
        for (handle, data) in &values.list {
            came.entry(*handle).or_insert((0, data)).0 += 1;
        }
        for (handle, (count, first)) in came {
            let Some(item) = self.items.get(&handle) else { continue };
            let source = first.source_timestamp.as_ref().and_then(moment);
            let stated = server_time(first).or(source).unwrap_or(sent);
            let Some(from) = item.latest().filter(|_| item.queue.overran(count, stated, sent))
            else {
                continue;
            };
            let to = source.unwrap_or(stated).max(from);
            for track in item.tracks() {
                self.notes.lost(Some(track.path.as_str()), from, to);
            }
        }
    }

    fn value(&mut self, handle: Handle, data: DataValue, arrival: Timestamp, origin: Origin) {
        let Some(item) = self.items.get_mut(&handle) else { return };
        let confirms = match origin {
            Origin::Read => true,
            Origin::Subscription(generation) => {
                let first = item.generation != generation;
                item.generation = generation;
                first
            }
        };
        let stated = Stated { server: server_time(&data), arrival, confirms };
        let data = match self.settings.times {
            Times::Source => data,
            Times::Server => DataValue { source_timestamp: None, ..data },
        };
        let outcome = match &data.value {
            nothing if !item.leaves.is_empty() && is_nothing(nothing.as_ref()) => {
                let nothing = item.leaves.keys().map(|path| (path.clone(), Variant::Empty));
                let nothing = nothing.collect();
                self.values_of_leaves(handle, &data, stated, nothing)
            }
            Some(value @ (Variant::Array(_) | Variant::ExtensionObject(_))) if !is_null(value) => {
                leaves(value, self.types.as_deref(), LEAVES_MAX)
                    .and_then(|leaves| self.values_of_leaves(handle, &data, stated, leaves))
            }
            _ => self.sample(handle, None, &data, stated),
        };
        if let Err(refusal) = outcome {
            self.refused(handle, refusal);
        }
    }

    /// The samples of leaves. One that cannot be stored takes none of the others with it.
    fn values_of_leaves(
        &mut self,
        handle: Handle,
        data: &DataValue,
        stated: Stated,
        leaves: Vec<(String, Variant)>,
    ) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        for (path, value) in leaves {
            let data = DataValue {
                value: Some(value).filter(|value| !matches!(value, Variant::Empty)),
                ..without_value(data)
            };
            outcome = outcome.and(self.sample(handle, Some(path), &data, stated));
        }
        outcome
    }

    /// One sample of an item, or of one of its leaves.
    fn sample(
        &mut self,
        handle: Handle,
        leaf: Option<String>,
        data: &DataValue,
        stated: Stated,
    ) -> Result<(), Refusal> {
        let quantum_ns = self.settings.quantum_ns;
        let reading = reading(data, stated.arrival, quantum_ns)?;
        if reading.value == Value::Null && reading.quality == BAD_WAITING_FOR_INITIAL_DATA {
            // The server has not looked yet: that says nothing of the signal.
            return Ok(());
        }
        let Some(item) = self.items.get_mut(&handle) else { return Ok(()) };
        let store = &*self.store;
        let track = match leaf {
            None => &mut item.own,
            Some(leaf) => {
                let path = format!("{}/{leaf}", item.node.tag);
                // A name that is no path is as little a signal as a value of an unknown type.
                let path = TagPath::new(&path).map_err(|_unusable| Refusal::Structure)?;
                item.leaves.entry(leaf).or_insert_with(|| Track::new(path, store))
            }
        };
        if reading.quality.0 & OVERFLOW == OVERFLOW {
            self.state.overflowed();
            let from = track.latest.unwrap_or(reading.ts);
            self.notes.lost(Some(track.path.as_str()), from, reading.ts);
        }
        if !track.define(&reading, &item.node, quantum_ns, &self.source, store) {
            return Ok(());
        }
        self.notes.quality(track.path.as_str(), reading.ts, reading.quality.is_bad());
        self.state.sampled(reading.ts, stated.arrival);
        self.points.extend(track.take(&reading, stated, quantum_ns));
        Ok(())
    }

    /// An event is a text of the tag of its source.
    fn event(&mut self, event: Event) {
        let now = self.clock.now();
        if event.about == AboutEvent::Overflow {
            self.state.overflowed();
            self.state.error("events are lost: the server's queue of them was full");
        }
        let ts = event.ts.unwrap_or(now);
        match self.events.take(event, now, &*self.store) {
            Some(points) => {
                self.state.sampled(ts, now);
                self.points.extend(points);
            }
            None => self.state.refused(1),
        }
    }

    fn refused(&self, handle: Handle, refusal: Refusal) {
        self.state.refused(1);
        if let Some(item) = self.items.get(&handle) {
            self.state.error(format!("{} ({}): {refusal}", item.node.tag, item.node.node));
        }
    }

    /// One sample without a value per tag that has any, unless it is in a gap already.
    fn gap(&mut self, at: Timestamp, quality: Quality, handles: Option<&[Handle]>) {
        let quantum_ns = self.settings.quantum_ns;
        let before = self.points.len();
        for (handle, item) in &mut self.items {
            if !handles.is_none_or(|handles| handles.contains(handle)) {
                continue;
            }
            let tracks = std::iter::once(&mut item.own).chain(item.leaves.values_mut());
            let marks = tracks.filter_map(|track| track.interrupt(at, quality, quantum_ns));
            self.points.extend(marks);
        }
        if handles.is_none() {
            self.notes.interrupted(at);
            self.events.interrupted();
        }
        if self.points.len() > before {
            self.state.change(|status| status.gaps_total += 1);
        }
    }

    async fn hand_over(&mut self) -> Result<(), StoreError> {
        if self.points.is_empty() {
            return Ok(());
        }
        let points = std::mem::take(&mut self.points);
        let refused = self.store.put(points, &self.source).await?;
        self.state.refused(refused);
        Ok(())
    }
}

/// The node whose values a tag has.
fn node_of(definition: &TagDefinition) -> Option<String> {
    let mut labels = definition.labels.iter();
    labels.find(|(key, _)| key == NODE_LABEL).map(|(_, node)| node.clone())
}

/// Whether a data value has no value.
fn is_nothing(value: Option<&Variant>) -> bool {
    value.is_none_or(|value| matches!(value, Variant::Empty) || is_null(value))
}

/// Whether there is nothing in place of a structure.
fn is_null(value: &Variant) -> bool {
    matches!(value, Variant::ExtensionObject(object) if object.is_null())
}

/// The status and the times of a data value.
fn without_value(data: &DataValue) -> DataValue {
    DataValue {
        value: None,
        status: data.status,
        source_timestamp: data.source_timestamp,
        source_picoseconds: data.source_picoseconds,
        server_timestamp: data.server_timestamp,
        server_picoseconds: data.server_picoseconds,
    }
}
