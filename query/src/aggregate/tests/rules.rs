//! Rules that the tables do not show.

use tacitus_model::Quality;

use super::*;

const SECOND: i64 = 1_000_000_000;
const LINEAR: Configuration = Configuration::STANDARD;
const STEPPED: Configuration = Configuration { stepped: true, ..LINEAR };

fn forward(low: i64, high: i64) -> Interval {
    Interval { low: low * SECOND, high: high * SECOND, backward: false, shortened: false }
}

fn backward(low: i64, high: i64) -> Interval {
    Interval { backward: true, ..forward(low, high) }
}

/// 0 s: 0, 10 s: 10, … 60 s: 60.
fn ramp() -> Vec<Point> {
    (0..7).map(|at: i32| good(i64::from(at) * 10 * SECOND, f64::from(at) * 10.0)).collect()
}

#[track_caller]
fn check(samples: &[Point], interval: Interval, aggregate: Aggregate, want: Option<f64>) {
    let configuration = if aggregate == Aggregate::Count { STEPPED } else { LINEAR };
    let found = outputs(samples, &[interval], aggregate, configuration);
    let [found] = found.as_slice() else { unreachable!("one interval, one output") };
    match (found.value, want) {
        (Some(found), Some(want)) => assert!((found - want).abs() < 1e-9, "{found} {want}"),
        (found, want) => assert_eq!(found, want, "{aggregate:?}"),
    }
}

#[test]
fn a_backward_interval_includes_its_later_edge_and_starts_there() {
    use Aggregate as A;
    for (aggregate, ahead, back) in [
        (A::Count, 2.0, 2.0),
        (A::Average, 15.0, 25.0),
        (A::Start, 10.0, 20.0),
        (A::End, 20.0, 30.0),
        (A::StartBound, 10.0, 30.0),
        (A::EndBound, 30.0, 10.0),
        (A::Delta, 10.0, 10.0),
        (A::DeltaBounds, 20.0, -20.0),
        (A::Interpolative, 10.0, 30.0),
        (A::TimeAverage2, 20.0, 20.0),
        (A::NumberOfTransitions, 2.0, 2.0),
    ] {
        check(&ramp(), forward(10, 30), aggregate, Some(ahead));
        check(&ramp(), backward(10, 30), aggregate, Some(back));
    }
}

#[test]
fn the_time_of_a_backward_output_is_the_later_edge() {
    let found = outputs(&ramp(), &[backward(10, 30)], Aggregate::Average, LINEAR);
    assert_eq!(found.first().map(|output| output.ts), Some(30 * SECOND));
    let found = outputs(&ramp(), &[backward(15, 30)], Aggregate::MinimumActualTime2, LINEAR);
    assert_eq!(found.first().map(|output| output.ts), Some(15 * SECOND + 1_000_000));
}

#[test]
fn an_interval_between_samples_holds_no_sample_and_is_good() {
    use Aggregate as A;
    for (aggregate, want) in [
        (A::Count, Some(0.0)),
        (A::NumberOfTransitions, Some(0.0)),
        (A::Average, None),
        (A::TimeAverage2, Some(13.0)),
        (A::PercentGood, Some(100.0)),
    ] {
        check(&ramp(), forward(12, 14), aggregate, want);
    }
}

#[test]
fn a_line_that_covers_no_time_has_neither_mean_nor_area() {
    let mut samples = ramp();
    for sample in samples.iter_mut().take(2) {
        sample.quality = Quality::BAD;
    }
    for aggregate in [Aggregate::TimeAverage, Aggregate::Total] {
        check(&samples, forward(5, 20), aggregate, None);
        check(&samples, backward(15, 20), aggregate, None);
    }
    check(&samples, forward(5, 21), Aggregate::TimeAverage, Some(20.5));
}

#[test]
fn a_worst_quality_that_comes_again_is_marked_and_a_good_one_is_not() {
    let marks = |bad: &[usize]| {
        let mut samples = ramp();
        for at in bad {
            if let Some(sample) = samples.get_mut(*at) {
                sample.quality = Quality::BAD;
            }
        }
        let found = outputs(&samples, &[forward(10, 50)], Aggregate::WorstQuality, LINEAR);
        found.first().map(|output| output.quality.0)
    };
    assert_eq!(marks(&[]), Some(0x401));
    assert_eq!(marks(&[2]), Some(0x401));
    assert_eq!(marks(&[2, 4]), Some(0x411));
}

#[test]
fn a_number_that_is_not_finite_counts_as_bad() {
    let mut samples = ramp();
    if let Some(third) = samples.get_mut(2) {
        third.number = f64::NAN;
    }
    check(&samples, forward(10, 40), Aggregate::Count, Some(2.0));
    check(&samples, forward(0, 40), Aggregate::PercentGood, Some(75.0));
    check(&samples, forward(20, 21), Aggregate::TimeAverage, Some(20.5));
}

#[test]
fn lines_between_huge_values_do_not_overflow() {
    let samples = [good(0, -f64::MAX), good(10 * SECOND, f64::MAX), good(20 * SECOND, 0.0)];
    check(&samples, forward(5, 10), Aggregate::StartBound, Some(0.0));
}

#[test]
fn a_good_share_at_the_boundary_is_good_also_where_it_is_bad_too() {
    let mut samples = ramp();
    for sample in samples.iter_mut().skip(1).step_by(2) {
        *sample = Point { number: f64::NAN, quality: Quality::BAD, ..*sample };
    }
    let half =
        Configuration { percent_data_good: 50, percent_data_bad: 50, ..Configuration::STANDARD };
    let quality = |configuration| {
        let found = outputs(&samples, &[forward(0, 40)], Aggregate::Count, configuration);
        found.first().map(|output| output.quality.0 & 0xFFFF_0000)
    };
    assert_eq!(quality(half), Some(0));
    assert_eq!(quality(LINEAR), Some(0x40A4_0000));
}

#[test]
fn a_configuration_that_calls_half_an_interval_good_and_bad_is_refused() {
    let of = |good, bad| Configuration {
        percent_data_good: good,
        percent_data_bad: bad,
        ..Configuration::STANDARD
    };
    for (good, bad, consistent) in
        [(100, 100, true), (50, 50, true), (40, 50, false), (0, 101, false)]
    {
        assert_eq!(of(good, bad).is_consistent(), consistent, "{good} {bad}");
    }
}

#[test]
fn every_aggregate_is_found_by_its_names_and_has_one_of_its_own() {
    let all: Vec<Aggregate> = Aggregate::all().collect();
    assert_eq!(all.len(), 37);
    for aggregate in all {
        assert_eq!(Aggregate::named(aggregate.column()), Some(aggregate));
        assert_eq!(Aggregate::named(&format!("{aggregate:?}")), Some(aggregate));
    }
    assert_eq!(Aggregate::named("i=2342"), Some(Aggregate::Average));
    assert_eq!(Aggregate::named("mean"), None);
}
