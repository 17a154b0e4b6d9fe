//! Writing a segment: rows come tag by tag in time order, a file comes out.
//!
//! *Invariant.* Memory is one chunk of rows and the directories, however much is written; the
//! file appears under its name only when it is complete and synced.

use std::collections::HashMap;

use crc32fast::Hasher;

use tacitus_model::{Kind, TagId};

use crate::block::Block;
use crate::codec::{
    CHUNK_PAGES_MAX, EncodedChunk, Guess, Level, encode_chunk, encode_column, encode_times,
};
use crate::disk::Disk;
use crate::error::Error;
use crate::limits::{PAGE_ROWS_MAX, PAGE_STATES_MAX, SHARED_BYTES_MAX};
use crate::log::StoreId;
use crate::manifest::{FileRecord, Tier};
use crate::naming::Naming;
use crate::publish::Draft;
use crate::segment::entry::{PageEntry, Place, Span, StateTime, TagEntry};
use crate::segment::layout::{HEADER_BYTES, Header, Tables, encode_frame, encode_header};
use crate::segment::table::{BLOCK_RECORDS, BlockPlace, Directory, Record, encode_block};
use crate::segment::{ROLL_PAGES, piece_checksum};
use crate::statistics::Statistics;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// Rows of a chunk.
const CHUNK_ROWS: usize = CHUNK_PAGES_MAX * PAGE_ROWS_MAX;

/// What a segment is made as.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) number: u64,
    pub(crate) level: Level,
    pub(crate) tier: Tier,
    pub(crate) replaced: bool,
    pub(crate) class: String,
    /// 0 where it is not known yet: then that of the manifest holds for every row.
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    /// Rows up to this sequence need not keep theirs: nobody may look back as far.
    pub(crate) history: u64,
}

/// A segment that was written.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) file: FileRecord,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) samples: u64,
}

/// A segment under way.
#[derive(Debug)]
pub(crate) struct SegmentWriter<'a> {
    file: File<'a>,
    options: WriteOptions,
    pages: Table<PageEntry>,
    tags: Table<TagEntry>,
    rolls: Table<Statistics>,
    great_rolls: Table<Statistics>,
    states: Table<StateTime>,
    tag_set: roaring::RoaringBitmap,
    current: Option<Current>,
    shared: Shared,
    samples: u64,
    first_ns: i64,
    last_ns: i64,
}

/// The tag whose rows are coming in.
#[derive(Debug)]
struct Current {
    tag: TagId,
    step: bool,
    pending: Block,
    guess: Guess,
    first_page: usize,
    error_bound: f64,
    /// Statistics of the pages so far.
    pages: Vec<Statistics>,
    last: Option<crate::block::Row>,
}

/// The file as it grows.
#[derive(Debug)]
struct File<'a> {
    draft: Draft<'a>,
    store: StoreId,
    number: u64,
    /// Not yet written; its first byte belongs at `written`.
    pending: Vec<u8>,
    written: u64,
    /// Over the checksums of all pieces so far.
    digest: Hasher,
}

/// A table as it grows: full blocks go to the file at once.
#[derive(Debug)]
struct Table<R> {
    directory: Directory,
    records: Vec<R>,
}

/// Times and sequences that were written already, and where: pages with the same share them.
#[derive(Debug, Default)]
struct Shared {
    known: HashMap<Box<[u8]>, Span>,
    bytes: usize,
}

impl<'a> SegmentWriter<'a> {
    pub(crate) fn begin(
        disk: &'a dyn Disk,
        store: &StoreId,
        options: WriteOptions,
    ) -> Result<Self, Error> {
        let number = options.number;
        let draft = Draft::begin(disk, &Naming::segment(number))?;
        let written = HEADER_BYTES as u64;
        let pending = Vec::new();
        Ok(Self {
            file: File { draft, store: *store, number, pending, written, digest: Hasher::new() },
            options,
            pages: Table::new(),
            tags: Table::new(),
            rolls: Table::new(),
            great_rolls: Table::new(),
            states: Table::new(),
            tag_set: roaring::RoaringBitmap::new(),
            current: None,
            shared: Shared::default(),
            samples: 0,
            first_ns: i64::MAX,
            last_ns: i64::MIN,
        })
    }

