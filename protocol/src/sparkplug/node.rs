//! One edge node: whether it is there, where its sequence is, and what its data mean.
//!
//! ```text
//! unborn ──NBIRTH──▶ online ──NDEATH──▶ offline      rebirth is asked for
//!    │                 │ ▲                 │         where data come without a birth,
//!    └──data: rebirth  └─┘ NBIRTH          └─ data: rebirth     with a gap, or unknown names
//! ```
//!
//! *Invariant.* Data are taken in the order of their sequence numbers, as far as they come within
//! the time for reordering. A death of another session than the born one changes nothing.

use std::collections::BTreeMap;

use tacitus_model::{Kind, Quality, Timestamp, Value};

use super::command::{self, REBIRTH};
use super::datatype::DataType;
use super::table::{Signal, Table};
use super::topic::{NodeId, Verb};
use super::value::{self, Leaf};
use super::wire::{Metric, MetricValue, Payload};
use super::{Action, Definition, Settings, properties};
use crate::Point;
use crate::limits::SPARKPLUG_WAITING_MAX;

/// How long a node may be without a connection before it counts as dead, in milliseconds: a client
/// that takes over its own connection is back within a round trip.
const LEFT_MS: u64 = 5_000;

/// The metric that numbers the sessions of a node.
const BD_SEQ: &str = "bdSeq";

/// A message of a node or device.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) verb: Verb,
    pub(super) device: Option<String>,
    pub(super) payload: Payload,
    pub(super) received: Timestamp,
}

/// The requests for a rebirth.
#[derive(Debug, Default)]
struct Requests {
    last: Option<Timestamp>,
    wait_ms: u64,
    sent: u64,
    held_back: u64,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) table: Table,
    pub(super) online: bool,
    pub(super) bd_seq: Option<u64>,
    pub(super) devices: BTreeMap<String, bool>,
    pub(super) births: u64,
    pub(super) deaths: u64,
    pub(super) last: Option<Timestamp>,
    next_seq: Option<u8>,
    waiting: Vec<(u8, Heard)>,
    waiting_since: Option<Timestamp>,
    /// Tags whose device was there before the last birth and has not been born since.
    orphans: BTreeMap<Option<String>, Vec<String>>,
    orphans_since: Option<Timestamp>,
    /// When its connection ended, if nothing was heard of it since.
    left_since: Option<Timestamp>,
    requests: Requests,
}

impl Node {
    pub(super) fn new(id: NodeId) -> Self {
        Self {
            id,
            table: Table::default(),
            online: false,
            bd_seq: None,
            devices: BTreeMap::new(),
            births: 0,
            deaths: 0,
            last: None,
            next_seq: None,
            waiting: Vec::new(),
            waiting_since: None,
            orphans: BTreeMap::new(),
            orphans_since: None,
            left_since: None,
            requests: Requests::default(),
        }
    }

    /// A node as it was before a restart: what it had is known, whether it is there is not.
    pub(super) fn restored(id: NodeId, body: &[u8], now: Timestamp) -> Option<Self> {
        let (table, bd_seq, devices) = Table::read(body)?;
        let mut node = Self { table, bd_seq, ..Self::new(id) };
        node.orphan(None);
        for device in devices {
            node.orphan(Some(&device));
        }
        node.orphans_since = Some(now);
        Some(node)
    }

    pub(super) fn requests_sent(&self) -> (u64, u64) {
        (self.requests.sent, self.requests.held_back)
    }

    /// Takes a message; `name` is its topic.
    pub(super) fn hear(&mut self, heard: Heard, settings: &Settings, out: &mut Vec<Action>) {
        self.last = Some(heard.received);
        self.left_since = None;
        match heard.verb {
            Verb::NodeBirth => self.birth(&heard, settings, out),
            Verb::NodeDeath => self.death(&heard, settings, out),
            Verb::NodeCommand | Verb::DeviceCommand => {}
            _ => self.in_sequence(heard, settings, out),
        }
    }

    /// The connection has ended; a node that takes over its own connection speaks at once.
    pub(super) fn left(&mut self, at: Timestamp) {
        self.left_since = Some(at).filter(|_| self.online);
    }

