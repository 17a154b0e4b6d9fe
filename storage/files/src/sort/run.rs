//! Runs: blocks in order, in one file that only this process sees.
//!
//! ```text
//! run    block* by tag and time
//! block  tag 4 | kind 1 | columns 1 | rows 4 | bytes after this 4
//!        times 8×rows | lanes 8×rows | nulls 1×rows? | qualities 4×rows? | (length 4, text)×rows?
//! ```
//!
//! Numbers are little-endian. The file is read by the process that wrote it, so it has no
//! version and no checksums; what cannot be read as it was written is an error all the same.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use tacitus_model::{Kind, TagId};
use tacitus_storage::Block;

use super::column::append;
use crate::limits::{BLOCK_ROWS_MAX, RUN_READ_BYTES};
use crate::spill::Spill;

const HEAD_BYTES: usize = 14;
const HAS_NULLS: u8 = 1;
const HAS_QUALITIES: u8 = 2;

/// The runs written so far.
#[derive(Debug)]
pub(super) struct Runs {
    spill: Spill,
    file: Option<Arc<File>>,
    /// Where each ends; it begins where the one before ended.
    ends: Vec<u64>,
}

impl Runs {
    pub(super) fn new(spill: Spill) -> Self {
        Self { spill, file: None, ends: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Writes one more run.
    pub(super) fn write(&mut self, blocks: impl Iterator<Item = (TagId, Block)>) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(self.spill.file()?))),
        };
        let mut out = BufWriter::with_capacity(1 << 20, &*file);
        out.seek(SeekFrom::End(0))?;
        for (tag, block) in blocks {
            write_block(&mut out, tag, &block)?;
        }
        out.flush()?;
        self.ends.push(out.stream_position()?);
        Ok(())
    }

    /// A reader for each run, in the order of writing.
    pub(super) fn readers(&self) -> io::Result<Vec<RunReader>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| RunReader::open(file, start, *end)).collect()
    }
}

fn write_block(out: &mut impl Write, tag: TagId, block: &Block) -> io::Result<()> {
    let rows = block.len();
    let texts: usize = block.texts.iter().map(|text| 4 + text.len()).sum();
    let columns = u8::from(block.nulls.is_some()) * HAS_NULLS
        + u8::from(block.qualities.is_some()) * HAS_QUALITIES;
    let bytes = body_bytes(rows, columns) + texts;
    out.write_all(&tag.0.to_le_bytes())?;
    out.write_all(&[block.kind.code(), columns])?;
    out.write_all(&length(rows)?)?;
    out.write_all(&length(bytes)?)?;
    for time in &block.times {
        out.write_all(&time.to_le_bytes())?;
    }
    for lane in &block.bits {
        out.write_all(&lane.to_le_bytes())?;
    }
    for null in block.nulls.iter().flatten() {
        out.write_all(&[u8::from(*null)])?;
    }
    for quality in block.qualities.iter().flatten() {
        out.write_all(&quality.to_le_bytes())?;
    }
    for text in &block.texts {
        out.write_all(&length(text.len())?)?;
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn length(count: usize) -> io::Result<[u8; 4]> {
    u32::try_from(count).map(u32::to_le_bytes).map_err(|_large| broken())
}

/// The bytes of a block's columns without its texts.
const fn body_bytes(rows: usize, columns: u8) -> usize {
    let nulls = if columns & HAS_NULLS == 0 { 0 } else { 1 };
    let qualities = if columns & HAS_QUALITIES == 0 { 0 } else { 4 };
    rows * (16 + nulls + qualities)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a temporary file is not as it was written")
}

/// A part of the file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let read = self.file.read_at(buffer.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// One run from its beginning: always with the next block in memory.
#[derive(Debug)]
pub(super) struct RunReader {
    input: BufReader<Part>,
    tag: TagId,
    block: Block,
    /// The next row of the block; at its end the run is over.
    row: usize,
}

impl RunReader {
    fn open(file: &Arc<File>, start: u64, end: u64) -> io::Result<Self> {
        let part = Part { file: Arc::clone(file), at: start, end };
        let input = BufReader::with_capacity(RUN_READ_BYTES, part);
        let mut reader = Self { input, tag: TagId(0), block: Block::empty(Kind::Float), row: 0 };
        reader.refill()?;
        Ok(reader)
    }

    /// The tag of the next row, and its kind; `None` at the end.
    pub(super) fn tag(&self) -> Option<(TagId, Kind)> {
        (self.row < self.block.len()).then_some((self.tag, self.block.kind))
    }

    /// The time of the next row, if it is of this tag.
    pub(super) fn head(&self, tag: TagId) -> Option<i64> {
        if self.tag == tag { self.block.times.get(self.row).copied() } else { None }
    }

    /// Passes one row by.
    pub(super) fn skip_row(&mut self) -> io::Result<()> {
        self.row += 1;
        self.refill()
    }

    /// Moves rows of the block at hand that are before `until`, at least one and at most `room`.
    pub(super) fn take_rows(&mut self, until: i64, room: usize, to: &mut Block) -> io::Result<()> {
        let rest = self.block.times.get(self.row..).unwrap_or_default();
        let count = rest.partition_point(|ts| *ts < until).clamp(1, room.max(1));
        append(&self.block, self.row..self.row + count, to);
        self.row += count;
        self.refill()
    }

    /// Reads the next block once this one is used up.
    fn refill(&mut self) -> io::Result<()> {
        if self.row < self.block.len() {
            return Ok(());
        }
        self.row = 0;
        self.block = Block::empty(self.block.kind);
        if self.input.fill_buf()?.is_empty() {
            return Ok(());
        }
        let mut head = [0; HEAD_BYTES];
        self.input.read_exact(&mut head)?;
        let [t0, t1, t2, t3, kind, columns, r0, r1, r2, r3, b0, b1, b2, b3] = head;
        let kind = Kind::from_code(kind).ok_or_else(broken)?;
        let rows = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        let bytes = u32::from_le_bytes([b0, b1, b2, b3]) as usize;
        if rows > BLOCK_ROWS_MAX || bytes < body_bytes(rows, columns) {
            return Err(broken());
        }
        let mut body = vec![0; bytes];
        self.input.read_exact(&mut body)?;
        self.tag = TagId(u32::from_le_bytes([t0, t1, t2, t3]));
        self.block = read_block(kind, columns, rows, &body).ok_or_else(broken)?;
        Ok(())
    }
}

fn read_block(kind: Kind, columns: u8, rows: usize, body: &[u8]) -> Option<Block> {
    let (times, rest) = body.split_at_checked(8 * rows)?;
    let (lanes, mut rest) = rest.split_at_checked(8 * rows)?;
    let mut block = Block::empty(kind);
    block.times = times.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    block.bits = lanes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    if columns & HAS_NULLS != 0 {
        let (nulls, after) = rest.split_at_checked(rows)?;
        block.nulls = Some(nulls.iter().map(|byte| *byte != 0).collect());
        rest = after;
    }
    if columns & HAS_QUALITIES != 0 {
        let (qualities, after) = rest.split_at_checked(4 * rows)?;
        let codes = qualities.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes));
        block.qualities = Some(codes.collect());
        rest = after;
    }
    if kind == Kind::Text {
        for _ in 0..rows {
            let (length, after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            block.texts.push(Arc::from(std::str::from_utf8(text).ok()?));
            rest = after;
        }
    }
    Some(block)
}
