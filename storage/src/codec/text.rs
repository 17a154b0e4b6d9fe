//! Texts: a table of those that occur, and which of them a row has.
//!
//! ```text
//! table   count varint │ 0 │ text …
//!         count varint │ 1 │ length varint │ length varint │ zstd of text …
//! ```
//! The first length is that of the texts, the second that of the zstd frame.
//!
//! *Invariant.* A table takes no more memory than its bytes, or than [`TABLE_BYTES_MAX`] where it
//! is compressed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::block::Block;
use crate::cursor::{Cursor, put_text, put_varint};

/// The longest table that is compressed. LIMIT: what a few hostile bytes can ask for.
const TABLE_BYTES_MAX: usize = 4 << 20;

const ZSTD_LEVEL: i32 = 9;

/// The texts of some rows, each once, and the number of its text for each row.
pub(crate) fn number(block: &Block, rows: std::ops::Range<usize>) -> (Vec<&str>, Vec<u64>) {
    let mut numbers = BTreeMap::new();
    let mut distinct = Vec::new();
    let indices = rows.map(|row| {
        let text = text_of(block, row);
        *numbers.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() as u64 - 1
        })
    });
    let indices = indices.collect();
    (distinct, indices)
}

fn text_of(block: &Block, row: usize) -> &str {
    let index = block.bits.get(row).and_then(|lane| usize::try_from(*lane).ok());
    index.and_then(|index| block.texts.get(index)).map_or("", |text| text)
}

/// Appends a table.
pub(crate) fn encode_table(out: &mut Vec<u8>, texts: &[&str]) {
    put_varint(out, texts.len() as u64);
    let mut plain = Vec::new();
    texts.iter().for_each(|text| put_text(&mut plain, text));
    if (64..TABLE_BYTES_MAX).contains(&plain.len())
        && let Ok(packed) = zstd::bulk::compress(&plain, ZSTD_LEVEL)
        && packed.len() + 8 < plain.len()
    {
        out.push(1);
        put_varint(out, plain.len() as u64);
        put_varint(out, packed.len() as u64);
        out.extend(packed);
    } else {
        out.push(0);
        out.extend(plain);
    }
}

/// The texts of a table of at most `count_max`.
pub(crate) fn decode_table(from: &mut Cursor<'_>, count_max: usize) -> Option<Vec<Arc<str>>> {
    let count = usize::try_from(from.varint()?).ok().filter(|count| *count <= count_max)?;
    if from.u8()? == 0 {
        return texts(from, count);
    }
    let length = usize::try_from(from.varint()?).ok().filter(|bytes| *bytes <= TABLE_BYTES_MAX)?;
    let packed = from.count()?;
    let plain = zstd::bulk::decompress(from.take(packed)?, length).ok()?;
    let mut plain = Cursor::new(&plain);
    let texts = texts(&mut plain, count)?;
    plain.is_empty().then_some(texts)
}

fn texts(from: &mut Cursor<'_>, count: usize) -> Option<Vec<Arc<str>>> {
    (0..count).map(|_| from.text().map(Arc::from)).collect()
}
