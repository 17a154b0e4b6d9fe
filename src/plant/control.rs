//! Plans of control charts, and the limits that were frozen for them.
//!
//! *Invariant.* Limits are added and never changed. A plan that has limits goes on measuring what
//! they are of: another chart, tag or subgroup is another plan. Members are never renamed: they are
//! in stores.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tacitus_model::Timestamp;
use tacitus_query::calendar::Fault;
use tacitus_query::plant::Plant;
use tacitus_query::spc::{Baseline, Basis, ChartKind, Plan, PlanDefinition, Version};
use tacitus_storage::Document;

use super::Plants;
use super::limits::{
    SPC_EXCLUSIONS_MAX, SPC_NAME_BYTES_MAX, SPC_PLAN_BYTES_MAX, SPC_PLANS_MAX, SPC_REASON_BYTES_MAX,
};
use super::mistake::{Kind, Mistake, fault};
use crate::documents::SPC_PLANS;
use crate::keeper::Keeper;

/// A plan as it is kept. Members may be added.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    definition: PlanDefinition,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    versions: Vec<Version>,
}

/// Limits that shall be frozen.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// From when on they hold.
    pub effective: Timestamp,
    /// Who freezes them.
    pub user: String,
    /// Why.
    pub reason: String,
    /// What they were worked out from.
    pub baseline: Option<Baseline>,
    /// The numbers.
    pub basis: Basis,
    /// Subgroups that they were worked out from.
    pub subgroups: u64,
    /// Samples that were left out.
    pub left_out: u64,
}

/// Numbers that somebody gives for limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// The mean, or events a unit.
    pub center: Option<f64>,
    /// The standard deviation of single values.
    pub sigma: Option<f64>,
    /// How much more counts spread than their distribution says.
    pub sigma_z: Option<f64>,
}

impl Numbers {
    /// The basis that they are for charts of a kind.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn basis(self, kind: ChartKind) -> Result<Basis, Mistake> {
        let mut faults = Vec::new();
        let mut add = |key: &str, reason: String, hint: &str| {
            faults.push(fault(&format!("numbers.{key}"), reason, hint));
        };
        if kind == ChartKind::TSquared {
            let hint = "freeze those of a baseline";
            add("center", "limits of several variables are not given by number".to_owned(), hint);
        }
        let (Self { center, sigma, sigma_z }, counts) = (self, kind.is_of_counts());
        if center.is_none() {
            add("center", "it is missing".to_owned(), "write the mean, or events a unit");
        }
        let share = matches!(kind, ChartKind::P | ChartKind::Np | ChartKind::LaneyP);
        let most = if share { 1.0 } else { f64::MAX };
        if counts && center.is_some_and(|center| !(0.0..=most).contains(&center)) {
            let reason = format!("the center of {} is not between 0 and {most}", kind.name());
            add("center", reason, "write events a unit");
        }
        let positive = |number: Option<f64>| number.is_none_or(|number| number > 0.0);
        if !positive(sigma) || !positive(sigma_z) {
            add("sigma", "it is not positive".to_owned(), "write a standard deviation");
        }
        if counts && sigma.is_some() {
            add("sigma", "counts have the spread of their distribution".to_owned(), "leave it out");
        }
        if !counts && sigma.is_none() {
            add(
                "sigma",
                "it is missing".to_owned(),
                "write the standard deviation of single values",
            );
        }
        let laney = matches!(kind, ChartKind::LaneyP | ChartKind::LaneyU);
        if sigma_z.is_some() && !laney {
            add("sigma_z", format!("{} has none", kind.name()), "leave it out");
        }
        match (faults.is_empty(), center) {
            (true, Some(center)) => Ok(match sigma {
                Some(sigma) => Basis::Process { center, sigma },
                None => Basis::Rate { center, sigma_z: sigma_z.unwrap_or(1.0) },
            }),
            _ => Err(Mistake::Faults(faults)),
        }
    }
}

/// Puts the plans that were kept into a plant.
pub(super) fn restore(keeper: &dyn Keeper, plant: &mut Plant) {
    for (key, body) in keeper.kept(SPC_PLANS) {
        let name = String::from_utf8_lossy(&key).into_owned();
        match serde_json::from_slice::<Body>(&body) {
            Ok(Body { definition, versions }) => match Plan::new(definition) {
                Ok(plan) => plant.put_spc_plan(&name, plan.with_versions(arcs(versions))),
                Err(faults) => tracing::error!(name, ?faults, "a plan is no longer in order"),
            },
            Err(error) => tracing::error!(name, %error, "a plan is unreadable"),
        }
    }
}

fn arcs(versions: Vec<Version>) -> Vec<Arc<Version>> {
    versions.into_iter().map(Arc::new).collect()
}

/// The record that keeps a plan.
fn record(name: &str, plan: &Plan) -> Result<Document, Mistake> {
    let versions = plan.versions().iter().map(|own| Version::clone(own)).collect();
    let body = Body { definition: plan.definition().clone(), versions };
    // Numbers that are finite, texts and lists always have a JSON form.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    if body.len() > SPC_PLAN_BYTES_MAX {
        return Err(Mistake::TooLarge(Kind::SpcPlan, SPC_PLAN_BYTES_MAX));
    }
    Ok(Document { collection: SPC_PLANS, key: name.as_bytes().to_vec(), body: Some(body) })
}

