//! The plant around the tags: assets, calendars, events, annotations and control charts, as people
//! keep them.
//!
//! ```text
//! HTTP ─▶ check ─▶ documents of the store (synced) ─▶ in memory ─▶ SQL, the next statement
//! ```
//! *Invariant.* What is answered for is on disk, and the next statement shows it. What cannot be
//! read at a start is left out and said so; it stays in the store as it is.
//!
//! *Not here.* Which tag belongs to which asset, and when shifts are (`tacitus_query::plant`,
//! `tacitus_query::calendar`).

mod annotation;
mod asset;
mod control;
mod event;
pub mod limits;
mod mistake;
mod oee;
mod register;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use tacitus_query::calendar::{Calendar, CalendarDefinition};
use tacitus_query::plant::Plant;
use tacitus_storage::Document;

pub use annotation::{Annotation, AnnotationDraft, Mark};
pub use asset::AssetDefinition;
pub(crate) use control::baseline_faults;
pub use control::{Draft, Numbers};
pub use event::{Event, EventDraft};
pub use mistake::Mistake;
pub use register::{Record, Register};

use crate::documents::{ASSETS, CALENDARS};
use crate::keeper::Keeper;
use limits::{
    ASSETS_AT_ONCE_MAX, ASSETS_MAX, CALENDAR_BYTES_MAX, CALENDAR_NAME_BYTES_MAX, CALENDARS_MAX,
};
use mistake::Kind;

/// Assets and calendars; events and annotations.
#[derive(Debug)]
pub struct Plants {
    /// What lasted from when to when.
    pub events: Register<Event>,
    /// What people say of it.
    pub annotations: Register<Annotation>,
    keeper: Arc<dyn Keeper>,
    now: RwLock<Arc<Plant>>,
    /// Held for the length of a change.
    door: tokio::sync::Mutex<()>,
}

impl Plants {
    /// What was kept.
    #[must_use]
    pub fn new(keeper: Arc<dyn Keeper>) -> Self {
        let mut plant = Plant::new();
        for (key, body) in keeper.kept(CALENDARS) {
            let name = String::from_utf8_lossy(&key).into_owned();
            let definition = serde_json::from_slice::<CalendarDefinition>(&body);
            match definition.map(Calendar::new) {
                Ok(Ok(calendar)) => plant.put_calendar(&name, calendar),
                Ok(Err(faults)) => {
                    tracing::error!(name, ?faults, "a calendar is no longer in order");
                }
                Err(error) => tracing::error!(name, %error, "a calendar is unreadable"),
            }
        }
        for (key, body) in keeper.kept(ASSETS) {
            match serde_json::from_slice::<AssetDefinition>(&body) {
                Ok(definition) => plant.put_asset(definition.into_asset()),
                Err(error) => {
                    let path = String::from_utf8_lossy(&key).into_owned();
                    tracing::error!(path, %error, "an asset is unreadable");
                }
            }
        }
        oee::restore(&*keeper, &mut plant);
        control::restore(&*keeper, &mut plant);
        let door = tokio::sync::Mutex::new(());
        let (events, annotations) =
            (Register::new(Arc::clone(&keeper)), Register::new(Arc::clone(&keeper)));
        Self { events, annotations, keeper, now: RwLock::new(Arc::new(plant)), door }
    }

    /// The plant as it is.
    #[must_use]
    pub fn now(&self) -> Arc<Plant> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Defines assets, each in place of the one of its path: all or none.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn put_assets(&self, given: Vec<AssetDefinition>) -> Result<Arc<Plant>, Mistake> {
        if given.len() > ASSETS_AT_ONCE_MAX {
            return Err(Mistake::TooManyAtOnce(ASSETS_AT_ONCE_MAX));
        }
        let _door = self.door.lock().await;
        let mut plant = Plant::clone(&self.now());
        let mut faults = Vec::new();
        let mut records = Vec::with_capacity(given.len());
        for (at, definition) in given.into_iter().enumerate() {
            match definition.check(&plant) {
                Ok(record) => records.push(record),
                Err(own) => faults.extend(own.into_iter().map(|mut fault| {
                    fault.key = format!("assets[{at}].{}", fault.key);
                    fault
                })),
            }
            plant.put_asset(definition.into_asset());
        }
        if !faults.is_empty() {
            return Err(Mistake::Faults(faults));
        }
        if plant.assets().len() > ASSETS_MAX {
            return Err(Mistake::TooMany(Kind::Asset, ASSETS_MAX));
        }
        self.keep(records, plant).await
    }

    /// Removes an asset, and all below it where `below` says so.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn remove_asset(&self, path: &str, below: bool) -> Result<Arc<Plant>, Mistake> {
        let _door = self.door.lock().await;
        let mut plant = Plant::clone(&self.now());
        let is_meant = |own: &str| {
            let rest = own.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || below && rest.starts_with('/'))
        };
        let paths: Vec<String> =
            plant.assets().map(|asset| asset.path.clone()).filter(|own| is_meant(own)).collect();
        if paths.is_empty() {
            return Err(Mistake::Unknown(Kind::Asset, path.to_owned()));
        }
        let gone = |path: &String| {
            plant.take_asset(path);
            Document { collection: ASSETS, key: path.clone().into_bytes(), body: None }
        };
        let records = paths.iter().map(gone).collect();
        self.keep(records, plant).await
    }

    /// Defines a calendar, in place of the one of its name.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn put_calendar(
        &self,
        name: &str,
        definition: CalendarDefinition,
    ) -> Result<Arc<Plant>, Mistake> {
        let _door = self.door.lock().await;
        if name.trim().is_empty() || name.contains('/') || name.len() > CALENDAR_NAME_BYTES_MAX {
            return Err(Mistake::Name(name.to_owned()));
        }
        let body = serde_json::to_vec(&definition).unwrap_or_default();
        if body.len() > CALENDAR_BYTES_MAX {
            return Err(Mistake::TooLarge(Kind::Calendar, CALENDAR_BYTES_MAX));
        }
        let calendar = Calendar::new(definition).map_err(Mistake::Faults)?;
        let mut plant = Plant::clone(&self.now());
        plant.put_calendar(name, calendar);
        if plant.calendars().len() > CALENDARS_MAX {
            return Err(Mistake::TooMany(Kind::Calendar, CALENDARS_MAX));
        }
        let key = name.as_bytes().to_vec();
        let record = Document { collection: CALENDARS, key, body: Some(body) };
        self.keep(vec![record], plant).await
    }

    /// Removes a calendar that no asset has.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn remove_calendar(&self, name: &str) -> Result<Arc<Plant>, Mistake> {
        let _door = self.door.lock().await;
        let mut plant = Plant::clone(&self.now());
        if plant.take_calendar(name).is_none() {
            return Err(Mistake::Unknown(Kind::Calendar, name.to_owned()));
        }
        let has = plant.assets().find(|asset| asset.calendar.as_deref() == Some(name));
        if let Some(asset) = has {
            return Err(Mistake::InUse(name.to_owned(), asset.path.clone()));
        }
        let record = Document { collection: CALENDARS, key: name.as_bytes().to_vec(), body: None };
        self.keep(vec![record], plant).await
    }

    /// Keeps records and shows the plant that they make.
    async fn keep(&self, records: Vec<Document>, plant: Plant) -> Result<Arc<Plant>, Mistake> {
        self.keeper.keep(records).await.map_err(Mistake::NotKept)?;
        let plant = Arc::new(plant);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&plant);
        Ok(plant)
    }
}