    /// What time alone brings about.
    pub(super) fn tick(&mut self, now: Timestamp, settings: &Settings, out: &mut Vec<Action>) {
        if let (Some(since), Some(wait_ms)) = (self.waiting_since, settings.reorder_ms)
            && elapsed_ms(since, now) >= wait_ms
        {
            self.ask(now, settings, out);
            self.give_up_gap(settings, out);
        }
        if let Some(since) = self.left_since
            && elapsed_ms(since, now) >= LEFT_MS
        {
            self.left_since = None;
            self.give_up_gap(settings, out);
            self.leave(since, out);
        }
        if let Some(since) = self.orphans_since
            && elapsed_ms(since, now) >= settings.grace_ms
        {
            self.orphans_since = None;
            for path in std::mem::take(&mut self.orphans).into_values().flatten() {
                out.push(stale(path, since));
            }
        }
    }

    fn birth(&mut self, heard: &Heard, settings: &Settings, out: &mut Vec<Action>) {
        // What waited belongs to the session that this birth ends.
        self.give_up_gap(settings, out);
        let online: Vec<String> = self
            .devices
            .iter()
            .filter(|(_, online)| **online)
            .map(|(device, _)| device.clone())
            .collect();
        for device in online {
            self.orphan(Some(&device));
        }
        self.orphans.remove(&None);
        self.orphans_since = (!self.orphans.is_empty()).then_some(heard.received);
        self.devices.values_mut().for_each(|online| *online = false);
        self.table = Table::default();
        self.bd_seq = heard.payload.metrics.iter().find_map(bd_seq);
        self.online = true;
        self.births += 1;
        self.requests = Requests { wait_ms: 0, last: None, ..self.requests };
        self.next_seq = seq(&heard.payload).map(|seq| seq.wrapping_add(1));
        self.born(heard, out);
    }

    fn device_birth(&mut self, heard: &Heard, device: &str, out: &mut Vec<Action>) {
        self.orphans.remove(&Some(device.to_owned()));
        self.table.forget(Some(device));
        self.devices.insert(device.to_owned(), true);
        self.born(heard, out);
    }

    /// Defines and stores everything of a birth, and has the table kept.
    fn born(&mut self, heard: &Heard, out: &mut Vec<Action>) {
        for metric in &heard.payload.metrics {
            let Some(name) = metric.name.as_deref().filter(|name| !name.is_empty()) else {
                let reason = "a metric of a birth has no name".to_owned();
                out.push(self.refusal("sparkplug_metric", "", reason));
                continue;
            };
            let other = self.table.add(Signal {
                device: heard.device.clone(),
                name: name.to_owned(),
                alias: metric.alias,
                kind: DataType::from_number(metric.datatype.unwrap_or_default()),
                is_transient: metric.is_transient == Some(true),
                leaves: BTreeMap::new(),
            });
            if let (Some(other), Some(alias)) = (other, metric.alias) {
                let reason = format!(
                    "alias {alias} is also that of \"{other}\": data by it alone are of neither"
                );
                out.push(self.refusal("sparkplug_alias", name, reason));
            }
            self.take(metric, heard, (heard.device.as_deref(), name), true, out);
        }
        self.remember(out);
    }

    fn remember(&self, out: &mut Vec<Action>) {
        let key = self.id.to_string().into_bytes();
        out.push(Action::Remember { key, body: self.table.written(self.bd_seq, &self.devices) });
    }

    fn death(&mut self, heard: &Heard, settings: &Settings, out: &mut Vec<Action>) {
        let own = heard.payload.metrics.iter().find_map(bd_seq);
        let matches = match (own, self.bd_seq) {
            (Some(own), Some(born)) => own == born || settings.lenient && own == (born + 1) % 256,
            _ => settings.lenient,
        };
        // The will of a node that was there when this host last stopped.
        let is_restored = self.births == 0 && self.orphans_since.take_if(|_| matches).is_some();
        if is_restored {
            self.deaths += 1;
            for path in std::mem::take(&mut self.orphans).into_values().flatten() {
                out.push(stale(path, heard.received));
            }
            return;
        }
        if !self.online || !matches {
            let reason = match own {
                Some(own) if self.online => {
                    format!("the death is of session {own}, not of the one that was born")
                }
                _ => "the death is of a session that was not born".to_owned(),
            };
            out.push(self.refusal("sparkplug_death", "NDEATH", reason));
            return;
        }
        self.give_up_gap(settings, out);
        self.leave(heard.received, out);
    }

