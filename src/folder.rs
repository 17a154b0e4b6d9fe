//! A folder that is watched: files of samples that are put into it are stored, each once.
//!
//! ```text
//! DIR/oven.csv ─ unchanged between two looks ─▶ hash ─ known ──────────────▶ DIR/done/oven.csv
//!                                                └─ new ─▶ import ─ read ──▶ DIR/done/oven.csv
//!                                                                 │  some rows wrong: + .errors
//!                                                                 └ unread ▶ DIR/failed/oven.csv + .errors
//! ```
//!
//! *Invariant.* The hash of a file is kept together with the last of its samples, before the file
//! is moved: a crash at any moment leaves it to be taken again, which changes nothing, and content
//! that was taken once is not taken again under another name. A file that is not moved away is
//! still to be taken; none is ever removed.
//!
//! *Not here.* The formats (`tacitus-files`); the import of whole histories (`tacitus import`),
//! which does not go through the log.

mod live;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tacitus_files::{Faults, Format, Input, Spill, Unit};
use tacitus_protocol::samples;
use tacitus_storage::{Document, Engine};

use crate::documents::FILES;
use crate::import::{Error, Imported, Plan, import_naming};
use crate::ingest::Ingest;
use crate::shutdown::Shutdown;
use live::Live;

/// LIMIT: wrong rows that are named in a file of errors; a longer list is read by nobody.
const FAULTS_NAMED_MAX: usize = 10_000;

/// LIMIT: samples in memory before they are put aside to be sorted.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// LIMIT: files that are taken between two looks; the others wait for the next.
const FILES_AT_ONCE: usize = 1_000;

/// How the folder is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The folder.
    pub dir: PathBuf,
    /// The time between two looks.
    pub every: Duration,
    /// Where what does not fit in memory is put aside.
    pub spill_dir: PathBuf,
    /// The largest file of JSON rows, unpacked.
    pub json_bytes_max: usize,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Folder {
    settings: Settings,
    engine: Arc<Engine>,
    ingest: Ingest,
    /// Size and time of change of each file at the last look.
    seen: BTreeMap<PathBuf, (u64, Option<SystemTime>)>,
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// Its samples are stored, but for the rows at fault.
    Stored(Imported),
    /// The same content was taken before.
    Known,
    /// It cannot be read as what its name says.
    Unreadable(String),
}

impl Folder {
    pub(crate) const fn new(settings: Settings, engine: Arc<Engine>, ingest: Ingest) -> Self {
        Self { settings, engine, ingest, seen: BTreeMap::new() }
    }

