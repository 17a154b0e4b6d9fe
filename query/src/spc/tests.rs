//! Charts, limits and capability: what textbooks print, and the vectors of a reference where it lies
//! beside the repository.

mod vectors;

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// Piston rings (Montgomery): diameters of 5 in mm, 12 of 40 subgroups.
const RINGS: [[f64; 5]; 12] = [
    [74.03, 74.002, 74.019, 73.992, 74.008],
    [73.995, 73.992, 74.001, 74.011, 74.004],
    [73.988, 74.024, 74.021, 74.005, 74.002],
    [74.002, 73.996, 73.993, 74.015, 74.009],
    [73.992, 74.007, 74.015, 73.989, 74.014],
    [74.009, 73.994, 73.997, 73.985, 73.993],
    [73.995, 74.006, 73.994, 74.0, 74.005],
    [73.985, 74.003, 73.993, 74.015, 73.988],
    [74.008, 73.995, 74.009, 74.005, 74.004],
    [73.998, 74.0, 73.99, 74.007, 73.995],
    [73.994, 73.998, 73.994, 73.995, 73.99],
    [74.004, 74.0, 74.007, 74.0, 73.996],
];

/// Viscosity of batches (Montgomery).
const VISCOSITY: [f64; 20] = [
    34.05, 34.4, 33.59, 35.96, 34.7, 33.51, 33.79, 34.04, 34.52, 33.75, 33.27, 33.71, 34.03, 34.58,
    34.02, 33.97, 34.05, 34.04, 33.73, 34.05,
];

pub(super) fn group(at: usize, figures: Figures) -> Subgroup {
    let ts = i64::try_from(at).unwrap();
    Subgroup {
        start: ts,
        end: ts,
        figures,
        left_out: 0,
        excluded: None,
        fresh: at == 0,
        values: Vec::new(),
    }
}

fn of_values(groups: &[impl AsRef<[f64]>]) -> Vec<Subgroup> {
    let spread = |own: &dyn AsRef<[f64]>| Spread::of(own.as_ref().iter().copied());
    groups.iter().enumerate().map(|(at, own)| group(at, Figures::Values(spread(own)))).collect()
}

fn of_counts(counts: &[(f64, f64)]) -> Vec<Subgroup> {
    let figures = |&(count, size): &(f64, f64)| Figures::Counts { count, size };
    counts.iter().enumerate().map(|(at, own)| group(at, figures(own))).collect()
}

/// The points of groups by limits from themselves.
fn phase_one(recipe: &Recipe, groups: &[Subgroup]) -> Vec<Point> {
    let basis = basis(recipe.kind, recipe.method, groups).unwrap();
    let mut course = Course::new(recipe, Some(basis));
    groups.iter().flat_map(|group| course.points(group, Phase::One)).collect()
}

fn of_chart(points: &[Point], chart: Chart) -> Vec<&Point> {
    points.iter().filter(|point| point.chart == chart).collect()
}

#[track_caller]
fn close(found: impl Into<Option<f64>>, want: f64) {
    let found = found.into().unwrap();
    assert!((found - want).abs() <= 1e-6 * want.abs().max(1e-6), "{found} {want}");
}

/// As Montgomery and the R package qcc have it, with exact constants in place of three digits.
#[test]
fn single_values_and_their_moving_ranges() {
    let values: Vec<[f64; 1]> = VISCOSITY.map(|value| [value]).to_vec();
    let mut recipe = Recipe::of(ChartKind::IMr);
    recipe.rules = run_rules(RuleOptions::STANDARD).to_vec();
    let points = phase_one(&recipe, &of_values(&values));
    let (single, moving) = (of_chart(&points, Chart::I), of_chart(&points, Chart::Mr));
    close(single[0].center, 34.088);
    close(single[0].sigma, 0.507_481_523_628);
    close(single[0].lcl, 32.565_555_429_1);
    close(single[0].ucl, 35.610_444_570_9);
    close(moving[0].center, 0.572_631_578_947);
    close(moving[0].ucl, 1.870_519_330_62);
    assert_eq!((moving.len(), moving[0].lcl), (19, Some(0.0)));
    let flagged: Vec<(usize, &[&str])> = single
        .iter()
        .enumerate()
        .filter(|(_, point)| point.out || !point.rules.is_empty())
        .map(|(at, point)| (at + 1, point.rules.as_slice()))
        .collect();
    assert_eq!(flagged, [(4, ["we1", "nelson1"].as_slice())]);
}

