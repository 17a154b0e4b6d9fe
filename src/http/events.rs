//! Events and annotations: listed, written down, closed, changed, removed.
//!
//! *Invariant.* What is answered for is on disk, and the next statement shows it. A change names
//! what it changes; `null` removes it.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tacitus_model::{TimeRange, Timestamp};
use tacitus_storage::Catalog;

use super::json::{answer, object};
use super::moment::{self, rfc3339};
use super::plant::{PAGE, page_rows};
use super::select::unknown;
use super::{Facts, Problem};
use crate::plant::{
    Annotation, AnnotationDraft, Event, EventDraft, Mark, Mistake, Record, Register,
};

/// An event as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventBody {
    kind: String,
    asset: Option<String>,
    start: Option<String>,
    end: Option<String>,
    severity: Option<u16>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    attributes: Map<String, Value>,
}

impl EventBody {
    fn draft(self, now: Timestamp) -> Result<EventDraft, Problem> {
        Ok(EventDraft {
            start: time("start", self.start.as_deref())?.unwrap_or(now),
            end: time("end", self.end.as_deref())?,
            kind: self.kind,
            asset: self.asset,
            severity: self.severity,
            text: self.text,
            attributes: self.attributes,
        })
    }
}

/// An annotation as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnotationBody {
    asset: Option<String>,
    tag: Option<String>,
    start: Option<String>,
    end: Option<String>,
    text: String,
    #[serde(default)]
    author: String,
    #[serde(default)]
    attributes: Map<String, Value>,
}

impl AnnotationBody {
    fn draft(self, now: Timestamp, catalog: &Catalog) -> Result<AnnotationDraft, Problem> {
        let of = match (self.asset, self.tag) {
            (None, None) => Mark::Plant,
            (Some(path), None) => Mark::Asset(path),
            (None, Some(tag)) => Mark::Tag(
                catalog
                    .find(&tag)
                    .ok_or_else(|| {
                        let detail = format!("there is no tag \"{tag}\"");
                        Problem::new(StatusCode::BAD_REQUEST, detail)
                            .hint("GET /api/v1/tags lists what there is; nothing was changed")
                    })?
                    .id,
            ),
            (Some(_), Some(_)) => {
                let detail = "an annotation is of an asset or of a tag, not of both";
                return Err(
                    Problem::new(StatusCode::BAD_REQUEST, detail).hint("nothing was changed")
                );
            }
        };
        Ok(AnnotationDraft {
            of,
            start: time("start", self.start.as_deref())?.unwrap_or(now),
            end: time("end", self.end.as_deref())?,
            text: self.text,
            author: self.author,
            attributes: self.attributes,
        })
    }
}

fn time(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    text.map(|text| moment::read(name, text)).transpose()
}

/// A record as it is shown: all that a change may name, and what is known besides.
trait Shown: Record {
    /// What a change may name.
    fn members(&self, facts: &Facts) -> Map<String, Value>;
    /// When it was written down.
    fn created(&self) -> Timestamp;
    /// Whether it is of a kind.
    fn is_of(&self, kind: &str) -> bool;
    /// The path that it is of.
    fn place(&self, facts: &Facts) -> Option<String>;

    fn document(&self, facts: &Facts) -> Value {
        let mut members = self.members(facts);
        members.insert("id".to_owned(), self.id().into());
        members.insert("created".to_owned(), rfc3339(self.created()).into());
        Value::Object(members)
    }
}

impl Shown for Event {
    fn members(&self, _: &Facts) -> Map<String, Value> {
        let says = &self.says;
        members(json!({
            "kind": says.kind,
            "asset": says.asset,
            "start": rfc3339(says.start),
            "end": says.end.map(rfc3339),
            "severity": says.severity,
            "text": says.text,
            "attributes": says.attributes,
        }))
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn is_of(&self, kind: &str) -> bool {
        self.says.kind == kind
    }

    fn place(&self, _: &Facts) -> Option<String> {
        self.says.asset.clone()
    }
}

impl Shown for Annotation {
    fn members(&self, facts: &Facts) -> Map<String, Value> {
        let says = &self.says;
        let (asset, tag) = match &says.of {
            Mark::Plant => (None, None),
            Mark::Asset(path) => (Some(path.clone()), None),
            Mark::Tag(_) => (None, self.place(facts)),
        };
        members(json!({
            "asset": asset,
            "tag": tag,
            "start": rfc3339(says.start),
            "end": says.end.map(rfc3339),
            "text": says.text,
            "author": says.author,
            "attributes": says.attributes,
        }))
    }

