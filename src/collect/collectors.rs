//! All collectors of a server: those of its configuration, and those defined while it runs.
//!
//! *Invariant.* A definition is on disk before its collector starts or changes, and the answer to
//! whoever defined it comes after both. Two changes never overlap. A collector of the
//! configuration is changed there only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use tacitus_storage::Document;

use super::limits::{COLLECTORS_MAX, DEFINITION_BYTES_MAX};
use super::{Collector, Definition, Kind, Parts, Phase, Problem, Running, State, Status};
use crate::documents::COLLECTORS;
use crate::keeper::{Keeper, NotKept};

/// Who said that a collector shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration.
    Configuration,
    /// A person, through HTTP.
    Definition,
}

impl Origin {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Definition => "definition",
        }
    }
}

/// One look at a collector.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who said that it shall be.
    pub origin: Origin,
    /// Whether it is kept from collecting.
    pub paused: bool,
    /// Its settings without secrets, where it was defined through HTTP.
    pub settings: Option<Map<String, Value>>,
    /// What its tags name as their source.
    pub source: String,
    /// What it does.
    pub status: Status,
}

/// Why a collector is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// There is none of this name.
    #[error("there is no collector \"{0}\"")]
    Unknown(String),
    /// It belongs to the configuration.
    #[error("the collector \"{0}\" stands in the configuration")]
    Configured(String),
    /// There is no such kind.
    #[error("there is no kind of collector \"{0}\"")]
    Kind(String),
    /// Its settings are not in order.
    #[error("the settings are not in order")]
    Settings(Vec<Problem>),
    /// There are as many as there may be.
    #[error("a server has at most {COLLECTORS_MAX} collectors")]
    TooMany,
    /// It is larger than a definition may be.
    #[error("a definition has at most {DEFINITION_BYTES_MAX} bytes")]
    TooLarge,
    /// The definition could not be kept, and nothing was changed.
    #[error("{0}")]
    NotKept(NotKept),
}

/// All collectors.
#[derive(Debug)]
pub struct Collectors {
    parts: Parts,
    keeper: Arc<dyn Keeper>,
    slots: Mutex<BTreeMap<String, Slot>>,
    /// Held for the length of a change.
    door: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Slot {
    /// `None` where what was kept is no longer in order.
    collector: Option<Arc<dyn Collector>>,
    definition: Option<Definition>,
    source: String,
    state: Arc<State>,
    paused: bool,
    running: Option<Running>,
}

impl Collectors {
    /// Starts the collectors of the configuration and those that were kept.
    #[must_use]
    pub fn start(
        configured: Vec<Arc<dyn Collector>>,
        parts: Parts,
        keeper: Arc<dyn Keeper>,
    ) -> Self {
        let mut slots = BTreeMap::new();
        for collector in configured {
            let name = collector.name().to_owned();
            slots.insert(name, Slot::start(collector, None, &parts));
        }
        for (key, body) in keeper.kept(COLLECTORS) {
            let name = String::from_utf8_lossy(&key).into_owned();
            if slots.contains_key(&name) {
                tracing::warn!(name, "the configuration hides a collector that was defined");
                continue;
            }
            match serde_json::from_slice::<Definition>(&body) {
                Ok(definition) => {
                    let slot = Slot::restore(&name, definition, &parts);
                    slots.insert(name, slot);
                }
                Err(error) => {
                    tracing::error!(name, %error, "a collector's definition is unreadable");
                }
            }
        }
        let door = tokio::sync::Mutex::new(());
        Self { parts, keeper, slots: Mutex::new(slots), door }
    }

    /// Every collector, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Entry> {
        self.slots().values().map(Slot::entry).collect()
    }

