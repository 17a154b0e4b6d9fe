//! Codes, hints and places of errors.

use tacitus_query::QueryError;

use crate::fixture;

async fn refused(sql: &str) -> QueryError {
    let session = fixture::session(&fixture::plant());
    let mut answer = match session.sql(sql, &[]).await {
        Ok(answer) => answer,
        Err(error) => return error,
    };
    loop {
        match answer.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => return error,
            None => panic!("{sql} was answered"),
        }
    }
}

/// Statement, code, place, and what the hint says.
const CASES: &[(&str, &str, Option<usize>, &str)] = &[
    ("SELECT * FORM samples", "42601", Some(15), ""),
    ("SELECT *\nFROM samples\nWHERE é = ,", "42601", Some(33), ""),
    ("SELECT * FROM sampels", "42P01", Some(15), "did you mean \"samples\"?"),
    (
        "SELECT * FROM motors",
        "42P01",
        Some(15),
        "there are: alarm_journal, alarms, annotations, assets, audit, collectors, events, forwards, gaps, latest, refusals, samples, shifts, sources, tags",
    ),
    ("SELECT valeu FROM samples", "42703", Some(8), "did you mean \"value\"?"),
    ("SELECT\n  tag,\n  qualty\nFROM samples", "42703", Some(17), "did you mean \"quality\"?"),
    ("SELECT * FROM samples WHERE tag = \"a/b\"", "42703", Some(35), "single quotes"),
    ("SELECT avgg(value) FROM samples", "42883", Some(8), "did you mean \"avg\"?"),
    ("SELECT abs(tag) FROM samples", "42883", None, "abs(Numeric"),
    ("SELECT time_bucket('1 hour') FROM samples", "42883", None, ""),
    ("SELECT 1 / 0", "22012", None, "nullif"),
    ("SELECT tag FROM samples, latest", "42702", Some(8), "samples.tag"),
    ("SELECT a.ts FROM samples a, samples a", "42701", None, "AS"),
    ("DROP TABLE samples", "25006", None, "/api/v1/samples"),
    ("LISTEN x", "0A000", None, "SELECT"),
    ("", "42601", None, ""),
    ("-- nothing", "42601", None, ""),
];

#[tokio::test]
async fn an_error_has_a_code_a_place_and_a_hint() {
    let mut wrong = Vec::new();
    for (sql, code, place, hint) in CASES {
        let error = refused(sql).await;
        let told = error.hint().unwrap_or_default();
        if error.sqlstate().code() != *code || error.position() != *place || !told.contains(hint) {
            wrong.push(format!(
                "{sql:?}: {} {:?} {error} ({told})",
                error.sqlstate(),
                error.position()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_message_is_one_line_that_starts_small_and_has_no_full_stop() {
    for (sql, ..) in CASES {
        let message = refused(sql).await.message().to_owned();
        assert!(!message.contains('\n') && !message.ends_with('.'), "{message}");
        assert!(!message.contains("Error") && !message.contains("DataFusion"), "{message}");
    }
}
