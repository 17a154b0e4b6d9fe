//! Rows of SQL as samples: `INSERT INTO samples`.
//!
//! The rows are a question to the query engine, whose answer is written: so literals, parameters,
//! casts and whole SELECTs mean the same here as anywhere.
//!
//! *Invariant.* The command is answered after the sync that covers its last row.

use datafusion::arrow::array::{Array as _, AsArray as _, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampNanosecondType};
use datafusion::sql::sqlparser::ast::{self, Expr, SetExpr};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use tacitus_model::{Quality, Timestamp, Value};
use tacitus_protocol::Point;

use super::failure::{Failure, Stop};
use super::limits::WRITE_ROWS_MAX;
use super::rows::Rows;
use super::socket::Socket;
use super::types::moment;
use crate::ingest::Ingest;

/// A column of `samples`, as far as it can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Tag,
    Ts,
    Value,
    ValueInt,
    Text,
    Quality,
    /// Said by the quality already.
    Good,
}

/// The columns in the order of the relation.
const ALL: [(&str, Target); 7] = [
    ("tag", Target::Tag),
    ("ts", Target::Ts),
    ("value", Target::Value),
    ("value_int", Target::ValueInt),
    ("text", Target::Text),
    ("quality", Target::Quality),
    ("good", Target::Good),
];

impl Target {
    /// The type of its values.
    pub(super) fn kind(self) -> DataType {
        match self {
            Self::Tag | Self::Text => DataType::Utf8View,
            Self::Ts => moment(),
            Self::Value => DataType::Float64,
            Self::ValueInt | Self::Quality => DataType::Int64,
            Self::Good => DataType::Boolean,
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Tag | Self::Text => "text",
            Self::Ts => "timestamp with time zone",
            Self::Value => "double precision",
            Self::ValueInt | Self::Quality => "bigint",
            Self::Good => "boolean",
        }
    }
}

/// The columns that these names mean; all where there are none.
pub(super) fn targets(names: &[String]) -> Result<Vec<Target>, Failure> {
    if names.is_empty() {
        return Ok(ALL.iter().map(|(_, target)| *target).collect());
    }
    let mut targets = Vec::with_capacity(names.len());
    for name in names {
        let found = ALL.iter().find(|(column, _)| column == name).ok_or_else(|| {
            Failure::new("42703", format!("column \"{name}\" does not exist"))
                .hint("there are: tag, ts, value, value_int, text, quality")
        })?;
        if targets.contains(&found.1) {
            return Err(Failure::new("42701", format!("column \"{name}\" is there twice")));
        }
        targets.push(found.1);
    }
    if targets.contains(&Target::Tag) {
        Ok(targets)
    } else {
        Err(Failure::new("23502", "a sample without a tag cannot be kept")
            .hint("name the column tag, and ts and value"))
    }
}

/// The question whose answer is to be written: columns named and typed as in `samples`.
pub(super) fn question(names: &[String], rows: &str) -> Result<String, Failure> {
    let targets = targets(names)?;
    let wrong = |error: &dyn std::fmt::Display| Failure::new("42601", error.to_string());
    let mut statements =
        Parser::parse_sql(&PostgreSqlDialect {}, rows).map_err(|error| wrong(&error))?;
    let Some(ast::Statement::Query(mut query)) = statements.pop() else {
        return Err(Failure::new("42601", "INSERT wants VALUES or SELECT"));
    };
    if let SetExpr::Values(values) = query.body.as_mut() {
        for row in &mut values.rows {
            let cells: &mut Vec<Expr> = row;
            if cells.len() > targets.len() || (!names.is_empty() && cells.len() < targets.len()) {
                return Err(Failure::new("42601", "INSERT has not as many expressions as columns"));
            }
            for (cell, target) in cells.iter_mut().zip(&targets) {
                *cell = typed(cell, *target)?;
            }
        }
    }
    let width = match query.body.as_ref() {
        SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.len()),
        _ => targets.len(),
    };
    let columns: Vec<String> =
        targets.iter().take(width).map(|target| format!("\"{}\"", name(*target))).collect();
    Ok(format!("SELECT * FROM ({query}) AS new_rows ({})", columns.join(", ")))
}

fn name(target: Target) -> &'static str {
    ALL.iter().find(|(_, other)| *other == target).map_or("", |(name, _)| *name)
}

fn typed(cell: &Expr, target: Target) -> Result<Expr, Failure> {
    let text = match cell {
        Expr::Identifier(word) if word.value.eq_ignore_ascii_case("default") => {
            format!("CAST(NULL AS {})", target.sql())
        }
        cell => format!("CAST({cell} AS {})", target.sql()),
    };
    Parser::new(&PostgreSqlDialect {})
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|error| Failure::new("42601", error.to_string()))
}

