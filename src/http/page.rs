//! The first page: where a newcomer looks.
//!
//! *Invariant.* It is made of facts about this server; nothing on it is loaded from elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

use super::Facts;

/// Nothing is loaded, run or framed.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

pub(super) async fn first(State(facts): State<Arc<Facts>>) -> impl IntoResponse {
    let status = facts.engine.status();
    let page = include_str!("first.html")
        .replace("{version}", env!("CARGO_PKG_VERSION"))
        .replace("{http}", &facts.addresses.http.to_string())
        .replace("{mqtt}", &facts.addresses.mqtt.to_string())
        .replace("{mqtt_port}", &facts.addresses.mqtt.port().to_string())
        .replace("{pg}", &facts.addresses.pg.to_string())
        .replace("{grpc}", &facts.addresses.grpc.to_string())
        .replace("{routes}", &super::listing())
        .replace("{tags}", &status.tags.to_string())
        .replace("{samples}", &status.samples.to_string());
    let policy: (HeaderName, &str) = (header::CONTENT_SECURITY_POLICY, POLICY);
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), policy], page)
}
