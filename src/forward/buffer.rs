//! What may wait for an upstream, and what is let go when it is more.
//!
//! The buffer is the store itself: what waits is held in it. The oldest is let go when what waits
//! takes more bytes than it may, and on a disk that is nearly full when that gives space back,
//! which is when only the hold keeps it from expiring.
//!
//! *Invariant.* Nothing is let go in silence: it is counted, logged, and stands in the ledger of
//! gaps as lost by overflow, under the source `forward:NAME`.

use tacitus_storage::{Backlog, Engine, Stretch};

use super::State;
use super::cursor::Cursor;
use super::sender::{Parts, holder};
use super::settings::Settings;
use crate::gaps::{Cause, Outcome};

/// Lets go what is too much; whether there was anything.
pub(super) fn keep_within(parts: &Parts, settings: &Settings, state: &State) -> bool {
    let mut let_go = false;
    loop {
        let found = surplus(&parts.engine, settings, &state.cursor());
        let Some((stretch, why)) = found else { return let_go };
        let lost = lost(&parts.engine, settings, stretch);
        {
            let mut cursor = state.cursor();
            cursor.let_go(stretch.until);
            cursor.lost.samples = cursor.lost.samples.saturating_add(lost.samples);
            cursor.lost.bytes = cursor.lost.bytes.saturating_add(lost.bytes);
            cursor.lost.until = stretch.until;
        }
        write_down(parts, settings, lost, why);
        let_go = true;
    }
}

/// What a stretch has of the tags that are sent.
fn lost(engine: &Engine, settings: &Settings, stretch: Stretch) -> Backlog {
    match engine.snapshot().select_ids(&settings.select) {
        Ok(ids) => engine.backlog_of(stretch, |tag| ids.binary_search(&tag).is_ok()),
        // A selection was checked when it was made; in doubt more is written down.
        Err(_) => engine.backlog(stretch),
    }
}

/// The oldest stretch that waits, where it must be let go, and why.
fn surplus(
    engine: &Engine,
    settings: &Settings,
    cursor: &Cursor,
) -> Option<(Stretch, &'static str)> {
    let snapshot = engine.snapshot();
    let waiting = cursor.waiting(snapshot.sequence());
    let oldest = *waiting.first()?;
    let stretch = snapshot.stretch_after(oldest.after)?;
    let stretch = Stretch { until: stretch.until.min(oldest.until), ..stretch };
    let bytes: u64 = waiting.iter().map(|own| engine.backlog_bytes(*own)).sum();
    if bytes > settings.buffer_bytes_max {
        return Some((stretch, "more waits than the buffer holds"));
    }
    let expires = || engine.held_from_expiring().is_some_and(|until| until > stretch.after);
    (engine.is_nearly_full() && expires()).then_some((stretch, "the disk is nearly full"))
}

fn write_down(parts: &Parts, settings: &Settings, lost: Backlog, why: &str) {
    let Backlog { samples, bytes, range } = lost;
    let Some(range) = range.filter(|_| samples > 0) else { return };
    let name = &settings.name;
    let hint = "give the forwarder a larger buffer, or the store a larger disk";
    tracing::error!(name, samples, bytes, why, hint, "samples are lost to the upstream");
    let gap = parts.gaps.open(&holder(name), None, range.first, Cause::Overflow);
    parts.gaps.close(gap, range.last, None);
    parts.gaps.settle(gap, Outcome::Lost);
}

#[cfg(test)]
mod tests;
