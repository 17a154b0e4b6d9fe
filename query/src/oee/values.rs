//! What values of a state tag mean.
//!
//! *Invariant.* The first rule that fits a value decides; a value that is not finite fits none.

use serde_json::Value;

use super::cause::{Cause, Causes};
use super::condition::{Condition, StopClass};
use super::definition::{Otherwise, StateDefinition, StopDefinition};

/// A value of a state tag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reading<'a> {
    /// The number; of a state its index, of a fact 1 or 0.
    pub(crate) number: Option<f64>,
    /// The text; of a state its name, of a fact `true` or `false`.
    pub(crate) text: Option<&'a str>,
}

/// A value that is listed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Listed {
    Number(f64),
    Range(f64, f64),
    Text(String),
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meaning {
    Run,
    Unknown,
    /// The stop of this position.
    Stop(usize),
}

/// The rules of a state tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StateRules {
    /// The tag, as it is written.
    pub(crate) tag: String,
    rules: Vec<(Listed, Meaning)>,
    stops: Vec<StopDefinition>,
    otherwise: Otherwise,
    /// For how long a value says something.
    pub(crate) stale_after_ns: Option<i64>,
}

impl Listed {
    /// A value as a person writes it.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let finite = |value: &Value| value.as_f64().filter(|own| own.is_finite());
        match value {
            Value::Bool(fact) => Some(Self::Number(f64::from(u8::from(*fact)))),
            Value::Number(_) => finite(value).map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(ends) => match ends.as_slice() {
                [low, high] => {
                    let (low, high) = (finite(low)?, finite(high)?);
                    (low <= high).then_some(Self::Range(low, high))
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn fits(&self, reading: &Reading<'_>) -> bool {
        let number = || {
            let of_text = || reading.text.and_then(|text| text.trim().parse::<f64>().ok());
            reading.number.or_else(of_text)
        };
        match self {
            Self::Number(own) => number() == Some(*own),
            Self::Range(low, high) => number().is_some_and(|own| *low <= own && own <= *high),
            Self::Text(own) => reading.text == Some(own.as_str()),
        }
    }
}

impl StateRules {
    /// The rules of a definition; values that are none are left out.
    pub(super) fn new(definition: &StateDefinition) -> Self {
        let listed = |values: &[Value], meaning| {
            let known = values.iter().filter_map(Listed::read);
            known.map(|listed| (listed, meaning)).collect::<Vec<_>>()
        };
        let mut rules = listed(&definition.run, Meaning::Run);
        for (at, stop) in definition.stops.iter().enumerate() {
            rules.extend(listed(&stop.values, Meaning::Stop(at)));
        }
        rules.extend(listed(&definition.unknown, Meaning::Unknown));
        Self {
            tag: definition.tag.clone(),
            rules,
            stops: definition.stops.clone(),
            otherwise: definition.otherwise,
            stale_after_ns: definition.stale_after_s.map(nanos),
        }
    }

    /// What a good value means; `None` where there are too many causes of stops.
    pub(crate) fn judge(&self, reading: &Reading<'_>, causes: &mut Causes) -> Option<Condition> {
        if reading.number.is_none_or(f64::is_nan) && reading.text.is_none() {
            return Some(Condition::Unknown);
        }
        let meaning = self.rules.iter().find(|(listed, _)| listed.fits(reading));
        let rule = match (meaning.map(|(_, meaning)| *meaning), self.otherwise) {
            (Some(Meaning::Run), _) | (None, Otherwise::Run) => return Some(Condition::Run),
            (Some(Meaning::Unknown), _) | (None, Otherwise::Unknown) => {
                return Some(Condition::Unknown);
            }
            (Some(Meaning::Stop(rule)), _) => Some(rule),
            (None, Otherwise::Stop) => None,
        };
        let stop = rule.and_then(|rule| self.stops.get(rule));
        let class = stop.map_or(StopClass::Unplanned, |stop| stop.class);
        let said = reading.text.map(str::to_owned).or_else(|| reading.number.and_then(whole));
        let cause = causes.number(rule, said.as_deref(), |value| {
            let own = stop.and_then(|stop| stop.reason.as_deref());
            let reason = own.or(value.as_deref()).filter(|text| !text.is_empty());
            Cause {
                reason: reason.unwrap_or("stopped").into(),
                value,
                no_order: stop.is_some_and(|stop| stop.no_order),
            }
        })?;
        Some(Condition::Stop(class, cause))
    }
}

/// A number without a fraction, as a text.
fn whole(number: f64) -> Option<String> {
    (number.is_finite() && number.fract() == 0.0).then(|| format!("{number:.0}"))
}

/// Seconds as nanoseconds, as far as these go.
pub(super) fn nanos(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float ends at the last")]
    let nanos = (seconds * 1e9).round() as i64;
    nanos
}
