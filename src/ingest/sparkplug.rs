//! The Sparkplug host of the server: it hears what nodes publish through the broker, and carries
//! out what the host decides.
//!
//! ```text
//! message ─▶ Host ─▶ actions ─▶ tags, samples, tables   into the batch of the message
//!   clock ─▶ tick ┘         └─▶ NCMD, STATE …           to the broker, by a task of their own
//! ```
//!
//! *Invariant.* Nothing waits for what is published or remembered: a full outbox drops it and says
//! so, and the host asks again.
//!
//! *Not here.* What a message means: `tacitus_protocol::sparkplug`.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tacitus_model::{Batch, Tag, TagChange, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::limits::SPARKPLUG_NODES_MAX;
use tacitus_protocol::sparkplug::{
    Action, CommandError, Definition, Host, NodeId, NodeStatus, Outgoing, Settings, Target, Topic,
    Verb,
};
use tacitus_storage::Document;
use tokio::sync::mpsc;

use super::Ingest;
use super::refusals::Refusal;
use super::resolve::Origin;
use crate::broker::{Incoming, Publisher};
use crate::documents::SPARKPLUG_ALIASES;
use crate::shutdown::Shutdown;

/// The source that tags of Sparkplug name.
const SOURCE: &str = "sparkplug";

/// LIMIT: messages that wait for the broker; requests for rebirths are rare and bounded by node.
const OUTBOX_MAX: usize = 4096;

/// How often the host looks at the time.
const TICK: Duration = Duration::from_millis(250);

/// LIMIT: how long the stop waits until the host has said that it goes.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// The host and its outbox.
#[derive(Debug)]
pub struct Sparkplug {
    host: Mutex<Host>,
    outbox: mpsc::Sender<Errand>,
    inbox: Mutex<Option<mpsc::Receiver<Errand>>>,
    /// The nodes that each client gave birth to. LIMIT: as many as the host knows nodes.
    nodes: Mutex<HashMap<Arc<str>, BTreeSet<NodeId>>>,
}

/// What is done after a message was taken.
#[derive(Debug)]
enum Errand {
    Publish(Outgoing),
    Keep(Document),
}

impl Sparkplug {
    /// A host that is not online yet, and knows what the one before it knew.
    #[must_use]
    pub fn open(settings: Settings, ingest: &Ingest) -> Self {
        let (outbox, inbox) = mpsc::channel(OUTBOX_MAX);
        let mut host = Host::new(settings);
        let now = ingest.clock.now();
        for (key, body) in ingest.resolver.documents(SPARKPLUG_ALIASES) {
            host.restore(&key, &body, now);
        }
        let inbox = Mutex::new(Some(inbox));
        Self { host: Mutex::new(host), outbox, inbox, nodes: Mutex::default() }
    }

    /// Takes a message of a node into the batch.
    pub(super) fn take(&self, ingest: &Ingest, message: &Incoming, batch: &mut Batch) {
        let Incoming { client, topic, payload, .. } = message;
        // Sparkplug's times are milliseconds.
        let received = message.received.quantised(1_000_000);
        if let Some(Topic::Message { verb: Verb::NodeBirth, id, .. }) = Topic::parse(topic) {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            if nodes.len() < SPARKPLUG_NODES_MAX {
                nodes.entry(Arc::clone(client)).or_default().insert(id);
            }
        }
        let mut actions = Vec::new();
        self.host().receive(topic, payload, received, &mut actions);
        note_times(ingest, topic, &actions);
        self.carry_out(ingest, actions, received, payload, batch);
    }

