//! What answers look like as bytes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, RecordBatch, StringViewArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::{Format, Renderer};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap()
}

fn written(format: Format, batches: &[&RecordBatch]) -> Vec<u8> {
    let mut renderer = Renderer::new(format, &batches[0].schema()).unwrap();
    let mut bytes = renderer.begin();
    for batch in batches {
        bytes.extend(renderer.rows(batch).unwrap());
    }
    bytes.extend(renderer.end().unwrap());
    bytes
}

fn text(format: Format, batches: &[&RecordBatch]) -> String {
    String::from_utf8(written(format, batches)).unwrap()
}

#[test]
fn an_answer_in_json_is_one_object_whatever_its_batches() {
    let some = batch(vec![("n", Arc::new(Int64Array::from(vec![Some(1), None])))]);
    let none = some.slice(0, 0);
    let head = "{\"columns\":[{\"name\":\"n\",\"type\":\"bigint\"}],\"rows\":[";
    for (batches, rows) in [
        (vec![&none], ""),
        (vec![&some], "\n[1],\n[null]"),
        (vec![&none, &some, &none, &some], "\n[1],\n[null],\n[1],\n[null]"),
    ] {
        assert_eq!(text(Format::Json, &batches), format!("{head}{rows}\n]}}\n"));
    }
}

#[test]
fn texts_are_escaped_as_each_format_asks() {
    let words = ["plain", "", "a,b", "say \"hi\"", "line\nend", "tab\tü\u{1}\\"];
    let column = words.into_iter().map(Some).chain([None]).collect::<StringViewArray>();
    let batch = batch(vec![("t,\"x\"", Arc::new(column))]);
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json, &[&batch])).unwrap();
    assert_eq!(json["columns"][0]["name"], "t,\"x\"");
    for (row, word) in words.iter().enumerate() {
        assert_eq!(json["rows"][row][0], *word);
    }
    assert!(json["rows"][words.len()][0].is_null());
    assert_eq!(
        text(Format::Csv, &[&batch]),
        "\"t,\"\"x\"\"\"\r\nplain\r\n\"\"\r\n\"a,b\"\r\n\"say \"\"hi\"\"\"\r\n\"line\nend\"\r\n\
         tab\tü\u{1}\\\r\n\r\n"
    );
}

#[test]
fn a_float_read_back_has_the_same_bits() {
    let numbers = [
        0.1,
        -0.0,
        1.0 / 3.0,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::MAX,
        f64::MIN,
        1e16,
        123_456_789.125,
        9_007_199_254_740_993.0,
    ];
    let batch = batch(vec![("x", Arc::new(Float64Array::from(numbers.to_vec())))]);
    let csv = text(Format::Csv, &[&batch]);
    for (line, number) in csv.lines().skip(1).zip(numbers) {
        assert_eq!(line.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{line}");
    }
    let json: serde_json::Value = serde_json::from_str(&text(Format::Json, &[&batch])).unwrap();
    for (row, number) in numbers.into_iter().enumerate() {
        assert_eq!(json["rows"][row][0].as_f64().unwrap().to_bits(), number.to_bits());
    }
}

#[test]
fn floats_that_are_not_numbers_are_words() {
    let numbers = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let batch = batch(vec![("x", Arc::new(Float64Array::from(numbers)))]);
    let rows = "\n[\"NaN\"],\n[\"Infinity\"],\n[\"-Infinity\"]\n";
    assert!(text(Format::Json, &[&batch]).contains(rows));
    assert_eq!(text(Format::Csv, &[&batch]), "x\r\nNaN\r\nInfinity\r\n-Infinity\r\n");
}

#[test]
fn a_time_keeps_its_nanoseconds_in_as_few_digits_as_hold_them() {
    let times = TimestampNanosecondArray::from(vec![i64::MIN, -1, 0, 250_000_000, i64::MAX])
        .with_timezone("UTC");
    assert_eq!(
        text(Format::Csv, &[&batch(vec![("t", Arc::new(times))])]),
        "t\r\n1677-09-21T00:12:43.145224192Z\r\n1969-12-31T23:59:59.999999999Z\r\n\
         1970-01-01T00:00:00Z\r\n1970-01-01T00:00:00.250Z\r\n2262-04-11T23:47:16.854775807Z\r\n"
    );
}

#[test]
fn a_list_is_a_json_list() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), None, Some(3)]),
        None,
        Some(vec![]),
    ]);
    let batch = batch(vec![("l", Arc::new(lists))]);
    let json = text(Format::Json, &[&batch]);
    assert!(json.contains("\"type\":\"bigint[]\""), "{json}");
    assert!(json.contains("\n[[1,null,3]],\n[null],\n[[]]\n"), "{json}");
    assert_eq!(text(Format::Csv, &[&batch]), "l\r\n\"[1,null,3]\"\r\n\r\n[]\r\n");
}

#[test]
fn arrow_answers_have_plain_types_and_the_same_values() {
    let batch = batch(vec![
        (
            "t",
            Arc::new(StringViewArray::from(vec![Some("a tag with a long name"), None])) as ArrayRef,
        ),
        ("x", Arc::new(Float64Array::from(vec![Some(-0.0), None]))),
    ]);
    let bytes = written(Format::Arrow, &[&batch, &batch]);
    let reader = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    assert_eq!(reader.schema().field(0).data_type(), &DataType::Utf8);
    let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].column(0).as_string::<i32>().value(0), "a tag with a long name");
    assert!(read[1].column(0).is_null(1));
    let number = read[1].column(1).as_primitive::<Float64Type>().value(0);
    assert_eq!(number.to_bits(), (-0.0_f64).to_bits());
}
