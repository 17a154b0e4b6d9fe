//! Prometheus remote write, versions 1.0 and 2.0, as points.
//!
//! ```text
//! node_temp{chip="0",sensor="cpu"} 51.5   ─▶  node_temp/chip=0/sensor=cpu, labels chip and sensor
//! up 1                                    ─▶  up
//! latency, a native histogram             ─▶  latency_count, latency_sum, latency_bucket/le=0.5 …
//! ```
//!
//! A series is a tag: its name, then its labels sorted by name, each part escaped as in line
//! protocol. A path of line protocol ends with the name of a field, one of remote write with a
//! label or has a single part; so the two never meet, and neither do two series.
//!
//! *Invariant.* One series is in memory at a time; one that is wrong is refused by its number and
//! reason, and the others are not touched by it.
//!
//! *Not here.* Snappy, in which bodies are packed; exemplars, which are counted.

use std::sync::Arc;

use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};
use tacitus_model::{LABELS_MAX, PATH_BYTES_MAX, Quality, Timestamp, Value};

use crate::Point;
use crate::limits::{REMOTE_BUCKETS_MAX, REMOTE_SERIES_BYTES_MAX, REMOTE_SYMBOLS_MAX};
use crate::line;
use histogram::Histogram;

mod histogram;
#[cfg(test)]
mod tests;

/// What Prometheus writes where a series has ended: one NaN of its own.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// The label that is the name of a series.
const NAME: &str = "__name__";

/// The version of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `prometheus.WriteRequest`.
    One,
    /// `io.prometheus.write.v2.Request`.
    Two,
}

/// Why a body, or a series of it, became no points.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes break the rules of protobuf.
    #[error("not a remote write request: {0}")]
    Broken(String),
    /// More symbols than a request may have.
    #[error("more than {REMOTE_SYMBOLS_MAX} symbols")]
    SymbolsTooMany,
    /// A series longer than may be in memory at once.
    #[error("the series has more than {REMOTE_SERIES_BYTES_MAX} bytes")]
    TooLong,
    /// A series without a name.
    #[error("the series has no label {NAME}")]
    NameMissing,
    /// A number that stands for no symbol.
    #[error("the series refers to a symbol that is not there")]
    SymbolMissing,
    /// Two labels of the same name.
    #[error("label \"{0}\" appears twice")]
    LabelTwice(String),
    /// More labels than a tag can have.
    #[error("more than {LABELS_MAX} labels")]
    LabelsTooMany,
    /// Name and labels make too long a path.
    #[error("tag path would have more than {PATH_BYTES_MAX} bytes")]
    PathTooLong,
    /// A time outside the range of the store.
    #[error("a time is outside 1677 to 2262")]
    TimeRange,
    /// A native histogram that contradicts itself.
    #[error("the native histogram cannot be read: {0}")]
    Histogram(&'static str),
    /// A native histogram with more buckets than become series.
    #[error("the native histogram has more than {REMOTE_BUCKETS_MAX} buckets")]
    BucketsTooMany,
}

/// A series of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Series {
    /// Its samples, and those of its native histograms.
    pub points: Vec<Point>,
    /// How many samples it has of its own.
    pub samples: usize,
    /// How many native histograms it has.
    pub histograms: usize,
    /// How many exemplars it has, which are not stored.
    pub exemplars: usize,
}

/// A request that is read series by series.
#[derive(Debug)]
pub struct Request<'a> {
    rest: &'a [u8],
    version: Version,
    symbols: Vec<&'a str>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SeriesOne {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Skipped>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SeriesTwo {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Skipped>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(uint32, tag = "4")]
    unit: u32,
}

/// A message whose content is not looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct Skipped {}

impl<'a> Request<'a> {
    /// Stands before the first series.
    ///
    /// # Errors
    /// The bytes are no request.
    pub fn new(bytes: &'a [u8], version: Version) -> Result<Self, Fault> {
        let mut symbols = Vec::new();
        let mut rest = bytes;
        while let Some((tag, field)) = field(&mut rest)? {
            if version == Version::Two && tag == 4 {
                if symbols.len() >= REMOTE_SYMBOLS_MAX {
                    return Err(Fault::SymbolsTooMany);
                }
                let text = std::str::from_utf8(field);
                symbols.push(text.map_err(|error| Fault::Broken(error.to_string()))?);
            }
        }
        Ok(Self { rest: bytes, version, symbols })
    }

    /// The next series, or why it is none; `None` when nothing is left.
    pub fn next_series(&mut self) -> Option<Result<Series, Fault>> {
        let wanted = match self.version {
            Version::One => 1,
            Version::Two => 5,
        };
        loop {
            match field(&mut self.rest) {
                Ok(Some((tag, field))) if tag == wanted => return Some(self.series(field)),
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(fault) => {
                    self.rest = &[];
                    return Some(Err(fault));
                }
            }
        }
    }

