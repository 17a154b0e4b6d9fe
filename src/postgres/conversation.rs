//! One client from its login to its end: simple and extended protocol, transactions, portals.
//!
//! ```text
//! Query ─▶ split ─▶ command ─▶ outcome ─▶ rows, tag ─▶ ReadyForQuery
//! Parse ─▶ statement ─Bind─▶ portal ─Execute─▶ outcome ─▶ rows, tag … Sync ─▶ ReadyForQuery
//! ```
//!
//! *Invariant.* After an error nothing of the same message (simple) or before the next Sync
//! (extended) is done. Portals end with their transaction.
//!
//! *Not here.* What a command does: [`work`](super::work).

use std::collections::HashMap;

use bytes::Bytes;
use pgwire::api::Type;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse, TransactionStatus};
use pgwire::messages::{PgWireBackendMessage as Back, PgWireFrontendMessage as Front};
use tacitus_query::{Parameter, Prepared, QueryError};

use super::bind;
use super::command::{self, Command};
use super::failure::{Ended, Failure, Stop};
use super::limits::{PORTALS_MAX, STATEMENTS_MAX};
use super::listener::Parts;
use super::rows::{Rows, data_row, description, forms};
use super::socket::{Socket, ready};
use super::types;
use super::work::{Outcome, Statement, Work};

/// One client.
pub(super) struct Conversation {
    socket: Socket,
    work: Work,
    portals: HashMap<String, Portal>,
}

/// A statement with its parameters, perhaps on its way.
struct Portal {
    statement: Statement,
    parameters: Vec<Parameter>,
    formats: Vec<i16>,
    state: State,
}

enum State {
    Bound,
    Running { rows: Rows, tag: &'static str, sent: u64 },
    Done,
}

impl Conversation {
    pub(super) fn new(socket: Socket, parts: &Parts) -> Result<Self, QueryError> {
        let work = Work::new(socket.client(), parts)?;
        Ok(Self { socket, work, portals: HashMap::new() })
    }

    /// Talks until one of the two ends it.
    pub(super) async fn hold(mut self) {
        if let Ended::Stopped = self.talk().await {
            let failure = Failure::new("57P01", "the server stops");
            self.socket.put_error(failure.response("FATAL"));
        }
        self.portals.clear();
        self.socket.close().await;
    }

    async fn talk(&mut self) -> Ended {
        loop {
            let message = match self.socket.next().await {
                Ok(Front::Terminate(_)) => return Ended::Gone,
                Ok(message) => message,
                Err(ended) => return ended,
            };
            let answered = match message {
                Front::Query(query) => self.simple(&query.query).await,
                message => self.extended(message).await,
            };
            if let Err(ended) = answered {
                return ended;
            }
        }
    }

    async fn simple(&mut self, text: &str) -> Result<(), Ended> {
        if let Err(stop) = self.simple_parts(text).await {
            self.fail(stop)?;
        }
        self.end_of_request();
        self.socket.flush().await
    }

    async fn simple_parts(&mut self, text: &str) -> Result<(), Stop> {
        let parts = tacitus_query::split(text)?;
        if parts.is_empty() {
            self.socket.put(Back::EmptyQueryResponse(EmptyQueryResponse::new()));
        }
        for part in parts {
            self.socket.begin_work();
            let command = command::parse(part)?;
            self.work.check(&command)?;
            let outcome = self.work.perform(&mut self.socket, &command, part, None, &[]).await?;
            match outcome {
                Outcome::Done(tag) => self.complete(tag),
                Outcome::Rows { mut rows, tag } => {
                    self.socket.put(description(rows.schema(), &[]));
                    let forms = forms(rows.schema(), &[]);
                    let zone = self.work.zone();
                    let sent =
                        rows.send(&mut self.socket, &forms, zone, None, &mut data_row).await?;
                    self.complete(tag_with(tag, sent.rows));
                }
                Outcome::Fetched { cursor, count, moves } => {
                    let formats = self.work.cursor_formats(&cursor)?;
                    if !moves {
                        let columns = self.work.cursor(&cursor)?;
                        self.socket.put(description(&columns, &formats));
                    }
                    let tag =
                        self.work.fetch(&mut self.socket, &cursor, count, moves, &formats).await?;
                    self.complete(tag);
                }
            }
        }
        Ok(())
    }

