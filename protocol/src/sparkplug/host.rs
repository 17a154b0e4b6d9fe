//! The host application: every node it knows, its own state, and commands.
//!
//! *Invariant.* After [`Host::start`] the host is told to be online, with the time of its will,
//! until [`Host::stop`]; what others say of it is corrected at once.

use std::collections::BTreeMap;

use tacitus_model::{Timestamp, Value};

use super::command::{self, CommandError};
use super::datatype::DataType;
use super::node::{Heard, Node};
use super::topic::{NodeId, Topic, Verb};
use super::{Action, Outgoing, Settings, rendering, state, wire};
use crate::limits::{SPARKPLUG_KNOWN_MAX, SPARKPLUG_NODES_MAX};

/// Where the births of a server that knows Sparkplug are retained.
const CERTIFICATES: &str = "$sparkplug/certificates/";

/// Who is commanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub id: NodeId,
    /// Its device; `None`: the node itself.
    pub device: Option<String>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Which.
    pub id: NodeId,
    /// Whether it was born and has not died.
    pub online: bool,
    /// The number of its session.
    pub bd_seq: Option<u64>,
    /// How many metrics it and its devices have.
    pub metrics: usize,
    /// Its devices, and whether each is there.
    pub devices: BTreeMap<String, bool>,
    /// How often it was born.
    pub births: u64,
    /// How often it died.
    pub deaths: u64,
    /// How often it was asked to be born again, and how often that was put off.
    pub rebirths: (u64, u64),
    /// Its last message.
    pub last: Option<Timestamp>,
}

/// The host.
#[derive(Debug)]
pub struct Host {
    settings: Settings,
    nodes: BTreeMap<NodeId, Node>,
    /// The time of the will, while it is online.
    session: Option<Timestamp>,
    metrics_known: usize,
}

impl Host {
    /// A host that knows nothing yet and is not online.
    #[must_use]
    pub const fn new(settings: Settings) -> Self {
        Self { settings, nodes: BTreeMap::new(), session: None, metrics_known: 0 }
    }

    /// Its settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes back a table that an [`Action::Remember`] kept; a body of another version is passed
    /// over, and the node asked to be born again when it speaks.
    pub fn restore(&mut self, key: &[u8], body: &[u8], now: Timestamp) {
        let Some((group, node)) = std::str::from_utf8(key).ok().and_then(|key| key.split_once('/'))
        else {
            return;
        };
        let id = NodeId { group: group.to_owned(), node: node.to_owned() };
        if self.nodes.len() < SPARKPLUG_NODES_MAX
            && let Some(node) = Node::restored(id.clone(), body, now)
        {
            self.metrics_known += node.table.len();
            self.nodes.insert(id, node);
        }
    }

    /// The will to connect with, and by that the start of a session at `now`.
    pub fn will(&mut self, now: Timestamp) -> Outgoing {
        self.session = Some(now);
        state::message(&self.settings.host, false, now)
    }

    /// The filters to subscribe to, before the birth is published.
    #[must_use]
    pub fn filters(&self) -> Vec<String> {
        vec!["spBv1.0/#".to_owned(), format!("spBv1.0/STATE/{}", self.settings.host)]
    }

    /// The birth: online, with the time of the will.
    pub fn birth(&self) -> Option<Outgoing> {
        self.session.map(|at| state::message(&self.settings.host, true, at))
    }

    /// Begins a session without a connection of its own, as part of the broker.
    pub fn start(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        let _will = self.will(now);
        out.extend(self.birth().map(Action::Publish));
    }

    /// Ends the session on purpose: the death, to be sent before a DISCONNECT.
    pub fn stop(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        if self.session.take().is_some() {
            out.push(Action::Publish(state::message(&self.settings.host, false, now)));
        }
    }

