//! Files that somebody still reads by name, and their removal once nobody does.
//!
//! *Invariant.* A file given to [`Pins::remove`] keeps its name until the last pin taken before
//! is gone. A removal that a kill prevents is made up by the next start: no manifest names the
//! file any more.
//!
//! *Not here.* Readers of segments: they hold the file open, and an open file stays readable.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::Disk;

/// Who removes the files of the store.
#[derive(Debug)]
pub(crate) struct Pins {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    holders: usize,
    /// Names to remove when the last holder is gone.
    waiting: Vec<String>,
}

/// While this lives no file is removed.
#[derive(Debug)]
pub(crate) struct Pin(Arc<Pins>);

impl Pins {
    pub(crate) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, state: Mutex::default() }
    }

    pub(crate) fn hold(self: &Arc<Self>) -> Pin {
        self.lock().holders += 1;
        Pin(Arc::clone(self))
    }

    /// Removes a file that no manifest names any more: now, or when it is not pinned any more.
    pub(crate) fn remove(&self, name: String) {
        let mut state = self.lock();
        if state.holders > 0 {
            state.waiting.push(name);
        } else {
            drop(self.disk.remove(&name));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.holders -= 1;
        if state.holders == 0 {
            for name in std::mem::take(&mut state.waiting) {
                drop(self.0.disk.remove(&name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    #[test]
    fn a_file_is_removed_when_the_last_pin_is_gone() {
        let disk = SimDisk::new();
        let pins = Arc::new(Pins::new(Arc::new(disk.clone())));
        for name in ["a", "b"] {
            drop(disk.create(name).unwrap());
        }
        let [first, second] = [pins.hold(), pins.hold()];
        pins.remove("a".into());
        drop(first);
        assert_eq!(disk.list().unwrap(), ["a", "b"]);
        drop(second);
        assert_eq!(disk.list().unwrap(), ["b"]);
        pins.remove("b".into());
        assert!(disk.list().unwrap().is_empty());
    }
}