    fn created(&self) -> Timestamp {
        self.created
    }

    fn is_of(&self, _: &str) -> bool {
        false
    }

    fn place(&self, facts: &Facts) -> Option<String> {
        match &self.says.of {
            Mark::Plant => None,
            Mark::Asset(path) => Some(path.clone()),
            Mark::Tag(id) => {
                facts.engine.catalog().get(*id).map(|tag| tag.definition.path.to_string())
            }
        }
    }
}

fn members(document: Value) -> Map<String, Value> {
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Which records a list has.
#[derive(Debug)]
struct Wanted {
    from: Timestamp,
    to: Timestamp,
    kind: Option<String>,
    /// Of this path and all below.
    under: Option<String>,
    after: Option<(Timestamp, u64)>,
    limit: usize,
}

impl Wanted {
    fn read(parameters: &[(String, String)], known: &str) -> Result<Self, Problem> {
        let mut wanted = Self {
            from: Timestamp::MIN,
            to: Timestamp::MAX,
            kind: None,
            under: None,
            after: None,
            limit: PAGE,
        };
        for (name, value) in parameters {
            match name.as_str() {
                "from" => wanted.from = moment::read(name, value)?,
                "to" => wanted.to = moment::read(name, value)?,
                "kind" if known.contains("kind") => wanted.kind = Some(value.clone()),
                "under" => wanted.under = Some(value.clone()),
                "after" => wanted.after = Some(place_in_list(value)?),
                "limit" => wanted.limit = page_rows(value)?,
                _ => return Err(unknown(name, known)),
            }
        }
        Ok(wanted)
    }

    fn page<T: Shown>(&self, register: &Register<T>, facts: &Facts) -> Value {
        let starts = TimeRange { first: Timestamp::MIN, last: self.to };
        let ends = TimeRange { first: self.from, last: Timestamp::MAX };
        let is_under = |own: &T| {
            let Some(under) = &self.under else { return true };
            let place = own.place(facts);
            let rest = place.as_deref().and_then(|place| place.strip_prefix(under.as_str()));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut rows = register.find(starts, ends);
        rows.retain(|own| {
            self.after.is_none_or(|after| (own.start(), own.id()) > after)
                && self.kind.as_ref().is_none_or(|kind| own.is_of(kind))
                && is_under(own)
        });
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().filter(|_| more);
        let next = next.map(|own| format!("{}.{}", own.start().nanos(), own.id()));
        let documents: Vec<Value> = rows.iter().map(|own| own.document(facts)).collect();
        json!({"rows": documents, "next": next})
    }
}

/// Where a page begins: the start and the number of the last row before.
fn place_in_list(text: &str) -> Result<(Timestamp, u64), Problem> {
    let place = text.split_once('.').and_then(|(start, id)| {
        Some((Timestamp::from_nanos(start.parse().ok()?), id.parse().ok()?))
    });
    place.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, format!("\"after\" is \"{text}\", which is no place"))
            .hint("give back the \"next\" of the page before")
    })
}

fn unread<T: DeserializeOwned>(body: &[u8], hint: &str) -> Result<T, Problem> {
    object(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("what was sent cannot be read: {error}"))
            .hint(format!("{hint}; nothing was changed"))
    })
}

/// The members of a record, some replaced.
fn merged<T: DeserializeOwned>(
    mut members: Map<String, Value>,
    changes: Map<String, Value>,
    hint: &str,
) -> Result<T, Problem> {
    for (name, value) in changes {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    serde_json::from_value(Value::Object(members)).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the changes do not fit: {error}"))
            .hint(format!("{hint}; nothing was changed"))
    })
}

fn created<T: Shown>(record: &T, facts: &Facts) -> Response {
    (StatusCode::CREATED, answer(&record.document(facts))).into_response()
}

