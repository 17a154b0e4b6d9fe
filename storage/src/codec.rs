//! The samples of one tag as bytes: pages of up to 1,024 rows, in chunks of up to eight pages.
//!
//! ```text
//! chunk   meta │ page 0 │ page 1 …        page: flags │ nulls │ qualities │ values
//! times   apart, a page each, so that tags of one scan can share them
//! column  a table of lanes for an index
//! ```
//! A chunk without meta is *hot*: its pages stand alone. Every byte: `docs/format/codec.md`.
//!
//! *Invariant.* What an encoder wrote, its decoder reads back bit for bit, whatever the bits (NaN
//! payloads, −0, the ends of i64); any other bytes give rows or `None`, never a panic, and never
//! more memory than the rows asked for can need.
//!
//! *Not here.* Checksums: whoever places the bytes knows where they belong.

mod bits;
mod cold;
mod column;
mod counts;
mod floats;
mod ints;
mod latents;
mod page;
mod planes;
mod sparse;
mod text;
mod time;
mod totals;
mod transform;

use std::sync::Arc;

use tacitus_model::Kind;

use crate::block::Block;
use crate::codec::cold::{Shared, Way};
use crate::codec::transform::{Scale, Transform};
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;

pub(crate) use column::{decode_column, encode_column};
pub use totals::Totals;
pub(crate) use transform::{Lanes, to_float};

/// How much work goes into few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Sealed from the head: pages that stand alone and are decoded at memory speed.
    Hot,
    /// Compacted: the pages of a chunk share what was learned about all of them.
    Cold,
}

/// Pages in a chunk. LIMIT: 8,192 rows, where a longer chunk gains little and reading one page
/// would need more of its meta.
pub(crate) const CHUNK_PAGES_MAX: usize = 8;

/// The first byte of the meta of a chunk of texts; what follows is a table, then the meta of the
/// numbers of texts, if they have one.
const TEXTS: u8 = 5;

/// What won for a tag last time: the first guess of the next time.
#[derive(Debug, Default, Clone)]
pub(crate) struct Guess {
    hot: Option<Won<Transform>>,
    cold: Option<Won<Way>>,
}

/// What won, and how small that was.
#[derive(Debug, Clone, Copy)]
struct Won<T> {
    what: T,
    has_dictionary: bool,
    /// Bytes of 256 rows, a moving average.
    bytes_of_256: usize,
    /// How often it was taken without looking at others.
    taken: u8,
}

/// LIMIT: what won is looked at again after so many pages or chunks, in case another has become
/// better without this one having become worse.
const TAKEN_MAX: u8 = 15;

impl<T> Won<T> {
    fn new(what: T, has_dictionary: bool, bytes: usize, rows: usize) -> Self {
        Self { what, has_dictionary, bytes_of_256: bytes * 256 / rows.max(1), taken: 0 }
    }

    /// Whether so many bytes are about as few as before; if so, they count from now on.
    fn accepts(&mut self, bytes: usize, rows: usize) -> bool {
        // A sixteenth more, and what short pages take for their heads.
        let is_small = bytes * 240 <= rows * self.bytes_of_256 + 16 * 256;
        let accepted = is_small && self.taken < TAKEN_MAX;
        if accepted {
            self.taken += 1;
            self.bytes_of_256 = (self.bytes_of_256 * 3 + bytes * 256 / rows.max(1)) / 4;
        }
        accepted
    }
}

/// A chunk as bytes.
#[derive(Debug, Default)]
pub(crate) struct EncodedChunk {
    /// What the pages share; empty where they stand alone.
    pub(crate) meta: Vec<u8>,
    /// A page for every 1,024 rows, and one for the rest.
    pub(crate) pages: Vec<Vec<u8>>,
}

/// Appends the times of one page: at most [`PAGE_ROWS_MAX`], strictly rising.
pub(crate) fn encode_times(out: &mut Vec<u8>, times: &[i64]) {
    debug_assert!((1..=PAGE_ROWS_MAX).contains(&times.len()), "a page has bounded rows");
    time::encode(out, times);
}

