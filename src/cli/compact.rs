//! `tacitus compact`: does at once all the background work that a server would do in time.

use clap::Args;
use tacitus_storage::{Engine, Error, Progress};

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
    let done = compact(&engine);
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

fn compact(engine: &Engine) -> Result<(), Error> {
    engine.seal()?;
    while engine.step()? == Progress::Did {}
    Ok(())
}
