//! Statements: asked about, fetched, prepared, cancelled.
//!
//! ```text
//! GetFlightInfo(SQL) ── planned ─▶ ticket ── DoGet ─▶ runs, once ─▶ batches
//! CreatePreparedStatement ─▶ handle ── DoPut(rows of parameters) ── GetFlightInfo ─▶ ticket
//! ```
//!
//! *Invariant.* Asking about a statement plans it and runs nothing; a ticket is used up by the
//! first fetch. A client that leaves, or cancels, ends the statement.
//!
//! *Not here.* What SQL means (`tacitus-query`).

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::{CancelStatus, FlightData};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{Stream, StreamExt as _};
use tacitus_query::{
    Answer, Canceller, Connection, Parameter, Plain, Plainness, Prepared, QueryError,
};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::limits::{MESSAGE_OUT_BYTES_MAX, PREPARED, TICKETS};
use super::parameters;
use super::shelf::{Handle, Shelf};
use super::status::{fault, of_query};

/// Batches on their way to a client.
pub(super) type Batches = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// The metadata key by which a client asks for plainer columns.
const TYPES_KEY: &str = "tacitus-types";

/// How plain a client wants its columns.
pub(super) fn plainness(metadata: &MetadataMap) -> Plainness {
    let basic = metadata.get(TYPES_KEY).is_some_and(|word| word == "plain");
    if basic { Plainness::Basic } else { Plainness::Arrow }
}

/// Rows of parameters.
type Rows = Arc<Vec<Vec<Parameter>>>;

/// A statement that waits to be fetched: it runs once for each row of parameters.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    prepared: Arc<Prepared>,
    parameters: Rows,
    plain: Plain,
}

/// A prepared statement with the parameters bound to it.
#[derive(Debug)]
struct Held {
    prepared: Arc<Prepared>,
    parameters: Rows,
}

/// What a client learns of a statement it prepared.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) handle: Handle,
    pub(super) columns: SchemaRef,
    pub(super) parameters: Schema,
}

/// The statements of all clients.
#[derive(Debug)]
pub(super) struct Statements {
    connection: Arc<Connection>,
    tickets: Shelf<Planned>,
    prepared: Shelf<Held>,
    running: Arc<Running>,
}

/// What stops the statements that are being fetched, by ticket.
#[derive(Debug, Default)]
struct Running(Mutex<HashMap<Handle, Stop>>);

#[derive(Debug, Default)]
struct Stop {
    asked: bool,
    canceller: Option<Canceller>,
}

/// The place of a running statement; gives it back when dropped.
#[derive(Debug)]
struct Place {
    running: Arc<Running>,
    handle: Handle,
}

