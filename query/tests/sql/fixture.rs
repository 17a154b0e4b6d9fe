//! The store that all tests ask: ten tags, one for each thing that can go wrong.
//!
//! | tag | kind | samples |
//! |---|---|---|
//! | `plant/line1/oven/temperature` | float | 2026-03-01 from 00:00 to 00:59, one a minute: 180.0, 180.5, … 209.5; at 00:30 null, bad (no communication); at 00:31 uncertain |
//! | `plant/line1/oven/count` | int | 00:00 to 00:04: 0, 2^53 + 1, greatest, least, null (bad: no data) |
//! | `plant/line1/oven/door` | bool | 00:00 true, 00:10 false, 00:20 true, 00:30 null (bad) |
//! | `plant/line1/oven/state` | state | 00:00 stopped, 00:10 running, 00:20 fault, 00:30 running, 00:40 index 7, which has no name |
//! | `plant/line1/oven/batch` | text | 00:00 `B-1001`, 00:20 empty, 00:30 `Äpfel, "süß"`, 00:40 null |
//! | `plant/line1/mixer/temperature` | float | 00:00 to 00:09, one a minute: 20, 21, … 29, all good |
//! | `plant/line2/edge/float` | float | 00:00 to 00:07: NaN, −0.0, 0.0, +∞, −∞, the least and the greatest positive float, 0.1 |
//! | `plant/line2/edge/times` | float | at the first and the last moment there is, around 1970, and two a nanosecond apart: 1 to 6 |
//! | `plant/line2/meter/energy` | float | 1.0 every half hour from 2026-03-28 to 2026-03-30 and from 2026-10-24 to 2026-10-26 (72 hours each, UTC) |
//! | `plant/line2/unused` | float | none |
//!
//! Around it: assets `plant` (Berlin, calendar `three-shift`), `plant/line1`, `plant/line1/oven`,
//! `plant/line2` (New York); the meter's label `asset` puts it to `plant/line1`. The calendar
//! `office` is of no asset.

use std::sync::Arc;

use tacitus_model::{
    Batch, Kind, Quality, Sample, TagDefinition, TagId, TagPath, TimeRange, Timestamp, Value,
};
use tacitus_query::calendar::Calendar;
use tacitus_query::plant::{Asset, Plant};
use tacitus_query::{
    AnnotationRow, CollectorRow, EVENTS_LABEL, EventRow, ForwardRow, GapRow, Landscape, Limits,
    RefusalRow, Session, SourceRow,
};
use tacitus_storage::{Engine, FixedClock, Parts, SeededChance, Settings, SimDisk};

/// 2026-03-01T00:00:00Z.
pub(crate) const DAY: i64 = 1_772_323_200 * SECOND;
/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;

/// An empty store in memory.
pub(crate) fn engine() -> Arc<Engine> {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(DAY))),
        chance: Arc::new(SeededChance::new(1)),
    };
    Arc::new(Engine::open(parts, Settings::default()).unwrap())
}

/// A session over a store, with few threads.
pub(crate) fn session(engine: &Arc<Engine>) -> Session {
    session_within(engine, Limits { threads: 2, ..Limits::default() })
}

/// A session over a store, with limits.
pub(crate) fn session_within(engine: &Arc<Engine>, limits: Limits) -> Session {
    let session = Session::new(Arc::clone(engine), limits).unwrap();
    session.surround(Arc::new(Around));
    session
}

/// What is around the store.
#[derive(Debug)]
struct Around;

impl Landscape for Around {
    fn collectors(&self) -> Vec<CollectorRow> {
        Vec::new()
    }

    fn gaps(&self) -> Vec<GapRow> {
        Vec::new()
    }

    fn sources(&self) -> Vec<SourceRow> {
        Vec::new()
    }

    /// A payload that is no JSON.
    fn refusals(&self) -> Vec<RefusalRow> {
        vec![RefusalRow {
            at: Timestamp::from_nanos(minute(3)),
            source: "mqtt:press".to_owned(),
            name: "plant/press/state".to_owned(),
            code: "payload_json",
            reason: "the payload is not usable JSON: key must be a string at line 1 column 2"
                .to_owned(),
            payload: "{x: 1}".to_owned(),
            count: 7,
        }]
    }

