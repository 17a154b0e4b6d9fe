//! The calls of the Flight protocol, each to whom it concerns.
//!
//! *Invariant.* Whatever a client sends is answered or refused with a code that says whose turn
//! it is; nothing it sends is taken on trust.
//!
//! *Not here.* Users: this version has none, so every login is accepted and the listener is on
//! loopback only. Transactions, Substrait, DoExchange, listing of flights: there are none.

use std::pin::Pin;

use arrow_array::RecordBatch;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, Command,
    DoPutPreparedStatementResult, DoPutUpdateResult, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, Criteria,
    Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest,
    HandshakeResponse, IpcMessage, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use bytes::Bytes;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use tacitus_query::{Connection, Plainness};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status, Streaming};

use super::shelf;
use super::statement::{Batches, Statements, encoded, plainness};
use super::status::{fault, malformed, refusal};
use super::{metadata, parameters, put};
use crate::ingest::Ingest;

const CREATE_PREPARED: &str = "CreatePreparedStatement";
const CLOSE_PREPARED: &str = "ClosePreparedStatement";
const CANCEL_QUERY: &str = "CancelQuery";
const CANCEL_INFO: &str = "CancelFlightInfo";

/// What [`CANCEL_QUERY`] answers where the statement is cancelled.
const CANCELLED: i32 = 1;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Who answers calls.
#[derive(Debug)]
pub(crate) struct Service {
    about: Connection,
    statements: Statements,
    ingest: Ingest,
}

impl Service {
    /// A service that asks over these connections, the one for what there is, the other for
    /// statements of clients, and writes here.
    pub(crate) fn new(about: Connection, asks: Connection, ingest: Ingest) -> Self {
        Self { about, statements: Statements::new(asks), ingest }
    }

    async fn info(
        &self,
        command: Command,
        plainness: Plainness,
    ) -> Result<(SchemaRef, Any), Status> {
        let (columns, handle) = match &command {
            Command::CommandStatementQuery(query) => {
                self.statements.ask(&query.query, plainness).await?
            }
            Command::CommandPreparedStatementQuery(query) => {
                self.statements.ask_prepared(&query.prepared_statement_handle, plainness)?
            }
            other => {
                let columns = metadata::columns(other).ok_or_else(|| unknown(other))?;
                return Ok((columns, command.into_any()));
            }
        };
        let ticket = TicketStatementQuery { statement_handle: shelf::bytes(handle) };
        Ok((columns, ticket.as_any()))
    }

    async fn columns(&self, command: &Command, plainness: Plainness) -> Result<SchemaRef, Status> {
        match command {
            Command::CommandStatementQuery(query) => {
                self.statements.columns(&query.query, plainness).await
            }
            Command::CommandPreparedStatementQuery(query) => {
                self.statements.columns_of_prepared(&query.prepared_statement_handle, plainness)
            }
            other => metadata::columns(other).ok_or_else(|| unknown(other)),
        }
    }

    async fn fetch(&self, command: &Command, plainness: Plainness) -> Result<Batches, Status> {
        match command {
            Command::TicketStatementQuery(ticket) => {
                self.statements.fetch(&ticket.statement_handle).await
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = &query.prepared_statement_handle;
                let (_, handle) = self.statements.ask_prepared(handle, plainness)?;
                self.statements.fetch(&handle).await
            }
            other => {
                let answer = metadata::answer(&self.about, other).await;
                let batch = answer.ok_or_else(|| unknown(other))??;
                let columns = batch.schema();
                Ok(encoded(columns, futures::stream::once(std::future::ready(Ok(batch)))))
            }
        }
    }

