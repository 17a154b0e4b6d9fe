//! Tags: looked up by name, pattern and label, a page at a time, and changed.
//!
//! *Invariant.* A change is on disk when it is answered, all of it or nothing. A tag keeps its id
//! and its history whatever it is called, and its former names lead to it.
//!
//! *Not here.* Defining tags: their first sample does.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tacitus_model::{Tag, TagChange, TagId, TagPath};
use tacitus_storage::{Catalog, Error, Snapshot};

use super::json::{answer, object};
use super::moment::rfc3339;
use super::select::{Selection, unknown};
use super::{Facts, Problem};

/// How many tags a page has where nothing is said.
const PAGE_TAGS: usize = 1000;

/// LIMIT: a page is made in memory; a larger one is read no faster.
const PAGE_TAGS_MAX: usize = 10_000;

const PARAMETERS: &str =
    "tag, glob, asset, prefix, regex, label, kind, unit, source, limit and after";

/// `GET /api/v1/tags`.
pub(super) async fn list(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let mut selection = Selection::default();
    let (mut limit, mut after) = (PAGE_TAGS, 0_u32);
    for (name, value) in &parameters {
        match name.as_str() {
            "limit" => limit = number(name, value)?,
            "after" => after = number(name, value)?,
            _ if selection.take(name, value)? => {}
            _ => return Err(unknown(name, PARAMETERS)),
        }
    }
    if !(1..=PAGE_TAGS_MAX).contains(&limit) {
        let detail = format!("a page has 1 to {PAGE_TAGS_MAX} tags, not {limit}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail)
            .hint("ask for the next page with after=, the \"next\" of this one"));
    }
    let page = apart(move || page(&facts, selection, limit, after)).await?;
    Ok(answer(&page))
}

fn page(facts: &Facts, selection: Selection, limit: usize, after: u32) -> Result<Value, Problem> {
    let engine = &facts.engine;
    let snapshot = engine.snapshot();
    let ids =
        snapshot.select_ids(&selection.query(facts)).map_err(|error| Problem::from(&error))?;
    let from = ids.partition_point(|id| id.0 <= after);
    let rest = ids.get(from..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = page.last().filter(|_| rest.len() > page.len()).map(|id| id.0);
    let tags: Vec<Value> = page
        .iter()
        .filter_map(|id| snapshot.tag(*id))
        .map(|tag| document(&tag, &snapshot, engine.catalog()))
        .collect();
    Ok(json!({"tags": tags, "next": next}))
}

/// What is known of a tag.
fn document(tag: &Tag, snapshot: &Snapshot, catalog: &Catalog) -> Value {
    let definition = &tag.definition;
    let labels: Map<String, Value> =
        definition.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let extent = snapshot.extent(tag.id);
    let others: Vec<String> = catalog
        .names(tag.id)
        .into_iter()
        .filter(|name| name.until.is_none() && name.path != definition.path)
        .map(|name| name.path.to_string())
        .collect();
    json!({
        "id": tag.id.0,
        "name": definition.path.as_str(),
        "aliases": others,
        "kind": definition.kind.name(),
        "unit": definition.unit,
        "description": definition.description,
        "labels": labels,
        "step": definition.step,
        "states": definition.states,
        "range": definition.range.map(|(low, high)| json!([low, high])),
        "source": definition.source,
        "quantum_ns": definition.quantum_ns,
        "retention": definition.retention,
        "first_ts": extent.map(|extent| rfc3339(extent.first)),
        "last_ts": extent.map(|extent| rfc3339(extent.last)),
    })
}

/// What is to be changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Changes {
    unit: Option<String>,
    description: Option<String>,
    labels: Option<std::collections::BTreeMap<String, String>>,
    step: Option<bool>,
    range: Option<[f64; 2]>,
    retention: Option<String>,
    /// Another path.
    name: Option<String>,
    /// Another name beside the others.
    alias: Option<String>,
    /// A name that leads to it no more.
    release: Option<String>,
}

/// `PATCH /api/v1/tags`.
pub(super) async fn change(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let [(name, path)] = parameters.as_slice() else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "one tag is changed at a time")
            .hint("name it: PATCH /api/v1/tags?tag=PATH"));
    };
    if name != "tag" {
        return Err(unknown(name, "tag"));
    }
    let changes: Changes = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the changes cannot be read: {error}")).hint(
            "send some of unit, description, labels, step, range, retention, name, alias, \
                   release",
        )
    })?;
    let tag = facts.engine.catalog().find(path).ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no tag \"{path}\""))
            .hint("GET /api/v1/tags lists what there is")
    })?;
    let facts = Arc::clone(&facts);
    let document = apart(move || make(&facts, tag.id, changes)).await?;
    Ok(answer(&document))
}

fn make(facts: &Facts, id: TagId, changes: Changes) -> Result<Value, Problem> {
    let engine = &facts.engine;
    stage(engine.catalog(), id, changes)?;
    // What is staged is written by a commit, also by one without samples.
    let sequence = engine.commit(&[]).map_err(|error| Problem::from(&error))?;
    facts.ingest.feed().reset(sequence);
    let snapshot = engine.snapshot();
    let tag = snapshot.tag(id).ok_or_else(|| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the changed tag cannot be found")
    })?;
    Ok(document(&tag, &snapshot, engine.catalog()))
}

fn stage(catalog: &Catalog, id: TagId, changes: Changes) -> Result<(), Problem> {
    let Changes { unit, description, labels, step, range, retention, name, alias, release } =
        changes;
    let refuse = |error: Error| Problem::from(&error);
    let path = |name: String| {
        TagPath::new(&name).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("\"{name}\" is no name: {error}"))
                .hint("nothing was changed")
        })
    };
    let (name, alias) = (name.map(path).transpose()?, alias.map(path).transpose()?);
    let definition = [
        unit.map(TagChange::Unit),
        description.map(TagChange::Description),
        labels.map(|labels| TagChange::Labels(labels.into_iter().collect())),
        step.map(TagChange::Step),
        range.map(|[low, high]| TagChange::Range(Some((low, high)))),
        retention.map(TagChange::Retention),
    ];
    let definition: Vec<TagChange> = definition.into_iter().flatten().collect();
    // What can be refused is refused before anything is staged, as staging is not taken back.
    for path in name.iter().chain(&alias) {
        if catalog.find(path.as_str()).is_some_and(|other| other.id != id) {
            return Err(taken(path.as_str()));
        }
    }
    if let Some(path) = &release {
        let held = catalog.find(path).filter(|tag| tag.id == id);
        if held.is_none_or(|tag| tag.definition.path.as_str() == path && name.is_none()) {
            let detail = format!("\"{path}\" is no alias of this tag");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail)
                .hint("nothing was changed; rename the tag before its path is released"));
        }
    }
    if !definition.is_empty() {
        catalog.redefine(id, definition).map_err(refuse)?;
    }
    if let Some(path) = alias {
        catalog.alias(id, &path).map_err(refuse)?;
    }
    if let Some(path) = name {
        catalog.rename(id, path).map_err(refuse)?;
    }
    release.map_or(Ok(()), |path| catalog.release(&path)).map_err(refuse)
}

fn taken(path: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, format!("\"{path}\" leads to another tag"))
        .hint("nothing was changed; choose another name, or release this one from the other tag")
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_no_number| {
        let detail = format!("\"{name}\" is \"{value}\", which is not a number it takes");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

/// Works where it holds up no other request.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request ended badly");
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be answered")
            .hint("report this with the server's log"))
    })
}
