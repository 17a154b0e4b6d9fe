//! Samples of a store into a file: from its own directory, or from a running server.
//!
//! *Invariant.* A file holds one moment of the store, its tags in the order of their paths, each
//! in the order of time. What the form of the file cannot say is left out and counted.
//!
//! *Not here.* The forms (`tacitus-files`), the command line.

mod answer;

use std::io::{self, Write};

use regex::Regex;
use tacitus_files::{CsvWriter, Format, LineWriter, ParquetWriter};
use tacitus_model::{TagDefinition, TimeRange};
use tacitus_storage::{Block, Engine};

pub(crate) use answer::{Answer, statement};

/// What to export.
#[derive(Debug)]
pub(crate) struct Choice {
    /// Patterns of paths; a tag is exported if one fits, or if there is none.
    pub(crate) tags: Vec<String>,
    /// From when until when, both included.
    pub(crate) range: TimeRange,
}

impl Choice {
    /// The patterns as one regular expression; `None` where every tag is chosen.
    pub(crate) fn expression(&self) -> Option<String> {
        let any: Vec<String> = self.tags.iter().map(|pattern| expression(pattern)).collect();
        (!any.is_empty()).then(|| format!("^({})$", any.join("|")))
    }
}

/// A pattern as a regular expression: `*` is any letters of one level, `**` any letters, `?` one.
fn expression(pattern: &str) -> String {
    let mut expression = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => expression.push_str(".*"),
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            c => expression.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    expression
}

/// A file that is being written, of any form.
#[derive(Debug)]
pub(crate) enum Sheet<W: Write + Send> {
    Csv(CsvWriter<W>),
    Line(LineWriter<W>),
    Parquet(Box<ParquetWriter<W>>),
}

/// What was written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exported {
    /// Samples.
    pub(crate) samples: u64,
    /// Samples that the form cannot say.
    pub(crate) left_out: u64,
}

impl<W: Write + Send> Sheet<W> {
    /// Begins a file.
    pub(crate) fn new(format: Format, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(CsvWriter::new(out)?),
            Format::Line => Self::Line(LineWriter::new(out)),
            Format::Parquet => Self::Parquet(Box::new(ParquetWriter::new(out)?)),
        })
    }

    /// Writes samples of a tag.
    pub(crate) fn block(&mut self, tag: &TagDefinition, block: &Block) -> io::Result<()> {
        match self {
            Self::Csv(out) => out.block(tag, block),
            Self::Line(out) => out.block(tag, block),
            Self::Parquet(out) => out.block(tag, block),
        }
    }

    /// Ends the file; what of `samples` was written.
    pub(crate) fn finish(self, samples: u64) -> io::Result<(W, Exported)> {
        let left_out = if let Self::Line(out) = &self { out.left_out() } else { 0 };
        let out = match self {
            Self::Csv(out) => out.finish()?,
            Self::Line(out) => out.finish()?,
            Self::Parquet(out) => out.finish()?,
        };
        Ok((out, Exported { samples: samples.saturating_sub(left_out), left_out }))
    }
}

/// Why an export ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be written.
    #[error("could not write: {0}")]
    Write(#[from] io::Error),
    /// The store cannot be read.
    #[error("{0}")]
    Store(tacitus_storage::Error),
    /// A pattern cannot be used.
    #[error("the patterns cannot be used: {0}")]
    Pattern(Box<regex::Error>),
    /// The server refused, in the words to show, or answered something else.
    #[error("{0}")]
    Server(String),
}

/// Writes the chosen samples of an engine; how many there were.
///
/// # Errors
/// What cannot be read or written.
pub(crate) fn from_engine<W: Write + Send>(
    engine: &Engine,
    choice: &Choice,
    sheet: &mut Sheet<W>,
) -> Result<u64, Error> {
    let expression = choice.expression().map(|text| Regex::new(&text)).transpose();
    let expression = expression.map_err(|error| Error::Pattern(Box::new(error)))?;
    let snapshot = engine.snapshot();
    let mut tags = snapshot.tags();
    tags.retain(|tag| {
        expression
            .as_ref()
            .is_none_or(|expression| expression.is_match(tag.definition.path.as_str()))
    });
    tags.sort_by(|a, b| a.definition.path.cmp(&b.definition.path));
    let mut samples = 0;
    for tag in tags {
        for block in snapshot.scan(tag.id, choice.range) {
            let block = block.map_err(Error::Store)?;
            samples += block.len() as u64;
            sheet.block(&tag.definition, &block)?;
        }
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_on_its_level_and_two_do_not() {
        let choice =
            |pattern: &str| Choice { tags: vec![pattern.to_owned()], range: TimeRange::ALL };
        for (pattern, path, fits) in [
            ("plant/*/temp", "plant/oven/temp", true),
            ("plant/*/temp", "plant/oven/1/temp", false),
            ("plant/**/temp", "plant/oven/1/temp", true),
            ("plant/**", "plant/oven", true),
            ("plant/oven?", "plant/oven1", true),
            ("plant/oven?", "plant/oven", false),
            ("a.b(c)", "a.b(c)", true),
            ("a.b", "axb", false),
            ("**", "anything/at all", true),
        ] {
            let expression = Regex::new(&choice(pattern).expression().unwrap()).unwrap();
            assert_eq!(expression.is_match(path), fits, "{pattern} {path}");
        }
        assert_eq!(Choice { tags: Vec::new(), range: TimeRange::ALL }.expression(), None);
    }
}
