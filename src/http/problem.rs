//! A refusal, as problem JSON (RFC 9457): what is wrong, and what to do.
//!
//! *Invariant.* A problem says what the caller may know and no more: the cause inside the server
//! goes to the log.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::Next;
use axum::response::IntoResponse;
use serde_json::{Map, Value};
use tacitus_storage::{Error, ErrorKind};

const MEDIA_TYPE: &str = "application/problem+json";

/// LIMIT: a plain refusal of a library is a sentence; more than this is not for people.
const PLAIN_BYTES_MAX: usize = 4096;

/// A refusal.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
}

impl Problem {
    /// A refusal with this status, saying what is wrong: lower case, no full stop, names of the
    /// caller in double quotes.
    #[must_use]
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let members = Map::from_iter([
            ("type".to_owned(), "about:blank".into()),
            ("title".to_owned(), status.canonical_reason().unwrap_or("problem").into()),
            ("status".to_owned(), status.as_u16().into()),
            ("detail".to_owned(), detail.into().into()),
        ]);
        Self { status, members }
    }

    /// Whether an answer is a problem already.
    pub(super) fn is(answer: &Response<Body>) -> bool {
        answer.headers().get(header::CONTENT_TYPE).is_some_and(|media| media == MEDIA_TYPE)
    }

    /// What is wrong and what to do, for where there is no room for more.
    pub(crate) fn text(&self) -> String {
        let word = |name: &str| self.members.get(name).and_then(Value::as_str).unwrap_or_default();
        match word("hint") {
            "" => word("detail").to_owned(),
            hint => format!("{}; {hint}", word("detail")),
        }
    }

    /// Adds what the caller can do.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.with("hint", hint.into())
    }

    /// Adds a member, such as `sqlstate` or the refused lines.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl From<&Error> for Problem {
    /// What the store refused.
    fn from(error: &Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Locked => StatusCode::CONFLICT,
            ErrorKind::Full | ErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string()).hint(error.hint())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let body = Value::Object(self.members).to_string();
        (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
    }
}

/// Turns refusals that libraries wrote as plain text into problems.
pub(super) async fn speak_plainly(request: Request, next: Next) -> Response<Body> {
    let response = next.run(request).await;
    let status = response.status();
    let told = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let plain = told.is_none_or(|media| media.starts_with(b"text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !plain {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, PLAIN_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = if text.is_empty() {
        status.canonical_reason().unwrap_or("refused").to_lowercase()
    } else {
        text.into_owned()
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    let problem = Value::Object(Problem::new(status, detail).members).to_string();
    Response::from_parts(parts, Body::from(problem))
}
