//! Which statements there are: one at a time, and only such that read.
//!
//! *Invariant.* A statement passes only if its kind is on the list here; what is not known is
//! refused. `COPY`, `CREATE EXTERNAL TABLE` and `SET`, which could reach files, are not on it.
//! After planning the plan is checked once more, sub-queries included.

use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{QueryError, SqlState};
use crate::limits::{NESTING_MAX, PARAMETERS_MAX, STATEMENT_BYTES_MAX, STATEMENT_WORDS_MAX};
use crate::relation::{Relations, SCHEMA};

/// A value for `$1`, `$2`, …
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// No value.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text; where a time is wanted it is read as one.
    Text(String),
    /// A value of any type of the engine: a list, a time, an interval.
    Value(ScalarValue),
}

impl From<&Parameter> for ScalarValue {
    fn from(parameter: &Parameter) -> Self {
        match parameter {
            Parameter::Null => Self::Null,
            Parameter::Bool(fact) => Self::Boolean(Some(*fact)),
            Parameter::Int(number) => Self::Int64(Some(*number)),
            Parameter::Float(number) => Self::Float64(Some(*number)),
            Parameter::Text(text) => Self::Utf8View(Some(text.clone())),
            Parameter::Value(value) => value.clone(),
        }
    }
}

/// Reads one statement.
pub(crate) fn parse(text: &str) -> Result<Statement, QueryError> {
    check_length(text)?;
    let classify = |error: DataFusionError| QueryError::classify(&error, text);
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| classify(ParserError::from(error).into()))?;
    if tokens.iter().filter(|token| is_word(&token.token)).count() > STATEMENT_WORDS_MAX {
        return Err(QueryError::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            format!("the statement has more than {STATEMENT_WORDS_MAX} names and operators"),
        )
        .with_hint("write x IN ('a', 'b') instead of x = 'a' OR x = 'b'"));
    }
    let statements = DFParserBuilder::new(tokens)
        .with_dialect(&PostgreSqlDialect {})
        .with_recursion_limit(NESTING_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(classify)?;
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (None, _) => Err(QueryError::new(SqlState::SYNTAX_ERROR, "the statement is empty")),
        (Some(_), Some(_)) => {
            Err(QueryError::new(SqlState::SYNTAX_ERROR, "there is more than one statement")
                .with_hint("send one statement a request"))
        }
        (Some(statement), None) => {
            check_reads(&statement)?;
            shown(statement)
        }
    }
}

/// `SHOW TABLES`, `SHOW COLUMNS` and `DESCRIBE` as the questions they stand for.
fn shown(statement: Statement) -> Result<Statement, QueryError> {
    let Statement::Statement(standard) = &statement else { return Ok(statement) };
    let question = match standard.as_ref() {
        ast::Statement::ShowTables { .. } => format!(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables \
             WHERE table_schema = '{SCHEMA}' ORDER BY table_name"
        ),
        ast::Statement::ExplainTable { table_name, .. } => columns_of(table_name)?,
        ast::Statement::ShowColumns { show_options, .. } => {
            match show_options.show_in.as_ref().and_then(|show_in| show_in.parent_name.as_ref()) {
                Some(table) => columns_of(table)?,
                None => return Err(unknown("SHOW COLUMNS without a table")),
            }
        }
        _ => return Ok(statement),
    };
    DFParserBuilder::new(question.as_str())
        .with_dialect(&PostgreSqlDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statement())
        .map_err(|error| QueryError::classify(&error, &question))
}

/// The question for the columns of a relation.
fn columns_of(table: &ast::ObjectName) -> Result<String, QueryError> {
    let name = table.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone());
    let name = name.unwrap_or_default();
    if !Relations::NAMES.contains(&name.as_str()) {
        return Err(QueryError::unknown_relation(&name));
    }
    Ok(format!(
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
         WHERE table_schema = '{SCHEMA}' AND table_name = '{name}' ORDER BY ordinal_position"
    ))
}

/// The statements of a text, without the semicolons between them; what is only white space and
/// comments is none.
///
/// # Errors
/// The text is too long, or a quote in it does not end.
pub fn split(text: &str) -> Result<Vec<&str>, QueryError> {
    check_length(text)?;
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|error| QueryError::classify(&ParserError::from(error).into(), text))?;
    let lines: Vec<usize> =
        std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let offset = |line: u64, column: u64| -> usize {
        let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
        let start = lines.get(line).copied().unwrap_or(text.len());
        let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
        let rest = text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    };
    let mut parts = Vec::new();
    let (mut start, mut says) = (0, false);
    for token in &tokens {
        match token.token {
            Token::SemiColon => {
                let place = token.span.start;
                let at = offset(place.line, place.column);
                if says {
                    parts.extend(text.get(start..at));
                }
                (start, says) = (at + 1, false);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => says = true,
        }
    }
    if says {
        parts.extend(text.get(start..));
    }
    Ok(parts.into_iter().map(str::trim).collect())
}

