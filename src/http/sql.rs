//! SQL over HTTP.
//!
//! | request | means |
//! |---|---|
//! | `POST /api/v1/sql`, body SQL | the statement |
//! | `POST /api/v1/sql`, body `{"query":…,"params":[…]}` | the statement and `$1`, `$2`, … |
//! | `GET /api/v1/sql?q=…` | the statement |
//! | `as_of` beside `query` or `q` | over the store as it was when this sequence was the last |
//!
//! *Invariant.* An answer of 200 that arrives whole is complete. The first rows are waited for
//! before anything is sent; what goes wrong later breaks the connection, so that the client sees
//! a body without its end. A client that leaves stops the statement.
//!
//! *Not here.* What SQL means (`tacitus-query`).

mod accept;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use serde_json::Value;
use tacitus_query::{Answer, Parameter, QueryError, Renderer, Session};

use super::Problem;

/// What the routes ask.
#[derive(Debug, Clone)]
pub(super) struct Questions {
    /// The way to ask.
    pub(super) session: Arc<Session>,
}

/// `POST /api/v1/sql`.
pub(super) fn answer<S>() -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Questions: FromRef<S>,
{
    post(answer_body)
}

/// `GET /api/v1/sql`.
pub(super) fn answer_link<S>() -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Questions: FromRef<S>,
{
    get(answer_query)
}

/// A statement with its parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    query: String,
    #[serde(default)]
    params: Vec<Value>,
    /// The store as it was when this sequence was the last.
    as_of: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Link {
    q: String,
    as_of: Option<u64>,
}

async fn answer_body(
    State(questions): State<Questions>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let question = question(&headers, &body)?;
    respond(&questions, &headers, &question).await
}

async fn answer_query(
    State(questions): State<Questions>,
    headers: HeaderMap,
    Query(link): Query<Link>,
) -> Result<Response, Problem> {
    let question = Question { query: link.q, params: Vec::new(), as_of: link.as_of };
    respond(&questions, &headers, &question).await
}

/// Reads a body: JSON where it says so or looks so (no SQL starts with a brace), else SQL.
fn question(headers: &HeaderMap, body: &[u8]) -> Result<Question, Problem> {
    let refuse = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let media = headers.get(header::CONTENT_TYPE).and_then(|media| media.to_str().ok());
    let says_json = media.is_some_and(|media| media.starts_with("application/json"));
    if says_json || body.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(body).map_err(|error| {
            refuse(format!("the body is not a JSON question: {error}"))
                .hint("send {\"query\": \"SELECT …\", \"params\": [ … ]}, or the SQL as text")
        });
    }
    match std::str::from_utf8(body) {
        Ok(query) => Ok(Question { query: query.to_owned(), params: Vec::new(), as_of: None }),
        Err(error) => Err(refuse(format!("the statement is not UTF-8: {error}"))),
    }
}

async fn respond(
    questions: &Questions,
    headers: &HeaderMap,
    question: &Question,
) -> Result<Response, Problem> {
    let format = accept::format(headers)?;
    let parameters: Result<Vec<Parameter>, Problem> =
        (1..).zip(&question.params).map(|(at, value)| parameter(at, value)).collect();
    let parameters = parameters?;
    let connection = questions.session.connect("");
    let answer = match question.as_of {
        Some(sequence) => connection.run_as_of(&question.query, &parameters, sequence).await,
        None => connection.run(&question.query, &parameters).await,
    };
    let mut answer = answer.map_err(|error| refusal(&error))?;
    let mut renderer = Renderer::new(format, answer.schema()).map_err(|error| refusal(&error))?;
    let mut bytes = renderer.begin();
    let first = answer.next().await;
    let first = first.map(|batch| batch.and_then(|batch| renderer.rows(&batch)));
    let rest = match first {
        Some(Ok(rows)) => {
            bytes.extend(rows);
            Some((answer, renderer))
        }
        Some(Err(error)) => return Err(refusal(&error)),
        None => {
            bytes.extend(renderer.end().map_err(|error| refusal(&error))?);
            None
        }
    };
    let media = match format.media_type() {
        "text/csv" => "text/csv; charset=utf-8; header=present",
        other => other,
    };
    Ok(([(header::CONTENT_TYPE, media)], body(bytes, rest)).into_response())
}

/// The bytes at hand, then the rest as it comes. An error breaks the body off.
fn body(bytes: Vec<u8>, rest: Option<(Answer, Renderer)>) -> Body {
    let first = futures::stream::once(std::future::ready(Ok::<_, QueryError>(bytes)));
    let rest = futures::stream::try_unfold(rest, |rest| async move {
        let Some((mut answer, mut renderer)) = rest else { return Ok(None) };
        match answer.next().await {
            Some(batch) => {
                let rows = batch.and_then(|batch| renderer.rows(&batch)).inspect_err(broken_off)?;
                Ok(Some((rows, Some((answer, renderer)))))
            }
            None => Ok(Some((renderer.end()?, None))),
        }
    });
    Body::from_stream(futures::StreamExt::chain(first, rest))
}

fn broken_off(error: &QueryError) {
    tracing::warn!(
        sqlstate = error.sqlstate().code(),
        error = error.message(),
        "an answer was broken off"
    );
}

/// A JSON value for `$at`.
fn parameter(at: usize, value: &Value) -> Result<Parameter, Problem> {
    Ok(match value {
        Value::Null => Parameter::Null,
        Value::Bool(fact) => Parameter::Bool(*fact),
        Value::String(text) => Parameter::Text(text.clone()),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Parameter::Int(whole),
            (None, Some(number)) => Parameter::Float(number),
            (None, None) => return Err(unusable(at, "a number this large")),
        },
        Value::Array(_) => return Err(unusable(at, "a list")),
        Value::Object(_) => return Err(unusable(at, "an object")),
    })
}

fn unusable(at: usize, what: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("parameter ${at} cannot be {what}"))
        .hint("send null, true, false, a number or a text")
}

/// An error of a statement as a problem.
pub(super) fn refusal(error: &QueryError) -> Problem {
    let mut problem =
        Problem::new(status(error), error.message()).with("sqlstate", error.sqlstate().code());
    if let Some(hint) = error.hint() {
        problem = problem.hint(hint);
    }
    if let Some(position) = error.position() {
        problem = problem.with("position", position);
    }
    problem
}

/// The status that stands for an error. Not 408 for a statement that takes too long: clients and
/// browsers repeat a request after that by themselves.
fn status(error: &QueryError) -> StatusCode {
    match (error.sqlstate().class(), error.sqlstate().code()) {
        (_, "53300") => StatusCode::SERVICE_UNAVAILABLE,
        (_, "57014") => StatusCode::GATEWAY_TIMEOUT,
        ("XX" | "58", _) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}
