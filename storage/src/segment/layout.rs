//! The bytes of a segment around its pages: header, tables, trailer.
//!
//! Layout: `docs/format/segment.md`. Everything is little-endian with fixed widths. Sections are
//! found by their kind through the section table, so that a later version can add some that this
//! one passes over.
//!
//! *Invariant.* Nothing of a table is believed before its checksum, which covers store, file and
//! offset, and the length of the file have been compared.

use std::io;
use std::ops::Range;

use tacitus_model::{Kind, TagId};

use crate::block::Row;
use crate::checksum::checksum;
use crate::cursor::Cursor;
use crate::log::StoreId;

pub(crate) const HEADER_BYTES: usize = 4096;
const TRAILER_BYTES: usize = 64;
const SECTION_BYTES: usize = 32;
const PAGE_ENTRY_BYTES: usize = 40;
const TAG_ENTRY_BYTES: usize = 64;
const SECTIONS_MAX: usize = 64;

const HEADER_MAGIC: [u8; 8] = *b"TACSEG1\0";
const TRAILER_MAGIC: [u8; 8] = *b"TACSEGE1";
const VERSION: u32 = 1;

const PAGE_TABLE: u32 = 1;
const TAG_DIRECTORY: u32 = 2;

/// What the file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) samples: u64,
}

/// Where a page is and what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageEntry {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
    pub(crate) rows: u32,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
}

/// Which pages a tag has, and its latest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TagEntry {
    pub(crate) tag: TagId,
    pub(crate) kind: Kind,
    pub(crate) first_page: u32,
    pub(crate) page_count: u32,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) last_bits: u64,
    pub(crate) last_quality: u32,
    pub(crate) last_null: bool,
}

/// The tables of a segment, checked.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) header: Header,
    pub(crate) pages: Vec<PageEntry>,
    pub(crate) tags: Vec<TagEntry>,
}

impl TagEntry {
    /// The numbers of its pages.
    pub(crate) fn pages(&self) -> Range<usize> {
        let first = self.first_page as usize;
        first..first + self.page_count as usize
    }

    /// Its latest row, but for a text.
    pub(crate) fn last_row(&self) -> Row {
        Row {
            ts: self.last_ns,
            bits: self.last_bits,
            null: self.last_null,
            quality: self.last_quality,
            text: None,
        }
    }
}

pub(crate) fn encode_header(store: &StoreId, header: &Header) -> Vec<u8> {
    let mut body = Vec::with_capacity(HEADER_BYTES);
    body.extend_from_slice(store);
    for word in [header.number, header.first_sequence, header.last_sequence] {
        body.extend_from_slice(&word.to_le_bytes());
    }
    body.extend_from_slice(&header.first_ns.to_le_bytes());
    body.extend_from_slice(&header.last_ns.to_le_bytes());
    body.extend_from_slice(&header.samples.to_le_bytes());
    let version = VERSION.to_le_bytes();
    let crc = checksum(&[&HEADER_MAGIC, &version, &body]).to_le_bytes();
    let mut bytes = [&HEADER_MAGIC[..], &version, &crc, &body].concat();
    bytes.resize(HEADER_BYTES, 0);
    bytes
}

/// Tables and trailer as they follow the pages, the first byte at `offset`.
pub(crate) fn encode_tables(
    store: &StoreId,
    number: u64,
    offset: u64,
    pages: &[PageEntry],
    tags: &[TagEntry],
) -> Vec<u8> {
    let page_table: Vec<u8> = pages.iter().flat_map(encode_page_entry).collect();
    let directory: Vec<u8> = tags.iter().flat_map(encode_tag_entry).collect();
    let mut bytes = Vec::with_capacity(page_table.len() + directory.len() + 256);
    let mut sections = Vec::new();
    for (kind, content) in [(PAGE_TABLE, page_table), (TAG_DIRECTORY, directory)] {
        let at = offset + bytes.len() as u64;
        let crc = section_checksum(store, number, kind, at, &content);
        sections.extend_from_slice(&kind.to_le_bytes());
        sections.extend_from_slice(&crc.to_le_bytes());
        sections.extend_from_slice(&at.to_le_bytes());
        sections.extend_from_slice(&(content.len() as u64).to_le_bytes());
        sections.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&content);
    }
    let at = offset + bytes.len() as u64;
    let file_bytes = at + (sections.len() + TRAILER_BYTES) as u64;
    let count = u32::try_from(sections.len() / SECTION_BYTES).unwrap_or(u32::MAX);
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(&TRAILER_MAGIC);
    trailer.extend_from_slice(
        &trailer_checksum(store, number, at, file_bytes, &sections).to_le_bytes(),
    );
    trailer.extend_from_slice(&count.to_le_bytes());
    trailer.extend_from_slice(&at.to_le_bytes());
    trailer.extend_from_slice(&file_bytes.to_le_bytes());
    trailer.resize(TRAILER_BYTES, 0);
    bytes.extend_from_slice(&sections);
    bytes.extend_from_slice(&trailer);
    bytes
}

