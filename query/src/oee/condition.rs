//! How a machine is: it runs, it stands, or nobody knows.

use serde::{Deserialize, Serialize};

/// What a stop is a loss of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopClass {
    /// It should have run.
    #[default]
    Unplanned,
    /// It was not meant to run: no production time.
    Planned,
    /// It was prepared for what comes next.
    Setup,
}

/// How a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Run,
    Unknown,
    /// It stands; by which cause, as a position in [`Causes`](super::Causes).
    Stop(StopClass, u32),
}

impl Condition {
    /// The class of a stop.
    pub(crate) fn stop(self) -> Option<StopClass> {
        match self {
            Self::Stop(class, _) => Some(class),
            Self::Run | Self::Unknown => None,
        }
    }
}
