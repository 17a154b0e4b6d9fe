//! One statement on its way: parsed, planned, let in, run.
//!
//! *Invariant.* Planning happens on light threads and is bounded by the size of the statement;
//! a heavy plan runs on heavy threads only, and ends with the task that started it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use datafusion::execution::{FunctionRegistry, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::StreamExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use crate::admission::{Admission, Lane, Place, Role};
use crate::connection::Prepared;
use crate::cost;
use crate::dialect::Dialect;
use crate::error::{QueryError, SqlState};
use crate::function;
use crate::history::{Functions, Placeholders};
use crate::parameters;
use crate::plans::{self, Asked, Plans};
use crate::preselect::preselected;
use crate::relation::Relations;
use crate::statement;
use crate::tail;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) text: Arc<str>,
    /// The types of the parameters, where they are known.
    pub(crate) declared: Vec<Option<DataType>>,
}

/// One statement on its way.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) state: Arc<SessionState>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) role: Arc<Role>,
    pub(crate) time_zone: String,
    pub(crate) dialect: Option<Arc<dyn Dialect>>,
    pub(crate) plans: Arc<Plans>,
    pub(crate) source: Source,
}

/// Where the columns of a statement go, once they are known.
type Columns = oneshot::Sender<Result<SchemaRef, QueryError>>;
/// Where its rows go.
type Batches = Sender<Result<RecordBatch, QueryError>>;

impl Run {
    /// Checks the statement and finds its columns and parameters.
    pub(crate) async fn prepare(self, relations: Relations) -> Result<Prepared, QueryError> {
        let (state, _) = self.statement_state(relations, None)?;
        let statement = self.parse()?;
        let types = parameters::types(&state, &statement, &self.source.declared)
            .await
            .map_err(|error| self.classify(&error))?;
        let plan = parameters::plan(&state, statement, &types)
            .await
            .map_err(|error| self.classify(&error))?;
        statement::check_plan(&plan)?;
        let columns = self.columns(plan.schema().as_arrow());
        Ok(Prepared { text: self.source.text, parameters: types, columns })
    }

    /// Refuses a statement that cannot be followed.
    pub(crate) async fn check_tail(self, relations: Relations) -> Result<(), QueryError> {
        let (state, called) = self.statement_state(relations, Some(Vec::new()))?;
        let statement = self.parse()?;
        let plan = self.logical_plan(&state, &called, statement, Vec::new()).await?;
        tail::check(&plan)
    }

    /// Plans and runs the statement; sends the columns, then the rows. A reader that is gone
    /// ends the work.
    pub(crate) async fn work(
        self,
        place: Place,
        heavy: Handle,
        relations: Relations,
        parameters: Vec<ScalarValue>,
        columns: Columns,
        batches: Batches,
    ) {
        let planned = self.physical_plan(relations, parameters).await;
        let (plan, state) = match planned {
            Ok(planned) => planned,
            Err(error) => {
                drop(columns.send(Err(error)));
                return;
            }
        };
        if cost::is_light(plan.as_ref()) {
            self.execute(&plan, &state, columns, batches, None).await;
            drop(place);
            return;
        }
        let mut lane = match self.admission.heavy().await {
            Ok(lane) => lane,
            Err(error) => {
                drop(columns.send(Err(error)));
                return;
            }
        };
        let task = heavy.spawn(async move {
            self.execute(&plan, &state, columns, batches, Some(&mut lane)).await;
            drop((lane, place));
        });
        let _ends_with_this = AbortOnDrop(task.abort_handle());
        if let Err(error) = task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }

    /// The state of one statement: its relations, its time, its time zone.
    fn statement_state(
        &self,
        relations: Relations,
        values: Option<Vec<ScalarValue>>,
    ) -> Result<(SessionState, Arc<Placeholders>), QueryError> {
        let mut state = (*self.state).clone();
        let (places, around) = (relations.places().clone(), relations.around().cloned());
        let of_tags = function::tag::of_tags(&places).into_iter();
        for function in of_tags.chain(function::working::of_calendars(&places)) {
            state.register_udf(Arc::new(function)).map_err(|error| self.classify(&error))?;
        }
        state.register_catalog_list(Arc::new(relations));
        if self.time_zone != "UTC" {
            let options = state.config_mut().options_mut();
            options.execution.time_zone = Some(self.time_zone.clone());
        }
        state.mark_start_execution();
        let called = Functions::register(&mut state, places, around, values);
        Ok((state, called.map_err(|error| self.classify(&error))?))
    }

