//! How far a forwarder has come: which sequences the upstream has, and which it has not.
//!
//! ```text
//! sequences   ── sent ──┤ lane 0: what waited, oldest first ├─ sent ─┤ lane 1: what comes in ─▶
//! ```
//! A lane is a run of sequences that is sent from its begin on. What comes in goes ahead of a long
//! backlog in a lane of its own; when the older lane reaches its end it is gone.
//!
//! *Invariant.* Lanes are in order and apart; everything outside of them has been acknowledged by
//! the upstream, or was let go. Only the last lane is open at its end. What is deleted within a
//! lane that has others behind it was sent before these began, so that no deletion ever reaches
//! the upstream after what was written behind it.

use serde::{Deserialize, Serialize};
use tacitus_model::{TagId, Timestamp};
use tacitus_storage::{Bookmark, Snapshot, Stretch};

use super::limits::LANES_MAX;

/// How far a forwarder has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    lanes: Vec<Lane>,
    /// What was let go, since the forwarder began.
    #[serde(default)]
    pub(super) lost: Lost,
}

/// A run of sequences to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Lane {
    /// The last sequence that was sent.
    after: u64,
    /// Its last sequence; `None`: whatever comes.
    end: Option<u64>,
    /// The stretch that is being sent.
    #[serde(default)]
    place: Option<Place>,
}

/// How far a stretch was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The stretch's last sequence.
    pub(super) until: u64,
    /// The sequence up to which its deletions were sent.
    pub(super) deleted: u64,
    /// The bookmark in it.
    pub(super) tag: u32,
    pub(super) through: Option<i64>,
}

/// What was let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Lost {
    pub(super) samples: u64,
    pub(super) bytes: u64,
    /// The last sequence of what was let go last.
    pub(super) until: u64,
}

/// A piece of work: a stretch of a lane, and the place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    lane: usize,
    pub(super) stretch: Stretch,
    pub(super) place: Place,
}

impl Place {
    fn start(stretch: Stretch) -> Self {
        Self { until: stretch.until, deleted: stretch.after, tag: 0, through: None }
    }

    pub(super) fn bookmark(&self) -> Bookmark {
        Bookmark { tag: TagId(self.tag), through: self.through.map(Timestamp::from_nanos) }
    }

    /// The same with another bookmark.
    pub(super) fn at(self, bookmark: Bookmark) -> Self {
        let Bookmark { tag, through } = bookmark;
        Self { tag: tag.0, through: through.map(Timestamp::nanos), ..self }
    }
}

impl Cursor {
    /// The upstream has, or needs, nothing up to this sequence.
    pub(super) fn after(sequence: u64) -> Self {
        let lane = Lane { after: sequence, end: None, place: None };
        Self { lanes: vec![lane], lost: Lost::default() }
    }

    /// Reads what was kept.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let cursor: Self = serde_json::from_slice(body).ok()?;
        let ends = cursor.lanes.iter().map(|lane| lane.end);
        let apart = cursor
            .lanes
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a.end.is_some_and(|end| end <= b.after)));
        let open = ends.rev().take(1).all(|end| end.is_none());
        (!cursor.lanes.is_empty() && apart && open).then_some(cursor)
    }

    /// As it is kept.
    pub(super) fn written(&self) -> Vec<u8> {
        // Numbers and lists always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The last sequence that the upstream has with all before it.
    pub(super) fn through(&self) -> u64 {
        self.lanes.first().map_or(0, |lane| lane.after)
    }

    /// What is still to be sent, up to a sequence, the oldest first.
    pub(super) fn waiting(&self, sequence: u64) -> Vec<Stretch> {
        let stretch = |lane: &Lane| Stretch {
            after: lane.after,
            until: lane.end.unwrap_or(sequence).max(lane.after),
        };
        self.lanes.iter().map(stretch).collect()
    }

    /// Begins a lane for what comes after this sequence.
    pub(super) fn go_ahead(&mut self, sequence: u64) {
        let is_full = self.lanes.len() >= LANES_MAX;
        // A stretch that was begun reached no further than the store did.
        let Some(last) = self.lanes.last_mut().filter(|last| last.after < sequence) else { return };
        if is_full {
            return;
        }
        last.end = Some(sequence);
        self.lanes.push(Lane { after: sequence, end: None, place: None });
    }

    /// Whether nothing goes ahead of anything.
    pub(super) fn is_single(&self) -> bool {
        self.lanes.len() == 1
    }

    /// The next piece of the newest lane, or of the oldest.
    pub(super) fn task(&mut self, snapshot: &Snapshot, newest: bool) -> Option<Task> {
        let at = if newest { self.lanes.len().checked_sub(1)? } else { 0 };
        let lane = self.lanes.get_mut(at)?;
        let place = if let Some(place) = lane.place {
            place
        } else {
            let stretch = snapshot.stretch_after(lane.after)?;
            let until = lane.end.map_or(stretch.until, |end| stretch.until.min(end));
            *lane.place.insert(Place::start(Stretch { until, ..stretch }))
        };
        let stretch = Stretch { after: lane.after, until: place.until };
        Some(Task { lane: at, stretch, place })
    }

    /// A piece was acknowledged: the stretch goes on at `next`, or is through.
    pub(super) fn done(&mut self, task: Task, next: Option<Place>) {
        let Some(lane) = self.lanes.get_mut(task.lane) else { return };
        lane.place = next;
        if next.is_none() {
            lane.after = task.stretch.until;
        }
        if lane.end.is_some_and(|end| lane.after >= end) {
            self.lanes.remove(task.lane);
        }
    }

    /// Lets go what waits up to a sequence.
    pub(super) fn let_go(&mut self, until: u64) {
        for lane in &mut self.lanes {
            if lane.after < until {
                lane.after = lane.end.map_or(until, |end| end.min(until));
                lane.place = None;
            }
        }
        self.lanes.retain(|lane| lane.end.is_none_or(|end| lane.after < end));
    }
}

#[cfg(test)]
mod tests;
