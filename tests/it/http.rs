//! What HTTP answers to what is wrong: always problem JSON, always a status that says whose turn
//! it is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::server::{DEADLINE, Server};

/// Sends these bytes and reads until the server closes.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&server.http).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[track_caller]
fn problem(answer: &(u16, String), status: u16, detail: &str) {
    let document: serde_json::Value = serde_json::from_str(&answer.1)
        .unwrap_or_else(|error| panic!("{error}: not a problem document: {answer:?}"));
    assert_eq!(answer.0, status, "{document}");
    assert_eq!(document["status"], status, "{document}");
    let said = document["detail"].as_str().unwrap();
    assert!(said.contains(detail), "\"{detail}\" is not in \"{said}\"");
}

#[test]
fn wrong_requests_are_answered_with_problems() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    problem(&server.get("/nothing"), 404, "there is nothing at \"/nothing\"");
    problem(&server.post("/health", b""), 405, "\"/health\" does not take POST");
    problem(&server.post("/api/v1/sql", b"SELEC 1"), 400, "");
    problem(&server.post("/api/v1/sql", b"\xff\xfe"), 400, "");
    problem(&server.post("/write", b"no fields here\n"), 400, "");
    problem(&server.post("/write?precision=weeks", b"m f=1"), 400, "");
    problem(&server.post("/api/v1/samples", b"{"), 400, "");
    problem(&server.post("/api/v1/samples", b"[{\"tag\":\"\",\"value\":1}]"), 400, "");
    assert_eq!(server.get("/health"), (200, "{\"status\":\"ok\"}".to_owned()));
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("TACITUS_HTTP_BODY", "1 KiB")]);
    problem(&server.post("/write", &[b'x'; 2000]), 413, "");
    let head = "POST /write HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999999\r\n\r\n";
    assert!(raw(&server, head.as_bytes()).starts_with("HTTP/1.1 413"));
}

#[test]
fn silent_clients_are_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let variables =
        [("TACITUS_HTTP_HEADER_TIMEOUT", "100 ms"), ("TACITUS_HTTP_BODY_TIMEOUT", "100 ms")];
    let server = Server::start_with(dir.path(), &variables);
    assert_eq!(raw(&server, b""), "", "a connection that says nothing");
    raw(&server, b"GET /health HTTP/1.1\r\nhost: x\r\nx: ");
    let head =
        b"POST /write HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nm";
    assert!(raw(&server, head).starts_with("HTTP/1.1 408"), "a body that never ends");
}

#[test]
fn connections_above_the_limit_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("TACITUS_HTTP_CONNECTIONS", "1")]);
    let mut first = TcpStream::connect(&server.http).unwrap();
    first.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 12]).unwrap();
    let answer = raw(&server, b"");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert!(answer.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
    assert!(body.contains("too many connections"), "{answer}");
}

#[test]
fn a_page_of_another_site_can_neither_read_nor_write() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let request = format!(
        "POST /write HTTP/1.1\r\nhost: {}\r\norigin: http://evil.example\r\nconnection: close\r\n\
         content-length: 5\r\n\r\nm f=1",
        server.http
    );
    assert!(raw(&server, request.as_bytes()).starts_with("HTTP/1.1 403"));
    assert_eq!(server.rows("SELECT count(*) FROM samples"), ["0"]);
}

#[test]
fn clients_of_influxdb_find_somebody_before_they_write() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let answer = raw(&server, b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(answer.to_lowercase().contains("x-influxdb-version: 1.8"), "{answer}");
    let created = (200, "{\"results\":[{\"statement_id\":0}]}".to_owned());
    assert_eq!(server.get("/query?q=CREATE+DATABASE+%22telegraf%22"), created);
    assert_eq!(server.post("/query", b"q=CREATE+DATABASE+telegraf"), created);
    let shown = server.get("/query?q=SHOW%20DATABASES").1;
    assert!(shown.contains("\"values\":[[\"tacitus\"]]"), "{shown}");
    problem(&server.get("/query?q=SELECT+*+FROM+cpu"), 400, "there is no InfluxQL");
    problem(&server.post("/query", b"\xff"), 400, "");
}

#[test]
fn what_was_refused_can_be_looked_up() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/write", b"oven temp=1 1\n").0, 204);
    assert_eq!(server.post("/write", b"oven temp=\"hot\" 2\n").0, 400);
    assert_eq!(server.post("/write", b"oven temp=1 3\nbroken line\n").0, 400);
    assert_eq!(server.post("/api/v1/samples", b"[{\"tag\": 7}]").0, 400);
    let refusals = server.get("/api/v1/refusals").1;
    assert!(refusals.contains("oven/temp"), "{refusals}");
    // The same for those who live in SQL.
    let rows =
        "SELECT source, name, code, payload, code_total FROM refusals ORDER BY ts DESC, code";
    let want = [
        "http:local,row 1,rows,\"[{\"\"tag\"\": 7}]\",1",
        "line:local,line 2,line,broken line,1",
        "line,oven/temp,kind,hot,1",
    ];
    assert_eq!(server.rows(rows), want);
    assert!(server.get("/metrics").1.contains("tacitus_http_requests_total"));
}
