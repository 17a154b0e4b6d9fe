//! Following the store over HTTP: events and WebSocket, beside a writer. What a reader puts
//! together from the messages is exactly what the store has.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::server::{DEADLINE, Server, agent};

/// A stream of server-sent events.
struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    fn open(server: &Server, query: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(&server.http).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let resume = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /api/v1/live/events?{query} HTTP/1.1\r\nhost: {}\r\n{resume}\r\n",
            server.http
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut status = String::new();
        lines.read_line(&mut status).unwrap();
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        Self { lines }
    }

    /// Name, id and data of the next event.
    fn next(&mut self) -> (String, Option<String>, Value) {
        let (mut name, mut id, mut data) = (String::new(), None, String::new());
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream ended");
            let line = line.trim_end_matches(['\r', '\n']);
            // What is no field is the framing of the body or of HTTP.
            match line.split_once(": ") {
                Some(("event", text)) => text.clone_into(&mut name),
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => data.push_str(text),
                _ if line.is_empty() && !data.is_empty() => {
                    return (name, id, serde_json::from_str(&data).unwrap());
                }
                _ => {}
            }
        }
    }
}

/// Tag, time and value of every tag, as CSV lines.
type State = BTreeMap<String, String>;

fn apply(state: &mut State, data: &Value) {
    if data["event"] == "snapshot" {
        state.clear();
    }
    for value in data["values"].as_array().unwrap() {
        let tag = value["tag"].as_str().unwrap().to_owned();
        match &value["ts"] {
            Value::Null => drop(state.remove(&tag)),
            ts => drop(state.insert(tag, format!("{},{}", ts.as_str().unwrap(), value["value"]))),
        }
    }
}

fn latest(server: &Server, prefix: &str) -> State {
    let query = format!("SELECT tag, ts, value FROM latest WHERE tag LIKE '{prefix}%'");
    let rows = server.rows(&query);
    rows.iter().map(|row| row.split_once(',').unwrap()).map(|(a, b)| (a.into(), b.into())).collect()
}

/// Writes lines, times in seconds; they are on disk when this returns.
fn write(http: &str, lines: &str) {
    let answer = agent().post(format!("http://{http}/write?precision=s")).send(lines).unwrap();
    assert_eq!(answer.status().as_u16(), 204, "{lines}");
}

/// Writes to tags of `live/` in an order and with times that are a function of the step.
fn write_steps(http: &str, steps: std::ops::Range<u64>) {
    for step in steps {
        let (tag, second) = (step * 7 % 23, 1_700_000_000 + step * 13 % 97);
        write(http, &format!("live t{tag}={step} {second}\nelse v={step} {second}\n"));
    }
}

#[test]
fn a_reader_of_events_has_what_the_store_has() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    write_steps(&server.http, 0..50);
    let mut events = Events::open(&server, "glob=live/**", None);
    let mut state = State::new();
    let http = server.http.as_str();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            write_steps(http, 50..400);
            // The end, which nobody overwrites.
            write(http, "live end=1 1900000000");
        });
        let (name, id, data) = events.next();
        assert_eq!((name.as_str(), data["event"].as_str()), ("snapshot", Some("snapshot")));
        assert!(id.is_some());
        apply(&mut state, &data);
        while !state.contains_key("live/end") {
            let (name, _, data) = events.next();
            assert_eq!(name, "changes");
            apply(&mut state, &data);
        }
    });
    assert_eq!(state.len(), 24);
    assert_eq!(state, latest(&server, "live/"));
}

#[test]
fn who_comes_back_with_the_last_id_gets_what_changed_since() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    write_steps(&server.http, 0..50);
    let (_, id, _) = Events::open(&server, "prefix=live/", None).next();
    write(&server.http, "live t3=-1 1800000000");
    let (name, _, data) = Events::open(&server, "prefix=live/", id.as_deref()).next();
    let values = data["values"].as_array().unwrap();
    assert_eq!((name.as_str(), values.len()), ("changes", 1), "{data}");
    assert_eq!(values[0]["tag"], "live/t3");
}