    async fn act(&self, action: &Action, plainness: Plainness) -> Result<Option<Bytes>, Status> {
        match action.r#type.as_str() {
            CREATE_PREPARED => {
                let asked: ActionCreatePreparedStatementRequest = unpacked(&action.body)?;
                let made = self.statements.prepare(&asked.query, plainness).await?;
                let result = ActionCreatePreparedStatementResult {
                    prepared_statement_handle: shelf::bytes(made.handle),
                    dataset_schema: ipc(&made.columns)?,
                    parameter_schema: ipc(&made.parameters)?,
                };
                Ok(Some(result.as_any().encode_to_vec().into()))
            }
            CLOSE_PREPARED => {
                let asked: ActionClosePreparedStatementRequest = unpacked(&action.body)?;
                self.statements.close(&asked.prepared_statement_handle)?;
                Ok(None)
            }
            CANCEL_INFO => {
                let asked = CancelFlightInfoRequest::decode(&*action.body);
                let asked = asked.map_err(|error| malformed("the request to cancel", &error))?;
                let status = self.cancel(&asked.info.unwrap_or_default())?;
                let result = CancelFlightInfoResult { status: status as i32 };
                Ok(Some(result.encode_to_vec().into()))
            }
            CANCEL_QUERY => {
                let asked: ActionCancelQueryRequest = unpacked(&action.body)?;
                let info = FlightInfo::decode(&*asked.info)
                    .map_err(|error| malformed("the flight to cancel", &error))?;
                self.cancel(&info)?;
                let result = ActionCancelQueryResult { result: CANCELLED };
                Ok(Some(result.as_any().encode_to_vec().into()))
            }
            other => {
                let what = format!("there is no action \"{other}\"");
                Err(refusal(Code::Unimplemented, &what, "ListActions tells what there is"))
            }
        }
    }

    fn cancel(&self, info: &FlightInfo) -> Result<CancelStatus, Status> {
        let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.as_ref());
        let ticket = ticket.ok_or_else(|| Status::invalid_argument("the flight has no ticket"))?;
        match command(&ticket.ticket)? {
            Command::TicketStatementQuery(ticket) => {
                self.statements.cancel(&ticket.statement_handle)
            }
            other => Err(unknown(&other)),
        }
    }

    async fn take(
        &self,
        command: &Command,
        messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    ) -> Result<Vec<u8>, Status> {
        match command {
            Command::CommandStatementIngest(command) => {
                let record_count = put::put(&self.ingest, command, messages).await?;
                Ok(DoPutUpdateResult { record_count }.encode_to_vec())
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = &query.prepared_statement_handle;
                let batches: Vec<_> = put::decoded(messages).try_collect().await?;
                let types = batches.first().map(RecordBatch::schema);
                let types = types.ok_or_else(|| Status::invalid_argument("no row was bound"))?;
                self.statements.bind(handle, &types, parameters::rows(&batches)?).await?;
                let prepared_statement_handle = Some(handle.clone());
                let result = DoPutPreparedStatementResult { prepared_statement_handle };
                Ok(result.encode_to_vec())
            }
            Command::CommandStatementUpdate(update) => {
                // Where the statement is one that writes, this says so in SQL's terms.
                self.statements.columns(&update.query, Plainness::Arrow).await?;
                Err(reads_only())
            }
            Command::CommandPreparedStatementUpdate(_) => Err(reads_only()),
            other => Err(unknown(other)),
        }
    }
}

