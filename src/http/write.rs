//! Writing over HTTP: InfluxDB line protocol and JSON rows, acknowledged after the sync.
//!
//! | answer | means |
//! |---|---|
//! | 204 | everything is on disk |
//! | 400 | the named lines or rows were refused; the answer says how many others are on disk |
//! | 413, 415 | the body is too large, or packed in a way that is not understood |
//! | 500 | a write to disk failed: the samples may have been kept |
//! | 503 | the disk is full or the store busy: not all was kept, send again after `Retry-After` |
//!
//! *Invariant.* No answer of 204 before the sync. Sending a body again after any other answer
//! is safe: the same samples written twice are the same samples.
//!
//! Prometheus's remote write is the same with series in place of lines (`write/remote.rs`).
//!
//! *Not here.* The parameters that name a database, bucket or organisation are taken and not
//! used, as this store has one of each; so Telegraf and other senders need no change.

use std::io::Read as _;

use axum::body::Bytes;
use axum::extract::{FromRef, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::{Value, json};
use tacitus_model::Batch;
use tacitus_protocol::line::{self, Lines, Precision};
use tacitus_protocol::samples;

use super::Problem;
use crate::ingest::{Ingest, Resolved, WriteError};

/// LIMIT: a longer list of refused lines or rows is read by nobody; the rest is counted.
const REFUSED_NAMED_MAX: usize = 100;

/// How many points of a body are in memory at once. LIMIT: a point takes more than ten times the
/// bytes of the shortest line that makes it.
const POINTS_AT_ONCE: usize = 8192;

/// What senders wait before they try again: a disk is cleared, a queue drained, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// What the routes write to.
#[derive(Debug, Clone)]
pub(crate) struct Writes {
    /// The way in.
    pub(crate) ingest: Ingest,
    /// The largest body after unpacking, in bytes.
    pub(crate) body_bytes_max: usize,
}

/// `POST /write` and `POST /api/v2/write`.
pub(super) fn lines<S>() -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Writes: FromRef<S>,
{
    post(write_lines)
}

/// `POST /api/v3/write_lp`.
pub(super) fn lines_of_version_3<S>() -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Writes: FromRef<S>,
{
    post(write_lines_of_version_3)
}

/// `POST /api/v1/write`.
pub(super) fn series<S>() -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Writes: FromRef<S>,
{
    post(remote::write)
}

/// `POST /api/v1/samples`.
pub(super) fn rows<S>() -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Writes: FromRef<S>,
{
    post(write_rows)
}

#[derive(Debug, Deserialize)]
struct Parameters {
    precision: Option<String>,
}

async fn write_lines(
    State(writes): State<Writes>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let name = parameters.precision.unwrap_or_default();
    let kept = async {
        let precision = match Precision::from_name(&name) {
            Some(precision) => precision,
            None if name.is_empty() => Precision::default(),
            None => return Err(no_precision(&name, "use ns, us, ms or s; nothing was kept")),
        };
        keep_lines(&writes, precision, true, &headers, body).await
    };
    answer(kept.await)
}

#[derive(Debug, Deserialize)]
struct ParametersOfVersion3 {
    precision: Option<String>,
    accept_partial: Option<bool>,
}

async fn write_lines_of_version_3(
    State(writes): State<Writes>,
    Query(parameters): Query<ParametersOfVersion3>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let word = parameters.precision.unwrap_or_default();
    let kept = async {
        let word = if word.is_empty() { "auto" } else { &word };
        let precision = Precision::from_word(word).ok_or_else(|| {
            no_precision(word, "use auto, nanosecond, microsecond, millisecond or second")
        })?;
        let is_partial = parameters.accept_partial.unwrap_or(true);
        keep_lines(&writes, precision, is_partial, &headers, body).await
    };
    answer(kept.await)
}

fn no_precision(name: &str, hint: &str) -> Problem {
    invalid(format!("\"{name}\" is no precision")).hint(hint)
}

async fn write_rows(State(writes): State<Writes>, headers: HeaderMap, body: Bytes) -> Response {
    answer(keep_rows(&writes, &headers, body).await)
}

/// A refusal that time will end says when to try again.
fn answer(kept: Result<StatusCode, Problem>) -> Response {
    let mut response = kept.into_response();
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S);
    }
    response
}

