//! Finds the code, hint and place of an error of the query engine.
//!
//! DataFusion says most things in words only, so a part of this is a table of phrases; the
//! SQL-logic tests pin each of them, so that a new version which words them differently shows.
//!
//! *Invariant.* Whatever comes in, an error with a message comes out.

use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use tacitus_storage::ErrorKind;

use super::hint::nearest;
use super::{QueryError, SqlState};
use crate::relation::Relations;

impl QueryError {
    /// The engine's error about `statement` in our words.
    pub(crate) fn classify(error: &DataFusionError, statement: &str) -> Self {
        let position = error
            .diagnostic()
            .and_then(|diagnostic| diagnostic.span)
            .and_then(|span| position_of_span(statement, span));
        let known = known(error, statement);
        known.at(position)
    }

    /// A relation that does not exist.
    pub(crate) fn unknown_relation(name: &str) -> Self {
        unknown_table(name)
    }
}

fn known(error: &DataFusionError, statement: &str) -> QueryError {
    match error {
        DataFusionError::IoError(io) if io.to_string().contains("disk space") => {
            out_of_memory(&io.to_string())
        }
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            known(inner, statement)
        }
        DataFusionError::Shared(inner) => known(inner, statement),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => QueryError::classify(first, statement),
            None => QueryError::new(SqlState::INTERNAL_ERROR, "the query engine gave up"),
        },
        DataFusionError::External(inner) => external(inner.as_ref(), statement),
        DataFusionError::SQL(parser, _) => syntax(parser, statement),
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::ArrowError(arrow, _) => arrow_error(arrow, statement),
        DataFusionError::Plan(message) => phrase(message, SqlState::SYNTAX_OR_ACCESS_RULE),
        DataFusionError::Execution(message) => phrase(message, SqlState::DATA_EXCEPTION),
        DataFusionError::Configuration(message) => {
            QueryError::new(SqlState::INVALID_PARAMETER_VALUE, tidy(message))
        }
        DataFusionError::NotImplemented(message) => {
            phrase(message, SqlState::FEATURE_NOT_SUPPORTED)
        }
        DataFusionError::Internal(message) => match message.split_once(BAD_REGEX) {
            Some((_, why)) => QueryError::new(
                SqlState::INVALID_REGULAR_EXPRESSION,
                format!("the regular expression cannot be used: {}", tidy(why)),
            ),
            None => QueryError::new(SqlState::INTERNAL_ERROR, tidy(message)),
        },
        DataFusionError::ResourcesExhausted(message) => out_of_memory(message),
        other => QueryError::new(SqlState::INTERNAL_ERROR, tidy(&other.message())),
    }
}

/// Errors that travelled through the engine: our own, the store's, the engine's in a box.
fn external(
    error: &(dyn std::error::Error + Send + Sync + 'static),
    statement: &str,
) -> QueryError {
    if let Some(own) = error.downcast_ref::<QueryError>() {
        return own.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return known(inner, statement);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return arrow_error(inner, statement);
    }
    if let Some(store) = error.downcast_ref::<tacitus_storage::Error>() {
        let sqlstate = match store.kind() {
            ErrorKind::Corrupt => SqlState::DATA_CORRUPTED,
            ErrorKind::Io => SqlState::IO_ERROR,
            _ => SqlState::INTERNAL_ERROR,
        };
        return QueryError::new(sqlstate, store.to_string()).with_hint(store.hint());
    }
    let said = error.to_string();
    if said.contains("disk space") {
        return out_of_memory(&said);
    }
    phrase(&said, SqlState::INTERNAL_ERROR)
}

fn syntax(error: &ParserError, statement: &str) -> QueryError {
    match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => {
            let (message, place) = match message.rfind(" at Line: ") {
                Some(at) => message.split_at(at),
                None => (message.as_str(), ""),
            };
            QueryError::new(SqlState::SYNTAX_ERROR, tidy(message))
                .at(place_of(place).and_then(|(line, column)| position(statement, line, column)))
        }
        ParserError::RecursionLimitExceeded => {
            QueryError::new(SqlState::STATEMENT_TOO_COMPLEX, "the statement nests too deeply")
                .with_hint("split it into common table expressions (WITH)")
        }
    }
}

