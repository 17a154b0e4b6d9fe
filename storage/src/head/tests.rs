//! What the head shows a reader.

use std::sync::Arc;

use tacitus_model::{Quality, Sample, Value};

use super::*;

const TAG: TagId = TagId(1);

fn batch(rows: &[(i64, f64)]) -> Batch {
    let sample = |(ts, value): &(i64, f64)| Sample {
        tag: TAG,
        ts: Timestamp::from_nanos(*ts),
        value: Value::Float(*value),
        quality: Quality::GOOD,
    };
    rows.iter().map(sample).collect()
}

fn read(head: &Head, visible: u64) -> Vec<(i64, f64)> {
    let block = head.read(TAG, Kind::Float, TimeRange::ALL, &Visibility::up_to(visible), false);
    let values = block.bits.iter().map(|bits| f64::from_bits(*bits));
    block.times.iter().copied().zip(values).collect()
}

#[test]
fn late_rows_are_read_in_time_order() {
    let head = Head::new(10);
    head.append(&batch(&[(30, 3.0), (10, 1.0)]), 10);
    head.append(&batch(&[(20, 2.0)]), 11);
    assert_eq!(read(&head, 11), [(10, 1.0), (20, 2.0), (30, 3.0)]);
}

#[test]
fn of_two_rows_with_one_time_the_later_wins() {
    let head = Head::new(1);
    head.append(&batch(&[(10, 1.0), (10, 2.0)]), 1);
    head.append(&batch(&[(5, 0.5), (10, 3.0)]), 2);
    assert_eq!(read(&head, 1), [(10, 2.0)]);
    assert_eq!(read(&head, 2), [(5, 0.5), (10, 3.0)]);
}

#[test]
fn rows_past_the_snapshot_are_not_seen() {
    let head = Head::new(1);
    head.append(&batch(&[(10, 1.0)]), 1);
    head.append(&batch(&[(20, 2.0)]), 2);
    assert_eq!(read(&head, 1), [(10, 1.0)]);
    assert_eq!(read(&head, 0), []);
}

#[test]
fn rows_fill_as_many_slabs_as_they_need() {
    let head = Head::new(1);
    let rows: Vec<(i64, f64)> = (0_i32..200_000).map(|n| (i64::from(n), f64::from(n))).collect();
    head.append(&batch(&rows), 1);
    assert_eq!(read(&head, 1), rows);
    assert_eq!(head.rows(), rows.len());
}

#[test]
fn a_late_sample_moves_the_first_time_and_leaves_the_latest_value() {
    let last = LastValues::new();
    last.note(&batch(&[(20, 2.0), (30, 3.0)]));
    last.note(&batch(&[(10, 1.0)]));
    let latest = last.latest(TAG, Kind::Float).unwrap();
    assert_eq!((latest.ts.nanos(), latest.value), (30, Value::Float(3.0)));
    let extent = last.extent(TAG).unwrap();
    assert_eq!((extent.first.nanos(), extent.last.nanos()), (10, 30));
}

#[test]
fn a_sample_at_the_earliest_moment_is_a_latest_value_too() {
    let last = LastValues::new();
    last.note(&batch(&[(i64::MIN, 1.0)]));
    assert_eq!(last.latest(TAG, Kind::Float).unwrap().ts, Timestamp::MIN);
    assert!(last.latest(TagId(2), Kind::Float).is_none());
}

#[test]
fn a_latest_value_has_its_text_or_none_and_its_quality() {
    let last = LastValues::new();
    let row = |ts, text: Option<&str>, quality| Row {
        sequence: 1,
        ts,
        bits: 0,
        null: text.is_none(),
        quality,
        text: text.map(Arc::from),
    };
    for (ts, text, quality) in [(1, Some("on"), 0), (2, None, 9), (3, Some("off"), 7)] {
        last.note_row(TAG, row(ts, text, quality));
        let latest = last.latest(TAG, Kind::Text).unwrap();
        let value = text.map_or(Value::Null, |text| Value::Text(text.into()));
        assert_eq!((latest.value, latest.quality), (value, Quality(quality)));
    }
}

#[test]
fn a_reader_never_sees_parts_of_two_latest_values() {
    let last = LastValues::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200_000_u32 {
                let null = n % 3 == 0;
                let (ts, bits) = (i64::from(n), u64::from(n));
                last.note_row(TAG, Row { sequence: 1, ts, bits, null, quality: n, text: None });
            }
        });
        let mut seen = 0;
        while seen < 199_999 {
            let Some(latest) = last.latest(TAG, Kind::State) else { continue };
            seen = latest.quality.0;
            let value = if seen % 3 == 0 { Value::Null } else { Value::State(seen) };
            assert_eq!((latest.ts.nanos(), latest.value), (i64::from(seen), value));
        }
    });
}

#[test]
fn a_row_that_its_own_batch_replaced_was_never_there() {
    let head = Head::new(1);
    head.append(&batch(&[(10, 1.0), (10, 2.0)]), 1);
    head.append(&batch(&[(10, 3.0), (10, 4.0), (5, 0.5)]), 2);
    let (rows, replaced) = head.read_all(TAG, Kind::Float);
    assert_eq!(rows.sequences, Some(vec![2, 2]));
    let [replaced] = &replaced[..] else { panic!("one row was replaced, by a later batch") };
    assert_eq!(
        (replaced.bits[0], replaced.sequences.as_deref()),
        (2.0_f64.to_bits(), Some(&[1][..]))
    );
}
