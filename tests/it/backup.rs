//! Backup, restore, verify and repair as an administrator does them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::server::{Server, tacitus};

/// Exit code and the answer as JSON; the complaint where there is none.
fn run(arguments: &[&str]) -> (i32, Value) {
    let output = tacitus().args(arguments).arg("--json").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer = serde_json::from_str(&text).unwrap_or(Value::String(complaint));
    (output.status.code().unwrap(), answer)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn write(server: &Server, numbers: std::ops::Range<u64>) {
    let lines: Vec<String> =
        numbers.map(|n| format!("m value={n} {}", 1_700_000_000 + n)).collect();
    let body = lines.join("\n");
    assert_eq!(server.post("/api/v2/write?precision=s", body.as_bytes()).0, 204);
}

/// How many samples a server on this directory has.
fn samples(dir: &Path) -> u64 {
    let server = Server::start(dir);
    let samples = server.status()["samples"].as_u64().unwrap();
    server.kill();
    samples
}

/// The largest segment in a directory.
fn segment(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "seg"));
    segments.max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_running_server_is_backed_up_and_the_copy_holds_exactly_that_moment() {
    let dir = tempfile::tempdir().unwrap();
    let [data, backups, copy] = ["data", "backups", "copy"].map(|name| dir.path().join(name));
    let server = Server::start_with(&data, &[("TACITUS_BACKUP_DIR", text(&backups))]);
    write(&server, 0..1000);
    let url = format!("http://{}", server.http);
    let (code, first) = run(&["backup", "daily", "--url", &url]);
    assert_eq!(code, 0, "{first}");
    assert_eq!(first["sequence"], server.status()["sequence"]);
    write(&server, 1000..1500);
    let (code, outside) = run(&["backup", "/tmp/elsewhere", "--url", &url]);
    assert_eq!(code, 1, "{outside}");

    let from = backups.join("daily");
    assert_eq!(run(&["verify", text(&from)]).0, 0);
    let (code, restored) = run(&["restore", text(&from), "--data", text(&copy)]);
    assert_eq!((code, &restored["sequence"]), (0, &first["sequence"]));
    assert_eq!(samples(&copy), 1000);
    let (code, refused) = run(&["restore", text(&from), "--data", text(&copy)]);
    assert_eq!(code, 3, "over a store: {refused}");
    let (code, locked) = run(&["verify", "--data", text(&data)]);
    assert_eq!(code, 3, "of a running server: {locked}");
    server.kill();
    let offline = dir.path().join("offline");
    let (code, second) = run(&["backup", text(&offline), "--data", text(&data)]);
    assert_eq!(code, 0, "{second}");
    assert!(second["sequence"].as_u64() > first["sequence"].as_u64());
}

#[test]
fn damage_is_named_repaired_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| dir.path().join(name));
    let server = Server::start(&data);
    write(&server, 0..3000);
    server.kill();
    assert_eq!(run(&["backup", text(&backup), "--copy", "--data", text(&data)]).0, 0);
    assert_eq!(run(&["verify", "--data", text(&data)]).0, 0);
    flip(&segment(&data), 164);
    let (code, found) = run(&["verify", "--data", text(&data)]);
    assert_eq!(code, 3);
    let damage = &found["damages"][0];
    assert_eq!((&damage["tag"], &damage["samples"]), (&"m/value".into(), &1024.into()));
    let (code, repaired) = run(&["repair", "--data", text(&data)]);
    assert_eq!((code, &repaired["samples_lost"]), (0, &1024.into()), "{repaired}");
    assert_eq!(run(&["verify", "--data", text(&data)]).0, 0);
    assert_eq!(samples(&data), 3000 - 1024);

    flip(&segment(&backup), 164);
    assert_eq!(run(&["verify", text(&backup)]).0, 3);
    let copy = dir.path().join("copy");
    assert_eq!(run(&["restore", text(&backup), "--data", text(&copy)]).0, 3);
    assert!(!copy.join("0000000001.manifest").exists());
}
