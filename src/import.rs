//! Files into a store: its own directory, or a running server.
//!
//! ```text
//! 1st pass  files ─▶ names and kinds ─▶ Store::target   a tag for each, new or known
//! 2nd pass  files ─▶ sort ─▶ blocks by tag and time ─▶ Store::keep
//! ```
//!
//! Two passes, because a column of `1, 2, 3, 4.5` is one of floats from its first row.
//!
//! *Invariant.* A row that cannot be kept costs itself alone and is told; importing a file again
//! changes nothing, as a sample is known by its tag and time. Memory is bounded, whatever the
//! length of the files.
//!
//! *Not here.* The formats (`tacitus-files`), the command line.

mod directory;
mod line;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use tacitus_files::{
    Faults, Form, Format, Input, Loader, Names, Rows, Sorted, Sorter, Spill, Survey, Target, Unit,
    read_csv, stem,
};
use tacitus_model::Kind;

use crate::ingest::WriteError;

pub(crate) use directory::Directory;
pub(crate) use server::Server;

/// What to import.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The files, in the order in which they win over each other: the last one does.
    pub(crate) files: Vec<PathBuf>,
    /// Their form, where the names do not tell it.
    pub(crate) format: Option<Format>,
    /// The unit of times that are numbers.
    pub(crate) unit: Unit,
    /// Kinds for new tags, by path or by the last part of it.
    pub(crate) kinds: Vec<(String, Kind)>,
    /// About how much memory samples may take before they are spilled.
    pub(crate) memory_bytes_max: usize,
}

/// What became of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Samples that were stored.
    pub(crate) samples: u64,
    /// Tags they belong to.
    pub(crate) tags: usize,
    /// Rows that were not.
    pub(crate) faults: Faults,
}

/// Why an import ended before its end. What was stored until then stays stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file cannot be read.
    #[error("could not read \"{}\": {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What does not fit in memory cannot be put aside, or not be read back.
    #[error("could not sort the samples: {0}")]
    Sort(io::Error),
    /// The store refused.
    #[error("{0}")]
    Store(tacitus_storage::Error),
    /// The server refused, in the words to show.
    #[error("{0}")]
    Server(String),
    /// The way into the running store is shut or narrow for now.
    #[error("{0}")]
    Write(WriteError),
}

/// Where samples go.
pub(crate) trait Store {
    /// The tag of a name, which is new if there is none; `kind` is for a new one, where there is a
    /// value to tell it.
    ///
    /// # Errors
    /// Why there can be none.
    fn target(&mut self, form: &Form, kind: Option<Kind>) -> Result<Target, String>;

    /// Keeps all samples; how many were kept. Those that are refused one by one go to `faults`.
    ///
    /// # Errors
    /// Why not all were kept.
    fn keep(&mut self, sorted: Sorted, faults: &mut Faults) -> Result<u64, Error>;
}

/// Imports files.
///
/// # Errors
/// Why not all of them were read, or not all samples stored.
pub(crate) fn import(plan: &Plan, spill: Spill, store: &mut dyn Store) -> Result<Imported, Error> {
    import_naming(plan, spill, store, Faults::default())
}

/// The same, with room of its own for faults to be named.
///
/// # Errors
/// As [`import`].
pub(crate) fn import_naming(
    plan: &Plan,
    spill: Spill,
    store: &mut dyn Store,
    mut faults: Faults,
) -> Result<Imported, Error> {
    let mut names = Names::default();
    for path in &plan.files {
        plan.survey(path, &mut names).map_err(|source| file_error(path, source))?;
    }
    let targets: Vec<Result<Target, String>> =
        names.forms().iter().map(|form| plan.target(form, store)).collect();
    let mut sorter = Sorter::new(plan.memory_bytes_max, spill);
    for path in &plan.files {
        let file = path.display().to_string();
        let mut loader = Loader {
            names: &mut names,
            targets: &targets,
            sorter: &mut sorter,
            faults: &mut faults,
            file: &file,
        };
        plan.read(path, &mut loader).map_err(|source| file_error(path, source))?;
    }
    let tags = targets.iter().filter(|target| target.is_ok()).count();
    let samples = store.keep(sorter.finish().map_err(Error::Sort)?, &mut faults)?;
    Ok(Imported { samples, tags, faults })
}

fn file_error(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.to_owned(), source }
}

impl Plan {
    fn format(&self, path: &Path) -> io::Result<Format> {
        self.format.or_else(|| Format::of(path)).ok_or_else(|| {
            let text = "its name does not tell its form: name it .csv, .parquet or .lp (before \
                        .gz and .zst), or say --format";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    }

    /// The first pass over a file.
    fn survey(&self, path: &Path, names: &mut Names) -> io::Result<()> {
        if self.format(path)? == Format::Line {
            return line::survey(&mut Input::open(path)?, self.unit, names);
        }
        let mut survey = Survey { names, rows: 0 };
        match self.format(path)? {
            Format::Parquet => tacitus_files::survey_parquet(path, &stem(path), &mut survey),
            _ => self.read(path, &mut survey),
        }
    }

    fn read(&self, path: &Path, rows: &mut dyn Rows) -> io::Result<()> {
        match self.format(path)? {
            Format::Csv => read_csv(Input::open(path)?.bytes(), &stem(path), self.unit, rows),
            Format::Line => line::read(&mut Input::open(path)?, self.unit, rows),
            Format::Parquet => tacitus_files::read_parquet(path, &stem(path), self.unit, rows),
        }
    }

    fn target(&self, form: &Form, store: &mut dyn Store) -> Result<Target, String> {
        let path = form.path.as_str();
        let last = path.rsplit_once('/').map_or(path, |(_, last)| last);
        let said = self.kinds.iter().find(|(name, _)| name == path);
        let said = said.or_else(|| self.kinds.iter().find(|(name, _)| name == last));
        store.target(form, said.map(|(_, kind)| *kind).or_else(|| form.kind()))
    }
}
