//! SIGKILL at any instant, also during the start: promise P1.
//!
//! Each cycle starts the server, checks the ledger, lets all writers write and kills the server
//! while they do; one cycle in ten kills it before it is ready. `TACITUS_KILL_CYCLES` sets how
//! many cycles there are, `TACITUS_KILL_SEED` replays the choices of a run (not the schedule of
//! the machine).

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tacitus_storage::{Chance as _, SeededChance};

use crate::ledger::{Addresses, Ledger};
use crate::server::{Server, tacitus};

/// How many samples a writer sends in one cycle at most: bounds the scan, not the pressure.
const QUOTA: u64 = 4000;

/// A number that whoever runs the tests gave.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Small files and an early seal, so that every cycle rolls the log. Backups go on all the time:
/// each one seals, so that segments pile up and are rewritten.
fn variables(backups: &str) -> [(&str, &str); 3] {
    [
        ("TACITUS_DATA_LOG_FILE", "1 MiB"),
        ("TACITUS_DATA_SEAL_AFTER", "1 s"),
        ("TACITUS_BACKUP_DIR", backups),
    ]
}

/// After so many kills a store is left for a new one: a scan of everything after each kill would
/// otherwise take longer and longer.
const KILLS_PER_STORE: u64 = 40;

/// What a run came to.
#[derive(Default)]
struct Tally {
    acked: u64,
    found: u64,
    early: u64,
    /// Samples in the backups that were restored.
    restored: u64,
}

#[test]
fn every_acknowledged_sample_survives_sigkill_and_nothing_is_invented() {
    let cycles = number("TACITUS_KILL_CYCLES").unwrap_or(40);
    let seed = number("TACITUS_KILL_SEED").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::from(since.subsec_nanos())
    });
    println!("TACITUS_KILL_SEED={seed} TACITUS_KILL_CYCLES={cycles}");
    let chance = SeededChance::new(seed);
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut left = cycles;
    while left > 0 {
        let kills = left.min(KILLS_PER_STORE);
        kill_one_store(kills, &chance, &mut tally);
        left -= kills;
    }
    println!(
        "{cycles} kills while writing, {} while starting, in {:.1} s: {} samples acknowledged, {} \
         found, 0 lost, 0 doubled, 0 invented; {} in restored backups",
        tally.early,
        started.elapsed().as_secs_f64(),
        tally.acked,
        tally.found,
        tally.restored
    );
    assert!(tally.acked > cycles * 10, "the writers were hardly heard");
}

fn kill_one_store(kills: u64, chance: &SeededChance, tally: &mut Tally) {
    let dir = tempfile::tempdir().unwrap();
    let [data, backups, copy] = ["data", "backups", "copy"].map(|name| dir.path().join(name));
    let small = variables(backups.to_str().unwrap());
    let ledger = Ledger::new();
    for _ in 0..kills {
        if chance.next_u64().is_multiple_of(10) {
            let server = Server::spawn(&data, &small);
            pause(Duration::from_micros(chance.next_u64() % 150_000));
            server.kill();
            tally.early += 1;
        }
        let server = Server::start_with(&data, &small);
        ledger.check(&server);
        let life = Duration::from_micros(20_000 + chance.next_u64() % 600_000);
        write_and_kill(&ledger, server, life);
    }
    let found = ledger.check(&Server::start(&data));
    tally.acked += found.acked;
    tally.found += found.samples;
    // The last backup that was finished, whatever the kills did to those after it.
    let backup = backups.join("all");
    let finished = |name: &str| name.ends_with(".backup");
    let names = std::fs::read_dir(&backup).into_iter().flatten();
    if names.into_iter().any(|entry| finished(&entry.unwrap().file_name().to_string_lossy())) {
        let arguments = ["restore", backup.to_str().unwrap(), "--data", copy.to_str().unwrap()];
        let restored = tacitus().args(arguments).output().unwrap();
        assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
        tally.restored += ledger.check_copy(&Server::start(&copy));
    }
}

/// Lets all writers write and kills the server under them.
fn write_and_kill(ledger: &Ledger, server: Server, life: Duration) {
    let (addresses, stop) = (Addresses::of(&server), AtomicBool::new(false));
    thread::scope(|scope| {
        for writer in &ledger.writers {
            let (addresses, stop) = (&addresses, &stop);
            // The connection breaks when the server is killed: that is the test, not a failure.
            scope.spawn(move || drop(writer.run(addresses, QUOTA, stop)));
        }
        scope.spawn(|| back_up(&addresses));
        pause(life);
        server.kill();
    });
}

/// Makes one backup after the other until the server is gone.
fn back_up(server: &Addresses) {
    let url = format!("http://{}/api/v1/backup", server.http);
    while ureq::post(&url).send("{\"directory\": \"all\"}").is_ok() {}
}

/// Lets time pass: the instant of the kill is what the test varies, not what it waits for.
fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(rest) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(rest);
    }
}
