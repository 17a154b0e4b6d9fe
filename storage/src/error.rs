//! What can go wrong in the store, said as what the caller must do next.
//!
//! *Invariant.* Every error says whether the samples of a failed write may be on disk all the
//! same; nothing else lets a sender decide between "send again" and "ask first".

use std::fmt;
use std::io;

/// The part of an error that decides the caller's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong. Repeating it cannot help.
    Invalid,
    /// A limit is reached. Repeat later; nothing was written.
    Busy,
    /// The disk is full to its reserve. Writes stop, reads go on, until space returns.
    Full,
    /// Bytes on disk are not the bytes that were written.
    Corrupt,
    /// Another process has the directory open.
    Locked,
    /// A write or sync of the log failed, so its state is unknown. Only a restart helps.
    Poisoned,
    /// The operating system refused something else.
    Io,
}

/// Whether the samples of a failed write may be on disk all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not written: safe to send again.
    NotWritten,
    /// Perhaps written: sending the same samples again is safe, because identity is (tag, ts).
    Unknown,
}

/// A failure of the store.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    outcome: Outcome,
    message: String,
    hint: &'static str,
    source: Option<io::Error>,
}

impl Error {
    /// A failure that wrote nothing.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>, hint: &'static str) -> Self {
        Self { kind, outcome: Outcome::NotWritten, message: message.into(), hint, source: None }
    }

    /// Damaged bytes in a file.
    pub(crate) fn corrupt(file: &str, what: impl fmt::Display) -> Self {
        let hint = "restore the data directory from a backup, or move the named file away and \
                    accept the loss of what it holds";
        Self::new(ErrorKind::Corrupt, format!("file \"{file}\" is damaged: {what}"), hint)
    }

    /// A refusal of the operating system; a full device becomes [`ErrorKind::Full`].
    pub fn io(action: &str, file: &str, source: io::Error) -> Self {
        let (kind, hint) = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
                ErrorKind::Full,
                "free space on the disk of the data directory; writing resumes by itself",
            ),
            _ => (ErrorKind::Io, "check the disk and the rights on the data directory"),
        };
        Self {
            kind,
            outcome: Outcome::NotWritten,
            message: format!("could not {action} \"{file}\""),
            hint,
            source: Some(source),
        }
    }

    /// The log is in an unknown state.
    pub(crate) fn poisoned(message: impl Into<String>, source: Option<io::Error>) -> Self {
        Self {
            kind: ErrorKind::Poisoned,
            outcome: Outcome::Unknown,
            message: message.into(),
            hint: "restart Tacitus: it reads back from disk what was really kept",
            source,
        }
    }

    /// A refusal because the log failed earlier: nothing of this request was written.
    pub(crate) fn already_poisoned() -> Self {
        let error =
            Self::poisoned("the store is closed: its log failed, or it was shut down", None);
        error.with_outcome(Outcome::NotWritten)
    }

    /// The same failure, with another answer to whether something was written.
    pub(crate) fn with_outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// Whether a file is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.kind() == io::ErrorKind::NotFound)
    }

    /// What the caller must do next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether a write may have happened.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// A sentence for the person who can help.
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(out, "{}: {source}", self.message),
            None => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