    /// Adds rows: those of one tag in time order, tags by rising id.
    pub(crate) fn add(&mut self, tag: TagId, step: bool, rows: &Block) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        self.turn_to(tag, step, rows.kind, rows.sequences.is_some())?;
        let mut from = 0;
        while from < rows.len() {
            let Some(current) = &mut self.current else { return Ok(()) };
            let to = rows.len().min(from + CHUNK_ROWS - current.pending.len());
            current.pending.extend(rows, from..to);
            from = to;
            if current.pending.len() == CHUNK_ROWS {
                self.write_chunk()?;
            }
        }
        Ok(())
    }

    /// Notes how far samples of the tag that comes in may be off, where some were left out.
    pub(crate) fn widen(&mut self, error_bound: f64) {
        if let Some(current) = &mut self.current {
            current.error_bound = current.error_bound.max(error_bound);
        }
    }

    /// Adds what is known of samples that are not kept themselves.
    pub(crate) fn add_statistics(
        &mut self,
        like: &TagEntry,
        statistics: Statistics,
    ) -> Result<(), Error> {
        self.turn_to(like.tag, like.step, like.kind, false)?;
        let Some(current) = &mut self.current else { return Ok(()) };
        current.error_bound = like.error_bound;
        let sequence = self.options.last_sequence.max(self.options.history);
        let place = Place { first_sequence: sequence, last_sequence: sequence, ..Place::default() };
        current.pages.push(statistics);
        // The table of tags keeps the latest value for those who start from it.
        current.last = Some(like.last_row());
        self.samples += statistics.rows;
        self.pages.push(&mut self.file, self.options.level, PageEntry { place, statistics })
    }

    /// Begins a tag, unless it is the one that rows are coming of.
    fn turn_to(&mut self, tag: TagId, step: bool, kind: Kind, tracked: bool) -> Result<(), Error> {
        if self.current.as_ref().is_some_and(|current| current.tag == tag) {
            return Ok(());
        }
        self.end_tag()?;
        self.current = Some(Current {
            tag,
            step,
            pending: Block::tracked(kind, tracked),
            guess: Guess::default(),
            first_page: self.pages.len(),
            error_bound: 0.0,
            pages: Vec::new(),
            last: None,
        });
        Ok(())
    }

    /// Writes what has come of the current tag as a chunk.
    fn write_chunk(&mut self) -> Result<(), Error> {
        let Some(mut current) = self.current.take() else { return Ok(()) };
        let tracked = current.pending.sequences.is_some();
        let empty = Block::tracked(current.pending.kind, tracked);
        let rows = std::mem::replace(&mut current.pending, empty);
        let EncodedChunk { meta, pages } =
            encode_chunk(&rows, self.options.level, &mut current.guess);
        let meta = if meta.is_empty() { Span::default() } else { self.file.put(&meta)? };
        for (number, values) in pages.into_iter().enumerate() {
            let from = number * PAGE_ROWS_MAX;
            let range = from..rows.len().min(from + PAGE_ROWS_MAX);
            let statistics = Statistics::of(rows.run(range.clone(), current.step));
            let mut place = self.place(&rows, range.clone())?;
            place.meta = meta;
            place.values = self.file.put(&values)?;
            place.number = u8::try_from(number).unwrap_or(u8::MAX);
            self.put_states(&rows, range, &mut place)?;
            current.pages.push(statistics);
            self.pages.push(&mut self.file, self.options.level, PageEntry { place, statistics })?;
        }
        current.last = rows.row(rows.len().saturating_sub(1)).or(current.last);
        self.samples += rows.len() as u64;
        self.current = Some(current);
        Ok(())
    }

    /// Writes the times and sequences of a page, or finds them written.
    fn place(&mut self, rows: &Block, range: std::ops::Range<usize>) -> Result<Place, Error> {
        let mut bytes = Vec::new();
        encode_times(&mut bytes, rows.times.get(range.clone()).unwrap_or_default());
        let times = self.shared.put(&mut self.file, bytes)?;
        let own = rows.sequences.as_deref().and_then(|own| own.get(range));
        let first = self.options.first_sequence;
        let (first_sequence, last_sequence) = own.map_or((first, first), |own| {
            let least = own.iter().min().copied().unwrap_or(first);
            (least, own.iter().max().copied().unwrap_or(first))
        });
        let mut sequences = Span::default();
        let forgotten = last_sequence <= self.options.history;
        let first_sequence = if forgotten { last_sequence } else { first_sequence };
        if let Some(own) = own.filter(|_| first_sequence != last_sequence) {
            let mut bytes = Vec::new();
            encode_column(&mut bytes, Kind::Int, own, self.options.level);
            sequences = self.shared.put(&mut self.file, bytes)?;
        }
        Ok(Place { times, sequences, first_sequence, last_sequence, ..Place::default() })
    }

    /// Notes how long the tag was in each of its states, where these are few.
    fn put_states(
        &mut self,
        rows: &Block,
        range: std::ops::Range<usize>,
        place: &mut Place,
    ) -> Result<(), Error> {
        if !matches!(rows.kind, Kind::Bool | Kind::State) {
            return Ok(());
        }
        let states = StateTime::of(rows, range);
        if states.len() > PAGE_STATES_MAX {
            return Ok(());
        }
        place.first_state = count_u32(self.states.len());
        place.states = count_u32(states.len());
        for state in states {
            self.states.push(&mut self.file, self.options.level, state)?;
        }
        Ok(())
    }

    /// Completes the tag whose rows came last.
    fn end_tag(&mut self) -> Result<(), Error> {
        self.write_chunk_if_pending()?;
        let Some(current) = self.current.take() else { return Ok(()) };
        let Some(last) = current.last else { return Ok(()) };
        let level = self.options.level;
        let rolls = roll(&current.pages, current.step);
        let great_rolls = roll(&rolls, current.step);
        let mut statistics = Statistics::default();
        great_rolls.iter().for_each(|part| statistics.absorb(part, current.step));
        let first_roll = self.rolls.len();
        if current.pages.len() >= ROLL_PAGES {
            for record in &rolls {
                self.rolls.push(&mut self.file, level, *record)?;
            }
        }
        let first_great_roll = self.great_rolls.len();
        if rolls.len() >= ROLL_PAGES {
            for record in &great_rolls {
                self.great_rolls.push(&mut self.file, level, *record)?;
            }
        }
        self.first_ns = self.first_ns.min(statistics.first_ns);
        self.last_ns = self.last_ns.max(statistics.last_ns);
        self.tag_set.insert(current.tag.0);
        let entry = TagEntry {
            tag: current.tag,
            kind: current.pending.kind,
            step: current.step,
            first_page: count_u32(current.first_page),
            page_count: count_u32(current.pages.len()),
            first_roll: count_u32(first_roll),
            first_great_roll: count_u32(first_great_roll),
            last_bits: if current.pending.kind == Kind::Text { 0 } else { last.bits },
            last_quality: last.quality,
            last_null: last.null,
            error_bound: current.error_bound,
            statistics,
        };
        self.tags.push(&mut self.file, level, entry)
    }

    fn write_chunk_if_pending(&mut self) -> Result<(), Error> {
        if self.current.as_ref().is_some_and(|current| !current.pending.is_empty()) {
            return self.write_chunk();
        }
        Ok(())
    }

    /// Writes what surrounds the pages and makes the file appear; `None`, and no file, where
    /// there is no sample.
    pub(crate) fn finish(mut self) -> Result<Option<Finished>, Error> {
        self.end_tag()?;
        if self.samples == 0 {
            self.file.draft.abandon();
            return Ok(None);
        }
        let level = self.options.level;
        let tables = Tables {
            pages: self.pages.finish(&mut self.file, level)?,
            tags: self.tags.finish(&mut self.file, level)?,
            rolls: self.rolls.finish(&mut self.file, level)?,
            great_rolls: self.great_rolls.finish(&mut self.file, level)?,
            states: self.states.finish(&mut self.file, level)?,
            tag_set: self.tag_set,
        };
        let WriteOptions { number, first_sequence, last_sequence, .. } = self.options;
        let mut header = Header {
            number,
            first_sequence,
            last_sequence,
            first_ns: self.first_ns,
            last_ns: self.last_ns,
            samples: self.samples,
            level: u8::from(level == Level::Cold),
            tier: self.options.tier,
            replaced: self.options.replaced,
            root_bytes: 0,
            class: self.options.class,
        };
        let bytes = self.file.finish(&mut header, &tables)?;
        let file = FileRecord { number, bytes, first_sequence, last_sequence };
        let Header { first_ns, last_ns, samples, .. } = header;
        Ok(Some(Finished { file, first_ns, last_ns, samples }))
    }
}

