//! One entry of the ledger.
//!
//! *Invariant.* The words of causes and outcomes are part of what is kept: they never change.

use serde::{Deserialize, Serialize};
use tacitus_model::Timestamp;

/// Why nothing could be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The collector, or this server, did not run.
    CollectorDown,
    /// The device did not run, or began anew.
    DeviceDown,
    /// The way between them was cut.
    Network,
    /// The device said that its values are bad.
    BadQuality,
    /// Values came faster than a queue on their way could hold.
    Overflow,
}

/// What became of a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It lasts, or its samples are still missing.
    Open,
    /// The device's history filled it.
    BackFilled,
    /// Nobody has its samples.
    Lost,
}

/// A gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its number.
    pub id: u64,
    /// The source of the tags: `opcua:NAME`.
    pub source: String,
    /// The tags; `None`: all of the source.
    pub tags: Option<Vec<String>>,
    /// Since when: everything before is recorded.
    pub from: Timestamp,
    /// Until when; `None` while it lasts.
    pub to: Option<Timestamp>,
    /// Why.
    pub cause: Cause,
    /// What became of it.
    pub outcome: Outcome,
    /// Everything from here to the end has been fetched, while the rest is missing.
    pub filled_from: Option<Timestamp>,
    /// Samples that were fetched for it.
    pub recovered: u64,
}

impl Cause {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CollectorDown => "collector_down",
            Self::DeviceDown => "device_down",
            Self::Network => "network",
            Self::BadQuality => "bad_quality",
            Self::Overflow => "overflow",
        }
    }
}

impl Outcome {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::BackFilled => "back_filled",
            Self::Lost => "lost",
        }
    }
}

/// A gap as it is kept, in JSON. Members may be added, and are never renamed.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    id: u64,
    source: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    from: i64,
    #[serde(default)]
    to: Option<i64>,
    cause: Cause,
    outcome: Outcome,
    #[serde(default)]
    filled_from: Option<i64>,
    #[serde(default)]
    recovered: u64,
}

impl Gap {
    /// As it is kept.
    pub(super) fn written(&self) -> Vec<u8> {
        let body = Body {
            id: self.id,
            source: self.source.clone(),
            tags: self.tags.clone(),
            from: self.from.nanos(),
            to: self.to.map(Timestamp::nanos),
            cause: self.cause,
            outcome: self.outcome,
            filled_from: self.filled_from.map(Timestamp::nanos),
            recovered: self.recovered,
        };
        // Numbers, texts and lists always have a JSON form.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// From what was kept.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let body: Body = serde_json::from_slice(bytes)?;
        Ok(Self {
            id: body.id,
            source: body.source,
            tags: body.tags,
            from: Timestamp::from_nanos(body.from),
            to: body.to.map(Timestamp::from_nanos),
            cause: body.cause,
            outcome: body.outcome,
            filled_from: body.filled_from.map(Timestamp::from_nanos),
            recovered: body.recovered,
        })
    }
}
