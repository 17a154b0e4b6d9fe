//! Moments in the middle of the store's work at which another thread could come in between.
//!
//! A test of one thread looks on there, or does something else meanwhile, at a place that its seed
//! chooses: what threads would show once in a million runs happens when it is asked for.
//!
//! *Invariant.* Outside of this crate's own tests nothing ever happens, and the call is a constant
//! that the compiler removes.

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A committed batch enters the head, row by row.
    Append,
    /// A frozen head is written to a segment, tag by tag.
    Seal,
    /// Segments are rewritten, tag by tag.
    Rewrite,
    /// A backup copies the store, file by file.
    Copy,
}

#[cfg(not(test))]
pub(crate) const fn pass(_moment: Moment) {}

#[cfg(test)]
pub(crate) use watching::{pass, watched};

#[cfg(test)]
mod watching {
    use std::cell::RefCell;

    use super::Moment;

    type Watcher = Box<dyn FnMut(Moment)>;

    thread_local! {
        static WATCHER: RefCell<Option<Watcher>> = const { RefCell::new(None) };
    }

    /// Lets this thread's watcher have the moment; one that is busy with an earlier one is not
    /// asked again.
    pub(crate) fn pass(moment: Moment) {
        let Some(mut watcher) = WATCHER.take() else { return };
        watcher(moment);
        WATCHER.set(Some(watcher));
    }

    /// Does something under the eyes of a watcher.
    pub(crate) fn watched<T>(watcher: impl FnMut(Moment) + 'static, work: impl FnOnce() -> T) -> T {
        let former = WATCHER.replace(Some(Box::new(watcher)));
        let done = work();
        WATCHER.set(former);
        done
    }
}