impl Statements {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
            tickets: Shelf::new("ticket", TICKETS),
            prepared: Shelf::new("prepared statement", PREPARED),
            running: Arc::default(),
        }
    }

    /// Plans a statement.
    async fn plan(&self, text: &str) -> Result<Prepared, Status> {
        self.connection.prepare(text, &[]).await.map_err(|error| of_query(&error))
    }

    /// The columns of a statement.
    pub(super) async fn columns(
        &self,
        text: &str,
        plainness: Plainness,
    ) -> Result<SchemaRef, Status> {
        let prepared = self.plan(text).await?;
        Ok(SchemaRef::clone(Plain::new(prepared.columns(), plainness).schema()))
    }

    /// Plans a statement to be fetched: its columns and its ticket.
    pub(super) async fn ask(
        &self,
        text: &str,
        plainness: Plainness,
    ) -> Result<(SchemaRef, Handle), Status> {
        let prepared = Arc::new(self.plan(text).await?);
        self.lay(prepared, Arc::new(vec![Vec::new()]), plainness)
    }

    fn lay(
        &self,
        prepared: Arc<Prepared>,
        parameters: Rows,
        plainness: Plainness,
    ) -> Result<(SchemaRef, Handle), Status> {
        let plain = Plain::new(prepared.columns(), plainness);
        let columns = SchemaRef::clone(plain.schema());
        let bytes = bytes(&prepared, &parameters);
        let handle = self.tickets.put(Planned { prepared, parameters, plain }, bytes)?;
        Ok((columns, handle))
    }

    /// Prepares a statement for several uses.
    pub(super) async fn prepare(
        &self,
        text: &str,
        plainness: Plainness,
    ) -> Result<Description, Status> {
        let prepared = Arc::new(self.plan(text).await?);
        let columns = SchemaRef::clone(Plain::new(prepared.columns(), plainness).schema());
        let named = |(at, kind)| Field::new(format!("${at}"), Clone::clone(kind), true);
        let fields: Vec<Field> = (1..).zip(prepared.parameters()).map(named).collect();
        let parameters = Plain::new(&Schema::new(fields), Plainness::Arrow);
        let rows = Arc::new(vec![Vec::new()]);
        let bytes = bytes(&prepared, &rows);
        let handle = self.prepared.put(Held { prepared, parameters: rows }, bytes)?;
        Ok(Description { handle, columns, parameters: parameters.schema().as_ref().clone() })
    }

    /// Binds rows of parameters to a prepared statement, for all uses from now on.
    pub(super) async fn bind(
        &self,
        handle: &[u8],
        types: &Schema,
        rows: Vec<Vec<Parameter>>,
    ) -> Result<(), Status> {
        let prepared = self.prepared.with(handle, |held| Arc::clone(&held.prepared))?;
        let prepared = match declared(&prepared, types) {
            Some(types) => {
                let again = self.connection.prepare(prepared.text(), &types).await;
                Arc::new(again.map_err(|error| of_query(&error))?)
            }
            None => prepared,
        };
        let parameters = Arc::new(rows);
        let bytes = bytes(&prepared, &parameters);
        self.prepared.replace(handle, Held { prepared, parameters }, bytes)
    }

    /// The columns of a prepared statement.
    pub(super) fn columns_of_prepared(
        &self,
        handle: &[u8],
        plainness: Plainness,
    ) -> Result<SchemaRef, Status> {
        self.prepared.with(handle, |held| {
            SchemaRef::clone(Plain::new(held.prepared.columns(), plainness).schema())
        })
    }

    /// A ticket for a prepared statement with the parameters bound to it.
    pub(super) fn ask_prepared(
        &self,
        handle: &[u8],
        plainness: Plainness,
    ) -> Result<(SchemaRef, Handle), Status> {
        let (prepared, parameters) = self
            .prepared
            .with(handle, |held| (Arc::clone(&held.prepared), Arc::clone(&held.parameters)))?;
        self.lay(prepared, parameters, plainness)
    }

    /// Forgets a prepared statement.
    pub(super) fn close(&self, handle: &[u8]) -> Result<(), Status> {
        self.prepared.take(handle).map(drop)
    }

    /// Runs the statement of a ticket.
    pub(super) async fn fetch(&self, handle: &[u8]) -> Result<Batches, Status> {
        let planned = self.tickets.take(handle)?;
        let handle = handle.try_into().unwrap_or_default();
        let place = self.running.enter(handle);
        let connection = Arc::clone(&self.connection);
        let mut run = Run { connection, planned, next: 0, answer: None, place };
        // What is wrong from the start is said at once and not within a stream.
        run.begin().await.map_err(|error| run.refused(&error))?;
        let columns = SchemaRef::clone(run.planned.plain.schema());
        let batches = futures::stream::unfold(Some(run), |run| async move {
            let mut run = run?;
            match run.rows().await {
                Some(Ok(batch)) => Some((Ok(batch), Some(run))),
                Some(Err(error)) => Some((Err(FlightError::from(error)), None)),
                None => None,
            }
        });
        Ok(encoded(columns, batches))
    }

    /// Stops the statement of a ticket, whether it was fetched or not.
    pub(super) fn cancel(&self, handle: &[u8]) -> Result<CancelStatus, Status> {
        if self.running.stop(handle) {
            return Ok(CancelStatus::Cancelled);
        }
        self.tickets.take(handle).map(|_planned| CancelStatus::Cancelled)
    }
}

