//! Bulk ingestion: rows of a client become samples.
//!
//! | column | takes |
//! |---|---|
//! | `tag` | the tag's path; a new one defines a tag |
//! | `ts` | a time; without the column, or null: the time of arrival |
//! | `value` | a number, truth or text |
//! | `value_int`, `text` | where not null, they are the value instead |
//! | `quality` | an OPC UA status code; without it good |
//!
//! These are the columns of `samples`, so that what was read can be written; `good`, which follows
//! from the quality, is taken and not used.
//!
//! *Invariant.* The call is answered after the sync that covers its rows. A row that does not fit
//! is refused alone, and the answer says so and how many others are on disk; sending all of them
//! again is safe.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{CommandStatementIngest, TableExistsOption};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use tacitus_model::{Quality, Timestamp, Value};
use tacitus_protocol::Point;
use tonic::{Code, Status};

use super::limits::{BATCHES_UNDER_WAY_MAX, REFUSED_NAMED_MAX};
use super::status::{fault, malformed, of_write, refusal};
use crate::ingest::{Ingest, WriteError};

/// How many samples of a batch are on disk.
type Written = Result<usize, WriteError>;

/// The one relation that takes rows.
const RELATION: &str = "samples";

/// Takes the rows of a call; how many samples are on disk.
pub(super) async fn put(
    ingest: &Ingest,
    command: &CommandStatementIngest,
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<i64, Status> {
    check(command)?;
    let mut batches = decoded(messages);
    let (mut tally, mut rows_before, mut open) = (Tally::default(), 0, true);
    let mut under_way = FuturesOrdered::<BoxFuture<'static, Written>>::new();
    loop {
        tokio::select! {
            biased;
            Some(written) = under_way.next(), if !under_way.is_empty() => {
                tally.stored += written.map_err(|error| tally.cut_off(&of_write(error)))?;
            }
            batch = batches.next(), if open && under_way.len() < BATCHES_UNDER_WAY_MAX => {
                let Some(batch) = batch else {
                    open = false;
                    continue;
                };
                let batch = batch.map_err(|error| tally.cut_off(&error))?;
                let rows = batch.num_rows();
                let resolved = resolved(ingest.clone(), batch).await;
                let resolved = resolved.map_err(|error| tally.cut_off(&error))?;
                tally.note(rows_before, &resolved.refused, resolved.refused_count);
                rows_before += rows;
                let (ingest, stored) = (ingest.clone(), resolved.batch.len());
                let write = async move {
                    ingest.write(resolved.batch).await.map(|_sequence| stored)
                };
                under_way.push_back(write.boxed());
            }
            else => break,
        }
    }
    tally.outcome()
}

/// The batches of the messages of one call.
pub(super) fn decoded(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch, Status>> + Unpin + Send {
    let messages = messages.map_err(|status| FlightError::Tonic(Box::new(status)));
    FlightRecordBatchStream::new_from_flight_data(messages).map_err(|error| match error {
        FlightError::Tonic(status) => *status,
        other => malformed("the rows", &other),
    })
}

/// Refuses a command that asks for more than adding samples.
fn check(command: &CommandStatementIngest) -> Result<(), Status> {
    if command.table != RELATION {
        let what = format!("\"{}\" takes no rows", command.table);
        let hint = "write into \"samples\", with the columns tag, ts, value and quality; tags are \
                    defined by their first sample";
        return Err(refusal(Code::NotFound, &what, hint));
    }
    let exists = command.table_definition_options.map(|options| options.if_exists());
    match exists {
        Some(TableExistsOption::Fail) => Err(refusal(
            Code::AlreadyExists,
            "\"samples\" exists",
            "append to it: adbc_ingest(…, mode=\"append\")",
        )),
        Some(TableExistsOption::Replace) => Err(refusal(
            Code::InvalidArgument,
            "\"samples\" cannot be replaced",
            "append to it: adbc_ingest(…, mode=\"append\")",
        )),
        _ if command.temporary => Err(refusal(
            Code::InvalidArgument,
            "there are no temporary relations",
            "leave out \"temporary\"",
        )),
        _ if command.transaction_id.is_some() => Err(refusal(
            Code::Unimplemented,
            "there are no transactions",
            "write without one; rows that are sent again count once",
        )),
        _ => Ok(()),
    }
}

/// What became of the rows of a call.
#[derive(Debug, Default)]
struct Tally {
    stored: usize,
    refused: Vec<String>,
    refused_count: usize,
}

impl Tally {
    fn note(&mut self, rows_before: usize, refused: &[crate::ingest::Refused], count: usize) {
        self.refused_count += count;
        let room = REFUSED_NAMED_MAX.saturating_sub(self.refused.len());
        self.refused.extend(refused.iter().take(room).map(|point| {
            let row = rows_before + point.index + 1;
            format!("row {row}, \"{}\": {}", point.path, point.reason)
        }));
    }

    /// An error that ends the call, saying what was kept before.
    fn cut_off(&self, error: &Status) -> Status {
        let message = format!("{} ({} samples are stored)", error.message(), self.stored);
        Status::new(error.code(), message)
    }

    fn outcome(self) -> Result<i64, Status> {
        if self.refused_count == 0 {
            return Ok(i64::try_from(self.stored).unwrap_or(i64::MAX));
        }
        let what = format!(
            "{} ({} refused in all, {} samples are stored)",
            self.refused.join("; "),
            self.refused_count,
            self.stored
        );
        let hint = "correct what is named and send it again; what is stored may be sent again too";
        Err(refusal(Code::InvalidArgument, &what, hint))
    }
}

/// The samples of a batch, made where it holds up no other call.
async fn resolved(ingest: Ingest, batch: RecordBatch) -> Result<crate::ingest::Resolved, Status> {
    let work = move || Ok(ingest.resolve(points(&batch)?, "flight"));
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(fault("the rows could not be read", &error)))
}

fn points(batch: &RecordBatch) -> Result<Vec<Point>, Status> {
    let schema = batch.schema();
    let known = ["tag", "ts", "value", "value_int", "text", "quality", "good"];
    if let Some(field) = schema.fields().iter().find(|field| !known.contains(&&**field.name())) {
        let what = format!("\"samples\" has no column \"{}\"", field.name());
        let hint = "the columns are tag, ts, value, value_int, text and quality";
        return Err(refusal(Code::InvalidArgument, &what, hint));
    }
    let moment = DataType::Timestamp(TimeUnit::Nanosecond, None);
    let tags = column(batch, "tag", &DataType::Utf8)?;
    let Some(tags) = tags else {
        let hint = "it holds the path of each row's tag";
        return Err(refusal(Code::InvalidArgument, "there is no column \"tag\"", hint));
    };
    let times = column(batch, "ts", &moment)?;
    let values = Values::new(batch)?;
    let qualities = column(batch, "quality", &DataType::Int64)?;
    let tags = tags.as_string::<i32>();
    let row = |at: usize| {
        let path = if tags.is_null(at) { "" } else { tags.value(at) };
        let time = times.as_ref().filter(|times| times.is_valid(at)).map(|times| {
            Timestamp::from_nanos(times.as_primitive::<TimestampNanosecondType>().value(at))
        });
        let quality = match qualities.as_ref().filter(|qualities| qualities.is_valid(at)) {
            Some(qualities) => {
                let code = qualities.as_primitive::<Int64Type>().value(at);
                Quality(u32::try_from(code).map_err(|_wide| {
                    let what = format!("row {}: quality {code} is no status code", at + 1);
                    refusal(Code::InvalidArgument, &what, "a status code has 32 bits; good is 0")
                })?)
            }
            None => Quality::GOOD,
        };
        Ok(Point::new(path, values.value(at)).at(time).with_quality(quality))
    };
    (0..batch.num_rows()).map(row).collect()
}

/// A column as one type; `None` where there is none.
fn column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<Option<ArrayRef>, Status> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    batch
        .column_by_name(name)
        .map(|column| cast_with_options(column, kind, &options))
        .transpose()
        .map_err(|error| malformed(&format!("the column \"{name}\""), &error))
}

/// The columns that a value can be in; of those with one, the first counts.
struct Values {
    whole: Option<ArrayRef>,
    text: Option<ArrayRef>,
    value: Option<ArrayRef>,
}

impl Values {
    fn new(batch: &RecordBatch) -> Result<Self, Status> {
        use DataType as T;
        let kind = batch.column_by_name("value").map(|column| column.data_type().clone());
        let kind = match kind {
            Some(T::Boolean) => T::Boolean,
            Some(kind) if kind.is_integer() => T::Int64,
            Some(T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Dictionary(..)) => T::Utf8,
            _ => T::Float64,
        };
        Ok(Self {
            whole: column(batch, "value_int", &T::Int64)?,
            text: column(batch, "text", &T::Utf8)?,
            value: column(batch, "value", &kind)?,
        })
    }

    fn value(&self, row: usize) -> Value {
        let columns = [&self.whole, &self.text, &self.value].into_iter().flatten();
        let Some(column) = columns.into_iter().find(|column| column.is_valid(row)) else {
            return Value::Null;
        };
        match column.data_type() {
            DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
            DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
            _ => Value::Text(column.as_string::<i32>().value(row).into()),
        }
    }
}
