//! The answer of a server as blocks of samples.
//!
//! *Invariant.* The answer is read as it comes: a batch of it is in memory, never the whole. One
//! that breaks off is an error.

use std::io::Read;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array as _, RecordBatch};
use arrow_ipc::reader::StreamReader;
use std::sync::Arc;
use tacitus_model::{Kind, TagDefinition, TagPath};
use tacitus_storage::Block;

use super::{Choice, Error};

/// The statement whose answer is exported.
pub(crate) fn statement(choice: &Choice) -> String {
    let text = |nanos: i64| {
        let mut text = String::new();
        tacitus_files::rfc3339(nanos, &mut text);
        text
    };
    let tags = choice.expression().map_or_else(String::new, |expression| {
        format!(" AND s.tag ~ '{}'", expression.replace('\'', "''"))
    });
    format!(
        "SELECT s.tag, t.kind, s.ts, s.value, s.value_int, s.text, s.quality \
         FROM samples s JOIN tags t ON t.name = s.tag \
         WHERE s.ts >= '{}' AND s.ts <= '{}'{tags} ORDER BY s.tag, s.ts",
        text(choice.range.first.nanos()),
        text(choice.range.last.nanos())
    )
}

/// An answer that is being read.
pub(crate) struct Answer<R: Read> {
    batches: StreamReader<R>,
}

impl<R: Read> Answer<R> {
    /// Reads an Arrow stream.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn new(stream: R) -> Result<Self, Error> {
        Ok(Self { batches: StreamReader::try_new(stream, None).map_err(|error| broken(&error))? })
    }

    /// Hands on all samples, in runs of one tag; how many there were.
    ///
    /// # Errors
    /// The answer is not what a Tacitus sends, breaks off, or a block was not taken.
    pub(crate) fn read(
        self,
        mut take: impl FnMut(&TagDefinition, &Block) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        let mut samples = 0;
        for batch in self.batches {
            let batch = batch.map_err(|error| broken(&error))?;
            samples += batch.num_rows() as u64;
            let columns = Columns { batch: &batch };
            let mut first = 0;
            while first < batch.num_rows() {
                let (definition, block) = columns.run(first)?;
                first += block.len();
                take(&definition, &block)?;
            }
        }
        Ok(samples)
    }
}

fn broken(what: &dyn std::fmt::Display) -> Error {
    Error::Server(format!("the answer is not what a Tacitus sends: {what}"))
}

struct Columns<'a> {
    batch: &'a RecordBatch,
}

impl Columns<'_> {
    fn text(&self, name: &str, row: usize) -> Option<&str> {
        let column = self.batch.column_by_name(name)?;
        let column = column.as_string_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    /// The rows from `first` on that are of one tag.
    fn run(&self, first: usize) -> Result<(TagDefinition, Block), Error> {
        let wrong = || broken(&"a column is missing or of another type");
        let path = self.text("tag", first).ok_or_else(wrong)?;
        let kind = self.text("kind", first).and_then(Kind::from_name).ok_or_else(wrong)?;
        let numbers = self.batch.column_by_name("value").ok_or_else(wrong)?;
        let numbers = numbers.as_primitive_opt::<Float64Type>().ok_or_else(wrong)?;
        let exact = |name: &str| self.batch.column_by_name(name)?.as_primitive_opt::<Int64Type>();
        let (whole, codes) =
            (exact("value_int").ok_or_else(wrong)?, exact("quality").ok_or_else(wrong)?);
        let times = self.batch.column_by_name("ts").ok_or_else(wrong)?;
        let times = times.as_primitive_opt::<TimestampNanosecondType>().ok_or_else(wrong)?;
        // A state goes out by its name, which a text tag holds as well.
        let kind = if kind == Kind::State { Kind::Text } else { kind };
        let mut block = Block::empty(kind);
        let (mut nulls, mut qualities) = (Vec::new(), Vec::new());
        for row in first..self.batch.num_rows() {
            if self.text("tag", row) != Some(path) {
                break;
            }
            block.times.push(times.value(row));
            let text = self.text("text", row);
            let lane = match kind {
                Kind::Float => numbers.is_valid(row).then(|| numbers.value(row).to_bits()),
                Kind::Text | Kind::State => text.map(|_text| block.texts.len() as u64),
                Kind::Int | Kind::Bool => {
                    whole.is_valid(row).then(|| whole.value(row).cast_unsigned())
                }
            };
            if kind == Kind::Text {
                block.texts.push(Arc::from(text.unwrap_or_default()));
            }
            nulls.push(lane.is_none());
            block.bits.push(lane.unwrap_or_default());
            qualities.push(u32::try_from(codes.value(row)).unwrap_or(u32::MAX));
        }
        block.nulls = nulls.contains(&true).then_some(nulls);
        block.qualities = qualities.iter().any(|code| *code != 0).then_some(qualities);
        let path = TagPath::new(path).map_err(|error| broken(&error))?;
        Ok((TagDefinition::new(path, kind, "export"), block))
    }
}
