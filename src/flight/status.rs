//! Refusals in the terms of gRPC.
//!
//! *Invariant.* A refusal of a statement carries its SQLSTATE and its hint in the message, where
//! every client shows them, and the SQLSTATE once more in the metadata, where a program finds it.

use tacitus_query::QueryError;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::ingest::WriteError;

/// A refusal of ours: what is wrong, and what to do.
pub(super) fn refusal(code: Code, what: &str, hint: &str) -> Status {
    Status::new(code, format!("{what}\nhint: {hint}"))
}

/// A refusal of a statement.
pub(super) fn of_query(error: &QueryError) -> Status {
    let sqlstate = error.sqlstate().code();
    let mut message = format!("{} (SQLSTATE {sqlstate})", error.message());
    if let Some(position) = error.position() {
        message = format!("{message}, at character {position}");
    }
    if let Some(hint) = error.hint() {
        message = format!("{message}\nhint: {hint}");
    }
    let mut metadata = MetadataMap::new();
    if let Ok(word) = sqlstate.parse() {
        metadata.insert("sqlstate", word);
    }
    Status::with_metadata(code(error.sqlstate().class(), sqlstate), message, metadata)
}

fn code(class: &str, sqlstate: &str) -> Code {
    match (class, sqlstate) {
        (_, "42P01" | "3D000" | "3F000" | "26000") => Code::NotFound,
        (_, "42501") => Code::PermissionDenied,
        // What is cancelled by its client ends as such before this is asked.
        (_, "57014") => Code::DeadlineExceeded,
        (_, "XX001") => Code::DataLoss,
        ("28", _) => Code::Unauthenticated,
        ("53" | "54", _) => Code::ResourceExhausted,
        ("57", _) => Code::Unavailable,
        ("0A" | "25", _) => Code::Unimplemented,
        ("58" | "XX", _) => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

/// A refusal to write.
pub(super) fn of_write(error: WriteError) -> Status {
    let (code, hint) = match error {
        WriteError::Full => (
            Code::ResourceExhausted,
            "free space on the disk of the data directory; writing resumes by itself",
        ),
        WriteError::Busy => (Code::Unavailable, "send the same rows again in a moment"),
        WriteError::Invalid => (Code::Internal, "report this with the server's log"),
        WriteError::Poisoned => (
            Code::Internal,
            "restart Tacitus and send the same rows again; samples written twice count once",
        ),
        WriteError::Stopped => (Code::Unavailable, "send the same rows again after the restart"),
    };
    refusal(code, &error.to_string(), hint)
}

/// A message that is not what its place asks for.
pub(super) fn malformed(what: &str, error: &dyn std::fmt::Display) -> Status {
    Status::invalid_argument(format!("{what} cannot be read: {error}"))
}

/// A fault of ours: the cause goes to the log.
pub(super) fn fault(what: &str, error: &dyn std::fmt::Display) -> Status {
    tracing::error!(%error, "{what}");
    Status::internal(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacitus_query::SqlState;

    #[test]
    fn a_status_has_the_code_the_sqlstate_and_the_hint() {
        let cases = [
            (SqlState::SYNTAX_ERROR, Code::InvalidArgument),
            (SqlState::UNDEFINED_TABLE, Code::NotFound),
            (SqlState::TOO_MANY_STATEMENTS, Code::ResourceExhausted),
            (SqlState::PROGRAM_LIMIT_EXCEEDED, Code::ResourceExhausted),
            (SqlState::QUERY_CANCELED, Code::DeadlineExceeded),
            (SqlState::DATA_CORRUPTED, Code::DataLoss),
            (SqlState::INTERNAL_ERROR, Code::Internal),
        ];
        for (sqlstate, want) in cases {
            let status = of_query(&QueryError::new(sqlstate, "it is wrong").with_hint("mend it"));
            assert_eq!(status.code(), want, "{sqlstate}");
            let message = format!("it is wrong (SQLSTATE {sqlstate})\nhint: mend it");
            assert_eq!(status.message(), message);
            assert_eq!(status.metadata().get("sqlstate").unwrap(), sqlstate.code());
        }
    }
}
