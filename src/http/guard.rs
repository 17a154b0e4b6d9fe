//! What every request passes on its way to a route: counting, origin, time for the body.
//!
//! *Invariant.* A page of another site, open in the browser of someone at this machine, cannot
//! write here or read from here: a request that names an origin must name this server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;

use super::{Facts, Problem};

/// Counts the request and how long its answer took to begin.
pub(super) async fn count(
    State(facts): State<Arc<Facts>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    facts.metrics.http_answered(route, response.status().as_u16(), started.elapsed());
    response
}

/// Refuses what a page of another site sends.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    if foreign(request.headers()) {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "the request comes from a page of another site",
        )
        .hint("send it without an Origin header, or from a page of this server")
        .into_response();
    }
    next.run(request).await
}

fn foreign(headers: &HeaderMap) -> bool {
    let word = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let Some(origin) = word(header::ORIGIN) else { return false };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    authority.is_none() || authority != word(header::HOST)
}

/// What the body of a request may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    pub(super) bytes_max: usize,
    pub(super) time_max: Duration,
}

/// Refuses a body that says it is too large, and gives others a bounded time to arrive.
pub(super) async fn bound_body(request: Request, next: Next, allowance: Allowance) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > allowance.bytes_max as u64) {
        return too_large(allowance.bytes_max);
    }
    let late = Arc::new(AtomicBool::new(false));
    let (parts, body) = request.into_parts();
    let deadline = tokio::time::Instant::now() + allowance.time_max;
    let flag = Arc::clone(&late);
    let timed = futures::stream::unfold(Some(body.into_data_stream()), move |stream| {
        let flag = Arc::clone(&flag);
        async move {
            let mut stream = stream?;
            match tokio::time::timeout_at(deadline, stream.next()).await {
                Ok(Some(piece)) => Some((piece, Some(stream))),
                Ok(None) => None,
                Err(_) => {
                    flag.store(true, Ordering::Relaxed);
                    let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
                    Some((Err(axum::Error::new(error)), None))
                }
            }
        }
    });
    let response = next.run(Request::from_parts(parts, Body::from_stream(timed))).await;
    if late.load(Ordering::Relaxed) && response.status().is_client_error() {
        let seconds = allowance.time_max.as_secs_f64();
        return Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body of the request did not arrive within {seconds} s"),
        )
        .hint("send smaller bodies, or raise http.body_timeout")
        .into_response();
    }
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE && !Problem::is(&response) {
        return too_large(allowance.bytes_max);
    }
    response
}

fn too_large(bytes_max: usize) -> Response {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body of the request has more than {bytes_max} bytes"),
    )
    .hint("nothing was kept; send it in smaller parts, or raise http.body")
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_must_be_the_host_that_was_asked() {
        for (origin, host, want) in [
            (None, "127.0.0.1:8428", false),
            (Some("http://127.0.0.1:8428"), "127.0.0.1:8428", false),
            (Some("http://evil.example"), "127.0.0.1:8428", true),
            (Some("http://127.0.0.1:9999"), "127.0.0.1:8428", true),
            (Some("null"), "127.0.0.1:8428", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(foreign(&headers), want, "{origin:?}");
        }
    }
}
