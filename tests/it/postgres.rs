//! The wire of PostgreSQL, asked by a real driver.
//!
//! `BLESS=1 cargo test --test it postgres` writes what is answered into the golden file; read it
//! before it is kept.

use std::path::Path;
use std::time::Duration;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage, error::SqlState};

use crate::server::{DEADLINE, Server, tacitus, wait_for};

/// Runs an asynchronous test, which must end.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.unwrap() })
}

async fn connect_as(server: &Server, options: &str) -> Result<Client, tokio_postgres::Error> {
    connect_to(&server.pg, options).await
}

async fn connect_to(address: &str, options: &str) -> Result<Client, tokio_postgres::Error> {
    let (host, port) = address.rsplit_once(':').unwrap();
    let settings = format!("host={host} port={port} dbname=tacitus {options}");
    let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect(server: &Server) -> Client {
    connect_as(server, "user=test").await.unwrap()
}

/// An error's code.
#[track_caller]
fn code<T>(answer: Result<T, tokio_postgres::Error>) -> SqlState {
    match answer {
        Ok(_) => panic!("it was answered"),
        Err(error) => error.code().unwrap_or_else(|| panic!("{error}")).clone(),
    }
}

/// The columns and the rows of a question, as text.
async fn lines(client: &Client, sql: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for message in client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let names: Vec<&str> =
                    columns.iter().map(tokio_postgres::SimpleColumn::name).collect();
                lines.push(names.join(" | "));
            }
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|at| row.get(at).unwrap_or("∅"));
                lines.push(cells.collect::<Vec<_>>().join(" | "));
            }
            _ => {}
        }
    }
    lines
}

/// The same through the extended protocol, with parameters of text.
async fn prepared(client: &Client, sql: &str, parameters: &[String]) -> Vec<String> {
    let statement = client.prepare(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let names: Vec<&str> = statement.columns().iter().map(tokio_postgres::Column::name).collect();
    let mut lines = vec![names.join(" | ")];
    let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
        parameters.iter().map(|text| text as _).collect();
    for row in client.query(&statement, &parameters).await.unwrap() {
        let cell = |at: usize| match row.columns()[at].type_().name() {
            "int4" => row.get::<_, Option<i32>>(at).map(|number| number.to_string()),
            _ => row.get::<_, Option<String>>(at),
        };
        let cells = (0..row.len()).map(|at| cell(at).unwrap_or_else(|| "∅".to_owned()));
        lines.push(cells.collect::<Vec<_>>().join(" | "));
    }
    lines
}

/// Four samples of an oven and one of a mixer, one a minute.
async fn store(client: &Client) {
    let sql = "INSERT INTO samples (tag, ts, value) VALUES \
               ('line1/oven', '2026-03-01 00:00:00Z', 100), \
               ('line1/oven', '2026-03-01 00:01:00Z', 101.5), \
               ('line1/oven', '2026-03-01 00:02:00Z', 103), \
               ('line1/oven', '2026-03-01 00:03:00Z', 104.5), \
               ('line1/mixer', '2026-03-01 00:01:00Z', 20)";
    client.simple_query(sql).await.unwrap();
}

#[test]
fn grafana_gets_what_its_data_source_expects() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/postgres/grafana.golden");
    let text = std::fs::read_to_string(&golden).unwrap();
    let answered = run(async {
        let client = connect(&server).await;
        store(&client).await;
        let mut blocks = Vec::new();
        for block in text.trim_end().split("\n\n") {
            let Some((asked, _)) = block.split_once("\n----") else {
                blocks.push(block.to_owned());
                continue;
            };
            let sql = asked.rsplit('\n').next().unwrap();
            let note = asked.lines().next().unwrap();
            let parameters: Vec<String> = note
                .split(&[' ', ',', ':'][..])
                .zip(note.split(&[' ', ',', ':'][..]).skip(2))
                .filter(|(name, _)| name.starts_with('$'))
                .map(|(_, value)| value.to_owned())
                .collect();
            let is_prepared = note.starts_with("-- S");
            let lines = if is_prepared {
                prepared(&client, sql, &parameters).await
            } else {
                lines(&client, sql).await
            };
            blocks.push(format!("{asked}\n----\n{}", lines.join("\n")));
        }
        blocks.join("\n\n") + "\n"
    });
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &answered).unwrap();
    }
    let kept = std::fs::read_to_string(&golden).unwrap();
    for (got, want) in answered.split("\n\n").zip(kept.split("\n\n")) {
        assert_eq!(got.trim_end(), want.trim_end());
    }
}

