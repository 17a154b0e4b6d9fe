//! Samples in files: read, put in order with little memory, written.
//!
//! ```text
//! file ─ input ─▶ csv │ parquet ─▶ Rows ─┬─ 1st pass: Survey  which tags, of which kind
//!        .gz .zst                        └─ 2nd pass: Sorter  ─▶ (tag, block), by tag and time
//! (tag, block) ─▶ CsvWriter │ LineWriter │ ParquetWriter ─▶ file
//! ```
//!
//! *Invariant.* A value comes back with the bits its text states: numbers are read by the
//! standard library's correctly rounding parser. A row that cannot be read is counted and named
//! by file and line; the rows around it are not touched by it. Memory does not grow with the
//! length of a file.
//!
//! *Not here.* Which tag a name means, and the store: the caller hands in numbers and takes
//! blocks. Line protocol as an input: its grammar is `tacitus-protocol`'s.

mod cell;
mod csv;
mod csv_writer;
mod fault;
mod input;
mod limits;
mod line_writer;
mod moment;
mod output;
mod parquet;
mod rows;
mod sort;
mod spill;
mod target;

pub use cell::Cell;
pub use csv::read_csv;
pub use csv_writer::CsvWriter;
pub use fault::{Fault, Faults};
pub use input::{Format, Input, stem};
pub use limits::{FAULTS_NAMED_MAX, LINE_BYTES_MAX};
pub use line_writer::LineWriter;
pub use moment::{Unit, parse as parse_time, rfc3339};
pub use output::Output;
pub use parquet::{ParquetWriter, read_parquet, survey_parquet};
pub use rows::{Form, Names, Row, Rows, Survey};
pub use sort::{Sorted, Sorter};
pub use spill::Spill;
pub use target::{Loader, Target};
