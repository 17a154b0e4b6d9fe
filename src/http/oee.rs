//! How the effectiveness of assets is worked out: listed, defined, removed.
//!
//! *Invariant.* What is answered for is on disk, all of it or nothing, and the next statement works
//! by it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tacitus_query::oee::{OeeDefinition, OeeVersions};
use tacitus_query::plant::Plant;
use tacitus_storage::Snapshot;

use super::json::{answer, object};
use super::plant::PathPage;
use super::select::unknown;
use super::{Facts, Problem};
use crate::plant::Mistake;

/// `GET /api/v1/oee`.
pub(super) async fn list(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let asked = PathPage::read(&parameters)?;
    let (plant, snapshot) = (facts.plants.now(), facts.engine.snapshot());
    let (page, next) = asked.of(plant.oees(), |(asset, _)| *asset);
    let documents: Vec<Value> =
        page.iter().map(|(asset, versions)| document(asset, versions, &snapshot)).collect();
    Ok(answer(&json!({"definitions": documents, "next": next})))
}

/// `PUT /api/v1/oee`.
pub(super) async fn define(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let mut asset = None;
    for (name, value) in &parameters {
        match name.as_str() {
            "asset" => asset = Some(value),
            _ => return Err(unknown(name, "asset")),
        }
    }
    let asset = asset.ok_or_else(unnamed)?;
    let definition: OeeDefinition = object(&body).map_err(|error| {
        let detail = format!("the definition cannot be read: {error}");
        Problem::new(StatusCode::BAD_REQUEST, detail).hint(
            "send {\"state\": {\"tag\": \"state\", \"run\": [\"running\"]}, \"total\": {\"tag\": \
             \"count\"}, \"ideal_cycle\": {\"seconds\": 1.5}}; nothing was changed",
        )
    })?;
    let plant = facts.plants.put_oee(asset, definition).await?;
    defined(&plant, asset, &facts)
}

/// `DELETE /api/v1/oee`.
pub(super) async fn remove(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<StatusCode, Problem> {
    let (mut asset, mut valid_from_ns) = (None, None);
    for (name, value) in &parameters {
        match name.as_str() {
            "asset" => asset = Some(value),
            "valid_from" => valid_from_ns = Some(moment(value)?),
            _ => return Err(unknown(name, "asset and valid_from")),
        }
    }
    facts.plants.remove_oee(asset.ok_or_else(unnamed)?, valid_from_ns).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unnamed() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "no asset is named")
        .hint("name it in the address: /api/v1/oee?asset=acme/berlin/line1")
}

/// From when on a definition holds.
fn moment(text: &str) -> Result<i64, Problem> {
    let moment = chrono::DateTime::parse_from_rfc3339(text).ok();
    moment.and_then(|moment| moment.timestamp_nanos_opt()).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, format!("valid_from \"{text}\" is no time"))
            .hint("write 2026-01-01T00:00:00Z, as GET /api/v1/oee shows it")
    })
}

fn defined(plant: &Plant, asset: &str, facts: &Facts) -> Result<Response, Problem> {
    let versions = plant.oee(asset).ok_or_else(|| Mistake::no_oee(asset))?;
    Ok(answer(&document(asset, versions, &facts.engine.snapshot())))
}

/// The definitions of an asset, and which of their tags are not there yet.
fn document(asset: &str, versions: &OeeVersions, snapshot: &Snapshot) -> Value {
    let definitions: Vec<&OeeDefinition> =
        versions.all().iter().map(|own| own.definition()).collect();
    let is_missing = |name: &&str| {
        snapshot.find(&format!("{asset}/{name}")).is_none() && snapshot.find(name).is_none()
    };
    let mut missing: Vec<&str> =
        versions.all().iter().flat_map(|own| own.tags()).filter(is_missing).collect();
    missing.sort_unstable();
    missing.dedup();
    json!({"asset": asset, "versions": definitions, "missing_tags": missing})
}
