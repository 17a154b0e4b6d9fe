//! What statements may take: time, memory, rows, places.

use std::time::Duration;

use datafusion::arrow::datatypes::DataType;
use tacitus_query::{Limits, Parameter, QueryError, RoleLimits, Session, SqlState};

use crate::fixture::{plant, session_within};

/// Two hundred million rows to join: far longer than any test waits.
const ENDLESS: &str = "SELECT count(*) FROM samples a CROSS JOIN samples b CROSS JOIN samples c \
                       CROSS JOIN samples d WHERE a.value + b.value + c.value + d.value > 1";

fn limits() -> Limits {
    Limits { threads: 2, ..Limits::default() }
}

/// All of an answer: the number of rows, or the error.
async fn count(session: &Session, sql: &str) -> Result<usize, QueryError> {
    let mut answer = session.sql(sql, &[]).await?;
    let mut rows = 0;
    while let Some(batch) = answer.next().await {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

async fn check(session: &Session, sql: &str, sqlstate: SqlState) {
    let error = count(session, sql).await.unwrap_err();
    assert_eq!(error.sqlstate(), sqlstate, "{error}");
    assert!(error.hint().is_some(), "{error} has no hint");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_stopped() {
    let session = session_within(
        &plant(),
        Limits { statement_time_max: Duration::from_millis(200), ..limits() },
    );
    check(&session, ENDLESS, SqlState::QUERY_CANCELED).await;
}

#[tokio::test]
async fn a_statement_that_needs_too_much_memory_is_stopped() {
    let session = session_within(&plant(), Limits { memory_bytes_max: 1 << 20, ..limits() });
    let sql = "SELECT count(*) FROM (SELECT DISTINCT value FROM generate_series(1, 10000000))";
    check(&session, sql, SqlState::OUT_OF_MEMORY).await;
    let sql = "SELECT * FROM generate_series(1, 10000000) ORDER BY value % 1000";
    check(&session, sql, SqlState::OUT_OF_MEMORY).await;
    assert_eq!(count(&session, "SELECT count(*) FROM samples").await, Ok(1));
}

#[tokio::test]
async fn an_answer_with_too_many_rows_is_an_error_and_not_a_short_answer() {
    let session = session_within(&plant(), Limits { rows_max: 389, ..limits() });
    check(&session, "SELECT * FROM samples", SqlState::PROGRAM_LIMIT_EXCEEDED).await;
    assert_eq!(count(&session, "SELECT * FROM samples LIMIT 389").await, Ok(389));
}

#[tokio::test]
async fn a_dropped_answer_stops_its_work_and_frees_its_place() {
    let session = session_within(&plant(), Limits { statements_max: 1, ..limits() });
    let endless =
        session.sql("SELECT * FROM generate_series(1, 1000000000000)", &[]).await.unwrap();
    check(&session, "SELECT 1", SqlState::TOO_MANY_STATEMENTS).await;
    drop(endless);
    until_free(&session).await;
}

#[tokio::test]
async fn a_dropped_question_stops_its_work_and_frees_its_place() {
    let session = session_within(&plant(), Limits { statements_max: 1, ..limits() });
    let mut answer = session.sql(ENDLESS, &[]).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(50), answer.next()).await;
    assert!(waited.is_err(), "it ended");
    drop(answer);
    until_free(&session).await;
}

async fn until_free(session: &Session) {
    for _ in 0..600 {
        if count(session, "SELECT 1").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place was not freed within half a minute");
}

#[tokio::test]
async fn parameters_are_values_and_never_sql() {
    let session = session_within(&plant(), limits());
    let ask = async |sql: &str, parameters: &[Parameter]| {
        let mut answer = session.sql(sql, parameters).await?;
        let mut rows = 0;
        while let Some(batch) = answer.next().await {
            rows += batch?.num_rows();
        }
        Ok::<usize, QueryError>(rows)
    };
    let text = |text: &str| Parameter::Text(text.to_owned());
    let by_tag = "SELECT * FROM samples WHERE tag = $1 AND ts >= $2 LIMIT $3";
    let door = [text("plant/line1/oven/door"), text("2026-03-01T00:10:00Z"), Parameter::Int(2)];
    assert_eq!(ask(by_tag, &door).await, Ok(2));
    let injected = [text("x' OR 'a' = 'a"), text("2026-03-01T00:10:00Z"), Parameter::Int(2)];
    assert_eq!(ask(by_tag, &injected).await, Ok(0));
    let by_value = "SELECT * FROM samples WHERE value > $1 AND good = $2";
    assert_eq!(ask(by_value, &[Parameter::Float(209.0), Parameter::Bool(true)]).await, Ok(6));
    assert_eq!(ask("SELECT $1 WHERE $1 IS NULL", &[Parameter::Null]).await, Ok(1));
    let missing = ask("SELECT $2", &[Parameter::Null]).await.unwrap_err();
    assert_eq!(missing.sqlstate(), SqlState::UNDEFINED_PARAMETER);
    let needless = ask("SELECT 1", &[Parameter::Null]).await.unwrap_err();
    assert_eq!(needless.sqlstate(), SqlState::PROTOCOL_VIOLATION);
}

#[tokio::test]
async fn the_plan_of_a_statement_that_ran_counts_what_was_read() {
    let session = session_within(&plant(), limits());
    let sql = "EXPLAIN ANALYZE SELECT value FROM samples \
               WHERE tag LIKE 'plant/line1/oven/%' AND ts >= '2026-03-01T00:50:00Z'";
    let mut answer = session.sql(sql, &[]).await.unwrap();
    let mut renderer =
        tacitus_query::Renderer::new(tacitus_query::Format::Json, answer.schema()).unwrap();
    let mut text = String::new();
    while let Some(batch) = answer.next().await {
        text += &String::from_utf8(renderer.rows(&batch.unwrap()).unwrap()).unwrap();
    }
    // Of five tags only the temperature has samples in the last ten minutes.
    for part in ["SamplesExec: tags=5", "tags_read=1", "blocks_read=1", "rows_read=10"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[tokio::test]
async fn a_window_over_everything_is_counted_as_memory() {
    let session = session_within(&plant(), Limits { memory_bytes_max: 16 << 20, ..limits() });
    let sql =
        "SELECT max(x) FROM (SELECT min(value) OVER () AS x FROM generate_series(1, 100000000))";
    check(&session, sql, SqlState::OUT_OF_MEMORY).await;
}

#[tokio::test]
async fn what_does_not_fit_into_memory_goes_to_temporary_files_up_to_their_limit() {
    let dir = tempfile::tempdir().unwrap();
    let within = |temp_bytes_max| {
        let temp_dir = Some(dir.path().to_owned());
        session_within(
            &plant(),
            Limits { memory_bytes_max: 24 << 20, temp_bytes_max, temp_dir, ..limits() },
        )
    };
    let sql = "SELECT count(*) FROM (SELECT value, row_number() OVER (ORDER BY value % 1000) AS row \
               FROM generate_series(1, 4000000)) WHERE row > 0";
    assert_eq!(count(&within(1 << 30), sql).await, Ok(1));
    check(&within(1 << 20), sql, SqlState::TOO_MUCH_TEMPORARY).await;
    check(&within(0), sql, SqlState::OUT_OF_MEMORY).await;
}

#[tokio::test]
async fn a_role_has_limits_of_its_own() {
    let own = Limits::default().role();
    let small = RoleLimits { rows_max: 3, ..own.clone() };
    let alone = RoleLimits { statements_max: 1, ..own };
    let roles = [("small".to_owned(), small), ("alone".to_owned(), alone)].into();
    let session = session_within(&plant(), Limits { roles, ..limits() });
    let all = async |role: &str| -> Result<(), QueryError> {
        let mut answer = session.connect(role).run("SELECT * FROM tags", &[]).await?;
        while let Some(batch) = answer.next().await {
            batch?;
        }
        Ok(())
    };
    assert_eq!(all("other").await, Ok(()));
    assert_eq!(all("small").await.unwrap_err().sqlstate(), SqlState::PROGRAM_LIMIT_EXCEEDED);
    let connection = session.connect("alone");
    let endless = "SELECT * FROM generate_series(1, 1000000000000)";
    let held = connection.run(endless, &[]).await.unwrap();
    let refused = connection.run("SELECT 1", &[]).await.unwrap_err();
    assert_eq!(refused.sqlstate(), SqlState::TOO_MANY_STATEMENTS);
    assert_eq!(all("other").await, Ok(()));
    drop(held);
}

#[tokio::test]
async fn a_cancel_stops_an_answer_from_anywhere() {
    let session = session_within(&plant(), limits());
    let mut answer =
        session.sql("SELECT * FROM generate_series(1, 1000000000000)", &[]).await.unwrap();
    answer.next().await.unwrap().unwrap();
    let canceller = answer.canceller();
    tokio::spawn(async move { canceller.cancel() });
    let stopped = loop {
        match answer.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("it was answered"),
        }
    };
    assert_eq!(stopped.sqlstate(), SqlState::QUERY_CANCELED);
    assert!(answer.next().await.is_none());
}

#[tokio::test]
async fn a_prepared_statement_knows_its_columns_and_the_types_of_its_parameters() {
    let session = session_within(&plant(), limits());
    let connection = session.connect("");
    let sql = "SELECT ts, value AS v FROM samples \
               WHERE tag = ANY($1) AND ts >= $2 AND value < $3 ORDER BY ts LIMIT $4";
    let prepared = connection.prepare(sql, &[]).await.unwrap();
    let types: Vec<String> = prepared.parameters().iter().map(tacitus_query::type_name).collect();
    assert_eq!(types, ["text[]", "timestamp with time zone", "double precision", "bigint"]);
    let names: Vec<&str> =
        prepared.columns().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["ts", "v"]);
    let declared = connection.prepare("SELECT $1", &[Some(DataType::Int32)]).await.unwrap();
    assert_eq!(declared.parameters(), [DataType::Int32]);
    let values = [Parameter::Text("7".to_owned())];
    let mut answer = connection.run_prepared(&declared, &values).await.unwrap();
    assert_eq!(answer.next().await.unwrap().unwrap().column(0).data_type(), &DataType::Int32);
    let wrong = connection.run_prepared(&declared, &[Parameter::Text("x".to_owned())]).await;
    assert_eq!(wrong.unwrap_err().sqlstate(), SqlState::INVALID_TEXT_REPRESENTATION);
}
