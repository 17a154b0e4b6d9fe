//! The columns that are usually absent: nulls and qualities.
//!
//! ```text
//! flags 1    1 nulls │ 2 qualities; the columns that are there follow in this order
//! nulls      integers, 1 = null
//! qualities  integers
//! ```
//!
//! *Invariant.* A column of nothing but the usual is never written, and reads back as absent.

use tacitus_model::Quality;

use crate::block::Block;
use crate::codec::ints::{self, Effort};
use crate::cursor::Cursor;
use crate::limits::PAGE_ROWS_MAX;

const NULLS: u8 = 1;
const QUALITIES: u8 = 2;

/// Appends the flags, nulls and qualities of one page of a block.
pub(crate) fn encode(out: &mut Vec<u8>, block: &Block, rows: std::ops::Range<usize>) {
    let nulls = block.nulls.as_deref().and_then(|nulls| nulls.get(rows.clone()));
    let nulls = nulls.filter(|nulls| nulls.contains(&true));
    let qualities = block.qualities.as_deref().and_then(|codes| codes.get(rows));
    let qualities = qualities.filter(|codes| codes.iter().any(|code| *code != Quality::GOOD.0));
    let flag = |is_there, flag| if is_there { flag } else { 0 };
    out.push(flag(nulls.is_some(), NULLS) | flag(qualities.is_some(), QUALITIES));
    let mut put = |integers: Vec<i64>| ints::encode(out, &integers, Effort::Full);
    if let Some(nulls) = nulls {
        put(nulls.iter().map(|null| i64::from(*null)).collect());
    }
    if let Some(qualities) = qualities {
        put(qualities.iter().map(|code| i64::from(*code)).collect());
    }
}

/// Reads past the flags; whether they say that every row is present and good.
pub(crate) fn is_absent(from: &mut Cursor<'_>) -> Option<bool> {
    from.u8().map(|flags| flags == 0)
}

/// Reads the columns to `out`, after the `at` rows that it has.
pub(crate) fn decode(from: &mut Cursor<'_>, rows: usize, out: &mut Block, at: usize) -> Option<()> {
    let flags = from.u8().filter(|flags| *flags <= NULLS | QUALITIES)?;
    let has = |flag| flags & flag != 0;
    let nulls = if has(NULLS) { Some(column(from, rows, |lane| lane != 0)?) } else { None };
    let low_half = |lane: u64| u32::try_from(lane & u64::from(u32::MAX)).unwrap_or_default();
    let qualities = if has(QUALITIES) { Some(column(from, rows, low_half)?) } else { None };
    append(&mut out.nulls, at, rows, nulls, false);
    append(&mut out.qualities, at, rows, qualities, Quality::GOOD.0);
    Some(())
}

fn column<T>(from: &mut Cursor<'_>, rows: usize, item: impl Fn(u64) -> T) -> Option<Vec<T>> {
    let mut lanes = [0; PAGE_ROWS_MAX];
    ints::decode(from, rows, &mut lanes)?;
    Some(lanes.get(..rows)?.iter().map(|lane| item(*lane)).collect())
}

/// Adds a page's column of `rows` to that of the pages before it, which has `at`.
fn append<T: Copy>(
    column: &mut Option<Vec<T>>,
    at: usize,
    rows: usize,
    page: Option<Vec<T>>,
    usual: T,
) {
    match (column, page) {
        (None, None) => {}
        (Some(column), None) => column.resize(at + rows, usual),
        (Some(column), Some(page)) => column.extend(page),
        (column @ None, Some(page)) => {
            let mut filled = vec![usual; at];
            filled.extend(page);
            *column = Some(filled);
        }
    }
}
