//! An asset as a person writes it, and as it is kept.
//!
//! *Invariant.* Members are never renamed: they are in stores.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tacitus_model::TagPath;
use tacitus_query::calendar::Fault;
use tacitus_query::plant::{ASSET_LEVELS, Asset, Plant};
use tacitus_storage::Document;

use super::limits::ASSET_BYTES_MAX;
use super::mistake::fault;
use crate::documents::ASSETS;

/// What is wrong with the path of an asset.
pub(super) fn path_fault(key: &str, path: &str) -> Option<Fault> {
    let why = match TagPath::new(path) {
        Err(error) => error.to_string(),
        Ok(_) if path.split('/').any(|level| level.trim().is_empty()) => {
            "a level has no name".to_owned()
        }
        Ok(_) => return None,
    };
    let reason = format!("\"{path}\" is no path of an asset: {why}");
    Some(fault(key, reason, "write names with one / between them"))
}

/// An asset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetDefinition {
    /// Its path: its name behind those of all above it.
    pub path: String,
    /// One of the levels of ISA-95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its IANA time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The name of its calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<String>,
    /// What it is made after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

impl AssetDefinition {
    /// The record that keeps it, if it fits a plant.
    pub(super) fn check(&self, plant: &Plant) -> Result<Document, Vec<Fault>> {
        let mut faults = Vec::new();
        faults.extend(path_fault("path", &self.path));
        if let Some(level) = &self.level
            && !ASSET_LEVELS.contains(&level.as_str())
        {
            let hint = format!("the levels are {}", ASSET_LEVELS.join(", "));
            faults.push(fault("level", format!("\"{level}\" is no level"), &hint));
        }
        if let Some(zone) = &self.timezone
            && !Plant::is_timezone(zone)
        {
            let reason = format!("time zone \"{zone}\" does not exist");
            faults.push(fault("timezone", reason, "use an IANA name such as \"Europe/Berlin\""));
        }
        if let Some(calendar) = &self.calendar
            && plant.calendar(calendar).is_none()
        {
            let reason = format!("there is no calendar \"{calendar}\"");
            faults.push(fault("calendar", reason, "PUT /api/v1/calendars/NAME defines one"));
        }
        let body = serde_json::to_vec(self).unwrap_or_default();
        if body.len() > ASSET_BYTES_MAX {
            let reason = format!("it has {} bytes, at most {ASSET_BYTES_MAX}", body.len());
            faults.push(fault("attributes", reason, "keep large things elsewhere and link them"));
        }
        let key = self.path.clone().into_bytes();
        let record = Document { collection: ASSETS, key, body: Some(body) };
        if faults.is_empty() { Ok(record) } else { Err(faults) }
    }

    /// The node of the tree.
    pub(super) fn into_asset(self) -> Asset {
        Asset {
            path: self.path,
            level: self.level,
            description: self.description,
            timezone: self.timezone,
            calendar: self.calendar,
            template: self.template,
            attributes: Value::Object(self.attributes).to_string(),
        }
    }
}
