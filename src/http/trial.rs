//! `POST /api/v1/ingest/dry-run`: what a topic and a payload would become.
//!
//! *Invariant.* Nothing is stored, no tag is made, nothing is counted.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::json::{answer, object};
use super::{Facts, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    topic: String,
    /// The payload as text.
    payload: Option<String>,
    /// The payload as bytes, two hexadecimal digits each.
    payload_hex: Option<String>,
}

pub(super) async fn run(State(facts): State<Arc<Facts>>, body: Bytes) -> Result<Response, Problem> {
    let wrong = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, detail)
            .hint("send {\"topic\": \"a/b\", \"payload\": \"21.5\"}, or payload_hex for bytes")
    };
    let request: Request =
        object(&body).map_err(|error| wrong(format!("the body is not understood: {error}")))?;
    let payload = match (request.payload, request.payload_hex) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(digits)) => bytes(&digits).ok_or_else(|| {
            wrong("\"payload_hex\" is not pairs of hexadecimal digits".to_owned())
        })?,
        _ => return Err(wrong("either \"payload\" or \"payload_hex\" is needed".to_owned())),
    };
    Ok(answer(&facts.intake.try_out(&request.topic, &payload).json()))
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| {
            let text = std::str::from_utf8(pair).ok().filter(|text| !text.starts_with('+'))?;
            u8::from_str_radix(text, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_bytes() {
        assert_eq!(bytes("1f8B00"), Some(vec![0x1f, 0x8b, 0]));
        for wrong in ["1", "1g", "+1", "ä"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
