//! Faults that a test plants, to prove that the crash harness would find them.
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
}

#[cfg(not(test))]
pub(crate) const fn active(_bug: Bug) -> bool {
    false
}

#[cfg(test)]
pub(crate) use planting::{active, plant};

#[cfg(test)]
mod planting {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn active(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Plants a fault in this thread, or none.
    pub(crate) fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }
}
