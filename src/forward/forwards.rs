//! All forwarders of a server: those of its configuration, and those defined while it runs.
//!
//! *Invariant.* A definition is on disk before its forwarder starts or changes, and the answer to
//! whoever defined it comes after both. Two changes never overlap. What a forwarder has not sent is
//! held in the store from before upkeep begins until the forwarder is removed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tacitus_storage::{Document, Engine};
use tokio::task::JoinHandle;

use super::cursor::Cursor;
use super::limits::{DEFINITION_BYTES_MAX, FORWARDS_MAX};
use super::sender::{Parts, Sender, holder, record, watch};
use super::settings::{SECRETS, Settings, Start, check};
use super::state::{State, Status};
use crate::collect::{Origin, Phase, Problem, changed, shown};
use crate::documents::{CURSORS, FORWARDS};
use crate::keeper::NotKept;
use crate::shutdown::Trigger;

/// A forwarder as a person defined it through HTTP, and as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Whether it is kept from sending.
    #[serde(default)]
    pub paused: bool,
    /// What there is to set.
    #[serde(default)]
    pub settings: Map<String, Value>,
}

/// One look at a forwarder.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who said that it shall be.
    pub origin: Origin,
    /// Whether it is kept from sending.
    pub paused: bool,
    /// Its settings without secrets, where it was defined through HTTP.
    pub settings: Option<Map<String, Value>>,
    /// What it does.
    pub status: Status,
}

/// Why a forwarder is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// There is none of this name.
    #[error("there is no forwarder \"{0}\"")]
    Unknown(String),
    /// It belongs to the configuration.
    #[error("the forwarder \"{0}\" stands in the configuration")]
    Configured(String),
    /// Its settings are not in order.
    #[error("the settings are not in order")]
    Settings(Vec<Problem>),
    /// There are as many as there may be.
    #[error("a server has at most {FORWARDS_MAX} forwarders")]
    TooMany,
    /// It is larger than a definition may be.
    #[error("a definition has at most {DEFINITION_BYTES_MAX} bytes")]
    TooLarge,
    /// The definition could not be kept, and nothing was changed.
    #[error("{0}")]
    NotKept(NotKept),
}

/// All forwarders.
pub struct Forwards {
    parts: Parts,
    slots: Mutex<BTreeMap<String, Slot>>,
    /// Held for the length of a change.
    door: tokio::sync::Mutex<()>,
}

struct Slot {
    settings: Settings,
    /// `None`: it stands in the configuration.
    definition: Option<Definition>,
    paused: bool,
    state: Arc<State>,
    running: Option<(Trigger, JoinHandle<()>)>,
}

/// Holds what the forwarders have not sent, as their cursors say. To be called before upkeep.
pub fn hold_what_waits(engine: &Engine) {
    for (key, body) in engine.documents(CURSORS) {
        let name = String::from_utf8_lossy(&key);
        if let Some(cursor) = Cursor::read(&body) {
            engine.hold(&holder(&name), cursor.through());
        } else {
            tracing::error!(%name, "the cursor of a forwarder is unreadable");
        }
    }
}

impl Forwards {
    /// Starts the forwarders of the configuration and those that were kept; forgets the cursors of
    /// all others.
    pub async fn start(configured: Vec<Settings>, parts: Parts) -> Self {
        let slots = Mutex::default();
        let forwards = Self { parts, slots, door: tokio::sync::Mutex::new(()) };
        for settings in configured {
            forwards.begin(settings, None).await;
        }
        for (key, body) in forwards.parts.keeper.kept(FORWARDS) {
            let name = String::from_utf8_lossy(&key).into_owned();
            if forwards.slots().contains_key(&name) {
                tracing::warn!(name, "the configuration hides a forwarder that was defined");
                continue;
            }
            let definition = serde_json::from_slice::<Definition>(&body);
            let checked = definition.map(|own| (check(&name, &own.settings), own));
            match checked {
                Ok((Ok(settings), definition)) => forwards.begin(settings, Some(definition)).await,
                Ok((Err(problems), _)) => {
                    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    let problems = problems.join(", ");
                    tracing::error!(name, problems, "a forwarder's definition is out of order");
                    // Nobody would bound it.
                    forwards.parts.engine.release(&holder(&name));
                }
                Err(error) => {
                    tracing::error!(name, %error, "a forwarder's definition is unreadable");
                    forwards.parts.engine.release(&holder(&name));
                }
            }
        }
        forwards.forget_others().await;
        forwards
    }

