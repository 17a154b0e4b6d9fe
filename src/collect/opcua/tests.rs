//! The collector against a real server in the same process, over loopback TCP.

mod failing;
mod history;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opcua::types::{ByteString, DataValue, DateTime, ExtensionObject, Range, StatusCode, Variant};
use tacitus_model::{Kind, Quality, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_storage::Clock;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::collect::{Known, Phase, Running, Store, StoreError};
use crate::demo::opcua::{NAMESPACE, Server, Shape};
use crate::gaps::{Cause, Gap, Gaps, Outcome};
use crate::keeper::{Keeper, Shelf};

/// How long a test waits for what must happen.
const DEADLINE: Duration = Duration::from_mins(1);

/// A store that remembers everything.
#[derive(Debug, Default)]
pub(in crate::collect) struct Memory(
    Mutex<BTreeMap<String, Vec<Point>>>,
    Mutex<BTreeMap<String, TagDefinition>>,
);

impl Memory {
    pub(in crate::collect) fn points(&self, path: &str) -> Vec<Point> {
        let points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        points.get(path).cloned().unwrap_or_default()
    }

    pub(in crate::collect) fn definition(&self, path: &str) -> Option<TagDefinition> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}

#[async_trait]
impl Store for Memory {
    fn known(&self, path: &str) -> Option<Known> {
        let latest = self.points(path).last().cloned()?;
        Some(Known { latest: latest.ts, in_gap: is_gap(&latest) })
    }

    fn of_source(&self, source: &str) -> Vec<TagDefinition> {
        let definitions = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        let meant = definitions.values().filter(|own| own.source == source);
        meant.cloned().collect()
    }

    fn define(&self, definition: TagDefinition) {
        let mut definitions = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        definitions.entry(definition.path.to_string()).or_insert(definition);
    }

    async fn put(&self, points: Vec<Point>, _source: &str) -> Result<u64, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for point in points {
            kept.entry(point.path.clone()).or_default().push(point);
        }
        Ok(0)
    }

    async fn write(&self, points: Vec<Point>, source: &str) -> Result<u64, StoreError> {
        self.put(points, source).await
    }

    async fn bridge(&self, paths: &[String], from: Timestamp, to: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            let between = |point: &Point| point.ts.is_some_and(|ts| from <= ts && ts <= to);
            if let Some(points) = kept.get_mut(path) {
                points.retain(|point| !(is_gap(point) && between(point)));
            }
        }
    }
}

/// The clock of the machine.
#[derive(Debug)]
pub(in crate::collect) struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        at(&DateTime::now())
    }

    fn monotonic_ns(&self) -> u64 {
        0
    }
}

fn at(time: &DateTime) -> Timestamp {
    Timestamp::from_nanos(time.as_chrono().timestamp_nanos_opt().unwrap())
}

fn is_gap(point: &Point) -> bool {
    point.value == Value::Null && point.quality == Quality::BAD_NO_COMMUNICATION
}

/// A server, a collector and what it collected.
struct Bench {
    dir: tempfile::TempDir,
    store: Arc<Memory>,
    server: Option<Server>,
    address: std::net::SocketAddr,
    gaps: Arc<Gaps>,
    collector: Running,
}

impl Bench {
    /// Starts a server and a collector of these nodes, with tags `t/NAME`.
    async fn start(nodes: &[&str]) -> Self {
        Self::start_with(nodes, |draft| draft).await
    }

    /// The same behind a wire that can be cut, at an address that the server does not know.
    async fn start_behind_relay(nodes: &[&str]) -> (Self, Relay) {
        let mut relay = None;
        let bench = Self::start_with(nodes, |draft| {
            let server = draft.endpoint.trim_start_matches("opc.tcp://").parse().unwrap();
            let endpoint = relay.insert(Relay::start(server)).address;
            Draft { endpoint: format!("opc.tcp://{endpoint}"), ..draft }
        })
        .await;
        (bench, relay.unwrap())
    }

