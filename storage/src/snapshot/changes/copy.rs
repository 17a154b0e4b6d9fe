//! A copy that follows the store, as whoever forwards keeps one elsewhere: a plain map.
//!
//! *Invariant.* What a stretch says is applied in the order that is asked for: its deletions, then
//! its rows; the hold moves on when all of a stretch was applied.

use std::collections::BTreeMap;

use tacitus_model::{Quality, TagId, Timestamp, Value};

use super::{Bookmark, Changes, ChangesMax, Stretch};
use crate::engine::Engine;
use crate::error::Error;

/// The holder's name.
const HOLDER: &str = "copy";

/// The rows that were applied, and how far the copy has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copy {
    pub(crate) rows: BTreeMap<(TagId, i64), (Value, Quality)>,
    through: u64,
    place: Option<(Stretch, Bookmark)>,
}

impl Copy {
    /// Holds what is not applied yet: first of all, and again whenever the store was opened.
    pub(crate) fn hold(&self, engine: &Engine) {
        engine.hold(HOLDER, self.through);
    }

    /// Ends as a copy.
    pub(crate) fn release(engine: &Engine) {
        engine.release(HOLDER);
    }

    /// Goes over everything again, onto the rows that are there.
    pub(crate) fn begin_again(&mut self) {
        (self.through, self.place) = (0, None);
    }

    /// Loses what was done after the last stretch: a kill before it was written down.
    pub(crate) fn forget_place(&mut self) {
        self.place = None;
    }

    /// Applies one piece; whether there was one.
    pub(crate) fn pull(&mut self, engine: &Engine, rows_max: usize) -> Result<bool, Error> {
        let snapshot = engine.snapshot();
        let (stretch, from) = match self.place {
            Some(place) => place,
            None => match snapshot.stretch_after(self.through) {
                Some(stretch) => (stretch, Bookmark::START),
                None => return Ok(false),
            },
        };
        if from == Bookmark::START {
            for deletion in snapshot.deletions(stretch) {
                self.rows.retain(|(tag, ts), _| {
                    !deletion.tags.contains(tag)
                        || !deletion.range.contains(Timestamp::from_nanos(*ts))
                });
            }
        }
        let most = ChangesMax { rows: rows_max, bytes: 1 << 20 };
        let Changes { rows, next } = snapshot.changes(stretch, from, most, |_| true)?;
        let mut count = 0;
        for (tag, block) in rows {
            count += block.len();
            for row in 0..block.len() {
                let value = (block.value(row), block.quality(row));
                self.rows.insert((tag, block.times[row]), value);
            }
        }
        assert!(count <= rows_max, "{count} rows");
        self.place = next.map(|next| (stretch, next));
        if next.is_none() {
            self.through = stretch.until;
            self.hold(engine);
        }
        Ok(true)
    }

    /// Applies everything there is.
    pub(crate) fn drain(&mut self, engine: &Engine, rows_max: usize) -> Result<(), Error> {
        while self.pull(engine, rows_max)? {}
        Ok(())
    }
}