/// About how many bytes a statement with its parameters holds in memory.
fn bytes(prepared: &Prepared, parameters: &Rows) -> usize {
    prepared.text().len() + parameters::bytes(parameters)
}

/// The types of parameters as they are bound, where the statement leaves them open: PostgreSQL
/// takes such a parameter for a text. `None` where it leaves none open.
fn declared(prepared: &Prepared, bound: &Schema) -> Option<Vec<Option<DataType>>> {
    let is_open = |kind: &DataType| kind.is_string() || kind.is_null();
    let mut changed = false;
    let types = prepared.parameters().iter().enumerate().map(|(at, wanted)| {
        let bound = bound.fields().get(at).map(|field| field.data_type());
        let bound = bound.filter(|bound| is_open(wanted) && !is_open(bound));
        changed |= bound.is_some();
        Some(bound.unwrap_or(wanted).clone())
    });
    let types = types.collect();
    changed.then_some(types)
}

/// A statement that is being fetched.
struct Run {
    connection: Arc<Connection>,
    planned: Planned,
    /// The next row of parameters.
    next: usize,
    answer: Option<Answer>,
    place: Place,
}

impl Run {
    /// Starts the statement with the next row of parameters; whether there was one.
    async fn begin(&mut self) -> Result<bool, QueryError> {
        let Some(parameters) = self.planned.parameters.get(self.next) else { return Ok(false) };
        let answer = self.connection.run_prepared(&self.planned.prepared, parameters).await?;
        self.next += 1;
        self.place.stopped_by(answer.canceller());
        self.answer = Some(answer);
        Ok(true)
    }

    async fn rows(&mut self) -> Option<Result<RecordBatch, Status>> {
        loop {
            let Some(answer) = &mut self.answer else {
                match self.begin().await {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => return Some(Err(self.refused(&error))),
                }
            };
            match answer.next().await {
                Some(Ok(batch)) => {
                    let plain = self.planned.plain.batch(&batch);
                    return Some(plain.map_err(|error| {
                        Status::invalid_argument(format!("the answer cannot be sent: {error}"))
                    }));
                }
                Some(Err(error)) => return Some(Err(self.refused(&error))),
                None => self.answer = None,
            }
        }
    }

    fn refused(&self, error: &QueryError) -> Status {
        if self.place.is_stopped() {
            return Status::cancelled("the statement was cancelled");
        }
        of_query(error)
    }
}

impl Running {
    fn enter(self: &Arc<Self>, handle: Handle) -> Place {
        self.lock().insert(handle, Stop::default());
        Place { running: Arc::clone(self), handle }
    }

    /// Stops a running statement; whether there is one.
    fn stop(&self, handle: &[u8]) -> bool {
        let Ok(handle) = <Handle>::try_from(handle) else { return false };
        let mut running = self.lock();
        let Some(stop) = running.get_mut(&handle) else { return false };
        stop.asked = true;
        if let Some(canceller) = &stop.canceller {
            canceller.cancel();
        }
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Handle, Stop>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes what stops the statement; stops it if that was asked for meanwhile.
    fn stopped_by(&self, canceller: Canceller) {
        if let Some(stop) = self.running.lock().get_mut(&self.handle) {
            if stop.asked {
                canceller.cancel();
            }
            stop.canceller = Some(canceller);
        }
    }

    fn is_stopped(&self) -> bool {
        self.running.lock().get(&self.handle).is_some_and(|stop| stop.asked)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().remove(&self.handle);
    }
}

/// Batches as messages, the columns first.
pub(super) fn encoded(
    columns: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Batches {
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(columns)
        .with_max_flight_data_size(MESSAGE_OUT_BYTES_MAX)
        .build(batches);
    Box::pin(messages.map(|message| message.map_err(status)))
}

fn status(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => fault("the answer could not be encoded", &other),
    }
}