fn name_fault(name: &str) -> Option<Fault> {
    let fits = !name.trim().is_empty() && !name.contains('/') && name.len() <= SPC_NAME_BYTES_MAX;
    let hint = format!("a name has 1 to {SPC_NAME_BYTES_MAX} bytes and no /");
    (!fits).then(|| fault("name", format!("\"{name}\" is no name of a plan"), &hint))
}

impl Plants {
    /// Defines a plan, in place of the one of its name; its limits stay.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn put_spc_plan(
        &self,
        name: &str,
        definition: PlanDefinition,
    ) -> Result<Arc<Plant>, Mistake> {
        let _door = self.door.lock().await;
        let mut faults: Vec<Fault> = name_fault(name).into_iter().collect();
        let plan = match Plan::new(definition) {
            Ok(plan) if faults.is_empty() => plan,
            checked => {
                faults.extend(checked.err().unwrap_or_default());
                return Err(Mistake::Faults(faults));
            }
        };
        let mut plant = Plant::clone(&self.now());
        let versions = match plant.spc_plan(name) {
            Some(before) if before.versions().is_empty() || before.measures_as(&plan) => {
                before.versions().to_vec()
            }
            Some(before) => {
                let count = before.versions().len();
                let reason = format!("the plan has {count} limits of what it measured so far");
                let hint = "keep chart, tags, sizes, subgroup and sigma, or define another plan";
                return Err(Mistake::Faults(vec![fault("chart", reason, hint)]));
            }
            None => Vec::new(),
        };
        let plan = plan.with_versions(versions);
        let record = record(name, &plan)?;
        plant.put_spc_plan(name, plan);
        if plant.spc_plans().len() > SPC_PLANS_MAX {
            return Err(Mistake::TooMany(Kind::SpcPlan, SPC_PLANS_MAX));
        }
        self.keep(vec![record], plant).await
    }

    /// Removes a plan with its limits.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn remove_spc_plan(&self, name: &str) -> Result<Arc<Plant>, Mistake> {
        let _door = self.door.lock().await;
        let mut plant = Plant::clone(&self.now());
        if plant.take_spc_plan(name).is_none() {
            return Err(Mistake::Unknown(Kind::SpcPlan, name.to_owned()));
        }
        let record = Document { collection: SPC_PLANS, key: name.as_bytes().to_vec(), body: None };
        self.keep(vec![record], plant).await
    }

    /// Freezes limits for a plan as it was when they were worked out; their number.
    ///
    /// # Errors
    /// Nothing was changed, and why.
    pub async fn freeze_limits(
        &self,
        name: &str,
        of: &Plan,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Arc<Version>, Mistake> {
        let faults = draft_faults(&draft);
        if !faults.is_empty() {
            return Err(Mistake::Faults(faults));
        }
        let _door = self.door.lock().await;
        let mut plant = Plant::clone(&self.now());
        let unknown = || Mistake::Unknown(Kind::SpcPlan, name.to_owned());
        let plan = plant.spc_plan(name).ok_or_else(unknown)?;
        if !plan.measures_as(of) {
            let reason = "the plan was changed meanwhile";
            return Err(Mistake::Faults(vec![fault("chart", reason, "freeze the limits again")]));
        }
        let mut versions = plan.versions().to_vec();
        let last = versions.iter().map(|own| own.number).max().unwrap_or_default();
        let version = Arc::new(Version {
            number: last.saturating_add(1),
            effective: draft.effective.nanos(),
            created: now.nanos(),
            user: draft.user,
            reason: draft.reason,
            baseline: draft.baseline,
            basis: draft.basis,
            subgroups: draft.subgroups,
            left_out: draft.left_out,
        });
        versions.push(Arc::clone(&version));
        let plan = Plan::clone(plan).with_versions(versions);
        let record = record(name, &plan)?;
        plant.put_spc_plan(name, plan);
        self.keep(vec![record], plant).await?;
        Ok(version)
    }
}

fn draft_faults(draft: &Draft) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, text) in [("user", &draft.user), ("reason", &draft.reason)] {
        if text.trim().is_empty() || text.len() > SPC_REASON_BYTES_MAX {
            let reason = format!("it is empty or has more than {SPC_REASON_BYTES_MAX} bytes");
            faults.push(fault(key, reason, "say who freezes these limits, and why"));
        }
    }
    faults
}

/// What is wrong with a baseline, before it is read.
pub(crate) fn baseline_faults(baseline: &Baseline) -> Vec<Fault> {
    let mut faults = Vec::new();
    if baseline.from >= baseline.to {
        faults.push(fault("baseline.to", "it is not after from", "write from when to when"));
    }
    if baseline.excluded.len() > SPC_EXCLUSIONS_MAX {
        let reason = format!("there are {}", baseline.excluded.len());
        let hint = format!("leave out at most {SPC_EXCLUSIONS_MAX}, or choose another baseline");
        faults.push(fault("baseline.excluded", reason, &hint));
    }
    for (at, own) in baseline.excluded.iter().enumerate() {
        let key = |member: &str| format!("baseline.excluded[{at}].{member}");
        if own.from >= own.to {
            faults.push(fault(&key("to"), "it is not after from", "write from when to when"));
        }
        if own.reason.trim().is_empty() || own.reason.len() > SPC_REASON_BYTES_MAX {
            let reason = format!("it is empty or has more than {SPC_REASON_BYTES_MAX} bytes");
            faults.push(fault(&key("reason"), reason, "say why these do not count"));
        }
    }
    faults
}