fn schema_error(error: &SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => unknown_column(field, valid_fields),
        SchemaError::AmbiguousReference { field } => QueryError::new(
            SqlState::AMBIGUOUS_COLUMN,
            format!("column \"{}\" could be one of several relations", field.name),
        )
        .with_hint(format!("name the relation: samples.{}", field.name)),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            QueryError::new(SqlState::DUPLICATE_COLUMN, format!("column \"{name}\" is there twice"))
                .with_hint("give one of them another name with AS")
        }
    }
}

/// LIMIT: a hint is for reading.
const NAMES_SHOWN_MAX: usize = 20;

fn unknown_column(field: &Column, valid: &[Column]) -> QueryError {
    let error = QueryError::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{}\" does not exist", field.name),
    );
    let mut names: Vec<&str> = valid.iter().map(|column| column.name.as_str()).collect();
    if names.is_empty() {
        names = Relations::column_names().collect();
    }
    names.sort_unstable();
    names.dedup();
    if let Some(name) = nearest(&field.name, names.iter().copied()) {
        return error.with_hint(format!("did you mean \"{name}\"?"));
    }
    names.truncate(NAMES_SHOWN_MAX);
    let quoted = statement_like(&field.name).then_some("; text is written in single quotes");
    error.with_hint(format!("there are: {}{}", names.join(", "), quoted.unwrap_or_default()))
}

/// Whether a name looks like a value that was put into double quotes.
fn statement_like(name: &str) -> bool {
    !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

fn arrow_error(error: &ArrowError, statement: &str) -> QueryError {
    match error {
        ArrowError::DivideByZero => {
            QueryError::new(SqlState::DIVISION_BY_ZERO, "a number is divided by zero")
                .with_hint("divide by nullif(x, 0)")
        }
        ArrowError::ArithmeticOverflow(message) => {
            QueryError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, tidy(message))
        }
        ArrowError::ParseError(message) | ArrowError::CastError(message) => {
            phrase(message, SqlState::INVALID_TEXT_REPRESENTATION)
        }
        ArrowError::ComputeError(message) | ArrowError::InvalidArgumentError(message) => {
            phrase(message, SqlState::DATA_EXCEPTION)
        }
        ArrowError::ExternalError(inner) => external(inner.as_ref(), statement),
        ArrowError::NotYetImplemented(message) => {
            QueryError::new(SqlState::FEATURE_NOT_SUPPORTED, tidy(message))
        }
        ArrowError::IoError(message, _) if message.contains("disk space") => out_of_memory(message),
        other => phrase(&other.to_string(), SqlState::INTERNAL_ERROR),
    }
}

fn out_of_memory(message: &str) -> QueryError {
    if message.contains("disk space") {
        return QueryError::new(
            SqlState::TOO_MUCH_TEMPORARY,
            format!("the statement needs more temporary files than it may have: {}", tidy(message)),
        )
        .with_hint("read fewer tags or a shorter span, or aggregate before sorting and joining");
    }
    QueryError::new(
        SqlState::OUT_OF_MEMORY,
        format!("the statement needs more memory than it may have: {}", tidy(message)),
    )
    .with_hint("read fewer tags or a shorter span, or aggregate before sorting and joining")
}

/// How the engine reports, as a fault of its own, a regular expression of the statement.
const BAD_REGEX: &str = "Regular expression did not compile:";

