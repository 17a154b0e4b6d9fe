//! Statistical process control: charts, run rules, limits, capability. Numbers in, points out.
//!
//! ```text
//! PlanDefinition ─check─▶ Plan          samples ─▶ Grouper ─▶ Subgroup
//!                           │                                    │
//!            baseline ─▶ Basis (frozen as Version) ─────────▶ Course ─▶ Point
//! ```
//! *Phase I* judges points by limits that were worked out from them; *phase II* by limits that were
//! frozen before. Limits never move by themselves: new ones are a new [`Version`] with its own
//! time of effect.
//!
//! *Source.* Montgomery, Introduction to Statistical Quality Control; ISO 7870-2; NIST/SEMATECH
//! e-Handbook, chapter 6.3.
//!
//! *Invariant.* Nothing here reads a store or a clock; the same subgroups give the same points.
//!
//! *Not here.* Which samples there are, and SQL ([`history`](crate::history)).

mod basis;
mod capability;
mod constants;
mod course;
mod definition;
mod distribution;
mod grouping;
mod normality;
mod plan;
mod rules;
mod subgroup;
#[cfg(test)]
mod tests;
mod version;

pub use basis::{Basis, Lack, basis, sigma};
pub use capability::{
    Beyond, Capability, Doubt, Indices, Interval, capability, interval_of_cp, interval_of_cpk,
};
pub use constants::{Constants, RANGE_SIZE_MAX, c4, d2, d3};
pub use course::{Course, Phase, Point};
pub use definition::{
    CusumDefinition, EwmaDefinition, PlanDefinition, RuleChoice, SubgroupDefinition,
};
pub use grouping::Grouper;
pub(crate) use grouping::{End, Observation};
pub use plan::{Chart, ChartKind, Grouping, Method, Plan, Recipe, Specification};
pub use rules::{Rule, RuleOptions, Run, all as run_rules};
pub use subgroup::{Figures, Joint, Spread, Subgroup};
pub use version::{Baseline, Exclusion, Version};

#[expect(clippy::cast_precision_loss, reason = "counts of samples, far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}
