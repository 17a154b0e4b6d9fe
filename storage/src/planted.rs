//! Faults that a test plants, to prove that the harnesses would find them.
//!
//! *Invariant.* Outside of this crate's own tests no fault is ever active, and the check is a
//! constant that the compiler removes.

/// A fault to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A commit returns before its frame is synced.
    AcknowledgeBeforeSync,
    /// A new log file's name is not made durable before frames go to it.
    SkipDirectorySync,
    /// A frame is replayed although its checksum is wrong.
    AcceptTornTail,
    /// A frame that a reused file kept from its former life is replayed.
    ReplayRecycledFrame,
    /// Every third sync of the log, or of a file being published, is left out.
    SkipSomeSyncs,
    /// A file gets its name before it is synced.
    RenameBeforeSync,
    /// A sync of the log that failed is tried again, and believed.
    RetrySync,
    /// A page is handed to a reader although its checksum is wrong.
    SkipChecksum,
    /// A log file that is damaged in the middle is cut there, whatever follows.
    CutMiddle,
    /// The name of a new manifest is not made durable before the log is reused.
    ForgetManifest,
    /// Writes go on when the disk is full to its reserve.
    IgnoreReserve,
    /// A clock that jumped is believed.
    BelieveClock,
    /// A repair forgets one of the tags of a damaged segment.
    ForgetTag,
    /// A compaction leaves out the last row of a tag.
    ForgetLastRow,
    /// A compaction leaves out the qualities.
    ForgetQualities,
    /// A sample that is sent again is kept beside the one that was there.
    KeepResent,
    /// A sequence is shown before all rows of its batch are in the head.
    ShowHalf,
    /// What a copy of the store has not read yet is rewritten as if it had.
    IgnoreHold,
}

#[cfg(test)]
impl Bug {
    /// Every fault there is.
    pub(crate) const ALL: [Self; 18] = [
        Self::AcknowledgeBeforeSync,
        Self::SkipDirectorySync,
        Self::AcceptTornTail,
        Self::ReplayRecycledFrame,
        Self::SkipSomeSyncs,
        Self::RenameBeforeSync,
        Self::RetrySync,
        Self::SkipChecksum,
        Self::CutMiddle,
        Self::ForgetManifest,
        Self::IgnoreReserve,
        Self::BelieveClock,
        Self::ForgetTag,
        Self::ForgetLastRow,
        Self::ForgetQualities,
        Self::KeepResent,
        Self::ShowHalf,
        Self::IgnoreHold,
    ];
}

#[cfg(not(test))]
pub(crate) const fn active(_bug: Bug) -> bool {
    false
}

/// Whether this sync is one of those that [`Bug::SkipSomeSyncs`] leaves out.
pub(crate) fn skips_sync() -> bool {
    active(Bug::SkipSomeSyncs) && third_time()
}

#[cfg(not(test))]
const fn third_time() -> bool {
    false
}

#[cfg(test)]
use planting::third_time;
#[cfg(test)]
pub(crate) use planting::{active, plant};

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static SYNCS: Cell<u64> = const { Cell::new(0) };
    }

    pub(crate) fn active(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Every third time it is asked.
    pub(super) fn third_time() -> bool {
        SYNCS.set(SYNCS.get() + 1);
        SYNCS.get().is_multiple_of(3)
    }

    /// Plants a fault in this thread, or none.
    pub(crate) fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }
}
