//! SQL over HTTP, over a real socket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tacitus_model::{Batch, Kind, Quality, Sample, TagDefinition, TagPath, Timestamp, Value};
use tacitus_query::{Limits, Session};
use tacitus_storage::{Engine, FixedClock, Parts, SeededChance, Settings, SimDisk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Questions, answer, answer_link};

/// 2026-03-01T00:00:00Z.
const DAY: i64 = 1_772_323_200_000_000_000;

/// A server over a store with one float tag `a/b` of `rows` samples, a second apart.
async fn serve(rows: i64, limits: Limits) -> std::net::SocketAddr {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(DAY))),
        chance: Arc::new(SeededChance::new(1)),
    };
    let engine = Arc::new(Engine::open(parts, Settings::default()).unwrap());
    let path = TagPath::new("a/b").unwrap();
    let tag = engine.catalog().define(TagDefinition::new(path, Kind::Float, "test")).unwrap().id;
    let batch: Batch = (0..rows)
        .map(|at| Sample {
            tag,
            ts: Timestamp::from_nanos(DAY + at * 1_000_000_000),
            value: Value::Float(0.1),
            quality: Quality::GOOD,
        })
        .collect();
    engine.commit(&[batch]).unwrap();
    let session = Arc::new(Session::new(engine, limits).unwrap());
    let router: Router<Questions> =
        Router::new().route("/api/v1/sql", answer()).route("/api/v1/sql", answer_link());
    let router = router.with_state(Questions { session });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Sends one request, returns all that comes back.
async fn ask(address: std::net::SocketAddr, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request =
        format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_mins(1), socket.read_to_end(&mut answer))
        .await
        .expect("an answer within a minute")
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn post(address: std::net::SocketAddr, accept: &str, body: &str) -> String {
    ask(address, &format!("POST /api/v1/sql HTTP/1.1\r\n{accept}"), body).await
}

#[track_caller]
fn check(answer: &str, status: &str, parts: &[&str]) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    for part in parts {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
}

#[tokio::test]
async fn a_statement_is_answered_in_the_format_asked_for() {
    let address = serve(1, Limits::default()).await;
    let sql = "SELECT tag, ts, value FROM samples";
    let json = post(address, "Accept: */*", sql).await;
    check(
        &json,
        "200",
        &[
            "content-type: application/json",
            r#"{"columns":[{"name":"tag","type":"text"},"#,
            "[\"a/b\",\"2026-03-01T00:00:00Z\",0.1]",
            "\n]}",
        ],
    );
    let csv = post(address, "Accept: text/csv", sql).await;
    check(&csv, "200", &["text/csv", "tag,ts,value\r\na/b,2026-03-01T00:00:00Z,0.1\r\n"]);
    let arrow = post(address, "Accept: application/vnd.apache.arrow.stream", sql).await;
    check(&arrow, "200", &["application/vnd.apache.arrow.stream"]);
    let better = post(address, "Accept: text/html, application/json;q=0.1, text/csv;q=0.9", sql);
    check(&better.await, "200", &["text/csv"]);
    let none = post(address, "Accept: image/png", sql).await;
    check(&none, "406", &["text/csv"]);
}

#[tokio::test]
async fn a_question_is_sql_a_json_object_or_a_link() {
    let address = serve(1, Limits::default()).await;
    let json = r#"{"query":"SELECT $1 + 1 AS n, $2 AS t","params":[41,"x"]}"#;
    check(&post(address, "Accept: */*", json).await, "200", &["[42,\"x\"]"]);
    let head = "GET /api/v1/sql?q=SELECT%20count(*)%20AS%20n%20FROM%20samples HTTP/1.1\r\nA: b";
    check(&ask(address, head, "").await, "200", &["[1]"]);
    let wrong = post(address, "Accept: */*", r#"{"sql":"SELECT 1"}"#).await;
    check(&wrong, "400", &["query"]);
    let list = post(address, "Accept: */*", r#"{"query":"SELECT $1","params":[[1]]}"#).await;
    check(&list, "400", &["parameter $1 cannot be a list"]);
}

#[tokio::test]
async fn a_wrong_statement_says_what_is_wrong_and_where() {
    let address = serve(0, Limits::default()).await;
    check(
        &post(address, "Accept: */*", "SELECT valu FROM samples").await,
        "400",
        &["application/problem+json", r#""sqlstate":"42703""#, "value", r#""position":8"#],
    );
    let written = post(address, "Accept: */*", "DELETE FROM samples").await;
    check(&written, "400", &[r#""sqlstate":"25006""#]);
}

/// The whole body would end in `]}`; one that is broken off must not.
#[tokio::test]
async fn an_answer_that_fails_half_way_does_not_look_complete() {
    let limits = Limits { rows_max: 20_000, ..Limits::default() };
    let address = serve(50_000, limits).await;
    let answer = post(address, "Accept: */*", "SELECT ts FROM samples").await;
    check(&answer, "200", &["2026-03-01T00:00:00Z"]);
    assert!(!answer.contains("\n]}"), "{}", answer.len());
    assert!(!answer.ends_with("0\r\n\r\n"), "the chunked body was ended");
}

#[tokio::test]
async fn a_client_that_leaves_stops_its_statement() {
    let limits = Limits { statements_max: 1, ..Limits::default() };
    let address = serve(50_000, limits).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let sql = "SELECT count(*) FROM samples a CROSS JOIN samples b CROSS JOIN samples c \
               WHERE a.value + b.value + c.value > 1";
    let length = sql.len();
    let request =
        format!("POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{sql}");
    socket.write_all(request.as_bytes()).await.unwrap();
    until(|| async { post(address, "Accept: */*", "SELECT 1").await.contains("53300") }).await;
    drop(socket);
    until(|| async { post(address, "Accept: */*", "SELECT 1").await.contains("[1]") }).await;
}

/// Waits for a condition.
async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    for _ in 0..600 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come true within half a minute");
}
