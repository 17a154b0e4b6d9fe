//! One client's connection to a [`Session`]: who asks, with which settings, in which dialect.
//!
//! ```text
//! Session ─connect─▶ Connection ─prepare─▶ Prepared (columns, parameter types)
//!                        └──────────run──▶ Answer ─ next, canceller
//! ```
//!
//! *Invariant.* What one connection sets, another never sees. A statement takes a fresh snapshot
//! each time it runs, so a prepared statement is never older than its run.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::execution::context::SessionState;
use tacitus_model::Batch;
use tacitus_storage::Snapshot;
use tokio::sync::{mpsc, oneshot};

use crate::admission::Role;
use crate::answer::{Answer, Work};
use crate::dialect::Dialect;
use crate::error::{QueryError, SqlState};
use crate::limits::ANSWER_BATCHES_MAX;
use crate::plans::Plans;
use crate::relation::Relations;
use crate::run::{Run, Source};
use crate::session::Shared;
use crate::settings::Settings;
use crate::statement::Parameter;

/// A connection. Cheap to make; dropping it stops nothing that runs.
#[derive(Debug)]
pub struct Connection {
    shared: Arc<Shared>,
    role: Arc<Role>,
    settings: Settings,
    dialect: Option<Arc<dyn Dialect>>,
    state: Arc<SessionState>,
    plans: Arc<Plans>,
}

/// A statement that was checked and planned once, without being run.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) text: Arc<str>,
    /// The type of `$1`, `$2`, …: as declared, else as the statement needs it.
    pub(crate) parameters: Vec<DataType>,
    pub(crate) columns: SchemaRef,
}

impl Prepared {
    /// The statement.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The type of each parameter.
    pub fn parameters(&self) -> &[DataType] {
        &self.parameters
    }

