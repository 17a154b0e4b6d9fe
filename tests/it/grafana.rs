//! The pack for Grafana, as Grafana would use it: every query of the dashboards and of the alert
//! rules, its macros expanded as the stock PostgreSQL data source expands them (13.0,
//! `timescaledb: true`), asked of the demonstration plant.
//!
//! *Invariant.* A query that is drawn over time has a column `time` that is one, and a number.

use std::path::Path;
use std::process::Command;

use regex::Captures;
use regex::Regex;
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::server::{Server, tacitus, wait_for};

/// A query of the pack.
#[derive(Debug)]
struct Query {
    place: String,
    sql: String,
    format: Format,
}

#[derive(Debug, PartialEq)]
enum Format {
    /// Drawn over time.
    Series,
    Table,
    /// A list of choices: one column.
    Variable,
    /// May be without rows.
    Annotation,
    /// One number a row.
    Alert,
}

fn pack() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/grafana")
}

fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(pack().join("dashboards")).unwrap();
    let read = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, serde_json::from_str(&text).unwrap())
    };
    files.map(|entry| read(entry.unwrap())).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Every query of a dashboard.
fn queries(name: &str, dashboard: &Value) -> Vec<Query> {
    let mut found = Vec::new();
    let variables = list(&dashboard["templating"]["list"]);
    for variable in variables {
        let place = format!("{name}: variable {}", variable["name"]);
        found.push(Query { place, sql: text(&variable["query"]), format: Format::Variable });
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        let place = format!("{name}: annotation {}", annotation["name"]);
        found.push(Query { place, sql: text(&annotation["rawQuery"]), format: Format::Annotation });
    }
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            let place = format!("{name}: {}", panel["title"]);
            let series = target["format"] == "time_series";
            let format = if series { Format::Series } else { Format::Table };
            found.push(Query { place, sql: text(&target["rawSql"]), format });
        }
    }
    for query in &mut found {
        query.sql = with_variables(&query.sql, variables);
    }
    found
}

/// The alert rules' queries: what follows `rawSql: >-`, indented deeper.
fn alerts() -> Vec<Query> {
    let text = std::fs::read_to_string(pack().join("provisioning/alerting/tacitus.yaml")).unwrap();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() != "rawSql: >-" {
            continue;
        }
        let mut sql = Vec::new();
        while let Some(more) = lines.next_if(|more| indent(more) > indent(line)) {
            sql.push(more.trim());
        }
        let place = format!("alert {}", found.len() + 1);
        found.push(Query { place, sql: sql.join(" "), format: Format::Alert });
    }
    found
}

/// Variables by their current values: several as a list of quoted texts, one as it is.
fn with_variables(sql: &str, variables: &[Value]) -> String {
    let mut sql = sql.to_owned();
    for variable in variables {
        let value = &variable["current"]["value"];
        let value = if variable["multi"] == true {
            let quoted = |value| format!("'{}'", text(value).replace('\'', "''"));
            list(value).iter().map(quoted).collect::<Vec<_>>().join(",")
        } else {
            text(value)
        };
        sql = sql.replace(&format!("${}", text(&variable["name"])), &value);
    }
    sql
}

/// The macros of a panel that shows `from` to `to`, a minute a step.
fn expanded(sql: &str, from: &str, to: &str) -> String {
    let sql = sql.replace("$__interval", "1m");
    let sql = sql.replace("$__timeFrom()", &format!("'{from}'"));
    let sql = sql.replace("$__timeTo()", &format!("'{to}'"));
    let filter = Regex::new(r"\$__timeFilter\((\w+)\)").unwrap();
    let sql = filter.replace_all(&sql, format!("$1 BETWEEN '{from}' AND '{to}'"));
    let group = Regex::new(r"\$__timeGroup(Alias)?\((\w+),\s*'?(\d+)m'?\)").unwrap();
    let bucket = |parts: &Captures<'_>| {
        let seconds = parts[3].parse::<u32>().unwrap() * 60;
        let alias = parts.get(1).map_or("", |_| " AS \"time\"");
        format!("time_bucket('{seconds}.000s',{}){alias}", &parts[2])
    };
    let sql = group.replace_all(&sql, bucket).into_owned();
    assert!(!sql.contains("$_"), "a macro is left: {sql}");
    sql
}

