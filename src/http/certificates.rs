//! Certificates of OPC UA servers that collectors met: listed, approved, refused.
//!
//! *Invariant.* What was decided is on disk when it is answered.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tacitus_model::Timestamp;

use super::json::{answer, object};
use super::moment::rfc3339;
use super::{Facts, Problem};
use crate::collect::opcua::{Certificate, Decision};

/// `GET /api/v1/opcua/certificates`.
pub(super) async fn list(State(facts): State<Arc<Facts>>) -> Response {
    let all: Vec<Value> = facts.trust.list().iter().map(document).collect();
    answer(&json!({"certificates": all}))
}

/// A decision.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    thumbprint: String,
    decision: Word,
    #[serde(default)]
    any_host: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Approve,
    Refuse,
}

/// `POST /api/v1/opcua/certificates`.
pub(super) async fn decide(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let verdict: Verdict = object(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the decision cannot be read: {error}"))
            .hint("send {\"thumbprint\": …, \"decision\": \"approve\" or \"refuse\", \"any_host\": false}")
    })?;
    let decision = match verdict.decision {
        Word::Approve => Decision::Approved,
        Word::Refuse => Decision::Refused,
    };
    let thumbprint = verdict.thumbprint.to_ascii_lowercase();
    let decided = facts.trust.decide(&thumbprint, decision, verdict.any_host).await;
    let decided = decided.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            .hint("nothing was changed; try again")
    })?;
    let certificate = decided.ok_or_else(|| {
        let detail = format!("no server has shown the certificate \"{thumbprint}\"");
        Problem::new(StatusCode::NOT_FOUND, detail)
            .hint("GET /api/v1/opcua/certificates lists those that were shown")
    })?;
    Ok(answer(&document(&certificate)))
}

fn document(certificate: &Certificate) -> Value {
    json!({
        "thumbprint": certificate.thumbprint,
        "subject": certificate.subject,
        "application_uri": certificate.application_uri,
        "not_before": certificate.not_before,
        "not_after": certificate.not_after,
        "endpoint": certificate.endpoint,
        "seen": rfc3339(Timestamp::from_nanos(certificate.seen_ns)),
        "decision": certificate.decision,
        "any_host": certificate.any_host,
    })
}
