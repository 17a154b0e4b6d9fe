//! A calendar as a person writes it, and as it is kept.
//!
//! *Invariant.* Members are never renamed: they are in stores and in people's files.
//!
//! *Not here.* Whether it makes sense ([`rules`](super::rules)).

use serde::{Deserialize, Serialize};

/// A calendar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarDefinition {
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The time zone of its times; without one, that of the asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// When a production day starts: `06:00`; midnight without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day_start: Option<String>,
    /// Of which date a production day has its name.
    #[serde(default)]
    pub day_named_by: DayName,
    /// The shifts.
    #[serde(default)]
    pub shifts: Vec<Shift>,
    /// Which crew works which shift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Other shifts and crews from some day on, in the order of these days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Days without shifts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
    /// Days with other shifts than their weekday has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub special_days: Vec<SpecialDay>,
}

/// Of which date a production day has its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayName {
    /// The date on which it starts.
    #[default]
    Start,
    /// The date on which it ends: of a day from 22:00 to 22:00, the later one.
    End,
}

/// A shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Its name.
    pub name: String,
    /// When it starts: `22:00`.
    pub start: String,
    /// When it ends; not later than its start means on the next day.
    pub end: String,
    /// The weekdays of the production days on which it runs: `mon`; all without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<String>>,
    /// Whether it runs on holidays too.
    #[serde(default)]
    pub on_holidays: bool,
    /// When it rests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<Break>,
}

/// A break of a shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Break {
    /// When it starts: `09:00`.
    pub start: String,
    /// When it ends.
    pub end: String,
}

/// Other shifts and crews from a day on, up to the next change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The first production day on which they hold: `2026-07-01`.
    pub from: String,
    /// The shifts; none: nobody works.
    pub shifts: Vec<Shift>,
    /// Which crew works which shift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

/// Which crew works which shift: a pattern of days that each crew goes through from a day of its
/// own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// A day on which the pattern starts for a crew without offset.
    pub from: String,
    /// The shift of each day; `null` is free.
    pub pattern: Vec<Option<String>>,
    /// The crews.
    pub crews: Vec<Crew>,
}

/// A crew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crew {
    /// Its name.
    pub name: String,
    /// How many days it is ahead in the pattern.
    #[serde(default)]
    pub offset: i32,
}

/// Days without shifts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// The day: `2026-04-03`, or `12-25` for that of every year.
    pub date: String,
    /// The last day, where there are several: `2026-12-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A day with other shifts than its weekday has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialDay {
    /// The day: `2026-05-02`.
    pub date: String,
    /// The shifts that run; none: nobody works.
    pub shifts: Vec<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// What is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `shifts[1].start`.
    pub key: String,
    /// What is wrong, lower case.
    pub reason: String,
    /// What to do.
    pub hint: String,
}
