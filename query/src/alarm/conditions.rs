//! Conditions on their way from report to report.
//!
//! *Invariant.* A condition is told by its source and its name. Reports are given in the order of
//! their times.

use std::collections::{BTreeMap, BTreeSet};

use super::{AlarmState, Report};

/// How a condition is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    /// The last report that said something new.
    pub(crate) report: Report,
    pub(crate) state: AlarmState,
    /// When it came into this state.
    pub(crate) since: i64,
    /// When it became active last.
    pub(crate) raised: Option<i64>,
    /// Who acknowledged it, where it is and somebody is known.
    pub(crate) acknowledged_by: String,
}

/// Something new of a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transition {
    pub(crate) at: i64,
    /// The state before; `None` for the first report of a condition.
    pub(crate) before: Option<AlarmState>,
    /// How it is now.
    pub(crate) after: Condition,
}

/// All conditions of some sources.
#[derive(Debug, Default)]
pub(crate) struct Conditions(BTreeMap<(String, String), Condition>);

impl Conditions {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Every condition, by source and name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.0.values()
    }

    /// Takes that the source told these conditions, asked for all; the others are over. What is new.
    pub(crate) fn keep_only(&mut self, at: i64, retained: &BTreeSet<String>) -> Vec<Transition> {
        let left_out = self.0.values().map(|known| &known.report);
        let left_out = left_out.filter(|report| !retained.contains(&report.condition));
        let over: Vec<Report> = left_out.filter_map(Report::ended).collect();
        over.into_iter().filter_map(|report| self.take(at, report)).collect()
    }

    /// Takes a report; what is new, if anything is.
    pub(crate) fn take(&mut self, at: i64, report: Report) -> Option<Transition> {
        let key = (report.source.clone(), report.condition.clone());
        let known = self.0.get(&key);
        if known.is_some_and(|known| !says_more(&known.report, &report)) {
            return None;
        }
        let state = report.state();
        let before = known.map(|known| known.state);
        let was_active = known.is_some_and(|known| known.report.active);
        let was_acknowledged = known.is_some_and(|known| known.report.acknowledged);
        let since = known.filter(|known| known.state == state).map_or(at, |known| known.since);
        let raised = match known {
            _ if report.active && !was_active => Some(at),
            known => known.and_then(|known| known.raised),
        };
        let acknowledged_by = match known {
            _ if !report.acknowledged => String::new(),
            Some(known) if was_acknowledged => known.acknowledged_by.clone(),
            Some(_) => report.user.clone(),
            None => String::new(),
        };
        let after = Condition { report, state, since, raised, acknowledged_by };
        self.0.insert(key, after.clone());
        Some(Transition { at, before, after })
    }
}

/// Whether a report is more than the same again.
fn says_more(known: &Report, report: &Report) -> bool {
    known.state() != report.state()
        || (known.active, known.acknowledged) != (report.active, report.acknowledged)
        || known.severity != report.severity
        || known.comment != report.comment
}
