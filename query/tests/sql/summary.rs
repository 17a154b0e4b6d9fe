//! An aggregate answers the same whether statistics or rows answer it.
//!
//! The same aggregate is asked twice: over the relation, and over a window function, through
//! which nothing is taken over, so that the engine counts every row.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::Config;
use tacitus_model::{Kind, Quality, TagDefinition, Value};
use tacitus_query::{Limits, Session};
use tacitus_storage::Engine;

use crate::fixture::{self, DAY, SECOND};

/// Rows of each tag: some thirty pages.
const ROWS: i64 = 30_000;

/// A store with pages: `hall/steady` (every second, all good), `hall/flawed` (a bad sample, a null
/// and an infinity here and there), `hall/late` (written twice, the second time in part),
/// `hall/sparse` (one every ten minutes), `hall/switch` (bool), `hall/mode` (three states, a bad
/// sample here and there), `hall/zero` (0, −0 and little else).
fn hall() -> Arc<Engine> {
    let engine = fixture::engine();
    let float = |at: i64| f64::from(i32::try_from(at).unwrap());
    let wave = |at: i64| (float(at) / 500.0).sin() * 40.0 + float(at % 7);
    let good = |value: f64| (Value::Float(value), Quality::GOOD);
    let store = |path: &str, kind, step_ns: i64, of: &dyn Fn(i64) -> (Value, Quality)| {
        let rows = (0..ROWS).map(|at| {
            let (value, quality) = of(at);
            (DAY + at * step_ns, value, quality)
        });
        fixture::store(&engine, fixture::definition(path, kind), rows);
    };
    store("hall/steady", Kind::Float, SECOND, &|at| good(wave(at)));
    store("hall/flawed", Kind::Float, SECOND, &|at| match at % 9_973 {
        17 => (Value::Float(wave(at)), Quality::BAD),
        18 => (Value::Null, Quality::BAD_NO_DATA),
        5_000 => good(f64::INFINITY),
        5_001 => (Value::Float(wave(at)), Quality::UNCERTAIN),
        _ => good(wave(at)),
    });
    store("hall/late", Kind::Float, SECOND, &|at| good(wave(at)));
    store("hall/sparse", Kind::Float, 600 * SECOND, &|at| good(float(at)));
    store("hall/switch", Kind::Bool, SECOND, &|at| (Value::Bool(at % 600 < 200), Quality::GOOD));
    let mode = TagDefinition {
        states: ["stopped", "running", "fault"].map(str::to_owned).to_vec(),
        ..fixture::definition("hall/mode", Kind::State)
    };
    let rows = (0..ROWS).map(|at| {
        let state = u32::try_from((at / 450 + at / 7_000) % 3).unwrap();
        let quality = if at % 8_111 == 40 { Quality::BAD } else { Quality::GOOD };
        (DAY + at * SECOND, Value::State(state), quality)
    });
    fixture::store(&engine, mode, rows);
    store("hall/zero", Kind::Float, SECOND, &|at| {
        good([0.0, -0.0, 1.0][usize::try_from(at / 9_000).unwrap().min(2)])
    });
    engine.seal().unwrap();
    let late = (1_000..1_400)
        .map(|at| (DAY + at * SECOND + SECOND / 2, Value::Float(-500.0), Quality::GOOD));
    fixture::store(&engine, fixture::definition("hall/late", Kind::Float), late);
    engine
}

/// Groups by the tag, or not, and by one expression of time, or none.
fn groups() -> impl Strategy<Value = Vec<&'static str>> {
    let tag = select([None, Some("tag"), Some("upper(tag)")].as_slice());
    let time = select(
        [
            None,
            Some("time_bucket('7 minutes', ts)"),
            Some("time_bucket('1 hour', ts, 'Europe/Berlin')"),
            Some("date_bin(INTERVAL '1 hour', ts)"),
            Some("date_trunc('day', ts)"),
            Some("time_bucket('1 month', ts)"),
            Some("time_bucket('2 seconds', ts)"),
        ]
        .as_slice(),
    );
    (tag, time).prop_map(|(tag, time)| tag.into_iter().chain(time).collect())
}

/// Functions of what comes one after the other, which are of one tag.
const COURSES: [&str; 13] = [
    "first(value, ts)",
    "last(value, ts)",
    "time_average(ts, value)",
    "time_average(ts, value, true)",
    "total(ts, value)",
    "integral(ts, value, true)",
    "delta(ts, value)",
    "time_in_state(ts, value, 1)",
    "time_in_state(ts, text, 'running')",
    "transitions(ts, value)",
    "transitions(ts, text)",
    "time_average(ts, value) FILTER (WHERE good)",
    "first_value(value ORDER BY ts)",
];

const FIGURES: [&str; 15] = [
    "count(*)",
    "count(value)",
    "sum(value)",
    "avg(value)",
    "min(value)",
    "max(value)",
    "var_pop(value)",
    "stddev(value)",
    "min(ts)",
    "max(ts)",
    "last_value(value ORDER BY ts)",
    "count(*) FILTER (WHERE good)",
    "avg(value) FILTER (WHERE good)",
    "percent_good(quality)",
    "percent_good(quality) FILTER (WHERE good)",
];

