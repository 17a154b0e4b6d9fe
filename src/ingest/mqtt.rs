//! What MQTT clients publish, as samples.
//!
//! ```text
//! topic ─▶ rules (once a topic) ─▶ payload ─▶ samples ─▶ one write for the whole group
//! ```
//!
//! *Invariant.* A message that fits no rule or cannot be decoded never holds up another: it is
//! counted, remembered and passed over, and its sender is acknowledged, because sending it again
//! would not help.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use tacitus_model::{Batch, Tag};
use tacitus_protocol::payload;
use tacitus_protocol::topic::{Form, Rules, Verdict};
use tacitus_protocol::{Point, payload::Refusal as Undecoded};

use super::refusals::Refusal;
use super::resolve::{Origin, Reason};
use super::{Ingest, WriteError};
use crate::broker::{Incoming, Intake, StoreError};

/// LIMIT: each known topic is held with what became of it; beyond, all are learnt again.
const TOPICS_KNOWN_MAX: usize = 1 << 20;

/// The source that tags of MQTT topics name.
const SOURCE: &str = "mqtt";

/// The historian's ear in the broker.
#[derive(Debug)]
pub struct Mqtt {
    ingest: Ingest,
    rules: Rules,
    settings: payload::Settings,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
}

/// What the rules say of a topic.
#[derive(Debug)]
enum Topic {
    Leave,
    Take {
        path: String,
        form: Option<Form>,
        /// The tag of its bare payloads, once there was one.
        tag: OnceLock<Arc<Tag>>,
    },
}

impl Mqtt {
    /// Listens by these rules.
    pub fn new(ingest: Ingest, rules: Rules, settings: payload::Settings) -> Self {
        Self { ingest, rules, settings, topics: RwLock::default() }
    }

    /// Adds the samples of one message to the batch.
    pub(super) fn take(&self, message: &Incoming, batch: &mut Batch) {
        // An empty payload with the retain flag only clears what the broker retained.
        if message.payload.is_empty() && message.retain {
            return;
        }
        let topic = self.topic(&message.topic);
        let Topic::Take { path, form, tag } = &*topic else { return };
        let bare = match payload::decode_bare(&message.payload, &self.settings) {
            Ok(bare) => bare,
            Err(error) => return self.undecoded(message, &error),
        };
        let resolver = &self.ingest.resolver;
        if let (Some((value, quality)), Some(tag)) = (&bare, tag.get()) {
            return match resolver.arrived(tag, value.clone(), *quality, message.received) {
                Ok(sample) => batch.push(sample),
                Err(reason) => self.unfit(message, path, &reason),
            };
        }
        let origin = Origin { source: SOURCE, form: form.as_ref(), now: message.received };
        if let Some((value, quality)) = bare {
            let mut point = Point::new(path.as_str(), value).with_quality(quality);
            match resolver.sample(&mut point, origin) {
                Ok((known, sample)) => {
                    tag.get_or_init(|| known);
                    batch.push(sample);
                }
                Err(reason) => self.unfit(message, path, &reason),
            }
            return;
        }
        match payload::decode(path, &message.payload, &self.settings) {
            Ok(points) => {
                for mut point in points {
                    match resolver.sample(&mut point, origin) {
                        Ok((_tag, sample)) => batch.push(sample),
                        Err(reason) => self.unfit(message, &point.path, &reason),
                    }
                }
            }
            Err(error) => self.undecoded(message, &error),
        }
    }

    /// What the rules say of a topic, found once.
    fn topic(&self, name: &Arc<str>) -> Arc<Topic> {
        let known = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| {
            let topic = Arc::new(match self.rules.apply(name) {
                Verdict::Leave => Topic::Leave,
                Verdict::Take { path, form } => {
                    Topic::Take { path, form: form.cloned(), tag: OnceLock::new() }
                }
            });
            let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
            if topics.len() >= TOPICS_KNOWN_MAX {
                topics.clear();
            }
            topics.insert(Arc::clone(name), Arc::clone(&topic));
            topic
        })
    }

    fn undecoded(&self, message: &Incoming, error: &Undecoded) {
        self.refuse(error.code(), message, &message.topic, &error.to_string());
    }

    fn unfit(&self, message: &Incoming, path: &str, reason: &Reason) {
        self.refuse(reason.code(), message, path, &reason.to_string());
    }

    fn refuse(&self, code: &'static str, message: &Incoming, name: &str, reason: &str) {
        let source = format!("{SOURCE}:{}", message.client);
        let refusal = Refusal::new(message.received, &source, name, reason, &message.payload);
        self.ingest.refusals.add(code, refusal);
    }
}

#[async_trait]
impl Intake for Mqtt {
    async fn store(&self, group: &[Incoming]) -> Result<(), StoreError> {
        let mut batch = Batch::with_capacity(group.len());
        for message in group {
            self.take(message, &mut batch);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let stored = if group.iter().any(|message| message.qos > 0) {
            self.ingest.write(batch).await.map(|_sequence| ())
        } else {
            self.ingest.enqueue(batch).await
        };
        stored.map_err(|error| match error {
            WriteError::Full => StoreError::Full,
            WriteError::Busy => StoreError::Busy,
            WriteError::Invalid | WriteError::Poisoned | WriteError::Stopped => StoreError::Failed,
        })
    }
}
