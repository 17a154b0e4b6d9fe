//! `tacitus export`: samples of a data directory or a running server into a file.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use tacitus_files::{Format, Output, Unit, parse_time};
use tacitus_model::{TimeRange, Timestamp};

use super::Exit;
use super::directory::{Place, refuse};
use super::output::complain;
use super::request::Target;
use crate::export::{Answer, Choice, Error, Exported, Sheet, from_engine, statement};

/// What to export, and where from.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// The file; packed if it ends in .gz or .zst [default: standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// A tag, or a pattern: * is one level or a part of it, ** any levels [default: all]
    #[arg(long = "tag", value_name = "PATTERN")]
    tags: Vec<String>,
    /// The first moment, as 2026-01-31T06:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// The last moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// csv, parquet or line [default: as the name of the file says, else csv]
    #[arg(long, value_name = "FORM", value_parser = form)]
    format: Option<Format>,
    #[command(flatten)]
    place: Place,
    /// A running server to ask, instead of a directory
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    url: Option<String>,
}

fn form(text: &str) -> Result<Format, String> {
    Format::from_name(text).ok_or_else(|| "use csv, parquet or line".to_owned())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    parse_time(text, Unit::BySize).map(Timestamp::from_nanos).map_err(str::to_owned)
}

pub(super) fn run(order: &Order) -> Exit {
    let named = order.file.as_deref().and_then(Format::of);
    let format = order.format.or(named).unwrap_or(Format::Csv);
    match write(order, format) {
        Ok(exported) => {
            if exported.left_out > 0 {
                complain(&format!(
                    "warning: {} samples were left out\n  hint: line protocol has no word for a \
                     sample that is not good, has no value, or is not finite; csv and parquet do\n",
                    exported.left_out
                ));
            }
            complain(&format!("exported {} samples\n", exported.samples));
            Exit::Done
        }
        Err(Failed::Told(exit)) => exit,
        Err(Failed::Export(Error::Store(error))) => refuse(&error),
        // A reader that closes early is no error: the rest is not wanted.
        Err(Failed::Export(Error::Write(error))) if error.kind() == io::ErrorKind::BrokenPipe => {
            Exit::Done
        }
        Err(Failed::Export(error)) => {
            complain(&format!("error: {error}\n"));
            Exit::Failed
        }
    }
}

/// Why nothing, or not all, was exported.
enum Failed {
    /// It was told already.
    Told(Exit),
    Export(Error),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Export(error.into())
    }
}

fn write(order: &Order, format: Format) -> Result<Exported, Failed> {
    match &order.file {
        Some(path) => {
            let (out, exported) = fill(order, Sheet::new(format, Output::create(path)?)?)?;
            out.finish()?;
            Ok(exported)
        }
        None => Ok(fill(order, Sheet::new(format, io::BufWriter::new(io::stdout()))?)?.1),
    }
}

/// Writes the samples from where they are.
fn fill<W: Write + Send>(order: &Order, mut sheet: Sheet<W>) -> Result<(W, Exported), Failed> {
    let first = order.from.unwrap_or(Timestamp::MIN);
    let range = TimeRange { first, last: order.to.unwrap_or(Timestamp::MAX) };
    let choice = Choice { tags: order.tags.clone(), range };
    let samples = if let Some(url) = &order.url {
        let target = Target { url: url.clone() };
        let answer =
            target.post("/api/v1/sql", "application/vnd.apache.arrow.stream", &statement(&choice));
        let answer = answer.map_err(|complaint| {
            complain(&complaint);
            Failed::Told(Exit::Failed)
        })?;
        let stream = Answer::new(answer.into_body().into_reader())?;
        stream.read(|tag, block| Ok(sheet.block(tag, block)?))?
    } else {
        let opened = order.place.open().map_err(Failed::Told)?;
        let samples = from_engine(&opened.engine, &choice, &mut sheet);
        opened.engine.close();
        samples?
    };
    Ok(sheet.finish(samples)?)
}