/// Reads and checks everything but the pages. The outer error is the operating system's, the
/// inner one says what is wrong with the bytes.
pub(crate) fn read_tables(
    store: &StoreId,
    number: u64,
    size: u64,
    read: impl Fn(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Result<Tables, &'static str>> {
    let least = (HEADER_BYTES + TRAILER_BYTES) as u64;
    if size < least {
        return Ok(Err("it is too short for a segment"));
    }
    let header = match decode_header(store, number, &read(0, HEADER_BYTES)?) {
        Ok(header) => header,
        Err(what) => return Ok(Err(what)),
    };
    let trailer = read(size - TRAILER_BYTES as u64, TRAILER_BYTES)?;
    let Some((crc, count, at)) = decode_trailer(&trailer, size) else {
        return Ok(Err("its trailer is damaged"));
    };
    let sections = read(at, count * SECTION_BYTES)?;
    if crc != trailer_checksum(store, number, at, size, &sections) {
        return Ok(Err("its section table has a wrong checksum"));
    }
    let mut tables = Tables { header, pages: Vec::new(), tags: Vec::new() };
    for section in sections.chunks_exact(SECTION_BYTES) {
        let Some((kind, crc, at, len)) = decode_section(section, size) else {
            return Ok(Err("a section lies outside of it"));
        };
        let content = read(at, len)?;
        if crc != section_checksum(store, number, kind, at, &content) {
            return Ok(Err("a section has a wrong checksum"));
        }
        let known = match kind {
            PAGE_TABLE => decode_entries(&content, PAGE_ENTRY_BYTES, decode_page_entry)
                .map(|pages| tables.pages = pages),
            TAG_DIRECTORY => decode_entries(&content, TAG_ENTRY_BYTES, decode_tag_entry)
                .map(|tags| tables.tags = tags),
            _ => Some(()),
        };
        if known.is_none() {
            return Ok(Err("a section makes no sense"));
        }
    }
    Ok(check_tables(&tables, size).map(|()| tables))
}

/// What the readers of the tables rely on.
fn check_tables(tables: &Tables, size: u64) -> Result<(), &'static str> {
    let sorted = tables.tags.is_sorted_by(|a, b| a.tag < b.tag);
    let within = tables.tags.iter().all(|tag| {
        tag.page_count > 0
            && tables
                .pages
                .get(tag.pages())
                .is_some_and(|pages| pages.is_sorted_by(|a, b| a.last_ns < b.first_ns))
    });
    let inside = tables.pages.iter().all(|page| {
        page.first_ns <= page.last_ns
            && page.offset.checked_add(u64::from(page.len)).is_some_and(|end| end <= size)
    });
    (sorted && within && inside).then_some(()).ok_or("its tables contradict each other")
}

fn decode_header(store: &StoreId, number: u64, bytes: &[u8]) -> Result<Header, &'static str> {
    const BODY_BYTES: usize = 64;
    let short = "it is cut off";
    let mut from = Cursor::new(bytes);
    if from.array().ok_or(short)? != HEADER_MAGIC {
        return Err("it is no segment");
    }
    let version = from.u32().ok_or(short)?;
    if version != VERSION {
        return Err("a newer version of Tacitus wrote it; nothing was touched");
    }
    let crc = from.u32().ok_or(short)?;
    let body = from.take(BODY_BYTES).ok_or(short)?;
    if crc != checksum(&[&HEADER_MAGIC, &version.to_le_bytes(), body]) {
        return Err("its header has a wrong checksum");
    }
    let mut from = Cursor::new(body);
    if from.array().ok_or(short)? != *store {
        return Err("it belongs to another store");
    }
    let mut word = || from.u64().ok_or(short);
    let header = Header {
        number: word()?,
        first_sequence: word()?,
        last_sequence: word()?,
        first_ns: word()?.cast_signed(),
        last_ns: word()?.cast_signed(),
        samples: word()?,
    };
    if header.number != number {
        return Err("it has another file's name");
    }
    Ok(header)
}

fn decode_trailer(bytes: &[u8], size: u64) -> Option<(u32, usize, u64)> {
    let mut from = Cursor::new(bytes);
    let magic = from.array()?;
    let crc = from.u32()?;
    let count = from.u32()? as usize;
    let at = from.u64()?;
    let file_bytes = from.u64()?;
    let end = at.checked_add((count * SECTION_BYTES + TRAILER_BYTES) as u64)?;
    let sound =
        magic == TRAILER_MAGIC && count <= SECTIONS_MAX && file_bytes == size && end == size;
    sound.then_some((crc, count, at))
}

