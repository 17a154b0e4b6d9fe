//! Native histograms as the series that a classic histogram has.
//!
//! ```text
//! latency{job="a"} {schema 3, count 7, sum 1.9, buckets …}
//!   ─▶ latency_count/job=a, latency_sum/job=a, latency_bucket/job=a/le=0.25, …, latency_bucket/job=a/le=+Inf
//! ```
//!
//! Buckets of an exponential schema go into buckets between powers of two, which is exact: each of
//! them lies within one. So the bounds of a series stay the same when the sender changes its
//! resolution, and there are few of them. Bounds that the sender names itself are kept.
//!
//! *Invariant.* Buckets are cumulative, and the last, `+Inf`, is the count. What contradicts itself
//! is refused whole.
//!
//! Source: `prompb/types.proto` and the remote write specification 2.0 of Prometheus.

use tacitus_model::{Quality, Timestamp, Value};

use super::{Fault, Named, STALE, labelled, moment};
use crate::Point;
use crate::limits::REMOTE_BUCKETS_MAX;

/// The schema of buckets whose bounds the sender names.
const CUSTOM: i32 = -53;

/// The finest and the coarsest exponential schema.
const FINEST: i32 = 8;
const COARSEST: i32 = -4;

/// Buckets in a row.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Span {
    /// How many buckets are left out before it; of the first the place where it begins.
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

/// A native histogram, the same in both versions.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(super) count_int: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) count_float: Option<f64>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub(super) zero_count_int: Option<u64>,
    #[prost(double, optional, tag = "7")]
    pub(super) zero_count_float: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub(super) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
}

/// The samples of a histogram of a series.
pub(super) fn points(
    series: &Named,
    histogram: &Histogram,
    found: &mut Vec<Point>,
) -> Result<(), Fault> {
    let ts = moment(histogram.timestamp)?;
    let is_end = histogram.sum.to_bits() == STALE;
    let count = either(histogram.count_int, histogram.count_float).unwrap_or_default();
    let buckets = if is_end { Vec::new() } else { buckets(histogram, count)? };
    let value = |number: f64| if is_end { ended() } else { stated(number) };
    found.push(point(series, "_count", None, ts, value(count))?);
    found.push(point(series, "_sum", None, ts, value(histogram.sum))?);
    for (bound, number) in buckets {
        let le = written(bound);
        found.push(point(series, "_bucket", Some(&le), ts, stated(number))?);
    }
    Ok(())
}

fn ended() -> (Value, Quality) {
    (Value::Null, Quality::BAD_NO_COMMUNICATION)
}

fn stated(number: f64) -> (Value, Quality) {
    let good = number.is_finite();
    (Value::Float(number), if good { Quality::GOOD } else { Quality::BAD_OUT_OF_RANGE })
}

fn point(
    series: &Named,
    suffix: &str,
    le: Option<&str>,
    ts: Timestamp,
    (value, quality): (Value, Quality),
) -> Result<Point, Fault> {
    let mut labels = series.labels.clone();
    if let Some(le) = le {
        labels.push(("le".to_owned(), le.to_owned()));
        labels.sort_unstable();
    }
    let (path, labels) = labelled(&format!("{}{suffix}", series.name), labels)?;
    let point = Point::new(path, value).at(Some(ts)).with_quality(quality);
    // A number of observations has no unit.
    let unit = if suffix == "_sum" { series.unit.clone() } else { String::new() };
    Ok(Point { labels, unit, ..point })
}

