//! Samples that were just committed, as the relation `samples`.
//!
//! *Invariant.* A sample has here the row that it has in the store.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringViewBuilder,
    TimestampNanosecondBuilder,
};
use arrow::error::ArrowError;
use tacitus_model::{Batch, Kind, Tag, Value};
use tacitus_storage::Snapshot;

use super::SAMPLES;

/// The samples of batches, in their order. Those of tags that the snapshot does not know are left
/// out: they were committed after it.
pub(super) fn rows(snapshot: &Snapshot, batches: &[Arc<Batch>]) -> Result<RecordBatch, ArrowError> {
    let mut columns = Columns::default();
    let mut known: Option<Arc<Tag>> = None;
    for batch in batches {
        for (id, ts, value, quality) in batch.iter() {
            if known.as_ref().is_none_or(|tag| tag.id != id) {
                known = snapshot.tag(id);
            }
            let Some(tag) = &known else { continue };
            columns.tag.append_value(tag.definition.path.as_str());
            columns.ts.append_value(ts.nanos());
            columns.quality.append_value(i64::from(quality.0));
            columns.good.append_value(quality.is_good());
            columns.append(tag, value);
        }
    }
    columns.finish()
}

#[derive(Default)]
struct Columns {
    tag: StringViewBuilder,
    ts: TimestampNanosecondBuilder,
    value: Float64Builder,
    value_int: Int64Builder,
    text: StringViewBuilder,
    quality: Int64Builder,
    good: BooleanBuilder,
}

impl Columns {
    fn append(&mut self, tag: &Tag, value: &Value) {
        self.value.append_option(value.as_number());
        let whole = match value {
            Value::Int(number) => Some(*number),
            Value::Bool(fact) => Some(i64::from(*fact)),
            Value::State(index) => Some(i64::from(*index)),
            Value::Null | Value::Float(_) | Value::Text(_) => None,
        };
        self.value_int.append_option(whole);
        let text = match value {
            Value::Text(text) => Some(&**text),
            Value::State(index) if tag.definition.kind == Kind::State => {
                tag.definition.states.get(*index as usize).map(String::as_str)
            }
            _ => None,
        };
        self.text.append_option(text);
    }

    fn finish(mut self) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.tag.finish()),
            Arc::new(self.ts.finish().with_timezone("UTC")),
            Arc::new(self.value.finish()),
            Arc::new(self.value_int.finish()),
            Arc::new(self.text.finish()),
            Arc::new(self.quality.finish()),
            Arc::new(self.good.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&SAMPLES), columns)
    }
}