    async fn start_with(nodes: &[&str], change: impl FnOnce(Draft) -> Draft) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start(listener, shape(&dir, &[])).unwrap();
        let node = |node: &&str| DraftNode {
            node: (*node).to_owned(),
            tag: Some(node.rsplit('/').next().unwrap_or_default().to_owned()),
            unit: Some("°C".into()),
            ..DraftNode::default()
        };
        let draft = Draft {
            name: "bench".into(),
            endpoint: format!("opc.tcp://{address}"),
            prefix: Some("t".into()),
            publishing_interval: Some(Duration::from_millis(100)),
            sampling_interval: Some(Duration::from_millis(100)),
            nodes: nodes.iter().map(node).collect(),
            ..Draft::default()
        };
        let store = Arc::new(Memory::default());
        let keeper: Arc<dyn Keeper> = Arc::new(Shelf::default());
        let gaps = Arc::new(Gaps::new(Arc::clone(&keeper)));
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::new(WallClock),
            gaps: Arc::clone(&gaps),
            trust: Arc::new(Trust::new(keeper)),
            pki_dir: dir.path().join("client"),
        };
        let settings = change(draft).check().unwrap();
        let collector = Running::start(&settings, &parts);
        Self { dir, store, server: Some(server), address, gaps, collector }
    }

    async fn restart_server(&mut self, namespaces_before: &[&str]) {
        self.server.take().unwrap().kill();
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let shape = shape(&self.dir, namespaces_before);
        self.server = Some(Server::start(listener, shape).unwrap());
    }

    fn set(&self, name: &str, value: DataValue) {
        self.server.as_ref().unwrap().set([(format!("line/{name}"), value)]);
    }

    /// Waits until no gap is open, and there is one.
    async fn until_settled(&self) -> Vec<Arc<Gap>> {
        let begin = Instant::now();
        loop {
            let all = self.gaps.all();
            if !all.is_empty() && all.iter().all(|gap| gap.outcome != Outcome::Open) {
                return all;
            }
            assert!(begin.elapsed() < DEADLINE, "{all:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the collector says that it is so far.
    async fn until_phase(&self, phase: Phase) {
        let begin = Instant::now();
        while self.collector.state().status().phase != phase {
            assert!(begin.elapsed() < DEADLINE, "{:?}", self.collector.state().status());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the points of a tag satisfy a condition.
    #[track_caller]
    fn until<'a>(
        &'a self,
        tag: &'a str,
        condition: impl Fn(&[Point]) -> bool + 'a,
    ) -> impl Future<Output = Vec<Point>> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let begin = Instant::now();
            loop {
                let points = self.store.points(tag);
                if condition(&points) {
                    return points;
                }
                assert!(
                    begin.elapsed() < DEADLINE,
                    "{caller}: {tag} has {points:?}, {:?}",
                    self.collector.state().status()
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// A wire that can be cut: it passes bytes on to the server, or closes everything it has.
struct Relay {
    address: std::net::SocketAddr,
    whole: tokio::sync::watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Relay {
    fn start(server: std::net::SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, watch) = tokio::sync::watch::channel(true);
        let task = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut watch = watch.clone();
                if !*watch.borrow_and_update() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = watch.wait_for(|whole| !whole) => {}
                    }
                });
            }
        });
        Self { address, whole, task }
    }

    fn cut(&self) {
        self.whole.send_replace(false);
    }

    fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn shape(dir: &tempfile::TempDir, namespaces_before: &[&str]) -> Shape {
    let variable = |name: &str, value: Variant| ("line".to_owned(), name.to_owned(), value);
    Shape {
        pki_dir: dir.path().join("server"),
        namespaces_before: namespaces_before.iter().map(ToString::to_string).collect(),
        variables: vec![
            variable("temperature", Variant::from(20.5_f64)),
            variable("count", Variant::from(7_i32)),
            variable("profile", Variant::from(vec![1.0_f64, 2.0])),
            variable("state", Variant::from("off")),
            variable("limits", limits(0.0, 5.0)),
            variable("bytes", Variant::from(ByteString::from(&[1_u8, 2]))),
        ],
    }
}

fn limits(low: f64, high: f64) -> Variant {
    Variant::from(ExtensionObject::from_message(Range { low, high }))
}

fn node(name: &str) -> String {
    format!("nsu={NAMESPACE};s=line/{name}")
}

fn has(points: &[Point], value: &Value) -> bool {
    points.iter().any(|point| point.value == *value)
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_with_status_code_and_source_time() {
    let bench = Bench::start(&[&node("temperature"), &node("count")]).await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    // Later than the first value: the peer dates values itself that come within its sampling.
    let source = DateTime::ymd_hms_nano(2031, 2, 3, 4, 5, 6, 123_456_700);
    let status = StatusCode::from(0x4093_0000);
    bench.set("temperature", DataValue::new_at_status(21.25_f64, source, status));
    let points = bench.until("t/temperature", |points| has(points, &Value::Float(21.25))).await;
    let last = points.last().unwrap();
    assert_eq!(last.quality, Quality(0x4093_0000));
    assert_eq!(last.ts, Some(at(&source).quantised(1_000_000)));
    bench.until("t/count", |points| has(points, &Value::Int(7))).await;
    let definition = bench.store.definition("t/count").unwrap();
    assert_eq!((definition.kind, definition.unit.as_str()), (Kind::Int, "°C"));
    assert_eq!(definition.source, "opcua:bench");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_exist_and_a_value_that_does_not_fit_stop_nobody() {
    let nodes = ["ns=77;i=1", &node("bytes"), &node("temperature"), "nsu=urn:no;i=1"];
    let bench = Bench::start(&nodes).await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    let begin = Instant::now();
    let status = loop {
        let status = bench.collector.state().status();
        if status.values_refused_total > 0 && status.items_good == 2 {
            break status;
        }
        assert!(begin.elapsed() < DEADLINE, "{status:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let failed: Vec<&str> = status.failures.iter().map(|one| one.tag.as_str()).collect();
    assert_eq!(failed, ["t/ns=77;i=1", "t/nsu=urn:no;i=1"]);
    assert!(status.failures[0].reason.contains("BadNodeIdUnknown"), "{status:?}");
    assert!(status.failures[1].reason.contains("namespace"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_within_the_deadband_is_not_sent_and_texts_have_none() {
    let nodes = ["temperature", "state"].map(node);
    let bench = Bench::start_with(&[], |draft| Draft {
        deadband: Some("1".into()),
        nodes: nodes.map(|node| DraftNode { node, ..DraftNode::default() }).to_vec(),
        ..draft
    })
    .await;
    bench.until("t/line/temperature", |points| has(points, &Value::Float(20.5))).await;
    bench.until("t/line/state", |points| has(points, &Value::Text("off".into()))).await;
    for value in [20.9, 30.0] {
        bench.set("temperature", DataValue::new_now(value));
        // The server looks at its own pace: the next change comes after a look at this one.
        bench.set("state", DataValue::new_now(format!("at {value}")));
        let said = Value::Text(format!("at {value}").into());
        bench.until("t/line/state", |points| has(points, &said)).await;
    }
    let points = bench.until("t/line/temperature", |points| has(points, &Value::Float(30.0))).await;
    assert!(!has(&points, &Value::Float(20.9)), "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_elements_of_an_array_are_tags_below_that_of_the_node() {
    let bench = Bench::start(&[&node("profile")]).await;
    bench.until("t/profile/0", |points| has(points, &Value::Float(1.0))).await;
    bench.until("t/profile/1", |points| has(points, &Value::Float(2.0))).await;
    bench.set("profile", DataValue::new_now(vec![3.0_f64]));
    bench.until("t/profile/0", |points| has(points, &Value::Float(3.0))).await;
    assert!(bench.store.points("t/profile").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_structure_of_the_standard_are_tags_and_nothing_in_its_place_is_no_value() {
    let bench = Bench::start(&[&node("limits")]).await;
    bench.until("t/limits/Low", |points| has(points, &Value::Float(0.0))).await;
    bench.until("t/limits/High", |points| has(points, &Value::Float(5.0))).await;
    let nothing = Variant::from(ExtensionObject::null());
    bench.set("limits", DataValue::new_now(nothing));
    bench.until("t/limits/Low", |points| has(points, &Value::Null)).await;
    bench.set("limits", DataValue::new_now(limits(-1.0, 6.0)));
    bench.until("t/limits/Low", |points| has(points, &Value::Float(-1.0))).await;
    bench.until("t/limits/High", |points| has(points, &Value::Float(6.0))).await;
    assert!(bench.store.points("t/limits").is_empty());
    assert_eq!(bench.collector.state().status().values_refused_total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_of_the_server_there_is_a_gap_and_then_values_again() {
    let mut bench = Bench::start(&[&node("temperature")]).await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    bench.restart_server(&[]).await;
    bench.until("t/temperature", |points| points.iter().any(is_gap)).await;
    // The restarted server states its first value with the time of its start, or of its making:
    // either way the gap must end with it.
    bench.until("t/temperature", |points| points.last().is_some_and(|p| !is_gap(p))).await;
    bench.set("temperature", DataValue::new_now(30.0_f64));
    let points = bench.until("t/temperature", |points| has(points, &Value::Float(30.0))).await;
    let gap = points.iter().position(is_gap).unwrap();
    assert_eq!(points.iter().filter(|point| is_gap(point)).count(), 1);
    assert!(points[gap].ts > points[gap - 1].ts, "{points:?}");
    assert!(points.last().unwrap().ts > points[gap].ts, "{points:?}");
    // The server keeps no history: the ledger says that what is missing is lost.
    let ledger = bench.until_settled().await;
    assert_eq!(ledger.len(), 1, "{ledger:?}");
    assert_eq!((ledger[0].cause, ledger[0].outcome), (Cause::DeviceDown, Outcome::Lost));
    assert_eq!(ledger[0].from.quantised(1_000_000), points[gap].ts.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_value_ends_the_gap_though_its_source_time_is_older() {
    let mut bench = Bench::start(&[&node("temperature")]).await;
    let old = DateTime::ymd_hms(2026, 2, 3, 4, 5, 6);
    bench.until("t/temperature", |points| !points.is_empty()).await;
    bench.restart_server(&[]).await;
    // Set before the collector is back: its first look finds a value far older than the gap.
    bench.set("temperature", DataValue::new_at(20.5_f64, old));
    let points = bench
        .until("t/temperature", |points| {
            points.iter().any(is_gap) && points.last().is_some_and(|point| !is_gap(point))
        })
        .await;
    let gap = points.iter().rfind(|point| is_gap(point)).unwrap();
    let newest = points.iter().max_by_key(|point| point.ts).unwrap();
    assert!(newest.ts > gap.ts && newest.value == Value::Float(20.5), "{points:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_cut_of_the_wire_costs_nothing_and_leaves_no_gap() {
    // Whether a cut is short is a matter of time: on a machine that is busy enough the session may
    // be over before it is taken up again, and then there is a gap, as there must be.
    for _ in 0..2 {
        if cut_the_wire_for_a_moment().await.is_ok() {
            return;
        }
    }
    cut_the_wire_for_a_moment().await.unwrap();
}

/// The points of the tag where something was missed.
async fn cut_the_wire_for_a_moment() -> Result<(), Vec<Point>> {
    let (bench, relay) = Bench::start_behind_relay(&[&node("temperature")]).await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    bench.until_phase(Phase::Connected).await;
    relay.cut();
    bench.until_phase(Phase::Reconnecting).await;
    // Apart by more than the sampling interval: the server keeps both for the collector.
    let first = DateTime::ymd_hms(2031, 1, 1, 0, 0, 0);
    let second = DateTime::ymd_hms(2031, 1, 1, 0, 0, 1);
    bench.set("temperature", DataValue::new_at(31.0_f64, first));
    bench.set("temperature", DataValue::new_at(32.0_f64, second));
    relay.mend();
    let points = bench.until("t/temperature", |points| has(points, &Value::Float(32.0))).await;
    if !has(&points, &Value::Float(31.0)) || points.iter().any(is_gap) {
        return Err(points);
    }
    // The session goes on: values that change later come too.
    let third = DateTime::ymd_hms(2031, 1, 1, 0, 0, 2);
    bench.set("temperature", DataValue::new_at(33.0_f64, third));
    bench.until("t/temperature", |points| has(points, &Value::Float(33.0))).await;
    assert_eq!(bench.collector.state().status().connections_total, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_moved_with_the_restart_is_found_again() {
    let mut bench = Bench::start_with(&[], |draft| Draft {
        // By index, as people write it: the index is only right until the restart.
        nodes: vec![DraftNode { node: "ns=2;s=line/count".into(), ..DraftNode::default() }],
        ..draft
    })
    .await;
    bench.until("t/line/count", |points| has(points, &Value::Int(7))).await;
    bench.restart_server(&["urn:new:before"]).await;
    bench.until("t/line/count", |points| points.iter().any(is_gap)).await;
    bench.set("count", DataValue::new_now(8_i32));
    bench.until("t/line/count", |points| has(points, &Value::Int(8))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browse_collects_every_variable_below_its_root() {
    let bench = Bench::start_with(&[], |draft| Draft {
        browse: Some(DraftBrowse {
            root: format!("nsu={NAMESPACE};s=line"),
            ..DraftBrowse::default()
        }),
        ..draft
    })
    .await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    bench.until("t/count", |points| has(points, &Value::Int(7))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_seen_in_the_history_and_a_server_that_is_away_is_waited_for() {
    let bench = Bench::start(&[&node("temperature")]).await;
    bench.until("t/temperature", |points| !points.is_empty()).await;
    let Bench { store, collector, .. } = bench;
    let state = Arc::clone(collector.state());
    collector.stop().await;
    assert!(is_gap(store.points("t/temperature").last().unwrap()));
    assert_eq!(state.status().phase, Phase::Stopped);
}
