//! `tacitus sql`: a question to a running server, answered as a table, JSON or CSV.
//!
//! *Not here.* Opening the data directory: the server owns it.

use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::Exit;
use super::output::{complain, say};
use super::request::Target;

/// What to ask and how to show the answer.
#[derive(Debug, Args)]
pub(super) struct Question {
    /// The question, in SQL
    query: String,
    #[command(flatten)]
    target: Target,
    /// How the answer looks
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

pub(super) fn run(question: &Question) -> Exit {
    let accept = if question.format == Format::Csv { "text/csv" } else { "application/json" };
    let answer =
        question.target.post("/api/v1/sql", accept, &question.query).and_then(|mut response| {
            let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
            body.read_to_string().map_err(|error| format!("error: the answer broke off: {error}\n"))
        });
    let text = answer.and_then(|text| match question.format {
        Format::Csv => Ok(text),
        Format::Json => Ok(format!("{}\n", text.trim_end())),
        Format::Table => serde_json::from_str(&text)
            .map(|answer| table(&answer))
            .map_err(|error| format!("error: the answer is not what a Tacitus sends: {error}\n")),
    });
    match text {
        Ok(text) => say(&text),
        Err(complaint) => {
            complain(&complaint);
            Exit::Failed
        }
    }
}

/// LIMIT: an answer is held in memory to be aligned; more than this is for another tool.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug, Deserialize)]
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
}

/// The answer with aligned columns: numbers to the right, everything else to the left.
fn table(answer: &Answer) -> String {
    let names: Vec<String> = answer.columns.iter().map(|column| cell_text(&column.name)).collect();
    let rows: Vec<Vec<String>> =
        answer.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let right: Vec<bool> = (0..names.len())
        .map(|index| {
            let mut values = answer.rows.iter().filter_map(|row| row.get(index));
            values.clone().any(Value::is_number)
                && values.all(|value| value.is_number() || value.is_null())
        })
        .collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).zip(&right).map(|((cell, width), right)| {
            if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let noun = if rows.len() == 1 { "row" } else { "rows" };
    let body: Vec<String> = [&names, &rule].into_iter().chain(&rows).map(|row| line(row)).collect();
    format!("{}({} {noun})\n", body.concat(), rows.len())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => cell_text(text),
        other => cell_text(&other.to_string()),
    }
}

/// Text from a plant must not move the cursor of whoever reads it.
fn cell_text(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let escaped = letter.is_control().then(|| letter.escape_default());
            let plain = escaped.is_none().then_some(letter);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_texts_left_and_null_is_empty() {
        let answer = r#"{"columns":[{"name":"tag","type":"text"},{"name":"value","type":"double"}],
                         "rows":[["a/b",1.5],["long/name",null],["c\u001b",-20]]}"#;
        let shown = table(&serde_json::from_str(answer).unwrap());
        assert_eq!(
            shown,
            "tag        value\n---------  -----\na/b          1.5\nlong/name\nc\\u{1b}      -20\n\
             (3 rows)\n"
        );
    }
}