    fn forwards(&self) -> Vec<ForwardRow> {
        Vec::new()
    }

    /// A batch that is over, a downtime within it, one that lasts. The store need not choose.
    fn events(&self, _: TimeRange, _: TimeRange) -> Vec<EventRow> {
        let event = |id, kind: &str, start: i64, end: Option<i64>| EventRow {
            id,
            kind: kind.to_owned(),
            asset: Some("plant/line1/oven".to_owned()),
            start: Timestamp::from_nanos(minute(start)),
            end: end.map(|end| Timestamp::from_nanos(minute(end))),
            severity: (kind == "downtime").then_some(500),
            text: String::new(),
            attributes: "{}".to_owned(),
        };
        vec![
            EventRow {
                attributes: r#"{"order":"WO-7"}"#.to_owned(),
                ..event(1, "batch", 0, Some(20))
            },
            EventRow { text: "door".to_owned(), ..event(2, "downtime", 5, Some(8)) },
            event(3, "downtime", 50, None),
        ]
    }

    /// A moment and a span.
    fn annotations(&self, _: TimeRange, _: TimeRange) -> Vec<AnnotationRow> {
        let annotation = |id, start: i64, end: i64| AnnotationRow {
            id,
            asset: None,
            tag: None,
            start: Timestamp::from_nanos(minute(start)),
            end: Timestamp::from_nanos(minute(end)),
            text: "sensor replaced".to_owned(),
            author: "ada".to_owned(),
            attributes: "{}".to_owned(),
            created: Timestamp::from_nanos(minute(60)),
        };
        vec![
            AnnotationRow { tag: Some(TagId(1)), ..annotation(1, 30, 30) },
            AnnotationRow {
                asset: Some("plant/line2".to_owned()),
                text: "trial".to_owned(),
                ..annotation(2, 10, 40)
            },
        ]
    }

    fn plant(&self) -> Arc<Plant> {
        let mut plant = Plant::new();
        let some = |text: &str| Some(text.to_owned());
        let asset = |path: &str, level: &str| Asset {
            path: path.to_owned(),
            level: some(level),
            attributes: "{}".to_owned(),
            ..Asset::default()
        };
        plant.put_asset(Asset {
            timezone: some("Europe/Berlin"),
            calendar: some("three-shift"),
            ..asset("plant", "site")
        });
        plant.put_asset(asset("plant/line1", "line"));
        plant.put_asset(Asset {
            description: "hardens".to_owned(),
            template: some("oven"),
            attributes: r#"{"rate":12}"#.to_owned(),
            ..asset("plant/line1/oven", "unit")
        });
        let newyork = some("America/New_York");
        plant.put_asset(Asset { timezone: newyork, ..asset("plant/line2", "line") });
        plant.put_calendar("three-shift", calendar(THREE_SHIFT));
        plant.put_calendar("office", calendar(OFFICE));
        crate::charts::put(&mut plant);
        Arc::new(plant)
    }
}

fn calendar(definition: &str) -> Calendar {
    Calendar::new(serde_json::from_str(definition).unwrap()).unwrap()
}

/// Early, late and night, by four crews; the day begins at six.
const THREE_SHIFT: &str = r#"{
    "day_start": "06:00",
    "shifts": [
        {"name": "early", "start": "06:00", "end": "14:00",
         "breaks": [{"start": "09:00", "end": "09:15"}, {"start": "12:00", "end": "12:30"}]},
        {"name": "late", "start": "14:00", "end": "22:00"},
        {"name": "night", "start": "22:00", "end": "06:00"}
    ],
    "rotation": {
        "from": "2026-03-02",
        "pattern": ["early", "early", "late", "late", "night", "night", null, null],
        "crews": [{"name": "A"}, {"name": "B", "offset": 2},
                  {"name": "C", "offset": 4}, {"name": "D", "offset": 6}]
    },
    "holidays": [{"date": "12-25", "name": "Christmas"}]
}"#;