/// Limits from tables of three digits differ in the fifth digit; these are of the definition.
#[test]
fn means_ranges_and_deviations_of_subgroups() {
    let groups = of_values(&RINGS);
    let mean = RINGS.as_flattened().iter().sum::<f64>() / 60.0;
    for (kind, second) in [(ChartKind::XbarR, Chart::R), (ChartKind::XbarS, Chart::S)] {
        let recipe = Recipe::of(kind);
        let points = phase_one(&recipe, &groups);
        let (first, second) = (of_chart(&points, Chart::Xbar), of_chart(&points, second));
        let own = Constants::of(5).unwrap();
        let average = second.iter().map(|point| point.value).sum::<f64>() / 12.0;
        let (wide, low, high) = match kind {
            ChartKind::XbarR => (own.a2, own.d3_limit, own.d4_limit),
            _ => (own.a3, own.b3, own.b4),
        };
        close(first[0].center, mean);
        close(first[0].ucl, mean + wide * average);
        close(first[0].lcl, mean - wide * average);
        close(second[0].center, average);
        close(second[0].ucl, high * average);
        close(second[0].lcl, low * average);
    }
}

#[test]
fn limits_follow_the_size_of_each_subgroup() {
    let sizes = [vec![1.0, 3.0], vec![2.0, 2.5, 4.0], vec![3.0], vec![1.0, 2.0, 3.0, 4.0, 5.5]];
    let groups = of_values(&sizes);
    let points = phase_one(&Recipe::of(ChartKind::XbarR), &groups);
    let ranges = [2.0 / d2(2).unwrap(), 2.0 / d2(3).unwrap(), 4.5 / d2(5).unwrap()];
    let sigma = ranges.iter().sum::<f64>() / 3.0;
    let (means, ranges) = (of_chart(&points, Chart::Xbar), of_chart(&points, Chart::R));
    close(means[2].sigma, sigma);
    close(means[3].sigma, sigma / 5.0_f64.sqrt());
    // One value has no range.
    assert_eq!((means.len(), ranges.len()), (4, 3));
    close(ranges[1].center, d2(3).unwrap() * sigma);
    close(ranges[1].ucl, (d2(3).unwrap() + 3.0 * d3(3).unwrap()) * sigma);
    let all = [1.0, 3.0, 2.0, 2.5, 4.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.5];
    close(means[0].center, all.iter().sum::<f64>() / 11.0);
    // Three ways to the same spread.
    let freedom = 1.0 + 2.0 + 4.0;
    let squares: f64 = groups
        .iter()
        .map(|group| match &group.figures {
            Figures::Values(spread) => spread.squares,
            _ => 0.0,
        })
        .sum();
    close(super::sigma(Method::Pooled, &groups).ok(), (squares / freedom).sqrt() / c4(8));
}

#[test]
fn counts_are_kept_within_what_is_possible() {
    let point =
        |kind, groups: &[(f64, f64)]| phase_one(&Recipe::of(kind), &of_counts(groups)).remove(0);
    let p = point(ChartKind::P, &[(1.0, 10.0), (2.0, 10.0)]);
    close(p.center, 0.15);
    close(p.ucl, 0.15 + 3.0 * (0.15 * 0.85 / 10.0_f64).sqrt());
    assert_eq!(p.lcl, Some(0.0));
    let mostly = point(ChartKind::P, &[(9.0, 10.0), (8.0, 10.0)]);
    assert_eq!(mostly.ucl, Some(1.0));
    let np = point(ChartKind::Np, &[(9.0, 10.0), (8.0, 10.0)]);
    assert_eq!((np.value, np.center, np.ucl), (9.0, Some(8.5), Some(10.0)));
    let c = point(ChartKind::C, &[(16.0, 3.0), (16.0, 7.0)]);
    assert_eq!((c.value, c.center, c.lcl, c.ucl), (16.0, Some(16.0), Some(4.0), Some(28.0)));
    let u = point(ChartKind::U, &[(10.0, 5.0), (8.0, 4.0)]);
    assert_eq!((u.value, u.center), (2.0, Some(2.0)));
    close(u.sigma, (2.0_f64 / 5.0).sqrt());
}