const CONDITIONS: [&str; 13] = [
    "true",
    "good",
    "good AND ts >= '2026-03-01T01:00:17.5Z'",
    "tag = 'hall/steady' AND ts < '2026-03-01T03:00:00Z'",
    "tag IN ('hall/steady', 'hall/flawed', 'hall/late')",
    "tag LIKE 'hall/s%' AND ts BETWEEN '2026-03-01T02:00:00Z' AND '2026-03-01T02:59:59Z'",
    "value > 20",
    "value >= 0 AND value <= 1",
    "value < 0 AND good",
    "tag = 'hall/flawed' AND NOT good",
    "tag = 'hall/switch' AND value = 1",
    "quality = 0 AND tag = 'hall/flawed'",
    "tag IN ('hall/mode', 'hall/switch')",
];

async fn rows(session: &Session, sql: &str) -> Vec<Vec<String>> {
    let answer = session.sql(sql, &[]).await;
    let mut answer = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut renderer =
        tacitus_query::Renderer::new(tacitus_query::Format::Csv, answer.schema()).unwrap();
    let mut text = Vec::new();
    while let Some(batch) = answer.next().await {
        text.extend(renderer.rows(&batch.unwrap()).unwrap());
    }
    let cells = |line: &str| line.split(',').map(str::to_owned).collect();
    String::from_utf8(text).unwrap().lines().map(cells).collect()
}

/// Whether two cells are the same text, or numbers that differ by the rounding of sums.
fn same(one: &str, other: &str) -> bool {
    let number = |cell: &str| cell.parse::<f64>();
    match (number(one), number(other)) {
        _ if one == other => true,
        (Ok(one), Ok(other)) => (one - other).abs() <= 1e-9 * (1.0 + one.abs().max(other.abs())),
        _ => false,
    }
}

#[test]
fn an_aggregate_answers_as_one_counted_row_by_row() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits { threads: 2, ..Limits::default() };
    let session = fixture::session_within(&hall(), limits);
    let figures = subsequence([FIGURES.as_slice(), COURSES.as_slice()].concat(), 1..6);
    let config = Config { cases: 250, failure_persistence: None, ..Config::default() };
    proptest!(config, |(groups in groups(), figures in figures, condition in select(CONDITIONS.as_slice()))| {
        // Of two tags with a sample at the same time either may be the first.
        let of_one_tag = |figure: &str| figure.contains("ORDER BY") || COURSES.contains(&figure);
        let fixed = |figure: &&&str| groups.contains(&"tag") || !of_one_tag(figure);
        let figures: Vec<&str> = figures.iter().filter(fixed).copied().collect();
        prop_assume!(!figures.is_empty());
        let columns: Vec<&str> = groups.iter().chain(&figures).copied().collect();
        let columns = columns.join(", ");
        let by = if groups.is_empty() {
            String::new()
        } else {
            let numbers: Vec<String> = (1..=groups.len()).map(|at| at.to_string()).collect();
            format!("GROUP BY {0} ORDER BY {0}", numbers.join(", "))
        };
        let known = format!("SELECT {columns} FROM samples WHERE {condition} {by}");
        let counted = format!(
            "SELECT {columns} FROM (SELECT *, row_number() OVER (ORDER BY tag, ts) FROM samples) \
             WHERE {condition} {by}"
        );
        let (known, counted) = runtime.block_on(async {
            (rows(&session, &known).await, rows(&session, &counted).await)
        });
        prop_assert_eq!(known.len(), counted.len(), "{} {} {}", columns, condition, by);
        for (one, other) in known.iter().zip(&counted) {
            let equal = one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same(one, other));
            prop_assert!(equal, "{:?} {:?}: {} {} {}", one, other, columns, condition, by);
        }
    });
}

/// The number that `EXPLAIN ANALYZE` gives for a counter.
async fn counter(session: &Session, sql: &str, name: &str) -> u64 {
    let plan = rows(session, &format!("EXPLAIN ANALYZE {sql}")).await.concat().concat();
    let (_, rest) = plan.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{plan}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn whole_pages_are_answered_from_statistics() {
    let session = fixture::session_within(&hall(), Limits { threads: 1, ..Limits::default() });
    let sql = "SELECT time_bucket('2 hours', ts), avg(value) FROM samples \
               WHERE tag = 'hall/steady' GROUP BY 1";
    assert_eq!(counter(&session, sql, "rows_read").await, 0);
    assert!(counter(&session, sql, "pages_from_statistics").await > 20);
    assert!(counter(&session, sql, "pages_decoded").await <= 8);
}

#[tokio::test]
async fn a_slice_of_time_that_begins_just_before_an_edge_is_answered_from_statistics_too() {
    let session = fixture::session_within(&hall(), Limits { threads: 2, ..Limits::default() });
    // Half of the time lies half a second before the second bucket.
    let sql = "SELECT time_bucket('15000 seconds', ts, TIMESTAMPTZ '2026-03-01T00:00:00Z'), max(value) \
               FROM samples WHERE tag = 'hall/steady' GROUP BY 1";
    assert_eq!(counter(&session, sql, "rows_read").await, 0);
}

#[tokio::test]
async fn a_flaw_costs_the_rows_around_it() {
    let session = fixture::session_within(&hall(), Limits { threads: 1, ..Limits::default() });
    let sql =
        "SELECT avg(value) FROM samples WHERE tag = 'hall/flawed' AND ts < '2026-03-01T01:00:00Z'";
    let read = counter(&session, sql, "rows_read").await;
    assert!(read > 0 && read <= 3_600, "{read}");
}
