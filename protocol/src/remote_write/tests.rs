//! What series become, in both versions, and what each wrong one is told.

use proptest::prelude::{ProptestConfig, any, prop, proptest};

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
        histograms: vec![Skipped {}],
        exemplars: vec![Skipped {}, Skipped {}],
    };
    let two = RequestTwo { symbols, series: vec![series] }.encode_to_vec();
    let two = read(&two, Version::Two).remove(0).unwrap();
    let one = one(vec![label(NAME, "temp"), label("chip", "0")], vec![sample(51.5, 1_000)]);
    let one = read(&one, Version::One).remove(0).unwrap();
    assert_eq!((two.histograms, two.exemplars), (1, 2));
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
