//! What a source says of a condition.
//!
//! *Invariant.* A text that is not the report of a condition is none: events that only happen, and
//! branches that tell of the past of a condition (Part 9, 5.5.2), change no state.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::AlarmState;

/// What keeps an alarm from being announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aside {
    /// An operator put it aside for a time.
    Shelved,
    /// The logic of the plant suppresses it.
    Suppressed,
    /// It is out of service, or not enabled.
    OutOfService,
}

/// A report.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report {
    /// The name of the condition at its source.
    pub(crate) condition: String,
    /// The name of the source.
    pub(crate) source: String,
    pub(crate) active: bool,
    pub(crate) acknowledged: bool,
    /// Held although it is over.
    pub(crate) latched: bool,
    /// What keeps it from being announced, the strongest of it.
    pub(crate) aside: Option<Aside>,
    /// 1 to 1000.
    pub(crate) severity: Option<i64>,
    pub(crate) message: String,
    /// What an operator said.
    pub(crate) comment: String,
    /// Who did what the report tells, where somebody did.
    pub(crate) user: String,
}

/// The conditions that a source told when it was asked for all that are worth telling, where a text
/// says so.
pub(crate) fn retained(text: &str) -> Option<BTreeSet<String>> {
    if !text.contains("\"retained\"") {
        return None;
    }
    let event: Map<String, Value> = serde_json::from_str(text).ok()?;
    let names = event.get("retained")?.as_array()?;
    Some(names.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

impl Report {
    /// The report that an event of an OPC UA server is; the members are those of `docs/opcua.md`.
    pub(crate) fn of_event(text: &str) -> Option<Self> {
        let event: Map<String, Value> = serde_json::from_str(text).ok()?;
        let fact = |name: &str| event.get(name).and_then(Value::as_bool);
        let word = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let condition = word("condition");
        let of_the_past = !["", "i=0", "ns=0;i=0"].contains(&word("branch"));
        if condition.is_empty() || of_the_past {
            return None;
        }
        let shelving = word("shelved");
        let asides = [
            (fact("out_of_service") == Some(true), Aside::OutOfService),
            (fact("enabled") == Some(false), Aside::OutOfService),
            (fact("suppressed") == Some(true), Aside::Suppressed),
            (!shelving.is_empty() && !shelving.eq_ignore_ascii_case("unshelved"), Aside::Shelved),
        ];
        // A condition that is acknowledged and never active shows itself as long as it is retained.
        let active = fact("active").or(fact("retain")).unwrap_or(false);
        #[expect(clippy::cast_possible_truncation, reason = "a severity is a small whole number")]
        let severity = event.get("severity").and_then(Value::as_f64).map(|own| own as i64);
        Some(Self {
            condition: condition.to_owned(),
            source: word("source_name").to_owned(),
            active,
            acknowledged: fact("acknowledged").unwrap_or(true),
            latched: fact("latched").unwrap_or(false),
            aside: asides.into_iter().find(|(holds, _)| *holds).map(|(_, aside)| aside),
            severity,
            message: word("message").to_owned(),
            comment: word("comment").to_owned(),
            user: word("user").to_owned(),
        })
    }

    /// The report that nothing of the condition is left to do or to see, where there was something.
    pub(crate) fn ended(&self) -> Option<Self> {
        let lasts = self.active || !self.acknowledged || self.latched;
        lasts.then(|| Self {
            active: false,
            acknowledged: true,
            latched: false,
            message: "no longer told by its source".to_owned(),
            user: String::new(),
            ..self.clone()
        })
    }

    /// The state that it puts the condition into.
    pub(crate) fn state(&self) -> AlarmState {
        match self.aside {
            Some(Aside::OutOfService) => return AlarmState::OutOfService,
            Some(Aside::Suppressed) => return AlarmState::SuppressedByDesign,
            Some(Aside::Shelved) => return AlarmState::Shelved,
            None => {}
        }
        match (self.active, self.acknowledged) {
            (true, false) => AlarmState::Unacknowledged,
            (true, true) => AlarmState::Acknowledged,
            (false, false) if self.latched => AlarmState::LatchedUnacknowledged,
            (false, true) if self.latched => AlarmState::LatchedAcknowledged,
            (false, false) => AlarmState::ReturnedUnacknowledged,
            (false, true) => AlarmState::Normal,
        }
    }
}
