//! Calls of functions in the place of relations: parameters, preparation, many samples.

use tacitus_model::{Kind, Quality, TagDefinition, Value};
use tacitus_query::{Parameter, Session};

use crate::answer::{read, rows};
use crate::fixture::{self, DAY, SECOND};

fn text(text: &str) -> Parameter {
    Parameter::Text(text.to_owned())
}

async fn ask(session: &Session, sql: &str, with: &[Parameter]) -> Vec<serde_json::Value> {
    rows(&read(session.sql(sql, with).await.unwrap()).await.unwrap())
}

const RESAMPLE: &str =
    "SELECT ts, average FROM resample($1, $2, $3, $4, 'average') WHERE average > $5";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn parameters_stand_for_arguments() {
    let session = fixture::session(&fixture::plant());
    let with = [
        text("plant/line1/mixer/*"),
        text("2026-03-01 00:00"),
        text("2026-03-01 00:10"),
        text("5 minutes"),
        Parameter::Float(23.0),
    ];
    let found = ask(&session, RESAMPLE, &with).await;
    assert_eq!(found, [serde_json::json!(["2026-03-01T00:05:00Z", 27.0])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_number_of_parameters_that_does_not_fit_is_refused() {
    let session = fixture::session(&fixture::plant());
    let sql = "SELECT * FROM history($1, $2, now())";
    for (with, code) in [(1, "42P02"), (3, "08P01")] {
        let all = ["plant/line1/mixer/temperature", "2026-03-01", "too many"].map(text);
        let error = session.sql(sql, &all[..with]).await.unwrap_err();
        assert_eq!(error.sqlstate().code(), code);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_is_prepared_without_values() {
    let session = fixture::session(&fixture::plant());
    let prepared = session.connect("").prepare(RESAMPLE, &[]).await.unwrap();
    let names: Vec<&str> =
        prepared.columns().fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["ts", "average"]);
    assert_eq!(prepared.parameters().len(), 5);
}

/// Samples of one tag, a second apart; one of them sticks out.
const ROWS: u32 = 40_000;
const SPIKE: u32 = 31_234;

fn spiky() -> Session {
    let engine = fixture::engine();
    let definition = TagDefinition { step: false, ..fixture::definition("a/b", Kind::Float) };
    let rows = (0..ROWS).map(|at| {
        let number = if at == SPIKE { 1e6 } else { f64::from(at % 100) };
        (DAY + i64::from(at) * SECOND, Value::Float(number), Quality::GOOD)
    });
    fixture::store(&engine, definition, rows);
    fixture::session(&engine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_plot_shows_what_sticks_out_and_nothing_that_is_not_there() {
    let session = spiky();
    for pixels in [1, 3, 100, 5000] {
        let sql = format!(
            "WITH trend AS (SELECT * FROM plot('a/b', '2026-03-01', '2026-03-02', {pixels})) \
             SELECT (SELECT max(value) FROM trend) AS most, \
             (SELECT count(*) FROM trend JOIN samples USING (tag, ts) \
              WHERE trend.value = samples.value) AS real, \
             (SELECT count(*) FROM trend) AS shown"
        );
        let found = ask(&session, &sql, &[]).await;
        let [row] = found.as_slice() else { panic!("one row") };
        assert_eq!(row[0], 1e6, "{pixels}");
        assert_eq!(row[1], row[2], "{pixels}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn resample_says_what_sql_says_of_the_same_samples() {
    let session = spiky();
    let with = [text("2026-03-01 00:00"), text("2026-03-01 11:00")];
    let own = "SELECT ts, count, minimum, maximum, round(average, 6) \
               FROM resample('a/b', $1, $2, '1 hour', 'count', 'minimum', 'maximum', 'average') \
               ORDER BY ts";
    let sql = "SELECT time_bucket('1 hour', ts) AS bucket, count(*), min(value), max(value), \
               round(avg(value), 6) FROM samples WHERE ts >= $1::timestamptz AND ts < $2::timestamptz \
               GROUP BY bucket ORDER BY bucket";
    let with_seconds = [text("2026-03-01 00:00:00"), text("2026-03-01 11:00:00")];
    assert_eq!(ask(&session, own, &with).await, ask(&session, sql, &with_seconds).await);
}