const OFFICE: &str = r#"{
    "timezone": "Europe/Berlin",
    "shifts": [{"name": "office", "start": "09:00", "end": "17:00",
                "days": ["mon", "tue", "wed", "thu", "fri"]}]
}"#;

/// The store of the table above.
pub(crate) fn plant() -> Arc<Engine> {
    let engine = engine();
    oven(&engine);
    counters(&engine);
    words(&engine);
    edges(&engine);
    meter(&engine);
    define(&engine, definition("plant/line2/unused", Kind::Float));
    engine.commit(&[]).unwrap();
    engine
}

/// A store with the alarms of an oven, as an OPC UA collector stores them.
pub(crate) fn alarming() -> Arc<Engine> {
    let engine = engine();
    let high = |severity: u16, active: bool, acknowledged: bool| {
        serde_json::json!({
            "source_name": "Oven", "condition": "HighTemperature", "message": "too hot",
            "severity": severity, "active": active, "acknowledged": acknowledged,
        })
    };
    let mut seen = high(700, true, true);
    seen["user"] = "ada".into();
    seen["comment"] = "on my way".into();
    let mut over = high(700, false, true);
    over["comment"] = "on my way".into();
    let started = serde_json::json!({"source_name": "Oven", "message": "batch started"});
    let door = serde_json::json!({
        "source_name": "Oven", "condition": "Door", "message": "door open", "severity": 200,
        "active": true, "acknowledged": false, "shelved": "TimedShelved",
    });
    let events = [
        (0, high(700, true, false)),
        (2, seen),
        (5, over),
        (7, started),
        (10, high(900, true, false)),
        // The server was asked again for the state of all conditions.
        (11, high(900, true, false)),
        (12, high(900, false, false)),
        (15, door),
    ];
    let text = |event: serde_json::Value| Value::Text(event.to_string().into());
    let rows = events.map(|(at, event)| (minute(at), text(event), Quality::GOOD));
    let (key, value) = EVENTS_LABEL;
    let tag = TagDefinition {
        labels: vec![(key.to_owned(), value.to_owned())],
        ..definition("plant/line1/plc/events/Oven", Kind::Text)
    };
    store(&engine, tag, rows);
    // A text that is not of alarms.
    let note = text(high(1, true, true));
    store(&engine, definition("plant/line1/note", Kind::Text), [(DAY, note, Quality::GOOD)]);
    engine
}

/// One row: time, value, quality.
pub(crate) type Row = (i64, Value, Quality);

/// A definition that knows no more than it must.
pub(crate) fn definition(path: &str, kind: Kind) -> TagDefinition {
    TagDefinition::new(TagPath::new(path).unwrap(), kind, "test")
}

/// Defines a tag and stores its samples.
pub(crate) fn store(
    engine: &Engine,
    definition: TagDefinition,
    rows: impl IntoIterator<Item = Row>,
) {
    let tag = define(engine, definition);
    let samples = rows.into_iter().map(|(nanos, value, quality)| Sample {
        tag,
        ts: Timestamp::from_nanos(nanos),
        value,
        quality,
    });
    let batch: Batch = samples.collect();
    engine.commit(&[batch]).unwrap();
}

fn define(engine: &Engine, definition: TagDefinition) -> TagId {
    engine.catalog().define(definition).unwrap().id
}

fn minute(minute: i64) -> i64 {
    DAY + minute * MINUTE
}

