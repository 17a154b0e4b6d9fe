//! Runs the SQL-logic tests of `tests/slt`.
//!
//! `SLT_COMPLETE=1 cargo test -p tacitus-query --test sql slt` writes the answers that are missing;
//! read them before they are kept. Codes of errors it replaces by messages: take those back.

use std::path::Path;

use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tacitus_query::{QueryError, Session};

use crate::answer::json;
use crate::{charts, fixture, floor};

/// A session as the SQL-logic runner sees it. It reads answers as JSON, as an HTTP client would.
struct Client(Session);

#[async_trait::async_trait]
impl AsyncDB for Client {
    type Error = QueryError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, QueryError> {
        let answer = json(&self.0, sql).await?;
        if sql.trim_start().starts_with("EXPLAIN") {
            return Ok(plan(&answer));
        }
        let types = list(&answer, "columns").iter().map(|column| kind(&column["type"])).collect();
        let rows = list(&answer, "rows")
            .iter()
            .map(|row| row.as_array().unwrap().iter().map(cell).collect());
        Ok(DBOutput::Rows { types, rows: rows.collect() })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "tacitus"
    }

    fn error_sql_state(error: &QueryError) -> Option<String> {
        Some(error.sqlstate().code().to_owned())
    }
}

/// The lines of the physical plan, as rows of one column.
fn plan(answer: &serde_json::Value) -> DBOutput<DefaultColumnType> {
    let physical = list(answer, "rows").iter().find(|row| row[0] == "physical_plan").unwrap();
    let lines = physical[1].as_str().unwrap().lines();
    let rows = lines.map(|line| vec![line.trim().to_owned()]).collect();
    DBOutput::Rows { types: vec![DefaultColumnType::Text], rows }
}

fn list<'a>(answer: &'a serde_json::Value, name: &str) -> &'a [serde_json::Value] {
    answer[name].as_array().unwrap()
}

fn kind(name: &serde_json::Value) -> DefaultColumnType {
    match name.as_str().unwrap() {
        "text" => DefaultColumnType::Text,
        "smallint" | "integer" | "bigint" => DefaultColumnType::Integer,
        "real" | "double precision" => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}

fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sql_answers_as_its_documents_say() {
    let folder = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/slt");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let (engine, alarming, charted) = (fixture::plant(), fixture::alarming(), charts::engine());
    for file in files {
        let name = file.file_stem().and_then(|name| name.to_str()).unwrap();
        let session = || match name {
            "alarms" => fixture::session(&alarming),
            "spc" => fixture::session(&charted),
            "oee" => floor::machines(),
            _ => fixture::session(&engine),
        };
        let mut runner = Runner::new(|| async { Ok(Client(session())) });
        runner.with_column_validator(sqllogictest::strict_column_validator);
        if std::env::var_os("SLT_COMPLETE").is_some() {
            let validator = sqllogictest::default_validator;
            let normalizer = sqllogictest::default_normalizer;
            let columns = sqllogictest::strict_column_validator;
            runner.update_test_file(&file, " ", validator, normalizer, columns).await.unwrap();
        } else if let Err(error) = runner.run_file_async(&file).await {
            panic!("{}", error.display(false));
        }
    }
}
