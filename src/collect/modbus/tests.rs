//! The collector against a device in the same process, over loopback TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tacitus_model::{Quality, Timestamp, Value as Sample};
use tacitus_protocol::Point;
use tacitus_storage::Clock as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::collect::opcua::Trust;
use crate::collect::opcua::tests::{Memory, WallClock};
use crate::collect::{Running, Store};
use crate::gaps::{Cause, Gaps, Outcome};
use crate::keeper::{Keeper, Shelf};

/// How long a test waits for what must happen.
const DEADLINE: Duration = Duration::from_mins(1);

/// What a device holds, and how it behaves.
#[derive(Debug, Default)]
struct Registers {
    words: BTreeMap<u16, u16>,
    /// Units that say nothing.
    silent: BTreeSet<u8>,
    /// What it says instead of values.
    exception: Option<u8>,
    /// How often it was asked.
    requests: u64,
    /// What it was asked for: the first register, and how many.
    asked: BTreeSet<(u16, u16)>,
    /// When it looked at its registers, first and last.
    looks: Option<(Timestamp, Timestamp)>,
}

/// A device: it has the registers that were set, and no others.
#[derive(Debug)]
struct Device {
    address: SocketAddr,
    registers: Arc<Mutex<Registers>>,
    task: JoinHandle<()>,
}

impl Device {
    async fn start(words: &[(u16, u16)]) -> Self {
        let words = words.iter().copied().collect();
        let registers = Registers { words, ..Registers::default() };
        Self::start_at("127.0.0.1:0", Arc::new(Mutex::new(registers))).await
    }

