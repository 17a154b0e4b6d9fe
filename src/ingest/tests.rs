//! The way in, over a store on a simulated disk: what is kept, what is refused, and what senders
//! are told when the disk is full, broken or slow.

use std::time::Instant;

use bytes::Bytes;
use tacitus_model::{Kind, Quality, Tag, TagDefinition, TagPath, TimeRange, Timestamp, Value};
use tacitus_protocol::topic::{RuleSpec, Rules, Spec};
use tacitus_storage::{FixedClock, Parts, SeededChance, SimDisk, SimFaults};

use super::*;
use crate::broker::{Incoming, Intake, StoreError};

mod sparkplug;
mod spoken;

/// 2024-05-01T08:00:00.250500Z: half a millisecond after a whole one.
const NOW: i64 = 1_714_550_400_250_500_000;
const NOW_MS: i64 = 1_714_550_400_250_000_000;

struct Plant {
    disk: SimDisk,
    clock: Arc<FixedClock>,
    engine: Arc<Engine>,
    ingest: Ingest,
    committer: Committer,
}

fn plant(settings: &Settings) -> Plant {
    let disk = SimDisk::new();
    let clock = Arc::new(FixedClock::at(Timestamp::from_nanos(NOW)));
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        chance: Arc::new(SeededChance::new(7)),
    };
    let store = tacitus_storage::Settings {
        log_file_bytes: 64 << 10,
        reserve_bytes: Some(0),
        ..tacitus_storage::Settings::default()
    };
    let engine = Arc::new(Engine::open(parts, store).unwrap());
    let started =
        Ingest::start(Arc::clone(&engine), Arc::clone(&clock) as Arc<dyn Clock>, settings);
    let (ingest, committer) = started.unwrap();
    Plant { disk, clock, engine, ingest, committer }
}

fn small() -> Settings {
    Settings { batch_bytes_max: 16 << 10, ..Settings::default() }
}

impl Plant {
    fn tag(&self, path: &str) -> Arc<Tag> {
        self.engine.catalog().find(path).unwrap()
    }

    /// `(time in ns, value)` of all samples of a tag.
    fn rows(&self, path: &str) -> Vec<(i64, Value)> {
        let snapshot = self.engine.snapshot();
        let Some(tag) = snapshot.find(path) else { return Vec::new() };
        let mut rows = Vec::new();
        for block in snapshot.scan(tag.id, TimeRange::ALL) {
            let block = block.unwrap();
            rows.extend((0..block.len()).map(|row| (block.times[row], block.value(row))));
        }
        rows
    }

    /// The one sample of a tag at a stated time.
    fn batch(&self, path: &str, ts: i64, value: f64) -> Batch {
        let point = Point::new(path, Value::Float(value)).at(Some(Timestamp::from_nanos(ts)));
        let resolved = self.ingest.resolve(vec![point], "test");
        assert_eq!(resolved.refused, []);
        resolved.batch
    }

    /// Writes samples of `a/b` at 0, 1, 2… until the disk is full; returns how many were written.
    async fn fill(&self) -> i64 {
        self.disk.set_faults(SimFaults { bytes_max: Some(1), ..SimFaults::default() });
        // The log file at hand still takes some.
        for ts in 0..100_000 {
            if let Err(error) = self.ingest.write(self.batch("a/b", ts, 1.0)).await {
                assert_eq!(error, WriteError::Full);
                return ts;
            }
        }
        panic!("the disk did not get full");
    }

    /// Writes until a sync fails under a write; the first to fail may be one of the background.
    async fn poison(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let batch = self.batch("poison", 1, 1.0);
        loop {
            self.disk.set_faults(SimFaults { sync_fails_at: Some(0), ..SimFaults::default() });
            match self.ingest.write(batch.clone()).await {
                Err(error) => return assert_eq!(error, WriteError::Poisoned),
                Ok(_sequence) => assert!(Instant::now() < deadline, "no sync failed"),
            }
        }
    }

    fn mqtt(&self, rules: Rules) -> Mqtt {
        Mqtt::new(self.ingest.clone(), rules, tacitus_protocol::payload::Settings::default())
    }
}

