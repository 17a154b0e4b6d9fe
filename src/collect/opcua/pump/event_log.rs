//! Events on their way to the store: each at a time of its own, once, however often it is told.
//!
//! A server tells again how its conditions are when it is asked to (ConditionRefresh: after every
//! connection, and when something went by unheard), and leaves out those that are over meanwhile. What
//! it left out is written down too, as a text of the source's tag:
//!
//! ```json
//! {"event_type": "i=2788", "time": "…", "retained": ["High"]}
//! ```
//! the refresh is over, and of this source only these conditions are worth telling. Without it an
//! alarm that ended while nobody listened would last for ever.
//!
//! *Invariant.* An event keeps its time. Two events of one source at one time stay two: the later is
//! stored a nanosecond after, which no clock on the wire can state. One that is told again is stored
//! where it was.
//!
//! *Known limit.* What was told is remembered since the start, and of each source the latest times
//! only: of older events that share a time, one told again may take the place of another.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tacitus_model::{Kind, TEXT_BYTES_MAX, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_protocol::opcua::date_time;
use tacitus_query::EVENTS_LABEL;

use super::super::events::{About, Event};
use super::track::later;
use crate::collect::Store;
use crate::collect::limits::{EVENT_TIMES_REMEMBERED_MAX, RETAINED_MAX};

/// The events of one collector.
#[derive(Debug)]
pub(super) struct EventLog {
    /// What comes before the name of a source.
    prefix: String,
    /// The source of the tags.
    source: String,
    told: BTreeMap<TagPath, Told>,
    /// The conditions that were told since a refresh began, by tag.
    refresh: Option<BTreeMap<TagPath, BTreeSet<String>>>,
    /// Whether all conditions that are retained are known: not before the first refresh.
    whole: bool,
}

/// What a source told.
#[derive(Debug, Default)]
struct Told {
    /// By time, in the order in which they came.
    events: BTreeMap<Timestamp, Vec<u64>>,
    /// Conditions of which something is left to do or to see.
    retained: BTreeSet<String>,
}

impl Told {
    /// The time at which an event is stored.
    fn place(&mut self, ts: Timestamp, identity: u64) -> Timestamp {
        let same = self.events.entry(ts).or_default();
        let known = same.iter().position(|one| *one == identity);
        // LIMIT: the wire's clocks step by 100 ns: there is room for so many; then the last is replaced.
        let at = known.unwrap_or(same.len()).min(99);
        if known.is_none() && same.len() < 100 {
            same.push(identity);
        }
        while self.events.len() > EVENT_TIMES_REMEMBERED_MAX {
            self.events.pop_first();
        }
        i64::try_from(at).map_or(ts, |at| if at == 0 { ts } else { later(ts, at) })
    }
}

impl EventLog {
    pub(super) fn new(prefix: String, source: String) -> Self {
        Self { prefix, source, told: BTreeMap::new(), refresh: None, whole: false }
    }

    /// The points of an event. `None` where its source makes no path.
    pub(super) fn take(
        &mut self,
        event: Event,
        now: Timestamp,
        store: &dyn Store,
    ) -> Option<Vec<Point>> {
        let ts = event.ts.unwrap_or(now);
        match event.about {
            About::RefreshStart => {
                self.refresh = Some(BTreeMap::new());
                return Some(Vec::new());
            }
            About::RefreshEnd => return Some(self.refreshed(ts, store)),
            _ => {}
        }
        let path = TagPath::new(&format!("{}{}", self.prefix, event.source)).ok()?;
        // LIMIT: sources of events are as many as tags may be; beyond, the store refuses them.
        let known = self.told.contains_key(&path);
        let told = self.told.entry(path.clone()).or_default();
        if !known {
            define(&path, &self.source, store);
        }
        if let About::Condition { name, retained } = event.about {
            if !retained {
                told.retained.remove(&name);
            } else if told.retained.len() < RETAINED_MAX {
                told.retained.insert(name.clone());
            } else {
                self.whole = false;
            }
            if let Some(refresh) = self.refresh.as_mut().filter(|_| retained) {
                refresh.entry(path.clone()).or_default().insert(name);
            }
        }
        let ts = told.place(ts, event.identity);
        Some(vec![text(&path, ts, event.text)])
    }

    /// The connection ended: what it told of conditions was not all.
    pub(super) fn interrupted(&mut self) {
        self.refresh = None;
    }

