//! Corrections of stored samples, on the record: who, why, and what was there before.
//!
//! *Invariant.* A correction is on disk, after its entry in the audit, when it is answered; or
//! nothing of it is. It names a user and a reason.
//!
//! *Not here.* Looking back behind a correction, which goes as long as `data.audit` says.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tacitus_model::{TagId, TimeRange, Timestamp};
use tacitus_protocol::samples;
use tacitus_storage::Change;

use super::json::{answer, object};
use super::moment::{self, rfc3339};
use super::tags::apart;
use super::{Facts, Problem};

/// Samples to write over stored ones, or to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    user: String,
    reason: String,
    samples: Box<RawValue>,
}

/// Samples to delete: of these tags, from a time to before another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    user: String,
    reason: String,
    tags: Vec<String>,
    from: String,
    to: String,
}

/// `POST /api/v1/samples/edit`.
pub(super) async fn edit(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    apart(move || write(&facts, &body)).await
}

fn write(facts: &Facts, body: &[u8]) -> Result<Response, Problem> {
    let hint = "send {\"user\":…, \"reason\":…, \"samples\": [ … ]}; nothing was changed";
    let edit: Edit = object(body).map_err(|error| unread(&error, hint))?;
    let points = samples::parse(edit.samples.get().as_bytes())
        .map_err(|error| unread(&error, hint).with("row", error.row))?;
    for point in &points {
        find(facts, &point.path)?;
        if point.ts.is_none() {
            let detail = format!("a sample of \"{}\" has no time", point.path);
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail).hint(hint));
        }
    }
    let resolved = facts.ingest.resolve(points, "edit");
    if let Some(refused) = resolved.refused.first() {
        let detail = format!("\"{}\": {}", refused.path, refused.reason);
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail)
            .hint("nothing was changed")
            .with("row", refused.index + 1));
    }
    let sequence = facts.engine.edit(&resolved.batch, &edit.user, &edit.reason);
    done(facts, sequence)
}

/// `POST /api/v1/samples/delete`.
pub(super) async fn delete(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    apart(move || remove(&facts, &body)).await
}

fn remove(facts: &Facts, body: &[u8]) -> Result<Response, Problem> {
    let hint = "send {\"user\":…, \"reason\":…, \"tags\": [ … ], \"from\": TIME, \"to\": TIME}; \
                nothing was deleted";
    let asked: Deletion = object(body).map_err(|error| unread(&error, hint))?;
    let first = moment::read("from", &asked.from)?;
    let end = moment::read("to", &asked.to)?;
    let last = Timestamp::from_nanos(end.nanos().saturating_sub(1));
    let tags: Vec<TagId> =
        asked.tags.iter().map(|path| find(facts, path)).collect::<Result<_, _>>()?;
    let range = TimeRange { first, last };
    let sequence = facts.engine.delete(&tags, range, &asked.user, &asked.reason);
    done(facts, sequence)
}

/// `GET /api/v1/audit`.
pub(super) async fn audit(State(facts): State<Arc<Facts>>) -> Response {
    let catalog = facts.engine.catalog();
    let name = |id: &TagId| catalog.get(*id).map(|tag| tag.definition.path.to_string());
    let entries: Vec<Value> = facts
        .engine
        .audit()
        .iter()
        .map(|entry| {
            json!({
                "sequence": entry.sequence,
                "at": rfc3339(entry.at),
                "user": entry.user,
                "reason": entry.reason,
                "change": match entry.change {
                    Change::Edited => "edited",
                    Change::Deleted => "deleted",
                },
                "tags": entry.tags.iter().map(name).collect::<Vec<_>>(),
                "first_ts": rfc3339(entry.range.first),
                "last_ts": rfc3339(entry.range.last),
            })
        })
        .collect();
    answer(&json!({"audit": entries}))
}

fn find(facts: &Facts, path: &str) -> Result<TagId, Problem> {
    facts.engine.catalog().find(path).map(|tag| tag.id).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no tag \"{path}\""))
            .hint("nothing was changed; GET /api/v1/tags lists what there is")
    })
}

fn done(facts: &Facts, result: Result<u64, tacitus_storage::Error>) -> Result<Response, Problem> {
    let sequence = result.map_err(|error| Problem::from(&error))?;
    facts.ingest.feed().reset(sequence);
    Ok(answer(&json!({"sequence": sequence})))
}

fn unread(error: &dyn std::fmt::Display, hint: &str) -> Problem {
    let detail = format!("the correction cannot be read: {error}");
    Problem::new(StatusCode::BAD_REQUEST, detail).hint(hint)
}