fn check_length(text: &str) -> Result<(), QueryError> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(QueryError::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            format!("the statement has more than {STATEMENT_BYTES_MAX} bytes"),
        )
        .with_hint("select tags by a pattern (tag LIKE 'site/line1/%') instead of a list"));
    }
    Ok(())
}

/// Whether a token is a name, a keyword or an operator: what makes a statement complex.
fn is_word(token: &Token) -> bool {
    let literal = matches!(
        token,
        Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::DollarQuotedString(_)
            | Token::Placeholder(_)
    );
    let mark = matches!(
        token,
        Token::Whitespace(_)
            | Token::Comma
            | Token::LParen
            | Token::RParen
            | Token::SemiColon
            | Token::EOF
    );
    !literal && !mark
}

/// Refuses a number of parameters that does not fit the statement, whose calls of functions in
/// place of relations take those up to `called`.
pub(crate) fn check_parameters(
    plan: &LogicalPlan,
    called: usize,
    given: usize,
) -> Result<(), QueryError> {
    if given > PARAMETERS_MAX {
        return Err(QueryError::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("there are more than {PARAMETERS_MAX} parameters"),
        ));
    }
    let names = plan.get_parameter_names().map_err(|error| QueryError::classify(&error, ""))?;
    let mut wanted = 0;
    for name in names.into_iter().chain((called > 0).then(|| format!("${called}"))) {
        let number = name.strip_prefix('$').and_then(|number| number.parse().ok());
        match number {
            Some(number) if number > given => {
                return Err(QueryError::new(
                    SqlState::UNDEFINED_PARAMETER,
                    format!("there is no parameter ${number}"),
                )
                .with_hint(format!("{given} were given")));
            }
            Some(number) => wanted = wanted.max(number),
            None => {
                return Err(QueryError::new(
                    SqlState::SYNTAX_ERROR,
                    format!("parameter \"{name}\" is not a number"),
                )
                .with_hint("write $1, $2, …"));
            }
        }
    }
    if given > wanted {
        return Err(QueryError::new(
            SqlState::PROTOCOL_VIOLATION,
            format!("{given} parameters were given, the statement has {wanted}"),
        ));
    }
    Ok(())
}

/// Refuses a plan that would write.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<(), QueryError> {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(plan)
        .map_err(|_writes| read_only("the statement"))
}

/// Refuses every statement that is not known to do no more than read.
fn check_reads(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => check_standard(statement),
        Statement::Explain(explain) => check_reads(&explain.statement),
        Statement::CreateExternalTable(_) => Err(read_only("CREATE EXTERNAL TABLE")),
        Statement::CopyTo(_) => Err(read_only("COPY")),
        Statement::Reset(_) => Err(unknown("RESET")),
    }
}

fn check_standard(statement: &ast::Statement) -> Result<(), QueryError> {
    use ast::Statement as S;
    match statement {
        S::Query(_) | S::ShowTables { .. } | S::ShowColumns { .. } | S::ExplainTable { .. } => {
            Ok(())
        }
        S::Explain { statement, .. } => check_standard(statement),
        S::Insert(_)
        | S::Update(_)
        | S::Delete(_)
        | S::Merge(_)
        | S::Truncate(_)
        | S::Copy { .. }
        | S::CreateTable(_)
        | S::CreateView(_)
        | S::CreateIndex(_)
        | S::CreateSchema { .. }
        | S::CreateDatabase { .. }
        | S::CreateFunction(_)
        | S::AlterTable(_)
        | S::Drop { .. } => Err(read_only(&word(statement))),
        other => Err(unknown(&word(other))),
    }
}

/// The first word of a statement.
fn word(statement: &ast::Statement) -> String {
    let text = statement.to_string();
    text.split_whitespace().next().unwrap_or_default().to_uppercase()
}

fn read_only(what: &str) -> QueryError {
    QueryError::new(SqlState::READ_ONLY, format!("{what} would write, and SQL here only reads"))
        .with_hint("samples come in over MQTT, OPC UA, line protocol or POST /api/v1/samples")
}

fn unknown(what: &str) -> QueryError {
    QueryError::new(SqlState::FEATURE_NOT_SUPPORTED, format!("{what} is not a statement here"))
        .with_hint("there are SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES, SHOW COLUMNS, DESCRIBE")
}
