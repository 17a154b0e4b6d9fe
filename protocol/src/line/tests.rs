//! What lines become, and what each wrong one gets.

use std::collections::HashMap;

use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

fn one(line: &str) -> Vec<Point> {
    let parsed = parse(line.as_bytes(), Precision::Nanos);
    assert_eq!(parsed.refused, [], "{line}");
    parsed.points
}

#[track_caller]
fn check_value(field: &str, want: &Value) {
    assert_eq!(&one(&format!("m f={field} 1"))[0].value, want, "{field}");
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_field_is_a_tag_and_the_labels_are_in_its_path_by_name() {
    let points = one("oven,zone=2,side=left temp=211.5,on=t 1714550400000000000");
    let labels = [("side".into(), "left".into()), ("zone".into(), "2".into())];
    let ts = Some(Timestamp::from_nanos(1_714_550_400_000_000_000));
    let point = |path: &str, value| Point {
        labels: labels.clone().into(),
        ..Point::new(path, value).at(ts)
    };
    let want = [
        point("oven/side=left/zone=2/temp", Value::Float(211.5)),
        point("oven/side=left/zone=2/on", Value::Bool(true)),
    ];
    assert_eq!(points, want);
}

#[test]
fn every_form_of_a_value_is_read() {
    for (field, want) in [
        ("1", Value::Float(1.0)),
        ("-1.5e-3", Value::Float(-0.0015)),
        ("1.", Value::Float(1.0)),
        ("-0", Value::Float(-0.0)),
        ("7i", Value::Int(7)),
        ("-9223372036854775808i", Value::Int(i64::MIN)),
        ("9223372036854775807u", Value::Int(i64::MAX)),
        ("T", Value::Bool(true)),
        ("False", Value::Bool(false)),
        (r#""a b,c=d""#, text("a b,c=d")),
        (r#""""#, text("")),
        (r#""say \"hi\" \\ \n""#, text(r#"say "hi" \ \n"#)),
        ("\"two\nlines\"", text("two\nlines")),
    ] {
        check_value(field, &want);
    }
}

#[test]
fn escapes_stand_for_the_character_alone() {
    for (line, path) in [
        (r"a\,b\ c f=1", "a,b c/f"),
        (r"m,k\=\,\ x=v\=w f=1", "m/k%3D, x=v%3Dw/f"),
        (r"m f\=g=1", "m/f%3Dg"),
        (r"a\b,k=c:\dir f=1", r"a\b/k=c:\dir/f"),
        (r"a\=b f=1", r"a\%3Db/f"),
        ("a/b%2F f=1", "a%2Fb%252F/f"),
        ("ä\u{85} f=1", "ä%C2%85/f"),
    ] {
        assert_eq!(one(line)[0].path, path, "{line}");
    }
}

#[test]
fn the_time_is_in_the_precision_asked_for() {
    for (name, ns) in [
        ("ns", 1),
        ("n", 1),
        ("us", 1_000),
        ("u", 1_000),
        ("µ", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ] {
        let precision = Precision::from_name(name).unwrap();
        let points = parse(b"m f=1 -7", precision).points;
        assert_eq!(points[0].ts, Some(Timestamp::from_nanos(-7 * ns)), "{name}");
    }
    assert_eq!(Precision::from_name("d"), None);
    assert_eq!(one("m f=1")[0].ts, None);
    assert_eq!(one("m f=1 -9223372036854775808")[0].ts, Some(Timestamp::MIN));
}

#[test]
fn blank_lines_comments_and_line_ends_of_every_kind_are_passed() {
    let body = "\n# comment\r\n \r\nm f=1 1\r\n\tm f=2 2 \nm  f=3   3\n#m f=4\nm f=5 5";
    let parsed = parse(body.as_bytes(), Precision::Nanos);
    assert_eq!(parsed.refused, []);
    let values: Vec<_> = parsed.points.iter().filter_map(|p| p.value.as_number()).collect();
    assert_eq!(values, [1.0, 2.0, 3.0, 5.0]);
    assert_eq!(parsed.lines, [4, 5, 6, 8]);
}

#[test]
fn a_wrong_line_is_named_and_the_others_are_kept() {
    for (line, reason) in [
        ("m", Fault::FieldsMissing),
        ("m,k=v", Fault::FieldsMissing),
        ("m ", Fault::FieldsMissing),
        (",k=v f=1", Fault::MeasurementMissing),
        ("m, f=1", Fault::LabelBroken),
        ("m,k f=1", Fault::LabelBroken),
        ("m,=v f=1", Fault::LabelBroken),
        ("m,k= f=1", Fault::LabelBroken),
        ("m,k=v=w f=1", Fault::LabelBroken),
        ("m,k=1,k=2 f=1", Fault::LabelTwice),
        ("m f", Fault::FieldBroken),
        ("m =1", Fault::FieldBroken),
        ("m f=1,", Fault::FieldsMissing),
        ("m f= 1", Fault::ValueBroken),
        ("m f=one 1", Fault::ValueBroken),
        ("m f=1x 1", Fault::ValueBroken),
        ("m f=-1u 1", Fault::ValueBroken),
        ("m f=1.5i 1", Fault::ValueBroken),
        ("m f=i 1", Fault::ValueBroken),
        ("m f=NaN 1", Fault::NotFinite),
        ("m f=-inf 1", Fault::NotFinite),
        ("m f=1e999 1", Fault::NotFinite),
        ("m f=9223372036854775808i 1", Fault::IntegerRange),
        ("m f=18446744073709551615u 1", Fault::IntegerRange),
        ("m f=\"a\"b 1", Fault::ValueBroken),
        ("m f=1 1.5", Fault::TimeBroken),
        ("m f=1 -", Fault::TimeBroken),
        ("m f=1 9223372036854775808", Fault::TimeRange),
        ("m f=1 1 2", Fault::Trailing),
        ("m f=1 1,2", Fault::Trailing),
    ] {
        let body = format!("m good=1 1\n{line}\nm good=2 2\n");
        let parsed = parse(body.as_bytes(), Precision::Nanos);
        assert_eq!(parsed.refused, [LineError { line: 2, reason }], "{line}");
        assert_eq!(parsed.points.len(), 2, "{line}");
    }
    let parsed = parse(b"m f=1 9223372037\nm f=1 1", Precision::Seconds);
    assert_eq!(parsed.refused, [LineError { line: 1, reason: Fault::TimeRange }]);
    let parsed = parse(b"m\xff f=1\nm f=1", Precision::Nanos);
    assert_eq!(parsed.refused, [LineError { line: 1, reason: Fault::NotText }]);
}

#[test]
fn a_body_may_be_read_in_pieces() {
    let body = "m f=1 1\nm\nm f=2,g=\"two\nlines\" 2\nm f=3 3\nm\n";
    let whole = parse(body.as_bytes(), Precision::Nanos);
    for points_max in 1..6 {
        let mut lines = Lines::new(body.as_bytes(), Precision::Nanos);
        let mut joined = Parsed::default();
        while let Some(piece) = lines.read(points_max) {
            joined.points.extend(piece.points);
            joined.lines.extend(piece.lines);
            joined.refused.extend(piece.refused);
            joined.refused_count += piece.refused_count;
        }
        assert_eq!(joined, whole, "{points_max} at a time");
    }
}

#[test]
fn an_open_quote_ends_with_its_text_line() {
    let parsed = parse(b"m f=\"open 1\nm f=2 2\nm f=3 3", Precision::Nanos);
    assert_eq!(parsed.refused, [LineError { line: 1, reason: Fault::QuoteOpen }]);
    assert_eq!(parsed.lines, [2, 3]);
}

#[test]
fn what_a_line_can_make_grow_is_bounded() {
    let labels: String = (0..=LABELS_MAX).fold(String::new(), |text, n| text + &format!(",k{n}=v"));
    let long = "x".repeat(PATH_BYTES_MAX);
    let novel = "x".repeat(TEXT_BYTES_MAX + 1);
    for (line, reason) in [
        (format!("m{labels} f=1"), Fault::LabelsTooMany),
        (format!("m {long}=1"), Fault::PathTooLong),
        (format!("m{long} f=1"), Fault::PathTooLong),
        (format!("m f=\"{novel}\""), Fault::TextTooLong),
    ] {
        let parsed = parse(line.as_bytes(), Precision::Nanos);
        assert_eq!(parsed.refused, [LineError { line: 1, reason }]);
    }
    let parsed = parse("x\n".repeat(5_000).as_bytes(), Precision::Nanos);
    assert_eq!((parsed.refused.len(), parsed.refused_count), (LINES_NAMED_MAX, 5_000));
}

/// A name or label value as a client would write it.
fn written(text: &str, escaped: &[char]) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        if escaped.contains(&c) {
            out.push('\\');
        }
        out.push(c);
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_parsed_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let parsed = parse(&body, Precision::Nanos);
        prop_assert_eq!(parsed.points.len(), parsed.lines.len());
        prop_assert!(parsed.lines.is_sorted());
    }

    #[test]
    fn anything_like_a_line_is_parsed_or_refused(body in r#"[a-c=, \\"\n#0-9.it]{0,120}"#) {
        let parsed = parse(body.as_bytes(), Precision::Nanos);
        prop_assert_eq!(parsed.points.len(), parsed.lines.len());
    }

    #[test]
    fn names_survive_escaping(
        name in "[a-z,= /%ä]{1,8}", key in "[a-z,= /%]{1,8}", value in "[a-z,= /%]{1,8}",
        field in "[a-z,= /%]{1,8}", text in "[a-z\\\\\"\n ,=]{0,12}",
    ) {
        let line = format!(
            "{},{}={} {}=\"{}\" 1",
            written(&format!("m{name}"), &[',', ' ']),
            written(&key, &[',', '=', ' ']),
            written(&value, &[',', '=', ' ']),
            written(&field, &[',', '=', ' ']),
            written(&text, &['"', '\\']),
        );
        let points = one(&line);
        prop_assert_eq!(&*points[0].labels, &[(key.clone(), value.clone())]);
        prop_assert_eq!(&points[0].value, &Value::Text(text.into()));
        let parts: Vec<_> = points[0].path.split('/').collect();
        let plain = |part: &str| part.replace("%2F", "/").replace("%3D", "=").replace("%25", "%");
        prop_assert_eq!(plain(parts[0]), format!("m{name}"));
        prop_assert_eq!(parts[1].split('=').map(plain).collect::<Vec<_>>(), [key, value]);
        prop_assert_eq!(plain(parts[2]), field);
    }

    #[test]
    fn a_float_keeps_its_bits(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        if float.is_finite() {
            let points = one(&format!("m f={float:?}"));
            prop_assert_eq!(&points[0].value, &Value::Float(float));
        }
    }
}

/// Learns what a server would: each path is a tag.
#[derive(Default)]
struct Learner {
    paths: Vec<String>,
    known: HashMap<Box<[u8]>, TagId>,
}

impl Spellings for Learner {
    fn tag(&self, spelling: &[u8]) -> Option<TagId> {
        self.known.get(spelling).copied()
    }
}

/// What was read: points with their names, the numbers of their lines, and what was refused.
type Told = (Vec<(String, Point)>, Vec<usize>, Vec<LineError>);

impl Learner {
    /// Reads a body in small pieces and learns of each; how many of its points were known.
    fn read(&mut self, body: &str) -> (Told, usize) {
        let mut lines = Lines::new(body.as_bytes(), Precision::Nanos);
        let (mut points, mut numbers, mut refused, mut known) = (vec![], vec![], vec![], 0);
        while let Some(parsed) = lines.read_knowing(3, Some(self)) {
            for (place, spelling) in parsed.spellings {
                self.paths.push(parsed.points[place].path.clone());
                let tag = u32::try_from(self.paths.len() - 1).unwrap();
                self.known.insert(spelling, TagId(tag));
            }
            for point in parsed.points {
                known += usize::from(point.tag.is_some());
                let path = point.tag.map(|tag| self.paths[tag.0 as usize].clone());
                let path = path.unwrap_or_else(|| point.path.clone());
                let point = Point::new("", point.value).at(point.ts);
                points.push((path, point));
            }
            numbers.extend(parsed.lines);
            refused.extend(parsed.refused);
        }
        ((points, numbers, refused), known)
    }
}

#[test]
fn a_series_that_is_spelled_as_before_is_known() {
    let mut learner = Learner::default();
    let body = "m,a=1 f=1,g=2i 5\nm,b=2 f=3\nm,a=1  f=1\nm,a=\\ 1 f=1\n";
    assert_eq!(learner.read(body).1, 0);
    // Two spaces and an escape are read anew each time.
    assert_eq!(learner.read(body).1, 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_was_learnt_changes_nothing(
        bodies in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![
            "m,a=1 f=1 1\n", "m,a=1 f=1,g=2i 2\n", "m,b=2,a=1 f=3\n", "m,a=1,b=2 f=4\n", "m f=1\n",
            "m,a=1 f=1,g=x\n", "m,a=1 f=\"x\ny\",g=2i\n", "m", ",a=1", ",a=1,b=2", "m\\ x", " ",
            "  ", "\n", "f=1", "g=2i", "f\\ g=t", ",", "=", "\\", "#c\n", " 1", "\r\n", "\t", "\"",
        ]), 0..12), 1..5),
    ) {
        let mut learner = Learner::default();
        for body in bodies {
            let body = body.concat();
            let plain = parse(body.as_bytes(), Precision::Nanos);
            let wanted: Vec<(String, Point)> = plain
                .points
                .into_iter()
                .map(|point| (point.path, Point::new("", point.value).at(point.ts)))
                .collect();
            let told = learner.read(&body).0;
            prop_assert_eq!(told, (wanted, plain.lines, plain.refused), "{}", body);
        }
    }
}