/// Writes the rows of an answer; how many there were.
pub(super) async fn take(
    socket: &mut Socket,
    ingest: &Ingest,
    mut rows: Rows,
) -> Result<u64, Stop> {
    let mut written = 0;
    while let Some(batch) = rows.next_batch(socket).await? {
        let points = points(&batch)?;
        let mut sink = Sink { ingest, written };
        let mut points = points.into_iter().peekable();
        while points.peek().is_some() {
            let part: Vec<Point> = points.by_ref().take(WRITE_ROWS_MAX).collect();
            sink.write(socket, part).await?;
        }
        written = sink.written;
    }
    Ok(written)
}

/// The way into the store for one command.
pub(super) struct Sink<'i> {
    pub(super) ingest: &'i Ingest,
    /// Rows that are on disk.
    pub(super) written: u64,
}

impl Sink<'_> {
    /// Writes rows and waits for the sync.
    pub(super) async fn write(
        &mut self,
        socket: &mut Socket,
        points: Vec<Point>,
    ) -> Result<(), Stop> {
        let rows = points.len() as u64;
        let resolved = self.ingest.resolve(points, "postgres");
        if let Some(first) = resolved.refused.first() {
            let row = self.written + first.index as u64 + 1;
            let message = format!("row {row}, tag \"{}\": {}", first.path, first.reason);
            return Err(Failure::new("22000", message)
                .hint(format!(
                    "the first {} rows are on disk; correct this one and send it and the rest again",
                    self.written
                ))
                .into());
        }
        socket.during(self.ingest.write(resolved.batch)).await??;
        self.written += rows;
        Ok(())
    }
}

/// Rows with columns of `samples` as points.
fn points(batch: &RecordBatch) -> Result<Vec<Point>, Failure> {
    let column = |name: &str, target: Target| match batch.column_by_name(name) {
        None => Ok(None),
        Some(column) => cast(column, &target.kind())
            .map(Some)
            .map_err(|error| Failure::new("22000", error.to_string())),
    };
    let [tags, times, values, wholes, texts, qualities] = [
        column("tag", Target::Tag)?,
        column("ts", Target::Ts)?,
        column("value", Target::Value)?,
        column("value_int", Target::ValueInt)?,
        column("text", Target::Text)?,
        column("quality", Target::Quality)?,
    ];
    (0..batch.num_rows())
        .map(|row| {
            let valid = |column: &Option<datafusion::arrow::array::ArrayRef>| {
                column.clone().filter(|column| column.is_valid(row))
            };
            let cells = Cells {
                tag: valid(&tags).map(|column| column.as_string_view().value(row).to_owned()),
                ts: valid(&times)
                    .map(|column| column.as_primitive::<TimestampNanosecondType>().value(row)),
                value: valid(&values).map(|column| column.as_primitive::<Float64Type>().value(row)),
                whole: valid(&wholes).map(|column| column.as_primitive::<Int64Type>().value(row)),
                text: valid(&texts).map(|column| column.as_string_view().value(row).to_owned()),
                quality: valid(&qualities)
                    .map(|column| column.as_primitive::<Int64Type>().value(row)),
            };
            cells.point()
        })
        .collect()
}

/// The cells of one row.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) tag: Option<String>,
    pub(super) ts: Option<i64>,
    pub(super) value: Option<f64>,
    pub(super) whole: Option<i64>,
    pub(super) text: Option<String>,
    pub(super) quality: Option<i64>,
}

impl Cells {
    /// The point that the row says.
    pub(super) fn point(self) -> Result<Point, Failure> {
        let Some(tag) = self.tag else {
            return Err(Failure::new("23502", "a sample without a tag cannot be kept"));
        };
        let value = match (self.text, self.whole, self.value) {
            (Some(text), _, _) => Value::Text(text.into()),
            (None, Some(whole), _) => Value::Int(whole),
            (None, None, Some(value)) => Value::Float(value),
            (None, None, None) => Value::Null,
        };
        let quality = match self.quality {
            None => Quality::GOOD,
            Some(code) => Quality(u32::try_from(code).map_err(|_error| {
                Failure::new("22003", format!("{code} is no quality"))
                    .hint("a quality is a status code of OPC UA: 0 is good")
            })?),
        };
        Ok(Point::new(tag, value).at(self.ts.map(Timestamp::from_nanos)).with_quality(quality))
    }
}
