//! Partial states lead to the same figure in whatever order they come.

use arrow::array::TimestampNanosecondArray;
use proptest::prelude::*;

use super::*;

fn runs(measure: Measure) -> Runs {
    Runs { measure, rollover: None, mixed: false, closed: Vec::new(), open: None }
}

/// A row: seconds since the one before, value.
type Row = (i64, Option<f64>);

/// Time, value and the third argument of some rows.
fn columns(measure: Measure, rows: &[(i64, Option<f64>)], step: bool) -> Vec<ArrayRef> {
    let times: Vec<i64> = rows.iter().map(|(ts, _)| *ts).collect();
    let values: Float64Array = rows.iter().map(|(_, value)| *value).collect();
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(TimestampNanosecondArray::from(times)), Arc::new(values)];
    match measure {
        Measure::TimeAverage | Measure::Total => {
            columns.push(Arc::new(BooleanArray::from(vec![step; rows.len()])));
        }
        Measure::TimeInState => columns.push(Arc::new(Float64Array::from(vec![1.0; rows.len()]))),
        _ => {}
    }
    columns
}

fn number(found: &ScalarValue) -> Option<f64> {
    match found {
        ScalarValue::Float64(number) => *number,
        ScalarValue::Int64(number) => {
            number.map(|number| f64::from(i32::try_from(number).unwrap()))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_in_any_order_make_the_whole(
        rows in prop::collection::vec((1_i64..100, prop::option::weighted(0.9, 0_i32..4)), 1..60),
        step: bool,
        parts in prop::collection::vec((1_usize..20, any::<u32>()), 1..20),
    ) {
        let rows: Vec<Row> = rows
            .into_iter()
            .scan(0, |at, (apart, value)| {
                *at += apart * 1_000_000_000;
                Some((*at, value.map(f64::from)))
            })
            .collect();
        for measure in Measure::ALL {
            let mut whole = runs(measure);
            whole.update_batch(&columns(measure, &rows, step)).unwrap();
            let want = number(&whole.evaluate().unwrap());
            let mut states = Vec::new();
            let mut left = rows.as_slice();
            for (length, order) in parts.iter().copied().chain([(60, 0)]) {
                let (part, rest) = left.split_at(length.min(left.len()));
                left = rest;
                let mut some = runs(measure);
                some.update_batch(&columns(measure, part, step)).unwrap();
                states.push((order, some.state().unwrap()));
            }
            states.sort_by_key(|(order, _)| *order);
            let mut merged = runs(measure);
            for (_, state) in &states {
                let arrays: Vec<ArrayRef> =
                    state.iter().map(|value| value.to_array().unwrap()).collect();
                merged.merge_batch(&arrays).unwrap();
            }
            let have = number(&merged.evaluate().unwrap());
            let same = match (want, have) {
                (Some(want), Some(have)) => (want - have).abs() < 1e-9 * want.abs().max(1.0),
                (want, have) => want == have,
            };
            prop_assert!(same, "{:?}: {:?} is not {:?}", measure, have, want);
        }
    }
}

#[test]
fn parts_that_overlap_are_an_error() {
    let rows = |from: i64| [(from, Some(1.0)), (from + 10, Some(2.0))];
    let mut merged = runs(Measure::Total);
    for from in [0, 5] {
        merged.update_batch(&columns(Measure::Total, &rows(from), false)).unwrap();
    }
    assert!(merged.evaluate().is_err());
}