#[test]
fn a_ping_is_an_empty_query_and_several_statements_are_answered_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let client = connect(&server).await;
        assert_eq!(lines(&client, "-- ping").await, Vec::<String>::new());
        let two = lines(&client, "SELECT 1 AS x; SELECT ';' AS x -- ;").await;
        assert_eq!(two, ["x", "1", "x", ";"]);
    });
}

#[test]
fn every_kind_of_failure_has_its_code_and_the_connection_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let client = connect(&server).await;
        for (sql, want) in [
            ("SELEC 1", "42601"),
            ("SELECT nothing", "42703"),
            ("SELECT * FROM nothing", "42P01"),
            ("SELECT nothing()", "42883"),
            ("SELECT 1 / 0", "22012"),
            ("UPDATE samples SET value = 1", "25006"),
            ("INSERT INTO samples (tag) VALUES ('a') RETURNING tag", "0A000"),
            ("COPY samples TO '/tmp/x'", "0A000"),
            ("SET nothing = 1", "42704"),
            ("FETCH 1 FROM nothing", "34000"),
            ("EXECUTE nothing", "26000"),
            ("DECLARE c CURSOR FOR SELECT 1", "25P01"),
        ] {
            assert_eq!(code(client.simple_query(sql).await).code(), want, "{sql}");
            assert_eq!(lines(&client, "SELECT 1 AS x").await, ["x", "1"]);
        }
        assert_eq!(code(client.query("SELECT nothing", &[]).await), SqlState::UNDEFINED_COLUMN);
        assert_eq!(client.query_one("SELECT 7::bigint", &[]).await.unwrap().get::<_, i64>(0), 7);
    });
}

#[test]
fn a_failed_transaction_waits_for_its_end_and_what_was_written_stays() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let client = connect(&server).await;
        client.simple_query("BEGIN; SAVEPOINT a").await.unwrap();
        assert_eq!(code(client.simple_query("SELECT 1 / 0").await).code(), "22012");
        assert_eq!(code(client.simple_query("SELECT 1").await).code(), "25P02");
        client.simple_query("ROLLBACK TO SAVEPOINT a; SELECT 1; ROLLBACK").await.unwrap();
        client.simple_query("BEGIN").await.unwrap();
        store(&client).await;
        assert_eq!(code(client.simple_query("ROLLBACK").await).code(), "0A000");
        assert_eq!(lines(&client, "SELECT count(*) AS n FROM samples").await, ["n", "5"]);
    });
}

#[test]
fn parameters_have_the_types_that_the_statement_needs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let client = connect(&server).await;
        store(&client).await;
        let sql = "SELECT value FROM samples WHERE tag = ANY($1) AND ts >= $2 AND value < $3 \
                   ORDER BY ts LIMIT $4";
        let statement = client.prepare(sql).await.unwrap();
        let types: Vec<&str> =
            statement.params().iter().map(tokio_postgres::types::Type::name).collect();
        assert_eq!(types, ["_text", "timestamptz", "float8", "int8"]);
        let start = std::time::UNIX_EPOCH + Duration::from_mins(1_772_323_260 / 60);
        let tags = vec!["line1/oven", "line1/none"];
        let rows = client.query(&statement, &[&tags, &start, &104.0, &5_i64]).await.unwrap();
        let values: Vec<f64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(values, [101.5, 103.0]);
    });
}

#[test]
fn rows_are_taken_in_parts_by_portals_and_by_cursors() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let mut client = connect(&server).await;
        let transaction = client.transaction().await.unwrap();
        let sql = "SELECT * FROM generate_series(1, 20000)";
        let portal = transaction.bind(sql, &[]).await.unwrap();
        let first = transaction.query_portal(&portal, 7).await.unwrap();
        assert_eq!(first.len(), 7);
        let rest = transaction.query_portal(&portal, 0).await.unwrap();
        assert_eq!((rest.len(), rest[0].get::<_, i64>(0)), (19_993, 8));
        transaction
            .simple_query("DECLARE c CURSOR FOR SELECT * FROM generate_series(1, 9)")
            .await
            .unwrap();
        let rows = transaction.query("FETCH 4 FROM c", &[]).await.unwrap();
        assert_eq!(rows.len(), 4);
        let rows = transaction.query("FETCH ALL FROM c", &[]).await.unwrap();
        assert_eq!(rows.len(), 5);
        transaction.simple_query("CLOSE c").await.unwrap();
    });
}

