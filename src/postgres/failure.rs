//! What a client is told when something fails.
//!
//! *Invariant.* Every failure has a code of PostgreSQL's appendix A.

use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use tacitus_query::QueryError;

use crate::ingest::WriteError;

/// A failed statement or message.
#[derive(Debug)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    hint: Option<String>,
    position: Option<usize>,
}

impl Failure {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, position: None }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is not there in this version or not meant to be.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("0A000", message)
    }

    /// A message that breaks the protocol.
    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    pub(super) fn canceled() -> Self {
        Self::new("57014", "canceling statement due to user request")
    }

    /// The code.
    #[cfg(test)]
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn response(&self, severity: &str) -> ErrorResponse {
        ErrorResponse::from(self.info(severity))
    }

    fn info(&self, severity: &str) -> ErrorInfo {
        let mut info =
            ErrorInfo::new(severity.to_owned(), self.code.to_owned(), self.message.clone());
        info.hint.clone_from(&self.hint);
        info.position = self.position.map(|position| position.to_string());
        info
    }
}

/// A notice: something a person may want to know, and no program needs.
pub(super) fn warning(code: &'static str, message: &str) -> NoticeResponse {
    NoticeResponse::from(Failure::new(code, message).info("WARNING"))
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self {
            code: error.sqlstate().code(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
            position: error.position(),
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let (code, hint) = match error {
            WriteError::Full => ("53100", "free space on the disk; then send the rows again"),
            WriteError::Busy => ("53300", "send the rows again in a moment"),
            WriteError::Stopped => ("57P01", "send the rows again after the restart"),
            WriteError::Invalid => ("22000", "nothing was kept"),
            WriteError::Poisoned => {
                ("58030", "restart Tacitus and send the rows again; rows written twice count once")
            }
        };
        Self::new(code, error.to_string()).hint(hint)
    }
}

/// Reading or writing a message failed.
#[derive(Debug)]
pub(super) enum Ended {
    /// The client is gone, or says what nobody understands.
    Gone,
    /// The server stops.
    Stopped,
}

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

impl From<PgWireError> for Ended {
    fn from(_: PgWireError) -> Self {
        Self::Gone
    }
}

/// What ends a statement: its own failure, or that of the connection.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Failure),
    Ended(Ended),
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}
