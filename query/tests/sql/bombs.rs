//! Statements made to hurt: long, deep, endless. Each is answered or refused, and the session
//! answers the next one.

use std::time::Duration;

use tacitus_query::{Limits, Session, SqlState};

use crate::fixture::{plant, session_within};

async fn ends(session: &Session, sql: &str) -> Result<(), SqlState> {
    let mut answer = session.sql(sql, &[]).await.map_err(|error| error.sqlstate())?;
    while let Some(batch) = answer.next().await {
        batch.map_err(|error| error.sqlstate())?;
    }
    Ok(())
}

/// Name, statement, and the only codes it may end with; it may also be answered.
fn bombs() -> Vec<(&'static str, String, &'static [SqlState])> {
    let mut bombs = written();
    bombs.extend(executed());
    bombs
}

/// Statements that are hard to read and to plan.
fn written() -> Vec<(&'static str, String, &'static [SqlState])> {
    let late = &[SqlState::QUERY_CANCELED, SqlState::OUT_OF_MEMORY];
    let deep = &[SqlState::STATEMENT_TOO_COMPLEX];
    let chain = |term: &str, between: &str, terms: usize| vec![term; terms].join(between);
    let doubled: Vec<String> = (1..20)
        .map(|at| format!("t{at} AS (SELECT a.x FROM t{} a CROSS JOIN t{} b)", at - 1, at - 1))
        .collect();
    vec![
        ("brackets", format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)), deep),
        ("too many words", format!("SELECT {}", chain("1", "+", 2_100)), deep),
        ("too long", format!("SELECT '{}'", "x".repeat(1_100_000)), deep),
        (
            "sub-queries",
            format!("{}SELECT 1{}", "SELECT * FROM (".repeat(200), ")".repeat(200)),
            deep,
        ),
        ("sum", format!("SELECT {}", chain("1", "+", 500)), late),
        ("or", format!("SELECT 1 FROM samples WHERE {}", chain("value>1", " OR ", 600)), late),
        (
            "tags",
            format!("SELECT 1 FROM samples WHERE tag IN ({})", chain("'a/b/c'", ",", 30_000)),
            late,
        ),
        (
            "numbers",
            format!("SELECT 1 FROM samples WHERE value IN ({})", chain("1", ",", 200_000)),
            late,
        ),
        ("union", chain("SELECT 1", " UNION ALL ", 300), late),
        (
            "doubled",
            format!(
                "WITH t0 AS (SELECT value AS x FROM samples), {} SELECT count(*) FROM t9",
                doubled.join(", ")
            ),
            late,
        ),
        (
            "regex",
            "SELECT 1 FROM samples WHERE tag ~ '(((a{100}){100}){100})'".to_owned(),
            &[SqlState::INVALID_REGULAR_EXPRESSION],
        ),
    ]
}

/// Statements that are short and run for ever, or make much of little.
fn executed() -> Vec<(&'static str, String, &'static [SqlState])> {
    const LATE: &[SqlState] = &[SqlState::QUERY_CANCELED, SqlState::OUT_OF_MEMORY];
    const LARGE: &[SqlState] = &[SqlState::PROGRAM_LIMIT_EXCEEDED];
    const ANY: &[SqlState] = &[
        SqlState::QUERY_CANCELED,
        SqlState::OUT_OF_MEMORY,
        SqlState::PROGRAM_LIMIT_EXCEEDED,
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
    ];
    let series = "generate_series(1, 100000000000)";
    [
        ("series", format!("SELECT sum(value) FROM {series}"), LATE),
        ("series of rows", format!("SELECT * FROM {series}"), ANY),
        ("cross", "SELECT count(*) FROM samples a, samples b, samples c, samples d, samples e".into(), LATE),
        ("cross and sum", format!("SELECT sum(a.value * b.value) FROM {series} a, {series} b"), LATE),
        ("nested loop", "SELECT count(*) FROM generate_series(1, 3000000) a JOIN generate_series(1, 3000000) b ON a.value < b.value".into(), LATE),
        ("hash join of two keys", "SELECT count(*) FROM generate_series(1, 3000000) a JOIN generate_series(1, 3000000) b ON a.value % 2 = b.value % 2".into(), LATE),
        ("recursion", "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t".into(), LATE),
        ("recursion that doubles", "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t, (VALUES (1), (2)) v(x)) SELECT count(*) FROM t".into(), LATE),
        ("window", format!("SELECT count(*) FROM (SELECT sum(value) OVER (ORDER BY value ROWS BETWEEN 100000 PRECEDING AND 100000 FOLLOWING) FROM {series})"), LATE),
        ("window of everything", format!("SELECT max(x) FROM (SELECT min(value) OVER () AS x FROM {series})"), LATE),
        ("groups", format!("SELECT count(*) FROM (SELECT value FROM {series} GROUP BY value)"), LATE),
        ("distinct", format!("SELECT count(DISTINCT value) FROM {series}"), LATE),
        ("sort", format!("SELECT * FROM {series} ORDER BY value % 1000 DESC"), LATE),
        ("median", format!("SELECT median(value) FROM {series}"), LATE),
        ("list of all", format!("SELECT array_agg(value) FROM {series}"), ANY),
        ("text of all", format!("SELECT string_agg(CAST(value AS text), ',') FROM {series}"), ANY),
        ("regex of rows", format!("SELECT count(*) FROM {series} WHERE repeat('a', 1000) || CAST(value AS text) ~ '(a*)*b'"), LATE),
        ("repeat", "SELECT repeat('x', 2000000000)".into(), LARGE),
        ("repeat of repeat", "SELECT length(repeat(repeat('x', 1000000), 1000000))".into(), LARGE),
        ("repeat of rows", "SELECT max(repeat('x', 1000000)) FROM generate_series(1, 1000000) WHERE value > 0".into(), ANY),
        ("pad", "SELECT lpad('x', 2000000000)".into(), LARGE),
        ("replace", "SELECT length(replace(repeat('x', 1000000), 'x', repeat('y', 10000)))".into(), LARGE),
        ("list", "SELECT array_repeat(1, 2000000000)".into(), LARGE),
        ("list of numbers", "SELECT range(0, 2000000000)".into(), LARGE),
        ("explain", format!("EXPLAIN ANALYZE SELECT count(*) FROM {series}"), LATE),
    ]
    .into()
}

#[tokio::test]
async fn no_statement_takes_the_session_with_it() {
    let session = session_within(
        &plant(),
        Limits {
            threads: 2,
            statements_max: 1,
            memory_bytes_max: 64 << 20,
            statement_time_max: Duration::from_secs(1),
            ..Limits::default()
        },
    );
    for (name, sql, codes) in bombs() {
        if let Err(sqlstate) = ends(&session, &sql).await {
            assert!(codes.contains(&sqlstate), "{name}: {sqlstate}");
        }
        until_free(&session, name).await;
    }
}

/// Waits until the only place is free again.
async fn until_free(session: &Session, name: &str) {
    for _ in 0..3000 {
        if ends(session, "SELECT 1").await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} did not stop within half a minute");
}
