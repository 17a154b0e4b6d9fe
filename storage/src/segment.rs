//! A sealed, immutable file of samples: pages by tag, what is known of them, and where they are.
//!
//! ```text
//! header 160 │ pages, times, blocks of tables … │ root │ the same root again
//! root: sections │ section table │ trailer 36
//! ```
//! Opening reads one root, a dozen bytes for every 512 pages; blocks of tables and pages are
//! read and checked when they are asked for, and blocks are kept in the cache. Layout:
//! `docs/format/segment.md`.
//!
//! *Invariant.* A segment is complete or not there. Within it a tag's pages stand in time order
//! without overlap, and every time occurs once. Every checksum covers the store, the file and
//! the offset. A page that cannot be read fails alone.
//!
//! *Not here.* Which segments are live: the manifest says so.

mod entry;
mod layout;
mod numbers;
mod page;
mod table;
mod verify;
mod writer;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;
use tacitus_model::{Kind, TagId, Timestamp};

use crate::block::Row;
use crate::cache::{BlockCache, Cached, PageBlock, Parts};
use crate::checksum::checksum;
use crate::disk::{Disk, DiskFile};
use crate::engine::Pins;
use crate::error::{Error, ErrorKind};
use crate::log::StoreId;
use crate::manifest::SegmentRecord;
use crate::naming::Naming;
use crate::planted::{self, Bug};
use crate::statistics::Statistics;
use entry::{PageEntry, Span};
use layout::{Header, Tables};
use table::{BlockPlace, Record, decode_block};

pub use entry::StateTime;
pub(crate) use entry::{Place, TagEntry};
pub(crate) use numbers::PageNumbers;
pub(crate) use page::PageReader;
pub(crate) use table::BLOCK_RECORDS;
pub(crate) use verify::record_of;
pub(crate) use writer::{Finished, SegmentWriter, WriteOptions};

/// The checksum behind every page and block.
const CRC_BYTES: usize = 4;

/// Pages of a tag in one record of the first level of the pyramid; as many of those in one of
/// the second.
pub(crate) const ROLL_PAGES: usize = 32;

/// A segment, open for reading.
#[derive(Debug)]
pub(crate) struct Segment {
    name: String,
    store: StoreId,
    file: Box<dyn DiskFile>,
    record: SegmentRecord,
    header: Header,
    /// Set when no manifest names it any more: the file goes with the last reader.
    doomed: OnceLock<Arc<Pins>>,
    tables: Tables,
    cache: BlockCache,
}

impl Segment {
    /// Opens a segment that the manifest names.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] where it is not the file that was written.
    pub(crate) fn open(
        disk: &dyn Disk,
        store: &StoreId,
        record: SegmentRecord,
        cache: &BlockCache,
    ) -> Result<Self, Error> {
        let name = Naming::segment(record.file.number);
        let io = |source| Error::io("open", &name, source);
        let file = disk.open_immutable(&name).map_err(io)?;
        let size = file.size().map_err(io)?;
        if size != record.file.bytes {
            let what = format!("it has {size} bytes, not {}", record.file.bytes);
            return Err(Error::corrupt(&name, what));
        }
        let opened = layout::read_frame(store, record.file.number, size, &reader(&*file));
        let opened = opened.map_err(io)?;
        let (header, tables) = opened.map_err(|what| Error::corrupt(&name, what))?;
        Ok(Self {
            name,
            store: *store,
            file,
            record,
            header,
            doomed: OnceLock::new(),
            tables,
            cache: cache.clone(),
        })
    }

    /// What the manifest says of it.
    pub(crate) fn record(&self) -> &SegmentRecord {
        &self.record
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.record.file.last_sequence
    }

    /// Has the file removed when nobody reads it any more: no manifest names it.
    pub(crate) fn doom(&self, pins: &Arc<Pins>) {
        self.doomed.get_or_init(|| Arc::clone(pins));
    }

    /// The ids of its tags.
    pub(crate) fn tag_set(&self) -> &RoaringBitmap {
        &self.tables.tag_set
    }

    /// How many pages it has.
    pub(crate) fn pages(&self) -> usize {
        self.tables.pages.records
    }

    /// The samples in it.
    pub(crate) fn samples(&self) -> u64 {
        self.header.samples
    }

    /// The ids of its tags, rising.
    pub(crate) fn tags(&self) -> impl Iterator<Item = TagId> {
        self.tables.tag_set.iter().map(TagId)
    }