    /// Looks at the folder until the server stops.
    pub(crate) async fn watch(mut self, shutdown: Shutdown) {
        let mut every = tokio::time::interval(self.settings.every);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                _ = every.tick() => {}
            }
            let stop = shutdown.clone();
            let looked = tokio::task::spawn_blocking(move || {
                self.look(&|| stop.is_requested());
                self
            });
            match looked.await {
                Ok(folder) => self = folder,
                Err(error) => return tracing::error!(%error, "the watch of the folder ended badly"),
            }
        }
    }

    /// Takes every file that has not changed since the last look.
    fn look(&mut self, stops: &dyn Fn() -> bool) {
        let dir = self.settings.dir.clone();
        let files = match files(&dir) {
            Ok(files) => files,
            Err(error) => {
                return tracing::warn!(dir = %dir.display(), %error, "the folder cannot be read");
            }
        };
        let before = std::mem::replace(&mut self.seen, files.clone());
        let settled = files.iter().filter(|(path, state)| before.get(*path) == Some(*state));
        for (path, _) in settled.take(FILES_AT_ONCE) {
            if stops() {
                return;
            }
            match self.take(path) {
                Ok(taken) => {
                    self.seen.remove(path);
                    if let Err(error) = self.put_away(path, &taken) {
                        tracing::error!(file = %path.display(), %error, "the file cannot be moved");
                    }
                }
                // Left where it is, and tried again at the next look.
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "the file is not taken for now");
                }
            }
        }
    }

    fn take(&self, path: &Path) -> Result<Taken, Error> {
        let unread = |source| Error::File { path: path.to_owned(), source };
        let hash = hash(path).map_err(unread)?;
        if self.engine.document(FILES, &hash).is_some() {
            return Ok(Taken::Known);
        }
        let body = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let document =
            Document { collection: FILES, key: hash.to_vec(), body: Some(body.into_bytes()) };
        let mut live = Live::new(&self.engine, &self.ingest, document);
        if is_json(path) {
            return self.take_json(path, &mut live);
        }
        let plan = Plan {
            files: vec![path.to_owned()],
            format: None,
            unit: Unit::BySize,
            kinds: Vec::new(),
            memory_bytes_max: MEMORY_BYTES_MAX,
        };
        let spill = Spill::in_dir(&self.settings.spill_dir);
        match import_naming(&plan, spill, &mut live, Faults::naming(FAULTS_NAMED_MAX)) {
            Ok(imported) => Ok(Taken::Stored(imported)),
            Err(Error::File { source, .. }) => Ok(Taken::Unreadable(source.to_string())),
            Err(error) => Err(error),
        }
    }

    fn take_json(&self, path: &Path, live: &mut Live<'_>) -> Result<Taken, Error> {
        let unreadable = |error: io::Error| Taken::Unreadable(error.to_string());
        let max = self.settings.json_bytes_max;
        let mut bytes = Vec::new();
        // LIMIT: the rows of a list are in memory together.
        let read = Input::open(path)
            .and_then(|mut input| input.bytes().take(max as u64 + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return Ok(unreadable(error));
        }
        if bytes.len() > max {
            return Ok(Taken::Unreadable(format!(
                "it has more than {max} bytes: write CSV or Parquet, or raise http.body"
            )));
        }
        let each = match samples::parse_each(&bytes) {
            Ok(each) => each,
            Err(error) => return Ok(Taken::Unreadable(error.reason)),
        };
        let file = path.display().to_string();
        let mut faults = Faults::naming(FAULTS_NAMED_MAX);
        for error in each.refused {
            faults.add(&file, error.row as u64, || error.reason);
        }
        live.keep_points(each.points, &file, &mut faults).map(Taken::Stored)
    }

    /// Moves a file to where it belongs, with the file of errors beside it.
    fn put_away(&self, path: &Path, taken: &Taken) -> io::Result<()> {
        let (place, errors) = match taken {
            Taken::Stored(imported) => ("done", errors(&imported.faults)),
            Taken::Known => ("done", String::new()),
            Taken::Unreadable(reason) => ("failed", format!("{reason}\n")),
        };
        let place = self.settings.dir.join(place);
        fs::create_dir_all(&place)?;
        let target = free(&place, path);
        if !errors.is_empty() {
            let mut name = target.clone().into_os_string();
            name.push(".errors");
            fs::write(PathBuf::from(name), errors)?;
        }
        fs::rename(path, &target)?;
        self.note(path, taken);
        let file = path.display();
        match taken {
            Taken::Stored(Imported { samples, tags, faults }) => {
                tracing::info!(%file, samples, tags, refused = faults.count, "file taken");
            }
            Taken::Known => tracing::info!(%file, "file was taken before"),
            Taken::Unreadable(reason) => tracing::warn!(%file, reason, "file cannot be read"),
        }
        Ok(())
    }

    /// The first fault of a file, for those who look at refusals and not into the folder.
    fn note(&self, path: &Path, taken: &Taken) {
        let source = format!("file:{}", path.file_name().unwrap_or_default().to_string_lossy());
        match taken {
            Taken::Stored(Imported { faults, .. }) => {
                let Some(first) = faults.named.first() else { return };
                let name = format!("row {}", first.line);
                let count = usize::try_from(faults.count).unwrap_or(usize::MAX);
                self.ingest.refused((&source, &name), ("file_row", &first.reason), b"", count);
            }
            Taken::Unreadable(reason) => {
                self.ingest.refused((&source, ""), ("file", reason), b"", 1);
            }
            Taken::Known => {}
        }
    }
}

/// The files in a folder that are to be taken, with size and time of change: those whose names say
/// that they are not finished are left alone.
fn files(dir: &Path) -> io::Result<BTreeMap<PathBuf, (u64, Option<SystemTime>)>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let data = entry.metadata()?;
        let unfinished = name.starts_with('.')
            || [".tmp", ".part", ".errors"].iter().any(|end| name.ends_with(end));
        if data.is_file() && !unfinished {
            found.insert(path, (data.len(), data.modified().ok()));
        }
    }
    Ok(found)
}

/// The SHA-256 of what is in a file.
fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = fs::File::open(path)?;
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        context.update(buffer.get(..length).unwrap_or_default());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(hash)
}

/// Whether a name says JSON rows: `.json`, `.jsonl`, `.ndjson`, also packed.
fn is_json(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    let json = [".json", ".jsonl", ".ndjson"].iter().any(|end| name.ends_with(end));
    json && Format::of(path).is_none()
}

/// A name in `place` that no file has.
fn free(place: &Path, path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default();
    let first = place.join(name);
    if !first.exists() {
        return first;
    }
    (2..u64::MAX)
        .map(|number| place.join(format!("{}.{number}", name.to_string_lossy())))
        .find(|candidate| !candidate.exists())
        .unwrap_or(first)
}

fn errors(faults: &Faults) -> String {
    let mut text = String::new();
    for fault in &faults.named {
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{}: {}", fault.line, fault.reason);
    }
    let more = faults.count.saturating_sub(faults.named.len() as u64);
    if more > 0 {
        let _infallible = writeln!(text, "… and {more} more");
    }
    text
}
