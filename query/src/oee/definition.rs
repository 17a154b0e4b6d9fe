//! How the effectiveness of an asset is worked out, as a person writes it and as it is kept.
//!
//! *Invariant.* Members are never renamed: they are in stores and in people's files.
//!
//! *Not here.* Whether it makes sense ([`model`](super::model)).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::condition::StopClass;

/// How the effectiveness of an asset is worked out, from some time on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OeeDefinition {
    /// From when on it holds, in RFC 3339; without it, from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What says whether it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateDefinition>,
    /// What counts all pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<CountDefinition>,
    /// What counts good pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub good: Option<CountDefinition>,
    /// What counts rejected pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<CountDefinition>,
    /// Pieces to add to all, each sample a number of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_corrections: Option<TagName>,
    /// Pieces to add to the rejected, each sample a number of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_corrections: Option<TagName>,
    /// What is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<TagName>,
    /// How long a piece takes at best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ideal_cycle: Option<IdealCycle>,
    /// Unplanned stops shorter than this are running time, in seconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub micro_stop_s: f64,
    /// Whether setup is a loss of availability; else it is no production time.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub setup_is_loss: bool,
    /// The kinds of events that are planned stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub planned_events: Vec<String>,
    /// The kinds of events that say why it stood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reason_events: Vec<String>,
    /// The assets whose parts add up to its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sum_of: Vec<String>,
    /// The asset whose figures are its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<String>,
}

/// What says whether a machine runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDefinition {
    /// The tag.
    pub tag: String,
    /// Its values while the machine runs: numbers, texts, true or false, or `[low, high]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<serde_json::Value>,
    /// Its values while it stands, and what each means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stops: Vec<StopDefinition>,
    /// Its values that say nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<serde_json::Value>,
    /// What any other value means.
    #[serde(default)]
    pub otherwise: Otherwise,
    /// For how long a value says something, in seconds; without it, until the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after_s: Option<f64>,
}

/// What some values of a state tag mean.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopDefinition {
    /// The values.
    pub values: Vec<serde_json::Value>,
    /// Why it stands, in people's words; without it, the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it is a loss of.
    #[serde(default)]
    pub class: StopClass,
    /// Whether there is nothing to make.
    #[serde(default, skip_serializing_if = "is_false")]
    pub no_order: bool,
}

/// What a value means that is not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// An unplanned stop, whose reason is the value.
    #[default]
    Stop,
    /// It runs.
    Run,
    /// Nobody knows.
    Unknown,
}

/// A counter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountDefinition {
    /// The tag.
    pub tag: String,
    /// The greatest value it shows before it begins at zero again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover_max: Option<f64>,
}

/// A tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagName {
    /// Its path, in full or from the asset on.
    pub tag: String,
}

/// How long a piece takes at best.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdealCycle {
    /// In seconds; beside `by_product`, of products that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// In seconds, by what the product tag says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_product: BTreeMap<String, f64>,
    /// The tag that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What that tag says.
    #[serde(default, skip_serializing_if = "CycleUnit::is_seconds")]
    pub tag_is: CycleUnit,
}

/// What a number says of an ideal cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CycleUnit {
    /// Seconds a piece.
    #[default]
    Seconds,
    /// Pieces a second.
    PerSecond,
    /// Pieces a minute.
    PerMinute,
    /// Pieces an hour.
    PerHour,
}

impl CycleUnit {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_seconds(&self) -> bool {
        *self == Self::Seconds
    }

    /// Seconds a piece; `None` where a number says nothing of it.
    pub(crate) fn seconds(self, number: f64) -> Option<f64> {
        let span = match self {
            Self::Seconds => return Some(number).filter(|own| own.is_finite() && *own > 0.0),
            Self::PerSecond => 1.0,
            Self::PerMinute => 60.0,
            Self::PerHour => 3600.0,
        };
        Some(span / number).filter(|own| own.is_finite() && *own > 0.0)
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_true(fact: &bool) -> bool {
    *fact
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(fact: &bool) -> bool {
    !*fact
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}
