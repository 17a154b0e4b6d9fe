//! The machines that `oee.slt` asks about, and what stands around a store of machines.
//!
//! | asset | |
//! |---|---|
//! | `plant` | Berlin, early, late and night shift from six on, with breaks at 9:00 and 12:00 |
//! | `plant/line1` | the sum of its machines |
//! | `plant/line1/press` | states, counts, two products; micro stops below a minute |
//! | `plant/line1/robot` | runs or not; counts, one product; in the ledger a gap from 08:30 to 08:40 |
//! | `plant/line2` | the same as the press |
//! | `plant/line1/lamp` | runs or not, counts nothing |
//!
//! All on Monday, 2026-03-02; six in Berlin is 05:00 UTC. From 14:00 to 14:30 UTC line 1 is maintained.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tacitus_model::{Kind, Quality, TagDefinition, TimeRange, Timestamp, Value};
use tacitus_query::calendar::Calendar;
use tacitus_query::oee::{OeeModel, OeeVersions};
use tacitus_query::plant::{Asset, Plant};
use tacitus_query::{
    AnnotationRow, CollectorRow, EventRow, ForwardRow, GapRow, Landscape, Limits, RefusalRow,
    Session, SourceRow,
};
use tacitus_storage::Engine;

use crate::fixture::{DAY, SECOND, definition, engine, store};

/// What stands around a store of machines.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    pub(crate) plant: Arc<Plant>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) gaps: Vec<GapRow>,
}

impl Landscape for Floor {
    fn collectors(&self) -> Vec<CollectorRow> {
        Vec::new()
    }

    fn gaps(&self) -> Vec<GapRow> {
        self.gaps.clone()
    }

    fn sources(&self) -> Vec<SourceRow> {
        Vec::new()
    }

    fn refusals(&self) -> Vec<RefusalRow> {
        Vec::new()
    }

    fn forwards(&self) -> Vec<ForwardRow> {
        Vec::new()
    }

    fn events(&self, _: TimeRange, _: TimeRange) -> Vec<EventRow> {
        self.events.clone()
    }

    fn annotations(&self, _: TimeRange, _: TimeRange) -> Vec<AnnotationRow> {
        Vec::new()
    }

    fn plant(&self) -> Arc<Plant> {
        Arc::clone(&self.plant)
    }
}

/// A session over a store of machines.
pub(crate) fn session(engine: &Arc<Engine>, floor: Floor) -> Session {
    let session =
        Session::new(Arc::clone(engine), Limits { threads: 2, ..Limits::default() }).unwrap();
    session.surround(Arc::new(floor));
    session
}

/// A moment.
pub(crate) fn moment(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
}

/// An asset without more than a path.
pub(crate) fn asset(path: &str) -> Asset {
    Asset { path: path.to_owned(), attributes: "{}".to_owned(), ..Asset::default() }
}

/// A calendar.
pub(crate) fn calendar(definition: Json) -> Calendar {
    Calendar::new(serde_json::from_value(definition).unwrap()).unwrap()
}

/// Defines how the effectiveness of an asset is worked out.
pub(crate) fn define(plant: &mut Plant, asset: &str, definitions: &[Json]) {
    let mut versions = OeeVersions::default();
    for definition in definitions {
        let definition = serde_json::from_value(definition.clone()).unwrap();
        versions.put(OeeModel::new(definition).unwrap());
    }
    plant.put_oee(asset, versions);
}

/// An event of an asset.
pub(crate) fn event(kind: &str, asset: &str, (from, to): (i64, i64), text: &str) -> EventRow {
    EventRow {
        id: 1,
        kind: kind.to_owned(),
        asset: Some(asset.to_owned()),
        start: Timestamp::from_nanos(from),
        end: Some(Timestamp::from_nanos(to)),
        severity: None,
        text: text.to_owned(),
        attributes: "{}".to_owned(),
    }
}

/// Stores good samples of a tag.
pub(crate) fn fill(engine: &Engine, path: &str, kind: Kind, samples: &[(i64, Value)]) {
    let rows = samples.iter().map(|(at, value)| {
        let quality = if *value == Value::Null { Quality::BAD } else { Quality::GOOD };
        (*at, value.clone(), quality)
    });
    store(engine, definition(path, kind), rows);
}

/// A text.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A time on Monday.
fn at(clock: &str) -> i64 {
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().unwrap());
    let mut next = || parts.next().unwrap_or(0);
    DAY + 86_400 * SECOND + (next() * 3600 + next() * 60 + next()) * SECOND
}