fn oven(engine: &Engine) {
    let temperature = TagDefinition {
        unit: "degC".to_owned(),
        description: "oven chamber".to_owned(),
        labels: vec![
            ("line".to_owned(), "1".to_owned()),
            ("machine".to_owned(), "oven".to_owned()),
        ],
        range: Some((0.0, 400.0)),
        ..definition("plant/line1/oven/temperature", Kind::Float)
    };
    let rows = (0..60).map(|at| match at {
        30 => (minute(at), Value::Null, Quality::BAD_NO_COMMUNICATION),
        31 => (minute(at), degrees(at), Quality::UNCERTAIN),
        _ => (minute(at), degrees(at), Quality::GOOD),
    });
    store(engine, temperature, rows);
    let mixer = TagDefinition {
        unit: "degC".to_owned(),
        labels: vec![
            ("line".to_owned(), "1".to_owned()),
            ("machine".to_owned(), "mixer".to_owned()),
        ],
        ..definition("plant/line1/mixer/temperature", Kind::Float)
    };
    let rows = (0..10).map(|at| (minute(at), Value::Float(20.0 + float(at)), Quality::GOOD));
    store(engine, mixer, rows);
}

fn degrees(minute: i64) -> Value {
    Value::Float(180.0 + 0.5 * float(minute))
}

fn float(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap())
}

fn counters(engine: &Engine) {
    let count =
        [Value::Int(0), Value::Int((1 << 53) + 1), Value::Int(i64::MAX), Value::Int(i64::MIN)];
    let mut rows: Vec<Row> =
        (0..).zip(count).map(|(at, value)| (minute(at), value, Quality::GOOD)).collect();
    rows.push((minute(4), Value::Null, Quality::BAD_NO_DATA));
    store(engine, definition("plant/line1/oven/count", Kind::Int), rows);
    let door = [Value::Bool(true), Value::Bool(false), Value::Bool(true)];
    let mut rows: Vec<Row> =
        (0..).zip(door).map(|(at, value)| (minute(10 * at), value, Quality::GOOD)).collect();
    rows.push((minute(30), Value::Null, Quality::BAD));
    store(engine, definition("plant/line1/oven/door", Kind::Bool), rows);
}

fn words(engine: &Engine) {
    let state = TagDefinition {
        states: ["stopped", "running", "fault"].map(str::to_owned).to_vec(),
        ..definition("plant/line1/oven/state", Kind::State)
    };
    let rows = (0..).zip([0, 1, 2, 1, 7]);
    let rows = rows.map(|(at, index)| (minute(10 * at), Value::State(index), Quality::GOOD));
    store(engine, state, rows);
    let text = |text: &str| Value::Text(text.into());
    store(
        engine,
        definition("plant/line1/oven/batch", Kind::Text),
        [
            (minute(0), text("B-1001"), Quality::GOOD),
            (minute(20), text(""), Quality::GOOD),
            (minute(30), text("Äpfel, \"süß\""), Quality::GOOD),
            (minute(40), Value::Null, Quality::BAD_NO_DATA),
        ],
    );
}

fn edges(engine: &Engine) {
    let floats =
        [f64::NAN, -0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, f64::from_bits(1), f64::MAX, 0.1];
    let rows = (0..).zip(floats);
    let rows = rows.map(|(at, number)| (minute(at), Value::Float(number), Quality::GOOD));
    store(engine, definition("plant/line2/edge/float", Kind::Float), rows);
    let times = [i64::MIN, -1, 0, DAY, DAY + 1, i64::MAX];
    let rows = times.into_iter().zip([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let rows = rows.map(|(at, number)| (at, Value::Float(number), Quality::GOOD));
    store(engine, definition("plant/line2/edge/times", Kind::Float), rows);
}

fn meter(engine: &Engine) {
    const HALF_HOUR: i64 = 30 * MINUTE;
    /// 2026-03-28T00:00:00Z and 2026-10-24T00:00:00Z: the days before Europe changes its clocks.
    const STARTS: [i64; 2] = [1_774_656_000 * SECOND, 1_792_800_000 * SECOND];
    let rows = STARTS.into_iter().flat_map(|start| {
        (0..144).map(move |at| (start + at * HALF_HOUR, Value::Float(1.0), Quality::GOOD))
    });
    let energy = TagDefinition {
        unit: "kWh".to_owned(),
        labels: vec![("asset".to_owned(), "plant/line1".to_owned())],
        ..definition("plant/line2/meter/energy", Kind::Float)
    };
    store(engine, energy, rows);
}