#[test]
fn copy_is_acknowledged_after_the_sync_and_names_the_row_that_is_wrong() {
    use futures::SinkExt as _;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let copy = async |client: &Client, text: &'static str| {
        let sink = client.copy_in("COPY samples (tag, ts, value) FROM STDIN").await.unwrap();
        let mut sink = std::pin::pin!(sink);
        sink.send(bytes::Bytes::from_static(text.as_bytes())).await.unwrap();
        sink.finish().await
    };
    run(async {
        let client = connect(&server).await;
        let text = "a\t2026-03-01 00:00:00Z\t1\na\t2026-03-01 00:00:01Z\t2\n";
        assert_eq!(copy(&client, text).await.unwrap(), 2);
        let wrong = copy(&client, "a\t2026-03-01 00:00:02Z\t3\na\tsoon\t4\n").await;
        assert_eq!(code(wrong).code(), "22P02");
    });
    server.kill();
    let server = Server::start(dir.path());
    assert_eq!(server.rows("SELECT value FROM samples ORDER BY ts"), ["1.0", "2.0"]);
}

/// Runs until someone stops it.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 1000000000000)";

/// Runs it, as soon as there is a place.
async fn endless(client: &Client) -> Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> {
    loop {
        match client.simple_query(ENDLESS).await {
            Err(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {}
            stopped => return stopped,
        }
    }
}

#[test]
fn a_cancel_and_a_timeout_stop_a_statement() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let client = connect(&server).await;
        let cancel = client.cancel_token();
        let running = client.simple_query(ENDLESS);
        let asked = async {
            // A cancel that comes too early finds nothing to stop.
            loop {
                cancel.cancel_query(NoTls).await.unwrap();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let stopped = tokio::select! {
            stopped = running => stopped,
            () = asked => unreachable!("it asks for ever"),
        };
        assert_eq!(code(stopped), SqlState::QUERY_CANCELED);
        client.simple_query("SET statement_timeout = '100ms'").await.unwrap();
        assert_eq!(code(client.simple_query(ENDLESS).await), SqlState::QUERY_CANCELED);
        client.simple_query("RESET statement_timeout; SELECT 1").await.unwrap();
    });
}

#[test]
fn a_client_that_leaves_frees_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("TACITUS_QUERY_STATEMENTS", "1")]);
    let (host, port) = server.pg.rsplit_once(':').unwrap();
    run(async {
        let settings = format!("host={host} port={port} user=test");
        let (client, connection) = tokio_postgres::connect(&settings, NoTls).await.unwrap();
        let line = tokio::spawn(connection);
        let leaves = async {
            let other = connect(&server).await;
            while other.simple_query("SELECT 1").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            line.abort();
        };
        let (stopped, ()) = tokio::join!(endless(&client), leaves);
        assert!(stopped.is_err());
    });
    wait_for("a free place", || (server.post("/api/v1/sql", b"SELECT 1").0 == 200).then_some(()));
}

#[test]
fn light_statements_pass_by_heavy_ones() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [("TACITUS_QUERY_HEAVY", "1"), ("TACITUS_QUERY_WAITING", "1")];
    let server = Server::start_with(dir.path(), &variables);
    run(async {
        let (first, second, light) =
            (connect(&server).await, connect(&server).await, connect(&server).await);
        store(&light).await;
        let heavy = async {
            tokio::select! {
                ended = endless(&first) => panic!("{ended:?}"),
                ended = endless(&second) => panic!("{ended:?}"),
                () = std::future::pending::<()>() => {}
            }
        };
        let passes = async {
            // One runs, one waits, and the next heavy one is refused …
            while light
                .simple_query(ENDLESS_SOON)
                .await
                .err()
                .and_then(|error| error.code().cloned())
                != Some(SqlState::TOO_MANY_CONNECTIONS)
            {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // … while light ones are answered.
            light.simple_query("RESET statement_timeout").await.unwrap();
            for sql in [
                "SELECT count(*) FROM tags",
                "SELECT * FROM latest",
                "SELECT sum(value) FROM samples WHERE tag = 'line1/oven'",
            ] {
                light.simple_query(sql).await.unwrap();
            }
        };
        tokio::select! {
            () = heavy => {}
            () = passes => {}
        }
    });
}

