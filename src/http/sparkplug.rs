//! The nodes of Sparkplug, and commands to them.
//!
//! | route | answer |
//! |---|---|
//! | `GET /api/v1/sparkplug` | every node: online, session, metrics, devices, births, deaths, rebirths |
//! | `POST /api/v1/sparkplug/command` | 202: the command is on its way to the node |
//!
//! *Invariant.* A command goes out with the type of the metric's birth, or not at all. Whether the
//! node obeys is seen in its data only: Sparkplug has no acknowledgement.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tacitus_model::Value;
use tacitus_protocol::sparkplug::{NodeId, NodeStatus, Target};

use super::json::{answer, object};
use super::moment::rfc3339;
use super::{Facts, Problem};
use crate::ingest::{Sparkplug, Uncommanded};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    group: String,
    node: String,
    device: Option<String>,
    metrics: Vec<Metric>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metric {
    name: String,
    value: Json,
}

fn host(facts: &Facts) -> Result<&Arc<Sparkplug>, Problem> {
    facts.intake.sparkplug().ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, "this server is no Sparkplug host")
            .hint("set sparkplug.enabled = true in its configuration")
    })
}

pub(super) async fn nodes(State(facts): State<Arc<Facts>>) -> Result<Response, Problem> {
    let nodes: Vec<Json> = host(&facts)?.nodes().iter().map(node).collect();
    Ok(answer(&json!({"nodes": nodes})))
}

fn node(status: &NodeStatus) -> Json {
    let (sent, held_back) = status.rebirths;
    json!({
        "group": status.id.group,
        "node": status.id.node,
        "online": status.online,
        "bd_seq": status.bd_seq,
        "metrics": status.metrics,
        "devices": status.devices,
        "births": status.births,
        "deaths": status.deaths,
        "rebirths_asked": sent,
        "rebirths_held_back": held_back,
        "last_message": status.last.map(rfc3339),
    })
}

pub(super) async fn command(
    State(facts): State<Arc<Facts>>,
    body: Bytes,
) -> Result<Response, Problem> {
    let wrong = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, detail).hint(
            "send {\"group\":…, \"node\":…, \"device\":…, \"metrics\": [{\"name\":…, \"value\":…}]}; \
             nothing was sent",
        )
    };
    let command: Command =
        object(&body).map_err(|error| wrong(format!("the body is not understood: {error}")))?;
    if command.metrics.is_empty() {
        return Err(wrong("there are no metrics".to_owned()));
    }
    let mut values = Vec::with_capacity(command.metrics.len());
    for metric in command.metrics {
        let value = scalar(&metric.value)
            .ok_or_else(|| wrong(format!("the value for \"{}\" is no scalar", metric.name)))?;
        values.push((metric.name, value));
    }
    let id = NodeId { group: command.group, node: command.node };
    let target = Target { id, device: command.device };
    let now = facts.ingest.now();
    match host(&facts)?.command(&target, &values, now) {
        Ok(()) => Ok(StatusCode::ACCEPTED.into_response()),
        Err(Uncommanded::Wrong(error)) => Err(wrong(error.to_string())),
        Err(busy @ Uncommanded::Busy) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, busy.to_string())
                .hint("send it again in a moment"))
        }
    }
}

fn scalar(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::Bool(fact) => Some(Value::Bool(*fact)),
        Json::Number(number) => {
            number.as_i64().map(Value::Int).or_else(|| number.as_f64().map(Value::Float))
        }
        Json::String(text) => Some(Value::Text(text.as_str().into())),
        Json::Array(_) | Json::Object(_) => None,
    }
}
