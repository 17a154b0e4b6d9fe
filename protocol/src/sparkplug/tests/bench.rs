//! A host on the bench: messages go in by words, what comes out is read back.

use prost::Message as _;
use tacitus_model::{Quality, Timestamp, Value};

use crate::sparkplug::wire::{Metric, MetricValue, Payload};
use crate::sparkplug::{Action, DataType, Definition, Host, Outgoing, Settings};

/// 2024-05-01T08:00:00Z in milliseconds.
pub(super) const T: i64 = 1_714_550_400_000;

pub(super) const NBIRTH: &str = "spBv1.0/G/NBIRTH/E";
pub(super) const NDEATH: &str = "spBv1.0/G/NDEATH/E";
pub(super) const NDATA: &str = "spBv1.0/G/NDATA/E";
pub(super) const DBIRTH: &str = "spBv1.0/G/DBIRTH/E/D";
pub(super) const DDEATH: &str = "spBv1.0/G/DDEATH/E/D";
pub(super) const DDATA: &str = "spBv1.0/G/DDATA/E/D";

pub(super) struct Bench {
    pub(super) host: Host,
    pub(super) now_ms: i64,
    pub(super) out: Vec<Action>,
}

/// Path, value, time in ms, quality.
pub(super) type Row = (String, Value, i64, Quality);

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(Settings { reorder_ms: None, ..Settings::default() })
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self { host: Host::new(settings), now_ms: T, out: Vec::new() }
    }

    /// A host that heard a node with `temp` (alias 1) and a device with `level` (alias 2), and
    /// whose actions until then are forgotten.
    pub(super) fn with_plant(settings: Settings) -> Self {
        let mut bench = Self::with(settings);
        bench.hear(
            NBIRTH,
            nbirth(0, 0, vec![born("temp", 1, DataType::Double, MetricValue::Double(21.5))]),
        );
        bench
            .hear(DBIRTH, message(1, vec![born("level", 2, DataType::Int32, MetricValue::Int(7))]));
        bench.out.clear();
        bench
    }

    pub(super) fn now(&self) -> Timestamp {
        at(self.now_ms)
    }

    #[expect(clippy::needless_pass_by_value, reason = "a message is made for one hearing")]
    pub(super) fn hear(&mut self, topic: &str, payload: Payload) {
        let now = self.now();
        self.host.receive(topic, &payload.encode_to_vec(), now, &mut self.out);
    }

    pub(super) fn tick(&mut self) {
        let now = self.now();
        self.host.tick(now, &mut self.out);
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let row = |action: &Action| match action {
            Action::Sample(point) => {
                let ms = point.ts.unwrap().nanos() / 1_000_000;
                Some((point.path.clone(), point.value.clone(), ms, point.quality))
            }
            _ => None,
        };
        self.out.iter().filter_map(row).collect()
    }

    pub(super) fn published(&self) -> Vec<&Outgoing> {
        self.out
            .iter()
            .filter_map(|action| if let Action::Publish(sent) = action { Some(sent) } else { None })
            .collect()
    }

    pub(super) fn definitions(&self) -> Vec<&Definition> {
        self.out
            .iter()
            .filter_map(|action| if let Action::Define(said) = action { Some(said) } else { None })
            .collect()
    }

    pub(super) fn refusals(&self) -> Vec<&'static str> {
        let code = |action: &Action| match action {
            Action::Refuse { code, .. } => Some(*code),
            _ => None,
        };
        self.out.iter().filter_map(code).collect()
    }

    /// How many rebirths were asked for.
    pub(super) fn rebirths(&self) -> usize {
        self.published().iter().filter(|message| message.topic == "spBv1.0/G/NCMD/E").count()
    }
}

pub(super) fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(ms * 1_000_000)
}

pub(super) fn ms(ms: i64) -> u64 {
    ms.try_into().unwrap()
}

/// A birth of a node.
pub(super) fn nbirth(seq: u64, bd_seq: u64, mut metrics: Vec<Metric>) -> Payload {
    metrics.push(Metric {
        name: Some("bdSeq".into()),
        datatype: Some(DataType::Int64.number()),
        value: Some(MetricValue::Long(bd_seq)),
        ..Metric::default()
    });
    metrics.push(Metric {
        name: Some("Node Control/Rebirth".into()),
        datatype: Some(DataType::Boolean.number()),
        value: Some(MetricValue::Boolean(false)),
        ..Metric::default()
    });
    message(seq, metrics)
}

pub(super) fn ndeath(bd_seq: u64) -> Payload {
    let metric = Metric {
        name: Some("bdSeq".into()),
        datatype: Some(DataType::Int64.number()),
        value: Some(MetricValue::Long(bd_seq)),
        ..Metric::default()
    };
    Payload { seq: None, ..message(0, vec![metric]) }
}

pub(super) fn message(seq: u64, metrics: Vec<Metric>) -> Payload {
    Payload { timestamp: Some(ms(T)), seq: Some(seq), metrics, ..Payload::default() }
}

pub(super) fn born(name: &str, alias: u64, kind: DataType, value: MetricValue) -> Metric {
    Metric {
        name: Some(name.into()),
        alias: Some(alias),
        datatype: Some(kind.number()),
        value: Some(value),
        ..Metric::default()
    }
}

pub(super) fn by_alias(alias: u64, value: MetricValue) -> Metric {
    Metric { alias: Some(alias), value: Some(value), ..Metric::default() }
}

pub(super) fn good(path: &str, value: Value) -> Row {
    (path.to_owned(), value, T, Quality::GOOD)
}

pub(super) fn stale(path: &str, ms: i64) -> Row {
    (path.to_owned(), Value::Null, ms, Quality::BAD_NO_COMMUNICATION)
}
