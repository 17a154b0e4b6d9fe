//! Overall equipment effectiveness: what a machine did with its time. Pure arithmetic.
//!
//! ```text
//! OeeDefinition ─check─▶ OeeModel
//! state samples ─rules─▶ Timeline of conditions ─▶ stretches: micro stops known ─┐
//! calendar, events ────▶ PlannedTime ────────────────────────────────────────────┴▶ Sweep: slices, each of one class
//! counter samples ─────▶ deltas, each with the ideal cycle in force               slices, deltas ─▶ Sheet: Parts by bucket
//! Parts, added up ─────▶ ratios
//! ```
//! *Classes*, the first that applies: unscheduled, planned stop of the calendar, unknown, planned stop by
//! its reason, setup, unplanned, micro stop, run. *POT* is what is scheduled, *PBT* is POT without
//! planned stops and without what is unknown, *APT* is run and micro stops within PBT.
//!
//! *Source.* ISO 22400-2:2014 for the names and formulas; the rules for events are ours.
//!
//! *Invariant.* Every instant has exactly one class. Parts add up, over buckets that follow each
//! other and over machines; ratios are made of parts at the end and never averaged. What is
//! unknown is null, not zero.
//!
//! *Not here.* Where samples come from and how rows leave (`history`).

mod cause;
mod condition;
mod counter;
mod definition;
pub mod iso22400;
mod model;
mod parts;
mod planned;
mod sheet;
mod stretch;
mod sweep;
#[cfg(test)]
mod tests;
mod timeline;
mod values;
mod versions;

pub(crate) use cause::{Cause, Causes};
pub(crate) use condition::Condition;
pub use condition::StopClass;
pub(crate) use counter::Counter;
pub use definition::{
    CountDefinition, CycleUnit, IdealCycle, OeeDefinition, Otherwise, StateDefinition,
    StopDefinition, TagName,
};
#[cfg(test)]
pub(crate) use model::CountRule;
pub(crate) use model::CycleRule;
pub use model::OeeModel;
pub(crate) use parts::{Counted, Parts};
pub(crate) use planned::{PlannedStop, PlannedTime, Working};
pub(crate) use sheet::{Bucket, Sheet, TooManyProducts, Window};
pub(crate) use stretch::{Stretch, stretches};
pub(crate) use sweep::{Class, Course, Slice, Sweep};
pub(crate) use timeline::Timeline;
pub(crate) use values::Reading;
pub use versions::OeeVersions;
