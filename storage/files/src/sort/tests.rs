//! The sort against a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const KINDS: [Kind; 3] = [Kind::Float, Kind::Int, Kind::Text];

/// A sample in short: tag 0 to 2, of which each has its kind.
#[derive(Debug, Clone)]
struct Given {
    tag: u32,
    ts: i64,
    number: i64,
    null: bool,
    quality: u32,
}

impl Given {
    fn value(&self) -> Value {
        match KINDS[self.tag as usize] {
            _ if self.null => Value::Null,
            Kind::Float => Value::Float(f64::from_bits(self.number.cast_unsigned())),
            Kind::Int => Value::Int(self.number),
            _ => Value::Text(self.number.to_string().into()),
        }
    }
}

fn given() -> impl Strategy<Value = Given> {
    (
        0..3u32,
        -40..40i64,
        any::<i64>(),
        prop::bool::weighted(0.1),
        prop_oneof![4 => Just(0u32), 1 => any::<u32>()],
    )
        .prop_map(|(tag, ts, number, null, quality)| Given { tag, ts, number, null, quality })
}

type Found = BTreeMap<(u32, i64), (Value, u32)>;

/// What comes out, checked to be in order.
fn found(sorted: Sorted) -> Found {
    let mut found = Found::new();
    let mut before = None;
    for item in sorted {
        let (tag, block) = item.unwrap();
        assert!(!block.is_empty() && block.len() <= BLOCK_ROWS_MAX);
        for (row, ts) in block.times.iter().enumerate() {
            assert!(before < Some((tag, *ts)), "{tag:?} {ts} after {before:?}");
            before = Some((tag, *ts));
            found.insert((tag.0, *ts), (block.value(row), block.quality(row).0));
        }
    }
    found
}

/// Sorts, spilling after the samples at these places.
fn sorted(samples: &[Given], spills: &[usize]) -> Sorted {
    let mut sorter = Sorter::new(usize::MAX, Spill::in_dir(&std::env::temp_dir()));
    for (at, one) in samples.iter().enumerate() {
        let kind = KINDS[one.tag as usize];
        sorter.add(TagId(one.tag), kind, one.ts, &one.value(), Quality(one.quality)).unwrap();
        if spills.contains(&at) {
            sorter.spill().unwrap();
        }
    }
    sorter.finish().unwrap()
}

proptest! {
    #[test]
    fn the_sort_gives_what_a_map_would_have(
        samples in prop::collection::vec(given(), 0..300),
        spills in prop::collection::vec(0..300usize, 0..6),
    ) {
        let mut want = Found::new();
        for one in &samples {
            want.insert((one.tag, one.ts), (one.value(), one.quality));
        }
        prop_assert_eq!(found(sorted(&samples, &spills)), want);
    }
}

#[test]
fn more_than_fits_in_memory_is_sorted_all_the_same() {
    // The least memory holds some 40,000 rows of these; times fall, so every run overlaps none.
    let mut sorter = Sorter::new(0, Spill::in_dir(&std::env::temp_dir()));
    for ts in (0..200_000).rev() {
        let (tag, value) = (TagId(7), Value::Int(ts * 3));
        sorter.add(tag, Kind::Int, ts, &value, Quality::GOOD).unwrap();
    }
    assert!(sorter.runs.readers().unwrap().len() > 2);
    let mut next = 0;
    for item in sorter.finish().unwrap() {
        let (_, block) = item.unwrap();
        for (row, ts) in block.times.iter().enumerate() {
            assert_eq!((*ts, block.value(row)), (next, Value::Int(next * 3)));
            next += 1;
        }
    }
    assert_eq!(next, 200_000);
}

#[test]
fn a_spill_file_has_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(0, Spill::in_dir(dir.path()));
    sorter.add(TagId(1), Kind::Int, 1, &Value::Int(1), Quality::GOOD).unwrap();
    sorter.spill().unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
