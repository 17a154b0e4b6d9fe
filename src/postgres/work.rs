//! What the commands of one client do, and what they leave behind on its connection.
//!
//! *Invariant.* What was written is on disk when its command is answered, so a ROLLBACK that would
//! undo it is refused and never taken for done.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use pgwire::api::ClientInfo;
use pgwire::messages::PgWireBackendMessage as Back;
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::ParameterStatus;
use tacitus_query::{Connection, Parameter, Prepared, QueryError, SETTINGS};

use super::command::{Command, Count, Cursor};
use super::conversation::tag_with;
use super::dialect::Postgres;
use super::failure::{Failure, Stop, warning};
use super::insert;
use super::limits::PORTALS_MAX;
use super::listener::Parts;
use super::row;
use super::rows::{Rows, data_row, forms};
use super::socket::Socket;
use crate::ingest::Ingest;

/// What one client's connection holds.
pub(super) struct Work {
    pub(super) connection: Connection,
    pub(super) ingest: Ingest,
    dialect: Arc<Postgres>,
    status: TransactionStatus,
    /// Whether the open transaction has written.
    wrote: bool,
    pub(super) statements: HashMap<String, Statement>,
    pub(super) cursors: HashMap<String, Open>,
}

/// A statement that was parsed under a name.
#[derive(Clone)]
pub(super) struct Statement {
    pub(super) command: Command,
    pub(super) text: String,
    /// The plan's view of it, where it is one for the query engine.
    pub(super) prepared: Option<Prepared>,
    pub(super) declared: Vec<u32>,
}

/// An open cursor.
pub(super) struct Open {
    rows: Rows,
    binary: bool,
    hold: bool,
}

/// What is left to do when a command was performed.
pub(super) enum Outcome {
    /// Nothing; this is its tag.
    Done(String),
    Rows {
        rows: Rows,
        tag: &'static str,
    },
    Fetched {
        cursor: String,
        count: Count,
        moves: bool,
    },
}

/// Settings whose values a client is told when they change.
const REPORTED: [&str; 7] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "IntervalStyle",
    "standard_conforming_strings",
    "TimeZone",
    "search_path",
];

impl Work {
    pub(super) fn new(client: &dyn ClientInfo, parts: &Parts) -> Result<Self, QueryError> {
        let told = client.metadata();
        let user = told.get("user").map_or("", String::as_str);
        let (pid, _) = client.pid_and_secret_key();
        let database = told.get("database").map_or(user, String::as_str);
        let dialect = Arc::new(Postgres::new(user, database, pid));
        let mut connection = parts.session.connect(user).with_dialect(Arc::clone(&dialect) as _)?;
        *connection.settings_mut() = super::login::settings(client);
        dialect.keep(connection.settings());
        Ok(Self {
            connection,
            ingest: parts.ingest.clone(),
            dialect,
            status: TransactionStatus::Idle,
            wrote: false,
            statements: HashMap::new(),
            cursors: HashMap::new(),
        })
    }

    pub(super) fn status(&self) -> TransactionStatus {
        self.status
    }

    /// The time zone of texts.
    pub(super) fn zone(&self) -> chrono_tz::Tz {
        row::zone(self.connection.settings().time_zone())
    }

    /// A command failed.
    pub(super) fn failed(&mut self) {
        if matches!(self.status, TransactionStatus::Transaction) {
            self.status = TransactionStatus::Error;
        }
    }

