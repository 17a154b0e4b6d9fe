//! What series become, in both versions, and what each wrong one is told.

use proptest::prelude::{ProptestConfig, any, prop, proptest};

use super::histogram::Span;
use super::*;

#[derive(Clone, PartialEq, prost::Message)]
struct RequestOne {
    #[prost(message, repeated, tag = "1")]
    series: Vec<SeriesOne>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RequestTwo {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<SeriesTwo>,
}

fn label(name: &str, value: &str) -> Label {
    Label { name: name.into(), value: value.into() }
}

fn one(labels: Vec<Label>, samples: Vec<Sample>) -> Vec<u8> {
    let series = vec![SeriesOne { labels, samples, ..SeriesOne::default() }];
    RequestOne { series }.encode_to_vec()
}

fn sample(value: f64, timestamp: i64) -> Sample {
    Sample { value, timestamp }
}

fn read(bytes: &[u8], version: Version) -> Vec<Result<Series, Fault>> {
    let mut request = Request::new(bytes, version).unwrap();
    std::iter::from_fn(|| request.next_series()).collect()
}

#[test]
fn a_series_is_a_tag_named_by_its_labels() {
    let labels =
        vec![label("sensor", "a/b"), label(NAME, "temp"), label("chip", "0"), label("x", "")];
    let series = read(&one(labels, vec![sample(51.5, 1_714_550_400_250)]), Version::One);
    let points = &series[0].as_ref().unwrap().points;
    assert_eq!(points[0].path, "temp/chip=0/sensor=a%2Fb");
    assert_eq!(points[0].value, Value::Float(51.5));
    assert_eq!(points[0].ts.unwrap().nanos(), 1_714_550_400_250_000_000);
    let owned = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(*points[0].labels, [owned("chip", "0"), owned("sensor", "a/b")]);
    let alone = read(&one(vec![label(NAME, "up")], vec![sample(1.0, 1)]), Version::One);
    assert_eq!(alone[0].as_ref().unwrap().points[0].path, "up");
}

#[test]
fn both_versions_say_the_same() {
    let symbols = ["", NAME, "temp", "chip", "0", "celsius"].map(str::to_owned).to_vec();
    let series = SeriesTwo {
        labels: vec![1, 2, 3, 4],
        samples: vec![sample(51.5, 1_000)],
        metadata: Some(Metadata { unit: 5 }),
        histograms: Vec::new(),
        exemplars: vec![Skipped {}, Skipped {}],
    };
    let two = RequestTwo { symbols, series: vec![series] }.encode_to_vec();
    let two = read(&two, Version::Two).remove(0).unwrap();
    let one = one(vec![label(NAME, "temp"), label("chip", "0")], vec![sample(51.5, 1_000)]);
    let one = read(&one, Version::One).remove(0).unwrap();
    assert_eq!((two.samples, two.histograms, two.exemplars), (1, 0, 2));
    assert_eq!(two.points[0].unit, "celsius");
    let without_unit = Point { unit: String::new(), ..two.points[0].clone() };
    assert_eq!(without_unit, one.points[0]);
}

#[test]
fn the_end_of_a_series_is_a_bad_sample() {
    let values = [f64::from_bits(STALE), f64::NAN, f64::INFINITY];
    let samples = values.into_iter().zip(1..).map(|(value, ts)| sample(value, ts)).collect();
    let series = read(&one(vec![label(NAME, "up")], samples), Version::One).remove(0).unwrap();
    let got: Vec<_> = series.points.into_iter().map(|p| (p.value, p.quality)).collect();
    assert_eq!(
        got,
        [
            (Value::Null, Quality::BAD_NO_COMMUNICATION),
            (Value::Float(f64::NAN), Quality::BAD_OUT_OF_RANGE),
            (Value::Float(f64::INFINITY), Quality::BAD_OUT_OF_RANGE),
        ]
    );
}

fn latency() -> Histogram {
    Histogram { count_int: Some(7), sum: 1.9, timestamp: 1_000, ..Histogram::default() }
}

fn span(offset: i32, length: u32) -> Span {
    Span { offset, length }
}

/// Path and value of each sample that a histogram becomes.
fn classic(histogram: Histogram) -> Result<Vec<(String, f64)>, Fault> {
    let labels = vec![label(NAME, "latency"), label("job", "a")];
    let histograms = vec![histogram];
    let series = vec![SeriesOne { labels, histograms, ..SeriesOne::default() }];
    let series = read(&RequestOne { series }.encode_to_vec(), Version::One).remove(0)?;
    assert_eq!((series.samples, series.histograms), (0, 1));
    Ok(series
        .points
        .into_iter()
        .map(|point| match point.value {
            Value::Float(number) => (point.path, number),
            other => panic!("{other:?}"),
        })
        .collect())
}

#[track_caller]
fn check_classic(histogram: Histogram, want: &[(&str, f64)]) {
    let got = classic(histogram).unwrap();
    let got: Vec<_> = got.iter().map(|(path, number)| (path.as_str(), *number)).collect();
    assert_eq!(got, want);
}

#[test]
fn a_native_histogram_is_the_series_of_a_classic_one() {
    // Schema 1: buckets end at 2^(i/2). Those of places 1 and 2 lie between 1 and 2, that of 3 and
    // 4 between 2 and 4, −1 and 0 between 0.5 and 1.
    check_classic(
        Histogram {
            schema: 1,
            zero_threshold: 0.001,
            zero_count_int: Some(1),
            positive_spans: vec![span(0, 3), span(1, 1)],
            positive_deltas: vec![2, -1, 0, 0],
            negative_spans: vec![span(1, 1)],
            negative_deltas: vec![1],
            ..latency()
        },
        &[
            ("latency_count/job=a", 7.0),
            ("latency_sum/job=a", 1.9),
            ("latency_bucket/job=a/le=-1", 1.0),
            ("latency_bucket/job=a/le=0.001", 2.0),
            ("latency_bucket/job=a/le=1", 4.0),
            ("latency_bucket/job=a/le=2", 6.0),
            ("latency_bucket/job=a/le=4", 7.0),
            ("latency_bucket/job=a/le=+Inf", 7.0),
        ],
    );
    // A coarse one: schema −1, buckets end at 4^i.
    check_classic(
        Histogram {
            schema: -1,
            count_int: None,
            count_float: Some(2.5),
            positive_spans: vec![span(-1, 2)],
            positive_counts: vec![1.5, 1.0],
            ..latency()
        },
        &[
            ("latency_count/job=a", 2.5),
            ("latency_sum/job=a", 1.9),
            ("latency_bucket/job=a/le=0.25", 1.5),
            ("latency_bucket/job=a/le=1", 2.5),
            ("latency_bucket/job=a/le=+Inf", 2.5),
        ],
    );
    // Bounds of the sender's own.
    check_classic(
        Histogram {
            schema: -53,
            positive_spans: vec![span(0, 1), span(1, 1)],
            positive_deltas: vec![3, 1],
            custom_values: vec![0.1, 0.5],
            ..latency()
        },
        &[
            ("latency_count/job=a", 7.0),
            ("latency_sum/job=a", 1.9),
            ("latency_bucket/job=a/le=0.1", 3.0),
            ("latency_bucket/job=a/le=+Inf", 7.0),
        ],
    );
}

#[test]
fn the_end_of_a_native_histogram_is_a_bad_sample_of_count_and_sum() {
    let labels = vec![label(NAME, "latency")];
    let histograms = vec![Histogram { sum: f64::from_bits(STALE), ..latency() }];
    let series = vec![SeriesOne { labels, histograms, ..SeriesOne::default() }];
    let series = read(&RequestOne { series }.encode_to_vec(), Version::One).remove(0).unwrap();
    let got: Vec<_> =
        series.points.iter().map(|p| (p.path.as_str(), &p.value, p.quality)).collect();
    let bad = Quality::BAD_NO_COMMUNICATION;
    assert_eq!(got, [("latency_count", &Value::Null, bad), ("latency_sum", &Value::Null, bad)]);
}

#[test]
fn a_native_histogram_that_contradicts_itself_is_refused() {
    let with = |positive_spans, positive_deltas| Histogram {
        positive_spans,
        positive_deltas,
        ..latency()
    };
    let spans = "its spans do not have as many buckets as it has counts";
    for (histogram, want) in [
        (with(vec![span(0, 2)], vec![1]), Fault::Histogram(spans)),
        (with(vec![span(0, 1)], vec![1, 1]), Fault::Histogram(spans)),
        (with(vec![span(0, u32::MAX)], vec![1]), Fault::Histogram(spans)),
        (with(vec![span(i32::MAX, 1)], vec![1]), Fault::Histogram(spans)),
        (with(vec![span(0, 1)], vec![-1]), Fault::Histogram("a bucket is no number")),
        (Histogram { schema: 9, ..latency() }, Fault::Histogram("its schema is not known")),
        (Histogram { timestamp: i64::MAX, ..latency() }, Fault::TimeRange),
        (with(vec![span(-600, 1200)], [vec![1], vec![0; 1199]].concat()), Fault::BucketsTooMany),
    ] {
        assert_eq!(classic(histogram.clone()), Err(want), "{histogram:?}");
    }
}

#[test]
fn a_wrong_series_is_named_and_the_others_are_read() {
    let good = || SeriesOne {
        labels: vec![label(NAME, "up")],
        samples: vec![sample(1.0, 1)],
        ..SeriesOne::default()
    };
    let with = |labels| SeriesOne { labels, ..good() };
    let many = (0..=LABELS_MAX).map(|n| label(&format!("l{n}"), "x"));
    let series = vec![
        good(),
        with(vec![label("a", "b")]),
        with(vec![label(NAME, "up"), label("a", "1"), label("a", "2")]),
        with(many.chain([label(NAME, "up")]).collect()),
        with(vec![label(NAME, &"x".repeat(PATH_BYTES_MAX + 1))]),
        SeriesOne { samples: vec![sample(1.0, i64::MAX)], ..good() },
        with(vec![label(NAME, &"x".repeat(REMOTE_SERIES_BYTES_MAX))]),
        good(),
    ];
    let bytes = RequestOne { series }.encode_to_vec();
    let got: Vec<_> = read(&bytes, Version::One).into_iter().map(Result::err).collect();
    assert_eq!(
        got,
        [
            None,
            Some(Fault::NameMissing),
            Some(Fault::LabelTwice("a".into())),
            Some(Fault::LabelsTooMany),
            Some(Fault::PathTooLong),
            Some(Fault::TimeRange),
            Some(Fault::TooLong),
            None,
        ]
    );
    let dangling = RequestTwo {
        symbols: vec![String::new()],
        series: vec![SeriesTwo { labels: vec![0, 9], ..SeriesTwo::default() }],
    };
    let got = read(&dangling.encode_to_vec(), Version::Two).remove(0);
    assert_eq!(got, Err(Fault::SymbolMissing));
}

#[test]
fn a_body_that_is_cut_off_is_told() {
    let mut bytes = one(vec![label(NAME, "up")], vec![sample(1.0, 1)]);
    bytes.truncate(bytes.len() - 1);
    assert!(matches!(Request::new(&bytes, Version::One), Err(Fault::Broken(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for version in [Version::One, Version::Two] {
            if let Ok(mut request) = Request::new(&bytes, version) {
                while request.next_series().is_some() {}
            }
        }
    }
}
