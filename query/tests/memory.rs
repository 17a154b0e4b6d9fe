//! What a statement takes of the heap, counted by the allocator and not by the pool.
//!
//! One test in a process of its own: whatever else ran here would count too.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the figures are part of what the run shows")]

use std::sync::Arc;

use peak_alloc::PeakAlloc;
use tacitus_model::Timestamp;
use tacitus_query::{Limits, Session, SqlState};
use tacitus_storage::{Engine, FixedClock, Parts, SeededChance, Settings, SimDisk};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const ALLOWED: usize = 64 << 20;

/// Statements that want far more than they are allowed, each of another operator.
const HUNGRY: [(&str, &str); 9] = [
    (
        "sort",
        "SELECT max(row) FROM (SELECT value, row_number() OVER (ORDER BY value % 1009) AS row FROM generate_series(1, 20000000))",
    ),
    (
        "sort of texts",
        "SELECT * FROM (SELECT 'batch ' || value AS name FROM generate_series(1, 20000000)) ORDER BY name LIMIT 9000000",
    ),
    (
        "groups",
        "SELECT count(*) FROM (SELECT value, count(*), avg(value) FROM generate_series(1, 20000000) GROUP BY value)",
    ),
    (
        "groups of texts",
        "SELECT count(*) FROM (SELECT DISTINCT 'batch number ' || value FROM generate_series(1, 20000000))",
    ),
    ("count of what is distinct", "SELECT count(DISTINCT value) FROM generate_series(1, 20000000)"),
    (
        "join",
        "SELECT count(*) FROM generate_series(1, 20000000) a JOIN generate_series(1, 20000000) b ON a.value = b.value",
    ),
    (
        "cross join",
        "SELECT count(*) FROM generate_series(1, 20000000) a CROSS JOIN generate_series(1, 3) b WHERE a.value + b.value < 0",
    ),
    (
        "window over everything",
        "SELECT max(x) FROM (SELECT min(value) OVER () AS x FROM generate_series(1, 40000000))",
    ),
    ("one long list", "SELECT cardinality(array_agg(value)) FROM generate_series(1, 40000000)"),
];

fn session() -> Session {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(0))),
        chance: Arc::new(SeededChance::new(1)),
    };
    let engine = Arc::new(Engine::open(parts, Settings::default()).unwrap());
    let limits = Limits { threads: 2, memory_bytes_max: ALLOWED, ..Limits::default() };
    Session::new(engine, limits).unwrap()
}

async fn run(session: &Session, sql: &str) -> Result<(), SqlState> {
    let mut answer = session.sql(sql, &[]).await.map_err(|error| error.sqlstate())?;
    while let Some(batch) = answer.next().await {
        batch.map_err(|error| error.sqlstate())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_statement_takes_hardly_more_of_the_heap_than_it_is_allowed() {
    let session = session();
    run(&session, "SELECT count(*) FROM generate_series(1, 1000)").await.unwrap();
    let mut above = Vec::new();
    for (name, sql) in HUNGRY {
        let before = HEAP.current_usage();
        HEAP.reset_peak_usage();
        let end = run(&session, sql).await;
        let taken = HEAP.peak_usage().saturating_sub(before);
        println!("{name}: {} of {} MiB, {end:?}", taken >> 20, ALLOWED >> 20);
        assert!(matches!(end, Ok(()) | Err(SqlState::OUT_OF_MEMORY)), "{name}: {end:?}");
        if taken > ALLOWED / 4 * 5 {
            above.push(name);
        }
    }
    assert!(above.is_empty(), "{above:?}");
}