    /// The node is gone, and its devices with it.
    pub(super) fn leave(&mut self, at: Timestamp, out: &mut Vec<Action>) {
        if !std::mem::take(&mut self.online) {
            return;
        }
        self.deaths += 1;
        self.next_seq = None;
        self.stale(None, at, out);
        let devices: Vec<String> = self.devices.keys().cloned().collect();
        for device in devices {
            self.device_leaves(&device, at, out);
        }
        self.orphans_since = None;
        for path in std::mem::take(&mut self.orphans).into_values().flatten() {
            out.push(stale(path, at));
        }
        self.remember(out);
    }

    fn device_leaves(&mut self, device: &str, at: Timestamp, out: &mut Vec<Action>) {
        let online = self.devices.insert(device.to_owned(), false);
        if online == Some(true) {
            self.stale(Some(device), at, out);
        }
    }

    fn stale(&self, device: Option<&str>, at: Timestamp, out: &mut Vec<Action>) {
        out.extend(self.paths(device).into_iter().map(|path| stale(path, at)));
    }

    /// The tags of a device, or of the node alone.
    fn paths(&self, device: Option<&str>) -> Vec<String> {
        let of = |signal: &Signal| {
            let paths = signal.leaves.keys().map(|leaf| path(&self.id, device, &signal.name, leaf));
            paths.collect::<Vec<_>>()
        };
        self.table.of(device).flat_map(of).collect()
    }

    fn orphan(&mut self, device: Option<&str>) {
        let paths = self.paths(device);
        if !paths.is_empty() {
            self.orphans.insert(device.map(str::to_owned), paths);
        }
    }

    /// Takes a message when it is its turn.
    fn in_sequence(&mut self, heard: Heard, settings: &Settings, out: &mut Vec<Action>) {
        let Some(own) = seq(&heard.payload) else {
            return self.process(&heard, settings, out);
        };
        match self.next_seq {
            Some(next) if next != own && self.online => {
                if settings.reorder_ms.is_some() {
                    self.waiting_since = self.waiting_since.or(Some(heard.received));
                    let now = heard.received;
                    self.waiting.push((own, heard));
                    if self.waiting.len() >= SPARKPLUG_WAITING_MAX {
                        self.ask(now, settings, out);
                        self.give_up_gap(settings, out);
                    }
                    return;
                }
                self.ask(heard.received, settings, out);
            }
            _ => {}
        }
        self.next_seq = Some(own.wrapping_add(1));
        self.process(&heard, settings, out);
        self.drain(settings, out);
    }

    /// Takes those that waited for what has come.
    fn drain(&mut self, settings: &Settings, out: &mut Vec<Action>) {
        while let Some(index) = self.waiting.iter().position(|(seq, _)| Some(*seq) == self.next_seq)
        {
            let (seq, heard) = self.waiting.remove(index);
            self.next_seq = Some(seq.wrapping_add(1));
            self.process(&heard, settings, out);
        }
        if self.waiting.is_empty() {
            self.waiting_since = None;
        }
    }

