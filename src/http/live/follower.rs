//! Who follows, as the messages they get.
//!
//! *Invariant.* Every message is one JSON object that stands for itself.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use tacitus_model::{Sample, TagId, Value};
use tacitus_query::{Format, QueryError, Renderer, Tail};
use tacitus_storage::{Engine, TagQuery};

use crate::http::moment::rfc3339;
use crate::http::{Facts, Problem, sql};
use crate::live::{Following, Latest, Part, Refusal, Update, UpdateKind};

/// One message to a client.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) event: &'static str,
    /// Nothing up to here is missing.
    pub(super) sequence: Option<u64>,
    /// JSON.
    pub(super) data: String,
}

/// What a client follows.
#[derive(Debug)]
pub(super) enum Follower {
    Latest { engine: Arc<Engine>, latest: Box<Latest> },
    Tail(Box<Following>),
}

impl Follower {
    /// One who follows the latest values of tags.
    pub(super) fn latest(
        facts: &Facts,
        query: TagQuery,
        position: Option<u64>,
    ) -> Result<Self, Problem> {
        let engine = Arc::clone(&facts.engine);
        let feed = Arc::clone(facts.ingest.feed());
        let latest =
            Latest::new(Arc::clone(&engine), feed, query, position).map_err(|why| refused(&why))?;
        Ok(Self::Latest { engine, latest: Box::new(latest) })
    }

    /// One who follows a query.
    pub(super) async fn tail(
        facts: &Facts,
        text: &str,
        position: Option<u64>,
    ) -> Result<Self, Problem> {
        let tail = Tail::new(facts.session.connect(""), text).await;
        let tail = tail.map_err(|error| sql::refusal(&error))?;
        let feed = Arc::clone(facts.ingest.feed());
        Ok(Self::Tail(Box::new(Following::new(tail, feed, position))))
    }

    /// The next message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Message, Problem> {
        match self {
            Self::Latest { engine, latest } => {
                let update = latest.next().await.map_err(|why| refused(&why))?;
                Ok(values(engine, &update))
            }
            Self::Tail(following) => {
                let part = following.next().await.map_err(|error| sql::refusal(&error))?;
                rows(&part).map_err(|error| sql::refusal(&error))
            }
        }
    }
}

fn refused(why: &Refusal) -> Problem {
    match why {
        Refusal::Selection(error) => Problem::from(error),
        Refusal::TooMany(_) => Problem::new(StatusCode::BAD_REQUEST, why.to_string())
            .hint("follow fewer tags, or several times"),
    }
}

fn values(engine: &Engine, update: &Update) -> Message {
    let event = match update.kind {
        UpdateKind::Snapshot => "snapshot",
        UpdateKind::Changes => "changes",
    };
    let values: Vec<Json> = update
        .values
        .iter()
        .filter_map(|(tag, sample)| value(engine, *tag, sample.as_ref()))
        .collect();
    let sequence = update.sequence;
    let data = json!({"event": event, "sequence": sequence, "values": values}).to_string();
    Message { event, sequence: Some(sequence), data }
}

fn rows(part: &Part) -> Result<Message, QueryError> {
    let Part::Rows { columns, rows, sequence } = part else {
        let data = json!({"event": "reset"}).to_string();
        return Ok(Message { event: "reset", sequence: None, data });
    };
    let mut renderer = Renderer::new(Format::Json, columns)?;
    let mut answer = renderer.begin();
    for batch in rows {
        answer.extend(renderer.rows(batch)?);
    }
    answer.extend(renderer.end()?);
    // The answer is a JSON object; the members of the message come before its own.
    let answer = String::from_utf8_lossy(&answer);
    let head = json!({"event": "rows", "sequence": sequence}).to_string();
    let answer = answer.replace('\n', "");
    let members = answer.strip_prefix('{').unwrap_or_default();
    let data = format!("{},{members}", head.trim_end_matches('}'));
    Ok(Message { event: "rows", sequence: *sequence, data })
}

/// The latest value of a tag; all is null where its samples were deleted.
fn value(engine: &Engine, id: TagId, sample: Option<&Sample>) -> Option<Json> {
    let tag = engine.catalog().get(id)?;
    let definition = &tag.definition;
    let name = definition.path.as_str();
    let Some(sample) = sample else {
        return Some(json!({"tag": name, "ts": null, "value": null, "quality": null}));
    };
    let value = match &sample.value {
        Value::Null => Json::Null,
        Value::Float(number) if number.is_finite() => json!(number),
        Value::Float(number) => json!(special(*number)),
        Value::Int(number) => json!(number),
        Value::Bool(fact) => json!(fact),
        Value::Text(text) => json!(text),
        Value::State(index) => {
            let state = definition.states.get(*index as usize);
            state.map_or_else(|| json!(index), |state| json!(state))
        }
    };
    Some(json!({
        "tag": name,
        "ts": rfc3339(sample.ts),
        "value": value,
        "quality": sample.quality.0,
        "good": sample.quality.is_good(),
    }))
}

/// Floats that JSON has no number for, as SQL answers write them.
fn special(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}
