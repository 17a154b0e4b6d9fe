//! The examples of `docs/examples`, each against a server of its own.
//!
//! One whose client is not on this machine is skipped, and says so. `TACITUS_TEST_PYTHON` names
//! the Python that has the clients.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::server::Server;

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(name)
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out
}

/// Whether a program is there, and what it needs.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let there =
        Command::new(program).args(arguments).output().is_ok_and(|probe| probe.status.success());
    if !there {
        println!("skipped: `{program} {}` does not work here", arguments.join(" "));
    }
    there
}

fn python(needs: &str, script: &str, argument: impl FnOnce(&Server) -> String) {
    let python = std::env::var("TACITUS_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if !is_there(&python, &["-c", needs]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let output = Command::new(python).arg(example(script)).arg(argument(&server)).output();
    succeeded(&output.unwrap());
}

#[test]
fn the_example_with_curl_runs() {
    if !is_there("curl", &["--version"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let url = format!("http://{}", server.http);
    let output = Command::new("sh").arg(example("curl.sh")).arg(url).output().unwrap();
    let said = succeeded(&output);
    for part in ["first fill", "[22.25]", "\"unit\":\"°C\"", "upside down", "event: snapshot"] {
        assert!(said.contains(part), "\"{part}\" is not in:\n{said}");
    }
}

#[test]
fn the_example_with_adbc_runs() {
    let needs = "import adbc_driver_flightsql.dbapi, pyarrow";
    python(needs, "flight.py", |server| format!("grpc://{}", server.grpc));
}

#[test]
fn the_example_with_psycopg_runs() {
    python("import psycopg", "postgres.py", |server| {
        let (host, port) = server.pg.rsplit_once(':').unwrap();
        format!("host={host} port={port} user=me dbname=tacitus")
    });
}

#[test]
fn the_example_in_rust_runs() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_tacitus")).with_file_name("examples/flight");
    if !binary.exists() {
        println!("skipped: cargo built no examples");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/write", b"oven temp=1\nfan speed=2").0, 204);
    let output = Command::new(binary).arg(format!("http://{}", server.grpc)).output().unwrap();
    assert!(succeeded(&output).contains("2 tags have samples"));
}