const EVENT_HINT: &str = "send {\"kind\": \"downtime\", \"asset\":…, \"start\":…, \"end\":…, \
                          \"severity\":…, \"text\":…, \"attributes\": {…}}";
const ANNOTATION_HINT: &str = "send {\"text\":…, \"tag\" or \"asset\":…, \"start\":…, \"end\":…, \
                               \"author\":…, \"attributes\": {…}}";

/// `GET /api/v1/events`.
pub(super) async fn events(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&parameters, "from, to, kind, under, limit and after")?;
    Ok(answer(&wanted.page(&facts.plants.events, &facts)))
}

/// `POST /api/v1/events`.
pub(super) async fn add_event(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let now = facts.ingest.now();
    let draft = unread::<EventBody>(&body, EVENT_HINT)?.draft(now)?;
    let event = facts.plants.events.add(|id| draft.numbered(id, now)).await?;
    Ok(created(&*event, &facts))
}

/// `GET /api/v1/events/{id}`.
pub(super) async fn event(
    State(facts): State<Arc<Facts>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&facts.plants.events, &id, &facts)
}

/// `PATCH /api/v1/events/{id}`.
pub(super) async fn change_event(
    State(facts): State<Arc<Facts>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let changes = unread(&body, EVENT_HINT)?;
    let id = found(&facts.plants.events, &id)?.id;
    let change = |own: &Event| {
        let merged = merged::<EventBody>(own.members(&facts), changes, EVENT_HINT)?;
        Ok::<_, Problem>(merged.draft(own.says.start)?.numbered(own.id, own.created)?)
    };
    let event = facts.plants.events.change(id, change).await?;
    Ok(answer(&event.document(&facts)))
}

/// `DELETE /api/v1/events/{id}`.
pub(super) async fn remove_event(
    State(facts): State<Arc<Facts>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let known = found(&facts.plants.events, &id)?;
    facts.plants.events.remove(known.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/annotations`.
pub(super) async fn annotations(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&parameters, "from, to, under, limit and after")?;
    Ok(answer(&wanted.page(&facts.plants.annotations, &facts)))
}

/// `POST /api/v1/annotations`.
pub(super) async fn add_annotation(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let now = facts.ingest.now();
    let draft = unread::<AnnotationBody>(&body, ANNOTATION_HINT)?;
    let draft = draft.draft(now, facts.engine.catalog())?;
    let annotation = facts.plants.annotations.add(|id| draft.numbered(id, now)).await?;
    Ok(created(&*annotation, &facts))
}

/// `GET /api/v1/annotations/{id}`.
pub(super) async fn annotation(
    State(facts): State<Arc<Facts>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    shown(&facts.plants.annotations, &id, &facts)
}

/// `PATCH /api/v1/annotations/{id}`.
pub(super) async fn change_annotation(
    State(facts): State<Arc<Facts>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let changes = unread(&body, ANNOTATION_HINT)?;
    let id = found(&facts.plants.annotations, &id)?.id;
    let change = |own: &Annotation| {
        let merged = merged::<AnnotationBody>(own.members(&facts), changes, ANNOTATION_HINT)?;
        let draft = merged.draft(own.says.start, facts.engine.catalog())?;
        Ok::<_, Problem>(draft.numbered(own.id, own.created)?)
    };
    let annotation = facts.plants.annotations.change(id, change).await?;
    Ok(answer(&annotation.document(&facts)))
}

/// `DELETE /api/v1/annotations/{id}`.
pub(super) async fn remove_annotation(
    State(facts): State<Arc<Facts>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let known = found(&facts.plants.annotations, &id)?;
    facts.plants.annotations.remove(known.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown<T: Shown>(register: &Register<T>, id: &str, facts: &Facts) -> Result<Response, Problem> {
    Ok(answer(&found(register, id)?.document(facts)))
}

fn found<T: Record>(register: &Register<T>, id: &str) -> Result<Arc<T>, Problem> {
    let found = id.parse().ok().and_then(|id| register.get(id));
    Ok(found.ok_or_else(|| Mistake::Unknown(T::KIND, id.to_owned()))?)
}
