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

/// Name, statement, and the only codes it may end with (none: it must be answered).
fn bombs() -> Vec<(&'static str, String, &'static [SqlState])> {
    let late = &[SqlState::QUERY_CANCELED, SqlState::OUT_OF_MEMORY];
    let deep = &[SqlState::STATEMENT_TOO_COMPLEX];
    let chain = |term: &str, between: &str, terms: usize| vec![term; terms].join(between);
    vec![
        ("brackets", format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000)), deep),
        ("too many words", format!("SELECT {}", chain("1", "+", 2_100)), deep),
        ("too long", format!("SELECT '{}'", "x".repeat(1_100_000)), deep),
        ("sub-queries", format!("{}SELECT 1{}", "SELECT * FROM (".repeat(200), ")".repeat(200)), deep),
        ("sum", format!("SELECT {}", chain("1", "+", 500)), late),
        ("or", format!("SELECT 1 FROM samples WHERE {}", chain("value>1", " OR ", 600)), late),
        ("tags", format!("SELECT 1 FROM samples WHERE tag IN ({})", chain("'a/b/c'", ",", 30_000)), late),
        ("union", chain("SELECT 1", " UNION ALL ", 300), late),
        ("series", "SELECT sum(value) FROM generate_series(1, 100000000000)".to_owned(), late),
        ("cross", "SELECT count(*) FROM samples a, samples b, samples c, samples d, samples e".to_owned(), late),
        ("recursion", "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t".to_owned(), late),
        ("regex", "SELECT 1 FROM samples WHERE tag ~ '(((a{100}){100}){100})'".to_owned(), &[SqlState::INVALID_REGULAR_EXPRESSION]),
    ]
}

#[tokio::test]
async fn no_statement_takes_the_session_with_it() {
    let session = session_within(
        &plant(),
        Limits {
            threads: 2,
            statements_max: 1,
            memory_bytes_max: 64 << 20,
            statement_time_max: Duration::from_secs(2),
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