    /// Takes what waits as it is: what is missing does not come any more.
    fn give_up_gap(&mut self, settings: &Settings, out: &mut Vec<Action>) {
        self.waiting_since = None;
        let next = self.next_seq.unwrap_or_default();
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|(seq, _)| seq.wrapping_sub(next));
        for (seq, heard) in waiting {
            self.next_seq = Some(seq.wrapping_add(1));
            self.process(&heard, settings, out);
        }
    }

    fn process(&mut self, heard: &Heard, settings: &Settings, out: &mut Vec<Action>) {
        if !self.online {
            self.ask(heard.received, settings, out);
        }
        match (heard.verb, &heard.device) {
            (Verb::DeviceBirth, Some(device)) => self.device_birth(heard, device, out),
            (Verb::DeviceDeath, Some(device)) => {
                let at = moment(heard.payload.timestamp).unwrap_or(heard.received);
                self.device_leaves(device, at, out);
                self.remember(out);
            }
            (_, device) => {
                let is_unborn =
                    device.as_ref().is_some_and(|device| self.devices.get(device) != Some(&true));
                let mut asks = is_unborn && self.online;
                for metric in &heard.payload.metrics {
                    asks |= !self.datum(metric, heard, settings, out);
                }
                if asks {
                    self.ask(heard.received, settings, out);
                }
            }
        }
    }

    /// Stores one metric of data; false where the table does not know it.
    fn datum(
        &mut self,
        metric: &Metric,
        heard: &Heard,
        settings: &Settings,
        out: &mut Vec<Action>,
    ) -> bool {
        let device = heard.device.as_deref();
        let named = metric.name.as_deref().filter(|name| !name.is_empty());
        let by_alias = |table: &Table, alias: u64| {
            table.by_alias(device, alias).map(|own| (own.device.clone(), own.name.clone()))
        };
        let own = |name: &str| (heard.device.clone(), name.to_owned());
        let known = match (metric.alias, named) {
            (Some(alias), None) => by_alias(&self.table, alias),
            (_, Some(name)) if self.table.by_name(device, name).is_some() => Some(own(name)),
            (Some(alias), Some(_)) if self.table.by_alias(device, alias).is_some() => {
                by_alias(&self.table, alias)
            }
            (_, Some(name)) if settings.lenient => {
                self.table.by_bare_name(device, name).map(|signal| own(&signal.name))
            }
            _ => None,
        };
        if let Some((device, name)) = known {
            self.take(metric, heard, (device.as_deref(), &name), false, out);
            return true;
        }
        let kind = DataType::from_number(metric.datatype.unwrap_or_default());
        let Some(name) = named.filter(|_| kind != DataType::Unknown) else {
            let name = named.map_or_else(
                || format!("alias {}", metric.alias.unwrap_or_default()),
                str::to_owned,
            );
            let reason = "the metric was not born, and a rebirth is asked for".to_owned();
            out.push(self.refusal("sparkplug_unborn", &name, reason));
            return false;
        };
        // Without a birth it still says its name and type itself: nothing need be lost.
        self.table.add(Signal {
            device: heard.device.clone(),
            name: name.to_owned(),
            alias: metric.alias,
            kind,
            is_transient: metric.is_transient == Some(true),
            leaves: BTreeMap::new(),
        });
        self.take(metric, heard, (device, name), true, out);
        false
    }

    /// Stores the leaves of a metric that the table knows by this device and name.
    fn take(
        &mut self,
        metric: &Metric,
        heard: &Heard,
        (device, name): (Option<&str>, &str),
        is_birth: bool,
        out: &mut Vec<Action>,
    ) {
        let is_own = name == BD_SEQ || name.ends_with(REBIRTH);
        let Some(signal) = self.table.by_name(device, name) else { return };
        if is_own || signal.is_transient || metric.is_transient == Some(true) {
            return;
        }
        let leaves = match value::leaves(metric, signal.kind, &signal.leaves) {
            Ok(leaves) => leaves,
            Err(misfit) => {
                out.push(self.refusal("sparkplug_value", name, misfit.to_string()));
                return;
            }
        };
        let said = properties::read(metric);
        let fresh: Vec<bool> =
            leaves.iter().map(|leaf| signal.met(&leaf.name, leaf.kind)).collect();
        let labels = self.labels(device, metric);
        let ts = moment(metric.timestamp).or_else(|| moment(heard.payload.timestamp));
        let ts = ts.unwrap_or(heard.received);
        for (leaf, fresh) in leaves.into_iter().zip(fresh) {
            let path = path(&self.id, device, name, &leaf.name);
            if is_birth || fresh {
                out.extend(definition(&path, &leaf, &said, &labels).map(Action::Define));
            }
            let quality = if leaf.quality.is_good() {
                said.quality.unwrap_or(Quality::GOOD)
            } else {
                leaf.quality
            };
            let point = Point::new(path, leaf.value).at(Some(ts)).with_quality(quality);
            out.push(Action::Sample(point));
        }
    }

    fn labels(&self, device: Option<&str>, metric: &Metric) -> Vec<(String, String)> {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut labels = vec![label("group", &self.id.group), label("node", &self.id.node)];
        labels.extend(device.map(|device| label("device", device)));
        for (name, value) in value::parameters(metric) {
            if labels.len() < tacitus_model::LABELS_MAX
                && labels.iter().all(|(own, _)| *own != name)
            {
                labels.push((name, value));
            }
        }
        labels
    }

    /// Asks for a rebirth, unless that was done a moment ago.
    pub(super) fn ask(&mut self, now: Timestamp, settings: &Settings, out: &mut Vec<Action>) {
        let waits = self.requests.last.is_some_and(|last| {
            let passed = elapsed_ms(last, now);
            passed < self.requests.wait_ms
        });
        if waits {
            self.requests.held_back += 1;
            return;
        }
        let doubled = self.requests.wait_ms.saturating_mul(2);
        self.requests.wait_ms = doubled.clamp(settings.rebirth_ms, settings.rebirth_ms_max);
        self.requests.last = Some(now);
        self.requests.sent += 1;
        out.push(Action::Publish(command::rebirth(&self.id, &self.rebirth_name(), now)));
    }

    /// The name the node was born with for the request; some put a prefix before it.
    fn rebirth_name(&self) -> String {
        let own: Vec<&str> = self.table.of(None).map(|signal| signal.name.as_str()).collect();
        let other = own.iter().find(|name| name.ends_with(REBIRTH));
        other.filter(|_| !own.contains(&REBIRTH)).map_or(REBIRTH, |name| name).to_owned()
    }

    fn refusal(&self, code: &'static str, name: &str, reason: String) -> Action {
        Action::Refuse { code, name: format!("{}/{name}", self.id), reason }
    }
}

