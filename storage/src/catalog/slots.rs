//! A hash table of numbers: where to look for what has a certain hash.
//!
//! ```text
//! hash 64 = shard 6 │ mark 8 │ … │ place 32        slot 32 = mark 8 │ number 24, 0 where empty
//! ```
//! The things that the numbers stand for lie elsewhere, and whoever looks one up compares them. So
//! a slot is a hint: one that leads to nothing any more does no harm, and goes when its shard
//! grows. Shards grow one by one, so that no insertion waits for a whole table.
//!
//! *Invariant.* A number that was inserted for a hash is among those tried for it.

/// The greatest number. LIMIT: a slot has 24 bits for it.
pub(super) const NUMBER_MAX: u32 = (1 << 24) - 1;

const SHARDS: usize = 64;
const FIRST_SLOTS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Made with the first number.
    shards: Box<[Shard]>,
}

#[derive(Debug, Default, Clone)]
struct Shard {
    slots: Box<[u32]>,
    used: usize,
}

impl Slots {
    /// The first number inserted for a hash for which `is` says so.
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.shards.get(shard_of(hash))?.find(hash, is)
    }

    /// Makes room for so many numbers at once, before the first.
    pub(super) fn reserve(&mut self, count: usize) {
        if self.shards.is_empty() && count > SHARDS * FIRST_SLOTS {
            // An eighth stays empty, and shards do not fill evenly.
            let slots = count / SHARDS * 6 / 5 + FIRST_SLOTS;
            self.shards = (0..SHARDS).map(|_| Shard::with_slots(slots)).collect();
        }
    }

    /// Inserts a number. `hashes` tells the hashes of what a number stands for, to the second
    /// argument, one by one.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        number: u32,
        hashes: impl Fn(u32, &mut dyn FnMut(u64)),
    ) {
        if self.shards.is_empty() {
            self.shards = vec![Shard::default(); SHARDS].into_boxed_slice();
        }
        let Some(shard) = self.shards.get_mut(shard_of(hash)) else { return };
        if shard.used * 8 >= shard.slots.len() * 7 {
            let mut own = Vec::with_capacity(shard.used);
            for slot in shard.slots.iter().filter(|slot| **slot != 0) {
                let number = slot & NUMBER_MAX;
                hashes(number, &mut |own_hash| own.push((own_hash, number)));
            }
            own.retain(|(own_hash, _)| shard_of(*own_hash) == shard_of(hash));
            let grown = own.len().max(shard.used) * 3 / 2;
            let mut larger = Shard::with_slots(grown.max(FIRST_SLOTS));
            own.into_iter().for_each(|(own_hash, number)| larger.insert(own_hash, number));
            *shard = larger;
        }
        shard.insert(hash, number);
    }
}

impl Shard {
    fn with_slots(count: usize) -> Self {
        Self { slots: vec![0; count].into_boxed_slice(), used: 0 }
    }

    fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mark = mark_of(hash);
        let tried = self.from(hash).take_while(|slot| *slot != 0);
        tried
            .filter(|slot| slot & !NUMBER_MAX == mark)
            .map(|slot| slot & NUMBER_MAX)
            .find(|number| is(*number))
    }

    fn insert(&mut self, hash: u64, number: u32) {
        let slot = mark_of(hash) | number;
        let tried = self.from(hash).position(|own| own == 0 || own == slot);
        let Some(steps) = tried else { return };
        let at = (self.start(hash) + steps) % self.slots.len();
        if let Some(place) = self.slots.get_mut(at) {
            self.used += usize::from(*place == 0);
            *place = slot;
        }
    }

    /// The slots from the first one of a hash on, each once.
    fn from(&self, hash: u64) -> impl Iterator<Item = u32> {
        let (front, back) = self.slots.split_at(self.start(hash));
        back.iter().chain(front).copied()
    }

    fn start(&self, hash: u64) -> usize {
        let low = hash & u64::from(u32::MAX);
        usize::try_from((low * self.slots.len() as u64) >> 32).unwrap_or_default()
    }
}

fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> 58).unwrap_or_default()
}

fn mark_of(hash: u64) -> u32 {
    u32::try_from((hash >> 50) & 0xff).unwrap_or_default() << 24
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn every_number_is_found_by_its_hash() {
        let hasher = RandomState::new();
        let hash = |number: u32| hasher.hash_one(number);
        for reserved in [0, 100, 50_000] {
            let mut slots = Slots::default();
            slots.reserve(reserved);
            for number in 1..50_000 {
                slots.insert(hash(number), number, |number, tell| tell(hash(number)));
            }
            for number in 1..50_000 {
                assert_eq!(slots.find(hash(number), |own| own == number), Some(number));
            }
            assert_eq!(slots.find(hash(60_000), |own| own == 60_000), None);
        }
    }

    #[test]
    fn numbers_with_one_hash_are_all_tried() {
        let mut slots = Slots::default();
        for number in 1..100 {
            slots.insert(7, number, |_, tell| tell(7));
        }
        for number in 1..100 {
            assert_eq!(slots.find(7, |own| own == number), Some(number));
        }
    }

    #[test]
    fn a_number_inserted_twice_takes_one_slot() {
        let mut slots = Slots::default();
        (0..1_000).for_each(|_| slots.insert(7, 1, |_, tell| tell(7)));
        assert_eq!(slots.shards.iter().map(|shard| shard.used).sum::<usize>(), 1);
    }
}
