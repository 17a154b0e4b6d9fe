//! Bytes of small things, packed one behind the other, each found by where it begins.
//!
//! A thing that changes is packed anew, and its old bytes are dead. A chunk that is more than half
//! dead is emptied by moving what lives in it.
//!
//! *Invariant.* A thing lies within one chunk and stays where it is until its chunk is cleared.

/// LIMIT: the largest thing, a tag with all its texts and names at their longest, fits a chunk.
const CHUNK_BYTES: usize = 1 << 20;

/// LIMIT: a place has 32 bits.
const CHUNKS_MAX: usize = 1 << 12;

/// Where a thing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(u32);

#[derive(Debug, Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// The chunk that is being filled.
    open: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    dead: usize,
}

impl Place {
    fn split(self) -> (usize, usize) {
        let at = self.0 as usize;
        (at / CHUNK_BYTES, at % CHUNK_BYTES)
    }

    pub(super) fn chunk(self) -> usize {
        self.split().0
    }
}

impl Arena {
    /// Packs a thing; `None` where there is no room for it.
    pub(super) fn push(&mut self, thing: &[u8]) -> Option<Place> {
        if !self.chunks.get(self.open).is_some_and(|chunk| chunk.has_room(thing.len())) {
            self.open =
                self.chunks.iter().position(|chunk| chunk.bytes.is_empty()).or_else(|| {
                    self.chunks.push(Chunk::default());
                    (self.chunks.len() <= CHUNKS_MAX).then_some(self.chunks.len() - 1)
                })?;
        }
        let chunk = self.chunks.get_mut(self.open).filter(|chunk| chunk.has_room(thing.len()))?;
        let at = self.open * CHUNK_BYTES + chunk.bytes.len();
        chunk.bytes.extend_from_slice(thing);
        u32::try_from(at).ok().map(Place)
    }

    /// What begins at a place, and all behind it in its chunk.
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let (chunk, offset) = place.split();
        self.chunks.get(chunk).and_then(|chunk| chunk.bytes.get(offset..)).unwrap_or_default()
    }

    pub(super) fn get_mut(&mut self, place: Place) -> &mut [u8] {
        let (chunk, offset) = place.split();
        self.chunks
            .get_mut(chunk)
            .and_then(|chunk| chunk.bytes.get_mut(offset..))
            .unwrap_or_default()
    }

    /// Notes that a thing of so many bytes is no longer used.
    pub(super) fn bury(&mut self, place: Place, len: usize) {
        if let Some(chunk) = self.chunks.get_mut(place.chunk()) {
            chunk.dead += len;
        }
    }

    /// A chunk, not the open one, that is more than half dead.
    pub(super) fn dying(&self) -> Option<usize> {
        let mut chunks = self.chunks.iter().enumerate();
        let dying =
            |(at, chunk): &(usize, &Chunk)| *at != self.open && chunk.dead * 2 > chunk.bytes.len();
        chunks.find(dying).map(|(at, _)| at)
    }

    /// Empties a chunk that nothing lives in.
    pub(super) fn clear(&mut self, chunk: usize) {
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            *chunk = Chunk::default();
        }
    }
}

impl Chunk {
    fn has_room(&self, len: usize) -> bool {
        self.bytes.len() + len <= CHUNK_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_where_they_were_packed() {
        let mut arena = Arena::default();
        let things: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; 70_000]).collect();
        let places: Vec<Place> = things.iter().map(|thing| arena.push(thing).unwrap()).collect();
        for (thing, place) in things.iter().zip(&places) {
            assert!(arena.get(*place).starts_with(thing));
        }
        assert!(arena.push(&vec![0; CHUNK_BYTES + 1]).is_none());
    }

    #[test]
    fn a_chunk_of_mostly_dead_things_is_used_again() {
        let mut arena = Arena::default();
        let thing = vec![1; 300_000];
        let places: Vec<Place> = (0..9).map(|_| arena.push(&thing).unwrap()).collect();
        assert_eq!(arena.dying(), None);
        places[..2].iter().for_each(|place| arena.bury(*place, thing.len()));
        assert_eq!(arena.dying(), Some(0));
        arena.clear(0);
        let again: Vec<Place> = (0..3).map(|_| arena.push(&thing).unwrap()).collect();
        assert!(again.contains(&places[0]));
    }
}