/// Upper bounds, ascending, and how many observations lie at or below each.
fn buckets(histogram: &Histogram, count: f64) -> Result<Vec<(f64, f64)>, Fault> {
    let positive =
        placed(&histogram.positive_spans, &histogram.positive_deltas, &histogram.positive_counts)?;
    let negative =
        placed(&histogram.negative_spans, &histogram.negative_deltas, &histogram.negative_counts)?;
    let mut own: Vec<(f64, f64)> = Vec::new();
    if histogram.schema == CUSTOM {
        for (place, number) in positive {
            let place = usize::try_from(place).map_err(|_below| wrong("a bucket has no bound"))?;
            // The last bucket of all has no bound of its own.
            if place < histogram.custom_values.len() || number > 0.0 {
                let bound = histogram.custom_values.get(place).copied();
                own.push((bound.unwrap_or(f64::INFINITY), number));
            }
        }
    } else if (COARSEST..=FINEST).contains(&histogram.schema) {
        let power = |place: i32| power_of_two(place, histogram.schema);
        // A bucket of negative numbers ends where the one of as large positive numbers begins.
        own.extend(
            negative
                .iter()
                .map(|(place, number)| (-below(power(*place), histogram.schema), *number)),
        );
        let zero = either(histogram.zero_count_int, histogram.zero_count_float).unwrap_or_default();
        if zero > 0.0 {
            own.push((histogram.zero_threshold.abs(), zero));
        }
        own.extend(positive.iter().map(|(place, number)| (2_f64.powi(power(*place)), *number)));
    } else {
        return Err(wrong("its schema is not known"));
    }
    if own.iter().any(|(bound, number)| bound.is_nan() || number.is_nan() || *number < 0.0) {
        return Err(wrong("a bucket is no number"));
    }
    own.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut cumulative: Vec<(f64, f64)> = Vec::new();
    let mut sum = 0.0;
    for (bound, number) in own {
        sum += number;
        match cumulative.last_mut() {
            Some((last, total)) if last.total_cmp(&bound).is_eq() => *total = sum,
            _ => cumulative.push((bound, sum)),
        }
    }
    cumulative.retain(|(bound, _)| bound.is_finite());
    cumulative.push((f64::INFINITY, count));
    if cumulative.len() > REMOTE_BUCKETS_MAX {
        return Err(Fault::BucketsTooMany);
    }
    Ok(cumulative)
}

/// The buckets that are there, by their places.
fn placed(spans: &[Span], deltas: &[i64], counts: &[f64]) -> Result<Vec<(i32, f64)>, Fault> {
    let mismatch = || wrong("its spans do not have as many buckets as it has counts");
    let mut numbers: Vec<f64> = Vec::with_capacity(deltas.len().max(counts.len()));
    let mut last = 0_i64;
    for delta in deltas {
        last = last.checked_add(*delta).ok_or_else(mismatch)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of observations")]
        numbers.push(last as f64);
    }
    if deltas.is_empty() {
        numbers.extend_from_slice(counts);
    }
    let mut numbers = numbers.into_iter();
    let mut found = Vec::with_capacity(numbers.len());
    let mut place = 0_i32;
    for span in spans {
        place = place.checked_add(span.offset).ok_or_else(mismatch)?;
        for _ in 0..span.length {
            // Ends with the counts, however long the span says that it is.
            found.push((place, numbers.next().ok_or_else(mismatch)?));
            place = place.checked_add(1).ok_or_else(mismatch)?;
        }
    }
    if numbers.next().is_some() {
        return Err(mismatch());
    }
    Ok(found)
}

/// The power of two that is the upper bound of the bucket around a bucket: bucket `i` of schema
/// `s` ends at 2^(i × 2^−s).
fn power_of_two(place: i32, schema: i32) -> i32 {
    if schema >= 0 {
        (place.saturating_sub(1) >> schema).saturating_add(1)
    } else {
        place.saturating_mul(1 << -schema)
    }
}

/// The lower bound of the bucket that ends at a power of two.
fn below(power: i32, schema: i32) -> f64 {
    let width = if schema >= 0 { 1 } else { 1 << -schema };
    2_f64.powi(power.saturating_sub(width))
}

fn either(whole: Option<u64>, float: Option<f64>) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a count of observations")]
    whole.map(|number| number as f64).or(float)
}

fn wrong(what: &'static str) -> Fault {
    Fault::Histogram(what)
}

/// A bound as Prometheus writes it.
fn written(bound: f64) -> String {
    let size = bound.abs();
    if bound == f64::INFINITY {
        "+Inf".to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e21).contains(&size) {
        bound.to_string()
    } else {
        format!("{bound:e}")
    }
}
