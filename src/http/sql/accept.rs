//! Which form of an answer a client wants (RFC 9110, 12.5.1).
//!
//! *Invariant.* A client that accepts anything, or says nothing, gets JSON.

use axum::http::{HeaderMap, StatusCode, header};
use tacitus_query::Format;

use crate::http::Problem;

/// The format the `Accept` header asks for; of equally wanted ones the first of the header.
pub(super) fn format(headers: &HeaderMap) -> Result<Format, Problem> {
    let mut wanted: Option<(f32, Format)> = None;
    let mut says_something = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            says_something = true;
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
            let (Some(format), Ok(weight)) = (named(media), weight) else { continue };
            if weight > wanted.map_or(0.0, |(best, _)| best) {
                wanted = Some((weight, format));
            }
        }
    }
    match wanted {
        Some((_, format)) => Ok(format),
        None if !says_something => Ok(Format::Json),
        None => Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "an answer comes in none of the accepted formats",
        )
        .hint(format!("there are: {}", Format::ALL.map(Format::media_type).join(", ")))),
    }
}

/// The first format that a media range covers.
fn named(range: &str) -> Option<Format> {
    Format::ALL.into_iter().find(|format| {
        let media = format.media_type();
        range == "*/*"
            || range.eq_ignore_ascii_case(media)
            || range.strip_suffix("/*").is_some_and(|family| {
                media.split_once('/').is_some_and(|(own, _)| own.eq_ignore_ascii_case(family))
            })
    })
}
