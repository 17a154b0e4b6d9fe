//! `tacitus compact`: does at once all the background work that a server would do in time.
//!
//! *Invariant.* Stopped at any moment, the store is what it was; run again, it goes on.

use clap::Args;

use super::Exit;
use super::directory::{Place, refuse};
use super::output::say;

/// Which directory.
#[derive(Debug, Args)]
pub(super) struct Order {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(order: &Order) -> Exit {
    let opened = match order.place.open() {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let engine = opened.engine;
    let before = engine.status().bytes_on_disk;
    let done = engine.compact().and_then(|()| engine.rest());
    let status = engine.status();
    engine.close();
    match done {
        Ok(()) => say(&format!(
            "{before} bytes before, {} after; {} segments\n",
            status.bytes_on_disk, status.segments
        )),
        Err(error) => refuse(&error),
    }
}
