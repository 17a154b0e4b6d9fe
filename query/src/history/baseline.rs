//! Limits worked out from a baseline, to be frozen.
//!
//! *Invariant.* It is what phase I of `spc` over the same span works out, with the same samples left
//! out.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use tacitus_storage::Snapshot;

use super::control::check;
use super::subgroups::{Groups, Sources, Span};
use crate::error::{QueryError, SqlState};
use crate::spc::{Baseline, Basis, Grouper, Plan, Subgroup, basis};

/// What a baseline says.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// The numbers.
    pub basis: Basis,
    /// Subgroups that count.
    pub subgroups: u64,
    /// Samples that were no good or filled no subgroup.
    pub left_out: u64,
}

/// What the samples of a baseline say of a plan. It reads the store: not for threads that must not
/// wait.
///
/// # Errors
/// Why there are no limits.
pub fn freeze(snapshot: &Snapshot, plan: &Plan, baseline: &Baseline) -> Result<Frozen, QueryError> {
    let groups = gathered(snapshot, plan, baseline);
    let (groups, left_out) = groups.map_err(|error| QueryError::classify(&error, ""))?;
    let found = basis(plan.recipe.kind, plan.recipe.method, &groups).map_err(|lack| {
        let subgroups = groups.len();
        let what = format!("the baseline has {subgroups} subgroups and says no limits: {lack}");
        QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what)
            .with_hint("choose a longer baseline, or look at it with spc(plan, from, to)")
    })?;
    let counted = groups.iter().filter(|group| group.excluded.is_none()).count() as u64;
    Ok(Frozen { basis: found, subgroups: counted, left_out })
}

fn gathered(
    snapshot: &Snapshot,
    plan: &Plan,
    baseline: &Baseline,
) -> Result<(Vec<Subgroup>, u64), DataFusionError> {
    let sources = Sources::of(snapshot, plan)?;
    let grouper = Grouper::new(plan.grouping, plan.gap_ns);
    let exclusions = Arc::from(baseline.excluded.as_slice());
    let span = Span { start: baseline.from, to: baseline.to, cut: i64::MAX };
    let mut groups = Groups::open(&sources, grouper, exclusions, span)?;
    let mut all = Vec::new();
    let mut more = true;
    while more {
        more = groups.piece(&mut all)?;
        check(all.len())?;
    }
    let left_out = all.iter().map(|group| group.left_out).sum::<u64>() + groups.grouper.left_out();
    Ok((all, left_out))
}
