//! Which machines stand behind an asset: itself, the one it is the same as, or those it is the sum
//! of.
//!
//! *Invariant.* An asset is never made of itself, by whatever way.

use std::sync::Arc;

use datafusion::error::Result;
use tacitus_storage::Glob;

use super::too_much;
use crate::error::{QueryError, SqlState, nearest};
use crate::limits::OEE_MACHINES_MAX;
use crate::oee::OeeModel;
use crate::plant::Plant;

/// What makes a pattern of a text.
const WILD: [char; 3] = ['*', '?', '{'];

/// A machine with a state tag, for as long as one definition of it holds.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) asset: Arc<str>,
    pub(super) model: Arc<OeeModel>,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// The assets that texts name, sorted, each once.
pub(super) fn select(plant: &Plant, texts: &[String]) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        if plant.oee(text).is_some() {
            found.push(text.clone());
        } else if text.ends_with('/') {
            found.extend(
                plant
                    .oees()
                    .map(|(own, _)| own)
                    .filter(|own| own.starts_with(text))
                    .map(str::to_owned),
            );
        } else if text.contains(WILD) {
            found.extend(matching(plant, text)?);
        } else {
            return Err(undefined(plant, text).into());
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The assets with a definition that a glob matches.
fn matching(plant: &Plant, pattern: &str) -> Result<Vec<String>> {
    let glob = Glob::new(pattern).map_err(|error| {
        let state = SqlState::INVALID_PARAMETER_VALUE;
        QueryError::new(state, error.to_string()).with_hint(error.hint())
    })?;
    let all = plant.oees().map(|(own, _)| own);
    Ok(all.filter(|own| glob.matches(own)).map(str::to_owned).collect())
}

fn undefined(plant: &Plant, asset: &str) -> QueryError {
    let what = format!("\"{asset}\" has no OEE definition");
    let error = QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what);
    match nearest(asset, plant.oees().map(|(own, _)| own)) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint(
            "PUT /api/v1/oee?asset=… defines one, GET /api/v1/oee lists those there are",
        ),
    }
}

/// The machines behind an asset between two times.
pub(super) fn machines(plant: &Plant, asset: &str, from: i64, to: i64) -> Result<Vec<Machine>> {
    let mut found = Search { plant, trail: Vec::new(), steps: 0, machines: Vec::new() };
    found.add(asset, from, to)?;
    let mut machines = found.machines;
    // One that is reached by several ways is there once.
    machines.sort_by(|a, b| (&a.asset, a.from).cmp(&(&b.asset, b.from)));
    machines.dedup_by(|a, b| (&a.asset, a.from, a.to) == (&b.asset, b.from, b.to));
    Ok(machines)
}

/// A walk from an asset to its machines.
struct Search<'a> {
    plant: &'a Plant,
    /// The assets on the way.
    trail: Vec<String>,
    steps: usize,
    machines: Vec<Machine>,
}

impl Search<'_> {
    fn add(&mut self, asset: &str, from: i64, to: i64) -> Result<()> {
        if self.trail.iter().any(|own| own == asset) {
            let what = format!("the OEE of \"{asset}\" is made of itself");
            let way = self.trail.join("\", \"");
            return Err(QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what)
                .with_hint(format!("change sum_of or same_as of one of \"{way}\""))
                .into());
        }
        self.steps += 1;
        if self.steps > OEE_MACHINES_MAX {
            let what = format!("an asset is made of at most {OEE_MACHINES_MAX} others");
            return Err(too_much(what, "ask for its parts, and add them up").into());
        }
        let Some(versions) = self.plant.oee(asset) else {
            return Err(self.unknown(asset).into());
        };
        self.trail.push(asset.to_owned());
        for (from, to, model) in versions.between(from, to) {
            if model.state().is_some() {
                let (asset, model) = (asset.into(), Arc::clone(model));
                self.machines.push(Machine { asset, model, from, to });
            }
            let definition = model.definition();
            for member in definition.same_as.iter().chain(&definition.sum_of) {
                for other in self.members(asset, member)? {
                    self.add(&other, from, to)?;
                }
            }
        }
        self.trail.pop();
        Ok(())
    }

    /// The assets that a member of a definition names, from its asset on or in full.
    fn members(&self, asset: &str, member: &str) -> Result<Vec<String>> {
        let below = format!("{asset}/{member}");
        if member.contains(WILD) {
            let mut found = matching(self.plant, &below)?;
            if found.is_empty() {
                found = matching(self.plant, member)?;
            }
            found.retain(|own| own != asset);
            return Ok(found);
        }
        Ok(vec![if self.plant.oee(&below).is_some() { below } else { member.to_owned() }])
    }

    fn unknown(&self, asset: &str) -> QueryError {
        let Some(above) = self.trail.last() else { return undefined(self.plant, asset) };
        let what = format!("\"{above}\" is made of \"{asset}\", which has no OEE definition");
        QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what)
            .with_hint("PUT /api/v1/oee?asset=… defines one")
    }
}
