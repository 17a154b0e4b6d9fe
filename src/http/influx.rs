//! What clients of InfluxDB ask before they write: whether somebody is there, and for a database.
//!
//! *Invariant.* A question that only a real InfluxDB could answer is refused with where to ask it
//! here; nothing is answered as if it had been done.
//!
//! *Not here.* Writing (`write.rs`); `InfluxQL` and Flux, in place of which there is SQL.

use axum::body::Bytes;
use axum::extract::{Query, RawQuery};
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::json::answer;

/// The version whose way of writing is understood; clients choose theirs by it.
const VERSION: &str = concat!("1.8.10-tacitus-", env!("CARGO_PKG_VERSION"));

/// The one database there is, under a name that clients may show.
const DATABASE: &str = "tacitus";

#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
}

/// `GET /ping`.
pub(super) async fn ping(RawQuery(query): RawQuery) -> Response {
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|own| own.starts_with("verbose=t")));
    let mut response = if is_verbose {
        answer(&json!({"version": VERSION}))
    } else {
        StatusCode::NO_CONTENT.into_response()
    };
    response.headers_mut().insert("x-influxdb-version", HeaderValue::from_static(VERSION));
    response.headers_mut().insert("x-influxdb-build", HeaderValue::from_static("OSS"));
    response
}

/// `GET /query`.
pub(super) async fn ask(Query(asked): Query<Asked>) -> Result<Response, Problem> {
    told(&asked.q.unwrap_or_default())
}

/// `POST /query`: the question stands in the address or in a form.
pub(super) async fn ask_in_form(
    Query(asked): Query<Asked>,
    body: Bytes,
) -> Result<Response, Problem> {
    // A form is written as a query is.
    let in_form = || {
        let form = std::str::from_utf8(&body).ok()?;
        let uri: Uri = format!("/?{form}").parse().ok()?;
        Query::<Asked>::try_from_uri(&uri).ok()?.0.q
    };
    told(&asked.q.or_else(in_form).unwrap_or_default())
}

fn told(question: &str) -> Result<Response, Problem> {
    let words: Vec<String> =
        question.split_whitespace().take(2).map(str::to_ascii_uppercase).collect();
    let series = |name: &str, columns: Value, values: Value| json!([{"name": name, "columns": columns, "values": values}]);
    let found = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // There is one, whatever it is called.
        ["CREATE", "DATABASE"] => None,
        ["SHOW", "DATABASES" | "DATABASES;"] => {
            Some(series("databases", json!(["name"]), json!([[DATABASE]])))
        }
        _ => {
            let shown: String = question.chars().take(80).collect();
            let detail = format!("\"{shown}\" is not answered here: there is no InfluxQL");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail.clone())
                .hint("ask in SQL: POST /api/v1/sql; lines are written as to InfluxDB")
                .with("error", detail));
        }
    };
    let result = match found {
        None => json!({"statement_id": 0}),
        Some(series) => json!({"statement_id": 0, "series": series}),
    };
    Ok(answer(&json!({"results": [result]})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(question: &str) -> StatusCode {
        told(question).map_or_else(|problem| problem.into_response().status(), |ok| ok.status())
    }

    #[test]
    fn what_clients_ask_before_they_write_is_answered_and_nothing_else() {
        for question in ["CREATE DATABASE telegraf", "create  database \"a b\"", "SHOW DATABASES"] {
            assert_eq!(status(question), StatusCode::OK, "{question}");
        }
        for question in ["", "SELECT * FROM cpu", "DROP DATABASE telegraf", "SHOW MEASUREMENTS"] {
            assert_eq!(status(question), StatusCode::BAD_REQUEST, "{question}");
        }
    }
}