    /// What it has of a tag.
    pub(crate) fn tag(&self, tag: TagId) -> Result<Option<TagEntry>, Error> {
        if !self.tables.tag_set.contains(tag.0) {
            return Ok(None);
        }
        let at = usize::try_from(self.tables.tag_set.rank(tag.0) - 1).unwrap_or(usize::MAX);
        let entry = self.tag_at(at)?;
        let belongs = entry.tag == tag && entry.pages().end <= self.tables.pages.records;
        belongs.then_some(Some(entry)).ok_or_else(|| self.damaged("the table of tags"))
    }

    fn tag_at(&self, at: usize) -> Result<TagEntry, Error> {
        let block = self.tag_block(at / BLOCK_RECORDS)?;
        let entry = block.get(at % BLOCK_RECORDS).copied();
        entry.ok_or_else(|| self.damaged("the table of tags"))
    }

    /// The tags in it, each with the first time and the latest row.
    pub(crate) fn latest(&self) -> impl Iterator<Item = Result<(TagId, Timestamp, Row), Error>> {
        self.tags().enumerate().map(|(at, tag)| {
            let entry = match self.tag_at(at) {
                // A damaged table must not keep the store closed.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    let first = Timestamp::from_nanos(self.record.first_ns);
                    return Ok((tag, first, Row::lost(self.record.last_ns)));
                }
                entry => entry?,
            };
            let first = Timestamp::from_nanos(entry.statistics.first_ns);
            // The table has the latest row of every tag, but for text.
            if entry.kind != Kind::Text {
                return Ok((entry.tag, first, entry.last_row()));
            }
            let page = entry.pages().end.saturating_sub(1);
            let row = match self.read(&entry, page, false) {
                Ok(last) => last.row(last.len().saturating_sub(1)),
                // One damaged page must not keep the store closed.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    Some(Row::lost(entry.statistics.last_ns))
                }
                Err(error) => return Err(error),
            };
            Ok((entry.tag, first, row.unwrap_or_else(|| entry.last_row())))
        })
    }

    /// The block of the table of pages that has this page.
    pub(crate) fn page_block(&self, block: usize) -> Result<Arc<PageBlock>, Error> {
        let directory = &self.tables.pages;
        self.block(
            directory,
            block,
            "pages",
            |entries: Vec<PageEntry>| {
                let statistics = entries.iter().map(|entry| entry.statistics).collect();
                let places = entries.iter().map(|entry| self.sequenced(entry.place)).collect();
                let decoded = Arc::new(PageBlock { places, statistics });
                (Cached::Pages(Arc::clone(&decoded)), decoded)
            },
            |cached| if let Cached::Pages(block) = cached { Some(block) } else { None },
        )
    }

    /// A place with its sequences: those of an import were not known when it was written.
    fn sequenced(&self, place: Place) -> Place {
        if place.last_sequence != 0 {
            return place;
        }
        let sequence = self.record.file.first_sequence;
        Place { first_sequence: sequence, last_sequence: sequence, ..place }
    }

    /// Statistics of 32 pages each.
    pub(crate) fn roll(&self, at: usize) -> Result<Statistics, Error> {
        self.roll_in(&self.tables.rolls, at)
    }

    /// Statistics of 1,024 pages each.
    pub(crate) fn great_roll(&self, at: usize) -> Result<Statistics, Error> {
        self.roll_in(&self.tables.great_rolls, at)
    }

    fn roll_in(&self, directory: &table::Directory, at: usize) -> Result<Statistics, Error> {
        let block = self.block(
            directory,
            at / BLOCK_RECORDS,
            "rolls",
            |rolls: Vec<Statistics>| {
                let decoded = Arc::new(rolls);
                (Cached::Rolls(Arc::clone(&decoded)), decoded)
            },
            |cached| if let Cached::Rolls(rolls) = cached { Some(rolls) } else { None },
        )?;
        block.get(at % BLOCK_RECORDS).copied().ok_or_else(|| self.damaged("the table of rolls"))
    }

    /// The states of a page, where its tag has states and not too many.
    pub(crate) fn states(&self, place: &Place) -> Result<Vec<StateTime>, Error> {
        (0..place.states)
            .map(|n| {
                let at = place.first_state.saturating_add(n) as usize;
                let directory = &self.tables.states;
                let block = self.block(
                    directory,
                    at / BLOCK_RECORDS,
                    "states",
                    |states: Vec<StateTime>| {
                        let decoded = Arc::new(states);
                        (Cached::States(Arc::clone(&decoded)), decoded)
                    },
                    |cached| if let Cached::States(states) = cached { Some(states) } else { None },
                )?;
                block
                    .get(at % BLOCK_RECORDS)
                    .copied()
                    .ok_or_else(|| self.damaged("the table of states"))
            })
            .collect()
    }

    /// A page between these edges, if someone asked for that lately.
    pub(crate) fn parts(&self, place: &Place, edges: &[i64], step: bool) -> Option<Arc<Parts>> {
        match self.cache.get(self.header.number, PARTS | place.values.offset)? {
            Cached::Parts(own) if *own.edges == *edges && own.step == step => Some(own),
            _ => None,
        }
    }

    /// Keeps what is known of a page between edges.
    pub(crate) fn keep_parts(&self, place: &Place, parts: Parts) {
        let cached = Cached::Parts(Arc::new(parts));
        self.cache.put(self.header.number, PARTS | place.values.offset, cached);
    }

    fn tag_block(&self, block: usize) -> Result<Arc<Vec<TagEntry>>, Error> {
        self.block(
            &self.tables.tags,
            block,
            "tags",
            |tags: Vec<TagEntry>| {
                let decoded = Arc::new(tags);
                (Cached::Tags(Arc::clone(&decoded)), decoded)
            },
            |cached| if let Cached::Tags(tags) = cached { Some(tags) } else { None },
        )
    }

    /// A block of a table, from the cache or from the file.
    fn block<R: Record, D>(
        &self,
        directory: &table::Directory,
        block: usize,
        what: &str,
        keep: impl FnOnce(Vec<R>) -> (Cached, D),
        known: impl FnOnce(Cached) -> Option<D>,
    ) -> Result<D, Error> {
        let damaged = || self.damaged(&format!("block {block} of the table of {what}"));
        let BlockPlace { offset, len } = *directory.blocks.get(block).ok_or_else(damaged)?;
        if let Some(found) = self.cache.get(self.header.number, offset).and_then(known) {
            return Ok(found);
        }
        let bytes = self.piece(Span { offset, len })?.ok_or_else(damaged)?;
        let count = directory.records_of(block);
        let (cached, decoded) = keep(decode_block(&bytes, count).ok_or_else(damaged)?);
        self.cache.put(self.header.number, offset, cached);
        Ok(decoded)
    }

    /// Some bytes of the file, past their checksum; `None` where that is wrong.
    fn piece(&self, span: Span) -> Result<Option<Cow<'_, [u8]>>, Error> {
        let len = span.len as usize;
        let viewed = self.file.view(span.offset, len);
        let bytes = viewed.map_err(|source| Error::io("read", &self.name, source))?;
        let Some(content) = len.checked_sub(CRC_BYTES) else { return Ok(None) };
        let sound = bytes.split_at_checked(content).is_some_and(|(content, crc)| {
            piece_checksum(&self.store, self.header.number, span.offset, content).to_le_bytes()
                == *crc
                || planted::active(Bug::SkipChecksum)
        });
        Ok(sound.then(|| match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..content).unwrap_or_default()),
            Cow::Owned(mut bytes) => {
                bytes.truncate(content);
                Cow::Owned(bytes)
            }
        }))
    }

    fn damaged(&self, what: &str) -> Error {
        Error::corrupt(&self.name, format!("{what} is not what was written"))
    }
}

/// Marks an offset of values as the place of [`Parts`] in the cache: no file is that long.
const PARTS: u64 = 1 << 63;

impl Drop for Segment {
    fn drop(&mut self) {
        if let Some(pins) = self.doomed.get() {
            pins.remove(std::mem::take(&mut self.name));
        }
    }
}

/// Reads ranges of a file.
fn reader(file: &dyn DiskFile) -> impl Fn(u64, usize) -> std::io::Result<Vec<u8>> {
    move |offset, len| {
        let mut bytes = vec![0; len];
        file.read_at(offset, &mut bytes).map(|()| bytes)
    }
}

fn piece_checksum(store: &StoreId, number: u64, offset: u64, bytes: &[u8]) -> u32 {
    checksum(&[store, &number.to_le_bytes(), &offset.to_le_bytes(), bytes])
}

/// Decodes the sections and the blocks of tables, past their checksums.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    layout::fuzz(bytes);
    let Some((count, block)) = bytes.split_first() else { return };
    let count = usize::from(*count) * 2 + 1;
    drop(decode_block::<PageEntry>(block, count));
    drop(decode_block::<TagEntry>(block, count));
    drop(decode_block::<StateTime>(block, count));
}

#[cfg(test)]
mod tests;