fn demonstration(dir: &Path) -> Server {
    let mut command: Command = tacitus();
    command.args(["demo", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--data"]).arg(dir);
    let mut server = Server::adopt(command);
    server.wait_until_ready();
    wait_for("the plant's first hour", || {
        let rows = server.rows("SELECT count(*) FROM latest WHERE age < 30");
        rows[0].parse::<u32>().is_ok_and(|tags| tags > 100).then_some(())
    });
    server
}

/// Asks as Grafana does, in one simple query, and judges the answer.
async fn check(client: &Client, query: &Query, span: (&str, &str)) -> Result<(), String> {
    let sql = expanded(&query.sql, span.0, span.1);
    let why = |error: tokio_postgres::Error| format!("{error:?}\n{sql}");
    let rows = client.simple_query(&sql).await.map_err(why)?;
    let has_rows = rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(_)));
    // The types that the rows were described with.
    let described = client.prepare(&sql).await.map_err(why)?;
    let columns: Vec<(&str, &Type)> =
        described.columns().iter().map(|column| (column.name(), column.type_())).collect();
    let numbers = [Type::FLOAT8, Type::INT8, Type::INT4, Type::FLOAT4, Type::NUMERIC];
    let has_time = columns.contains(&("time", &Type::TIMESTAMPTZ));
    let has_number = columns.iter().any(|(_, kind)| numbers.contains(kind));
    let fits = match query.format {
        Format::Series => has_time && has_number && has_rows,
        Format::Table => has_rows,
        Format::Variable => columns.len() == 1 && has_rows,
        Format::Annotation => has_time,
        Format::Alert => has_number && has_rows,
    };
    if fits { Ok(()) } else { Err(format!("{:?}: {columns:?}\n{sql}", query.format)) }
}

async fn failures(server: &Server, queries: &[Query], span: (&str, &str)) -> Vec<String> {
    let (host, port) = server.pg.rsplit_once(':').unwrap();
    let target = format!("host={host} port={port} user=grafana dbname=tacitus");
    let (client, connection) = tokio_postgres::connect(&target, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut failures = Vec::new();
    for query in queries {
        if let Err(why) = check(&client, query, span).await {
            failures.push(format!("{}\n{why}", query.place));
        }
    }
    drop(client);
    connection.await.unwrap().unwrap();
    failures
}

#[test]
fn every_query_of_the_pack_draws_something_of_the_plant() {
    let dir = tempfile::tempdir().unwrap();
    let server = demonstration(dir.path());
    let ends = server.rows("SELECT now() - INTERVAL '30 minutes', now()").remove(0);
    let span = ends.split_once(',').unwrap();
    let queries: Vec<Query> = dashboards()
        .iter()
        .flat_map(|(name, dashboard)| queries(name, dashboard))
        .chain(alerts())
        .collect();
    assert!(queries.len() >= 15, "only {} queries were found", queries.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let failures = runtime.block_on(failures(&server, &queries, span));
    assert_eq!(failures.len(), 0, "{}", failures.join("\n\n"));
}

#[test]
fn the_dashboards_ask_the_data_source_that_is_provisioned() {
    let source = pack().join("provisioning/datasources/tacitus.yaml");
    let source = std::fs::read_to_string(source).unwrap();
    for line in ["uid: tacitus", "type: grafana-postgresql-datasource", "timescaledb: true"] {
        assert!(source.contains(line), "{line}");
    }
    for (name, dashboard) in dashboards() {
        for panel in list(&dashboard["panels"]) {
            assert_eq!(panel["datasource"]["uid"], "tacitus", "{name}");
        }
    }
}
