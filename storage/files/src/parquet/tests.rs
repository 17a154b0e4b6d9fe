//! Parquet files that are written and read again.

use std::sync::Arc;

use arrow_array::{
    BooleanArray, Date32Array, Float32Array, Float64Array, Int64Array, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use arrow_schema::{DataType, Field, TimeUnit};
use parquet::arrow::ArrowWriter;
use tacitus_model::{Quality, TagDefinition, TagId, TagPath, Value};
use tacitus_storage::Block;

use super::*;
use crate::fault::Faults;
use crate::rows::{Names, Survey};
use crate::sort::Sorter;
use crate::spill::Spill;
use crate::target::{Loader, Target};

fn sorter() -> Sorter {
    Sorter::new(1 << 20, Spill::in_dir(&std::env::temp_dir()))
}

/// The tags of a file with their kinds, its samples by tag and time, its faults.
type Loaded = (Vec<(String, Option<Kind>)>, Vec<(TagId, Block)>, Vec<String>);

fn load(path: &Path) -> Loaded {
    let mut names = Names::default();
    survey_parquet(path, "f", &mut Survey { names: &mut names, rows: 0 }).unwrap();
    let tags: Vec<_> = names.forms().iter().map(|form| (form.path.clone(), form.kind())).collect();
    let targets: Vec<_> = tags
        .iter()
        .zip(0..)
        .map(|((_, kind), id)| {
            let kind = kind.unwrap_or(Kind::Float);
            Ok(Target { tag: TagId(id), kind, states: Vec::new() })
        })
        .collect();
    let (mut sorter, mut faults) = (sorter(), Faults::default());
    let mut loader = Loader {
        names: &mut names,
        targets: &targets,
        sorter: &mut sorter,
        faults: &mut faults,
        file: "f",
    };
    read_parquet(path, "f", Unit::BySize, &mut loader).unwrap();
    let blocks = sorter.finish().unwrap().map(Result::unwrap).collect();
    (tags, blocks, faults.named.iter().map(ToString::to_string).collect())
}

fn file(columns: Vec<(&str, DataType, ArrayRef)>) -> tempfile::TempPath {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns
        .into_iter()
        .map(|(name, data_type, array)| (Field::new(name, data_type, true), array))
        .unzip();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let (out, path) = tempfile::NamedTempFile::new().unwrap().into_parts();
    let mut out = ArrowWriter::try_new(out, batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.close().unwrap();
    path
}

fn millis(times: Vec<Option<i64>>) -> (&'static str, DataType, ArrayRef) {
    let array = TimestampMillisecondArray::from(times);
    ("ts", DataType::Timestamp(TimeUnit::Millisecond, None), Arc::new(array))
}

#[test]
fn what_is_written_is_read_as_the_same_samples_bit_for_bit() {
    let payload = f64::from_bits(0x7ff8_0000_dead_beef);
    let tag = |path: &str, kind| TagDefinition::new(TagPath::new(path).unwrap(), kind, "test");
    let tags =
        [tag("a", Kind::Float), tag("b", Kind::Int), tag("c", Kind::Bool), tag("d", Kind::Text)];
    let mut want = sorter();
    for (id, ts, value, quality) in [
        (0, i64::MIN, Value::Float(payload), Quality::GOOD),
        (0, 1, Value::Float(-0.0), Quality(7)),
        (0, i64::MAX, Value::Null, Quality::BAD),
        (1, 1, Value::Int(i64::MAX), Quality::GOOD),
        (2, 1, Value::Bool(true), Quality::GOOD),
        (3, 1, Value::Text("".into()), Quality::GOOD),
        (3, 2, Value::Text("0012".into()), Quality::GOOD),
    ] {
        want.add(TagId(id), tags[id as usize].kind, ts, &value, quality).unwrap();
    }
    let want: Vec<_> = want.finish().unwrap().map(Result::unwrap).collect();
    let (out, path) = tempfile::NamedTempFile::new().unwrap().into_parts();
    let mut out = ParquetWriter::new(out).unwrap();
    for (id, block) in &want {
        out.block(&tags[id.0 as usize], block).unwrap();
    }
    out.finish().unwrap();
    let (found, blocks, faults) = load(&path);
    let kinds: Vec<_> = tags.iter().map(|tag| (tag.path.to_string(), Some(tag.kind))).collect();
    assert_eq!(found, kinds);
    assert_eq!(blocks, want);
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn a_wide_file_has_a_tag_for_each_column() {
    let path = file(vec![
        millis(vec![Some(1), Some(2), None]),
        ("temp", DataType::Float32, Arc::new(Float32Array::from(vec![Some(0.1), None, Some(1.0)]))),
        ("door", DataType::Boolean, Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("n", DataType::UInt64, Arc::new(UInt64Array::from(vec![1, u64::MAX, 3]))),
        ("day", DataType::Date32, Arc::new(Date32Array::from(vec![1, 2, 3]))),
    ]);
    let (tags, blocks, faults) = load(&path);
    let kinds = [("f/temp", Kind::Float), ("f/door", Kind::Bool), ("f/n", Kind::Int)];
    assert_eq!(tags, kinds.map(|(name, kind)| (name.to_owned(), Some(kind))));
    assert_eq!(blocks[0].1.times, [1_000_000]);
    assert_eq!(blocks[0].1.value(0), Value::Float(f64::from(0.1f32)));
    assert_eq!(blocks[1].1.times, [1_000_000, 2_000_000]);
    assert_eq!(blocks[2].1.times, [1_000_000], "2^64 - 1 is no value of an int tag");
    assert_eq!(
        faults,
        [
            "f: column \"day\" of type Date32 is left out",
            "f:3: the time is null",
            "f:2: \"18446744073709552000\" is no value of tags of kind int",
        ]
    );
}

#[test]
fn a_narrow_file_says_the_tag_in_each_row() {
    let path = file(vec![
        ("tag", DataType::Utf8, Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]))),
        millis(vec![Some(1), Some(2), Some(3)]),
        (
            "value",
            DataType::Float64,
            Arc::new(Float64Array::from(vec![Some(1.5), None, Some(2.0)])),
        ),
        ("quality", DataType::Int64, Arc::new(Int64Array::from(vec![Some(5), None, Some(0)]))),
    ]);
    let (tags, blocks, faults) = load(&path);
    assert_eq!(tags, [("a".to_owned(), Some(Kind::Float)), ("b".to_owned(), Some(Kind::Float))]);
    assert_eq!((blocks[0].1.value(0), blocks[0].1.quality(0)), (Value::Float(1.5), Quality(5)));
    assert_eq!((blocks[1].1.value(0), blocks[1].1.quality(0)), (Value::Null, Quality::BAD_NO_DATA));
    assert_eq!(faults, ["f:3: the tag is null or no text"]);
}

#[test]
fn a_file_that_is_no_parquet_or_has_no_times_is_refused() {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    std::fs::write(&path, b"PAR1 but nothing else").unwrap();
    let mut names = Names::default();
    let mut survey = Survey { names: &mut names, rows: 0 };
    assert!(survey_parquet(&path, "f", &mut survey).is_err());
    let path = file(vec![("a", DataType::Int64, Arc::new(Int64Array::from(vec![1])))]);
    let error = survey_parquet(&path, "f", &mut survey).unwrap_err().to_string();
    assert!(error.contains("no column is called \"ts\""), "{error}");
}
