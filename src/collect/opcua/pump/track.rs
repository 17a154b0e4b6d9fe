//! One tag as the pump knows it: its newest sample, and whether it is in a gap.
//!
//! *Invariant.* A gap ends. After an interruption a server states an unchanged value with the
//! time of its last change, which lies before the gap. Such a statement is stored a second time,
//! at the moment the server confirmed it, or the trend would show no communication for ever.

use tacitus_model::{Quality, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_protocol::opcua::Reading;

use crate::collect::Store;
use crate::collect::opcua::settings::Node;

/// The label that names the node of a tag.
pub(super) const NODE_LABEL: &str = "node";

/// A tag.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) path: TagPath,
    /// Whether the tag is in the catalog, so that a sample without a value has a kind.
    defined: bool,
    pub(super) latest: Option<Timestamp>,
    gap: Option<Timestamp>,
}

/// When a value was stated, beside its own time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stated {
    /// By the server's clock, where it says so.
    pub(super) server: Option<Timestamp>,
    /// When it arrived.
    pub(super) arrival: Timestamp,
    /// Whether it says how things are now, however old the value is.
    pub(super) confirms: bool,
}

impl Track {
    /// A tag, with what the store knows of it.
    pub(super) fn new(path: TagPath, store: &dyn Store) -> Self {
        let known = store.known(path.as_str());
        let latest = known.and_then(|known| known.latest);
        let gap = latest.filter(|_| known.is_some_and(|known| known.in_gap));
        Self { path, defined: known.is_some(), latest, gap }
    }

    /// Makes the tag known with its first value. Until there is one, there is no tag.
    pub(super) fn define(
        &mut self,
        reading: &Reading,
        node: &Node,
        quantum_ns: i64,
        source: &str,
        store: &dyn Store,
    ) -> bool {
        if self.defined {
            return true;
        }
        let Some(kind) = reading.value.kind() else { return false };
        let mut definition = TagDefinition::new(self.path.clone(), kind, source);
        definition.unit.clone_from(&node.unit);
        definition.description.clone_from(&node.description);
        definition.range = node.range;
        definition.quantum_ns = quantum_ns.max(1);
        definition.labels = vec![(NODE_LABEL.to_owned(), node.node.to_string())];
        store.define(definition);
        self.defined = true;
        true
    }

    /// The points of a reading.
    pub(super) fn take(
        &mut self,
        reading: &Reading,
        stated: Stated,
        quantum_ns: i64,
    ) -> impl Iterator<Item = Point> + use<> {
        let confirmed = self.gap.filter(|gap| stated.confirms && reading.ts <= *gap);
        let again = confirmed.map(|gap| {
            let after = |ts: &Timestamp| *ts > gap;
            let server = stated.server.map(|ts| ts.quantised(quantum_ns));
            server
                .filter(after)
                .or(Some(stated.arrival).filter(after))
                .unwrap_or_else(|| later(gap, quantum_ns))
        });
        let newest = again.unwrap_or(reading.ts);
        self.latest = self.latest.max(Some(newest));
        self.gap = self.gap.filter(|gap| newest <= *gap);
        let first = self.point(reading, reading.ts);
        let second = again.map(|ts| self.point(reading, ts));
        std::iter::once(first).chain(second)
    }

    /// The sample that shows an interruption; none for a tag without samples or in a gap already.
    pub(super) fn interrupt(
        &mut self,
        at: Timestamp,
        quality: Quality,
        quantum_ns: i64,
    ) -> Option<Point> {
        let latest = self.latest.filter(|_| self.gap.is_none())?;
        // A source whose clock is ahead must not have its gap before its last value.
        let ts = at.quantised(quantum_ns).max(later(latest, quantum_ns));
        self.latest = Some(ts);
        self.gap = Some(ts);
        Some(self.point(&Reading { ts, value: Value::Null, quality }, ts))
    }

    fn point(&self, reading: &Reading, ts: Timestamp) -> Point {
        Point::new(self.path.as_str(), reading.value.clone())
            .at(Some(ts))
            .with_quality(reading.quality)
    }
}

/// The next moment a tag of this quantum can have.
pub(super) fn later(ts: Timestamp, quantum_ns: i64) -> Timestamp {
    Timestamp::from_nanos(ts.nanos().saturating_add(quantum_ns.max(1)))
}
