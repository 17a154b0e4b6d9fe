//! A filter answers the same whether the store answers it or not.
//!
//! The same condition is asked twice: over the relation, where the store takes what it can, and
//! over a window function, through which no filter passes, so that the engine checks every row.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use tacitus_query::{Session, SqlState};

use crate::fixture;

fn condition() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![tag_condition(), time_condition(), quality_condition(), value_condition()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

const TAGS: [&str; 7] = [
    "plant/line1/oven/temperature",
    "plant/line1/oven/door",
    "plant/line1/oven/state",
    "plant/line1/oven/batch",
    "plant/line2/edge/float",
    "plant/line2/edge/times",
    "no/such/tag",
];

fn tag_condition() -> impl Strategy<Value = String> {
    let tag = || select(TAGS.as_slice());
    let pattern = select(["plant/line1/%", "%oven%", "%/t%", "plant/line_/%e", "%"].as_slice());
    prop_oneof![
        (tag(), select(["=", "<>", "<", "<=", ">", ">="].as_slice()))
            .prop_map(|(tag, op)| format!("tag {op} '{tag}'")),
        (tag(), tag()).prop_map(|(a, b)| format!("tag IN ('{a}', '{b}')")),
        (tag(), tag()).prop_map(|(a, b)| format!("'{a}' = tag OR tag = '{b}'")),
        pattern.prop_map(|pattern| format!("tag LIKE '{pattern}'")),
        select(["oven", "^plant/line2", "e$", "(door|times)"].as_slice())
            .prop_map(|regex| format!("tag ~ '{regex}'")),
        tag().prop_map(|tag| format!("upper(tag) = upper('{tag}')")),
        select(["plant", "plant/line1", "plant/line2", "plant/line1/oven", "nowhere"].as_slice())
            .prop_flat_map(|asset| select(
                [
                    format!("asset(tag) = '{asset}'"),
                    format!("asset(tag) IN ('{asset}', 'plant/line2')"),
                    format!("asset(tag) LIKE '{asset}%'"),
                    format!("starts_with(asset(tag), '{asset}')"),
                    format!("glob(asset(tag), '{asset}{{,/**}}')"),
                ]
                .to_vec()
            )),
    ]
}

fn time_condition() -> impl Strategy<Value = String> {
    let moment = || {
        select(
            [
                "1677-09-21T00:12:43.145224192Z",
                "1969-12-31T23:59:59.999999999Z",
                "1970-01-01T00:00:00Z",
                "2026-03-01T00:00:00Z",
                "2026-03-01T00:00:00.000000001Z",
                "2026-03-01T00:30:00Z",
                "2026-03-01T01:30:30+01:00",
                "2262-04-11T23:47:16.854775807Z",
            ]
            .as_slice(),
        )
    };
    let op = || select(["=", "<>", "<", "<=", ">", ">="].as_slice());
    prop_oneof![
        (moment(), op()).prop_map(|(moment, op)| format!("ts {op} '{moment}'")),
        (moment(), op()).prop_map(|(moment, op)| format!("TIMESTAMPTZ '{moment}' {op} ts")),
        (moment(), moment(), select(["BETWEEN", "NOT BETWEEN"].as_slice()))
            .prop_map(|(a, b, word)| format!("ts {word} '{a}' AND '{b}'")),
    ]
}

fn quality_condition() -> impl Strategy<Value = String> {
    let code = select([0_u32, 0x4000_0000, 0x8000_0000, 0x8031_0000, 0x809B_0000].as_slice());
    prop_oneof![
        Just("good".to_owned()),
        Just("good = false".to_owned()),
        Just("good IS NOT TRUE".to_owned()),
        (code, select(["=", "<>", "<", ">="].as_slice()))
            .prop_map(|(code, op)| format!("quality {op} {code}")),
    ]
}

fn value_condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("value > 190".to_owned()),
        Just("value IS NULL".to_owned()),
        Just("value_int = 1".to_owned()),
        Just("text = 'running'".to_owned()),
    ]
}

async fn rows(session: &Session, sql: &str) -> Vec<String> {
    let mut answer = session.sql(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut renderer =
        tacitus_query::Renderer::new(tacitus_query::Format::Csv, answer.schema()).unwrap();
    let mut text = Vec::new();
    while let Some(batch) = answer.next().await {
        text.extend(renderer.rows(&batch.unwrap()).unwrap());
    }
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_pushed_filter_answers_as_one_checked_row_by_row() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = fixture::session(&fixture::plant());
    let columns = "tag, ts, value, value_int, text, quality, good";
    proptest!(Config { cases: 300, failure_persistence: None, ..Config::default() }, |(condition in condition())| {
        let pushed = format!("SELECT {columns} FROM samples WHERE {condition} ORDER BY tag, ts");
        let checked = format!(
            "SELECT {columns} FROM (SELECT *, row_number() OVER (ORDER BY tag, ts) FROM samples) \
             WHERE {condition} ORDER BY tag, ts"
        );
        let (pushed, checked) = runtime.block_on(async {
            (rows(&session, &pushed).await, rows(&session, &checked).await)
        });
        prop_assert_eq!(pushed, checked, "{}", condition);
    });
}

#[tokio::test]
async fn a_filter_that_fails_for_a_tag_it_never_meets_says_so() {
    let session = fixture::session(&fixture::plant());
    let error = session.sql("SELECT * FROM samples WHERE 1 / (length(tag) - 22) > 0", &[]).await;
    assert_eq!(error.unwrap_err().sqlstate(), SqlState::DIVISION_BY_ZERO);
}
