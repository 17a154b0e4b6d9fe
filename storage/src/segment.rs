//! A sealed, immutable file of samples: pages by tag, and where each of them is.
//!
//! ```text
//! header 4096 │ pages … │ page table │ tag directory │ section table │ trailer 64
//! ```
//! The tables are read and checked when the segment is opened and stay in memory; a page is read
//! and checked when it is asked for. Layout: `docs/format/segment.md`.
//!
//! *Invariant.* A segment is complete or not there. Within it a tag's pages stand in time order
//! without overlap, and every time occurs once. Every checksum covers the store, the file and
//! the offset.
//!
//! *Not here.* Which segments are live: the manifest says so.

mod layout;
mod pages;
mod writer;

use std::sync::Arc;

use tacitus_model::{Kind, TagId, TimeRange, Timestamp};

use crate::block::{Block, Row};
use crate::checksum::checksum;
use crate::codec::decode_page;
use crate::disk::{Disk, DiskFile};
use crate::error::Error;
use crate::log::StoreId;
use crate::manifest::FileRecord;
use crate::naming::Naming;
use layout::{Header, PageEntry, TagEntry};

pub(crate) use pages::Pages;
pub(crate) use writer::write_segment;

/// A segment, open for reading.
#[derive(Debug)]
pub(crate) struct Segment {
    name: String,
    store: StoreId,
    file: Box<dyn DiskFile>,
    header: Header,
    pages: Vec<PageEntry>,
    /// By rising tag.
    tags: Vec<TagEntry>,
}

impl Segment {
    /// Opens a segment that the manifest names.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Corrupt`] where it is not the file that was written.
    pub(crate) fn open(
        disk: &dyn Disk,
        store: &StoreId,
        record: &FileRecord,
    ) -> Result<Self, Error> {
        let name = Naming::segment(record.number);
        let io = |source| Error::io("open", &name, source);
        let file = disk.open(&name).map_err(io)?;
        let size = file.size().map_err(io)?;
        if size != record.bytes {
            let what = format!("it has {size} bytes, not {}", record.bytes);
            return Err(Error::corrupt(&name, what));
        }
        let read = |offset: u64, len: usize| {
            let mut bytes = vec![0; len];
            file.read_at(offset, &mut bytes).map(|()| bytes)
        };
        let opened = layout::read_tables(store, record.number, size, read).map_err(io)?;
        let tables = opened.map_err(|what| Error::corrupt(&name, what))?;
        let layout::Tables { header, pages, tags } = tables;
        Ok(Self { name, store: *store, file, header, pages, tags })
    }

    /// The samples in it.
    pub(crate) fn samples(&self) -> u64 {
        self.header.samples
    }

    /// The pages of a tag that have a time within the range.
    pub(crate) fn pages(self: &Arc<Self>, tag: TagId, range: TimeRange) -> Option<Pages> {
        let at = self.tags.binary_search_by_key(&tag, |entry| entry.tag).ok()?;
        let entry = self.tags.get(at)?;
        let all = entry.pages();
        let pages = self.pages.get(all.clone())?;
        let first = pages.partition_point(|page| page.last_ns < range.first.nanos());
        let end = pages.partition_point(|page| page.first_ns <= range.last.nanos());
        if first >= end {
            return None;
        }
        let wanted = all.start + first..all.start + end;
        Some(Pages::new(Arc::clone(self), entry.kind, wanted, range))
    }

    /// The tags in it, each with its span and its latest row.
    pub(crate) fn latest(&self) -> impl Iterator<Item = Result<(TagId, Timestamp, Row), Error>> {
        self.tags.iter().map(|entry| {
            let first = Timestamp::from_nanos(entry.first_ns);
            // The directory has the latest row of every tag, but for text.
            let row = match entry.kind {
                Kind::Text => {
                    let last = self.page(entry.kind, entry.pages().end.saturating_sub(1))?;
                    last.row(last.len().saturating_sub(1))
                }
                _ => None,
            };
            Ok((entry.tag, first, row.unwrap_or_else(|| entry.last_row())))
        })
    }

    /// Reads and checks one page.
    fn page(&self, kind: Kind, number: usize) -> Result<Block, Error> {
        let damaged = |what: &str| Error::corrupt(&self.name, format!("page {number} {what}"));
        let entry = self.pages.get(number).ok_or_else(|| damaged("is not there"))?;
        let mut bytes = vec![0; entry.len as usize];
        let read = self.file.read_at(entry.offset, &mut bytes);
        read.map_err(|source| Error::io("read", &self.name, source))?;
        let crc = page_checksum(&self.store, self.header.number, entry.offset, &bytes);
        if crc != entry.crc {
            return Err(damaged("has a wrong checksum"));
        }
        decode_page(kind, entry.rows as usize, &bytes).ok_or_else(|| damaged("makes no sense"))
    }
}

fn page_checksum(store: &StoreId, number: u64, offset: u64, bytes: &[u8]) -> u32 {
    checksum(&[store, &number.to_le_bytes(), &offset.to_le_bytes(), bytes])
}

/// Decodes the entries of both tables, past their checksums.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    layout::fuzz(bytes);
}
