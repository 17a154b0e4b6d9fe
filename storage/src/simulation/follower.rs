//! Someone who keeps a copy of the store: behind, killed, gone for good and back.
//!
//! *Invariant.* A copy that caught up is what the map says, row by row: what expired before its hold
//! began may be missing, nothing that came or was there later.

use std::collections::BTreeSet;

use crate::error::Error;
use crate::simulation::book::Rows;
use crate::simulation::checks;
use crate::simulation::world::World;
use crate::snapshot::Copy;

/// A copy, and what had expired when it began.
#[derive(Debug)]
pub(super) struct Follower {
    copy: Copy,
    expired: BTreeSet<(u32, i64)>,
}

impl World {
    /// The follower reads on, or ends, or begins.
    pub(super) fn follow(&mut self) -> Result<(), String> {
        if self.engine().status().poisoned {
            return Ok(());
        }
        let Some(follower) = self.follower.take() else { return self.begin_to_follow() };
        match self.dice.below(12) {
            0 => {
                self.note("the follower goes");
                Copy::release(&self.engine());
                Ok(())
            }
            1..4 => self.caught_up(follower),
            _ => self.some_pieces(follower),
        }
    }

    /// Everything is read, and the copy is compared with the map.
    pub(super) fn check_copy(&mut self) -> Result<(), String> {
        match self.follower.take() {
            Some(follower) if !self.engine().status().poisoned => self.caught_up(follower),
            other => {
                self.follower = other;
                Ok(())
            }
        }
    }

    /// Holds again what was held before the store was closed.
    pub(super) fn hold_again(&self) {
        if let Some(follower) = &self.follower {
            follower.copy.hold(&self.engine());
        }
    }

    fn begin_to_follow(&mut self) -> Result<(), String> {
        let (copy, engine) = (Copy::default(), self.engine());
        copy.hold(&engine);
        let found = match checks::rows_of(&engine.snapshot()) {
            Ok(found) => found,
            Err(unread) => {
                Copy::release(&engine);
                return self.unread(unread);
            }
        };
        let keys = self.book.sure().keys();
        let expired: BTreeSet<_> = keys.filter(|key| !found.contains_key(key)).copied().collect();
        self.note(&format!("a follower begins, {} rows are gone", expired.len()));
        self.follower = Some(Follower { copy, expired });
        Ok(())
    }

    fn some_pieces(&mut self, mut follower: Follower) -> Result<(), String> {
        let (engine, pieces) = (self.engine(), self.dice.below(6));
        self.note(&format!("the follower reads {pieces} pieces"));
        let mut read = Ok(true);
        for _ in 0..pieces {
            let rows_max = self.dice.index(200) + 1;
            read = follower.copy.pull(&engine, rows_max);
            if !matches!(read, Ok(true)) {
                break;
            }
        }
        if self.dice.one_in(4) {
            follower.copy.forget_place();
        }
        self.follower = Some(follower);
        self.read_or_refused(read.map(drop))
    }

    fn caught_up(&mut self, mut follower: Follower) -> Result<(), String> {
        let rows_max = self.dice.index(2_000) + 1;
        let drained = follower.copy.drain(&self.engine(), rows_max);
        self.note(&format!("the follower catches up: {}", drained.is_ok()));
        let is_read = drained.is_ok();
        self.read_or_refused(drained)?;
        if is_read && self.book.states.len() == 1 {
            self.counts.copies += 1;
            self.compare(&follower)?;
        }
        self.follower = Some(follower);
        Ok(())
    }

    fn read_or_refused(&mut self, read: Result<(), Error>) -> Result<(), String> {
        read.or_else(|error| self.refused(&error))
    }

    fn compare(&self, follower: &Follower) -> Result<(), String> {
        let copied = follower.copy.rows.iter();
        let copied: Rows = copied.map(|((tag, ts), row)| ((tag.0, *ts), row.clone())).collect();
        let wanted = self.book.sure();
        for (key, row) in &copied {
            if wanted.get(key) != Some(row) {
                return Err(format!("a copy has {row:?} at {key:?}, not {:?}", wanted.get(key)));
            }
        }
        let missing =
            |key: &&(u32, i64)| !copied.contains_key(key) && !follower.expired.contains(key);
        match wanted.keys().find(missing) {
            Some(key) => Err(format!("a copy misses {key:?}, {:?}", wanted[key])),
            None => Ok(()),
        }
    }
}