    /// Every forwarder, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Entry> {
        self.slots().values().map(|slot| self.entry(slot)).collect()
    }

    /// One forwarder.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Entry> {
        self.slots().get(name).map(|slot| self.entry(slot))
    }

    /// Defines a forwarder, in place of the one of its name, whose cursor it goes on with.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn define(&self, name: &str, definition: Definition) -> Result<Entry, Mistake> {
        let _door = self.door.lock().await;
        self.take(name, definition).await
    }

    async fn take(&self, name: &str, definition: Definition) -> Result<Entry, Mistake> {
        let settings = check(name, &definition.settings).map_err(Mistake::Settings)?;
        let number = {
            let slots = self.slots();
            if slots.get(name).is_some_and(|slot| slot.definition.is_none()) {
                return Err(Mistake::Configured(name.to_owned()));
            }
            slots.len() + usize::from(!slots.contains_key(name))
        };
        if number > FORWARDS_MAX {
            return Err(Mistake::TooMany);
        }
        let body = serde_json::to_vec(&definition);
        let body = body.map_err(|error| Mistake::NotKept(NotKept(error.to_string())))?;
        if body.len() > DEFINITION_BYTES_MAX {
            return Err(Mistake::TooLarge);
        }
        let key = name.as_bytes().to_vec();
        let record = Document { collection: FORWARDS, key, body: Some(body) };
        self.parts.keeper.keep(vec![record]).await.map_err(Mistake::NotKept)?;
        self.end(name).await;
        self.begin(settings, Some(definition)).await;
        self.get(name).ok_or_else(|| Mistake::Unknown(name.to_owned()))
    }

    /// Changes settings of a forwarder: `null` removes one.
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
        let unknown = || Mistake::Unknown(name.to_owned());
        let known = self.slots().get(name).map(|slot| slot.definition.clone());
        if let Some(definition) = known.ok_or_else(unknown)? {
            let settings = changed(&definition.settings, changes.unwrap_or_default());
            let paused = paused.unwrap_or(definition.paused);
            return self.take(name, Definition { paused, settings }).await;
        }
        if changes.is_some() {
            return Err(Mistake::Configured(name.to_owned()));
        }
        // One of the configuration rests until it is resumed, or the server starts again.
        let slot = self.end(name).await.ok_or_else(unknown)?;
        let slot = self.started(slot.settings, None, paused.unwrap_or(slot.paused), slot.state);
        let entry = self.entry(&slot);
        self.slots().insert(name.to_owned(), slot);
        Ok(entry)
    }

    /// Removes a forwarder: what it has not sent is held no longer.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn remove(&self, name: &str) -> Result<(), Mistake> {
        let _door = self.door.lock().await;
        match self.slots().get(name).map(|slot| slot.definition.is_some()) {
            None => return Err(Mistake::Unknown(name.to_owned())),
            Some(false) => return Err(Mistake::Configured(name.to_owned())),
            Some(true) => {}
        }
        let key = name.as_bytes().to_vec();
        let definition = Document { collection: FORWARDS, key, body: None };
        self.end(name).await;
        let records = vec![definition, record(name, None)];
        self.parts.keeper.keep(records).await.map_err(Mistake::NotKept)?;
        self.parts.engine.release(&holder(name));
        Ok(())
    }

    /// Stops all. What they have not sent stays held.
    pub async fn stop(&self) {
        let _door = self.door.lock().await;
        let running: Vec<_> =
            self.slots().values_mut().filter_map(|slot| slot.running.take()).collect();
        for (trigger, _) in &running {
            trigger.stop();
        }
        for (_, task) in running {
            finished(task).await;
        }
    }

    /// Starts a forwarder from its cursor; one without begins as its settings say.
    async fn begin(&self, settings: Settings, definition: Option<Definition>) {
        let name = settings.name.clone();
        let kept = self.parts.keeper.kept(CURSORS);
        let kept = kept.iter().find(|(key, _)| *key == name.as_bytes());
        let cursor = match kept.and_then(|(_, body)| Cursor::read(body)) {
            Some(cursor) => cursor,
            None => self.first_cursor(&settings).await,
        };
        self.parts.engine.hold(&holder(&name), cursor.through());
        let clock = &self.parts.clock;
        let state = Arc::new(State::new(&name, &settings.target.url, clock, cursor));
        let paused = definition.as_ref().is_some_and(|own| own.paused);
        let slot = self.started(settings, definition, paused, state);
        self.slots().insert(name, slot);
    }

    async fn first_cursor(&self, settings: &Settings) -> Cursor {
        let cursor = Cursor::after(match settings.start {
            Start::Now => self.parts.engine.snapshot().sequence(),
            Start::Everything => 0,
        });
        let kept = self.parts.keeper.keep(vec![record(&settings.name, Some(&cursor))]).await;
        if let Err(error) = kept {
            // The first message writes it down, or the next start begins there again.
            let name = &settings.name;
            tracing::warn!(name, %error, "the cursor of a new forwarder waits for the disk");
        }
        cursor
    }

    fn started(
        &self,
        settings: Settings,
        definition: Option<Definition>,
        paused: bool,
        state: Arc<State>,
    ) -> Slot {
        let (trigger, shutdown) = Trigger::new();
        let (parts, own) = (self.parts.clone(), Arc::clone(&state));
        // What does not send is kept within its bound all the same.
        let watched = || {
            let (parts, own) = (self.parts.clone(), Arc::clone(&state));
            tokio::spawn(watch(settings.clone(), parts, own, shutdown.clone()))
        };
        let task = if paused {
            state.line().phase(Phase::Paused);
            watched()
        } else {
            match Sender::new(settings.clone(), parts, own, shutdown.clone()) {
                Ok(sender) => tokio::spawn(sender.run()),
                Err(broken) => {
                    let (name, why) = (&settings.name, &broken.0);
                    tracing::error!(name, why, "a forwarder cannot start");
                    state.line().error(broken.0);
                    state.line().stopped();
                    watched()
                }
            }
        };
        let running = Some((trigger, task));
        Slot { settings, definition, paused, state, running }
    }

    /// Stops a forwarder and takes it out.
    async fn end(&self, name: &str) -> Option<Slot> {
        let mut slot = self.slots().remove(name)?;
        if let Some((trigger, task)) = slot.running.take() {
            trigger.stop();
            finished(task).await;
        }
        Some(slot)
    }

    /// Forgets the cursors of forwarders that are gone from the configuration.
    async fn forget_others(&self) {
        let defined = self.parts.keeper.kept(FORWARDS);
        for (key, _) in self.parts.keeper.kept(CURSORS) {
            let name = String::from_utf8_lossy(&key).into_owned();
            let is_defined = defined.iter().any(|(own, _)| *own == key);
            if is_defined || self.slots().contains_key(&name) {
                continue;
            }
            match self.parts.keeper.keep(vec![record(&name, None)]).await {
                Ok(()) => {
                    self.parts.engine.release(&holder(&name));
                    tracing::warn!(name, "a forwarder is gone, what it had not sent is not held");
                }
                Err(error) => tracing::warn!(name, %error, "a cursor could not be forgotten"),
            }
        }
    }

    fn entry(&self, slot: &Slot) -> Entry {
        let origin = match slot.definition {
            Some(_) => Origin::Definition,
            None => Origin::Configuration,
        };
        Entry {
            origin,
            paused: slot.paused,
            settings: slot.definition.as_ref().map(|own| shown(&own.settings, SECRETS)),
            status: slot.state.status(&self.parts.engine, self.parts.clock.now()),
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn finished(task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "a forwarder ended by a panic");
    }
}

impl fmt::Debug for Forwards {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.slots().keys().cloned().collect();
        out.debug_struct("Forwards").field("names", &names).finish_non_exhaustive()
    }
}
