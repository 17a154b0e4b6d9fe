//! The one handle through which every wire asks.
//!
//! ```text
//! caller's threads: text ─┐                              ┌─ Answer::next ─ time limit
//! own threads:            └─ parse ─ plan ─ run ─ batches ┘
//! ```
//!
//! *Invariant.* A statement reads one snapshot, runs on this session's threads only (a runaway
//! statement never holds up the network), and holds its place among the running statements until
//! its work has really ended.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::common::config::Dialect;
use datafusion::error::Result as EngineResult;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SessionState;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use tacitus_storage::Engine;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::answer::{Answer, Work};
use crate::error::{QueryError, SqlState};
use crate::function;
use crate::history::Functions;
use crate::limits::{ANSWER_BATCHES_MAX, BATCH_ROWS_MAX, Limits, THREAD_STACK_BYTES};
use crate::relation::{CATALOG, Relations, SCHEMA};
use crate::statement::{self, Parameter};
use crate::yielding::YieldAboveJoins;

/// Answers statements over a store.
#[derive(Debug)]
pub struct Session {
    engine: Arc<Engine>,
    planner: Arc<Planner>,
    limits: Limits,
    running: Arc<Semaphore>,
    /// `None` only while it is dropped.
    threads: Option<Runtime>,
}

/// What all statements have in common.
#[derive(Debug)]
struct Planner {
    state: SessionState,
}

impl Session {
    /// A session over a store.
    ///
    /// # Errors
    /// The operating system gave no threads, or the query engine does not start.
    pub fn new(engine: Arc<Engine>, limits: Limits) -> Result<Self, QueryError> {
        let threads = Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("query")
            .thread_stack_size(THREAD_STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|error| {
                QueryError::new(
                    SqlState::INTERNAL_ERROR,
                    format!("could not start threads: {error}"),
                )
            })?;
        let state = state(&limits).map_err(|error| QueryError::classify(&error, ""))?;
        Ok(Self {
            engine,
            planner: Arc::new(Planner { state }),
            running: Arc::new(Semaphore::new(limits.statements_max)),
            limits,
            threads: Some(threads),
        })
    }

    /// Answers one statement; `parameters` are the values of `$1`, `$2`, … Dropping the future or
    /// the answer stops the work.
    ///
    /// # Errors
    /// What is wrong with the statement, or which limit it met. Nothing was written.
    pub async fn sql(&self, text: &str, parameters: &[Parameter]) -> Result<Answer, QueryError> {
        let place = Arc::clone(&self.running).try_acquire_owned().map_err(|_full| {
            QueryError::new(
                SqlState::TOO_MANY_STATEMENTS,
                format!("{} statements are running", self.limits.statements_max),
            )
            .with_hint("repeat it later")
        })?;
        let Some(threads) = &self.threads else {
            return Err(QueryError::new(SqlState::QUERY_CANCELED, "the server stops"));
        };
        let relations = Relations::new(self.engine.snapshot());
        let (schema_sender, schema) = oneshot::channel();
        let (sender, batches) = mpsc::channel(ANSWER_BATCHES_MAX);
        let run = Run {
            planner: Arc::clone(&self.planner),
            text: text.to_owned(),
            parameters: parameters.iter().map(ScalarValue::from).collect(),
            rows_max: self.limits.rows_max,
            _place: place,
        };
        let task = threads.spawn(run.work(relations, schema_sender, sender));
        let mut work = Work::new(task, self.limits.statement_time_max);
        match work.within(schema).await? {
            Ok(schema) => Ok(Answer::new(schema?, batches, work)),
            Err(_gone) => Err(work.failure().await.unwrap_or_else(|| {
                QueryError::new(SqlState::INTERNAL_ERROR, "the statement ended without an answer")
            })),
        }
    }

    /// The limits of this session.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // Waiting for threads is forbidden in asynchronous code, where a session may be
            // dropped; the statements are aborted, and end at their next pause.
            threads.shutdown_background();
        }
    }
}

