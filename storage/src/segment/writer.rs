//! Sealing: a frozen head becomes a segment.
//!
//! *Invariant.* Memory is one tag's rows and the tables, however large the head; the file appears
//! under its name only when it is complete and synced.

use tacitus_model::TimeRange;

use crate::block::Block;
use crate::catalog::Catalog;
use crate::codec::encode_page;
use crate::disk::Disk;
use crate::error::Error;
use crate::head::Head;
use crate::limits::PAGE_ROWS_MAX;
use crate::log::StoreId;
use crate::manifest::FileRecord;
use crate::naming::Naming;
use crate::publish::Draft;
use crate::segment::layout::{
    HEADER_BYTES, Header, PageEntry, TagEntry, encode_header, encode_tables,
};
use crate::segment::page_checksum;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

struct Writer<'a> {
    draft: Draft<'a>,
    store: &'a StoreId,
    number: u64,
    /// Not yet written; its first byte belongs at `written`.
    pending: Vec<u8>,
    written: u64,
    pages: Vec<PageEntry>,
    tags: Vec<TagEntry>,
    samples: u64,
}

/// Publishes the samples of a frozen head as a segment; `None` where it has none.
pub(crate) fn write_segment(
    disk: &dyn Disk,
    store: &StoreId,
    number: u64,
    catalog: &Catalog,
    head: &Head,
) -> Result<Option<FileRecord>, Error> {
    if head.rows() == 0 {
        return Ok(None);
    }
    let draft = Draft::begin(disk, &Naming::segment(number))?;
    let mut writer = Writer {
        draft,
        store,
        number,
        pending: Vec::with_capacity(WRITE_BYTES),
        written: HEADER_BYTES as u64,
        pages: Vec::new(),
        tags: Vec::new(),
        samples: 0,
    };
    for tag in head.tags() {
        let Some(kind) = catalog.kind_at(tag, head.last_sequence()) else { continue };
        let block = head.read(tag, kind, TimeRange::ALL, head.last_sequence());
        writer.add(tag, &block)?;
    }
    let bytes = writer.finish(head)?;
    let (first_sequence, last_sequence) = (head.first_sequence(), head.last_sequence());
    Ok(Some(FileRecord { number, bytes, first_sequence, last_sequence }))
}

impl Writer<'_> {
    /// Adds all rows of a tag.
    fn add(&mut self, tag: tacitus_model::TagId, block: &Block) -> Result<(), Error> {
        let first_page = self.pages.len();
        let mut from = 0;
        while from < block.len() {
            let to = (from + PAGE_ROWS_MAX).min(block.len());
            let mut page = Block::empty(block.kind);
            page.extend(block, from..to);
            self.add_page(&page)?;
            from = to;
        }
        let Some(last) = block.row(block.len().saturating_sub(1)) else { return Ok(()) };
        self.samples += block.len() as u64;
        self.tags.push(TagEntry {
            tag,
            kind: block.kind,
            first_page: count_u32(first_page),
            page_count: count_u32(self.pages.len() - first_page),
            first_ns: block.times.first().copied().unwrap_or(last.ts),
            last_ns: last.ts,
            last_bits: last.bits,
            last_quality: last.quality,
            last_null: last.null,
        });
        Ok(())
    }

    fn add_page(&mut self, page: &Block) -> Result<(), Error> {
        let bytes = encode_page(page);
        let offset = self.written + self.pending.len() as u64;
        let (Some(first_ns), Some(last_ns)) = (page.times.first(), page.times.last()) else {
            return Ok(());
        };
        self.pages.push(PageEntry {
            offset,
            len: count_u32(bytes.len()),
            crc: page_checksum(self.store, self.number, offset, &bytes),
            rows: count_u32(page.len()),
            first_ns: *first_ns,
            last_ns: *last_ns,
        });
        self.pending.extend_from_slice(&bytes);
        if self.pending.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.draft.write_at(self.written, &self.pending)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes what surrounds the pages and makes the file appear; its length.
    fn finish(mut self, head: &Head) -> Result<u64, Error> {
        self.flush()?;
        let tables = encode_tables(self.store, self.number, self.written, &self.pages, &self.tags);
        self.draft.write_at(self.written, &tables)?;
        let header = Header {
            number: self.number,
            first_sequence: head.first_sequence(),
            last_sequence: head.last_sequence(),
            first_ns: self.tags.iter().map(|tag| tag.first_ns).min().unwrap_or_default(),
            last_ns: self.tags.iter().map(|tag| tag.last_ns).max().unwrap_or_default(),
            samples: self.samples,
        };
        self.draft.write_at(0, &encode_header(self.store, &header))?;
        self.draft.publish()?;
        Ok(self.written + tables.len() as u64)
    }
}

/// A count of pages or bytes of one page; both are bounded far below 2^32.
fn count_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
