//! Functions of what comes between samples that follow each other, from statistics and from the
//! times in each state.
//!
//! | function | between first and last sample of a window |
//! |---|---|
//! | `time_average`, `total` | the integral, and the time that it is over |
//! | `delta` | the last value minus the first |
//! | `time_in_state` | how long the state was held |
//! | `transitions` | how often a state was entered, but for the first |
//!
//! *Invariant.* [`Course::run`] of a window whose samples are all values is the run that the
//! function itself makes of its rows. A tag for which that cannot be is refused by
//! [`Course::serves`]: one that moves otherwise than asked, one without states.
//!
//! *Not here.* `counter_delta` and `rate`: no statistic says how often a counter fell.

use datafusion::common::ScalarValue;
use tacitus_model::{Kind, Tag};
use tacitus_storage::{StateTime, Statistics};

use crate::function::run::{Run, identity, seconds};
use crate::relation::SampleColumn;

/// What is followed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Course {
    /// The area below the values; `step` says how they move.
    Area { step: bool },
    /// From the first value to the last.
    Change,
    /// The time in the state of this number, or of this name.
    InState(State),
    /// Changes of the number, or of the name.
    Entries { named: bool },
}

/// A state.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    Number(f64),
    Name(String),
}

impl State {
    /// Whether a tag's state is this one; `None` where it is none that the function would see.
    #[expect(clippy::float_cmp, reason = "a state's number is whole")]
    fn is(&self, tag: &Tag, state: f64) -> Option<bool> {
        match self {
            Self::Number(number) => Some(state == *number),
            Self::Name(name) => Some(name_of(tag, state)? == name),
        }
    }
}

/// The name of a state.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a state's number is whole and not negative"
)]
fn name_of(tag: &Tag, state: f64) -> Option<&str> {
    if !(0.0..f64::from(u32::MAX)).contains(&state) {
        return None;
    }
    tag.definition.states.get(state as usize).map(String::as_str)
}

#[expect(clippy::cast_precision_loss, reason = "a state's number is below 2^32")]
fn number_of(own: &StateTime) -> f64 {
    own.state as f64
}

impl Course {
    /// Reads a function of the time, a column and perhaps a constant.
    pub(super) fn read(
        name: &str,
        column: SampleColumn,
        constant: Option<&ScalarValue>,
    ) -> Option<Self> {
        use SampleColumn::{Text, Value};
        match (name, column, constant) {
            ("time_average" | "total", Value, None) => Some(Self::Area { step: false }),
            ("time_average" | "total", Value, Some(ScalarValue::Boolean(step))) => {
                Some(Self::Area { step: step.unwrap_or(false) })
            }
            ("delta", Value, None) => Some(Self::Change),
            ("time_in_state", Value, Some(ScalarValue::Float64(Some(number)))) => {
                Some(Self::InState(State::Number(*number)))
            }
            ("time_in_state", Text, Some(ScalarValue::Utf8View(Some(name)))) => {
                Some(Self::InState(State::Name(name.clone())))
            }
            ("transitions", Value, None) => Some(Self::Entries { named: false }),
            ("transitions", Text, None) => Some(Self::Entries { named: true }),
            _ => None,
        }
    }

    /// Whether the times in each state must be known.
    pub(super) fn reads_states(&self) -> bool {
        matches!(self, Self::InState(_) | Self::Entries { .. })
    }

    /// Whether what the store knows of a tag can answer.
    pub(super) fn serves(&self, tag: &Tag) -> bool {
        let definition = &tag.definition;
        match self {
            Self::Area { step } => definition.step == *step,
            Self::Change => true,
            Self::InState(State::Number(_)) | Self::Entries { named: false } => {
                matches!(definition.kind, Kind::Bool | Kind::State)
            }
            Self::InState(State::Name(_)) => definition.kind == Kind::State,
            Self::Entries { named: true } => {
                let states = &definition.states;
                let twice = (1..states.len()).any(|at| {
                    let (before, own) = states.split_at(at);
                    own.first().is_some_and(|own| before.contains(own))
                });
                definition.kind == Kind::State && !twice
            }
        }
    }

    /// A window of samples that are all values as a run; `None` where a state has no name.
    pub(super) fn run(&self, tag: &Tag, own: &Statistics, states: &[StateTime]) -> Option<Run> {
        let run = Run {
            first_ns: own.first_ns,
            last_ns: own.last_ns,
            first: own.first,
            last: own.last,
            amount: 0.0,
            span_ns: own.last_ns.saturating_sub(own.first_ns),
            step: false,
        };
        Some(match self {
            Self::Area { step } => {
                Run { amount: own.integral, span_ns: own.good_ns, step: *step, ..run }
            }
            Self::Change => Run { amount: own.last - own.first, ..run },
            Self::InState(state) => {
                let fact = |number| state.is(tag, number).map(|is| f64::from(u8::from(is)));
                let mut held_ns = 0_i64;
                for own in states {
                    if state.is(tag, number_of(own))? {
                        held_ns = held_ns.saturating_add(own.held_ns);
                    }
                }
                let (first, last) = (fact(own.first)?, fact(own.last)?);
                Run { first, last, amount: seconds(held_ns), span_ns: held_ns, ..run }
            }
            Self::Entries { named } => {
                let entries: u64 = states.iter().map(|own| own.entries).sum();
                #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 samples")]
                let amount = entries.saturating_sub(1) as f64;
                if !named {
                    return Some(Run { amount, ..run });
                }
                if states.iter().any(|own| name_of(tag, number_of(own)).is_none()) {
                    return None;
                }
                let number = |state| name_of(tag, state).map(identity);
                Run { first: number(own.first)?, last: number(own.last)?, amount, ..run }
            }
        })
    }
}
