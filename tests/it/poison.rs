//! A sync that fails: promise P6. Nothing is acknowledged after it, the process ends with exit
//! code 4, and the next start keeps everything that was acknowledged before.
//!
//! The failure is injected by `strace`; where it is not installed or not allowed to trace, the
//! test says so and passes.

use std::path::Path;
use std::process::Command;

use crate::server::{Server, undisturbed};

/// From this sync on every one fails; the start of an empty store needs fewer.
const INJECTED: &str = "inject=fdatasync,fsync:error=EIO:when=40+";

fn under_strace(program: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", INJECTED]);
    command.args(program);
    undisturbed(&mut command);
    command
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_the_process_ends_with_code_4() {
    if !under_strace(&["true"]).output().is_ok_and(|probe| probe.status.success()) {
        println!("skipped: strace is not there or may not trace");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let acked = acked_before_the_failure(dir.path());
    assert!(acked > 0, "the store did not even start to keep samples");

    let server = Server::start(dir.path());
    let stored: u64 = server.rows("SELECT count(*) FROM samples")[0].parse().unwrap();
    // The sample whose sync failed may have been kept: that is what "unknown" means.
    assert!(stored == acked || stored == acked + 1, "{acked} acknowledged, {stored} found");
    let first = format!("SELECT count(*) FROM samples WHERE value < {acked}");
    assert_eq!(server.rows(&first), [acked.to_string()]);
}

/// Writes samples one by one until one is refused; the server must then end by itself.
fn acked_before_the_failure(dir: &Path) -> u64 {
    let binary = env!("CARGO_BIN_EXE_tacitus");
    let mut command = under_strace(&[
        binary,
        "serve",
        "--http",
        "127.0.0.1:0",
        "--pg",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
        "--data",
    ]);
    command.arg(dir);
    let mut server = Server::adopt(command);
    server.wait_until_ready();
    let mut acked = 0;
    let (status, body) = loop {
        let line = format!("poison value={acked} {}", 1_700_000_000 + acked);
        match server.post("/write?precision=s", line.as_bytes()) {
            (204, _) => acked += 1,
            refused => break refused,
        }
        assert!(acked < 1000, "no sync failed");
    };
    assert_eq!(status, 500, "{body}");
    assert!(body.contains("it is unknown whether the samples were kept"), "{body}");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(4), "{log}");
    assert!(log.contains("hint: restart Tacitus"), "{log}");
    acked
}