/// Runs are of points that may lie on both sides: of counts that are nearly always 0 they say
/// nothing.
#[test]
fn runs_of_rare_events_say_nothing() {
    let mut recipe = Recipe::of(ChartKind::C);
    recipe.rules = run_rules(RuleOptions::STANDARD).to_vec();
    let rare: Vec<(f64, f64)> = (0..20).map(|at| (f64::from(at / 19), 1.0)).collect();
    let often: Vec<(f64, f64)> =
        (0..20).map(|at| (if at < 10 { 19.0 } else { 21.0 }, 1.0)).collect();
    let rules = |counts: &[(f64, f64)]| {
        let points = phase_one(&recipe, &of_counts(counts));
        points.iter().flat_map(|point| point.rules.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rules(&rare), ["we1", "nelson1"]);
    assert!(rules(&often).contains(&"nelson2"));
    assert!(!rules(&often).contains(&"nelson7"), "zones are of measured values");
}

/// Montgomery, example 9.1: the sum upward passes 5 at point 29.
#[test]
fn cumulated_sums_find_a_small_shift() {
    let values = [
        9.45, 7.99, 9.29, 11.66, 12.16, 10.18, 8.04, 11.46, 9.2, 10.34, 9.03, 11.47, 10.51, 9.4,
        10.08, 9.37, 10.62, 10.31, 8.52, 10.84, 10.9, 9.33, 12.29, 11.5, 10.6, 11.08, 10.38, 11.62,
        11.31, 10.52,
    ];
    let groups = of_values(&values.map(|value| [value]));
    let mut recipe = Recipe::of(ChartKind::Cusum);
    let basis = Basis::Process { center: 10.0, sigma: 1.0 };
    let points = |recipe: &Recipe| -> Vec<Point> {
        let mut course = Course::new(recipe, Some(basis.clone()));
        groups.iter().flat_map(|group| course.points(group, Phase::Two)).collect()
    };
    let all = points(&recipe);
    let high = of_chart(&all, Chart::CusumHigh);
    let out: Vec<usize> = (1..=30).filter(|at| high[at - 1].out).collect();
    assert_eq!(out, [29, 30]);
    close(high[28].value, 5.28);
    assert_eq!(high[28].run, Some(7));
    close(of_chart(&all, Chart::CusumLow)[2].value, 1.77);
    // A fast initial response begins at half the limit.
    recipe.fir = true;
    close(of_chart(&points(&recipe), Chart::CusumHigh)[0].value, 2.5 - 0.55 - 0.5);
}

/// NIST/SEMATECH e-Handbook 6.3.2.4.
#[test]
fn weighted_averages_have_limits_that_widen() {
    let values = [52.0, 47.0, 53.0, 49.3, 50.1];
    let mut recipe = Recipe::of(ChartKind::Ewma);
    (recipe.lambda, recipe.target) = (0.3, Some(50.0));
    let basis = Basis::Process { center: 50.6, sigma: 2.0539 };
    let mut course = Course::new(&recipe, Some(basis.clone()));
    let groups = of_values(&values.map(|value| [value]));
    let points: Vec<Point> =
        groups.iter().flat_map(|group| course.points(group, Phase::Two)).collect();
    for (at, value, lcl) in
        [(0, 50.6, 48.151_49), (1, 49.52, 47.743_605_987_9), (4, 50.159_36, 47.448_388_545_3)]
    {
        close(points[at].value, value);
        close(points[at].lcl, lcl);
    }
}

/// The closed form for two variables, and the limits by their formulas.
#[test]
fn the_distance_of_several_variables() {
    let pairs = [[1.0, 2.0], [2.0, 1.0], [3.0, 4.0], [4.0, 3.5], [2.5, 2.0], [3.5, 4.5]];
    let groups: Vec<Subgroup> = pairs
        .iter()
        .enumerate()
        .map(|(at, pair)| {
            let mut joint = Joint::new(2);
            joint.add(pair);
            group(at, Figures::Vectors(joint))
        })
        .collect();
    let recipe = Recipe::of(ChartKind::TSquared);
    let points = phase_one(&recipe, &groups);
    let mean = |at: usize| pairs.iter().map(|pair| pair[at]).sum::<f64>() / 6.0;
    let product = |a: usize, b: usize| {
        pairs.iter().map(|pair| (pair[a] - mean(a)) * (pair[b] - mean(b))).sum::<f64>() / 5.0
    };
    let (first, both, second) = (product(0, 0), product(0, 1), product(1, 1));
    let (x, y) = (pairs[3][0] - mean(0), pairs[3][1] - mean(1));
    let want =
        (second * x * x - 2.0 * both * x * y + first * y * y) / (first * second - both * both);
    close(points[3].value, want);
    let total: f64 = points.iter().map(|point| point.value).sum();
    close(total, 5.0 * 2.0);
    // Beta(1, b) has a closed form: 1 − (1 − x)^b.
    let alpha: f64 = 1.0 - (1.0_f64 - 0.0027).powi(2);
    close(points[0].ucl, 25.0 / 6.0 * (1.0 - alpha.powf(1.0 / 1.5)));
    // Variables that tell the same have no distance.
    let mut same = groups.clone();
    for own in &mut same {
        if let Figures::Vectors(joint) = &mut own.figures {
            joint.means[1] = 2.0 * joint.means[0];
        }
    }
    assert_eq!(phase_one(&recipe, &same), []);
}

#[test]
fn an_excluded_subgroup_says_nothing_and_runs_pass_it_by() {
    let mut values: Vec<[f64; 1]> = (0..12).map(|at| [f64::from(at % 2)]).collect();
    let recipe =
        Recipe { rules: run_rules(RuleOptions::STANDARD).to_vec(), ..Recipe::of(ChartKind::IMr) };
    let without = basis(recipe.kind, recipe.method, &of_values(&values)).unwrap();
    values.push([1e6]);
    let mut groups = of_values(&values);
    groups[12].excluded = Some(Arc::from("sensor replaced"));
    assert_eq!(basis(recipe.kind, recipe.method, &groups).unwrap(), without);
    groups.extend(
        (13..17)
            .map(|at| group(at, Figures::Values(Spread::of([f64::from(u8::from(at % 2 == 0))])))),
    );
    let mut course = Course::new(&recipe, Some(without.clone()));
    let points: Vec<Point> =
        groups.iter().flat_map(|group| course.points(group, Phase::Two)).collect();
    let single = of_chart(&points, Chart::I);
    assert!(single[12].out && single[12].rules.is_empty());
    // 0 1 0 1 … goes on after it: 0 at 13 follows 1 at 11.
    assert!(single[14].rules.contains(&"nelson4"), "{:?}", single[14]);
    // No moving range goes into it or out of it that counts.
    assert_eq!(of_chart(&points, Chart::Mr).len(), 16 - 1);
}

#[test]
fn after_a_gap_runs_and_sums_begin_anew() {
    let mut recipe = Recipe::of(ChartKind::XbarR);
    recipe.rules = run_rules(RuleOptions::STANDARD).to_vec();
    let basis = Basis::Process { center: 0.0, sigma: 1.0 };
    let mut groups = of_values(&[[0.5, 0.6]; 12]);
    let flags = |groups: &[Subgroup]| {
        let mut course = Course::new(&recipe, Some(basis.clone()));
        let points: Vec<Point> =
            groups.iter().flat_map(|group| course.points(group, Phase::Two)).collect();
        let means = of_chart(&points, Chart::Xbar);
        means.iter().filter(|point| point.rules.contains(&"nelson2")).count()
    };
    assert_eq!(flags(&groups), 4);
    groups[5].fresh = true;
    assert_eq!(flags(&groups), 0);
}

/// What is kept as limits must be numbers.
#[test]
fn values_too_great_for_sums_say_no_limits() {
    let groups = of_values(&[[f64::MAX], [-f64::MAX], [f64::MAX]]);
    assert_eq!(basis(ChartKind::IMr, Method::MovingRange, &groups), Err(Lack::Spread));
    assert_eq!(basis(ChartKind::IMr, Method::MovingRange, &[]), Err(Lack::Groups));
}

/// NIST/SEMATECH e-Handbook 6.1.6, and one-sided specifications.
#[test]
fn capability_of_a_mean_and_a_deviation() {
    let both = Specification { lsl: Some(8.0), usl: Some(20.0), target: Some(14.0) };
    let own = Indices::of(16.0, 2.0, &both);
    close(own.cp, 1.0);
    close(own.cpl, 4.0 / 3.0);
    close(own.cpk, 2.0 / 3.0);
    close(own.cpm, 1.0 / 2.0_f64.sqrt());
    let upper = Indices::of(16.0, 2.0, &Specification { lsl: None, target: None, ..both });
    assert_eq!((upper.cp, upper.cpl, upper.cpm), (None, None, None));
    close(upper.cpk, 2.0 / 3.0);
    let beyond = Beyond::expected(16.0, 2.0, &both);
    close(beyond.below, 31.671_241_833_12);
    close(beyond.above, 22_750.131_948_179_2);
    let (low, high) = interval_of_cp(Some(1.0), 50).unwrap();
    assert!((low - 0.802_5).abs() < 2e-3 && (high - 1.197).abs() < 2e-3, "{low} {high}");
    let (low, high) = interval_of_cpk(Some(1.0), 50).unwrap();
    close(high - 1.0, 1.0 - low);
    close(high - 1.0, 1.959_963_984_54 * (1.0 / 450.0_f64 + 1.0 / 98.0).sqrt());
}

#[test]
fn a_capability_says_what_makes_it_doubtful() {
    let own = Specification { lsl: Some(-4.0), usl: Some(4.0), target: None };
    // The quantiles of a normal distribution are as normal as values can be.
    let normal: Vec<f64> = (0..200_u32)
        .map(|at| distribution::normal_quantile((f64::from(at * 37 % 200) + 0.5) / 200.0))
        .collect();
    let good = capability(normal.clone(), Some(1.0), 0, &own);
    assert_eq!(good.doubts, [], "{:?} {:?}", good.normality, good.autocorrelation);
    let (statistic, p) = good.normality.unwrap();
    assert!(statistic < 0.1 && p > 0.99, "{statistic} {p}");
    let doubts = |values: Vec<f64>, out| capability(values, Some(1.0), out, &own).doubts;
    assert_eq!(doubts(normal.clone(), 1), [Doubt::NotInControl]);
    assert_eq!(doubts(normal[..40].to_vec(), 0), [Doubt::FewValues]);
    let mut sorted = normal.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    assert_eq!(doubts(sorted, 0), [Doubt::Autocorrelated]);
    let skewed: Vec<f64> = normal.iter().map(|value| value.exp()).collect();
    assert_eq!(doubts(skewed.clone(), 0), [Doubt::NotNormal]);
    let coarse: Vec<f64> = normal.iter().map(|value| value.round()).collect();
    assert!(doubts(coarse, 0).contains(&Doubt::CoarseResolution));
    let found = capability(skewed, Some(1.0), 0, &own);
    close(found.observed.above, 1e6 * 17.0 / 200.0);
    assert_eq!(found.observed.below, Some(0.0));
}

proptest! {
    /// What comes after a point does not change it, and rules look back no farther than they say.
    #[test]
    fn flags_depend_on_the_points_of_their_pattern_only(
        values in prop::collection::vec(-4.0..4.0_f64, 1..80), cut in 0..60_usize,
    ) {
        let recipe = Recipe {
            rules: run_rules(RuleOptions::STANDARD).to_vec(),
            ..Recipe::of(ChartKind::IMr)
        };
        let basis = Basis::Process { center: 0.0, sigma: 1.0 };
        let groups = of_values(&values.iter().map(|value| [*value]).collect::<Vec<_>>());
        let points = |groups: &[Subgroup]| {
            let mut course = Course::new(&recipe, Some(basis.clone()));
            groups.iter().map(|group| course.points(group, Phase::Two)).collect::<Vec<_>>()
        };
        let all = points(&groups);
        let before = recipe.points_before().unwrap();
        let start = cut.min(groups.len());
        let later = points(&groups[start..]);
        for (own, all) in later.iter().zip(&all[start..]).skip(before) {
            prop_assert_eq!(own, all);
        }
    }

    /// Values put together in any parts lie as they do at once.
    #[test]
    fn spreads_add_up(values in prop::collection::vec(-1e3..1e3_f64, 2..40), cut in 0..40_usize) {
        let cut = cut.min(values.len());
        let all = Spread::of(values.iter().copied());
        let mut parts = Spread::of(values[..cut].iter().copied());
        parts.merge(&Spread::of(values[cut..].iter().copied()));
        prop_assert!((all.mean - parts.mean).abs() < 1e-9);
        prop_assert!((all.squares - parts.squares).abs() < 1e-6 * all.squares.max(1.0));
        prop_assert_eq!((all.count, all.low, all.high), (parts.count, parts.low, parts.high));
    }
}