fn plant() -> Plant {
    let mut plant = Plant::new();
    let some = |text: &str| Some(text.to_owned());
    plant.put_calendar(
        "three-shift",
        calendar(json!({
            "day_start": "06:00",
            "shifts": [
                {"name": "early", "start": "06:00", "end": "14:00", "breaks": [
                    {"start": "09:00", "end": "09:15"}, {"start": "12:00", "end": "12:30"}]},
                {"name": "late", "start": "14:00", "end": "22:00"},
                {"name": "night", "start": "22:00", "end": "06:00"},
            ],
            "rotation": {"from": "2026-03-02", "pattern": ["early", "late", "night"],
                "crews": [{"name": "A"}, {"name": "B", "offset": 1}, {"name": "C", "offset": 2}]},
        })),
    );
    let site =
        Asset { timezone: some("Europe/Berlin"), calendar: some("three-shift"), ..asset("plant") };
    plant.put_asset(site);
    for path in ["plant/line1", "plant/line1/press", "plant/line1/robot", "plant/line2"] {
        plant.put_asset(asset(path));
    }
    let press = json!({
        "state": {"tag": "state", "run": ["running"], "stops": [
            {"values": ["changeover"], "class": "setup"},
            {"values": ["idle"], "reason": "no order", "no_order": true}]},
        "total": {"tag": "count", "rollover_max": 65535},
        "reject": {"tag": "rejected"},
        "product": {"tag": "product"},
        "ideal_cycle": {"by_product": {"A": 5.0, "B": 4.0}},
        "micro_stop_s": 60,
        "planned_events": ["maintenance"],
        "reason_events": ["downtime"],
    });
    let robot = json!({
        "state": {"tag": "running", "run": [true]},
        "good": {"tag": "good"},
        "ideal_cycle": {"tag": "rate", "tag_is": "per_minute"},
    });
    let lamp = json!({"state": {"tag": "plant/line1/robot/running", "run": [true]}});
    define(&mut plant, "plant/line1/press", &[press]);
    define(&mut plant, "plant/line1/robot", &[robot]);
    define(&mut plant, "plant/line1/lamp", &[lamp]);
    define(&mut plant, "plant/line1", &[json!({"sum_of": ["press", "{press,robot}"]})]);
    define(&mut plant, "plant/line2", &[json!({"same_as": "plant/line1/press"})]);
    plant
}

/// What the press said, and when.
const STATES: [(&str, &str); 14] = [
    ("04:30", "running"),
    ("05:50", "jam"),
    ("06:05", "running"),
    ("06:30:00", "jam"),
    ("06:30:40", "running"),
    ("07:55", "jam"),
    ("08:20", "running"),
    ("09:00", "changeover"),
    ("09:20", "running"),
    ("10:00", "nobody knows"),
    ("10:10", "running"),
    ("12:30", "idle"),
    ("13:30", "running"),
    ("16:00", "jam"),
];

/// The machines of the table above.
pub(crate) fn machines() -> Session {
    let engine = engine();
    let names = ["running", "jam", "changeover", "idle"];
    let state = |name: &str| {
        let index = names.iter().position(|own| *own == name);
        index.map_or(Value::Null, |index| Value::State(u32::try_from(index).unwrap()))
    };
    let tag = TagDefinition {
        states: names.map(str::to_owned).to_vec(),
        ..definition("plant/line1/press/state", Kind::State)
    };
    store(
        &engine,
        tag,
        STATES.map(|(clock, name)| {
            let value = state(name);
            let quality = if value == Value::Null { Quality::BAD } else { Quality::GOOD };
            (at(clock), value, quality)
        }),
    );
    // A hundred every ten minutes, over the end of the counter.
    let counts: Vec<(i64, Value)> = (0..=66)
        .map(|step| (at("05:00") + step * 600 * SECOND, Value::Int((64_000 + step * 100) % 65_536)))
        .collect();
    fill(&engine, "plant/line1/press/count", Kind::Int, &counts);
    let rejected = [("05:00", 0), ("07:00", 10), ("12:00", 25), ("15:00", 2)];
    let rejected = rejected.map(|(clock, count)| (at(clock), Value::Int(count)));
    fill(&engine, "plant/line1/press/rejected", Kind::Int, &rejected);
    let products = [("04:00", text("A")), ("09:10", text("B"))];
    let products = products.map(|(clock, product)| (at(clock), product));
    fill(&engine, "plant/line1/press/product", Kind::Text, &products);
    let runs = [("05:00", true), ("06:00", false), ("07:00", true)];
    let runs = runs.map(|(clock, runs)| (at(clock), Value::Bool(runs)));
    fill(&engine, "plant/line1/robot/running", Kind::Bool, &runs);
    let good = [("05:00", 0.0), ("08:00", 2000.0), ("13:00", 7000.0)];
    let good = good.map(|(clock, count)| (at(clock), Value::Float(count)));
    fill(&engine, "plant/line1/robot/good", Kind::Float, &good);
    fill(&engine, "plant/line1/robot/rate", Kind::Float, &[(at("00:00"), Value::Float(20.0))]);
    let maintained = (at("14:00"), at("14:30"));
    let gap = GapRow {
        id: 1,
        source: "test".to_owned(),
        tags: Some("[\"plant/line1/robot/running\"]".to_owned()),
        from: Timestamp::from_nanos(at("08:30")),
        to: Some(Timestamp::from_nanos(at("08:40"))),
        cause: "network",
        state: "lost",
        recovered: 0,
    };
    // Of the second jam it was said later why; the event is longer than the stop.
    let told = EventRow {
        attributes: r#"{"reason": "glue", "class": "setup"}"#.to_owned(),
        ..event("downtime", "plant/line1/press", (at("07:50"), at("08:10")), "jam")
    };
    let floor = Floor {
        plant: Arc::new(plant()),
        events: vec![event("maintenance", "plant/line1", maintained, "yearly check"), told],
        gaps: vec![gap],
    };
    session(&engine, floor)
}