    /// Refuses what may not be done after a failure.
    pub(super) fn check(&self, command: &Command) -> Result<(), Failure> {
        if matches!(self.status, TransactionStatus::Error) && !command.ends_transaction() {
            return Err(Failure::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    pub(super) fn statement(&self, name: &str) -> Result<&Statement, Failure> {
        self.statements.get(name).ok_or_else(|| {
            Failure::new("26000", format!("prepared statement \"{name}\" does not exist"))
        })
    }

    /// The query engine's view of a command.
    pub(super) async fn prepare(
        &self,
        socket: &mut Socket,
        command: &Command,
        text: &str,
        declared: &[Option<DataType>],
    ) -> Result<Option<Prepared>, Stop> {
        let question = match command {
            Command::Query(_) => text.to_owned(),
            Command::Declare(cursor) => cursor.question.clone(),
            Command::Insert { columns, rows } => insert::question(columns, rows)?,
            _ => return Ok(None),
        };
        let prepared = socket.during(self.connection.prepare(&question, declared)).await??;
        Ok(Some(prepared))
    }

    /// The columns a command answers with; `None`: it answers without rows.
    pub(super) fn columns(
        &self,
        command: &Command,
        prepared: Option<&Prepared>,
    ) -> Result<Option<SchemaRef>, Failure> {
        let text = |names: &[&str]| {
            let field = |name: &&str| Field::new(*name, DataType::Utf8View, true);
            Some(Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>())))
        };
        Ok(match command {
            Command::Query(_) => prepared.map(|prepared| Arc::clone(prepared.columns())),
            Command::Show(name) => text(&[name]),
            Command::ShowAll => text(&["name", "setting", "description"]),
            Command::Fetch { name, moves: false, .. } => Some(self.cursor(name)?),
            Command::Execute { name, .. } => {
                let statement = self.statement(name)?;
                let prepared = statement.prepared.as_ref();
                prepared.map(|prepared| Arc::clone(prepared.columns()))
            }
            _ => None,
        })
    }

    /// Does what a command asks.
    pub(super) async fn perform(
        &mut self,
        socket: &mut Socket,
        command: &Command,
        text: &str,
        prepared: Option<&Prepared>,
        parameters: &[Parameter],
    ) -> Result<Outcome, Stop> {
        let done = |tag: &str| Ok(Outcome::Done(tag.to_owned()));
        match command {
            Command::Empty => done(""),
            Command::Query(tag) => {
                let rows = self.ask(socket, text, prepared, parameters).await?;
                Ok(Outcome::Rows { rows, tag })
            }
            Command::Accepted(tag) => done(tag),
            Command::Begin
            | Command::Commit
            | Command::Rollback
            | Command::Savepoint(_)
            | Command::Release(_)
            | Command::RollbackTo(_) => Ok(Outcome::Done(self.transaction(socket, command)?)),
            Command::Set { name, value } => {
                self.set(socket, name, value.as_deref())?;
                done("SET")
            }
            Command::Reset(name) => {
                self.reset(socket, name.as_deref());
                done("RESET")
            }
            Command::Show(name) => self.show(name),
            Command::ShowAll => self.show_all(),
            Command::DiscardAll | Command::Deallocate(_) => {
                Ok(Outcome::Done(self.forget(socket, command)?))
            }
            Command::Prepare { name, statement } => {
                self.keep(socket, name, statement).await?;
                done("PREPARE")
            }
            Command::Execute { name, arguments } => self.execute(socket, name, arguments).await,
            Command::Declare(cursor) => {
                self.declare(socket, cursor, prepared, parameters).await?;
                done("DECLARE CURSOR")
            }
            Command::Fetch { name, count, moves } => {
                self.cursor(name)?;
                Ok(Outcome::Fetched { cursor: name.clone(), count: *count, moves: *moves })
            }
            Command::CloseCursor(name) => {
                self.close_cursor(name.as_deref())?;
                done(if name.is_some() { "CLOSE CURSOR" } else { "CLOSE CURSOR ALL" })
            }
            Command::CopyOut { question, form } => {
                let rows = self.ask(socket, question, None, &[]).await?;
                let rows = super::copy::out(socket, rows, form, self.zone()).await?;
                Ok(Outcome::Done(format!("COPY {rows}")))
            }
            Command::CopyIn { columns, form } => {
                self.note_write();
                let rows = super::copy::take(socket, &self.ingest, columns, form).await?;
                Ok(Outcome::Done(format!("COPY {rows}")))
            }
            Command::Insert { columns, rows } => {
                self.note_write();
                let question = insert::question(columns, rows)?;
                let rows = self.ask(socket, &question, prepared, parameters).await?;
                let rows = insert::take(socket, &self.ingest, rows).await?;
                Ok(Outcome::Done(format!("INSERT 0 {rows}")))
            }
        }
    }

    /// Asks the query engine.
    async fn ask(
        &self,
        socket: &mut Socket,
        text: &str,
        prepared: Option<&Prepared>,
        parameters: &[Parameter],
    ) -> Result<Rows, Stop> {
        let answer = match prepared {
            Some(prepared) => {
                socket.during(self.connection.run_prepared(prepared, parameters)).await??
            }
            None => socket.during(self.connection.run(text, parameters)).await??,
        };
        Ok(Rows::of_answer(answer))
    }

    /// Forgets statements, and with DISCARD everything else too.
    fn forget(&mut self, socket: &mut Socket, command: &Command) -> Result<String, Failure> {
        match command {
            Command::Deallocate(Some(name)) => {
                self.statement(name)?;
                self.statements.remove(name);
                Ok("DEALLOCATE".to_owned())
            }
            Command::Deallocate(None) => {
                self.statements.clear();
                Ok("DEALLOCATE ALL".to_owned())
            }
            _ => {
                self.statements.clear();
                self.cursors.clear();
                self.reset(socket, None);
                Ok("DISCARD ALL".to_owned())
            }
        }
    }

    fn note_write(&mut self) {
        self.wrote |= matches!(self.status, TransactionStatus::Transaction);
    }

    fn transaction(&mut self, socket: &mut Socket, command: &Command) -> Result<String, Failure> {
        use TransactionStatus as Status;
        let open = !matches!(self.status, Status::Idle);
        let mut warn = |code, text| socket.put(Back::NoticeResponse(warning(code, text)));
        let wrote = self.wrote;
        match command {
            Command::Begin => {
                if open {
                    warn("25001", "there is already a transaction in progress");
                } else {
                    self.status = Status::Transaction;
                }
                Ok("BEGIN".to_owned())
            }
            Command::Commit | Command::Rollback => {
                if !open {
                    warn("25P01", "there is no transaction in progress");
                }
                let aborted = matches!(self.status, Status::Error);
                let commits = matches!(command, Command::Commit) && !aborted;
                self.status = Status::Idle;
                self.wrote = false;
                self.cursors.retain(|_, open| open.hold);
                if wrote && !commits {
                    return Err(stays());
                }
                Ok(if commits { "COMMIT" } else { "ROLLBACK" }.to_owned())
            }
            Command::RollbackTo(_) if wrote => Err(stays()),
            _ if !open => Err(Failure::new("25P01", "there is no transaction in progress")),
            Command::RollbackTo(_) => {
                self.status = Status::Transaction;
                Ok("ROLLBACK".to_owned())
            }
            Command::Release(_) => Ok("RELEASE".to_owned()),
            _ => Ok("SAVEPOINT".to_owned()),
        }
    }

    fn set(&mut self, socket: &mut Socket, name: &str, value: Option<&str>) -> Result<(), Failure> {
        match value {
            Some(value) => self.connection.settings_mut().set(name, value)?,
            None => self.connection.settings_mut().reset(name),
        }
        self.report(socket, |reported| reported.eq_ignore_ascii_case(name));
        Ok(())
    }

    fn reset(&mut self, socket: &mut Socket, name: Option<&str>) {
        match name {
            Some(name) => self.connection.settings_mut().reset(name),
            None => self.connection.settings_mut().reset_all(),
        }
        self.report(socket, |reported| name.is_none_or(|name| reported.eq_ignore_ascii_case(name)));
    }

    /// Tells the client the values of settings that it follows.
    fn report(&self, socket: &mut Socket, changed: impl Fn(&str) -> bool) {
        let settings = self.connection.settings();
        self.dialect.keep(settings);
        for name in REPORTED.into_iter().filter(|name| changed(name)) {
            let value = settings.get(name).unwrap_or_default().to_owned();
            socket.put(Back::ParameterStatus(ParameterStatus::new(name.to_owned(), value)));
        }
    }

    fn show(&self, name: &str) -> Result<Outcome, Stop> {
        let value = self.connection.settings().get(name).ok_or_else(|| {
            Failure::new("42704", format!("unrecognized configuration parameter \"{name}\""))
                .hint("SHOW ALL lists what there is")
        })?;
        let known = SETTINGS.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        let rows = Rows::of_texts(&[(known.map_or(name, |one| one.name), value)])?;
        Ok(Outcome::Rows { rows, tag: "SHOW" })
    }

    fn show_all(&self) -> Result<Outcome, Stop> {
        let settings = self.connection.settings();
        let column = |of: &dyn Fn(&tacitus_query::Setting) -> String| -> ArrayRef {
            Arc::new(StringViewArray::from_iter_values(SETTINGS.iter().map(of)))
        };
        let columns = [
            ("name", column(&|one| one.name.to_owned())),
            ("setting", column(&|one| settings.get(one.name).unwrap_or_default().to_owned())),
            ("description", column(&|one| one.description.to_owned())),
        ];
        let batch = RecordBatch::try_from_iter(columns)
            .map_err(|error| Failure::new("XX000", error.to_string()))?;
        Ok(Outcome::Rows { rows: Rows::of_batch(batch), tag: "SHOW" })
    }

    /// `PREPARE name AS …`
    async fn keep(&mut self, socket: &mut Socket, name: &str, text: &str) -> Result<(), Stop> {
        if self.statements.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Failure::new("42P05", message).into());
        }
        if self.statements.len() >= super::limits::STATEMENTS_MAX {
            return Err(Failure::new("53400", "too many statements are prepared").into());
        }
        let command = super::command::parse(text)?;
        let prepared = self.prepare(socket, &command, text, &[]).await?;
        let statement =
            Statement { command, text: text.to_owned(), prepared, declared: Vec::new() };
        self.statements.insert(name.to_owned(), statement);
        Ok(())
    }

    /// `EXECUTE name(…)`
    async fn execute(
        &mut self,
        socket: &mut Socket,
        name: &str,
        arguments: &str,
    ) -> Result<Outcome, Stop> {
        let statement = self.statement(name)?.clone();
        let mut parameters = Vec::new();
        if !arguments.is_empty() {
            let question = format!("SELECT {arguments}");
            let mut answer = socket.during(self.connection.run(&question, &[])).await??;
            if let Some(batch) = socket.during(answer.next()).await? {
                for column in batch?.columns() {
                    let value = ScalarValue::try_from_array(column, 0)
                        .map_err(|error| Failure::new("22000", error.to_string()))?;
                    parameters.push(Parameter::Value(value));
                }
            }
        }
        if matches!(statement.command, Command::Execute { .. }) {
            return Err(Failure::unsupported("EXECUTE of an EXECUTE").into());
        }
        let prepared = statement.prepared.as_ref();
        Box::pin(self.perform(socket, &statement.command, &statement.text, prepared, &parameters))
            .await
    }

    async fn declare(
        &mut self,
        socket: &mut Socket,
        cursor: &Cursor,
        prepared: Option<&Prepared>,
        parameters: &[Parameter],
    ) -> Result<(), Stop> {
        if !cursor.hold && matches!(self.status, TransactionStatus::Idle) {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(Failure::new("25P01", message)
                .hint("BEGIN first, or declare it WITH HOLD")
                .into());
        }
        if self.cursors.contains_key(&cursor.name) {
            let message = format!("cursor \"{}\" already exists", cursor.name);
            return Err(Failure::new("42P03", message).into());
        }
        if self.cursors.len() >= PORTALS_MAX {
            return Err(Failure::new("53400", format!("{PORTALS_MAX} cursors are open")).into());
        }
        let rows = self.ask(socket, &cursor.question, prepared, parameters).await?;
        let open = Open { rows, binary: cursor.binary, hold: cursor.hold };
        self.cursors.insert(cursor.name.clone(), open);
        Ok(())
    }

    /// The columns of a cursor.
    pub(super) fn cursor(&self, name: &str) -> Result<SchemaRef, Failure> {
        let open = self.cursors.get(name).ok_or_else(|| no_cursor(name))?;
        Ok(Arc::clone(open.rows.schema()))
    }

    /// The formats in which a cursor was declared.
    pub(super) fn cursor_formats(&self, name: &str) -> Result<Vec<i16>, Failure> {
        let open = self.cursors.get(name).ok_or_else(|| no_cursor(name))?;
        Ok(vec![i16::from(open.binary)])
    }

    /// Sends rows of a cursor, or passes over them; the tag.
    pub(super) async fn fetch(
        &mut self,
        socket: &mut Socket,
        name: &str,
        count: Count,
        moves: bool,
        formats: &[i16],
    ) -> Result<String, Stop> {
        let zone = self.zone();
        let open = self.cursors.get_mut(name).ok_or_else(|| no_cursor(name))?;
        let most = match count {
            Count::All => None,
            Count::Rows(rows) => Some(rows),
        };
        let forms = forms(open.rows.schema(), formats);
        let sent = if moves {
            open.rows.send(socket, &forms, zone, most, &mut |_, _, _| {}).await?
        } else {
            open.rows.send(socket, &forms, zone, most, &mut data_row).await?
        };
        Ok(tag_with(if moves { "MOVE" } else { "FETCH" }, sent.rows))
    }

    fn close_cursor(&mut self, name: Option<&str>) -> Result<(), Failure> {
        match name {
            None => self.cursors.clear(),
            Some(name) => {
                self.cursors.remove(name).ok_or_else(|| no_cursor(name))?;
            }
        }
        Ok(())
    }
}

fn no_cursor(name: &str) -> Failure {
    Failure::new("34000", format!("cursor \"{name}\" does not exist"))
}

fn stays() -> Failure {
    Failure::unsupported("what was written stays written")
        .hint("samples are on disk when they are acknowledged; write outside of a transaction")
}