/// Endless, but for its own limit of time.
const ENDLESS_SOON: &str =
    "SET statement_timeout = '50ms'; SELECT count(*) FROM generate_series(1, 1000000000000)";

#[test]
fn users_log_in_with_their_password_only() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users");
    std::fs::write(&users, "# who may come in\nanna:correct horse\n").unwrap();
    let variables = [("TACITUS_PG_USERS_FILE", users.to_str().unwrap())];
    let server = Server::start_with(&dir.path().join("data"), &variables);
    run(async {
        let client = connect_as(&server, "user=anna password='correct horse'").await.unwrap();
        assert_eq!(lines(&client, "SELECT current_user").await, ["current_user", "anna"]);
        for wrong in ["user=anna password=x", "user=nobody password='correct horse'"] {
            let refused = connect_as(&server, wrong).await;
            assert_eq!(code(refused), SqlState::INVALID_PASSWORD, "{wrong}");
        }
        assert!(connect_as(&server, "user=anna").await.is_err());
    });
}

#[test]
fn a_certificate_that_cannot_be_used_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let rubbish = dir.path().join("rubbish.pem");
    std::fs::write(&rubbish, "this is no key").unwrap();
    let output = tacitus()
        .args(["serve", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--pg", "127.0.0.1:0"])
        .arg("--data")
        .arg(dir.path().join("data"))
        .env("TACITUS_PG_CERTIFICATE_FILE", &rubbish)
        .env("TACITUS_PG_KEY_FILE", &rubbish)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("rubbish.pem"), "{said}");
}

/// Statements made to hurt, each in its own way.
const BOMBS: [&str; 8] = [
    ENDLESS,
    "SELECT count(*) FROM generate_series(1, 3000000) a(x) JOIN generate_series(1, 3000000) b(y) ON a.x < b.y",
    "SELECT sum(a.x * b.y) FROM generate_series(1, 100000000) a(x), generate_series(1, 100000000) b(y)",
    "SELECT count(*) FROM (SELECT x % 100000007 FROM generate_series(1, 100000000000) g(x) GROUP BY 1) q",
    "SELECT max(y) FROM (SELECT min(x) OVER () AS y FROM generate_series(1, 1000000000) g(x)) q",
    "SELECT x FROM generate_series(1, 1000000000) g(x) ORDER BY x % 1000 DESC",
    "SELECT string_agg(repeat(x::text, 100), ',') FROM generate_series(1, 1000000000) g(x)",
    "SELECT repeat('x', 2000000000)",
];

#[test]
fn statements_made_to_hurt_hold_up_neither_ingestion_nor_light_questions() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [
        ("TACITUS_QUERY_TIME", "1 s"),
        ("TACITUS_QUERY_MEMORY", "64 MiB"),
        ("TACITUS_QUERY_TEMP", "64 MiB"),
    ];
    let server = Server::start_with(dir.path(), &variables);
    let done = std::sync::atomic::AtomicBool::new(false);
    let ended =
        |code: &SqlState| matches!(code.code(), "57014" | "53200" | "53300" | "53400" | "54000");
    std::thread::scope(|threads| {
        for bomb in BOMBS {
            let (address, done) = (server.pg.as_str(), &done);
            threads.spawn(move || {
                run(async {
                    let client = connect_to(address, "user=bomber").await.unwrap();
                    loop {
                        let code = code(client.simple_query(bomb).await);
                        assert!(ended(&code), "{bomb}: {code:?}");
                        if done.load(std::sync::atomic::Ordering::Relaxed) {
                            return;
                        }
                    }
                });
            });
        }
        run(async {
            let light = connect(&server).await;
            for at in 0..100 {
                let line = format!("oven temp={at} {}", 1_772_323_200_000_000_000_i64 + at);
                assert_eq!(server.post("/write", line.as_bytes()).0, 204);
                light
                    .simple_query("SELECT * FROM latest; SELECT count(*) FROM tags")
                    .await
                    .unwrap();
            }
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(server.rows("SELECT count(*) FROM samples"), ["100"]);
}