    fn series(&self, bytes: &[u8]) -> Result<Series, Fault> {
        // LIMIT: an empty label takes two bytes here and dozens in memory.
        if bytes.len() > REMOTE_SERIES_BYTES_MAX {
            return Err(Fault::TooLong);
        }
        let broken = |error: prost::DecodeError| Fault::Broken(error.to_string());
        match self.version {
            Version::One => {
                let series = SeriesOne::decode(bytes).map_err(broken)?;
                let labels = series.labels.into_iter().map(|label| (label.name, label.value));
                let named = Named::new(labels.collect(), String::new())?;
                let exemplars = series.exemplars.len();
                Ok(Series { exemplars, ..named.series(&series.samples, &series.histograms)? })
            }
            Version::Two => {
                let series = SeriesTwo::decode(bytes).map_err(broken)?;
                let labels: Vec<_> = series
                    .labels
                    .chunks(2)
                    .map(|pair| match pair {
                        [name, value] => Ok((self.symbol(*name)?, self.symbol(*value)?)),
                        _ => Err(Fault::SymbolMissing),
                    })
                    .collect::<Result<_, _>>()?;
                let unit =
                    series.metadata.map_or(Ok(String::new()), |data| self.symbol(data.unit))?;
                let named = Named::new(labels, unit)?;
                let exemplars = series.exemplars.len();
                Ok(Series { exemplars, ..named.series(&series.samples, &series.histograms)? })
            }
        }
    }

    fn symbol(&self, number: u32) -> Result<String, Fault> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        self.symbols.get(index).map(|text| (*text).to_owned()).ok_or(Fault::SymbolMissing)
    }
}

/// The next field that has a length; others are passed over.
fn field<'a>(rest: &mut &'a [u8]) -> Result<Option<(u32, &'a [u8])>, Fault> {
    let broken = |error: prost::DecodeError| Fault::Broken(error.to_string());
    let cut = || Fault::Broken("it ends inside a field".to_owned());
    while !rest.is_empty() {
        let (tag, wire) = decode_key(rest).map_err(broken)?;
        let length = match wire {
            WireType::Varint => {
                decode_varint(rest).map_err(broken)?;
                0
            }
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => {
                let length = decode_varint(rest).map_err(broken)?;
                let length = usize::try_from(length).map_err(|_huge| cut())?;
                let (field, after) = rest.split_at_checked(length).ok_or_else(cut)?;
                *rest = after;
                return Ok(Some((tag, field)));
            }
            WireType::StartGroup | WireType::EndGroup => {
                return Err(Fault::Broken("it has a group".to_owned()));
            }
        };
        *rest = rest.get(length..).ok_or_else(cut)?;
    }
    Ok(None)
}

/// What a series is called.
struct Named {
    name: String,
    /// The others, sorted by name.
    labels: Vec<(String, String)>,
    unit: String,
}

impl Named {
    fn new(mut labels: Vec<(String, String)>, unit: String) -> Result<Self, Fault> {
        // A label without a value is the same as none.
        labels.retain(|(_, value)| !value.is_empty());
        labels.sort_unstable();
        let twice = |pair: &&[(String, String)]| matches!(pair, [(a, _), (b, _)] if a == b);
        if let Some(pair) = labels.windows(2).find(twice) {
            let name = pair.first().map(|(name, _)| name.clone()).unwrap_or_default();
            return Err(Fault::LabelTwice(name));
        }
        let place = labels.iter().position(|(name, _)| name == NAME).ok_or(Fault::NameMissing)?;
        let (_, name) = labels.remove(place);
        Ok(Self { name, labels, unit })
    }

    fn series(&self, samples: &[Sample], histograms: &[Histogram]) -> Result<Series, Fault> {
        let mut points = Vec::with_capacity(samples.len());
        let (path, labels) = labelled(&self.name, self.labels.clone())?;
        for sample in samples {
            let (value, quality) = match sample.value {
                value if value.to_bits() == STALE => (Value::Null, Quality::BAD_NO_COMMUNICATION),
                value if value.is_finite() => (Value::Float(value), Quality::GOOD),
                value => (Value::Float(value), Quality::BAD_OUT_OF_RANGE),
            };
            let ts = moment(sample.timestamp)?;
            let point = Point::new(path.clone(), value).at(Some(ts)).with_quality(quality);
            points.push(Point { labels: Arc::clone(&labels), unit: self.unit.clone(), ..point });
        }
        for histogram in histograms {
            histogram::points(self, histogram, &mut points)?;
        }
        let (samples, histograms) = (samples.len(), histograms.len());
        Ok(Series { points, samples, histograms, exemplars: 0 })
    }
}

/// Labels as a tag has them.
type Labels = Arc<[(String, String)]>;

/// The path of a series of a name, and its labels.
fn labelled(name: &str, labels: Vec<(String, String)>) -> Result<(String, Labels), Fault> {
    if labels.len() > LABELS_MAX {
        return Err(Fault::LabelsTooMany);
    }
    let path = line::series_path(name, &labels).map_err(|_long| Fault::PathTooLong)?;
    Ok((path, labels.into()))
}

fn moment(ms: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_units(ms, 1_000_000).ok_or(Fault::TimeRange)
}