/// Keeps the lines that are right; or none if one is wrong and it is to be all or nothing.
async fn keep_lines(
    writes: &Writes,
    precision: Precision,
    is_partial: bool,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Writes { ingest, body_bytes_max } = writes.clone();
    let coding = headers.get(header::CONTENT_ENCODING).cloned();
    let sender = sender("line", headers);
    let kept = apart(move || {
        let text = unpacked(coding.as_ref(), body, body_bytes_max)?;
        let mut kept = Kept::default();
        if !is_partial {
            let mut lines = Lines::new(&text, precision);
            while let Some(parsed) = lines.read(POINTS_AT_ONCE) {
                note(&ingest, &sender, &text, &parsed);
                kept.add_lines(&parsed, Resolved::default());
            }
            if kept.refused_count > 0 {
                return Ok(kept);
            }
        }
        let mut lines = Lines::new(&text, precision);
        while let Some((parsed, resolved)) =
            ingest.resolve_lines(&mut lines, POINTS_AT_ONCE, &sender)
        {
            note(&ingest, &sender, &text, &parsed);
            kept.add_lines(&parsed, resolved);
        }
        Ok(kept)
    })
    .await?;
    finish(&writes.ingest, kept, "line").await
}

/// Lines that are wrong are also for people to see who do not see the answer.
fn note(ingest: &Ingest, sender: &str, text: &[u8], parsed: &line::Parsed) {
    let Some(first) = parsed.refused.first() else { return };
    let line = text.split(|byte| *byte == b'\n').nth(first.line.saturating_sub(1));
    let (name, why) = (format!("line {}", first.line), first.reason.to_string());
    let line = line.unwrap_or_default();
    ingest.refused((sender, &name), ("line", &why), line, parsed.refused_count);
}

async fn keep_rows(
    writes: &Writes,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let Writes { ingest, body_bytes_max } = writes.clone();
    let coding = headers.get(header::CONTENT_ENCODING).cloned();
    let sender = sender("http", headers);
    let kept = apart(move || {
        let text = unpacked(coding.as_ref(), body, body_bytes_max)?;
        let points = samples::parse(&text).map_err(|error| {
            let name = format!("row {}", error.row);
            ingest.refused((&sender, &name), ("rows", &error.to_string()), &text, 1);
            invalid(error.to_string())
                .hint("no row of this body was kept; correct it and send all of it again")
                .with("row", error.row)
        })?;
        ingest.heard(&sender, &points);
        let mut kept = Kept::default();
        kept.add(ingest.resolve(points, "http"), |index| index + 1);
        Ok(kept)
    })
    .await?;
    finish(&writes.ingest, kept, "row").await
}

/// Who sends, where something in front of this server says so: `line:10.0.0.7`.
fn sender(protocol: &str, headers: &HeaderMap) -> String {
    let named = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let first = named.and_then(|value| value.split(',').next()).map_or("", str::trim);
    // LIMIT: an address, or a name that somebody made up.
    let first: String = first.chars().filter(char::is_ascii_graphic).take(64).collect();
    format!("{protocol}:{}", if first.is_empty() { "local" } else { &first })
}

/// What became of a body.
#[derive(Default)]
struct Kept {
    batches: Vec<Batch>,
    refused: Vec<Refused>,
    refused_count: usize,
}

/// A line or row that was not kept.
struct Refused {
    /// Its number, from 1.
    number: usize,
    reason: String,
}

impl Kept {
    fn add_lines(&mut self, parsed: &line::Parsed, resolved: Resolved) {
        self.refused_count += parsed.refused_count;
        self.refused.extend(
            parsed
                .refused
                .iter()
                .map(|error| Refused { number: error.line, reason: error.reason.to_string() }),
        );
        self.add(resolved, |index| parsed.lines.get(index).copied().unwrap_or_default());
    }

