//! What is made of statistics is what is made of samples.

use proptest::prelude::*;
use tacitus_model::{Batch, Kind, Quality, Sample, TagDefinition, TagPath, Timestamp, Value};
use tacitus_storage::{Engine, FixedClock, Parts, Progress, SeededChance, Settings, SimDisk};

use super::*;
use crate::aggregate::{Aggregate, Output, Walk};

const SECOND: i64 = 1_000_000_000;

/// A tag of so many samples, some of them in segments and some in the head; every `bad_every`th
/// one bad.
fn samples(rows: u32, step: bool, bad_every: Option<u32>) -> TagSamples {
    samples_of(Kind::Float, rows, step, bad_every)
}

/// The same of a kind: numbers, or states that are held for a while.
fn samples_of(kind: Kind, rows: u32, step: bool, bad_every: Option<u32>) -> TagSamples {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(0))),
        chance: Arc::new(SeededChance::new(7)),
    };
    let settings = Settings { log_bytes_max: 1, ..Settings::default() };
    let engine = Engine::open(parts, settings).unwrap();
    let path = TagPath::new("a/b").unwrap();
    let definition = TagDefinition { step, ..TagDefinition::new(path, kind, "test") };
    let names = ["off", "slow", "fast", "fault"].map(str::to_owned).to_vec();
    let states = if kind == Kind::State { names } else { Vec::new() };
    let definition = TagDefinition { states, ..definition };
    let tag = engine.catalog().define(definition).unwrap();
    let sample = |at: u32| {
        let bad = bad_every.is_some_and(|every| at % every == every - 1);
        // Values come again, so that extremes do too.
        let number = f64::from(at.wrapping_mul(2_654_435_761) >> 20) / 8.0;
        Sample {
            tag: tag.id,
            ts: Timestamp::from_nanos(i64::from(at) * SECOND + i64::from(at % 3) * 1000),
            value: match kind {
                _ if bad => Value::Null,
                Kind::State => Value::State(at / 170 % 3 + at / 4000 % 2),
                _ => Value::Float(number),
            },
            quality: if bad { Quality::BAD } else { Quality::GOOD },
        }
    };
    for part in (0..rows).collect::<Vec<u32>>().chunks(6000) {
        let batch: Batch = part.iter().map(|at| sample(*at)).collect();
        engine.commit(&[batch]).unwrap();
        if part.len() == 6000 {
            while engine.step().unwrap() != Progress::Idle {}
        }
    }
    TagSamples::new(engine.snapshot(), Arc::new(tag.as_ref().clone()))
}

fn intervals(from: i64, width: i64, count: i64, backward: bool) -> Vec<Interval> {
    let edge = |at: i64| from + at * width;
    let one = |at| Interval { low: edge(at), high: edge(at + 1), backward, shortened: false };
    (0..count).map(one).collect()
}

fn outputs(series: StoreSeries, walk: &Walk, intervals: &[Interval]) -> Vec<Output> {
    let mut pass = walk.clone().over(series, intervals.to_vec());
    let mut found = Vec::new();
    while pass.step(|_, outputs, _| found.extend_from_slice(outputs)).unwrap() {}
    found
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0),
        (a, b) => a == b,
    }
}

/// Compares both ways for every aggregate alone; how often statistics were used.
fn compare(samples: &TagSamples, intervals: &[Interval], stepped: bool) -> usize {
    let mut known = 0;
    for aggregate in Aggregate::all() {
        let configuration = Configuration { stepped, ..Configuration::STANDARD };
        let walk = Walk::new(&[aggregate], configuration);
        let open =
            StoreSeries::open(samples.clone(), intervals, walk.needs, &walk.configuration).unwrap();
        known += usize::from(matches!(open.source, Source::Known(_)));
        let low = intervals.first().unwrap().low;
        let plain = StoreSeries::open_samples(samples.clone(), low);
        let (fast, slow) = (outputs(open, &walk, intervals), outputs(plain, &walk, intervals));
        assert_eq!(fast.len(), slow.len());
        for (at, (fast, slow)) in fast.iter().zip(&slow).enumerate() {
            let same =
                near(fast.value, slow.value) && fast.ts == slow.ts && fast.quality == slow.quality;
            assert!(same, "{aggregate:?} interval {at}: {fast:?} is not {slow:?}");
        }
    }
    known
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn statistics_say_what_samples_say(
        step: bool,
        stepped: bool,
        backward: bool,
        bad_every in prop_oneof![Just(None), (900_u32..9000).prop_map(Some)],
        from_s in -3000_i64..6000,
        from_ns in prop_oneof![Just(0_i64), 0..SECOND],
        width_s in 2100_i64..5000,
        count in 1_i64..8,
    ) {
        let samples = samples(20_000, step, bad_every);
        let from = from_s * SECOND + from_ns;
        compare(&samples, &intervals(from, width_s * SECOND, count, backward), stepped);
    }
}