/// One statement on its way.
struct Run {
    planner: Arc<Planner>,
    text: String,
    parameters: Vec<ScalarValue>,
    rows_max: u64,
    _place: OwnedSemaphorePermit,
}

impl Run {
    /// Plans and runs the statement; sends the columns, then the rows. A reader that is gone
    /// ends the work.
    async fn work(
        self,
        relations: Relations,
        schema: oneshot::Sender<Result<SchemaRef, QueryError>>,
        batches: Sender<Result<RecordBatch, QueryError>>,
    ) {
        let stream = match self.plan(relations).await {
            Ok(stream) => stream,
            Err(error) => {
                drop(schema.send(Err(error)));
                return;
            }
        };
        if schema.send(Ok(stream.schema())).is_ok() {
            self.run(stream, &batches).await;
        }
    }

    async fn plan(&self, relations: Relations) -> Result<SendableRecordBatchStream, QueryError> {
        let statement = statement::parse(&self.text)?;
        let classify = |error| QueryError::classify(&error, &self.text);
        let mut state = self.planner.state.clone();
        state.mark_start_execution();
        let parameters = Some(self.parameters.clone());
        let called =
            Functions::register(&mut state, relations.snapshot(), parameters).map_err(classify)?;
        state.register_catalog_list(Arc::new(relations));
        let plan = state.statement_to_plan(statement).await.map_err(classify)?;
        statement::check_plan(&plan)?;
        statement::check_parameters(&plan, called.highest(), self.parameters.len())?;
        let plan = plan.with_param_values(self.parameters.clone()).map_err(classify)?;
        let plan = state.create_physical_plan(&plan).await.map_err(classify)?;
        execute_stream(plan, state.task_ctx()).map_err(classify)
    }

    async fn run(
        &self,
        mut stream: SendableRecordBatchStream,
        batches: &Sender<Result<RecordBatch, QueryError>>,
    ) {
        let mut rows = 0;
        while let Some(next) = stream.next().await {
            let next =
                next.map_err(|error| QueryError::classify(&error, &self.text)).and_then(|batch| {
                    rows += batch.num_rows() as u64;
                    if rows > self.rows_max { Err(self.too_many_rows()) } else { Ok(batch) }
                });
            let failed = next.is_err();
            if batches.send(next).await.is_err() || failed {
                return;
            }
        }
    }

    fn too_many_rows(&self) -> QueryError {
        QueryError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the answer has more than {} rows", self.rows_max),
        )
        .with_hint("add LIMIT, or aggregate with time_bucket")
    }
}

/// The engine's settings and functions: nothing that reads or writes files.
fn state(limits: &Limits) -> EngineResult<SessionState> {
    let mut config = SessionConfig::new()
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_information_schema(true)
        .with_batch_size(BATCH_ROWS_MAX)
        .with_target_partitions(limits.threads.max(1));
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".to_owned());
    // A scan is divided by tags; dealing out the batches of one tag costs more than it brings,
    // and takes them out of order.
    options.optimizer.enable_round_robin_repartition = false;
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(Arc::new(runtime(limits)?))
        .with_expr_planners(function::planners())
        .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_table_function_list(SessionStateDefaults::default_table_functions())
        .with_physical_optimizer_rule(Arc::new(YieldAboveJoins))
        .build();
    function::register(&mut state)?;
    Ok(state)
}

/// Memory with a limit, no temporary files, no file system.
fn runtime(limits: &Limits) -> EngineResult<RuntimeEnv> {
    // LIMIT: an error names the largest holders of memory, not all.
    const HOLDERS_SHOWN_MAX: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;
    let pool =
        TrackConsumersPool::new(GreedyMemoryPool::new(limits.memory_bytes_max), HOLDERS_SHOWN_MAX);
    let no_files = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(no_files)
        .build()?;
    runtime.deregister_object_store(ObjectStoreUrl::local_filesystem().as_ref())?;
    Ok(runtime)
}
