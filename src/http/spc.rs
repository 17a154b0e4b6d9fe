//! Plans of control charts: listed, defined, removed; their limits frozen.
//!
//! *Invariant.* What is answered for is on disk, and the next statement charts by it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tacitus_model::Timestamp;
use tacitus_query::QueryError;
use tacitus_query::plant::Plant;
use tacitus_query::spc::{Baseline, Basis, Exclusion, Plan, PlanDefinition, Version};

use super::json::{answer, object};
use super::moment::{self, rfc3339};
use super::tags::apart;
use super::{Facts, Problem};
use crate::plant::{Draft, Mistake, Numbers, baseline_faults};

/// `GET /api/v1/spc`.
pub(super) async fn plans(State(facts): State<Arc<Facts>>) -> Response {
    let plant = facts.plants.now();
    let document = |(name, plan): (&str, &Arc<Plan>)| {
        json!({
            "name": name,
            "definition": plan.definition(),
            "versions": plan.versions().len(),
        })
    };
    let documents: Vec<Value> = plant.spc_plans().map(document).collect();
    answer(&json!({"plans": documents}))
}

/// `GET /api/v1/spc/{name}`.
pub(super) async fn plan(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    shown(&facts.plants.now(), &name)
}

/// `PUT /api/v1/spc/{name}`.
pub(super) async fn define(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let definition: PlanDefinition = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the plan cannot be read: {error}")).hint(
            "send {\"chart\": \"xbar_r\", \"tag\": \"line/filler/weight\", \"subgroup\": \
             {\"count\": 5}}; nothing was changed",
        )
    })?;
    shown(&*facts.plants.put_spc_plan(&name, definition).await?, &name)
}

/// `DELETE /api/v1/spc/{name}`.
pub(super) async fn remove(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    facts.plants.remove_spc_plan(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Limits to freeze: those of a baseline, or numbers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsBody {
    user: String,
    reason: String,
    effective: Option<String>,
    baseline: Option<BaselineBody>,
    numbers: Option<Numbers>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BaselineBody {
    from: String,
    to: String,
    #[serde(default)]
    excluded: Vec<ExclusionBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExclusionBody {
    from: String,
    to: String,
    reason: String,
}

const LIMITS_HINT: &str = "send {\"user\":…, \"reason\":…, \"effective\": TIME, \"baseline\": \
                           {\"from\": TIME, \"to\": TIME, \"excluded\": [ … ]}} or \"numbers\": \
                           {\"center\":…, \"sigma\":…} in place of baseline; nothing was changed";

/// `POST /api/v1/spc/{name}/limits`.
pub(super) async fn freeze(
    State(facts): State<Arc<Facts>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let asked: LimitsBody = object(&body).map_err(|error| {
        let detail = format!("the limits cannot be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, detail).hint(LIMITS_HINT)
    })?;
    let plant = facts.plants.now();
    let plan = plant.spc_plan(&name).ok_or_else(|| Mistake::no_spc_plan(&name))?;
    let now = facts.ingest.now();
    let draft = draft(&facts, plan, asked, now).await?;
    let version = facts.plants.freeze_limits(&name, plan, draft, now).await?;
    Ok((StatusCode::CREATED, answer(&version_document(&version))).into_response())
}

/// What is to be frozen, worked out.
async fn draft(
    facts: &Arc<Facts>,
    plan: &Arc<Plan>,
    asked: LimitsBody,
    now: Timestamp,
) -> Result<Draft, Problem> {
    let LimitsBody { user, reason, effective, baseline, numbers } = asked;
    let effective = effective.map(|text| moment::read("effective", &text)).transpose()?;
    match (baseline, numbers) {
        (Some(baseline), None) => {
            let baseline = baseline.read()?;
            let effective = effective.unwrap_or(Timestamp::from_nanos(baseline.to));
            let (engine, plan) = (Arc::clone(&facts.engine), Arc::clone(plan));
            let span = baseline.clone();
            let found = apart(move || {
                tacitus_query::freeze(&engine.snapshot(), &plan, &span)
                    .map_err(|error| unsaid(&error))
            });
            let found = found.await?;
            let (basis, subgroups, left_out) = (found.basis, found.subgroups, found.left_out);
            let baseline = Some(baseline);
            Ok(Draft { effective, user, reason, baseline, basis, subgroups, left_out })
        }
        (None, Some(numbers)) => {
            let basis = numbers.basis(plan.recipe.kind)?;
            let effective = effective.unwrap_or(now);
            let baseline = None;
            Ok(Draft { effective, user, reason, baseline, basis, subgroups: 0, left_out: 0 })
        }
        _ => {
            let detail = "limits are those of a baseline or numbers: one of both";
            Err(Problem::new(StatusCode::BAD_REQUEST, detail).hint(LIMITS_HINT))
        }
    }
}

/// Why a baseline says no limits.
fn unsaid(error: &QueryError) -> Problem {
    let status = match error.sqlstate().class() {
        "XX" | "58" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    let problem = Problem::new(status, error.message());
    problem.hint(error.hint().unwrap_or("nothing was changed"))
}

impl BaselineBody {
    fn read(self) -> Result<Baseline, Problem> {
        let time = |name: &str, text: &str| moment::read(name, text).map(Timestamp::nanos);
        let excluded: Result<Vec<Exclusion>, Problem> = self
            .excluded
            .iter()
            .enumerate()
            .map(|(at, own)| {
                let name = |member: &str| format!("baseline.excluded[{at}].{member}");
                Ok(Exclusion {
                    from: time(&name("from"), &own.from)?,
                    to: time(&name("to"), &own.to)?,
                    reason: own.reason.as_str().into(),
                })
            })
            .collect();
        let baseline = Baseline {
            from: time("baseline.from", &self.from)?,
            to: time("baseline.to", &self.to)?,
            excluded: excluded?,
        };
        match baseline_faults(&baseline) {
            faults if faults.is_empty() => Ok(baseline),
            faults => Err(Mistake::Faults(faults).into()),
        }
    }
}

fn shown(plant: &Plant, name: &str) -> Result<Response, Problem> {
    let plan = plant.spc_plan(name).ok_or_else(|| Mistake::no_spc_plan(name))?;
    let limits: Vec<Value> = plan.versions().iter().map(|own| version_document(own)).collect();
    Ok(answer(&json!({"name": name, "definition": plan.definition(), "limits": limits})))
}

fn version_document(version: &Version) -> Value {
    let time = |nanos: i64| rfc3339(Timestamp::from_nanos(nanos));
    let exclusion = |own: &Exclusion| json!({"from": time(own.from), "to": time(own.to), "reason": &*own.reason});
    let baseline = version.baseline.as_ref().map(|own| {
        let excluded: Vec<Value> = own.excluded.iter().map(exclusion).collect();
        json!({"from": time(own.from), "to": time(own.to), "excluded": excluded})
    });
    let numbers = match &version.basis {
        Basis::Process { center, sigma } => json!({"center": center, "sigma": sigma}),
        Basis::Rate { center, sigma_z } => json!({"center": center, "sigma_z": sigma_z}),
        Basis::Joint { means, covariance, groups, size } => json!({
            "means": means, "covariance": covariance, "groups": groups, "size": size,
        }),
    };
    json!({
        "version": version.number,
        "effective": time(version.effective),
        "created": time(version.created),
        "user": version.user,
        "reason": version.reason,
        "baseline": baseline,
        "numbers": numbers,
        "subgroups": version.subgroups,
        "left_out": version.left_out,
    })
}
