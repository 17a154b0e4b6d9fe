//! The relation `audit`: who edited and deleted stored samples, in the order of it.
//!
//! *Invariant.* It shows the changes that the statement's snapshot sees, and no others.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::Result;
use tacitus_storage::{AuditEntry, Change, Snapshot};

use super::moment;

/// The columns of `audit`.
pub(super) static AUDIT: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8View, false);
    Arc::new(Schema::new(vec![
        Field::new("sequence", DataType::Int64, false),
        Field::new("at", moment(), false),
        text("user_name"),
        text("reason"),
        text("change"),
        text("tags"),
        Field::new("first_ts", moment(), false),
        Field::new("last_ts", moment(), false),
    ]))
});

/// The relation over a snapshot.
pub(super) fn audit(snapshot: &Snapshot) -> Result<Arc<dyn TableProvider>> {
    let entries = snapshot.audit();
    let whole = |of: fn(&AuditEntry) -> i64| entries.iter().map(move |entry| of(entry));
    let time = |of: fn(&AuditEntry) -> i64| -> ArrayRef {
        let times: Vec<i64> = whole(of).collect();
        Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
    };
    let text = |of: &dyn Fn(&AuditEntry) -> String| -> ArrayRef {
        Arc::new(StringViewArray::from_iter_values(entries.iter().map(|entry| of(entry))))
    };
    let columns = vec![
        Arc::new(whole(|entry| entry.sequence.cast_signed()).collect::<Int64Array>()) as ArrayRef,
        time(|entry| entry.at.nanos()),
        text(&|entry| entry.user.clone()),
        text(&|entry| entry.reason.clone()),
        text(&|entry| word(entry.change).to_owned()),
        text(&|entry| names(snapshot, entry)),
        time(|entry| entry.range.first.nanos()),
        time(|entry| entry.range.last.nanos()),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&AUDIT), columns)?;
    Ok(Arc::new(MemTable::try_new(Arc::clone(&AUDIT), vec![vec![batch]])?))
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Edited => "edited",
        Change::Deleted => "deleted",
    }
}

/// The paths of the tags of an entry, as a JSON list; a tag that is gone by its number.
fn names(snapshot: &Snapshot, entry: &AuditEntry) -> String {
    let name = |id: &tacitus_model::TagId| match snapshot.tag(*id) {
        Some(tag) => serde_json::Value::from(tag.definition.path.as_str()),
        None => serde_json::Value::from(id.0),
    };
    serde_json::Value::Array(entry.tags.iter().map(name).collect()).to_string()
}
