//! Commands on the files of a store: backup, restore, verify, repair.
//!
//! *Invariant.* All but an online backup take the lock of the directory first, so none of them
//! meets a running server. What is found damaged, or could not be done, ends with exit code 3 and
//! never with 0.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::SecondsFormat;
use clap::Args;
use serde_json::{Value, json};
use tacitus_model::Timestamp;
use tacitus_storage::{
    BackupOptions, BackupReport, Damage, Disk, Error, OsDisk, RepairOptions, RestoreOptions,
};

use super::Exit;
use super::directory::{Place, refuse};
use super::output::{complain, say};
use super::request::Target;
use crate::config::Data;
use crate::server::open_engine;

/// `tacitus backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The directory of the backups; of a running server: below its backup.dir
    directory: String,
    /// How many backups the directory keeps
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    keep: u16,
    /// Copy files also where they could be shared with the store
    #[arg(long)]
    copy: bool,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    target: Target,
}

/// `tacitus restore`.
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The directory of the backups
    directory: PathBuf,
    /// Which of the backups [default: the newest]
    #[arg(long, value_name = "NUMBER")]
    generation: Option<u64>,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// `tacitus verify`.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// A directory of backups, or a data directory [default: the data directory]
    directory: Option<PathBuf>,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// `tacitus repair`.
#[derive(Debug, Args)]
pub(super) struct Repair {
    /// Go on where records or definitions are lost for good
    #[arg(long)]
    salvage: bool,
    /// The answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn backup(command: &Backup) -> Exit {
    if !command.place.is_named() {
        return backup_online(command);
    }
    answer(&command.place, command.json, |data| {
        // A directory that is not there is no store to back up.
        drop(OsDisk::open_existing(&data.dir)?);
        let engine = open_engine(data)?;
        let to = OsDisk::open(Path::new(&command.directory))?;
        let options =
            BackupOptions { links: !command.copy, generations: usize::from(command.keep) };
        let report = engine.backup(&to, options)?;
        engine.close();
        Ok((in_json(&report), in_words(&report), true))
    })
}

fn backup_online(command: &Backup) -> Exit {
    let body = json!({
        "directory": command.directory,
        "keep": command.keep,
        "links": !command.copy,
    });
    let answer = command.target.post("/api/v1/backup", "application/json", &body.to_string());
    let text = answer.and_then(|mut response| {
        let text = response.body_mut().read_to_string();
        text.map_err(|error| format!("error: the answer broke off: {error}\n"))
    });
    match text {
        Ok(text) if command.json => say(&format!("{}\n", text.trim_end())),
        Ok(text) => {
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            let figure = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
            say(&in_words(&BackupReport {
                sequence: figure("sequence"),
                generation: figure("generation"),
                files: figure("files"),
                bytes: figure("bytes"),
                files_copied: figure("files_copied"),
                bytes_copied: figure("bytes_copied"),
                files_linked: figure("files_linked"),
            }))
        }
        Err(complaint) => {
            complain(&complaint);
            Exit::Failed
        }
    }
}

pub(super) fn restore(command: &Restore) -> Exit {
    answer(&command.place, command.json, |data| {
        let from = OsDisk::open_existing(&command.directory)?;
        let to: Arc<dyn Disk> = Arc::new(OsDisk::open(&data.dir)?);
        let options =
            RestoreOptions { generation: command.generation, log_file_bytes: data.log_file_bytes };
        let report = tacitus_storage::restore(&from, &to, options)?;
        let document = json!({
            "sequence": report.sequence,
            "generation": report.generation,
            "taken_at": moment(report.taken_at),
            "files": report.files,
            "bytes": report.bytes,
        });
        let words = format!(
            "restored backup {} up to sequence {}: {} files, {} bytes\n",
            report.generation, report.sequence, report.files, report.bytes
        );
        Ok((document, words, true))
    })
}

