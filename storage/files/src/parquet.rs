//! Parquet files, narrow and wide.
//!
//! ```text
//! narrow  tag, ts, value [, quality] [, kind]        value of any one type, or as written here:
//!         tag, kind, ts, value, value_int, text, quality
//! wide    ts, then a column for each tag, which is named FILE/COLUMN
//! ```
//!
//! Times are timestamps of any unit, UTC where they have no zone, or integers as in CSV. Values are
//! floats, integers, booleans and texts, also in dictionaries. In a wide file a null is no sample;
//! in a narrow one it is a sample without a value.
//!
//! *Invariant.* A column of a type that is none of ours is told once and costs itself alone.
//! A value comes back bit for bit, the payload of a NaN included.
//!
//! *Not here.* Nested columns, decimals and dates: whoever writes them can cast them.

mod lane;
mod writer;

use std::fs::File;
use std::io;
use std::path::Path;

use arrow_array::{Array as _, ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tacitus_model::Kind;

use crate::cell::Cell;
use crate::fault::shown;
use crate::limits::BATCH_ROWS_MAX;
use crate::moment::Unit;
use crate::rows::{Row, Rows};

pub use writer::ParquetWriter;

/// Reads a Parquet file.
///
/// # Errors
/// The file cannot be read, has no usable columns, or a row could not be kept.
pub fn read_parquet(path: &Path, stem: &str, unit: Unit, rows: &mut dyn Rows) -> io::Result<()> {
    scan(path, stem, unit, Pass::All, rows)
}

/// Reads as much of a Parquet file as tells its tags and their kinds.
///
/// # Errors
/// As [`read_parquet`].
pub fn survey_parquet(path: &Path, stem: &str, rows: &mut dyn Rows) -> io::Result<()> {
    scan(path, stem, Unit::BySize, Pass::Names, rows)
}

/// What is wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Names,
    All,
}

fn scan(path: &Path, stem: &str, unit: Unit, pass: Pass, rows: &mut dyn Rows) -> io::Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?).map_err(refuse)?;
    let schema = SchemaRef::clone(builder.schema());
    let layout = Layout::of(&schema, stem, pass, rows)?;
    if pass == Pass::Names && matches!(layout, Layout::Wide { .. }) {
        return Ok(());
    }
    let wanted = layout.columns(pass);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
    let reader =
        builder.with_batch_size(BATCH_ROWS_MAX).with_projection(mask).build().map_err(refuse)?;
    let mut line = 1;
    for batch in reader {
        let batch = batch.map_err(refuse)?;
        let page = Page { batch: &batch, wanted: &wanted, first_line: line, unit };
        match &layout {
            Layout::Narrow(narrow) => page.narrow(narrow, pass, rows)?,
            Layout::Wide { time, tags } => page.wide(*time, tags, rows)?,
        }
        line += batch.num_rows() as u64;
    }
    Ok(())
}