/// Appends the `rows` times of a page; they rise strictly. After `None`, `out` is of no use.
pub(crate) fn decode_times(bytes: &[u8], rows: usize, out: &mut Vec<i64>) -> Option<()> {
    if rows == 0 || rows > PAGE_ROWS_MAX {
        return None;
    }
    let mut from = Cursor::new(bytes);
    time::decode(&mut from, rows, out)?;
    from.is_empty().then_some(())
}

/// The first of the `rows` times of a page and the step to each next one, where that is all that
/// is written.
pub(crate) fn decode_steady_times(bytes: &[u8], rows: usize) -> Option<(i64, u64)> {
    let mut from = Cursor::new(bytes);
    let steady = time::decode_steady(&mut from, rows)?;
    from.is_empty().then_some(steady)
}

/// The values, nulls and qualities (not the times) of at most [`CHUNK_PAGES_MAX`] pages of rows.
pub(crate) fn encode_chunk(block: &Block, level: Level, guess: &mut Guess) -> EncodedChunk {
    debug_assert!(block.len() <= CHUNK_PAGES_MAX * PAGE_ROWS_MAX, "a chunk has bounded rows");
    let rows = block.bits.len();
    let mut chunk = EncodedChunk::default();
    for first in (0..rows).step_by(PAGE_ROWS_MAX) {
        let mut page = Vec::new();
        sparse::encode(&mut page, block, first..rows.min(first + PAGE_ROWS_MAX));
        chunk.pages.push(page);
    }
    match (block.kind, level) {
        (Kind::Text, Level::Hot) => hot_texts(&mut chunk, block),
        (Kind::Text, Level::Cold) => {
            let (texts, numbers) = text::number(block, 0..rows);
            chunk.meta.push(TEXTS);
            text::encode_table(&mut chunk.meta, &texts);
            add_values(&mut chunk, Kind::State, &numbers, level, guess);
        }
        (kind, level) => add_values(&mut chunk, kind, &block.bits, level, guess),
    }
    chunk
}

fn hot_texts(chunk: &mut EncodedChunk, block: &Block) {
    for (number, page) in chunk.pages.iter_mut().enumerate() {
        let first = number * PAGE_ROWS_MAX;
        let rows = first..block.bits.len().min(first + PAGE_ROWS_MAX);
        let (texts, numbers) = text::number(block, rows);
        text::encode_table(page, &texts);
        page::encode(page, Kind::State, &numbers, &mut None);
    }
}

/// Appends lanes to the pages of a chunk, and what they share to its meta.
fn add_values(
    chunk: &mut EncodedChunk,
    kind: Kind,
    lanes: &[u64],
    level: Level,
    guess: &mut Guess,
) {
    if level == Level::Cold
        && let Some(cold) = cold::encode(kind, lanes, guess)
    {
        chunk.meta.extend(cold.meta);
        chunk.pages.iter_mut().zip(cold.pages).for_each(|(page, values)| page.extend(values));
        return;
    }
    for (page, lanes) in chunk.pages.iter_mut().zip(lanes.chunks(PAGE_ROWS_MAX)) {
        page::encode(page, kind, lanes, &mut guess.hot);
    }
}

/// A chunk's meta, parsed once and kept by whoever reads its pages.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    kind: Kind,
    /// The texts of a cold chunk of texts.
    texts: Option<Arc<[Arc<str>]>>,
    /// What the values of its pages share; `None` where they stand alone.
    shared: Option<Arc<Shared>>,
}

impl Chunk {
    /// The meta of a chunk of this kind; `None` for bytes that are none.
    pub(crate) fn parse(kind: Kind, meta: &[u8]) -> Option<Self> {
        let mut from = Cursor::new(meta);
        let mut texts = None;
        let mut lanes = kind;
        if kind == Kind::Text && !meta.is_empty() {
            from.u8().filter(|code| *code == TEXTS)?;
            let table = text::decode_table(&mut from, CHUNK_PAGES_MAX * PAGE_ROWS_MAX)?;
            texts = Some(Arc::from(table));
            lanes = Kind::State;
        }
        let shared =
            if from.is_empty() { None } else { Some(Arc::new(Shared::parse(lanes, from)?)) };
        Some(Self { kind, texts, shared })
    }

