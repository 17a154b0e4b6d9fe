//! The rows of a statement on their way to the client, as many at a time as it asks for.
//!
//! *Invariant.* Rows leave in order and each once, whether they are taken at once or in parts; at
//! most one batch is held while the client does not ask.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};
use tacitus_query::Answer;
use tokio::time::{Duration, Instant};

use super::failure::{Failure, Stop};
use super::row::{Column, Form, sized};
use super::socket::{Socket, frame};
use super::types;

/// The rows of a statement.
pub(super) struct Rows {
    schema: SchemaRef,
    /// `None`: nothing comes any more.
    answer: Option<Answer>,
    deadline: Instant,
    at_hand: Option<Batch>,
}

/// A batch of which some rows were taken.
struct Batch {
    batch: RecordBatch,
    next: usize,
}

/// How many rows were sent, and whether that was all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) rows: u64,
    pub(super) complete: bool,
}

/// LIMIT: how long a client may take for rows that were at hand.
const READ_MAX: Duration = Duration::from_mins(1);

impl Rows {
    pub(super) fn of_answer(answer: Answer) -> Self {
        Self {
            schema: Arc::clone(answer.schema()),
            deadline: answer.deadline(),
            answer: Some(answer),
            at_hand: None,
        }
    }

    pub(super) fn of_batch(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            answer: None,
            deadline: Instant::now() + READ_MAX,
            at_hand: Some(Batch { batch, next: 0 }),
        }
    }

    /// One row of texts.
    pub(super) fn of_texts(columns: &[(&str, &str)]) -> Result<Self, Failure> {
        use datafusion::arrow::array::{ArrayRef, StringViewArray};
        let fields: Vec<Field> =
            columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8View, true)).collect();
        let values = columns
            .iter()
            .map(|(_, value)| Arc::new(StringViewArray::from_iter_values([*value])) as ArrayRef);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), values.collect())
            .map(Self::of_batch)
            .map_err(|error| Failure::new("XX000", error.to_string()))
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Sends up to `most` rows; how one row is written is up to the caller.
    pub(super) async fn send(
        &mut self,
        socket: &mut Socket,
        forms: &[Form],
        zone: chrono_tz::Tz,
        most: Option<u64>,
        write: &mut (dyn FnMut(&mut BytesMut, &[Column], usize) + Send),
    ) -> Result<Sent, Stop> {
        let mut sent = 0;
        loop {
            let Some(Batch { batch, next }) = self.next(socket).await? else {
                return Ok(Sent { rows: sent, complete: true });
            };
            if most == Some(sent) {
                self.at_hand = Some(Batch { batch, next });
                return Ok(Sent { rows: sent, complete: false });
            }
            let columns: Result<Vec<Column>, _> = batch
                .columns()
                .iter()
                .zip(forms)
                .map(|(column, form)| Column::new(column, form, zone))
                .collect();
            let columns = columns.map_err(|error| Failure::new("22000", error.to_string()))?;
            let left =
                most.map_or(usize::MAX, |most| usize::try_from(most - sent).unwrap_or(usize::MAX));
            let end = batch.num_rows().min(next.saturating_add(left));
            for row in next..end {
                write(socket.buffer(), &columns, row);
                if socket.is_full() {
                    socket.relieve(self.deadline).await?;
                }
            }
            sent += (end - next) as u64;
            if end < batch.num_rows() {
                self.at_hand = Some(Batch { batch, next: end });
            }
        }
    }

    /// The next rows, all at once.
    pub(super) async fn next_batch(
        &mut self,
        socket: &mut Socket,
    ) -> Result<Option<RecordBatch>, Stop> {
        let batch = self.next(socket).await?;
        Ok(batch.map(|Batch { batch, next }| batch.slice(next, batch.num_rows() - next)))
    }

    /// What is at hand, or the next batch with a row in it.
    async fn next(&mut self, socket: &mut Socket) -> Result<Option<Batch>, Stop> {
        loop {
            if let Some(at_hand) = self.at_hand.take()
                && at_hand.next < at_hand.batch.num_rows()
            {
                return Ok(Some(at_hand));
            }
            let Some(answer) = &mut self.answer else { return Ok(None) };
            match socket.during(answer.next()).await? {
                Some(Ok(batch)) => self.at_hand = Some(Batch { batch, next: 0 }),
                Some(Err(error)) => {
                    self.answer = None;
                    return Err(error.into());
                }
                None => {
                    // The place among the running statements is free as soon as nothing runs.
                    self.answer = None;
                    return Ok(None);
                }
            }
        }
    }
}

/// Appends a row as a DataRow message.
pub(super) fn data_row(out: &mut BytesMut, columns: &[Column], row: usize) {
    frame(out, b'D', |out| {
        out.put_u16(u16::try_from(columns.len()).unwrap_or(u16::MAX));
        for column in columns {
            sized(out, |out| column.write(row, out));
        }
    });
}

/// How the columns of a statement are written, where the client asks for these formats: one for
/// all, one for each, or none, which is text.
pub(super) fn forms(schema: &Schema, formats: &[i16]) -> Vec<Form> {
    let of = |at: usize| match formats {
        [] => 0,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(0),
    };
    schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| Form { kind: types::of_field(field), binary: of(at) == 1 })
        .collect()
}

/// Tells the client the columns.
pub(super) fn description(schema: &Schema, formats: &[i16]) -> PgWireBackendMessage {
    let fields = schema.fields().iter().zip(forms(schema, formats)).map(|(field, form)| {
        FieldDescription::new(
            field.name().clone(),
            0,
            0,
            form.kind.oid(),
            types::size(&form.kind),
            -1,
            i16::from(form.binary),
        )
    });
    PgWireBackendMessage::RowDescription(RowDescription::new(fields.collect()))
}
