//! The relations that are functions of tags and times: what a historian is asked for.
//!
//! ```text
//! call ─ arguments ─ tags of the snapshot ─ Producer: one part a tag ─ rows ─ batches
//! ```
//!
//! | function | rows |
//! |---|---|
//! | `history` | samples as they are, with bounding values |
//! | `resample` | one an interval and tag: aggregates with their status codes |
//! | `interpolate` | one a time and tag: the value then |
//! | `wide` | one a time: a column for each tag |
//! | `plot` | what a trend of so many pixels shows |
//! | `oee`, `iso22400` | one a bucket and asset: what it did with its time |
//! | `downtime` | one a stretch in which a machine did not run |
//! | `spc` | one a point of a control chart |
//! | `capability` | one: how well a process keeps to its specification |
//!
//! *Invariant.* They read the snapshot of the statement, as the relations do. What they give does
//! not depend on whether it came from samples or from statistics.
//!
//! *Not here.* The definitions of the aggregates ([`aggregate`](crate::aggregate)).

mod access;
mod argument;
mod baseline;
mod capability;
mod control;
mod interpolate;
mod planner;
mod plot;
mod points;
mod producer;
mod production;
mod raw;
mod resample;
mod selection;
mod series;
mod step;
mod subgroups;
mod wide;

pub use access::{AccessError, Processed, Processing, TagHistory, standard_aggregates};
pub use baseline::{Frozen, freeze};
pub(crate) use planner::{Functions, Placeholders};
pub(crate) use producer::{Made, Piece, Producer, Rows};

/// The functions and how they are called, for hints.
pub(crate) const USAGES: [(&str, &str); 10] = [
    ("history", "history(tags, from, to [, bounds => 'outside'])"),
    ("interpolate", "interpolate(tags, from, to, step) or interpolate(tags, times)"),
    ("plot", "plot(tags, from, to, pixels)"),
    ("resample", "resample(tags, from, to, step, 'average', 'maximum', … [, timezone => '…'])"),
    ("wide", "wide(tags, from, to, step [, 'average'])"),
    ("oee", production::OEE_USAGE),
    ("iso22400", production::ISO22400_USAGE),
    ("downtime", production::DOWNTIME_USAGE),
    ("capability", capability::USAGE),
    ("spc", control::USAGE),
];
