//! The columns that are usually absent: nulls and qualities.
//!
//! ```text
//! nulls       0 none │ 1 bitmap, lowest bit first
//! qualities   0 all good │ 1 runs: quality 4 │ length varint, until all rows have one
//! ```
//!
//! *Invariant.* A column of nothing but the usual is never written, and reads back as absent.

use tacitus_model::Quality;

use crate::cursor::{Cursor, put_varint};

/// A column that is there only where a row differs from the usual.
type Column<T> = Option<Vec<T>>;

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

pub(crate) fn encode_nulls(out: &mut Vec<u8>, nulls: Option<&[bool]>) {
    let Some(nulls) = nulls.filter(|nulls| nulls.contains(&true)) else {
        return out.push(ABSENT);
    };
    out.push(PRESENT);
    for eight in nulls.chunks(8) {
        out.push(eight.iter().rev().fold(0, |byte, null| byte << 1 | u8::from(*null)));
    }
}

pub(crate) fn decode_nulls(from: &mut Cursor<'_>, rows: usize) -> Option<Column<bool>> {
    match from.u8()? {
        ABSENT => Some(None),
        PRESENT => {
            let bytes = from.take(rows.div_ceil(8))?;
            let null = |row: usize| bytes.get(row / 8).map(|byte| byte >> (row % 8) & 1 == 1);
            (0..rows).map(null).collect::<Option<Vec<_>>>().map(Some)
        }
        _ => None,
    }
}

pub(crate) fn encode_qualities(out: &mut Vec<u8>, qualities: Option<&[u32]>) {
    let unusual = |qualities: &&[u32]| qualities.iter().any(|code| *code != Quality::GOOD.0);
    let Some(qualities) = qualities.filter(unusual) else {
        return out.push(ABSENT);
    };
    out.push(PRESENT);
    for run in qualities.chunk_by(|a, b| a == b) {
        out.extend_from_slice(&run.first().copied().unwrap_or_default().to_le_bytes());
        put_varint(out, run.len() as u64);
    }
}

pub(crate) fn decode_qualities(from: &mut Cursor<'_>, rows: usize) -> Option<Column<u32>> {
    match from.u8()? {
        ABSENT => Some(None),
        PRESENT => {
            let mut qualities = Vec::with_capacity(rows);
            while qualities.len() < rows {
                let code = from.u32()?;
                let run = usize::try_from(from.varint()?).ok()?;
                if run == 0 || run > rows - qualities.len() {
                    return None;
                }
                qualities.resize(qualities.len() + run, code);
            }
            Some(Some(qualities))
        }
        _ => None,
    }
}

/// Adds a page's column of `rows` to that of the pages before it, which has `at`.
pub(crate) fn append<T: Copy>(
    column: &mut Column<T>,
    at: usize,
    rows: usize,
    page: Column<T>,
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