    async fn extended(&mut self, message: Front) -> Result<(), Ended> {
        let done = match message {
            Front::Parse(parse) => self.parse(parse).await,
            Front::Bind(bind) => self.bind(&bind),
            Front::Describe(describe) => self.describe(&describe),
            Front::Execute(execute) => self.execute(&execute).await,
            Front::Close(close) => {
                self.close(&close);
                Ok(())
            }
            Front::Flush(_) => {
                self.socket.flush().await?;
                Ok(())
            }
            Front::Sync(_) => {
                self.end_of_request();
                self.socket.flush().await?;
                Ok(())
            }
            // What is left of a COPY that has failed.
            Front::CopyData(_) | Front::CopyDone(_) | Front::CopyFail(_) => Ok(()),
            _ => Err(Failure::protocol("this message was not expected").into()),
        };
        let Err(stop) = done else { return Ok(()) };
        self.fail(stop)?;
        self.socket.flush().await?;
        // Until the client and the server agree again where they are.
        loop {
            match self.socket.next().await? {
                Front::Sync(_) => break,
                Front::Terminate(_) | Front::Query(_) => return Err(Ended::Gone),
                _ => {}
            }
        }
        self.end_of_request();
        self.socket.flush().await
    }

    /// Tells the client of a failure.
    fn fail(&mut self, stop: Stop) -> Result<(), Ended> {
        match stop {
            Stop::Ended(ended) => Err(ended),
            Stop::Failed(failure) => {
                self.work.failed();
                self.socket.put_error(failure.response("ERROR"));
                Ok(())
            }
        }
    }

    /// What holds when a request is over.
    fn end_of_request(&mut self) {
        let status = self.work.status();
        if !matches!(status, TransactionStatus::Transaction) {
            self.portals.clear();
        }
        self.socket.put(ready(status));
    }

    fn complete(&mut self, tag: String) {
        self.socket.put(Back::CommandComplete(CommandComplete::new(tag)));
    }

    async fn parse(&mut self, parse: Parse) -> Result<(), Stop> {
        self.socket.begin_work();
        let name = parse.name.unwrap_or_default();
        let parts = tacitus_query::split(&parse.query)?;
        if parts.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(Failure::new("42601", message).into());
        }
        let text = parts.first().copied().unwrap_or_default();
        let command = command::parse(text)?;
        self.work.check(&command)?;
        if !name.is_empty() {
            if self.work.statements.contains_key(&name) {
                let message = format!("prepared statement \"{name}\" already exists");
                return Err(Failure::new("42P05", message).into());
            }
            if self.work.statements.len() >= STATEMENTS_MAX {
                let message = format!("{STATEMENTS_MAX} statements are prepared already");
                return Err(Failure::new("53400", message).into());
            }
        }
        let declared = parse.type_oids.iter().map(|oid| types::declared(*oid)).collect::<Vec<_>>();
        let prepared = self.work.prepare(&mut self.socket, &command, text, &declared).await?;
        let text = text.to_owned();
        let statement = Statement { command, text, prepared, declared: parse.type_oids };
        self.work.statements.insert(name, statement);
        self.socket.put(Back::ParseComplete(ParseComplete::new()));
        Ok(())
    }