    /// Takes a message.
    pub fn receive(
        &mut self,
        topic: &str,
        payload: &[u8],
        received: Timestamp,
        out: &mut Vec<Action>,
    ) {
        let refuse = |code, reason: String| Action::Refuse { code, name: topic.to_owned(), reason };
        let (verb, id, device) = match Topic::parse(topic) {
            Some(Topic::State { host }) => return self.hear_state(&host, payload, out),
            Some(Topic::Message { verb: Verb::NodeCommand | Verb::DeviceCommand, .. }) => return,
            Some(Topic::Message { verb, id, device }) => (verb, id, device),
            None => {
                let reason = "the topic is none of Sparkplug B".to_owned();
                return out.push(refuse("sparkplug_topic", reason));
            }
        };
        let rendered = payload.first() == Some(&b'{');
        let read = if rendered { rendering::read(payload) } else { wire::decode(payload) };
        let read = match read {
            Ok(read) => read,
            Err(error) => return out.push(refuse("sparkplug_payload", error.to_string())),
        };
        let is_birth = matches!(verb, Verb::NodeBirth | Verb::DeviceBirth);
        let is_new = !self.nodes.contains_key(&id);
        if is_new && self.nodes.len() >= SPARKPLUG_NODES_MAX {
            let reason = format!("there are {SPARKPLUG_NODES_MAX} nodes already");
            return out.push(refuse("sparkplug_nodes", reason));
        }
        if is_birth && self.metrics_known + read.metrics.len() > SPARKPLUG_KNOWN_MAX {
            let reason = format!("the nodes have {SPARKPLUG_KNOWN_MAX} metrics already");
            return out.push(refuse("sparkplug_metrics", reason));
        }
        // A death of a node that was never heard of has nothing to end.
        if is_new && verb == Verb::NodeDeath {
            return;
        }
        let node = self.nodes.entry(id.clone()).or_insert_with(|| Node::new(id));
        let before = node.table.len();
        node.hear(Heard { verb, device, payload: read, received }, &self.settings, out);
        self.metrics_known = self.metrics_known.saturating_sub(before) + node.table.len();
        if is_birth {
            out.push(Action::Publish(Outgoing {
                topic: format!("{CERTIFICATES}{topic}"),
                payload: payload.to_vec(),
                qos: 0,
                retain: true,
            }));
        }
    }

    fn hear_state(&self, host: &str, payload: &[u8], out: &mut Vec<Action>) {
        if host == self.settings.host && state::read(payload) == Some(false) {
            out.extend(self.birth().map(Action::Publish));
        }
    }

    /// The connection of a node has ended. If it does not speak again soon, it died at `at`
    /// without a word.
    pub fn left(&mut self, id: &NodeId, at: Timestamp) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.left(at);
        }
    }

    /// Does what time alone brings about; to be called about every second.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        for node in self.nodes.values_mut() {
            node.tick(now, &self.settings, out);
        }
    }

    /// A command: new values for metrics.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn command(
        &mut self,
        target: &Target,
        values: &[(String, Value)],
        now: Timestamp,
    ) -> Result<Outgoing, CommandError> {
        let Target { id, device } = target;
        let unborn = || CommandError::Unborn(device.as_ref().unwrap_or(&id.node).clone());
        let node = self.nodes.get_mut(id).ok_or_else(unborn)?;
        let mut metrics = Vec::with_capacity(values.len());
        for (name, value) in values {
            let signal = node.table.by_name(device.as_deref(), name);
            let kind = match signal.map(|signal| signal.kind) {
                Some(kind) => kind,
                // Every node has it, whether or not it says so.
                None if device.is_none() && name == command::REBIRTH => DataType::Boolean,
                None => {
                    return Err(CommandError::NoMetric(
                        device.as_ref().unwrap_or(&id.node).clone(),
                        name.clone(),
                    ));
                }
            };
            if kind.kind().is_none() {
                return Err(CommandError::NoScalar(name.clone(), kind.name()));
            }
            let carried = match value {
                Value::Null => None,
                value => Some(
                    command::carried(value, kind)
                        .ok_or_else(|| CommandError::Misfit(name.clone(), kind.name()))?,
                ),
            };
            metrics.push(command::metric(name, kind, carried, now));
        }
        Ok(command::message(id, device.as_deref(), metrics, now))
    }

    /// How every node is.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeStatus> {
        let status = |node: &Node| NodeStatus {
            id: node.id.clone(),
            online: node.online,
            bd_seq: node.bd_seq,
            metrics: node.table.len(),
            devices: node.devices.clone(),
            births: node.births,
            deaths: node.deaths,
            rebirths: node.requests_sent(),
            last: node.last,
        };
        self.nodes.values().map(status).collect()
    }
}
