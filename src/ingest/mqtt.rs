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
use tacitus_model::{Batch, PATH_BYTES_MAX, Sample, Tag};
use tacitus_protocol::payload;
use tacitus_protocol::topic::{Form, Rules, Verdict};
use tacitus_protocol::{Point, payload::Refusal as Undecoded};
use tacitus_storage::{Collection, Document};

use super::refusals::Refusal;
use super::resolve::{Origin, Reason};
use super::{Ingest, WriteError};
use crate::broker::{Incoming, Intake, Remembered, Span, StoreError, Story, StoryError};

/// LIMIT: each known topic is held with what became of it, a few hundred bytes; beyond, all are
/// learnt again.
const TOPICS_KNOWN_MAX: usize = 1 << 18;

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

/// Why a value is not kept.
enum Unkept {
    Undecoded(Undecoded),
    Unfit(Reason),
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
        let origin = Origin { source: SOURCE, form: form.as_ref(), now: message.received };
        match payload::bare_text(&message.payload, &self.settings) {
            Ok(Some(text)) => match self.bare(text, path, tag, origin) {
                Ok(sample) => batch.push(sample),
                Err(Unkept::Undecoded(error)) => self.undecoded(message, &error),
                Err(Unkept::Unfit(reason)) => self.unfit(message, path, &reason),
            },
            Ok(None) => self.take_json(message, path, origin, batch),
            Err(error) => self.undecoded(message, &error),
        }
    }

    /// The sample of a payload that is one value.
    fn bare(
        &self,
        text: &str,
        path: &str,
        tag: &OnceLock<Arc<Tag>>,
        origin: Origin<'_>,
    ) -> Result<Sample, Unkept> {
        let resolver = &self.ingest.resolver;
        let known = match tag.get() {
            Some(known) => Some(known),
            None => resolver.find(path).map(|found| tag.get_or_init(|| found)),
        };
        let fixed = origin.form.and_then(|form| form.kind);
        let kind = known.map(|tag| tag.definition.kind).or(fixed);
        let (value, quality) = payload::bare_value(text, kind).map_err(Unkept::Undecoded)?;
        let sample = if let Some(known) = known {
            resolver.arrived(known, value, quality, origin.now)
        } else {
            let mut point = Point::new(path, value).with_quality(quality);
            resolver.sample(&mut point, origin)
        };
        sample.map_err(Unkept::Unfit)
    }

    fn take_json(&self, message: &Incoming, path: &str, origin: Origin<'_>, batch: &mut Batch) {
        let points = match payload::decode(path, &message.payload, &self.settings) {
            Ok(points) => points,
            Err(error) => return self.undecoded(message, &error),
        };
        for mut point in points {
            match self.ingest.resolver.sample(&mut point, origin) {
                Ok(sample) => batch.push(sample),
                Err(reason) => self.unfit(message, &point.path, &reason),
            }
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
            // LIMIT: a topic longer than any path is rare, and up to 64 KiB long.
            if name.len() > PATH_BYTES_MAX {
                return topic;
            }
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
    async fn store(&self, group: &[Incoming], documents: Vec<Document>) -> Result<(), StoreError> {
        let mut batch = Batch::with_capacity(group.len());
        for message in group {
            self.take(message, &mut batch);
        }
        if batch.is_empty() && documents.is_empty() {
            return Ok(());
        }
        let stored = if !documents.is_empty() {
            self.ingest.write_with(vec![batch], documents).await.map(|_sequence| ())
        } else if group.iter().any(|message| message.qos > 0) {
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

    fn documents(&self, collection: Collection) -> Vec<Remembered> {
        self.ingest.documents(collection)
    }

    fn tell(&self, span: &Span) -> Result<Box<dyn Story>, StoryError> {
        self.ingest.tell(span)
    }
}
