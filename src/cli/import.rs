//! `tacitus import`: files into a data directory or a running server.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use tacitus_files::{Faults, Format, Spill, Unit};
use tacitus_model::Kind;

use super::Exit;
use super::directory::{Place, refuse};
use super::output::{complain, say};
use crate::import::{Directory, Error, Imported, Plan, Server, Store, import};

/// What to import, and where to.
#[derive(Debug, Args)]
pub(super) struct Order {
    /// CSV, Parquet or line protocol, also packed with gzip or zstd
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// A running server to send to, instead of a directory
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    url: Option<String>,
    /// csv, parquet or line, where the names of the files do not tell it
    #[arg(long, value_name = "FORM", value_parser = form)]
    format: Option<Format>,
    /// The kind of a new tag or column: temp=float, door=bool; otherwise its values tell it
    #[arg(long = "kind", value_name = "NAME=KIND", value_parser = kind)]
    kinds: Vec<(String, Kind)>,
    /// The unit of times that are numbers: s, ms, us, ns [default: by their size]
    #[arg(long, value_name = "UNIT", value_parser = unit)]
    time_unit: Option<Unit>,
    /// About how many MiB of samples to hold in memory before they are put aside on disk
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    memory: u32,
}

fn form(text: &str) -> Result<Format, String> {
    Format::from_name(text).ok_or_else(|| "use csv, parquet or line".to_owned())
}

fn unit(text: &str) -> Result<Unit, String> {
    Unit::from_name(text).ok_or_else(|| "use s, ms, us or ns".to_owned())
}

fn kind(text: &str) -> Result<(String, Kind), String> {
    let (name, kind) = text.rsplit_once('=').ok_or("write NAME=KIND, as in temp=float")?;
    let kind = Kind::from_name(kind).ok_or("use float, int, bool, state or text")?;
    Ok((name.to_owned(), kind))
}

pub(super) fn run(order: &Order) -> Exit {
    let plan = Plan {
        files: order.files.clone(),
        format: order.format,
        unit: order.time_unit.unwrap_or_default(),
        kinds: order.kinds.clone(),
        memory_bytes_max: (order.memory as usize) << 20,
    };
    if let Some(url) = &order.url {
        return finish(&plan, Spill::in_dir(&std::env::temp_dir()), &mut Server::new(url));
    }
    match order.place.open() {
        Ok(opened) => {
            let engine = opened.engine;
            // Beside the data, where there is room for it.
            let spill = Spill::in_dir(&opened.dir);
            let exit = finish(&plan, spill, &mut Directory::new(engine.clone()));
            let rested = engine.rest();
            engine.close();
            rested.map_or_else(|error| refuse(&error), |()| exit)
        }
        Err(exit) => exit,
    }
}

fn finish(plan: &Plan, spill: Spill, store: &mut dyn Store) -> Exit {
    match import(plan, spill, store) {
        Ok(imported) => tell(&imported, plan.files.len()),
        Err(Error::Store(error)) => refuse(&error),
        Err(error) => {
            complain(&format!("error: {error}\n  hint: {}\n", hint(&error)));
            Exit::Failed
        }
    }
}

fn hint(error: &Error) -> &'static str {
    match error {
        Error::File { .. } => "correct it, or leave the file out; nothing was stored",
        Error::Sort(_) => "make room on the disk, or give more --memory; nothing was stored",
        Error::Store(_) | Error::Server(_) | Error::Write(_) => {
            "import again once it is mended: the same samples written twice are the same samples"
        }
    }
}

/// Says what was stored and what was not.
fn tell(imported: &Imported, files: usize) -> Exit {
    let Imported { samples, tags, faults } = imported;
    complain(&told(faults));
    let done = say(&format!("imported {samples} samples of {tags} tags from {files} files\n"));
    if done == Exit::Done && faults.count > 0 { Exit::Partial } else { done }
}

fn told(faults: &Faults) -> String {
    let mut text = String::new();
    for fault in &faults.named {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{fault}");
    }
    let named = faults.named.len() as u64;
    if faults.count > named {
        let _infallible = writeln!(text, "… and {} more", faults.count - named);
    }
    if faults.count > 0 {
        let _infallible = writeln!(
            text,
            "warning: {} rows were not imported\n  hint: correct them and import the file again",
            faults.count
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_said_by_the_last_equals_sign() {
        assert_eq!(kind("oven/zone=2/temp=float"), Ok(("oven/zone=2/temp".into(), Kind::Float)));
        assert!(kind("temp").is_err());
        assert!(kind("temp=double").is_err());
    }

    #[test]
    fn the_first_faults_are_named_and_the_rest_is_counted() {
        let mut faults = Faults::default();
        for line in 1..=22 {
            faults.add("a.csv", line, || "not a time".to_owned());
        }
        let text = told(&faults);
        assert!(text.starts_with("a.csv:1: not a time\na.csv:2: "), "{text}");
        assert!(text.contains("a.csv:20: not a time\n… and 2 more\nwarning: 22 rows"), "{text}");
        assert_eq!(told(&Faults::default()), "");
    }
}