impl File<'_> {
    fn offset(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Writes bytes with their checksum.
    fn put(&mut self, bytes: &[u8]) -> Result<Span, Error> {
        let offset = self.offset();
        let crc = piece_checksum(&self.store, self.number, offset, bytes);
        self.pending.extend_from_slice(bytes);
        self.pending.extend_from_slice(&crc.to_le_bytes());
        self.digest.update(&crc.to_le_bytes());
        if self.pending.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(Span { offset, len: count_u32(bytes.len() + crc.to_le_bytes().len()) })
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.draft.write_at(self.written, &self.pending)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes both roots and the header; the length of the file.
    fn finish(mut self, header: &mut Header, tables: &Tables) -> Result<u64, Error> {
        self.flush()?;
        let digest = self.digest.clone().finalize();
        let roots = encode_frame(&self.store, self.written, digest, header, tables);
        self.draft.write_at(self.written, &roots)?;
        self.draft.write_at(0, &encode_header(&self.store, header))?;
        self.draft.publish()?;
        Ok(self.written + roots.len() as u64)
    }
}

impl<R: Record> Table<R> {
    fn new() -> Self {
        Self { directory: Directory::default(), records: Vec::new() }
    }

    fn len(&self) -> usize {
        self.directory.records + self.records.len()
    }

    fn push(&mut self, file: &mut File<'_>, level: Level, record: R) -> Result<(), Error> {
        self.records.push(record);
        if self.records.len() == BLOCK_RECORDS { self.flush(file, level) } else { Ok(()) }
    }

    fn flush(&mut self, file: &mut File<'_>, level: Level) -> Result<(), Error> {
        if !self.records.is_empty() {
            let Span { offset, len } = file.put(&encode_block(&self.records, level))?;
            self.directory.blocks.push(BlockPlace { offset, len });
            self.directory.records += self.records.len();
            self.records.clear();
        }
        Ok(())
    }

    fn finish(mut self, file: &mut File<'_>, level: Level) -> Result<Directory, Error> {
        self.flush(file, level)?;
        Ok(self.directory)
    }
}

impl Shared {
    fn put(&mut self, file: &mut File<'_>, bytes: Vec<u8>) -> Result<Span, Error> {
        if let Some(known) = self.known.get(&*bytes) {
            return Ok(*known);
        }
        let span = file.put(&bytes)?;
        self.bytes += bytes.len();
        if self.bytes > SHARED_BYTES_MAX {
            self.known.clear();
            self.bytes = bytes.len();
        }
        self.known.insert(bytes.into(), span);
        Ok(span)
    }
}

impl StateTime {
    /// How long good rows of states were in each of them, up to the time of the last row; by
    /// state.
    pub(crate) fn of(rows: &Block, range: std::ops::Range<usize>) -> Vec<Self> {
        let mut states: Vec<Self> = Vec::new();
        let mut before = None;
        for row in range.clone() {
            let (Some(ts), Some(state)) = (rows.times.get(row), rows.bits.get(row)) else { break };
            let known = !rows.is_null(row) && rows.quality(row).is_good();
            let until = if row + 1 < range.end { rows.times.get(row + 1) } else { None };
            let held_ns = until.map_or(0, |until| until.saturating_sub(*ts));
            if known {
                let entered = u64::from(before != Some(*state));
                match states.iter_mut().find(|own| own.state == *state) {
                    Some(own) => {
                        own.held_ns = own.held_ns.saturating_add(held_ns);
                        own.entries += entered;
                    }
                    None => states.push(Self { state: *state, held_ns, entries: entered }),
                }
            }
            before = known.then_some(*state);
        }
        states.sort_by_key(|own| own.state);
        states
    }
}

/// The statistics of every 32 records.
fn roll(records: &[Statistics], step: bool) -> Vec<Statistics> {
    let merge = |records: &[Statistics]| {
        let mut whole = Statistics::default();
        records.iter().for_each(|part| whole.absorb(part, step));
        whole
    };
    records.chunks(ROLL_PAGES).map(merge).collect()
}

/// A count of pages or bytes of one page; both are bounded far below 2^32.
fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