    /// The columns of its answer.
    pub fn columns(&self) -> &SchemaRef {
        &self.columns
    }
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, role: Arc<Role>) -> Self {
        let (state, plans) = (Arc::clone(&shared.state), Arc::clone(&shared.plans));
        Self { shared, role, settings: Settings::default(), dialect: None, state, plans }
    }

    /// The same connection in the dialect of a wire.
    ///
    /// # Errors
    /// The dialect has a function that cannot be registered.
    pub fn with_dialect(mut self, dialect: Arc<dyn Dialect>) -> Result<Self, QueryError> {
        let mut state = (*self.state).clone();
        dialect.register(&mut state).map_err(|error| QueryError::classify(&error, ""))?;
        self.state = Arc::new(state);
        self.dialect = Some(dialect);
        self.plans = Arc::default();
        Ok(self)
    }

    /// What is set on this connection.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is set on this connection, to change it.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Checks and plans a statement without running it. `declared` are the types that the client
    /// says `$1`, `$2`, … have; `None`, and what is missing, is found from the statement.
    ///
    /// # Errors
    /// What is wrong with the statement.
    pub async fn prepare(
        &self,
        text: &str,
        declared: &[Option<DataType>],
    ) -> Result<Prepared, QueryError> {
        let run = self.job(Source { text: text.into(), declared: declared.to_vec() });
        let relations = self.relations();
        let threads = self.shared.threads()?;
        let mut work = Work::new(
            threads.light.spawn(run.prepare(relations)),
            run_time(&self.role, &self.settings),
        );
        work.output().await?
    }

    /// Answers a statement; `parameters` are the values of `$1`, `$2`, … Dropping the future or
    /// the answer stops the work.
    ///
    /// # Errors
    /// What is wrong with the statement, or which limit it met. Nothing was written.
    pub async fn run(&self, text: &str, parameters: &[Parameter]) -> Result<Answer, QueryError> {
        let source = Source { text: text.into(), declared: Vec::new() };
        self.start(source, self.relations(), parameters).await
    }

    /// Answers a prepared statement.
    ///
    /// # Errors
    /// As [`run`](Self::run); a parameter that is no value of its type.
    pub async fn run_prepared(
        &self,
        prepared: &Prepared,
        parameters: &[Parameter],
    ) -> Result<Answer, QueryError> {
        let declared = prepared.parameters.iter().cloned().map(Some).collect();
        let source = Source { text: Arc::clone(&prepared.text), declared };
        self.start(source, self.relations(), parameters).await
    }

    /// Answers a statement over the store as it was when `sequence` was the last.
    ///
    /// # Errors
    /// As [`run`](Self::run); a sequence that is not there yet or is no longer kept.
    pub async fn run_as_of(
        &self,
        text: &str,
        parameters: &[Parameter],
        sequence: u64,
    ) -> Result<Answer, QueryError> {
        let engine = Arc::clone(&self.shared.engine);
        // The store may be busy with itself for a moment.
        let snapshot = tokio::task::spawn_blocking(move || engine.snapshot_as_of(sequence));
        let snapshot = snapshot.await.map_err(|error| {
            QueryError::new(SqlState::INTERNAL_ERROR, format!("could not look back: {error}"))
        })?;
        let snapshot = snapshot.map_err(|error| {
            QueryError::new(SqlState::INVALID_PARAMETER_VALUE, error.to_string())
                .with_hint(error.hint())
        })?;
        let relations = self.relations_over(snapshot).of_the_past();
        let source = Source { text: text.into(), declared: Vec::new() };
        self.start(source, relations, parameters).await
    }

    /// Refuses a statement that cannot be followed.
    pub(crate) async fn check_tail(&self, text: &str) -> Result<(), QueryError> {
        let run = self.job(Source { text: text.into(), declared: Vec::new() });
        let threads = self.shared.threads()?;
        let work = threads.light.spawn(run.check_tail(self.relations()));
        Work::new(work, run_time(&self.role, &self.settings)).output().await?
    }

    /// Answers a statement, and tells the sequence up to which samples are in the answer.
    pub(crate) async fn run_up_to(&self, text: &str) -> Result<(u64, Answer), QueryError> {
        let snapshot = self.shared.engine.snapshot();
        let sequence = snapshot.sequence();
        let relations = self.relations_over(snapshot);
        let source = Source { text: text.into(), declared: Vec::new() };
        Ok((sequence, self.start(source, relations, &[]).await?))
    }

    /// Answers a statement as if these samples were all there are.
    pub(crate) async fn run_over(
        &self,
        text: &str,
        batches: &[Arc<Batch>],
    ) -> Result<Answer, QueryError> {
        let relations = self.relations().over(batches)?;
        let source = Source { text: text.into(), declared: Vec::new() };
        self.start(source, relations, &[]).await
    }

    async fn start(
        &self,
        source: Source,
        relations: Relations,
        parameters: &[Parameter],
    ) -> Result<Answer, QueryError> {
        let place = self.shared.admission.enter(&self.role)?;
        let threads = self.shared.threads()?;
        let limit = run_time(&self.role, &self.settings);
        let (schema_sender, schema) = oneshot::channel();
        let (sender, batches) = mpsc::channel(ANSWER_BATCHES_MAX);
        let parameters = parameters.iter().map(ScalarValue::from).collect();
        let run = self.job(source);
        let heavy = threads.heavy.handle().clone();
        let task = threads.light.spawn(run.work(
            place,
            heavy,
            relations,
            parameters,
            schema_sender,
            sender,
        ));
        let mut work = Work::new(task, limit);
        match work.within(schema).await? {
            Ok(schema) => Ok(Answer::new(schema?, batches, work)),
            Err(_gone) => Err(work.failure().await.unwrap_or_else(|| {
                QueryError::new(SqlState::INTERNAL_ERROR, "the statement ended without an answer")
            })),
        }
    }

    fn job(&self, source: Source) -> Run {
        Run {
            state: Arc::clone(&self.state),
            admission: Arc::clone(&self.shared.admission),
            role: Arc::clone(&self.role),
            time_zone: self.settings.time_zone().to_owned(),
            dialect: self.dialect.clone(),
            plans: Arc::clone(&self.plans),
            source,
        }
    }

    fn relations(&self) -> Relations {
        self.relations_over(self.shared.engine.snapshot())
    }

    fn relations_over(&self, snapshot: Snapshot) -> Relations {
        let landscape = self.shared.landscape.get().cloned();
        Relations::new(snapshot, self.dialect.clone()).among(landscape)
    }
}

/// The time one statement may take: the role's, or less where the connection asks for less.
fn run_time(role: &Role, settings: &Settings) -> std::time::Duration {
    let own = role.limits.statement_time_max;
    settings.statement_timeout().map_or(own, |asked| asked.min(own))
}