/// The path of a leaf.
fn path(id: &NodeId, device: Option<&str>, name: &str, leaf: &str) -> String {
    let mut path = format!("{}/{}", id.group, id.node);
    let parts = device.into_iter().chain([name.trim_matches('/'), leaf]);
    for part in parts.filter(|part| !part.is_empty()) {
        path.push('/');
        path.push_str(part);
    }
    path
}

fn definition(
    path: &str,
    leaf: &Leaf,
    said: &properties::Properties,
    labels: &[(String, String)],
) -> Option<Definition> {
    let kind = leaf.kind.kind().or(leaf.value.kind())?;
    Some(Definition {
        path: path.to_owned(),
        kind,
        unit: said.unit.clone(),
        range: said.range.filter(|_| matches!(kind, Kind::Float | Kind::Int)),
        description: said.description.clone(),
        labels: labels.to_vec(),
    })
}

fn stale(path: String, at: Timestamp) -> Action {
    let quality = Quality::BAD_NO_COMMUNICATION;
    Action::Sample(Point::new(path, Value::Null).at(Some(at)).with_quality(quality))
}

/// A time in milliseconds; 0 is a clock that was never set.
fn moment(ms: Option<u64>) -> Option<Timestamp> {
    let ms = i64::try_from(ms.filter(|ms| *ms > 0)?).ok()?;
    Timestamp::from_units(ms, 1_000_000)
}

fn seq(payload: &Payload) -> Option<u8> {
    payload.seq.and_then(|seq| u8::try_from(seq).ok())
}

fn bd_seq(metric: &Metric) -> Option<u64> {
    if metric.name.as_deref() != Some(BD_SEQ) {
        return None;
    }
    match metric.value.as_ref()? {
        MetricValue::Long(number) => Some(*number),
        MetricValue::Int(number) => Some((*number).into()),
        _ => None,
    }
}

fn elapsed_ms(since: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.nanos().saturating_sub(since.nanos()) / 1_000_000).unwrap_or(0)
}