fn decode_section(bytes: &[u8], size: u64) -> Option<(u32, u32, u64, usize)> {
    let mut from = Cursor::new(bytes);
    let (kind, crc) = (from.u32()?, from.u32()?);
    let (at, len) = (from.u64()?, from.u64()?);
    if at.checked_add(len)? > size {
        return None;
    }
    Some((kind, crc, at, usize::try_from(len).ok()?))
}

fn decode_entries<T>(
    bytes: &[u8],
    width: usize,
    decode: impl Fn(Cursor<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    if !bytes.len().is_multiple_of(width) {
        return None;
    }
    bytes.chunks_exact(width).map(|entry| decode(Cursor::new(entry))).collect()
}

fn encode_page_entry(page: &PageEntry) -> [u8; PAGE_ENTRY_BYTES] {
    let mut bytes = Vec::with_capacity(PAGE_ENTRY_BYTES);
    bytes.extend_from_slice(&page.offset.to_le_bytes());
    bytes.extend_from_slice(&page.len.to_le_bytes());
    bytes.extend_from_slice(&page.crc.to_le_bytes());
    bytes.extend_from_slice(&page.rows.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&page.first_ns.to_le_bytes());
    bytes.extend_from_slice(&page.last_ns.to_le_bytes());
    fixed(&bytes)
}

fn decode_page_entry(mut from: Cursor<'_>) -> Option<PageEntry> {
    let offset = from.u64()?;
    let (len, crc, rows) = (from.u32()?, from.u32()?, from.u32()?);
    from.u32()?;
    Some(PageEntry { offset, len, crc, rows, first_ns: from.i64()?, last_ns: from.i64()? })
}

fn encode_tag_entry(tag: &TagEntry) -> [u8; TAG_ENTRY_BYTES] {
    let mut bytes = Vec::with_capacity(TAG_ENTRY_BYTES);
    bytes.extend_from_slice(&tag.tag.0.to_le_bytes());
    bytes.extend_from_slice(&[tag.kind.code(), u8::from(tag.last_null), 0, 0]);
    bytes.extend_from_slice(&tag.first_page.to_le_bytes());
    bytes.extend_from_slice(&tag.page_count.to_le_bytes());
    bytes.extend_from_slice(&tag.first_ns.to_le_bytes());
    bytes.extend_from_slice(&tag.last_ns.to_le_bytes());
    bytes.extend_from_slice(&tag.last_bits.to_le_bytes());
    bytes.extend_from_slice(&tag.last_quality.to_le_bytes());
    fixed(&bytes)
}

fn decode_tag_entry(mut from: Cursor<'_>) -> Option<TagEntry> {
    let tag = TagId(from.u32()?);
    let kind = Kind::from_code(from.u8()?)?;
    let last_null = from.u8()? != 0;
    from.u16()?;
    let (first_page, page_count) = (from.u32()?, from.u32()?);
    let (first_ns, last_ns) = (from.i64()?, from.i64()?);
    let (last_bits, last_quality) = (from.u64()?, from.u32()?);
    Some(TagEntry {
        tag,
        kind,
        first_page,
        page_count,
        first_ns,
        last_ns,
        last_bits,
        last_quality,
        last_null,
    })
}

/// Bytes as a record of fixed width, zeros behind.
fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut record = [0; N];
    record.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    record
}

fn section_checksum(store: &StoreId, number: u64, kind: u32, at: u64, content: &[u8]) -> u32 {
    checksum(&[store, &number.to_le_bytes(), &kind.to_le_bytes(), &at.to_le_bytes(), content])
}

fn trailer_checksum(
    store: &StoreId,
    number: u64,
    at: u64,
    file_bytes: u64,
    sections: &[u8],
) -> u32 {
    checksum(&[
        store,
        &number.to_le_bytes(),
        &at.to_le_bytes(),
        &file_bytes.to_le_bytes(),
        sections,
    ])
}

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let at = bytes.first().map_or(0, |byte| usize::from(*byte) * PAGE_ENTRY_BYTES);
    let (pages, tags) = bytes.split_at(at.min(bytes.len()));
    let pages = decode_entries(pages, PAGE_ENTRY_BYTES, decode_page_entry);
    let tags = decode_entries(tags, TAG_ENTRY_BYTES, decode_tag_entry);
    if let (Some(pages), Some(tags)) = (pages, tags) {
        let header = Header {
            number: 1,
            first_sequence: 1,
            last_sequence: 1,
            first_ns: 0,
            last_ns: 0,
            samples: 0,
        };
        let _sound = check_tables(&Tables { header, pages, tags }, bytes.len() as u64).is_ok();
    }
}
