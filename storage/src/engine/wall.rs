//! Whether the time of day can be believed.
//!
//! ```text
//! trusted time = time of day when last believed + monotonic time since
//! suspect      ⇔ the machine says more than a day before or after it
//! ```
//! At start the last time that was believed comes from the marks. A machine that was off for
//! longer than a day, or came up in 1970, is suspect until its clock is right again or somebody
//! confirms it.
//!
//! *Invariant.* Nothing is deleted for its age while the clock is suspect: retention takes its
//! "now" from [`Engine::retention_now`]. Jumps do not add up: the distance is always to the
//! moment at which the clock was last believed, not to the last look.

use std::sync::atomic::Ordering;

use tacitus_model::Timestamp;

use crate::clock::Clock;
use crate::engine::{Engine, Keeper};
use crate::error::Error;
use crate::limits::{CLOCK_JUMP_NS_MAX, MARKS_KEPT_EVERY_NS};
use crate::marks::Marks;
use crate::planted::{self, Bug};

/// The time of day, and how far it is believed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wall {
    /// The time of day that is believed, and the monotonic time at that moment.
    anchor: (i64, u64),
    suspect: bool,
    high_water_ns: i64,
    /// Monotonic time at which the marks were last written, or an attempt was made.
    kept_ns: Option<u64>,
}

/// What the marks say at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remembered {
    /// There are none: a new store, or one of a version that had none.
    Nothing,
    /// They are damaged.
    Unreadable,
    /// The latest time of day that was believed.
    HighWater(i64),
}

impl Wall {
    pub(crate) fn open(clock: &dyn Clock, remembered: Remembered) -> Self {
        let (now, monotonic) = (clock.now().nanos(), clock.monotonic_ns());
        let believed = match remembered {
            Remembered::Nothing => now,
            // No clock shows this time, so whatever it shows has to be confirmed.
            Remembered::Unreadable => i64::MIN,
            Remembered::HighWater(ns) => ns,
        };
        let high_water_ns = if remembered == Remembered::Unreadable { now } else { believed };
        let mut wall =
            Self { anchor: (believed, monotonic), suspect: false, high_water_ns, kept_ns: None };
        wall.look(clock);
        if !wall.suspect {
            wall.anchor = (now, monotonic);
        }
        wall
    }

    /// Compares the time of day with the trusted time; whether it is suspect.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> bool {
        let (now, monotonic) = (clock.now().nanos(), clock.monotonic_ns());
        let (believed, at) = self.anchor;
        let trusted = i128::from(believed) + i128::from(monotonic.saturating_sub(at));
        self.suspect = (i128::from(now) - trusted).unsigned_abs() > u128::from(CLOCK_JUMP_NS_MAX)
            && !planted::active(Bug::BelieveClock);
        if !self.suspect {
            self.high_water_ns = self.high_water_ns.max(now);
        }
        self.suspect
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect
    }

    fn confirm(&mut self, clock: &dyn Clock) {
        let now = clock.now().nanos();
        self.anchor = (now, clock.monotonic_ns());
        self.high_water_ns = now;
        self.suspect = false;
    }
}

impl Engine {
    /// Whether the time of day is more than a day from what the store last believed. Nothing is
    /// deleted for its age meanwhile.
    pub fn clock_suspect(&self) -> bool {
        self.clock_suspect.load(Ordering::Acquire)
    }

    /// The time that retention may count from; `None` while the clock is suspect.
    pub fn retention_now(&self) -> Option<Timestamp> {
        let now = self.parts.clock.now();
        let mut keeper = self.lock_keeper();
        self.watch_clock(&mut keeper);
        (!self.clock_suspect()).then_some(now)
    }

    /// Believes the time of day as it is, and remembers that.
    ///
    /// # Errors
    /// As the operating system says; the clock is believed until the next start all the same.
    pub fn confirm_clock(&self) -> Result<(), Error> {
        let mut keeper = self.lock_keeper();
        keeper.wall.confirm(&*self.parts.clock);
        self.clock_suspect.store(false, Ordering::Release);
        self.write_marks(&mut keeper)
    }

    /// Looks at the clock; part of every step.
    pub(super) fn watch_clock(&self, keeper: &mut Keeper) {
        let suspect = keeper.wall.look(&*self.parts.clock);
        self.clock_suspect.store(suspect, Ordering::Release);
    }

    /// Remembers the time of day and the place of the scrub, now and then.
    pub(super) fn keep_marks(&self, keeper: &mut Keeper) -> Result<bool, Error> {
        let now = self.parts.clock.monotonic_ns();
        let kept = keeper.wall.kept_ns;
        let due = kept.is_none_or(|kept| now.saturating_sub(kept) >= MARKS_KEPT_EVERY_NS);
        // What a suspect clock shows is not remembered, nor are damaged marks replaced before
        // somebody confirmed the clock.
        if !due || self.full.load(Ordering::Acquire) || keeper.wall.is_suspect() {
            return Ok(false);
        }
        self.write_marks(keeper).map(|()| true)
    }

    pub(super) fn write_marks(&self, keeper: &mut Keeper) -> Result<(), Error> {
        keeper.wall.kept_ns = Some(self.parts.clock.monotonic_ns());
        let marks = Marks { high_water_ns: keeper.wall.high_water_ns, scrub: keeper.scrub.mark() };
        marks.publish(&*self.parts.disk, &keeper.manifest.store)
    }
}

#[cfg(test)]
mod tests;
