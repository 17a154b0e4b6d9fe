//! A disk without room: promise P7.
//!
//! The data directory is a tmpfs of 64 MiB in a mount namespace of the server's own, which needs
//! no privileges where the system allows user namespaces; elsewhere the test says so and passes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::server::{Server, undisturbed, wait_for};

/// Mounts a small disk on `$1` and becomes the rest of the arguments.
const ON_A_SMALL_DISK: &str = r#"mount -t tmpfs -o size=64m tacitus "$1" && shift && exec "$@""#;

fn on_a_small_disk(dir: &str, program: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", ON_A_SMALL_DISK, "sh", dir]).args(program);
    undisturbed(&mut command);
    command
}

#[test]
fn a_full_disk_refuses_writes_answers_reads_and_heals_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    if !on_a_small_disk(data, &["true"]).output().is_ok_and(|probe| probe.status.success()) {
        println!("skipped: this system does not let a test mount a small disk");
        return;
    }
    let binary = env!("CARGO_BIN_EXE_tacitus");
    let flags = [
        "serve",
        "--http",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
        "--pg",
        "127.0.0.1:0",
        "--data",
        data,
    ];
    let mut command = on_a_small_disk(data, &[&[binary][..], &flags].concat());
    command.envs([("TACITUS_DATA_RESERVE", "16 MiB"), ("TACITUS_DATA_LOG_FILE", "1 MiB")]);
    let mut server = Server::adopt(command);
    server.wait_until_ready();
    // `unshare` and `sh` become the server, so its process id is ours, and this is its directory.
    let seen = PathBuf::from(format!("/proc/{}/root", server.pid()))
        .join(dir.path().strip_prefix("/").unwrap());
    let filler = seen.join("filler");

    let mut kept = 0_u64;
    let write = |n: u64| {
        server.post(
            "/api/v2/write?precision=s",
            format!("full value={n} {}", 1_700_000_000 + n).as_bytes(),
        )
    };
    for _ in 0..3 {
        for _ in 0..10 {
            assert_eq!(write(kept), (204, String::new()));
            kept += 1;
        }
        let free = server.status()["free_bytes"].as_u64().unwrap();
        fs::write(&filler, vec![1; usize::try_from(free - (8 << 20)).unwrap()]).unwrap();

        let (status, body) = wait_for("a refusal", || {
            let (status, body) = write(kept);
            kept += u64::from(status == 204);
            (status != 204).then_some((status, body))
        });
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("free space on the disk of the data directory"), "{body}");
        assert_eq!(server.get("/health").0, 503);
        assert_eq!(server.rows("SELECT count(*) FROM samples"), [kept.to_string()]);

        fs::remove_file(&filler).unwrap();
        wait_for("writes to resume", || (write(kept).0 == 204).then_some(()));
        kept += 1;
        assert_eq!(server.get("/health").0, 200);
    }
    let sum: u64 = (0..kept).sum();
    let rows = server.rows("SELECT count(*), CAST(sum(value) AS BIGINT) FROM samples");
    assert_eq!(rows, [format!("{kept},{sum}")]);
}
