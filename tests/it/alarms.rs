//! Alarms of an OPC UA server, from its events to what SQL says of them.
//!
//! The device is a server in this process with conditions of the standard: it tells of them by events,
//! and again when it is asked to (ConditionRefresh), leaving out those of which nothing is left.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use opcua::nodes::{BaseEventType, DefaultTypeTree, Event};
use opcua::server::diagnostics::{DiagnosticsNodeManagerBuilder, NamespaceMetadata};
use opcua::server::node_manager::memory::{CoreNodeManagerBuilder, InMemoryNodeManagerBuilder};
use opcua::server::node_manager::{MethodCall, NodeManager, RequestContext, ServerContext};
use opcua::server::{ServerBuilder, ServerHandle, SubscriptionCache};
use opcua::types::event_field::EventField;
use opcua::types::{
    AttributeId, ByteString, DateTime, LocalizedText, MethodId, NodeId, NumericRange, ObjectId,
    ObjectTypeId, QualifiedName, StatusCode, Variant,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::server::{Server, agent, wait_for};

/// How a condition is, as its server tells it.
#[derive(Debug, Clone)]
struct Told {
    name: &'static str,
    /// Seconds after noon.
    at: u32,
    active: bool,
    acknowledged: bool,
    user: &'static str,
}

impl Told {
    /// A condition is worth telling while it is active or nobody has seen it.
    fn is_retained(&self) -> bool {
        self.active || !self.acknowledged
    }
}

/// The event that tells it, or one about the telling itself.
#[derive(Debug)]
struct Notice {
    base: BaseEventType,
    told: Option<Told>,
}

impl Notice {
    fn new(kind: ObjectTypeId, source: &str, at: u32, told: Option<Told>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let base = BaseEventType {
            event_id: ByteString::from(number.to_be_bytes().as_slice()),
            event_type: kind.into(),
            source_name: source.into(),
            time: DateTime::ymd_hms(2026, 3, 1, 12, at / 60, at % 60),
            message: LocalizedText::new("en", "told by a test"),
            severity: 700,
            ..BaseEventType::default()
        };
        Self { base, told }
    }

    fn of(told: &Told) -> Self {
        let kind = ObjectTypeId::AlarmConditionType;
        Self::new(kind, "Oven", told.at, Some(told.clone()))
    }
}

impl EventField for Notice {
    fn get_value(&self, _: AttributeId, _: &NumericRange, _: &[QualifiedName]) -> Variant {
        Variant::Empty
    }
}

impl Event for Notice {
    fn get_field(
        &self,
        type_definition: &NodeId,
        attribute: AttributeId,
        range: &NumericRange,
        path: &[QualifiedName],
    ) -> Variant {
        let words: Vec<&str> = path.iter().map(|name| name.name.as_ref()).collect();
        let Some(told) = &self.told else {
            return self.base.get_field(type_definition, attribute, range, path);
        };
        match words.as_slice() {
            ["ConditionName"] => Variant::from(told.name),
            ["Retain"] => Variant::from(told.is_retained()),
            ["EnabledState", "Id"] => Variant::from(true),
            ["ActiveState", "Id"] => Variant::from(told.active),
            ["AckedState", "Id"] => Variant::from(told.acknowledged),
            ["ClientUserId"] => Variant::from(told.user),
            ["BranchId"] => Variant::from(NodeId::null()),
            _ => self.base.get_field(type_definition, attribute, range, path),
        }
    }

    fn time(&self) -> &DateTime {
        &self.base.time
    }

    fn event_type_id(&self) -> &NodeId {
        &self.base.event_type
    }
}

fn notify(subscriptions: &SubscriptionCache, notice: &Notice) {
    let server = NodeId::from(ObjectId::Server);
    subscriptions.notify_events(std::iter::once((notice as &dyn Event, &server)));
}

/// What the device remembers, whether it runs or not.
#[derive(Debug, Default)]
struct Panel {
    retained: Mutex<BTreeMap<&'static str, Told>>,
    refreshes: AtomicUsize,
}

impl Panel {
    fn take(&self, told: &Told) {
        let mut retained = self.retained.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_retained() {
            retained.insert(told.name, told.clone());
        } else {
            retained.remove(told.name);
        }
    }

    fn refresh(&self, subscriptions: &SubscriptionCache) {
        let number = u32::try_from(self.refreshes.load(Ordering::Relaxed)).unwrap();
        let at = 1_000 + number;
        let mark = |kind| notify(subscriptions, &Notice::new(kind, "Server", at, None));
        mark(ObjectTypeId::RefreshStartEventType);
        let retained = self.retained.lock().unwrap_or_else(PoisonError::into_inner);
        retained.values().for_each(|told| notify(subscriptions, &Notice::of(told)));
        mark(ObjectTypeId::RefreshEndEventType);
        self.refreshes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers ConditionRefresh.
struct Refreshes(Arc<Panel>);

#[async_trait]
impl NodeManager for Refreshes {
    fn owns_node(&self, id: &NodeId) -> bool {
        *id == MethodId::ConditionType_ConditionRefresh
    }

    fn name(&self) -> &'static str {
        "refreshes"
    }

    fn namespaces_for_user(&self, _: &RequestContext) -> Vec<NamespaceMetadata> {
        Vec::new()
    }

    async fn init(&self, _: &mut DefaultTypeTree, _: ServerContext) {}

    async fn call(
        &self,
        context: &RequestContext,
        calls: &mut [&mut MethodCall],
    ) -> Result<(), StatusCode> {
        for call in calls {
            self.0.refresh(&context.subscriptions);
            call.set_status(StatusCode::Good);
        }
        Ok(())
    }
}

/// A device with alarms.
struct Device {
    runtime: Runtime,
    handle: ServerHandle,
    panel: Arc<Panel>,
    address: SocketAddr,
}

impl Device {
    fn start(pki_dir: &Path, address: &str, panel: Arc<Panel>) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = wait_for("the port", || runtime.block_on(TcpListener::bind(address)).ok());
        let address = listener.local_addr().unwrap();
        let refreshes = Arc::clone(&panel);
        let (server, handle) = ServerBuilder::new_anonymous("device")
            .application_uri("urn:test:device")
            .product_uri("urn:test:device")
            .host(address.ip().to_string())
            .port(address.port())
            .pki_dir(pki_dir)
            .diagnostics_enabled(false)
            .without_node_managers()
            .with_node_manager(move |_: ServerContext| Refreshes(refreshes))
            .with_node_manager(InMemoryNodeManagerBuilder::new(CoreNodeManagerBuilder))
            .with_node_manager(DiagnosticsNodeManagerBuilder)
            .build()
            .unwrap();
        // It ends with the runtime.
        drop(runtime.spawn(server.run_with(listener)));
        Self { runtime, handle, panel, address }
    }

    /// Something becomes of a condition, and whoever listens hears of it.
    fn tell(&self, told: &Told) {
        self.panel.take(told);
        notify(self.handle.subscriptions(), &Notice::of(told));
    }

    /// Waits until it was asked for its conditions so often.
    fn until_asked(&self, times: usize) {
        wait_for("the question for the conditions", || {
            (self.panel.refreshes.load(Ordering::Relaxed) >= times).then_some(())
        });
    }

    /// Ends without a word.
    fn kill(self) -> (SocketAddr, Arc<Panel>) {
        self.runtime.shutdown_background();
        (self.address, self.panel)
    }
}

fn told(name: &'static str, at: u32, active: bool, acknowledged: bool) -> Told {
    let user = if acknowledged && active { "alice" } else { "" };
    Told { name, at, active, acknowledged, user }
}

fn define(server: &Server, address: SocketAddr) {
    let body = json!({"kind": "opcua", "settings": {
        "endpoint": format!("opc.tcp://{address}"),
        "prefix": "plant",
        "publishing_interval": "100 ms",
        "events": ["i=2253"],
    }});
    let url = format!("http://{}/api/v1/collectors/line", server.http);
    let answer = agent().put(url).send(body.to_string()).unwrap();
    assert_eq!(answer.status().as_u16(), 200);
}

/// Waits until a statement has these rows.
#[track_caller]
fn until(server: &Server, statement: &str, rows: &[&str]) {
    let mut last = Vec::new();
    let begun = std::time::Instant::now();
    while begun.elapsed() < crate::server::DEADLINE {
        last = server.rows(statement);
        if last == rows {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    assert_eq!(last, rows, "{statement}");
}

const NOW: &str = "SELECT condition, state, active, acknowledged, acknowledged_by, \
                   since_ts, raised_ts FROM alarms ORDER BY condition";
const JOURNAL: &str =
    "SELECT ts, condition, state_before, state FROM alarm_journal ORDER BY ts, condition";

#[test]
fn an_alarm_goes_its_way_from_the_server_to_sql_with_the_times_of_the_server() {
    let (device_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let device = Device::start(device_dir.path(), "127.0.0.1:0", Arc::default());
    let server = Server::start(dir.path());
    define(&server, device.address);
    device.until_asked(1);

    device.tell(&told("High", 10, true, false));
    let raised = "2026-03-01T12:00:10Z";
    until(&server, NOW, &[&format!("High,unacknowledged,true,false,,{raised},{raised}")]);
    device.tell(&told("High", 12, true, true));
    let seen = "2026-03-01T12:00:12Z";
    until(&server, NOW, &[&format!("High,acknowledged,true,true,alice,{seen},{raised}")]);
    device.tell(&told("High", 20, false, true));
    let over = "2026-03-01T12:00:20Z";
    until(&server, NOW, &[&format!("High,normal,false,true,alice,{over},{raised}")]);
    let journal = [
        format!("{raised},High,,unacknowledged"),
        format!("{seen},High,unacknowledged,acknowledged"),
        format!("{over},High,acknowledged,normal"),
    ];
    until(&server, JOURNAL, &journal.each_ref().map(String::as_str));
    let tag = "SELECT DISTINCT tag FROM alarms";
    assert_eq!(server.rows(tag), ["plant/line/events/Oven"]);
}

#[test]
fn after_an_outage_alarms_are_as_the_server_tells_them_and_nothing_is_doubled() {
    let (device_dir, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let device = Device::start(device_dir.path(), "127.0.0.1:0", Arc::default());
    let server = Server::start(dir.path());
    define(&server, device.address);
    device.until_asked(1);
    // Two at one time: they stay two.
    device.tell(&told("High", 10, true, false));
    device.tell(&told("Low", 10, true, false));
    let states = "SELECT condition, state FROM alarms ORDER BY condition";
    until(&server, states, &["High,unacknowledged", "Low,unacknowledged"]);
    let events = "SELECT count(*) FROM samples WHERE text LIKE '%\"condition\"%'";
    assert_eq!(server.rows(events), ["2"]);

    // While nobody listens one alarm ends, and another one begins.
    let (address, panel) = device.kill();
    panel.take(&told("High", 30, false, true));
    panel.take(&told("Open", 31, true, false));
    let device = Device::start(device_dir.path(), &address.to_string(), panel);
    device.until_asked(2);
    let after = ["High,normal", "Low,unacknowledged", "Open,unacknowledged"];
    until(&server, states, &after);
    assert_eq!(server.rows(events), ["3"]);
    let low = "SELECT state_before, state FROM alarm_journal WHERE condition = 'Low'";
    assert_eq!(server.rows(low), [",unacknowledged"]);

    // This server is killed: the next one asks again, and says the same.
    server.kill();
    let server = Server::start(dir.path());
    device.until_asked(3);
    until(&server, "SELECT state FROM collectors", &["connected"]);
    until(&server, states, &after);
    assert_eq!(server.rows(events), ["3"]);
    let transitions = "SELECT count(*) FROM alarm_journal";
    assert_eq!(server.rows(transitions), ["4"]);
}