#[test]
fn times_in_states_say_what_samples_say() {
    for bad_every in [None, Some(4_100)] {
        let samples = samples_of(Kind::State, 20_000, true, bad_every);
        for from in [500, -40 * SECOND, 170 * SECOND] {
            compare(&samples, &intervals(from, 3000 * SECOND, 5, false), true);
            compare(&samples, &intervals(from, 3000 * SECOND, 5, true), true);
        }
    }
    let samples = samples_of(Kind::State, 20_000, true, None);
    let known = compare(&samples, &intervals(500, 5000 * SECOND, 3, false), true);
    // Not for the two worst qualities; straight lines have no meaning.
    assert_eq!(known, 37 - 2 - 2);
}

#[test]
fn statistics_are_used_for_all_that_can_be_made_of_them() {
    let samples = samples(20_000, false, None);
    let known = compare(&samples, &intervals(500, 5000 * SECOND, 3, false), false);
    // Not for transitions, times in a state and the two worst qualities.
    assert_eq!(known, 37 - 5);
}

/// A tag with these samples: seconds, and numbers or marks.
fn marked(rows: &[(i64, Option<f64>)]) -> TagSamples {
    let parts = Parts {
        disk: Arc::new(SimDisk::new()),
        clock: Arc::new(FixedClock::at(Timestamp::from_nanos(0))),
        chance: Arc::new(SeededChance::new(7)),
    };
    let engine = Engine::open(parts, Settings::default()).unwrap();
    let path = TagPath::new("a").unwrap();
    let tag = engine.catalog().define(TagDefinition::new(path, Kind::Float, "test")).unwrap();
    let sample = |(second, number): &(i64, Option<f64>)| Sample {
        tag: tag.id,
        ts: Timestamp::from_nanos(second * SECOND),
        value: number.map_or(Value::Null, Value::Float),
        quality: number.map_or(Quality::BAD_NO_DATA, |_| Quality::GOOD),
    };
    engine.commit(&[rows.iter().map(sample).collect()]).unwrap();
    TagSamples::new(engine.snapshot(), Arc::new(tag.as_ref().clone()))
}

#[test]
fn marks_where_a_tag_begins_are_not_there_and_later_ones_are_bad() {
    let values = [(10, Some(1.0)), (12, None), (14, Some(2.0))];
    let plain = marked(&values);
    let with_marks = marked(&[&[(0, None), (1, None), (5, None)], &values[..]].concat());
    for from in [-2, 0, 1, 3, 8, 11] {
        for (width, count, backward) in [(2, 12, false), (5, 4, true), (7, 3, false)] {
            let intervals = intervals(from * SECOND, width * SECOND, count, backward);
            for aggregate in Aggregate::all() {
                let walk = Walk::new(&[aggregate], Configuration::STANDARD);
                let of = |samples: &TagSamples| {
                    let open = StoreSeries::open(
                        samples.clone(),
                        &intervals,
                        walk.needs,
                        &walk.configuration,
                    );
                    outputs(open.unwrap(), &walk, &intervals)
                };
                assert_eq!(of(&with_marks), of(&plain), "{aggregate:?} from {from} s");
            }
        }
    }
    let walk = Walk::new(&[Aggregate::WorstQuality], Configuration::STANDARD);
    let whole = intervals(0, 20 * SECOND, 1, false);
    let open = StoreSeries::open(with_marks, &whole, walk.needs, &walk.configuration).unwrap();
    let worst = f64::from(Quality::BAD_NO_DATA.0);
    assert_eq!(outputs(open, &walk, &whole).first().unwrap().value, Some(worst));
    let marks_only = marked(&[(0, None), (5, None)]);
    let open = StoreSeries::open(marks_only, &whole, walk.needs, &walk.configuration).unwrap();
    assert_eq!(outputs(open, &walk, &whole).first().unwrap().quality, Quality::BAD_NO_DATA);
}