    fn parse(&self) -> Result<datafusion::sql::parser::Statement, QueryError> {
        use datafusion::sql::parser::Statement;
        let parsed = statement::parse(&self.source.text)?;
        Ok(match (&self.dialect, parsed) {
            (Some(dialect), Statement::Statement(standard)) => {
                let written = dialect.rewrite(&self.source.text, *standard);
                Statement::Statement(Box::new(written))
            }
            (_, parsed) => parsed,
        })
    }

    async fn physical_plan(
        &self,
        relations: Relations,
        values: Vec<ScalarValue>,
    ) -> Result<(Arc<dyn ExecutionPlan>, SessionState), QueryError> {
        let classify = |error: DataFusionError| self.classify(&error);
        let keeps = values.is_empty() && relations.are_of_the_store();
        let asked = keeps.then(|| Asked {
            text: Arc::clone(&self.source.text),
            time_zone: self.time_zone.clone(),
        });
        let kept = asked.as_ref().and_then(|asked| self.plans.get(asked, &relations));
        let (state, called) = self.statement_state(relations, Some(values.clone()))?;
        let plan = if let Some(plan) = kept {
            plan
        } else {
            let statement = self.parse()?;
            let plan = self.logical_plan(&state, &called, statement, values).await?;
            let asked = asked.filter(|asked| plans::may_be_kept(&asked.text, &plan));
            let plan = preselected(&state, plan).await.map_err(classify)?;
            let plan = state.optimize(&plan).map_err(classify)?;
            if let Some(asked) = asked {
                self.plans.put(asked, &plan);
            }
            plan
        };
        let planner = state.query_planner();
        let plan = planner.create_physical_plan(&plan, &state).await.map_err(classify)?;
        Ok((plan, state))
    }

    async fn logical_plan(
        &self,
        state: &SessionState,
        called: &Placeholders,
        statement: datafusion::sql::parser::Statement,
        values: Vec<ScalarValue>,
    ) -> Result<LogicalPlan, QueryError> {
        let classify = |error: DataFusionError| self.classify(&error);
        let declared: Option<Vec<DataType>> = self.source.declared.iter().cloned().collect();
        let (plan, values) = match declared {
            Some(types) if !types.is_empty() => {
                let plan = parameters::plan(state, statement, &types).await.map_err(classify)?;
                (plan, parameters::cast(values, &types).map_err(classify)?)
            }
            _ => (state.statement_to_plan(statement).await.map_err(classify)?, values),
        };
        statement::check_plan(&plan)?;
        statement::check_parameters(&plan, called.highest(), values.len())?;
        if values.is_empty() { Ok(plan) } else { plan.with_param_values(values).map_err(classify) }
    }

    /// Runs the plan where it is polled.
    async fn execute(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        state: &SessionState,
        columns: Columns,
        batches: Batches,
        lane: Option<&mut Lane>,
    ) {
        let environment = self.admission.environment(&self.role);
        let context = Arc::new(TaskContext::from(state).with_runtime(environment));
        match execute_stream(Arc::clone(plan), context) {
            Ok(stream) => {
                if columns.send(Ok(self.columns(&stream.schema()))).is_ok() {
                    self.send(stream, &batches, lane).await;
                }
            }
            Err(error) => drop(columns.send(Err(self.classify(&error)))),
        }
    }

    async fn send(
        &self,
        mut stream: SendableRecordBatchStream,
        batches: &Batches,
        mut lane: Option<&mut Lane>,
    ) {
        let mut rows = 0;
        while let Some(next) = stream.next().await {
            let next = next.map_err(|error| self.classify(&error)).and_then(|batch| {
                rows += batch.num_rows() as u64;
                if rows > self.role.limits.rows_max { Err(self.too_many_rows()) } else { Ok(batch) }
            });
            let failed = next.is_err();
            let room = match (batches.try_reserve(), &mut lane) {
                (Ok(room), _) => Ok(room),
                // A cursor that nobody reads must not keep others from running.
                (Err(TrySendError::Full(())), Some(lane)) => lane.pause(batches.reserve()).await,
                _ => batches.reserve().await,
            };
            let Ok(room) = room else { return };
            room.send(next);
            if failed {
                return;
            }
        }
    }

    /// The columns as the client is to see them.
    fn columns(&self, schema: &Schema) -> SchemaRef {
        let Some(dialect) = &self.dialect else { return Arc::new(schema.clone()) };
        let fields = schema.fields().iter().map(|field| {
            let name = dialect.column_name(field.name());
            Arc::new(Field::clone(field).with_name(name))
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn classify(&self, error: &DataFusionError) -> QueryError {
        QueryError::classify(error, &self.source.text)
    }

    fn too_many_rows(&self) -> QueryError {
        QueryError::new(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            format!("the answer has more than {} rows", self.role.limits.rows_max),
        )
        .with_hint("add LIMIT, or aggregate with time_bucket")
    }
}

/// Aborts a task when it is no longer waited for.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
