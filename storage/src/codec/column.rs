//! A column of an index table: lanes of ints or floats, any number of them.
//!
//! ```text
//! part of at most 8,192 rows   0 │ values of a page … │
//!                              1 │ length varint │ meta │ (length varint │ values) …
//! ```
//!
//! *Invariant.* Every 1,024 rows take at least one byte, so that hostile bytes cannot ask for
//! more memory than a bounded multiple of their number.

use tacitus_model::Kind;

use crate::codec::cold::{self, Shared};
use crate::codec::{CHUNK_PAGES_MAX, Guess, Level, page};
use crate::cursor::{Cursor, put_varint};
use crate::limits::PAGE_ROWS_MAX;

const PART_ROWS: usize = CHUNK_PAGES_MAX * PAGE_ROWS_MAX;
const PAGES: u8 = 0;
const COLD: u8 = 1;

/// Appends one column.
pub(crate) fn encode_column(out: &mut Vec<u8>, kind: Kind, lanes: &[u64], level: Level) {
    let mut guess = Guess::default();
    for part in lanes.chunks(PART_ROWS) {
        let mut pages = vec![PAGES];
        for lanes in part.chunks(PAGE_ROWS_MAX) {
            page::encode(&mut pages, kind, lanes, &mut guess.hot);
        }
        if level == Level::Cold
            && let Some(cold) = cold::encode(kind, part, &mut guess)
            && cold.bytes() + 2 + 2 * cold.pages.len() < pages.len()
        {
            out.push(COLD);
            put_varint(out, cold.meta.len() as u64);
            out.extend(cold.meta);
            for page in cold.pages {
                put_varint(out, page.len() as u64);
                out.extend(page);
            }
        } else {
            out.extend(pages);
        }
    }
}

/// The `rows` lanes of such a column.
pub(crate) fn decode_column(bytes: &[u8], kind: Kind, rows: usize) -> Option<Vec<u64>> {
    let mut from = Cursor::new(bytes);
    let mut out = Vec::new();
    while out.len() < rows {
        let end = rows.min(out.len() + PART_ROWS);
        let mut shared = None;
        match from.u8()? {
            PAGES => {}
            COLD => {
                let length = from.count()?;
                shared = Some(Shared::parse(kind, Cursor::new(from.take(length)?))?);
            }
            _ => return None,
        }
        for number in 0.. {
            if out.len() == end {
                break;
            }
            let rows = (end - out.len()).min(PAGE_ROWS_MAX);
            let mut lanes = [0; PAGE_ROWS_MAX];
            let decoded = if let Some(shared) = &shared {
                let length = from.count()?;
                shared.decode(number, Cursor::new(from.take(length)?), rows, &mut lanes)?
            } else {
                page::decode(&mut from, kind, rows, &mut lanes)?
            };
            let lanes = lanes.get_mut(..rows)?;
            decoded.finish(lanes);
            out.extend_from_slice(lanes);
        }
    }
    from.is_empty().then_some(out)
}