    fn bind(&mut self, bind: &Bind) -> Result<(), Stop> {
        let name = bind.statement_name.clone().unwrap_or_default();
        let statement = self.work.statement(&name)?.clone();
        self.work.check(&statement.command)?;
        let kinds = statement.prepared.as_ref().map_or(&[][..], Prepared::parameters);
        if kinds.len() != bind.parameters.len() {
            return Err(Failure::protocol(format!(
                "bind message supplies {} parameters, but prepared statement \"{name}\" requires {}",
                bind.parameters.len(),
                kinds.len()
            ))
            .into());
        }
        let binary = |at: usize| match bind.parameter_format_codes.as_slice() {
            [] => false,
            [all] => *all == 1,
            each => each.get(at) == Some(&1),
        };
        let parameters: Result<Vec<Parameter>, Failure> = kinds
            .iter()
            .zip(&bind.parameters)
            .enumerate()
            .map(|(at, (kind, bytes))| {
                let bytes: Option<&Bytes> = bytes.as_ref();
                let declared = statement.declared.get(at).copied();
                bind::parameter(at + 1, kind, binary(at), bytes, declared)
            })
            .collect();
        let portal = Portal {
            parameters: parameters?,
            statement,
            formats: bind.result_column_format_codes.clone(),
            state: State::Bound,
        };
        let name = bind.portal_name.clone().unwrap_or_default();
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Failure::new("42P03", format!("cursor \"{name}\" already exists")).into());
        }
        if self.portals.len() >= PORTALS_MAX {
            return Err(Failure::new("53400", format!("{PORTALS_MAX} portals are open")).into());
        }
        self.portals.insert(name, portal);
        self.socket.put(Back::BindComplete(BindComplete::new()));
        Ok(())
    }

    fn describe(&mut self, describe: &Describe) -> Result<(), Stop> {
        let name = describe.name.clone().unwrap_or_default();
        let (statement, formats) = if describe.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = self.work.statement(&name)?.clone();
            let kinds = statement.prepared.as_ref().map_or(&[][..], Prepared::parameters);
            let oids = kinds
                .iter()
                .enumerate()
                .map(|(at, kind)| match statement.declared.get(at) {
                    Some(oid) if types::declared(*oid).is_some() => *oid,
                    // asyncpg looks at types by numbers, which it can only send as such.
                    _ if statement.text.contains("typeinfo_tree") => Type::OID_ARRAY.oid(),
                    _ => types::of_parameter(kind).oid(),
                })
                .collect();
            self.socket.put(Back::ParameterDescription(ParameterDescription::new(oids)));
            (statement, Vec::new())
        } else if let Some(portal) = self.portals.get(&name) {
            (portal.statement.clone(), portal.formats.clone())
        } else {
            // A cursor of DECLARE is a portal too.
            let formats = self.work.cursor_formats(&name).map_err(|_error| no_portal(&name))?;
            let columns = self.work.cursor(&name)?;
            self.socket.put(description(&columns, &formats));
            return Ok(());
        };
        let columns = self.work.columns(&statement.command, statement.prepared.as_ref())?;
        self.socket.put(match columns {
            Some(columns) => description(&columns, &formats),
            None => Back::NoData(NoData::new()),
        });
        Ok(())
    }

    async fn execute(&mut self, execute: &Execute) -> Result<(), Stop> {
        self.socket.begin_work();
        let name = execute.name.clone().unwrap_or_default();
        let mut portal = self.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        let most = u64::try_from(execute.max_rows).ok().filter(|rows| *rows > 0);
        self.advance(&mut portal, most).await?;
        self.portals.insert(name, portal);
        Ok(())
    }

    async fn advance(&mut self, portal: &mut Portal, most: Option<u64>) -> Result<(), Stop> {
        if let State::Bound = portal.state {
            let Statement { command, text, prepared, .. } = &portal.statement;
            self.work.check(command)?;
            let outcome = self
                .work
                .perform(&mut self.socket, command, text, prepared.as_ref(), &portal.parameters)
                .await?;
            match outcome {
                Outcome::Done(tag) => {
                    portal.state = State::Done;
                    if matches!(command, Command::Empty) {
                        self.socket.put(Back::EmptyQueryResponse(EmptyQueryResponse::new()));
                    } else {
                        self.complete(tag);
                    }
                    return Ok(());
                }
                Outcome::Rows { rows, tag } => {
                    portal.state = State::Running { rows, tag, sent: 0 };
                }
                Outcome::Fetched { cursor, count, moves } => {
                    let formats = &portal.formats;
                    let tag =
                        self.work.fetch(&mut self.socket, &cursor, count, moves, formats).await?;
                    portal.state = State::Done;
                    self.complete(tag);
                    return Ok(());
                }
            }
        }
        let State::Running { rows, tag, sent } = &mut portal.state else {
            // A portal that has ended has no more rows.
            self.complete("SELECT 0".to_owned());
            return Ok(());
        };
        let forms = forms(rows.schema(), &portal.formats);
        let zone = self.work.zone();
        let now = rows.send(&mut self.socket, &forms, zone, most, &mut data_row).await?;
        *sent += now.rows;
        if now.complete {
            let tag = tag_with(tag, *sent);
            portal.state = State::Done;
            self.complete(tag);
        } else {
            self.socket.put(Back::PortalSuspended(PortalSuspended::new()));
        }
        Ok(())
    }

    fn close(&mut self, close: &Close) {
        let name = close.name.clone().unwrap_or_default();
        if close.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.work.statements.remove(&name);
        } else {
            self.portals.remove(&name);
            self.work.cursors.remove(&name);
        }
        self.socket.put(Back::CloseComplete(CloseComplete::new()));
    }
}

fn no_portal(name: &str) -> Failure {
    Failure::new("34000", format!("portal \"{name}\" does not exist"))
}

/// The tag of a statement that gave rows.
pub(super) fn tag_with(word: &str, rows: u64) -> String {
    match word {
        "EXPLAIN" | "SHOW" => word.to_owned(),
        word => format!("{word} {rows}"),
    }
}
