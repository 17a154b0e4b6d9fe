//! Backups of the running store, and what its scrub found.
//!
//! *Invariant.* A backup goes below the configured directory and nowhere else: a name that leads
//! out of it is refused before anything is touched.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tacitus_storage::{BackupOptions, BackupReport, OsDisk};

use super::json::{answer, object};
use super::{Facts, Problem};

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Below the configured directory, or the whole path of a directory there.
    directory: PathBuf,
    /// How many backups the directory keeps.
    #[serde(default = "one")]
    keep: u16,
    /// Whether files may be shared with the store.
    #[serde(default = "yes")]
    links: bool,
}

fn one() -> u16 {
    1
}

fn yes() -> bool {
    true
}

/// `POST /api/v1/backup`.
pub(super) async fn backup(State(facts): State<Arc<Facts>>, body: Bytes) -> Response {
    let request: Request = match object(&body) {
        Ok(request) => request,
        Err(error) => {
            let detail = format!("the body is not understood: {error}");
            let hint = "send {\"directory\": NAME}, and keep or links where wanted";
            return Problem::new(StatusCode::BAD_REQUEST, detail).hint(hint).into_response();
        }
    };
    let Some(place) = below(&facts.backup_dir, &request.directory) else {
        let detail = format!("\"{}\" is not a directory for backups", request.directory.display());
        let hint = format!("name one below \"{}\" (backup.dir)", facts.backup_dir.display());
        return Problem::new(StatusCode::BAD_REQUEST, detail).hint(hint).into_response();
    };
    let options =
        BackupOptions { links: request.links, generations: usize::from(request.keep.max(1)) };
    let engine = Arc::clone(&facts.engine);
    let run = move || engine.backup(&OsDisk::open(&place)?, options);
    match tokio::task::spawn_blocking(run).await {
        Ok(Ok(report)) => document(&report),
        Ok(Err(error)) => Problem::from(&error).into_response(),
        Err(panic) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()).into_response()
        }
    }
}

/// `GET /api/v1/damages`.
pub(super) async fn damages(State(facts): State<Arc<Facts>>) -> Response {
    let damages: Vec<_> = facts.engine.damages().iter().map(crate::cli::damage).collect();
    answer(&json!({ "damages": damages }))
}

/// `POST /api/v1/clock/confirm`.
pub(super) async fn confirm_clock(State(facts): State<Arc<Facts>>) -> Response {
    let engine = Arc::clone(&facts.engine);
    match tokio::task::spawn_blocking(move || engine.confirm_clock()).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(error)) => Problem::from(&error).into_response(),
        Err(panic) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panic.to_string()).into_response()
        }
    }
}

/// The place of a directory below another; `None` for one that is not below it.
fn below(folder: &Path, directory: &Path) -> Option<PathBuf> {
    let inner = if directory.is_absolute() {
        directory.strip_prefix(std::path::absolute(folder).ok()?).ok()?
    } else {
        directory
    };
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let named = inner.components().next().is_some() && inner.components().all(plain);
    named.then(|| folder.join(inner))
}

fn document(report: &BackupReport) -> Response {
    answer(&json!({
        "sequence": report.sequence,
        "generation": report.generation,
        "files": report.files,
        "bytes": report.bytes,
        "files_copied": report.files_copied,
        "bytes_copied": report.bytes_copied,
        "files_linked": report.files_linked,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_must_lie_below_the_folder() {
        let folder = Path::new("/var/backups");
        for (given, place) in [
            ("daily", Some("/var/backups/daily")),
            ("plant/daily", Some("/var/backups/plant/daily")),
            ("/var/backups/daily", Some("/var/backups/daily")),
            ("/var/backups", None),
            ("/var/backups/../x", None),
            ("/etc", None),
            ("../x", None),
            ("a/../../x", None),
            (".", None),
            ("", None),
        ] {
            assert_eq!(below(folder, Path::new(given)), place.map(PathBuf::from), "{given:?}");
        }
    }
}