/// Rows of a tail, each as JSON.
fn collect(events: &mut Events, rows: &mut Vec<String>, until: impl Fn(&[String]) -> bool) {
    while !until(rows) {
        let (name, _, data) = events.next();
        match name.as_str() {
            "rows" => rows.extend(data["rows"].as_array().unwrap().iter().map(Value::to_string)),
            "reset" => rows.clear(),
            other => panic!("{other}: {data}"),
        }
    }
}

/// `SELECT tag, value FROM samples WHERE tag LIKE 'live/%' AND value >= 0`
const TAIL: &str = "q=SELECT+tag,+value+FROM+samples+WHERE+tag+LIKE+'live/%25'+AND+value+%3E%3D+0";

#[test]
fn the_tail_of_a_query_has_every_row_once_and_starts_anew_after_a_correction() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let http = server.http.as_str();
    let write = |steps: std::ops::Range<u64>| {
        for step in steps {
            write(http, &format!("live v={step} {step}\nlive w=-1 {step}\nelse v=1 {step}\n"));
        }
    };
    write(0..50);
    let mut events = Events::open(&server, TAIL, None);
    let mut rows = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| write(50..300));
        collect(&mut events, &mut rows, |rows| rows.len() >= 300);
    });
    let want: Vec<String> = (0..300).map(|step| format!("[\"live/v\",{step}.0]")).collect();
    assert_eq!(rows, want);

    let deletion = br#"{"user": "anna", "reason": "unplugged", "tags": ["live/v"],
        "from": "1970-01-01T00:00:10Z", "to": "1970-01-01T00:01:00Z"}"#;
    assert_eq!(server.post("/api/v1/samples/delete", deletion).0, 200);
    let mut seen = rows.len();
    collect(&mut events, &mut rows, |rows| {
        let anew = rows.len() < seen;
        anew && rows.len() == 250
    });
    seen = rows.len();
    assert_eq!(seen, 250);
    assert_eq!(rows[10], "[\"live/v\",60.0]");
}

#[test]
fn a_query_that_looks_at_many_rows_at_once_cannot_be_followed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    for (query, part) in [
        ("SELECT+count(*)+FROM+samples", "an aggregate"),
        ("SELECT+*+FROM+samples+LIMIT+1", "LIMIT"),
        ("SELECT+*+FROM+latest", "latest"),
        ("SELECT+*+FROM+samples+WHERE+value+%3E+(SELECT+1)", "a sub-query"),
        ("SELEC", "42601"),
    ] {
        let (status, problem) = server.get(&format!("/api/v1/live/events?q={query}"));
        assert!(status == 400 && problem.contains(part), "{query}: {status} {problem}");
    }
    let (status, problem) = server.get("/api/v1/live?tag=a");
    assert!(status == 426 && problem.contains("WebSocket"), "{status} {problem}");
}

/// The text of the next frame of a WebSocket (RFC 6455, 5.2); other frames are skipped.
fn text_frame(stream: &mut impl std::io::Read) -> String {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut more = [0; 2];
                stream.read_exact(&mut more).unwrap();
                usize::from(u16::from_be_bytes(more))
            }
            127 => {
                let mut more = [0; 8];
                stream.read_exact(&mut more).unwrap();
                usize::try_from(u64::from_be_bytes(more)).unwrap()
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).unwrap();
        if head[0] == 0x81 {
            return String::from_utf8(payload).unwrap();
        }
    }
}

#[test]
fn a_websocket_gets_the_same_messages() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    write_steps(&server.http, 0..50);
    let mut stream = TcpStream::connect(&server.http).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!(
        "GET /api/v1/live?glob=live/* HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.http
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    // The answer to the key of RFC 6455, 1.3.
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    let mut state = State::new();
    apply(&mut state, &serde_json::from_str(&text_frame(&mut stream)).unwrap());
    assert_eq!(state, latest(&server, "live/"));
    write(&server.http, "live t3=-1 1800000000");
    let change: Value = serde_json::from_str(&text_frame(&mut stream)).unwrap();
    assert_eq!(
        (change["event"].as_str(), &change["values"][0]["tag"]),
        (Some("changes"), &"live/t3".into())
    );

    server.terminate();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"the server stops"), "{rest:?}");
    assert!(server.wait().0.success());
}
