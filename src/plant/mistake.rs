//! Why something of the plant is not changed.

use std::fmt;

use tacitus_query::calendar::Fault;

use crate::keeper::NotKept;

/// What was to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An asset.
    Asset,
    /// A calendar.
    Calendar,
    /// An event.
    Event,
    /// An annotation.
    Annotation,
    /// How the effectiveness of an asset is worked out.
    Oee,
    /// A plan of control charts.
    SpcPlan,
}

impl Kind {
    /// Where all of them are listed.
    #[must_use]
    pub const fn route(self) -> &'static str {
        match self {
            Self::Asset => "/api/v1/assets",
            Self::Calendar => "/api/v1/calendars",
            Self::Event => "/api/v1/events",
            Self::Annotation => "/api/v1/annotations",
            Self::Oee => "/api/v1/oee",
            Self::SpcPlan => "/api/v1/spc",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Asset => "asset",
            Self::Calendar => "calendar",
            Self::Event => "event",
            Self::Annotation => "annotation",
            Self::Oee => "OEE definition",
            Self::SpcPlan => "plan",
        })
    }
}

/// Why something is not changed; nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// There is none of this name.
    #[error("there is no {0} \"{1}\"")]
    Unknown(Kind, String),
    /// A name that is none.
    #[error("\"{0}\" is no name of a calendar")]
    Name(String),
    /// A calendar that an asset has.
    #[error("the calendar \"{0}\" is that of \"{1}\"")]
    InUse(String, String),
    /// It is not in order.
    #[error("what was sent is not in order")]
    Faults(Vec<Fault>),
    /// There are as many as there may be.
    #[error("there are at most {1} of the kind {0}")]
    TooMany(Kind, usize),
    /// More than one request may hold.
    #[error("one request defines at most {0} assets")]
    TooManyAtOnce(usize),
    /// It is larger than it may be.
    #[error("one {0} has at most {1} bytes")]
    TooLarge(Kind, usize),
    /// The store did not keep it.
    #[error("{0}")]
    NotKept(NotKept),
}

impl Mistake {
    /// There is no calendar of this name.
    #[must_use]
    pub fn no_calendar(name: &str) -> Self {
        Self::Unknown(Kind::Calendar, name.to_owned())
    }

    /// There is no OEE definition of this asset, or none of the time that was named.
    #[must_use]
    pub fn no_oee(asset: &str) -> Self {
        Self::Unknown(Kind::Oee, asset.to_owned())
    }

    /// There is no plan of this name.
    #[must_use]
    pub fn no_spc_plan(name: &str) -> Self {
        Self::Unknown(Kind::SpcPlan, name.to_owned())
    }
}

/// A fault of one member.
pub(super) fn fault(key: &str, reason: impl Into<String>, hint: &str) -> Fault {
    Fault { key: key.to_owned(), reason: reason.into(), hint: hint.to_owned() }
}
