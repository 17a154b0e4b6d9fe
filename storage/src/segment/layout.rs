//! The bytes of a segment around its pages: header, and the root with all directories.
//!
//! Layout: `docs/format/segment.md`. Everything is little-endian with fixed widths. Sections are
//! found by their kind through the section table, so that a later version can add some that this
//! one passes over. The root stands twice, one copy after the other, and each has the header in
//! it: a segment opens as long as one copy is whole, or the other with the header.
//!
//! *Invariant.* Nothing of a root is believed before its checksum, which covers store, file and
//! offset, and the place of its end have been compared.

use std::io;

use roaring::RoaringBitmap;

use crate::checksum::checksum;
use crate::cursor::Cursor;
use crate::limits::CLASS_BYTES_MAX;
use crate::log::StoreId;
use crate::manifest::Tier;
use crate::segment::table::Directory;

pub(crate) const HEADER_BYTES: usize = 160;
const HEADER_BODY_BYTES: usize = 144;
const TRAILER_BYTES: usize = 36;
const SECTION_BYTES: usize = 32;
const SECTIONS_MAX: usize = 64;

const HEADER_MAGIC: [u8; 8] = *b"TACSEG1\0";
const TRAILER_MAGIC: [u8; 8] = *b"TACSEGE1";
const VERSION: u32 = 3;

const PAGES: u32 = 1;
const TAGS: u32 = 2;
const ROLLS: u32 = 3;
const GREAT_ROLLS: u32 = 4;
const STATES: u32 = 5;
const TAG_SET: u32 = 6;
const HEADER: u32 = 7;

/// What the file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) number: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) samples: u64,
    /// 0: sealed from the head; 1: compacted.
    pub(crate) level: u8,
    pub(crate) tier: Tier,
    pub(crate) replaced: bool,
    /// The length of one copy of the root.
    pub(crate) root_bytes: u64,
    /// The retention class.
    pub(crate) class: String,
}

/// A part of the frame that is not as it was written; the file can be read without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) what: &'static str,
}

/// Where the tables of a segment are, and the tags in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tables {
    pub(crate) pages: Directory,
    pub(crate) tags: Directory,
    /// Statistics of every 32 pages of a tag that has as many.
    pub(crate) rolls: Directory,
    /// Statistics of every 1,024 pages of a tag that has as many.
    pub(crate) great_rolls: Directory,
    pub(crate) states: Directory,
    pub(crate) tag_set: RoaringBitmap,
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
    body.extend_from_slice(&header.root_bytes.to_le_bytes());
    let class = header.class.as_bytes();
    let class = class.get(..class.len().min(CLASS_BYTES_MAX)).unwrap_or_default();
    let len = u8::try_from(class.len()).unwrap_or(0);
    body.extend_from_slice(&[header.level, header.tier as u8, u8::from(header.replaced), len]);
    body.extend_from_slice(class);
    body.resize(HEADER_BODY_BYTES, 0);
    let version = VERSION.to_le_bytes();
    let crc = checksum(&[&HEADER_MAGIC, &version, &body]).to_le_bytes();
    [&HEADER_MAGIC[..], &version, &crc, &body].concat()
}

/// Both copies of the root as they follow the pages, the first byte at `offset`; with them the
/// header that tells their length. The digest is over the checksums of everything before.
pub(crate) fn encode_frame(
    store: &StoreId,
    offset: u64,
    digest: u32,
    header: &mut Header,
    tables: &Tables,
) -> Vec<u8> {
    // The length does not depend on what the header says.
    let root_bytes = encode_root(store, offset, digest, header, tables).len() as u64;
    header.root_bytes = root_bytes;
    let mut bytes = encode_root(store, offset, digest, header, tables);
    bytes.extend(encode_root(store, offset + root_bytes, digest, header, tables));
    bytes
}

