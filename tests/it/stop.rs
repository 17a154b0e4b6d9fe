//! SIGTERM: a polite stop, promise P32.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::{Addresses, Ledger};
use crate::server::{Server, wait_for};

#[test]
fn a_stop_under_load_takes_seconds_and_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    for _ in 0..3 {
        let server = Server::start(dir.path());
        let before = ledger.check(&server).acked;
        let (addresses, stop) = (Addresses::of(&server), AtomicBool::new(false));
        thread::scope(|scope| {
            for writer in &ledger.writers {
                let (addresses, stop) = (&addresses, &stop);
                scope.spawn(move || drop(writer.run(addresses, u64::from(u32::MAX), stop)));
            }
            wait_for("writers at work", || (ledger.acked() > before + 200).then_some(()));
            let asked = Instant::now();
            server.terminate();
            let (status, log) = server.wait();
            assert_eq!(status.code(), Some(0), "{log}");
            assert!(asked.elapsed() < Duration::from_secs(10), "promised: at most ten seconds");
            stop.store(true, Ordering::SeqCst);
        });
    }
    ledger.check(&Server::start(dir.path()));
}

#[test]
fn an_idle_connection_does_not_hold_up_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let _http = std::net::TcpStream::connect(&server.http).unwrap();
    let _mqtt = crate::mqtt::Client::connect(&server.mqtt, "idle").unwrap();
    server.terminate();
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}
