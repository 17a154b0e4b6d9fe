//! What a client comes back for: tickets of statements, and prepared statements, under handles.
//!
//! *Invariant.* At most so many things lie here, of at most so many bytes together, and none longer
//! than its time after it was last asked for: a client that never comes back costs a bounded
//! amount for a bounded time.

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

/// What a shelf holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// The most things.
    pub(super) things: usize,
    /// Their most bytes, together.
    pub(super) bytes: usize,
    /// How long a thing is kept after it was last asked for.
    pub(super) kept: Duration,
}

/// Things under handles.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    noun: &'static str,
    room: Room,
    things: Mutex<HashMap<Handle, Place<T>>>,
}

#[derive(Debug)]
struct Place<T> {
    asked: Instant,
    bytes: usize,
    thing: T,
}

impl<T> Shelf<T> {
    /// An empty shelf.
    pub(super) fn new(noun: &'static str, room: Room) -> Self {
        Self { noun, room, things: Mutex::default() }
    }

    /// Lays a thing of so many bytes down; its handle.
    pub(super) fn put(&self, thing: T, bytes: usize) -> Result<Handle, Status> {
        let mut things = self.lock();
        self.make_room(&mut things, bytes)?;
        let handle = fresh();
        things.insert(handle, Place { asked: Instant::now(), bytes, thing });
        Ok(handle)
    }

    /// Lays another thing where one lies.
    pub(super) fn replace(&self, handle: &[u8], thing: T, bytes: usize) -> Result<(), Status> {
        let mut things = self.lock();
        let before = read(handle).and_then(|handle| Some((handle, things.remove(&handle)?)));
        let Some((handle, before)) = before else { return Err(self.unknown()) };
        let asked = Instant::now();
        match self.make_room(&mut things, bytes) {
            Ok(()) => drop(things.insert(handle, Place { asked, bytes, thing })),
            Err(full) => {
                things.insert(handle, Place { asked, ..before });
                return Err(full);
            }
        }
        Ok(())
    }

    /// Takes a thing away.
    pub(super) fn take(&self, handle: &[u8]) -> Result<T, Status> {
        let taken = read(handle).and_then(|handle| self.lock().remove(&handle));
        match taken {
            Some(taken) if taken.asked.elapsed() < self.room.kept => Ok(taken.thing),
            _ => Err(self.unknown()),
        }
    }

    /// Looks at a thing where it lies.
    pub(super) fn with<R>(&self, handle: &[u8], look: impl FnOnce(&T) -> R) -> Result<R, Status> {
        let mut things = self.lock();
        let found = read(handle).and_then(|handle| things.get_mut(&handle));
        match found {
            Some(found) if found.asked.elapsed() < self.room.kept => {
                found.asked = Instant::now();
                Ok(look(&found.thing))
            }
            _ => Err(self.unknown()),
        }
    }

    /// Clears away what nobody asks for any more, where there is no room for one more thing.
    fn make_room(
        &self,
        things: &mut HashMap<Handle, Place<T>>,
        bytes: usize,
    ) -> Result<(), Status> {
        let is_full = |things: &HashMap<Handle, Place<T>>| {
            let held: usize = things.values().map(|thing| thing.bytes).sum();
            things.len() >= self.room.things || held.saturating_add(bytes) > self.room.bytes
        };
        if is_full(things) {
            things.retain(|_, thing| thing.asked.elapsed() < self.room.kept);
        }
        if is_full(things) {
            let what = format!("there is no room for one more {}", self.noun);
            let hint = "fetch, cancel or close those that are open, or repeat this later";
            return Err(refusal(Code::ResourceExhausted, &what, hint));
        }
        Ok(())
    }

    fn unknown(&self) -> Status {
        let what = format!("there is no such {}", self.noun);
        let kept = self.room.kept;
        let hint = format!("it was used or closed, or nobody asked for it for {kept:?}");
        refusal(Code::NotFound, &what, &hint)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Handle, Place<T>>> {
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

    const ROOM: Room = Room { things: 2, bytes: 100, kept: Duration::from_mins(1) };

    #[test]
    fn a_thing_is_found_by_its_handle_until_it_is_taken() {
        let shelf = Shelf::new("ticket", ROOM);
        let handle = shelf.put("a", 1).unwrap();
        assert_eq!(shelf.with(&handle, |thing| *thing).unwrap(), "a");
        shelf.replace(&handle, "b", 100).unwrap();
        assert_eq!(shelf.take(&handle).unwrap(), "b");
        assert_eq!(shelf.take(&handle).unwrap_err().code(), Code::NotFound);
        assert_eq!(shelf.take(b"short").unwrap_err().code(), Code::NotFound);
    }

    #[test]
    fn a_full_shelf_refuses_and_one_of_expired_things_does_not() {
        let shelf = Shelf::new("ticket", ROOM);
        let first = shelf.put(1, 60).unwrap();
        assert_eq!(shelf.put(2, 60).unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(shelf.replace(&first, 2, 200).unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(shelf.with(&first, |thing| *thing).unwrap(), 1);
        shelf.put(2, 0).unwrap();
        assert_eq!(shelf.put(3, 0).unwrap_err().code(), Code::ResourceExhausted);
        let brief = Shelf::new("ticket", Room { kept: Duration::ZERO, ..ROOM });
        let first = brief.put(1, 60).unwrap();
        assert!(brief.put(2, 60).is_ok());
        assert_eq!(brief.take(&first).unwrap_err().code(), Code::NotFound);
    }
}