    /// A client's connection has ended: its nodes may be gone without a word.
    pub(super) fn left(&self, client: &str, now: Timestamp) {
        let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner).remove(client);
        let mut host = self.host();
        for id in nodes.into_iter().flatten() {
            host.left(&id, now.quantised(1_000_000));
        }
    }

    /// Is online until the server stops: sends what is to be sent, and looks at the time.
    pub async fn run(self: Arc<Self>, ingest: Ingest, publisher: Publisher, shutdown: Shutdown) {
        let inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut inbox) = inbox else { return };
        let mut tick = tokio::time::interval(TICK);
        let now = ingest.clock.now();
        let mut actions = Vec::new();
        self.host().start(now, &mut actions);
        self.do_all(&ingest, actions, now).await;
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                Some(errand) = inbox.recv() => do_one(&ingest, &publisher, errand).await,
                _ = tick.tick() => {
                    let now = ingest.clock.now().quantised(1_000_000);
                    let mut actions = Vec::new();
                    self.host().tick(now, &mut actions);
                    self.do_all(&ingest, actions, now).await;
                }
            }
        }
        // What was learnt last is kept; there is nobody left to be told anything.
        while let Ok(errand) = inbox.try_recv() {
            if matches!(errand, Errand::Keep(_)) {
                do_one(&ingest, &publisher, errand).await;
            }
        }
    }

    /// Says that the host goes, while there is still a broker to hear it.
    pub async fn farewell(&self, now: Timestamp, publisher: &Publisher) {
        let mut actions = Vec::new();
        self.host().stop(now, &mut actions);
        let said = async {
            for action in actions {
                if let Action::Publish(Outgoing { topic, payload, qos, retain }) = action {
                    publisher.publish(&topic, &payload, qos, retain).await;
                }
            }
        };
        if tokio::time::timeout(FAREWELL_MAX, said).await.is_err() {
            tracing::warn!("the Sparkplug host could not say that it goes");
        }
    }

    /// Sends a command to a node or device.
    ///
    /// # Errors
    /// Why there can be none, or that the outbox is full.
    pub(crate) fn command(
        &self,
        target: &Target,
        values: &[(String, Value)],
        now: Timestamp,
    ) -> Result<(), Uncommanded> {
        let message = self.host().command(target, values, now).map_err(Uncommanded::Wrong)?;
        self.outbox.try_send(Errand::Publish(message)).map_err(|_full| Uncommanded::Busy)
    }

    /// How every node is.
    pub(crate) fn nodes(&self) -> Vec<NodeStatus> {
        self.host().nodes()
    }

    async fn do_all(&self, ingest: &Ingest, actions: Vec<Action>, now: Timestamp) {
        let mut batch = Batch::default();
        self.carry_out(ingest, actions, now, b"", &mut batch);
        if !batch.is_empty()
            && let Err(error) = ingest.enqueue(batch).await
        {
            tracing::warn!(%error, "stale values were not kept");
        }
    }

    fn carry_out(
        &self,
        ingest: &Ingest,
        actions: Vec<Action>,
        now: Timestamp,
        payload: &[u8],
        batch: &mut Batch,
    ) {
        let origin = Origin { source: SOURCE, form: None, now, is_unheard: true };
        let refuse = |code, name: &str, reason: &str| {
            let refusal = Refusal::new(now, SOURCE, name, (code, reason), payload);
            ingest.refusals.add(refusal);
        };
        for action in actions {
            match action {
                Action::Define(definition) => {
                    if let Err((code, reason)) = define(ingest, &definition) {
                        refuse(code, &definition.path, &reason);
                    }
                }
                Action::Sample(mut point) => match ingest.resolver.sample(&mut point, origin) {
                    Ok(sample) => batch.push(sample),
                    Err(reason) => refuse(reason.code(), &point.path, &reason.to_string()),
                },
                Action::Publish(message) => self.send_on(Errand::Publish(message)),
                Action::Remember { key, body } => {
                    let collection = SPARKPLUG_ALIASES;
                    self.send_on(Errand::Keep(Document { collection, key, body: Some(body) }));
                }
                Action::Refuse { code, name, reason } => refuse(code, &name, &reason),
            }
        }
    }

    fn send_on(&self, errand: Errand) {
        if self.outbox.try_send(errand).is_err() {
            tracing::warn!(
                "the outbox of the Sparkplug host is full: a message or table is left out"
            );
        }
    }

    fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn do_one(ingest: &Ingest, publisher: &Publisher, errand: Errand) {
    match errand {
        Errand::Publish(Outgoing { topic, payload, qos, retain }) => {
            publisher.publish(&topic, &payload, qos, retain).await;
        }
        Errand::Keep(document) => {
            // Without it the node is asked to be born again after a restart.
            if let Err(error) = ingest.write_with(Vec::new(), vec![document]).await {
                tracing::warn!(%error, "the table of a Sparkplug node was not kept");
            }
        }
    }
}

/// Why a command was not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Uncommanded {
    /// The command makes no sense.
    #[error("{0}")]
    Wrong(CommandError),
    /// The broker is behind.
    #[error("the broker is behind")]
    Busy,
}

/// Takes note of the times that a node gave its values. Those of a death are the host's.
fn note_times(ingest: &Ingest, topic: &str, actions: &[Action]) {
    let Some(Topic::Message { verb, id, .. }) = Topic::parse(topic) else { return };
    if !matches!(verb, Verb::NodeBirth | Verb::NodeData | Verb::DeviceBirth | Verb::DeviceData) {
        return;
    }
    let times = actions.iter().filter_map(|action| match action {
        Action::Sample(point) => point.ts,
        _ => None,
    });
    if let Some(newest) = times.max() {
        ingest.sources().heard(&format!("{SOURCE}:{}/{}", id.group, id.node), newest);
    }
}

/// Makes the tag of a birth, or has a known one say what the birth says.
fn define(ingest: &Ingest, birth: &Definition) -> Result<(), (&'static str, String)> {
    let catalog = ingest.resolver.catalog();
    let invalid = |error: &dyn std::fmt::Display| ("definition", error.to_string());
    let Some(tag) = catalog.find(&birth.path) else {
        let path = TagPath::new(&birth.path).map_err(|error| ("path", error.to_string()))?;
        let definition = TagDefinition {
            unit: birth.unit.clone(),
            range: birth.range,
            description: birth.description.clone(),
            labels: birth.labels.clone(),
            ..TagDefinition::new(path, birth.kind, SOURCE)
        };
        return ingest
            .resolver
            .define(definition)
            .map(|_tag| ())
            .map_err(|reason| (reason.code(), reason.to_string()));
    };
    let changes = changes(&tag, birth);
    if changes.is_empty() {
        return Ok(());
    }
    catalog.redefine(tag.id, changes).map(|_tag| ()).map_err(|error| invalid(&error))
}

/// What a birth says otherwise than the tag. What it does not say stays as it is.
fn changes(tag: &Tag, birth: &Definition) -> Vec<TagChange> {
    let now = &tag.definition;
    let mut changes = Vec::new();
    if !birth.unit.is_empty() && birth.unit != now.unit {
        changes.push(TagChange::Unit(birth.unit.clone()));
    }
    if !birth.description.is_empty() && birth.description != now.description {
        changes.push(TagChange::Description(birth.description.clone()));
    }
    if birth.range.is_some() && birth.range != now.range {
        changes.push(TagChange::Range(birth.range));
    }
    changes
}