/// Sections and trailer, the first byte at `offset`.
fn encode_root(
    store: &StoreId,
    offset: u64,
    digest: u32,
    header: &Header,
    tables: &Tables,
) -> Vec<u8> {
    let number = header.number;
    let mut tag_set = Vec::with_capacity(tables.tag_set.serialized_size());
    // Writing to memory cannot fail.
    drop(tables.tag_set.serialize_into(&mut tag_set));
    let contents = [
        (PAGES, tables.pages.encode()),
        (TAGS, tables.tags.encode()),
        (ROLLS, tables.rolls.encode()),
        (GREAT_ROLLS, tables.great_rolls.encode()),
        (STATES, tables.states.encode()),
        (TAG_SET, tag_set),
        (HEADER, encode_header(store, header)),
    ];
    let mut bytes = Vec::new();
    let mut sections = Vec::new();
    for (kind, content) in contents {
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
    let end = at + (sections.len() + TRAILER_BYTES) as u64;
    let count = u32::try_from(sections.len() / SECTION_BYTES).unwrap_or(u32::MAX);
    let mut trailer = Vec::with_capacity(TRAILER_BYTES);
    trailer.extend_from_slice(&TRAILER_MAGIC);
    trailer.extend_from_slice(
        &trailer_checksum(store, number, at, end, digest, &sections).to_le_bytes(),
    );
    trailer.extend_from_slice(&count.to_le_bytes());
    trailer.extend_from_slice(&at.to_le_bytes());
    trailer.extend_from_slice(&end.to_le_bytes());
    trailer.extend_from_slice(&digest.to_le_bytes());
    bytes.extend_from_slice(&sections);
    bytes.extend_from_slice(&trailer);
    bytes
}

/// Reads everything but pages and blocks, from whichever copy is whole. The outer error is the
/// operating system's, the inner one says what is wrong with the bytes.
pub(crate) fn read_frame(
    store: &StoreId,
    number: u64,
    size: u64,
    read: &impl Fn(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Result<(Header, Tables), &'static str>> {
    if size < (HEADER_BYTES + TRAILER_BYTES) as u64 {
        return Ok(Err("it is too short for a segment"));
    }
    let last = read_root(store, number, size, read)?;
    if last.is_ok() {
        return Ok(last);
    }
    let header = decode_header(store, number, &read(0, HEADER_BYTES)?);
    match header.map(|header| size.checked_sub(header.root_bytes)) {
        Ok(Some(end)) => read_root(store, number, end, read),
        Ok(None) => Ok(Err("its header tells of a longer file")),
        Err(what) => Ok(Err(what)),
    }
}

/// What of header and root can only be read from a copy.
pub(crate) fn flaws(
    store: &StoreId,
    header: &Header,
    size: u64,
    read: &impl Fn(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<Flaw>> {
    let mut flaws = Vec::new();
    let root_bytes = header.root_bytes;
    let mut flaw = |offset, bytes, what| flaws.push(Flaw { offset, bytes, what });
    if let Err(what) = decode_header(store, header.number, &read(0, HEADER_BYTES)?) {
        flaw(0, HEADER_BYTES as u64, what);
    }
    for end in [size.saturating_sub(root_bytes), size] {
        if let Err(what) = read_root(store, header.number, end, read)? {
            flaw(end.saturating_sub(root_bytes), root_bytes, what);
        }
    }
    Ok(flaws)
}

/// Reads the root that ends at `end`.
fn read_root(
    store: &StoreId,
    number: u64,
    end: u64,
    read: &impl Fn(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Result<(Header, Tables), &'static str>> {
    let Some(place) = end.checked_sub(TRAILER_BYTES as u64) else {
        return Ok(Err("it is too short for a segment"));
    };
    let trailer = read(place, TRAILER_BYTES)?;
    let Some((crc, count, at, digest)) = decode_trailer(&trailer, end) else {
        return Ok(Err("its trailer is damaged"));
    };
    let sections = read(at, count * SECTION_BYTES)?;
    if crc != trailer_checksum(store, number, at, end, digest, &sections) {
        return Ok(Err("its section table has a wrong checksum"));
    }
    let mut tables = Tables::default();
    let mut header = Err("it has no header among its sections");
    for section in sections.chunks_exact(SECTION_BYTES) {
        let Some((kind, crc, at, len)) = decode_section(section, end) else {
            return Ok(Err("a section lies outside of it"));
        };
        let content = read(at, len)?;
        if crc != section_checksum(store, number, kind, at, &content) {
            return Ok(Err("a section has a wrong checksum"));
        }
        if kind == HEADER {
            header = decode_header(store, number, &content);
        } else if enter_section(&mut tables, kind, &content).is_none() {
            return Ok(Err("a section makes no sense"));
        }
    }
    let sound = check_tables(&tables, end);
    Ok(sound.and(header).map(|header| (header, tables)))
}

/// Takes a section into the tables; kinds of a later version are passed over.
fn enter_section(tables: &mut Tables, kind: u32, content: &[u8]) -> Option<()> {
    let directory = match kind {
        PAGES => &mut tables.pages,
        TAGS => &mut tables.tags,
        ROLLS => &mut tables.rolls,
        GREAT_ROLLS => &mut tables.great_rolls,
        STATES => &mut tables.states,
        TAG_SET => {
            tables.tag_set = RoaringBitmap::deserialize_from(content).ok()?;
            return Some(());
        }
        _ => return Some(()),
    };
    *directory = Directory::decode(content)?;
    Some(())
}

/// What the readers of the tables rely on.
fn check_tables(tables: &Tables, size: u64) -> Result<(), &'static str> {
    let all = [&tables.pages, &tables.tags, &tables.rolls, &tables.great_rolls, &tables.states];
    let inside = all
        .iter()
        .flat_map(|table| &table.blocks)
        .all(|block| block.offset.checked_add(u64::from(block.len)).is_some_and(|end| end <= size));
    let counted = tables.tag_set.len() == tables.tags.records as u64;
    (inside && counted).then_some(()).ok_or("its tables contradict each other")
}

pub(crate) fn decode_header(
    store: &StoreId,
    number: u64,
    bytes: &[u8],
) -> Result<Header, &'static str> {
    let short = "it is cut off";
    let mut from = Cursor::new(bytes);
    if from.array().ok_or(short)? != HEADER_MAGIC {
        return Err("it is no segment");
    }
    let version = from.u32().ok_or(short)?;
    if version != VERSION {
        return Err("another version of Tacitus wrote it; nothing was touched");
    }
    let crc = from.u32().ok_or(short)?;
    let body = from.take(HEADER_BODY_BYTES).ok_or(short)?;
    if crc != checksum(&[&HEADER_MAGIC, &version.to_le_bytes(), body]) {
        return Err("its header has a wrong checksum");
    }
    let mut from = Cursor::new(body);
    if from.array().ok_or(short)? != *store {
        return Err("it belongs to another store");
    }
    let mut word = || from.u64().ok_or(short);
    let [number_said, first_sequence, last_sequence] = [word()?, word()?, word()?];
    let [first_ns, last_ns, samples, root_bytes] = [word()?, word()?, word()?, word()?];
    let header = Header {
        number: number_said,
        first_sequence,
        last_sequence,
        first_ns: first_ns.cast_signed(),
        last_ns: last_ns.cast_signed(),
        samples,
        level: from.u8().ok_or(short)?,
        tier: from.u8().and_then(Tier::from_code).ok_or(short)?,
        replaced: from.u8().ok_or(short)? != 0,
        root_bytes,
        class: {
            let len = from.u8().ok_or(short)?;
            let class = from.take(usize::from(len)).ok_or(short)?;
            String::from_utf8_lossy(class).into_owned()
        },
    };
    if header.number != number {
        return Err("it has another file's name");
    }
    Ok(header)
}

fn decode_trailer(bytes: &[u8], root_end: u64) -> Option<(u32, usize, u64, u32)> {
    let mut from = Cursor::new(bytes);
    let magic = from.array()?;
    let crc = from.u32()?;
    let count = from.u32()? as usize;
    let at = from.u64()?;
    let end_said = from.u64()?;
    let digest = from.u32()?;
    let end = at.checked_add((count * SECTION_BYTES + TRAILER_BYTES) as u64)?;
    let sound =
        magic == TRAILER_MAGIC && count <= SECTIONS_MAX && end_said == root_end && end == root_end;
    sound.then_some((crc, count, at, digest))
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

fn section_checksum(store: &StoreId, number: u64, kind: u32, at: u64, content: &[u8]) -> u32 {
    checksum(&[store, &number.to_le_bytes(), &kind.to_le_bytes(), &at.to_le_bytes(), content])
}

fn trailer_checksum(
    store: &StoreId,
    number: u64,
    at: u64,
    end: u64,
    digest: u32,
    sections: &[u8],
) -> u32 {
    checksum(&[
        store,
        &number.to_le_bytes(),
        &at.to_le_bytes(),
        &end.to_le_bytes(),
        &digest.to_le_bytes(),
        sections,
    ])
}

#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else { return };
    let mut tables = Tables::default();
    if enter_section(&mut tables, u32::from(*kind), content).is_some() {
        let _sound = check_tables(&tables, bytes.len() as u64).is_ok();
    }
}