    async fn start_at(address: &str, registers: Arc<Mutex<Registers>>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&registers);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, registers, task }
    }

    /// Ends it with all its connections; what it held is left.
    async fn kill(self) -> (SocketAddr, Arc<Mutex<Registers>>) {
        self.task.abort();
        drop(self.task.await);
        (self.address, self.registers)
    }

    fn was_asked(&self, first: u16, count: u16) -> bool {
        let registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        registers.asked.contains(&(first, count))
    }

    fn change(&self, change: impl FnOnce(&mut Registers)) {
        change(&mut self.registers.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

async fn serve(mut stream: TcpStream, registers: Arc<Mutex<Registers>>) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let answer = answer(request, &mut registers.lock().unwrap_or_else(PoisonError::into_inner));
        let Some(body) = answer else { continue };
        let mut bytes = request[..4].to_vec();
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

fn answer(request: [u8; 12], registers: &mut Registers) -> Option<Vec<u8>> {
    let [_, _, _, _, _, _, unit, function, a1, a0, c1, c0] = request;
    registers.requests += 1;
    let now = WallClock.now();
    registers.looks = Some((registers.looks.map_or(now, |(first, _)| first), now));
    if registers.silent.contains(&unit) {
        return None;
    }
    let first = u16::from_be_bytes([a1, a0]);
    let count = u16::from_be_bytes([c1, c0]);
    registers.asked.insert((first, count));
    let words: Option<Vec<u16>> =
        (first..first + count).map(|at| registers.words.get(&at).copied()).collect();
    let code = registers.exception.or(words.is_none().then_some(2));
    if let Some(code) = code {
        return Some(vec![unit, function | 0x80, code]);
    }
    let bytes = words.unwrap().into_iter().flat_map(u16::to_be_bytes);
    let mut body = vec![unit, function, u8::try_from(count * 2).unwrap()];
    body.extend(bytes);
    Some(body)
}

/// A collector of a device, and what it collected.
struct Bench {
    store: Arc<Memory>,
    gaps: Arc<Gaps>,
    running: Running,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn start(address: SocketAddr, items: &Value) -> Self {
        let settings = json!({
            "address": address.to_string(),
            "every": "20 ms",
            "timeout": "200 ms",
            "items": items,
        });
        let collector = collector("press", settings.as_object().unwrap()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Memory::default());
        let keeper: Arc<dyn Keeper> = Arc::new(Shelf::default());
        let gaps = Arc::new(Gaps::new(Arc::clone(&keeper)));
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::new(WallClock),
            gaps: Arc::clone(&gaps),
            trust: Arc::new(Trust::new(keeper)),
            pki_dir: dir.path().join("pki"),
        };
        let running = Running::start(&*collector, &parts);
        Self { store, gaps, running, _dir: dir }
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !holds(self) {
            let status = self.running.state().status();
            assert!(Instant::now() < deadline, "{what} never came: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn last(&self, tag: &str) -> Option<Point> {
        self.store.points(tag).last().cloned()
    }

    fn is(&self, tag: &str, value: &Sample) -> bool {
        self.last(tag).is_some_and(|point| point.value == *value)
    }

    fn has_quality(&self, tag: &str, quality: Quality) -> bool {
        self.last(tag).is_some_and(|point| point.quality == quality)
    }
}

#[tokio::test]
async fn values_come_with_type_scale_and_bits_in_one_read() {
    let device = Device::start(&[(0, 215), (1, 0x42f6), (2, 0xe979), (3, 0b100), (4, 7)]).await;
    let bench = Bench::start(
        device.address,
        &json!([
            {"tag": "t/temp", "at": "40001:S", "scale": 0.1, "offset": -1, "unit": "°C"},
            {"tag": "t/force", "at": "HRF2"},
            {"tag": "t/door", "at": "40004.2"},
            {"tag": "t/count", "at": "holding:4", "type": "uint16"},
        ]),
    );
    bench.until("a value", |bench| bench.last("t/count").is_some()).await;
    let temp = bench.last("t/temp").unwrap();
    assert!(matches!(temp.value, Sample::Float(value) if (value - 20.5).abs() < 1e-12));
    assert!(bench.is("t/force", &Sample::Float(f64::from(123.456_f32))));
    assert!(bench.is("t/door", &Sample::Bool(true)));
    assert!(bench.is("t/count", &Sample::Int(7)));
    assert_eq!(bench.store.definition("t/temp").unwrap().unit, "°C");
    let (requests, values) =
        (device.registers.lock().unwrap().requests, bench.running.state().status().values_total);
    assert!(values >= 4 && requests <= values / 4 + 1, "{requests} requests for {values} values");
    bench.running.stop().await;
}

#[tokio::test]
async fn an_item_that_the_device_does_not_have_costs_no_other_its_values() {
    let device = Device::start(&[(0, 1), (1, 2), (3, 4)]).await;
    let items = json!([
        {"tag": "t/0", "at": "40001"},
        {"tag": "t/1", "at": "40002"},
        {"tag": "t/2", "at": "40003"},
        {"tag": "t/3", "at": "40004"},
    ]);
    let bench = Bench::start(device.address, &items);
    bench.until("the rest", |bench| bench.is("t/3", &Sample::Int(4))).await;
    bench.until("the refusal", |bench| bench.last("t/2").is_some()).await;
    assert!(bench.is("t/0", &Sample::Int(1)) && bench.is("t/1", &Sample::Int(2)));
    assert!(bench.has_quality("t/2", Quality(0x8089_0000)));
    bench.until("the failure", |bench| bench.running.state().status().items_failed == 1).await;
    let status = bench.running.state().status();
    assert_eq!(status.failures[0].reason, "the device has no such address");
    // It is there after all.
    device.change(|registers| {
        registers.words.insert(2, 3);
    });
    bench.until("the item", |bench| bench.is("t/2", &Sample::Int(3))).await;
    bench.running.stop().await;
}

/// One illegal address made eight items four reads, and so they stayed for good.
#[tokio::test]
async fn items_around_one_that_is_not_there_are_read_together_again() {
    let words: Vec<(u16, u16)> = (0..8).filter(|at| *at != 2).map(|at| (at, at)).collect();
    let device = Device::start(&words).await;
    let items: Vec<Value> =
        (0..8).map(|at| json!({"tag": format!("t/{at}"), "at": format!("holding:{at}")})).collect();
    let bench = Bench::start(device.address, &items.into());
    bench.until("the item alone", |_| device.was_asked(2, 1)).await;
    bench.until("the others together", |_| device.was_asked(0, 2) && device.was_asked(3, 5)).await;
    device.change(|registers| {
        registers.words.insert(2, 7);
        registers.asked.clear();
    });
    bench.until("all together", |_| device.was_asked(0, 8)).await;
    bench.until("the item", |bench| bench.is("t/2", &Sample::Int(7))).await;
    bench.running.stop().await;
}

#[tokio::test]
async fn a_device_that_restarts_leaves_one_gap_and_no_line_across_it() {
    let device = Device::start(&[(0, 1)]).await;
    let bench = Bench::start(device.address, &json!([{"tag": "t/a", "at": "40001"}]));
    bench.until("a value", |bench| bench.is("t/a", &Sample::Int(1))).await;
    let (address, registers) = device.kill().await;
    bench.until("the loss", |bench| bench.has_quality("t/a", Quality::BAD_NO_COMMUNICATION)).await;
    let before = registers.lock().unwrap().looks.take().unwrap();
    let device = Device::start_at(&address.to_string(), registers).await;
    device.change(|registers| {
        registers.words.insert(0, 2);
    });
    bench.until("values again", |bench| bench.is("t/a", &Sample::Int(2))).await;
    let points = bench.store.points("t/a");
    let bad = points.iter().filter(|point| point.quality != Quality::GOOD).count();
    assert_eq!(bad, 1, "one sample says that there is nothing");
    assert!(points.is_sorted_by(|a, b| a.ts < b.ts));
    let gaps = bench.gaps.all();
    assert_eq!(gaps.len(), 1);
    assert_eq!((gaps[0].cause, gaps[0].outcome), (Cause::Network, Outcome::Lost));
    // A value that the device only had between its two looks lies in the gap.
    let mut after = None;
    device.change(|registers| after = registers.looks);
    assert!(gaps[0].from <= before.1, "{gaps:?} {before:?}");
    assert!(gaps[0].to.zip(after).is_some_and(|(to, looks)| to >= looks.0), "{gaps:?} {after:?}");
    bench.running.stop().await;
    let last = bench.gaps.all().pop().unwrap();
    assert_eq!((last.cause, last.to), (Cause::CollectorDown, None));
}

#[tokio::test]
async fn a_silent_unit_does_not_stall_the_others_of_its_line() {
    let device = Device::start(&[(0, 1)]).await;
    device.change(|registers| {
        registers.silent.insert(9);
    });
    let items = json!([
        {"tag": "t/a", "at": "1.HR1"},
        {"tag": "t/b", "at": "9.HR1"},
    ]);
    let bench = Bench::start(device.address, &items);
    bench.until("the silence", |bench| bench.last("t/b").is_some()).await;
    let before = bench.store.points("t/a").len();
    bench.until("more values", |bench| bench.store.points("t/a").len() > before + 20).await;
    assert!(bench.has_quality("t/b", Quality::BAD_NO_COMMUNICATION));
    device.change(|registers| registers.silent.clear());
    bench.until("the other", |bench| bench.is("t/b", &Sample::Int(1))).await;
    bench.running.stop().await;
}

#[tokio::test]
async fn a_device_that_fails_is_asked_again() {
    let device = Device::start(&[(0, 1)]).await;
    device.change(|registers| registers.exception = Some(4));
    let bench = Bench::start(device.address, &json!([{"tag": "t/a", "at": "40001"}]));
    bench.until("the failure", |bench| bench.has_quality("t/a", Quality(0x808B_0000))).await;
    device.change(|registers| registers.exception = None);
    bench.until("a value", |bench| bench.is("t/a", &Sample::Int(1))).await;
    bench.running.stop().await;
}

#[tokio::test]
async fn a_number_that_means_nothing_is_no_value() {
    let device = Device::start(&[(0, 0x7fff), (1, 0x7fc0), (2, 0)]).await;
    let items = json!([
        {"tag": "t/a", "at": "40001:INT16", "sentinels": [32767]},
        {"tag": "t/b", "at": "HRF2", "sentinels": ["NaN"]},
    ]);
    let bench = Bench::start(device.address, &items);
    for tag in ["t/a", "t/b"] {
        bench.until(tag, |bench| bench.has_quality(tag, Quality::BAD_NO_DATA)).await;
        assert_eq!(bench.last(tag).unwrap().value, Sample::Null);
    }
    bench.running.stop().await;
}

#[test]
fn settings_that_cannot_be_are_refused_with_every_mistake() {
    let settings = json!({
        "address": "not an address",
        "registers_max": 126,
        "every": "1 ms",
        "items": [
            {"tag": "", "at": "40001"},
            {"tag": "a", "at": "50001"},
            {"tag": "b", "at": "40001", "type": "word64"},
            {"tag": "c", "at": "C1", "scale": 2},
            {"tag": "d", "at": "40001", "scale": "two"},
            {"tag": "e", "at": "40002"},
            {"tag": "e", "at": "40003"},
        ],
    });
    let problems = collector("press", settings.as_object().unwrap()).unwrap_err();
    let keys: BTreeSet<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    for key in [
        "address",
        "registers_max",
        "items[0].tag",
        "items[1].at",
        "items[2].type",
        "items[3]",
        "items[4].scale",
        "items[6].tag",
        "items[5].every",
    ] {
        assert!(keys.contains(key), "{key} of {keys:?}");
    }
}

/// One key that is unknown hid every other mistake, and what was of another type had no key.
#[test]
fn what_cannot_be_read_hides_no_other_mistake() {
    let settings = json!({
        "adress": "a",
        "every": "soon",
        "registers_max": 126,
        "items": [
            {"tag": "a", "at": "40001", "size": 2},
            {"tag": "b", "at": "50001", "unit_id": 300},
            7,
        ],
    });
    let problems = collector("press", settings.as_object().unwrap()).unwrap_err();
    let keys: BTreeSet<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    let want = [
        "address",
        "adress",
        "every",
        "items[0].size",
        "items[1].at",
        "items[1].unit_id",
        "items[2]",
        "registers_max",
    ];
    assert!(want.iter().all(|key| keys.contains(key)), "{keys:?}");
    let every = problems.iter().find(|problem| problem.key == "every").unwrap();
    assert!(every.reason.contains("\"soon\" is not a length of time"), "{every:?}");
}