    /// One collector.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Entry> {
        self.slots().get(name).map(Slot::entry)
    }

    /// What a collector does.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<Arc<State>> {
        self.slots().get(name).map(|slot| Arc::clone(&slot.state))
    }

    /// Defines a collector, in place of the one of its name.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn define(&self, name: &str, definition: Definition) -> Result<Entry, Mistake> {
        let _door = self.door.lock().await;
        self.take(name, definition).await
    }

    async fn take(&self, name: &str, definition: Definition) -> Result<Entry, Mistake> {
        let collector = check(name, &definition)?;
        let number = {
            let slots = self.slots();
            if slots.get(name).is_some_and(|slot| slot.definition.is_none()) {
                return Err(Mistake::Configured(name.to_owned()));
            }
            slots.len() + usize::from(!slots.contains_key(name))
        };
        if number > COLLECTORS_MAX {
            return Err(Mistake::TooMany);
        }
        self.keep(name, Some(&definition)).await?;
        self.retire(name).await;
        let slot = Slot::start(collector, Some(definition), &self.parts);
        let entry = slot.entry();
        self.slots().insert(name.to_owned(), slot);
        Ok(entry)
    }

    /// Changes settings of a collector: `null` removes one.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn change(
        &self,
        name: &str,
        changes: Option<Map<String, Value>>,
        paused: Option<bool>,
    ) -> Result<Entry, Mistake> {
        let _door = self.door.lock().await;
        let known = self.slots().get(name).map(|slot| slot.definition.clone());
        let Some(definition) = known.ok_or_else(|| Mistake::Unknown(name.to_owned()))? else {
            if changes.is_some() {
                return Err(Mistake::Configured(name.to_owned()));
            }
            return self.pause_configured(name, paused).await;
        };
        let mut definition = definition.changed(changes.unwrap_or_default());
        definition.paused = paused.unwrap_or(definition.paused);
        self.take(name, definition).await
    }

    /// Removes a collector. Its tags and their histories stay.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn remove(&self, name: &str) -> Result<(), Mistake> {
        let _door = self.door.lock().await;
        let known = self.slots().get(name).map(|slot| slot.definition.is_some());
        match known {
            None => return Err(Mistake::Unknown(name.to_owned())),
            Some(false) => return Err(Mistake::Configured(name.to_owned())),
            Some(true) => {}
        }
        self.keep(name, None).await?;
        let source = self.retire(name).await;
        if let Some(source) = source {
            self.parts.gaps.abandon(&source, self.parts.clock.now());
        }
        Ok(())
    }

    /// Stops all, and returns when their last values are with the store.
    pub async fn stop(&self) {
        let _door = self.door.lock().await;
        let running: Vec<Running> =
            self.slots().values_mut().filter_map(|slot| slot.running.take()).collect();
        futures::future::join_all(running.into_iter().map(Running::stop)).await;
    }

    /// A collector of the configuration rests until it is resumed, or the server starts again.
    async fn pause_configured(&self, name: &str, paused: Option<bool>) -> Result<Entry, Mistake> {
        let unknown = || Mistake::Unknown(name.to_owned());
        let (running, collector) = {
            let mut slots = self.slots();
            let slot = slots.get_mut(name).ok_or_else(unknown)?;
            let paused = paused.unwrap_or(slot.paused);
            if paused == slot.paused {
                return Ok(slot.entry());
            }
            slot.paused = paused;
            (slot.running.take(), slot.collector.clone().filter(|_| !paused))
        };
        if let Some(running) = running {
            running.stop().await;
        }
        let mut slots = self.slots();
        let slot = slots.get_mut(name).ok_or_else(unknown)?;
        match collector {
            Some(collector) => *slot = Slot::start(collector, None, &self.parts),
            None => slot.state.phase(Phase::Paused),
        }
        Ok(slot.entry())
    }

    /// Stops a collector and takes it out. Returns its source.
    async fn retire(&self, name: &str) -> Option<String> {
        let slot = self.slots().remove(name)?;
        if let Some(running) = slot.running {
            running.stop().await;
        }
        Some(slot.source)
    }

    async fn keep(&self, name: &str, definition: Option<&Definition>) -> Result<(), Mistake> {
        let body = definition.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| Mistake::NotKept(NotKept(error.to_string())))?;
        if body.as_ref().is_some_and(|body| body.len() > DEFINITION_BYTES_MAX) {
            return Err(Mistake::TooLarge);
        }
        let record = Document { collection: COLLECTORS, key: name.as_bytes().to_vec(), body };
        self.keeper.keep(vec![record]).await.map_err(Mistake::NotKept)
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(name: &str, definition: &Definition) -> Result<Arc<dyn Collector>, Mistake> {
    let kind = Kind::find(&definition.kind);
    let kind = kind.ok_or_else(|| Mistake::Kind(definition.kind.clone()))?;
    (kind.check)(name, &definition.settings).map_err(Mistake::Settings)
}

impl Slot {
    fn start(collector: Arc<dyn Collector>, definition: Option<Definition>, parts: &Parts) -> Self {
        let paused = definition.as_ref().is_some_and(|definition| definition.paused);
        let running = (!paused).then(|| Running::start(&*collector, parts));
        let state = running.as_ref().map_or_else(
            || {
                let endpoint = collector.endpoint();
                let state = State::new(collector.name(), collector.kind(), &endpoint, &parts.clock);
                state.phase(Phase::Paused);
                Arc::new(state)
            },
            |running| Arc::clone(running.state()),
        );
        let source = collector.source();
        Self { collector: Some(collector), definition, source, state, paused, running }
    }

    /// A collector that was kept; one that is no longer in order stays to be seen and mended.
    fn restore(name: &str, definition: Definition, parts: &Parts) -> Self {
        match check(name, &definition) {
            Ok(collector) => Self::start(collector, Some(definition), parts),
            Err(mistake) => {
                let state = State::new(name, &definition.kind, "", &parts.clock);
                let text = match &mistake {
                    Mistake::Settings(problems) => {
                        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                    }
                    other => other.to_string(),
                };
                state.error(text);
                state.stopped();
                let source = format!("{}:{name}", definition.kind);
                let (paused, state) = (definition.paused, Arc::new(state));
                let definition = Some(definition);
                Self { collector: None, definition, source, state, paused, running: None }
            }
        }
    }

    fn entry(&self) -> Entry {
        let origin = match self.definition {
            Some(_) => Origin::Definition,
            None => Origin::Configuration,
        };
        Entry {
            origin,
            paused: self.paused,
            settings: self.definition.as_ref().map(Definition::shown),
            source: self.source.clone(),
            status: self.state.status(),
        }
    }
}