fn refuse(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What the columns mean, by their place in the file.
#[derive(Debug)]
enum Layout {
    Narrow(Narrow),
    Wide { time: usize, tags: Vec<(usize, u32)> },
}

#[derive(Debug)]
struct Narrow {
    tag: usize,
    time: usize,
    /// The columns of which the first that is not null has the value.
    values: Vec<usize>,
    quality: Option<usize>,
    kind: Option<usize>,
    /// The kind of all tags, where the one value column has a type that says it.
    only: Option<Kind>,
}

impl Layout {
    fn of(schema: &Schema, stem: &str, pass: Pass, rows: &mut dyn Rows) -> io::Result<Self> {
        let fields = schema.fields();
        let at = |wanted: &[&str]| {
            let is = |name: &str| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
            fields.iter().position(|field| is(field.name()))
        };
        let stamped = || fields.iter().position(|field| lane::is_time(field.data_type()));
        let time = at(&["ts", "time", "timestamp", "datetime", "date_time"]).or_else(stamped);
        let time = time.ok_or_else(|| {
            let text = "no column is called \"ts\" (or time, timestamp, datetime) or has times";
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        let kind_at = |at: usize| fields.get(at).and_then(|field| lane::kind(field.data_type()));
        if let (Some(tag), Some(value)) = (at(&["tag", "name"]), at(&["value"])) {
            let more = ["text", "value_int"].iter().filter_map(|name| at(&[name]));
            // The names of states before their numbers, integers before floats that repeat them.
            let mut values: Vec<usize> = more.collect();
            values.push(value);
            let only = if values.len() == 1 { kind_at(value) } else { None };
            let (quality, kind) = (at(&["quality"]), at(&["kind"]));
            return Ok(Self::Narrow(Narrow { tag, time, values, quality, kind, only }));
        }
        let mut tags = Vec::new();
        for (at, field) in fields.iter().enumerate().filter(|(at, _)| *at != time) {
            match kind_at(at) {
                Some(kind) => {
                    tags.push((at, rows.name(&format!("{stem}/{}", field.name()), Some(kind))));
                }
                None if pass == Pass::All => {
                    let (name, data_type) = (shown(field.name()), field.data_type());
                    rows.fault(0, format!("column \"{name}\" of type {data_type} is left out"));
                }
                None => {}
            }
        }
        Ok(Self::Wide { time, tags })
    }

    /// The columns to read, in the order of the file.
    fn columns(&self, pass: Pass) -> Vec<usize> {
        let mut columns = match self {
            Self::Wide { time, tags } => {
                tags.iter().map(|(at, _)| *at).chain([*time]).collect::<Vec<_>>()
            }
            Self::Narrow(narrow) => {
                let kind_is_known = narrow.kind.is_some() || narrow.only.is_some();
                let mut columns = vec![narrow.tag];
                columns.extend(narrow.kind);
                if pass == Pass::All || !kind_is_known {
                    columns.extend(&narrow.values);
                }
                if pass == Pass::All {
                    columns.push(narrow.time);
                    columns.extend(narrow.quality);
                }
                columns
            }
        };
        columns.sort_unstable();
        columns
    }
}

/// Some rows of the columns that were asked for.
struct Page<'a> {
    batch: &'a RecordBatch,
    wanted: &'a [usize],
    first_line: u64,
    unit: Unit,
}

impl Page<'_> {
    /// The column at this place of the file.
    fn column(&self, at: usize) -> io::Result<&ArrayRef> {
        let place = self.wanted.binary_search(&at).ok();
        place.and_then(|place| self.batch.columns().get(place)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "a column is missing in a part of the file")
        })
    }

    fn rows(&self) -> impl Iterator<Item = (usize, u64)> {
        (0..self.batch.num_rows()).zip(self.first_line..)
    }

    fn wide(&self, time: usize, tags: &[(usize, u32)], rows: &mut dyn Rows) -> io::Result<()> {
        let time = self.column(time)?;
        let times: Vec<Option<i64>> = self
            .rows()
            .map(|(row, line)| {
                let ts = lane::moment(time, row, self.unit);
                ts.map_err(|why| rows.fault(line, why)).ok()
            })
            .collect();
        for (at, tag) in tags {
            let column = self.column(*at)?;
            for ((row, line), ts) in self.rows().zip(&times) {
                let (Some(ts), false) = (*ts, column.is_null(row)) else { continue };
                let cell = lane::cell(column, row);
                rows.row(Row { tag: *tag, ts, cell, quality: None, line })?;
            }
        }
        Ok(())
    }

    fn narrow(&self, narrow: &Narrow, pass: Pass, rows: &mut dyn Rows) -> io::Result<()> {
        let tags = self.column(narrow.tag)?;
        let kinds = narrow.kind.map(|at| self.column(at)).transpose()?;
        let optional = |at: usize| self.column(at).ok();
        let values: Vec<&ArrayRef> = narrow.values.iter().filter_map(|at| optional(*at)).collect();
        let time = if pass == Pass::All { Some(self.column(narrow.time)?) } else { None };
        let quality = narrow.quality.filter(|_at| pass == Pass::All);
        let quality = quality.map(|at| self.column(at)).transpose()?;
        let mut last: Option<(&str, u32)> = None;
        for (row, line) in self.rows() {
            let Some(path) = lane::text(tags, row) else {
                rows.fault(line, "the tag is null or no text".to_owned());
                continue;
            };
            let tag = match last {
                Some((known, tag)) if known == path => tag,
                _ => {
                    let stated = kinds.and_then(|kinds| Kind::from_name(lane::text(kinds, row)?));
                    // The states of a state tag are not in the file; their names are its values.
                    let stated = stated.filter(|kind| *kind != Kind::State);
                    let kind = if kinds.is_some() { stated } else { narrow.only };
                    rows.name(path, kind)
                }
            };
            last = Some((path, tag));
            let mut cells = values.iter().filter(|column| !column.is_null(row));
            let cell = cells.next().map_or(Cell::Null, |column| lane::cell(column, row));
            let ts = match time.map(|time| lane::moment(time, row, self.unit)) {
                None => 0,
                Some(Ok(ts)) => ts,
                Some(Err(why)) => {
                    rows.fault(line, why);
                    continue;
                }
            };
            let quality = quality.and_then(|quality| lane::quality(quality, row));
            rows.row(Row { tag, ts, cell, quality, line })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