#[tonic::async_trait]
impl FlightService for Service {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Batches;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    /// Accepts every login, and hands out the token that basic authentication continues with.
    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        let answer = HandshakeResponse { protocol_version: 0, payload: Bytes::new() };
        let mut response = Response::new(one(answer));
        let token = MetadataValue::from_static("Bearer open");
        response.metadata_mut().insert("authorization", token);
        Ok(response)
    }

    async fn list_flights(
        &self,
        _: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        Ok(Response::new(Box::pin(futures::stream::empty())))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let plainness = plainness(request.metadata());
        let descriptor = request.into_inner();
        let (columns, ticket) = self.info(command(&descriptor.cmd)?, plainness).await?;
        let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec()));
        let info = FlightInfo::new()
            .try_with_schema(&columns)
            .map_err(|error| fault("the columns could not be encoded", &error))?
            .with_descriptor(descriptor)
            .with_endpoint(endpoint)
            .with_ordered(true);
        Ok(Response::new(info))
    }

    async fn poll_flight_info(
        &self,
        _: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let hint = "ask with GetFlightInfo; rows come as soon as there are some";
        Err(refusal(Code::Unimplemented, "statements are not polled", hint))
    }

    async fn get_schema(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<SchemaResult>, Status> {
        let plainness = plainness(request.metadata());
        let command = command(&request.get_ref().cmd)?;
        let columns = self.columns(&command, plainness).await?;
        Ok(Response::new(SchemaResult { schema: ipc(&columns)? }))
    }

    async fn do_get(
        &self,
        request: Request<Ticket>,
    ) -> Result<Response<Self::DoGetStream>, Status> {
        let plainness = plainness(request.metadata());
        let command = command(&request.get_ref().ticket)?;
        Ok(Response::new(self.fetch(&command, plainness).await?))
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let mut messages = request.into_inner();
        let Some(mut first) = messages.message().await? else {
            return Err(Status::invalid_argument("the call has no message"));
        };
        let descriptor = first.flight_descriptor.take();
        let descriptor = descriptor
            .ok_or_else(|| Status::invalid_argument("the first message has no descriptor"))?;
        let command = command(&descriptor.cmd)?;
        // The first message has the columns with the command, or the command alone.
        let first = (!first.data_header.is_empty()).then_some(Ok(first));
        let messages = futures::stream::iter(first).chain(messages);
        let app_metadata = self.take(&command, messages).await?.into();
        Ok(Response::new(one(PutResult { app_metadata })))
    }

    async fn do_action(
        &self,
        request: Request<Action>,
    ) -> Result<Response<Self::DoActionStream>, Status> {
        let plainness = plainness(request.metadata());
        let body = self.act(request.get_ref(), plainness).await?;
        let results = body.map(|body| Ok(arrow_flight::Result { body }));
        Ok(Response::new(Box::pin(futures::stream::iter(results))))
    }

    async fn list_actions(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        let actions = [
            (CREATE_PREPARED, "Prepares a statement."),
            (CLOSE_PREPARED, "Forgets a prepared statement."),
            (CANCEL_INFO, "Cancels a statement."),
            (CANCEL_QUERY, "Cancels a statement, as clients did before CancelFlightInfo."),
        ];
        let actions = actions.map(|(name, description)| {
            Ok(ActionType { r#type: name.to_owned(), description: description.to_owned() })
        });
        Ok(Response::new(Box::pin(futures::stream::iter(actions))))
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        let hint = "write with DoPut, read with DoGet";
        Err(refusal(Code::Unimplemented, "there is no exchange", hint))
    }
}

fn one<T: Send + 'static>(answer: T) -> Answers<T> {
    Box::pin(futures::stream::once(std::future::ready(Ok(answer))))
}

/// The command in a descriptor or ticket.
fn command(bytes: &[u8]) -> Result<Command, Status> {
    let any = Any::decode(bytes).map_err(|error| malformed("the command", &error))?;
    Command::try_from(any).map_err(|error| malformed("the command", &error))
}

/// The request in the body of an action.
fn unpacked<M: ProstMessageExt>(body: &[u8]) -> Result<M, Status> {
    let any = Any::decode(body).map_err(|error| malformed("the request", &error))?;
    let request = any.unpack().map_err(|error| malformed("the request", &error))?;
    request.ok_or_else(|| Status::invalid_argument("the request is not one of this action"))
}

fn unknown(command: &Command) -> Status {
    let what = format!("the command \"{}\" is not known here", command.type_url());
    refusal(Code::Unimplemented, &what, "ask with a SQL statement")
}

fn reads_only() -> Status {
    let hint = "ask for its rows; samples come in by bulk ingestion into \"samples\"";
    refusal(Code::InvalidArgument, "the statement changes nothing", hint)
}

/// Columns as an encapsulated IPC message.
fn ipc(columns: &Schema) -> Result<Bytes, Status> {
    let options = arrow_ipc::writer::IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(columns, &options)
        .try_into()
        .map_err(|error| fault("the columns could not be encoded", &error))?;
    Ok(bytes)
}