/// Phrases of the engine that decide the code, the first that occurs.
const PHRASES: &[(&str, SqlState)] = &[
    ("No field named", SqlState::UNDEFINED_COLUMN),
    ("Invalid function", SqlState::UNDEFINED_FUNCTION),
    ("table function", SqlState::UNDEFINED_FUNCTION),
    ("failed to match any signature", SqlState::UNDEFINED_FUNCTION),
    ("does not support", SqlState::UNDEFINED_FUNCTION),
    ("must appear in the GROUP BY clause", SqlState::GROUPING_ERROR),
    ("could not be resolved from available columns", SqlState::GROUPING_ERROR),
    ("must be in GROUP BY", SqlState::GROUPING_ERROR),
    ("HAVING clause references", SqlState::GROUPING_ERROR),
    ("ambiguous", SqlState::AMBIGUOUS_COLUMN),
    ("duplicate", SqlState::DUPLICATE_COLUMN),
    ("unique expression names", SqlState::DUPLICATE_COLUMN),
    ("placeholder", SqlState::UNDEFINED_PARAMETER),
    ("not supported: DDL", SqlState::READ_ONLY),
    ("DDL not supported", SqlState::READ_ONLY),
    ("DML not supported", SqlState::READ_ONLY),
    ("coerce", SqlState::DATATYPE_MISMATCH),
    ("Cannot infer common", SqlState::DATATYPE_MISMATCH),
    ("cannot infer common", SqlState::DATATYPE_MISMATCH),
    ("convertible to", SqlState::DATATYPE_MISMATCH),
    ("type mismatch", SqlState::DATATYPE_MISMATCH),
    ("non-boolean", SqlState::DATATYPE_MISMATCH),
    ("Incompatible types", SqlState::DATATYPE_MISMATCH),
    ("regex", SqlState::INVALID_REGULAR_EXPRESSION),
    ("Regular expression", SqlState::INVALID_REGULAR_EXPRESSION),
    ("Overflow happened", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
    ("overflow", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
    ("out of range", SqlState::DATETIME_FIELD_OVERFLOW),
    ("timezone", SqlState::INVALID_TIME_ZONE),
    ("time zone", SqlState::INVALID_TIME_ZONE),
    ("parsing timestamp", SqlState::INVALID_DATETIME_FORMAT),
    ("parsing interval", SqlState::INVALID_DATETIME_FORMAT),
    ("type interval", SqlState::INVALID_DATETIME_FORMAT),
    ("Interval", SqlState::INVALID_DATETIME_FORMAT),
    ("Cannot cast", SqlState::INVALID_TEXT_REPRESENTATION),
    ("Divide by zero", SqlState::DIVISION_BY_ZERO),
];

/// The error that a message of the engine stands for.
fn phrase(message: &str, otherwise: SqlState) -> QueryError {
    if let Some(name) = between(message, "table '", "' not found") {
        return unknown_table(name);
    }
    if let Some(name) = between(message, "Invalid function '", "'") {
        let error = QueryError::new(
            SqlState::UNDEFINED_FUNCTION,
            format!("function \"{name}\" does not exist"),
        );
        return match between(message, "Did you mean '", "'") {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error,
        };
    }
    if let Some((said, functions)) = message.split_once("No function matches") {
        return wrong_arguments(said, functions);
    }
    let sqlstate = PHRASES
        .iter()
        .find(|(words, _)| message.contains(words))
        .map_or(otherwise, |(_, sqlstate)| *sqlstate);
    QueryError::new(sqlstate, tidy(message))
}

/// A function that exists, but not for these arguments.
fn wrong_arguments(said: &str, functions: &str) -> QueryError {
    let said = match said.split_once("coercion failed with:") {
        Some((_, own)) => own,
        None => said,
    };
    let error = QueryError::new(SqlState::UNDEFINED_FUNCTION, tidy(said));
    match functions.split_once("Candidate functions:") {
        Some((_, known)) if !known.contains("UserDefined") => {
            error.with_hint(format!("there are: {}", tidy(known)))
        }
        _ => error,
    }
}

fn unknown_table(name: &str) -> QueryError {
    let name = name.rsplit('.').next().unwrap_or(name);
    let error =
        QueryError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"));
    match nearest(name, Relations::NAMES) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint(format!("there are: {}", Relations::NAMES.join(", "))),
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}

/// A message of the engine as one of ours: one line, lower-case, without prefix and full stop.
fn tidy(message: &str) -> String {
    let mut message = message.trim();
    for prefix in ["Error during planning: ", "Execution error: ", "External error: "] {
        message = message.strip_prefix(prefix).unwrap_or(message);
    }
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let line: Vec<&str> = message.split_whitespace().collect();
    let line = line.join(" ");
    let line = line.strip_suffix('.').unwrap_or(&line);
    let mut letters = line.chars();
    match (letters.next(), letters.clone().next()) {
        // A capital followed by a small letter starts a sentence; others are names.
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => line.to_owned(),
    }
}

/// Line and column of " at Line: 3, Column: 14".
fn place_of(place: &str) -> Option<(u64, u64)> {
    let (line, column) = place.strip_prefix(" at Line: ")?.split_once(", Column: ")?;
    Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
}

fn position_of_span(statement: &str, span: Span) -> Option<usize> {
    position(statement, span.start.line, span.start.column)
}

/// The position of a line and column, both from 1, as characters from the start, from 1.
fn position(statement: &str, line: u64, column: u64) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?;
    let before: usize = statement.split_inclusive('\n').take(line).map(|l| l.chars().count()).sum();
    (column > 0).then_some(before + column)
}