    /// Adds points, of which `number` tells the line or row.
    fn add(&mut self, resolved: Resolved, number: impl Fn(usize) -> usize) {
        self.refused_count += resolved.refused_count;
        self.refused.extend(resolved.refused.into_iter().map(|point| Refused {
            number: number(point.index),
            reason: format!("\"{}\": {}", point.path, point.reason),
        }));
        self.refused.sort_by_key(|refusal| refusal.number);
        self.refused.truncate(REFUSED_NAMED_MAX);
        self.batches.push(resolved.batch);
    }
}

/// A refusal of what the request says. `code` and `message` are what InfluxDB answers and its
/// clients show.
fn invalid(message: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, message.clone())
        .with("code", "invalid")
        .with("message", message)
}

/// The body as it was before it was packed.
pub(super) fn unpacked(
    coding: Option<&HeaderValue>,
    body: Bytes,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    let coding = coding.map_or(&b""[..], HeaderValue::as_bytes);
    if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
        return Ok(body);
    }
    if !coding.eq_ignore_ascii_case(b"gzip") {
        let coding = coding.escape_ascii();
        let detail = format!("the content encoding \"{coding}\" is not understood");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            .hint("send the body as it is, or packed with gzip"));
    }
    let mut text = Vec::new();
    // LIMIT: a packed kilobyte can unpack to a megabyte.
    let bound = bytes_max.saturating_add(1) as u64;
    if let Err(error) = MultiGzDecoder::new(&*body).take(bound).read_to_end(&mut text) {
        return Err(invalid(format!("the body is not whole gzip: {error}"))
            .hint("nothing was kept; send the body again"));
    }
    if text.len() > bytes_max {
        let detail = format!("the body unpacks to more than {bytes_max} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .hint("nothing was kept; send it in smaller parts, or raise http.body"));
    }
    Ok(text.into())
}

/// Reads a body where it holds up no other connection.
async fn apart<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
        tracing::error!(%error, "reading a body ended badly");
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the body could not be read")
            .hint("nothing was kept; report this with the server's log"))
    })
}

/// Writes what fits, waits for the sync, and says what did not fit.
async fn finish(ingest: &Ingest, kept: Kept, noun: &str) -> Result<StatusCode, Problem> {
    let Kept { batches, refused, refused_count } = kept;
    let stored: usize = batches.iter().map(Batch::len).sum();
    ingest.write_all(batches).await.map_err(unwritten)?;
    let Some(first) = refused.first() else { return Ok(StatusCode::NO_CONTENT) };
    let message = format!(
        "{noun} {}: {} ({refused_count} refused in all, {stored} samples are stored)",
        first.number, first.reason
    );
    let named: Vec<Value> = refused
        .iter()
        .map(|refusal| json!({noun: refusal.number, "reason": refusal.reason}))
        .collect();
    // What version 3 of InfluxDB answers and its clients show.
    let data: Vec<Value> = refused
        .iter()
        .map(|refusal| json!({"line_number": refusal.number, "error_message": refusal.reason}))
        .collect();
    Err(invalid(message)
        .with("error", "partial write of line protocol occurred")
        .with("data", data)
        .hint("correct what is named and send it again; what is stored may be sent again too")
        .with(noun, first.number)
        .with("refused", named)
        .with("refused_count", refused_count)
        .with("stored_samples", stored))
}

/// A failed write, in the terms of HTTP.
pub(super) fn unwritten(error: WriteError) -> Problem {
    let (status, hint) = match error {
        WriteError::Full => (
            StatusCode::SERVICE_UNAVAILABLE,
            "free space on the disk of the data directory; writing resumes by itself",
        ),
        WriteError::Invalid => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "nothing was kept; report this with the server's log",
        ),
        WriteError::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "send the same body again in a moment")
        }
        WriteError::Stopped => {
            (StatusCode::SERVICE_UNAVAILABLE, "send the same body again after the restart")
        }
        WriteError::Poisoned => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "restart Tacitus and send the same body again; samples written twice count once",
        ),
    };
    Problem::new(status, error.to_string()).hint(hint)
}

mod remote;
#[cfg(test)]
mod tests;