    /// Writes down of which conditions nothing is left, where that is news or may be.
    fn refreshed(&mut self, ts: Timestamp, store: &dyn Store) -> Vec<Point> {
        let Some(mut found) = self.refresh.take() else { return Vec::new() };
        let mut paths: BTreeSet<TagPath> = self.told.keys().cloned().collect();
        if !self.whole {
            let own = store.of_source(&self.source).into_iter().map(|definition| definition.path);
            paths.extend(own.filter(|path| path.as_str().starts_with(&self.prefix)));
        }
        let mut points = Vec::new();
        for path in paths {
            let retained = found.remove(&path).unwrap_or_default();
            let told = self.told.entry(path.clone()).or_default();
            if self.whole && told.retained.is_subset(&retained) {
                continue;
            }
            let time = date_time(ts).as_chrono().to_rfc3339();
            let said = json!({"event_type": "i=2788", "time": time, "retained": retained});
            let said = said.to_string();
            // A list that does not fit would end conditions that are not over.
            if said.len() <= TEXT_BYTES_MAX {
                let ts = told.place(ts, 0);
                points.push(text(&path, ts, said));
                told.retained = retained;
            }
        }
        self.whole = true;
        points
    }
}

/// Makes the tag of a source of events known.
fn define(path: &TagPath, source: &str, store: &dyn Store) {
    let mut definition = TagDefinition::new(path.clone(), Kind::Text, source);
    definition.quantum_ns = 1;
    definition.step = true;
    let (key, value) = EVENTS_LABEL;
    definition.labels = vec![(key.to_owned(), value.to_owned())];
    store.define(definition);
}

fn text(path: &TagPath, ts: Timestamp, text: String) -> Point {
    Point::new(path.as_str(), Value::Text(text.into())).at(Some(ts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::opcua::tests::Memory;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_nanos(nanos)
    }

    fn log() -> EventLog {
        EventLog::new("p/events/".into(), "opcua:a".into())
    }

    fn event(ts: i64, about: About, identity: u64) -> Event {
        let text = format!("{identity}");
        Event { source: "Oven".into(), ts: Some(at(ts)), about, identity, text }
    }

    fn high(ts: i64, retained: bool, identity: u64) -> Event {
        event(ts, About::Condition { name: "High".into(), retained }, identity)
    }

    /// The times and texts of what becomes of events.
    fn take(log: &mut EventLog, events: impl IntoIterator<Item = Event>) -> Vec<(i64, String)> {
        let store = Memory::default();
        let points = events.into_iter().filter_map(|event| log.take(event, at(0), &store));
        let word = |point: Point| match point.value {
            Value::Text(text) => (point.ts.unwrap().nanos(), text.to_string()),
            other => panic!("{other:?}"),
        };
        points.flatten().map(word).collect()
    }

    #[test]
    fn events_of_one_time_stay_apart_and_one_that_is_told_again_stays_where_it_was() {
        let mut log = log();
        let other = |ts, identity| event(ts, About::Occurrence, identity);
        let came = [other(500, 1), other(500, 2), other(700, 3), other(500, 2), other(500, 1)];
        let times: Vec<i64> = take(&mut log, came).into_iter().map(|(ts, _)| ts).collect();
        assert_eq!(times, [500, 501, 700, 501, 500]);
    }

    #[test]
    fn a_refresh_that_leaves_a_condition_out_says_that_it_is_over() {
        let mut log = log();
        let refresh = |ts, told: Option<Event>| {
            let begin = event(ts, About::RefreshStart, 90);
            let end = event(ts, About::RefreshEnd, 91);
            [Some(begin), told, Some(end)].into_iter().flatten()
        };
        // The first one knows nothing of what an earlier process heard.
        let first = take(&mut log, refresh(500, Some(high(300, true, 1))));
        assert_eq!(first[0], (300, "1".to_owned()));
        assert!(first[1].1.contains(r#""retained":["High"]"#), "{first:?}");
        // Told again, at the same time: the same sample.
        assert_eq!(take(&mut log, refresh(900, Some(high(300, true, 1)))), [(300, "1".to_owned())]);
        let over = take(&mut log, refresh(1_300, None));
        assert_eq!(over.len(), 1);
        assert!(over[0].0 == 1_300 && over[0].1.contains(r#""retained":[]"#), "{over:?}");
        assert_eq!(take(&mut log, refresh(1_700, None)), []);
    }

    #[test]
    fn a_refresh_that_was_cut_off_says_nothing() {
        let mut log = log();
        let begun = [event(500, About::RefreshStart, 90), high(300, true, 1)];
        take(&mut log, begun);
        log.interrupted();
        assert_eq!(take(&mut log, [event(600, About::RefreshEnd, 91)]), []);
    }

    #[test]
    fn sources_that_an_earlier_process_heard_are_told_of_the_first_refresh_too() {
        let store = Memory::default();
        define(&TagPath::new("p/events/Old").unwrap(), "opcua:a", &store);
        define(&TagPath::new("p/events/Foreign").unwrap(), "opcua:b", &store);
        define(&TagPath::new("p/value").unwrap(), "opcua:a", &store);
        let mut log = log();
        log.take(event(1, About::RefreshStart, 90), at(0), &store);
        let points = log.take(event(2, About::RefreshEnd, 91), at(0), &store).unwrap();
        let paths: Vec<&str> = points.iter().map(|point| point.path.as_str()).collect();
        assert_eq!(paths, ["p/events/Old"]);
    }
}
