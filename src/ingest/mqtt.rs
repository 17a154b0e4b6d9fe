//! What MQTT clients publish, as samples.
//!
//! ```text
//! topic ─▶ rules (once a topic) ─▶ profile, payload ─▶ samples ─▶ one write for the whole group
//! ```
//!
//! *Invariant.* A message that fits no rule or cannot be decoded never holds up another: it is
//! counted, remembered and passed over, and its sender is acknowledged, because sending it again
//! would not help.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use tacitus_model::{Batch, PATH_BYTES_MAX, Sample, Tag};
use tacitus_protocol::Point;
use tacitus_protocol::payload::{self, Base, Profile, Refusal as Undecoded};
use tacitus_protocol::sparkplug;
use tacitus_protocol::topic::{Form, Rules, Verdict};
use tacitus_storage::{Collection, Document};

use super::refusals::Refusal;
use super::resolve::{Origin, Reason};
use super::trial::{self, Trial};
use super::{Ingest, Sparkplug, WriteError};
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
    sparkplug: Option<Arc<Sparkplug>>,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
}

/// What the rules say of a topic.
#[derive(Debug)]
enum Topic {
    Leave,
    Take(Box<Taken>),
}

/// What becomes of a topic that is stored.
#[derive(Debug)]
struct Taken {
    /// The path that a rule gives.
    path: Option<String>,
    /// Whether it is one of Sparkplug's topics, and no rule says what it is.
    is_sparkplug: bool,
    form: Form,
    /// What its bare payloads are named.
    bare: Base,
    /// The tag of its bare payloads, once there was one.
    tag: OnceLock<Arc<Tag>>,
}

/// Why a value is not kept.
enum Unkept {
    Undecoded(Undecoded),
    Unfit(Reason),
}

impl Mqtt {
    /// Listens by these rules.
    pub fn new(ingest: Ingest, rules: Rules, settings: payload::Settings) -> Self {
        Self { ingest, rules, settings, sparkplug: None, topics: RwLock::default() }
    }

    /// The same with a host for what comes under the topics of Sparkplug.
    #[must_use]
    pub fn with_sparkplug(self, host: Option<Arc<Sparkplug>>) -> Self {
        Self { sparkplug: host, ..self }
    }

    /// The host of Sparkplug, where there is one.
    pub(crate) fn sparkplug(&self) -> Option<&Arc<Sparkplug>> {
        self.sparkplug.as_ref()
    }

    /// Adds the samples of one message to the batch.
    pub(super) fn take(&self, message: &Incoming, batch: &mut Batch) {
        // An empty payload with the retain flag only clears what the broker retained.
        if message.payload.is_empty() && message.retain {
            return;
        }
        let topic = self.topic(&message.topic);
        let Topic::Take(taken) = &*topic else { return };
        if let Some(host) = self.sparkplug.as_ref().filter(|_| taken.is_sparkplug) {
            return host.take(&self.ingest, message, batch);
        }
        let origin = Origin {
            source: SOURCE,
            form: Some(&taken.form),
            now: message.received,
            is_unheard: true,
        };
        let forced = taken.form.choice.profile;
        if forced.is_some_and(|profile| profile != Profile::Plain) {
            return self.take_whole(message, taken, origin, batch);
        }
        match payload::bare_text(&message.payload, &self.settings) {
            Ok(Some(text)) => match self.bare(text, taken, origin) {
                Ok(sample) => batch.push(sample),
                Err(Unkept::Undecoded(error)) => self.undecoded(message, &error),
                Err(Unkept::Unfit(reason)) => self.unfit(message, &taken.bare.path, &reason),
            },
            Ok(None) => self.take_whole(message, taken, origin, batch),
            Err(error) => self.undecoded(message, &error),
        }
    }

    /// The sample of a payload that is one value.
    fn bare(&self, text: &str, taken: &Taken, origin: Origin<'_>) -> Result<Sample, Unkept> {
        let resolver = &self.ingest.resolver;
        let Taken { bare, tag, form, .. } = taken;
        let known = match tag.get() {
            Some(known) => Some(known),
            None => resolver.find(&bare.path).map(|found| tag.get_or_init(|| found)),
        };
        let kind = known.map(|tag| tag.definition.kind).or(form.kind);
        let (value, quality) = payload::bare_value(text, kind).map_err(Unkept::Undecoded)?;
        if let Some(known) = known
            && let Ok(sample) = resolver.arrived(known, &value, quality, origin.now)
        {
            return Ok(sample);
        }
        let labels = bare.labels.as_slice().into();
        let point = Point::new(&bare.path, value).with_quality(quality);
        resolver.sample(&mut Point { labels, ..point }, origin).map_err(Unkept::Unfit)
    }

    fn take_whole(&self, message: &Incoming, taken: &Taken, origin: Origin<'_>, batch: &mut Batch) {
        let whole = payload::Message {
            topic: &message.topic,
            payload: &message.payload,
            received: message.received,
            path: taken.path.as_deref(),
            choice: &taken.form.choice,
        };
        let points = match payload::read(&whole, &self.settings) {
            Ok(decoded) => decoded.points,
            Err(error) => return self.undecoded(message, &error),
        };
        if points.iter().any(|point| point.ts.is_some()) {
            self.ingest.heard(&format!("{SOURCE}:{}", message.client), &points);
        }
        for mut point in points {
            match self.ingest.resolver.sample(&mut point, origin) {
                Ok(sample) => batch.push(sample),
                Err(reason) => self.unfit(message, &point.path, &reason),
            }
        }
    }

    /// What a message would become, with nothing stored.
    pub(crate) fn try_out(&self, topic: &str, payload: &[u8]) -> Trial {
        let find = |path: &str| self.ingest.resolver.find(path);
        trial::run(&self.rules, &self.settings, topic, payload, self.ingest.clock.now(), &find)
    }

    /// What the rules say of a topic, found once.
    fn topic(&self, name: &Arc<str>) -> Arc<Topic> {
        let known = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| {
            let topic = Arc::new(match self.rules.apply(name) {
                Verdict::Leave => Topic::Leave,
                Verdict::Take { path, form, .. } => {
                    let profile = Profile::of_topic(name).unwrap_or(Profile::Plain);
                    let bare = payload::base(profile, name, path.as_deref());
                    let is_sparkplug =
                        sparkplug::is_sparkplug(name) && form.choice.profile.is_none();
                    let tag = OnceLock::new();
                    Topic::Take(Box::new(Taken { path, is_sparkplug, form, bare, tag }))
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
        let why = (code, reason);
        let refusal = Refusal::new(message.received, &source, name, why, &message.payload);
        self.ingest.refusals.add(refusal);
    }
}

#[async_trait]
impl Intake for Mqtt {
    async fn store(&self, group: &[Incoming], documents: Vec<Document>) -> Result<(), StoreError> {
        let mut batch = Batch::with_capacity(group.len());
        // One look a group and client is enough to know who is there.
        let mut told = "";
        for message in group {
            self.take(message, &mut batch);
            if *message.client != *told && !sparkplug::is_sparkplug(&message.topic) {
                told = &message.client;
                self.ingest.sources.arrived(&format!("{SOURCE}:{told}"));
            }
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

    fn left(&self, client: &str) {
        if let Some(host) = &self.sparkplug {
            host.left(client, self.ingest.clock.now());
        }
    }

    fn documents(&self, collection: Collection) -> Vec<Remembered> {
        self.ingest.documents(collection)
    }

    fn tell(&self, span: &Span) -> Result<Box<dyn Story>, StoryError> {
        self.ingest.tell(span)
    }
}
