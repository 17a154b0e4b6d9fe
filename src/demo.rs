//! The demonstration: a simulated plant around a real server.
//!
//! ```text
//!  Plant (seed, second) ─▶ Publisher ─ MQTT over TCP ─▶ broker ──▶ ingest
//!                     └──▶ opcua::Server ─ OPC UA ─▶ collector ─▶ ingest
//! ```
//! Everything the plant says reaches the server over real connections, as a real plant's words
//! would; only its first hour is written directly, dated back, so that there is something to ask
//! about at once.
//!
//! *Order.* [`Demo::open`] starts the plant's OPC UA server, whose collector
//! ([`Demo::collector`]) is started with the configured ones; once the server runs,
//! [`Demo::run`] fills in the first hour and lets the plant work until the stop is requested.
//!
//! *Invariant.* A demonstration uses no back door: another plant could say the same.

mod history;
pub mod opcua;
mod page;
pub mod plant;
mod publisher;
mod surroundings;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::opcua::types::{DataValue, DateTime, StatusCode, Variant};
use chrono::DateTime as ChronoDateTime;
use serde_json::{Map, Number, json};
use tacitus_model::{Kind, Timestamp, Value};
use tacitus_storage::{Clock, Engine};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

pub use page::first_page;

use crate::collect::opcua::{Draft, DraftBrowse, Settings};
use crate::ingest::Ingest;
use crate::plant::Plants;
use crate::shutdown::Shutdown;
use plant::{Plant, Report, Signal, Way, is_cut_off};
use publisher::{Message, Publisher};

/// The seed of the plant that everybody sees unless they ask for another.
pub const SEED: u64 = 20_260_101;

/// LIMIT: messages a cut-off device keeps: two minutes of one a second.
const KEPT_MAX: usize = 120;

/// What the demonstration works on.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where the broker listens.
    pub mqtt: SocketAddr,
    /// Whose catalog learns the plant's tags.
    pub engine: Arc<Engine>,
    /// Where the first hour goes.
    pub ingest: Ingest,
    /// Who learns of its assets and shifts.
    pub plants: Arc<Plants>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What makes this plant different from others.
    pub seed: u64,
}

/// Why there is no demonstration.
#[derive(Debug, thiserror::Error)]
#[error("could not start the simulated plant: {0}")]
pub struct Error(String);

/// A plant whose OPC UA server runs.
#[derive(Debug)]
pub struct Demo {
    server: opcua::Server,
}

/// A plant at work.
#[derive(Debug)]
pub struct Running {
    task: JoinHandle<()>,
}

impl Demo {
    /// Starts the plant's OPC UA server on a free port of the loopback interface.
    ///
    /// # Errors
    /// What keeps it from listening.
    pub async fn open(data_dir: &Path) -> Result<Self, Error> {
        let listener =
            TcpListener::bind("127.0.0.1:0").await.map_err(|error| Error(error.to_string()))?;
        let plant = Plant::new(SEED);
        let signals = || plant.signals().iter().filter(|signal| signal.way == Way::OpcUa);
        let typed = |signal: &Signal| match signal.kind {
            Kind::Float => Variant::from(0.0),
            Kind::Int => Variant::from(0_i64),
            Kind::Bool => Variant::from(false),
            Kind::State | Kind::Text => Variant::from(""),
        };
        let shape = opcua::Shape {
            pki_dir: data_dir.join("pki").join("demo"),
            namespaces_before: Vec::new(),
            variables: signals()
                .map(|signal| (signal.device.clone(), signal.name.to_owned(), typed(signal)))
                .collect(),
        };
        let server = opcua::Server::start(listener, shape).map_err(Error)?;
        let nothing_yet = DataValue {
            value: Some(Variant::Empty),
            status: Some(StatusCode::BadWaitingForInitialData),
            ..DataValue::default()
        };
        server.set(signals().map(|signal| (signal.path(), nothing_yet.clone())));
        Ok(Self { server })
    }

    /// The collector of the plant's OPC UA server.
    ///
    /// # Errors
    /// The settings do not pass their own check.
    pub fn collector(&self) -> Result<Settings, Error> {
        Draft {
            name: "demo".into(),
            endpoint: format!("opc.tcp://{}", self.server.address()),
            publishing_interval: Some(Duration::from_millis(500)),
            // Below the plant's second, so that the server passes on every value as it is set.
            sampling_interval: Some(Duration::from_millis(100)),
            browse: Some(DraftBrowse {
                root: "i=85".into(),
                template: Some("{node}".into()),
                ..DraftBrowse::default()
            }),
            ..Draft::default()
        }
        .check()
        .map_err(|problems| {
            let list: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error(list.join(", "))
        })
    }

    /// Fills in the first hour, then lets the plant work until the stop is requested.
    ///
    /// # Errors
    /// The first hour could not be written.
    pub async fn run(self, parts: Parts, shutdown: Shutdown) -> Result<Running, Error> {
        let mut plant = Plant::new(parts.seed);
        history::define(&plant, &parts.engine).map_err(Error)?;
        history::fill(&mut plant, &parts).await.map_err(Error)?;
        let now = parts.clock.now();
        surroundings::describe(&plant, &parts.plants, now).await.map_err(Error)?;
        plant.report_all();
        Ok(Running { task: tokio::spawn(work(plant, self.server, parts, shutdown)) })
    }
}