pub(super) fn verify(command: &Verify) -> Exit {
    answer(&command.place, command.json, |data| {
        let dir = command.directory.as_ref().unwrap_or(&data.dir);
        let report = tacitus_storage::verify(&OsDisk::open_existing(dir)?)?;
        let document = json!({
            "files": report.files,
            "bytes": report.bytes,
            "samples": report.samples,
            "sequence": report.sequence,
            "damages": report.damages.iter().map(damage).collect::<Vec<_>>(),
            "put_aside": report.put_aside,
        });
        let verdict = match report.damages.len() {
            0 => "sound".to_owned(),
            1 => "1 place is damaged".to_owned(),
            count => format!("{count} places are damaged"),
        };
        let words = format!(
            "{}{verdict}: {} files, {} samples, sequence {}\n",
            lines(&report.damages),
            report.files,
            report.samples,
            report.sequence
        );
        Ok((document, words, report.damages.is_empty()))
    })
}

pub(super) fn repair(command: &Repair) -> Exit {
    answer(&command.place, command.json, |data| {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::open_existing(&data.dir)?);
        let options =
            RepairOptions { salvage: command.salvage, log_file_bytes: data.log_file_bytes };
        let report = tacitus_storage::repair(&disk, options)?;
        let left = &report.after.damages;
        let document = json!({
            "found": report.found.iter().map(damage).collect::<Vec<_>>(),
            "samples_lost": report.samples_lost,
            "samples_saved": report.samples_saved,
            "written": report.written,
            "put_aside": report.put_aside,
            "left": left.iter().map(damage).collect::<Vec<_>>(),
        });
        let words = format!(
            "{}{} samples lost, {} saved; put aside: {}; {} places are still damaged\n",
            lines(&report.found),
            report.samples_lost,
            report.samples_saved,
            if report.put_aside.is_empty() {
                "nothing".to_owned()
            } else {
                report.put_aside.join(", ")
            },
            left.len()
        );
        Ok((document, words, left.is_empty()))
    })
}

/// Runs a command with the settings of the store; says what came of it.
fn answer(
    place: &Place,
    json: bool,
    run: impl FnOnce(&Data) -> Result<(Value, String, bool), Error>,
) -> Exit {
    let data = match place.settings() {
        Ok(data) => data,
        Err(exit) => return exit,
    };
    match run(&data) {
        Ok((document, words, sound)) => {
            let said = if json { say(&format!("{document}\n")) } else { say(&words) };
            if sound { said } else { Exit::Data }
        }
        Err(error) => match refuse(&error) {
            // What cannot be done with these directories is told as data, not as configuration.
            Exit::Configuration => Exit::Data,
            exit => exit,
        },
    }
}

fn in_json(report: &BackupReport) -> Value {
    json!({
        "sequence": report.sequence,
        "generation": report.generation,
        "files": report.files,
        "bytes": report.bytes,
        "files_copied": report.files_copied,
        "bytes_copied": report.bytes_copied,
        "files_linked": report.files_linked,
    })
}

fn in_words(report: &BackupReport) -> String {
    format!(
        "backup {} holds everything up to sequence {}: {} files, {} bytes; {} copied, {} linked\n",
        report.generation,
        report.sequence,
        report.files,
        report.bytes,
        report.files_copied,
        report.files_linked
    )
}

/// A damage as a document.
pub(crate) fn damage(damage: &Damage) -> Value {
    json!({
        "file": damage.file,
        "offset": damage.offset,
        "bytes": damage.bytes,
        "what": damage.what,
        "tag": damage.path,
        "tag_id": damage.tag.map(|tag| tag.0),
        "first": damage.range.map(|range| moment(range.first)),
        "last": damage.range.map(|range| moment(range.last)),
        "samples": damage.samples,
    })
}

/// Damages for people, one a line.
fn lines(damages: &[Damage]) -> String {
    let line = |damage: &Damage| {
        let tag = damage.path.as_ref().map(|path| format!(", tag \"{path}\"")).unwrap_or_default();
        let times = damage
            .range
            .map(|range| format!(", {} to {}", moment(range.first), moment(range.last)))
            .unwrap_or_default();
        format!("damaged: {} at {}{tag}{times}: {}\n", damage.file, damage.offset, damage.what)
    };
    damages.iter().map(line).collect()
}

/// A time as RFC 3339.
fn moment(ts: Timestamp) -> String {
    chrono::DateTime::from_timestamp_nanos(ts.nanos()).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
