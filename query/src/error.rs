//! What can be wrong with a statement, said with PostgreSQL's codes.
//!
//! *Invariant.* A fault of the statement never carries a code of class `XX`, and a fault of ours
//! never any other: a client may repeat, change or give up by the code alone.
//!
//! *Not here.* The status a wire gives to a code (the wire's own business).

mod classify;
mod hint;

use std::fmt;

pub(crate) use hint::nearest;

/// A five-letter code of PostgreSQL's appendix A "Error Codes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(&'static str);

impl SqlState {
    /// A feature that is not there.
    pub const FEATURE_NOT_SUPPORTED: Self = Self("0A000");
    /// A message that breaks the protocol, such as a wrong number of parameters.
    pub const PROTOCOL_VIOLATION: Self = Self("08P01");
    /// A value that does not fit its use.
    pub const DATA_EXCEPTION: Self = Self("22000");
    /// A number beyond its type.
    pub const NUMERIC_VALUE_OUT_OF_RANGE: Self = Self("22003");
    /// A time that is not one.
    pub const INVALID_DATETIME_FORMAT: Self = Self("22007");
    /// A time beyond 1677 to 2262.
    pub const DATETIME_FIELD_OVERFLOW: Self = Self("22008");
    /// A time zone that does not exist.
    pub const INVALID_TIME_ZONE: Self = Self("22009");
    /// Division by zero.
    pub const DIVISION_BY_ZERO: Self = Self("22012");
    /// A regular expression that is not one.
    pub const INVALID_REGULAR_EXPRESSION: Self = Self("2201B");
    /// An argument outside what the function takes.
    pub const INVALID_PARAMETER_VALUE: Self = Self("22023");
    /// A text that is not a value of the type it was read as.
    pub const INVALID_TEXT_REPRESENTATION: Self = Self("22P02");
    /// A statement that would write.
    pub const READ_ONLY: Self = Self("25006");
    /// A statement that breaks a rule no other code names.
    pub const SYNTAX_OR_ACCESS_RULE: Self = Self("42000");
    /// Text that is not SQL.
    pub const SYNTAX_ERROR: Self = Self("42601");
    /// The same column twice where it must be one.
    pub const DUPLICATE_COLUMN: Self = Self("42701");
    /// A column name that could be one of several.
    pub const AMBIGUOUS_COLUMN: Self = Self("42702");
    /// A column that does not exist.
    pub const UNDEFINED_COLUMN: Self = Self("42703");
    /// A column that is neither grouped nor aggregated.
    pub const GROUPING_ERROR: Self = Self("42803");
    /// Types that do not fit each other.
    pub const DATATYPE_MISMATCH: Self = Self("42804");
    /// A function that does not exist, or not for these arguments.
    pub const UNDEFINED_FUNCTION: Self = Self("42883");
    /// A relation that does not exist.
    pub const UNDEFINED_TABLE: Self = Self("42P01");
    /// A parameter that was not given.
    pub const UNDEFINED_PARAMETER: Self = Self("42P02");
    /// A setting that does not exist.
    pub const UNDEFINED_OBJECT: Self = Self("42704");
    /// A parameter whose type nobody can tell.
    pub const INDETERMINATE_TYPE: Self = Self("42P18");
    /// More memory than the limit.
    pub const OUT_OF_MEMORY: Self = Self("53200");
    /// More temporary files than the limit.
    pub const TOO_MUCH_TEMPORARY: Self = Self("53400");
    /// More statements at once than the limit.
    pub const TOO_MANY_STATEMENTS: Self = Self("53300");
    /// A larger answer than the limit.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self("54000");
    /// A longer or deeper statement than the limit.
    pub const STATEMENT_TOO_COMPLEX: Self = Self("54001");
    /// A setting that cannot be changed.
    pub const CANNOT_CHANGE_SETTING: Self = Self("55P02");
    /// Cancelled, by the client or by the time limit.
    pub const QUERY_CANCELED: Self = Self("57014");
    /// The disk refused to be read.
    pub const IO_ERROR: Self = Self("58030");
    /// A fault of ours.
    pub const INTERNAL_ERROR: Self = Self("XX000");
    /// Bytes on disk are not the bytes that were written.
    pub const DATA_CORRUPTED: Self = Self("XX001");

    /// A code that a wire needs for its own protocol.
    pub const fn of_wire(code: &'static str) -> Self {
        Self(code)
    }

    /// The five letters.
    pub const fn code(self) -> &'static str {
        self.0
    }

    /// The two letters that name the class.
    pub fn class(self) -> &'static str {
        self.0.get(..2).unwrap_or(self.0)
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// Why a statement has no answer, or no complete one. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    sqlstate: SqlState,
    message: String,
    hint: Option<String>,
    position: Option<usize>,
}

impl QueryError {
    /// An error with a code and a message in lower case.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self { sqlstate, message: message.into(), hint: None, position: None }
    }

    /// The same error with a sentence that says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the place in the statement.
    #[must_use]
    pub(crate) fn at(mut self, position: Option<usize>) -> Self {
        self.position = position.or(self.position);
        self
    }

    /// The code.
    pub fn sqlstate(&self) -> SqlState {
        self.sqlstate
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Where in the statement: characters from its start, the first is 1, as PostgreSQL counts.
    pub fn position(&self) -> Option<usize> {
        self.position
    }
}

impl From<QueryError> for datafusion::error::DataFusionError {
    fn from(error: QueryError) -> Self {
        Self::External(Box::new(error))
    }
}
