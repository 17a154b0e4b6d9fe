//! The values of a text page.
//!
//! ```text
//! 0 texts        text …
//! 1 dictionary   count varint │ text … │ index varint …
//! ```
//!
//! *Invariant.* A decoded page has one text a row, and the lane of a row is its own number.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::block::Block;
use crate::cursor::{Cursor, put_text, put_varint};
use crate::limits::PAGE_ROWS_MAX;

const TEXTS: u8 = 0;
const DICTIONARY: u8 = 1;

pub(crate) fn encode(out: &mut Vec<u8>, block: &Block) {
    let texts: Vec<&str> = (0..block.len()).map(|row| text_of(block, row)).collect();
    let mut numbers = BTreeMap::new();
    let mut distinct = Vec::new();
    for text in &texts {
        numbers.entry(*text).or_insert_with(|| {
            distinct.push(*text);
            distinct.len() as u64 - 1
        });
    }
    if distinct.len() * 2 > texts.len() {
        out.push(TEXTS);
        texts.iter().for_each(|text| put_text(out, text));
        return;
    }
    out.push(DICTIONARY);
    put_varint(out, distinct.len() as u64);
    distinct.iter().for_each(|text| put_text(out, text));
    texts.iter().for_each(|text| put_varint(out, numbers.get(text).copied().unwrap_or_default()));
}

fn text_of(block: &Block, row: usize) -> &str {
    let index = block.bits.get(row).and_then(|lane| usize::try_from(*lane).ok());
    index.and_then(|index| block.texts.get(index)).map_or("", |text| text)
}

pub(crate) fn decode(from: &mut Cursor<'_>, rows: usize) -> Option<(Vec<u64>, Vec<Arc<str>>)> {
    let texts = match from.u8()? {
        TEXTS => (0..rows).map(|_| from.text().map(Arc::from)).collect::<Option<Vec<_>>>()?,
        DICTIONARY => {
            let count = from.count().filter(|count| *count <= PAGE_ROWS_MAX)?;
            let distinct = (0..count)
                .map(|_| from.text().map(Arc::from))
                .collect::<Option<Vec<Arc<str>>>>()?;
            let row = |_| distinct.get(usize::try_from(from.varint()?).ok()?).cloned();
            (0..rows).map(row).collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    Some(((0..rows as u64).collect(), texts))
}