    /// About the memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let text = |text: &Arc<str>| text.len() + 4 * size_of::<usize>();
        let texts: usize = self.texts.iter().flat_map(|texts| &**texts).map(text).sum();
        size_of_val(self) + texts + self.shared.as_ref().map_or(0, |shared| shared.bytes())
    }

    /// Decodes page `number` of the chunk and appends what it has, all but times, to `out`, whose
    /// columns must be as long as its `bits`. After `None`, `out` is of no use.
    pub(crate) fn decode(
        &self,
        number: usize,
        page: &[u8],
        rows: usize,
        out: &mut Block,
    ) -> Option<()> {
        if rows == 0 || rows > PAGE_ROWS_MAX || number >= CHUNK_PAGES_MAX {
            return None;
        }
        let at = out.bits.len();
        let mut from = Cursor::new(page);
        sparse::decode(&mut from, rows, out, at)?;
        let own;
        let texts: &[Arc<str>] = match &self.texts {
            Some(texts) => texts,
            None if self.kind == Kind::Text => {
                own = text::decode_table(&mut from, PAGE_ROWS_MAX)?;
                &own
            }
            None => &[],
        };
        let mut lanes = [0; PAGE_ROWS_MAX];
        let decoded = self.decode_values(number, from, rows, &mut lanes)?;
        let lanes = lanes.get_mut(..rows)?;
        decoded.finish(lanes);
        if self.kind != Kind::Text {
            out.bits.extend_from_slice(lanes);
            return Some(());
        }
        for lane in lanes {
            let text = texts.get(usize::try_from(*lane).ok()?)?;
            out.bits.push(out.texts.len() as u64);
            out.texts.push(Arc::clone(text));
        }
        Some(())
    }

    /// Decodes the lanes of a page of numbers, all of whose rows are present and good, into the
    /// first `rows` of `out`; `None` where some row is not, and for texts.
    pub(crate) fn decode_pure(
        &self,
        number: usize,
        page: &[u8],
        rows: usize,
        out: &mut [u64; PAGE_ROWS_MAX],
    ) -> Option<Lanes> {
        let bounded = (1..=PAGE_ROWS_MAX).contains(&rows) && number < CHUNK_PAGES_MAX;
        if !bounded || self.kind == Kind::Text {
            return None;
        }
        let mut from = Cursor::new(page);
        sparse::is_absent(&mut from)?.then_some(())?;
        self.decode_values(number, from, rows, out)
    }

    /// Count, least, greatest and sum of a page of numbers, all of whose rows are present and
    /// good; `None` where they are not, or for texts. Digits order as their floats do, so that
    /// decimals need no division but for the results.
    pub(crate) fn totals(&self, number: usize, page: &[u8], rows: usize) -> Option<Totals> {
        let mut lanes = [0; PAGE_ROWS_MAX];
        let decoded = self.decode_pure(number, page, rows, &mut lanes)?;
        let lanes = lanes.get_mut(..rows)?;
        if let Lanes::Digits(scale @ Scale { is_single: false, .. }) = decoded {
            return Some(Totals::of_digits(lanes, scale));
        }
        decoded.finish(lanes);
        Totals::of(self.kind, lanes)
    }

    fn decode_values(
        &self,
        number: usize,
        mut from: Cursor<'_>,
        rows: usize,
        out: &mut [u64; PAGE_ROWS_MAX],
    ) -> Option<Lanes> {
        if let Some(shared) = &self.shared {
            return shared.decode(number, from, rows, out);
        }
        let decoded = page::decode(&mut from, self.kind, rows, out)?;
        from.is_empty().then_some(decoded)
    }
}

#[cfg(test)]
mod tests;
