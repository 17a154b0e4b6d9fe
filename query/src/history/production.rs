//! `oee(asset, from, to [, by])`, `iso22400(asset, from, to [, by])` and `downtime(asset, from, to)`:
//! what machines did with their time.
//!
//! | argument | |
//! |---|---|
//! | `asset` | an asset with an OEE definition, a glob over their paths, `acme/` for all below, or a list |
//! | `from`, `to` | the range, `from` before `to` |
//! | `by` | `shift`, `day`, `week`, `month` (of production), `product`, `total` (default), or an interval |
//!
//! ```text
//! call ─ assets ─ machines of each: asset, model, span ─ part: one asset
//!   machine: products ─ cycles ─ states ─▶ course ─▶ sheet ◀─ counts, block by block
//! ```
//! *Invariant.* Samples are streamed; what stays in memory are changes of condition and product, and
//! rows, each within its limit. What two calls say of one span adds up to what one says of it.
//!
//! *Not here.* The rules ([`oee`](crate::oee)).

mod bucket;
mod column;
mod course;
mod downtime;
mod held;
mod machine;
mod sheet;
mod state;

use std::sync::Arc;

use datafusion::error::Result;
use tacitus_model::Tag;
use tacitus_storage::Snapshot;

use super::argument::{Argument, Arguments, Signature};
use super::producer::Producer;
use super::resample::range;
use crate::error::{QueryError, SqlState};
use crate::limits::OEE_DAYS_MAX;
use crate::plant::Places;
use crate::relation::{EventRow, GapRow, Landscape};
use column::Table;

/// How `oee` is called.
pub(super) const OEE_USAGE: &str =
    "oee(asset, from, to, 'shift') or oee(asset, from, to, '1 hour')";
/// How `iso22400` is called.
pub(super) const ISO22400_USAGE: &str = "iso22400(asset, from, to, 'shift')";
/// How `downtime` is called.
pub(super) const DOWNTIME_USAGE: &str = "downtime(asset, from, to)";

const OEE: Signature = Signature {
    function: "oee",
    usage: OEE_USAGE,
    positions: &["asset", "from", "to", "by"],
    required: 3,
    rest: None,
    options: &[],
};

const ISO22400: Signature = Signature { function: "iso22400", usage: ISO22400_USAGE, ..OEE };

const DOWNTIME: Signature = Signature {
    function: "downtime",
    usage: DOWNTIME_USAGE,
    positions: &["asset", "from", "to"],
    ..OEE
};

/// What a call stands on.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    pub(super) places: Places,
    pub(super) around: Option<Arc<dyn Landscape>>,
    /// When the statement began, in nanoseconds since 1970.
    pub(super) now_ns: Option<i64>,
}

impl Ground {
    /// The gaps of sources that are not filled.
    fn gaps(&self) -> Arc<[GapRow]> {
        let gaps = self.around.as_ref().map(|around| around.gaps()).unwrap_or_default();
        gaps.into_iter().filter(|gap| gap.state != "back_filled").collect()
    }

    /// The events that touch a span.
    fn events(&self, from: i64, to: i64) -> Vec<EventRow> {
        use tacitus_model::{TimeRange, Timestamp};
        let Some(around) = &self.around else { return Vec::new() };
        let starts = TimeRange { first: Timestamp::MIN, last: Timestamp::from_nanos(to) };
        let ends = TimeRange { first: Timestamp::from_nanos(from), last: Timestamp::MAX };
        let mut events = around.events(starts, ends);
        events.retain(|event| {
            event.start.nanos() < to && event.end.is_none_or(|end| from < end.nanos())
        });
        events
    }
}

/// Reads the arguments of a call of `oee`.
pub(super) fn oee(ground: &Ground, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    sheet::call(ground, &Arguments::new(OEE, given)?, Table::Oee)
}

/// Reads the arguments of a call of `iso22400`.
pub(super) fn iso22400(ground: &Ground, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    sheet::call(ground, &Arguments::new(ISO22400, given)?, Table::Iso22400)
}

/// Reads the arguments of a call of `downtime`.
pub(super) fn downtime(ground: &Ground, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    downtime::call(ground, &Arguments::new(DOWNTIME, given)?)
}

/// The span of a call.
fn span(arguments: &Arguments) -> Result<(i64, i64)> {
    const DAY_NS: i64 = 86_400_000_000_000;
    let (from, to) = range(arguments)?;
    if from > to {
        let what = arguments.invalid("from is after to");
        return Err(what.with_hint("time flows forward here: give the earlier one first").into());
    }
    if to.saturating_sub(from) > OEE_DAYS_MAX * DAY_NS {
        let what = format!("a call spans at most {OEE_DAYS_MAX} days");
        return Err(too_much(what, "ask for some years at a time").into());
    }
    Ok((from, to))
}

/// The tag that a definition of an asset names, from the asset on or in full.
fn tag(snapshot: &Snapshot, asset: &str, name: &str) -> Option<Arc<Tag>> {
    snapshot.find(&format!("{asset}/{name}")).or_else(|| snapshot.find(name))
}

/// An error for more of something than there may be.
fn too_much(what: impl Into<String>, hint: &str) -> QueryError {
    QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what).with_hint(hint)
}