fn message(topic: &str, payload: &str) -> Incoming {
    Incoming {
        client: "sensor-1".into(),
        topic: topic.into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos: 1,
        retain: false,
        received: Timestamp::from_nanos(NOW),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[tokio::test]
async fn what_is_acknowledged_survives_the_loss_of_everything_unsynced() {
    let plant = plant(&small());
    plant.ingest.write(plant.batch("a/b", 1, 21.5)).await.unwrap();
    let after = plant.disk.crash(|_| tacitus_storage::Survival::Lost);
    let parts = Parts {
        disk: Arc::new(after),
        clock: Arc::clone(&plant.clock) as Arc<dyn Clock>,
        chance: Arc::new(SeededChance::new(8)),
    };
    let store = tacitus_storage::Settings {
        log_file_bytes: 64 << 10,
        reserve_bytes: Some(0),
        ..Default::default()
    };
    let engine = Engine::open(parts, store).unwrap();
    let snapshot = engine.snapshot();
    let tag = snapshot.find("a/b").unwrap();
    assert_eq!(snapshot.latest(tag.id).unwrap().value, Value::Float(21.5));
}

#[tokio::test]
async fn a_large_batch_is_written_in_parts_that_fit() {
    let plant = plant(&small());
    let mut batch = Batch::default();
    for n in 0..5_000 {
        batch.extend(plant.batch("a/b", n, 1.0).iter().map(|(tag, ts, value, quality)| Sample {
            tag,
            ts,
            value: value.clone(),
            quality,
        }));
    }
    assert!(batch.size_bytes() > 10 * small().batch_bytes_max);
    plant.ingest.write(batch).await.unwrap();
    assert_eq!(plant.rows("a/b").len(), 5_000);
    assert_eq!(plant.ingest.counters().samples, 5_000);
}

#[tokio::test]
async fn stopping_writes_what_was_accepted_and_takes_nothing_more() {
    let plant = plant(&small());
    for n in 0..100 {
        plant.ingest.enqueue(plant.batch("a/b", n, 1.0)).await.unwrap();
    }
    let late = plant.batch("a/b", 100, 1.0);
    let Plant { ingest, committer, engine, .. } = plant;
    committer.stop();
    assert_eq!(engine.status().samples, 100);
    assert_eq!(ingest.write(late.clone()).await, Err(WriteError::Stopped));
    assert_eq!(ingest.enqueue(late).await, Err(WriteError::Stopped));
}

#[tokio::test]
async fn a_full_disk_is_told_to_senders_and_writing_resumes_by_itself() {
    let plant = plant(&small());
    let ts = plant.fill().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    assert_eq!(plant.rows("a/b").len(), usize::try_from(ts).unwrap());

    plant.disk.set_faults(SimFaults::default());
    while plant.ingest.write(plant.batch("a/b", ts, 1.0)).await.is_err() {
        assert!(Instant::now() < deadline, "writing did not resume");
        plant.clock.advance_ns(1_000_000_000);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_accepted_waits_while_the_disk_is_full() {
    let plant = plant(&small());
    plant.fill().await;
    let stored = plant.rows("a/b").len();
    plant.ingest.enqueue(plant.batch("a/b", -1, 1.0)).await.unwrap();
    let refused = plant.ingest.write(plant.batch("a/b", -2, 1.0)).await;
    assert_eq!(refused, Err(WriteError::Full), "who waits is told");
    plant.disk.set_faults(SimFaults::default());
    let deadline = Instant::now() + Duration::from_secs(20);
    while plant.rows("a/b").len() <= stored {
        assert!(Instant::now() < deadline, "writing did not resume");
        plant.clock.advance_ns(1_000_000_000);
        tokio::task::yield_now().await;
    }
    assert_eq!(plant.rows("a/b")[0].0, -1);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let plant = plant(&small());
    plant.poison().await;
    for n in 1..4 {
        let written = plant.ingest.write(plant.batch("a/b", n, 1.0)).await;
        assert_eq!(written, Err(WriteError::Poisoned));
    }
    let failure = plant.committer.failed().await;
    assert!(!failure.message.is_empty() && !failure.hint.is_empty(), "{failure:?}");
    let Plant { ingest, committer, .. } = plant;
    committer.stop();
    assert_eq!(ingest.enqueue(Batch::default()).await, Ok(()), "nothing is always on disk");
    let tag = tacitus_model::TagId(1);
    let sample = Sample {
        tag,
        ts: Timestamp::from_nanos(9),
        value: Value::Float(1.0),
        quality: Quality::GOOD,
    };
    assert_eq!(ingest.enqueue(Batch::from_iter([sample])).await, Err(WriteError::Poisoned));
}

#[tokio::test]
async fn a_batch_that_cannot_be_kept_does_not_stop_those_beside_it() {
    let plant = plant(&small());
    let unknown = Sample {
        tag: tacitus_model::TagId(999),
        ts: Timestamp::from_nanos(1),
        value: Value::Float(1.0),
        quality: Quality::GOOD,
    };
    let good = plant.batch("a/b", 1, 1.0);
    let (bad, kept) =
        tokio::join!(plant.ingest.write(Batch::from_iter([unknown])), plant.ingest.write(good));
    assert_eq!(bad, Err(WriteError::Invalid));
    assert!(kept.is_ok());
    assert_eq!(plant.rows("a/b").len(), 1);
}

#[test]
fn a_new_tag_has_the_kind_of_its_first_value_and_keeps_it() {
    let plant = plant(&small());
    for (path, first, kind) in [
        ("float", Value::Float(1.5), Kind::Float),
        ("int", Value::Int(1 << 60), Kind::Int),
        ("bool", Value::Bool(true), Kind::Bool),
        ("text", text("RUN"), Kind::Text),
    ] {
        plant.ingest.resolve(vec![Point::new(path, first)], "test");
        let tag = plant.tag(path);
        assert_eq!((tag.definition.kind, tag.definition.source.as_str()), (kind, "test"), "{path}");
    }
    for (path, value, want) in [
        ("float", Value::Bool(true), Some(Value::Float(1.0))),
        ("float", Value::Null, Some(Value::Null)),
        ("float", text("RUN"), None),
        ("int", Value::Float(3.0), Some(Value::Int(3))),
        ("int", Value::Float(3.5), None),
        ("bool", Value::Float(0.0), Some(Value::Bool(false))),
        ("bool", Value::Float(2.0), None),
        ("text", Value::Float(21.5), Some(text("21.5"))),
    ] {
        let resolved = plant.ingest.resolve(vec![Point::new(path, value.clone())], "test");
        assert_eq!(resolved.batch.values().first(), want.as_ref(), "{value:?} for {path}");
        assert_eq!(resolved.refused.len(), usize::from(want.is_none()));
    }
    assert_eq!(plant.ingest.counters().refused, [("kind", 3)].into());
}

#[test]
fn a_point_that_fits_no_tag_is_refused_alone_with_its_reason() {
    let plant = plant(&Settings { tags_max: 2, ..small() });
    let state = TagDefinition {
        states: vec!["idle".into(), "run".into()],
        ..TagDefinition::new(TagPath::new("state").unwrap(), Kind::State, "test")
    };
    plant.engine.catalog().define(state).unwrap();
    let resolved = plant.ingest.resolve(
        vec![
            Point::new("", Value::Float(1.0)),
            Point::new("a\u{0}b", Value::Float(1.0)),
            Point::new("new", Value::Null),
            Point::new("a", Value::Float(1.0)),
            Point::new("b", Value::Float(1.0)),
            Point::new("state", text("run")),
            Point::new("state", text("fault")),
            Point::new("state", Value::Float(0.0)),
            Point::new("state", Value::Float(2.0)),
        ],
        "http",
    );
    let refused: Vec<_> =
        resolved.refused.iter().map(|refused| (refused.index, refused.path.as_str())).collect();
    let want = [(0, ""), (1, "a\u{0}b"), (2, "new"), (4, "b"), (6, "state"), (8, "state")];
    assert_eq!(refused, want);
    assert_eq!(resolved.batch.values(), [Value::Float(1.0), Value::State(1), Value::State(0)]);
    let want = [("null_first", 1), ("path", 2), ("state", 2), ("tag_limit", 1)];
    assert_eq!(plant.ingest.counters().refused, want.into());
    assert_eq!(plant.engine.catalog().len(), 2);
}

#[test]
fn arrivals_within_one_millisecond_stay_apart() {
    let plant = plant(&small());
    let arrive = |path: &str| {
        let resolved = plant.ingest.resolve(vec![Point::new(path, Value::Float(1.0))], "test");
        resolved.batch.times()[0].nanos()
    };
    assert_eq!(arrive("a"), NOW_MS);
    assert_eq!(arrive("a"), NOW_MS + 1_000);
    assert_eq!(arrive("a"), NOW_MS + 2_000);
    assert_eq!(arrive("b"), NOW_MS);
    plant.clock.advance_ns(1_000_000);
    assert_eq!(arrive("a"), NOW_MS + 1_000_000);
}

#[test]
fn a_clock_that_is_set_back_is_believed() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let arrive = |nanos| {
        let mut batch = Batch::default();
        let received = Timestamp::from_nanos(nanos);
        mqtt.take(&Incoming { received, ..message("a", "1") }, &mut batch);
        batch.times()[0].nanos()
    };
    assert_eq!(arrive(NOW), NOW_MS);
    assert_eq!(arrive(NOW - 5_000_000), NOW_MS + 1_000, "a step back is no reason to go back");
    assert_eq!(arrive(NOW - 3_600_000_000_000), NOW_MS - 3_600_000_000_000);
}

#[test]
fn a_stated_time_is_kept_to_the_nanosecond() {
    let plant = plant(&small());
    let ts = Timestamp::from_nanos(NOW + 1);
    let point = Point::new("a", Value::Float(1.0)).at(Some(ts));
    assert_eq!(plant.ingest.resolve(vec![point], "test").batch.times(), [ts]);
}

#[test]
fn the_last_hundred_refusals_are_kept_with_the_beginning_of_what_came() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let mut batch = Batch::default();
    for n in 0..250 {
        let payload = Bytes::from_static(b"{\"x\": \x01\"\xc3\xa9");
        let topic = format!("a/{n}");
        mqtt.take(&Incoming { payload, ..message(&topic, "") }, &mut batch);
    }
    let refusals = plant.ingest.refusals();
    assert_eq!(refusals.len(), 100);
    let newest = &refusals[0];
    assert_eq!((newest.source.as_str(), newest.name.as_str()), ("mqtt:sensor-1", "a/249"));
    assert_eq!(newest.payload, r#"{"x": \u{1}"é"#);
    assert!(newest.reason.contains("line 1 column"), "{}", newest.reason);
    assert_eq!(plant.ingest.counters().refused, [("payload_json", 250)].into());
    let payload = Bytes::from_static(b"\xff\x00binary");
    mqtt.take(&Incoming { payload, ..message("a", "") }, &mut batch);
    assert_eq!(plant.ingest.refusals()[0].payload, r"\xff\u{0}binary");
}

#[tokio::test]
async fn a_group_of_messages_is_written_whatever_one_of_them_is() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let group = [
        message("oven/temp", "211.5"),
        message("oven/temp", "211.75"),
        message("oven", r#"{"ts": 1714550400000, "power": 7, "door": {"open": true}}"#),
        message("oven", "{broken"),
        message("$SYS/uptime", "1"),
        message("oven/state", "RUN"),
        Incoming { retain: true, ..message("oven/temp", "") },
    ];
    mqtt.store(&group, vec![]).await.unwrap();
    let float = Value::Float;
    assert_eq!(plant.rows("oven/temp"), [(NOW_MS, float(211.5)), (NOW_MS + 1_000, float(211.75))]);
    assert_eq!(plant.rows("oven/power"), [(1_714_550_400_000_000_000, float(7.0))]);
    assert_eq!(plant.rows("oven/door/open"), [(1_714_550_400_000_000_000, Value::Bool(true))]);
    assert_eq!(plant.rows("oven/state"), [(NOW_MS, text("RUN"))]);
    assert_eq!(plant.engine.catalog().len(), 4);
    assert_eq!(plant.ingest.counters().refused, [("payload_json", 1)].into());
}

#[tokio::test]
async fn what_a_gateway_sends_has_the_names_and_labels_of_its_profile() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let group = [
        message("umh/v1/acme/line1/_raw/speed", r#"{"timestamp_ms": 1714550400000, "value": 42}"#),
        message("umh/v1/acme/line1/_raw/mode", "AUTO"),
        message("gw", r#"{"values": [{"id": "C.D.T", "v": 4.5, "q": true, "t": 1714550400000}]}"#),
        message("gw", r#"{"timestamp": 1714550400000, "node": "n", "group": "g", "values": {}}"#),
        message("gw", r#"{"values": [{"v": 1}]}"#),
    ];
    mqtt.store(&group, Vec::new()).await.unwrap();
    let may_day = 1_714_550_400_000_000_000;
    assert_eq!(plant.rows("acme/line1/speed"), [(may_day, Value::Float(42.0))]);
    assert_eq!(plant.rows("acme/line1/mode"), [(NOW_MS, text("AUTO"))]);
    assert_eq!(plant.rows("C/D/T"), [(may_day, Value::Float(4.5))]);
    assert_eq!(plant.rows("gw/values/0"), [(NOW_MS, Value::Float(1.0))]);
    let contract = vec![("contract".to_owned(), "_raw".to_owned())];
    for path in ["acme/line1/speed", "acme/line1/mode"] {
        assert_eq!(plant.tag(path).definition.labels, contract);
    }
    assert_eq!(plant.ingest.counters().refused, [].into());
}

#[tokio::test]
async fn a_message_that_fits_no_kind_opens_a_tag_beside_the_one_it_names() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let group = [
        message("oven", "null"),
        message("oven", "21.5"),
        message("oven", "BROKEN"),
        message("door", r#"{"open": true}"#),
        message("door", r#"{"open": 7}"#),
    ];
    mqtt.store(&group, Vec::new()).await.unwrap();
    let values = |path: &str| plant.rows(path).into_iter().map(|row| row.1).collect::<Vec<_>>();
    assert_eq!(values("oven"), [Value::Null, Value::Float(21.5)]);
    assert_eq!(values("oven#text"), [text("BROKEN")]);
    assert_eq!(values("door/open#float"), [Value::Float(7.0)]);
    assert_eq!(plant.ingest.counters().refused, [].into());
}

#[tokio::test]
async fn a_rule_says_labels_profile_and_names() {
    let plant = plant(&small());
    let rule = RuleSpec {
        topic: Some("site/{line}/#".into()),
        path: Some("$line".into()),
        labels: vec!["line=$line".into()],
        time: vec!["at".into()],
        name: Some("{path}/{sensor}/{name}".into()),
        ignore: vec!["sensor".into()],
        ..RuleSpec::default()
    };
    let mqtt = plant.mqtt(Rules::new(&Spec { rules: vec![rule], ..Spec::default() }).unwrap());
    let payload = r#"{"at": 1714550400000, "sensor": "s7", "temp": 4.5}"#;
    mqtt.store(&[message("site/l1/x", payload)], Vec::new()).await.unwrap();
    let may_day = 1_714_550_400_000_000_000;
    assert_eq!(plant.rows("l1/s7/temp"), [(may_day, Value::Float(4.5))]);
    let labels = &plant.tag("l1/s7/temp").definition.labels;
    assert_eq!(*labels, [("line".to_owned(), "l1".to_owned())]);
    let trial = mqtt.try_out("site/l1/x", payload.as_bytes()).json();
    assert_eq!((&trial["rule"], &trial["profile"]), (&0.into(), &"json".into()));
    assert_eq!(trial["tags"][0]["path"], "l1/s7/temp");
    assert_eq!(trial["tags"][0]["exists"], true);
    assert_eq!(trial["samples"][0]["ts"], "2024-05-01T08:00:00Z");
    assert_eq!(plant.rows("l1/s7/temp").len(), 1, "a trial stores nothing");
    let refused = mqtt.try_out("site/l1/x", b"{broken").json();
    assert_eq!(refused["refusal"]["code"], "payload_json");
    let born = mqtt.try_out("spBv1.0/G/NBIRTH/E", &sparkplug::birth(0, 21.5)).json();
    assert_eq!(
        (&born["profile"], &born["tags"][0]["path"]),
        (&"sparkplug-b".into(), &"G/E/temp".into())
    );
    assert_eq!(born["samples"][0]["value"], 21.5);
}

#[tokio::test]
async fn the_last_payload_of_each_reason_is_kept_longer_than_the_others() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    let long = format!("{{broken {}", "x".repeat(100));
    mqtt.store(&[message("a", &long), message("b", "{}")], Vec::new()).await.unwrap();
    let last = plant.ingest.refused_last();
    assert_eq!(last["payload_json"].payload, long);
    assert_eq!(last["payload_no_value"].name, "b");
    assert_eq!(plant.ingest.refusals()[1].payload.len(), 64);
}

#[tokio::test]
async fn a_topic_rule_names_the_tag_and_fixes_its_form() {
    let plant = plant(&small());
    let rule = |topic: &str, path: &str| RuleSpec {
        topic: Some(topic.into()),
        path: Some(path.into()),
        ..RuleSpec::default()
    };
    let rules = Rules::new(&Spec {
        exclude: vec!["+/debug".into()],
        rules: vec![
            RuleSpec {
                kind: Some("state".into()),
                states: vec!["idle".into(), "run".into()],
                ..rule("+/state", "machines/$1/state")
            },
            RuleSpec { unit: Some("bar".into()), step: Some(true), ..rule("+/pressure", "$1/p") },
        ],
        ..Spec::default()
    })
    .unwrap();
    let mqtt = plant.mqtt(rules);
    let group = [
        message("press/state", "run"),
        message("press/state", "0"),
        message("press/state", "broken"),
        message("press/pressure", "4.1"),
        message("press/debug", "1"),
    ];
    mqtt.store(&group, vec![]).await.unwrap();
    let states: Vec<_> = plant.rows("machines/press/state").into_iter().map(|row| row.1).collect();
    assert_eq!(states, [Value::State(1), Value::State(0)]);
    let pressure = plant.tag("press/p");
    assert_eq!((pressure.definition.unit.as_str(), pressure.definition.step), ("bar", true));
    assert_eq!(plant.engine.catalog().len(), 2);
    assert_eq!(plant.ingest.counters().refused, [("state", 1)].into());
}

#[tokio::test]
async fn a_text_tag_keeps_texts_that_look_like_numbers() {
    let plant = plant(&small());
    let rule = RuleSpec {
        topic: Some("+/serial".into()),
        kind: Some("text".into()),
        ..RuleSpec::default()
    };
    let rules = Rules::new(&Spec { rules: vec![rule], ..Spec::default() }).unwrap();
    let group = [message("press/serial", "0012"), message("press/serial", "1e3")];
    plant.mqtt(rules).store(&group, vec![]).await.unwrap();
    // As after a restart: the tag is known to the catalog only.
    plant.mqtt(Rules::default()).store(&[message("press/serial", "007")], vec![]).await.unwrap();
    let serials: Vec<_> = plant.rows("press/serial").into_iter().map(|row| row.1).collect();
    assert_eq!(serials, [text("0012"), text("1e3"), text("007")]);
}

#[tokio::test]
async fn a_store_that_failed_fails_the_broker() {
    let plant = plant(&small());
    let mqtt = plant.mqtt(Rules::default());
    plant.poison().await;
    assert_eq!(mqtt.store(&[message("a", "1")], vec![]).await, Err(StoreError::Failed));
    assert_eq!(
        mqtt.store(&[message("a", "{broken")], vec![]).await,
        Ok(()),
        "there is nothing to keep"
    );
}

#[tokio::test]
async fn documents_are_kept_with_the_samples_they_came_with() {
    let plant = plant(&small());
    let collection = Collection(200);
    let document = |key: &str| Document {
        collection,
        key: key.as_bytes().to_vec(),
        body: Some(b"body".to_vec()),
    };
    // More samples than one part takes, none at all, and none with anything.
    let tag = plant.batch("a/b", 0, 1.0).tags()[0];
    let sample = |ts| Sample {
        tag,
        ts: Timestamp::from_nanos(ts),
        value: Value::Float(1.0),
        quality: Quality::GOOD,
    };
    let large: Batch = (0..2_000).map(sample).collect();
    let batches = vec![large, plant.batch("a/c", 1, 2.0)];
    plant.ingest.write_with(batches, vec![document("1")]).await.unwrap();
    plant.ingest.write_with(Vec::new(), vec![document("2")]).await.unwrap();
    let keys: Vec<Vec<u8>> =
        plant.engine.documents(collection).iter().map(|(key, _)| key.to_vec()).collect();
    assert_eq!(keys, [b"1", b"2"]);
    assert_eq!((plant.rows("a/b").len(), plant.rows("a/c").len()), (2_000, 1));
    plant.ingest.feed().after(0).unwrap().iter().for_each(|entry| assert!(!entry.batch.is_empty()));
    plant.committer.stop();
}