impl Running {
    /// Returns when the plant has stopped.
    pub async fn stopped(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the simulated plant ended badly");
        }
    }
}

/// Reports once a second.
async fn work(mut plant: Plant, server: opcua::Server, parts: Parts, shutdown: Shutdown) {
    let period = Duration::from_secs(1);
    let mut seconds = interval_at(Instant::now() + period, period);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut publisher = None;
    let mut kept = Vec::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => break,
            _ = seconds.tick() => {}
        }
        let now = parts.clock.now().quantised(1_000_000_000);
        let reports = plant.step(now);
        server.set(opc_values(&plant, &reports));
        let messages = messages(&plant, &reports, now, &mut kept);
        if let Err(error) = send(&mut publisher, parts.mqtt, &messages).await {
            tracing::warn!(%error, "the simulated plant lost its broker");
            publisher = None;
        }
    }
    server.stop().await;
}

async fn send(
    publisher: &mut Option<Publisher>,
    broker: SocketAddr,
    messages: &[Message],
) -> std::io::Result<()> {
    let connected = match publisher {
        Some(connected) => connected,
        None => publisher.insert(Publisher::connect(broker, "demo-plant").await?),
    };
    connected.publish(messages).await
}

fn opc_values(plant: &Plant, reports: &[Report]) -> Vec<(String, DataValue)> {
    let of = |report: &Report| {
        let signal = plant.signals().get(report.signal)?;
        (signal.way == Way::OpcUa).then(|| {
            let source = ChronoDateTime::from_timestamp_nanos(report.ts.nanos());
            let status = StatusCode::from(report.quality.0);
            let value = variant(signal, &report.value);
            (signal.path(), DataValue::new_at_status(value, DateTime::from(source), status))
        })
    };
    reports.iter().filter_map(of).collect()
}

fn variant(signal: &Signal, value: &Value) -> Variant {
    match value {
        Value::Null => Variant::Empty,
        Value::Float(number) => Variant::from(*number),
        Value::Int(number) => Variant::from(*number),
        Value::Bool(fact) => Variant::from(*fact),
        Value::State(index) => Variant::from(word(signal, *index)),
        Value::Text(text) => Variant::from(&**text),
    }
}

/// The MQTT messages of one second. What a cut-off device would have said is kept, and sent with
/// the first message after.
fn messages(
    plant: &Plant,
    reports: &[Report],
    now: Timestamp,
    kept: &mut Vec<Message>,
) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut objects: Vec<(&str, Map<String, serde_json::Value>)> = Vec::new();
    for report in reports {
        let Some(signal) = plant.signals().get(report.signal) else { continue };
        match signal.way {
            Way::OpcUa => {}
            Way::Plain => messages.push(Message {
                topic: signal.path(),
                payload: member(signal, &report.value).to_plain().into_bytes(),
            }),
            Way::Json => {
                let member = member(signal, &report.value).into_json();
                let begun = objects.iter_mut().find(|(device, _)| *device == signal.device);
                if let Some((_, object)) = begun {
                    object.insert(signal.name.to_owned(), member);
                } else {
                    let stamp = json!(now.nanos() / 1_000_000);
                    let first = [("ts".to_owned(), stamp), (signal.name.to_owned(), member)];
                    objects.push((&signal.device, first.into_iter().collect()));
                }
            }
        }
    }
    for (device, object) in objects {
        let payload = serde_json::Value::Object(object).to_string().into_bytes();
        let message = Message { topic: device.to_owned(), payload };
        if !is_cut_off(device, now) {
            messages.push(message);
        } else if kept.len() < KEPT_MAX {
            kept.push(message);
        }
    }
    if !kept.iter().any(|message| is_cut_off(&message.topic, now)) {
        messages.append(kept);
    }
    messages
}

/// A value as devices write it.
enum Member {
    Number(String),
    Fact(bool),
    Word(String),
}

fn member(signal: &Signal, value: &Value) -> Member {
    match value {
        Value::Float(number) => Member::Number(number.to_string()),
        Value::Int(number) => Member::Number(number.to_string()),
        Value::Bool(fact) => Member::Fact(*fact),
        Value::State(index) => Member::Word(word(signal, *index).to_owned()),
        Value::Text(text) => Member::Word(text.to_string()),
        Value::Null => Member::Word(String::new()),
    }
}

impl Member {
    fn to_plain(&self) -> String {
        match self {
            Self::Number(text) | Self::Word(text) => text.clone(),
            Self::Fact(fact) => fact.to_string(),
        }
    }

    fn into_json(self) -> serde_json::Value {
        match self {
            Self::Number(text) => text.parse::<Number>().map_or(json!(text), Into::into),
            Self::Fact(fact) => json!(fact),
            Self::Word(text) => json!(text),
        }
    }
}

fn word(signal: &Signal, index: u32) -> &'static str {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    signal.states.get(index).copied().unwrap_or_default()
}
