//! What a client comes back for: tickets of statements, and prepared statements, under handles.
//!
//! *Invariant.* At most so many things lie here, and none longer than its time after it was last
//! asked for: a client that never comes back costs a bounded amount for a bounded time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tacitus_storage::Chance as _;
use tonic::{Code, Status};

use super::status::refusal;
use crate::chance::SystemChance;

/// The name of a thing on a shelf. Sixteen bytes: nobody meets another's by accident.
pub(super) type Handle = [u8; 16];

/// Things under handles.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    things: Mutex<HashMap<Handle, (Instant, T)>>,
    noun: &'static str,
    most: usize,
    kept: Duration,
}

impl<T> Shelf<T> {
    /// A shelf for at most so many things, each kept for so long after it was last asked for.
    pub(super) fn new(noun: &'static str, most: usize, kept: Duration) -> Self {
        Self { things: Mutex::default(), noun, most, kept }
    }

    /// Lays a thing down; its handle.
    pub(super) fn put(&self, thing: T) -> Result<Handle, Status> {
        let now = Instant::now();
        let mut things = self.lock();
        if things.len() >= self.most {
            things.retain(|_, (asked, _)| now.duration_since(*asked) < self.kept);
        }
        if things.len() >= self.most {
            let what = format!("there are {} {}s already", self.most, self.noun);
            let hint = "fetch, cancel or close those that are open, or repeat this later";
            return Err(refusal(Code::ResourceExhausted, &what, hint));
        }
        let handle = fresh();
        things.insert(handle, (now, thing));
        Ok(handle)
    }

    /// Takes a thing away.
    pub(super) fn take(&self, handle: &[u8]) -> Result<T, Status> {
        let now = Instant::now();
        let taken = read(handle).and_then(|handle| self.lock().remove(&handle));
        match taken {
            Some((asked, thing)) if now.duration_since(asked) < self.kept => Ok(thing),
            _ => Err(self.unknown()),
        }
    }

    /// Looks at a thing, or changes it, where it lies.
    pub(super) fn with<R>(
        &self,
        handle: &[u8],
        look: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Status> {
        let now = Instant::now();
        let mut things = self.lock();
        let found = read(handle).and_then(|handle| things.get_mut(&handle));
        match found {
            Some((asked, thing)) if now.duration_since(*asked) < self.kept => {
                *asked = now;
                Ok(look(thing))
            }
            _ => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> Status {
        let what = format!("there is no such {}", self.noun);
        let hint = format!("it was used or closed, or nobody asked for it for {:?}", self.kept);
        refusal(Code::NotFound, &what, &hint)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, (Instant, T)>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(handle: &[u8]) -> Option<Handle> {
    handle.try_into().ok()
}

fn fresh() -> Handle {
    let halves = [SystemChance.next_u64(), SystemChance.next_u64()];
    let mut handle = Handle::default();
    for (place, byte) in handle.iter_mut().zip(halves.iter().flat_map(|half| half.to_le_bytes())) {
        *place = byte;
    }
    handle
}

/// A handle as a message carries it.
pub(super) fn bytes(handle: Handle) -> Bytes {
    Bytes::copy_from_slice(&handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_found_by_its_handle_until_it_is_taken() {
        let shelf = Shelf::new("ticket", 2, Duration::from_mins(1));
        let handle = shelf.put("a").unwrap();
        assert_eq!(shelf.with(&handle, |thing| *thing).unwrap(), "a");
        assert_eq!(shelf.take(&handle).unwrap(), "a");
        assert_eq!(shelf.take(&handle).unwrap_err().code(), Code::NotFound);
        assert_eq!(shelf.take(b"short").unwrap_err().code(), Code::NotFound);
    }

    #[test]
    fn a_full_shelf_refuses_and_one_of_expired_things_does_not() {
        let full = Shelf::new("ticket", 1, Duration::from_mins(1));
        full.put(1).unwrap();
        assert_eq!(full.put(2).unwrap_err().code(), Code::ResourceExhausted);
        let brief = Shelf::new("ticket", 1, Duration::ZERO);
        let first = brief.put(1).unwrap();
        assert!(brief.put(2).is_ok());
        assert_eq!(brief.take(&first).unwrap_err().code(), Code::NotFound);
    }
}
