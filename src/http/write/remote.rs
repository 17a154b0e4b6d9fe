//! Prometheus remote write: a protobuf message packed with Snappy.
//!
//! *Invariant.* 204 after the sync that covers every sample. Samples of series that are right are
//! stored also where others are not; the answer (400, which Prometheus does not repeat) names
//! those.
//!
//! *Not here.* Exemplars: they are left out, as the answer says.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use tacitus_protocol::Point;
use tacitus_protocol::remote_write::{Request, Version};

use super::{Kept, POINTS_AT_ONCE, Problem, REFUSED_NAMED_MAX, Refused, Writes};
use super::{answer, apart, finish, invalid, sender};
use crate::ingest::Ingest;

pub(super) async fn write(
    State(writes): State<Writes>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match keep(&writes, &headers, body).await {
        Ok(response) => response,
        Err(problem) => answer(Err(problem)),
    }
}

/// How many there were, as version 2.0 wants to be told, also where others were refused.
#[derive(Debug, Clone, Copy)]
struct Told {
    samples: usize,
    histograms: usize,
}

impl Told {
    fn add_to(self, response: &mut Response) {
        for (name, count) in [
            ("x-prometheus-remote-write-samples-written", self.samples),
            ("x-prometheus-remote-write-histograms-written", self.histograms),
            ("x-prometheus-remote-write-exemplars-written", 0),
        ] {
            response.headers_mut().insert(name, HeaderValue::from(count));
        }
    }
}

async fn keep(writes: &Writes, headers: &HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let version = version(headers)?;
    let Writes { ingest, body_bytes_max } = writes.clone();
    let sender = sender("prometheus", headers);
    let (kept, told) = apart(move || {
        let bytes = unpacked(&body, body_bytes_max)?;
        read(&ingest, &bytes, version, &sender)
    })
    .await?;
    let mut response = answer(finish(&writes.ingest, kept, "series").await);
    if response.status() == StatusCode::NO_CONTENT || response.status() == StatusCode::BAD_REQUEST {
        told.add_to(&mut response);
    }
    Ok(response)
}

fn version(headers: &HeaderMap) -> Result<Version, Problem> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let media = text(header::CONTENT_TYPE).unwrap_or("application/x-protobuf");
    let coding = text(header::CONTENT_ENCODING).unwrap_or("snappy");
    let refuse = |detail: String| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            .hint("send remote write 1.0 or 2.0 as application/x-protobuf, packed with snappy")
    };
    if !coding.eq_ignore_ascii_case("snappy") {
        return Err(refuse(format!("the content encoding \"{coding}\" is not understood")));
    }
    let mut parts = media.split(';').map(str::trim);
    if parts.next() != Some("application/x-protobuf") {
        return Err(refuse(format!("the content type \"{media}\" is not understood")));
    }
    match parts.find_map(|part| part.strip_prefix("proto=")) {
        None | Some("prometheus.WriteRequest") => Ok(Version::One),
        Some("io.prometheus.write.v2.Request") => Ok(Version::Two),
        Some(other) => Err(refuse(format!("the message \"{other}\" is not understood"))),
    }
}

fn unpacked(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let broken = |error: snap::Error| {
        invalid(format!("the body is not whole snappy: {error}"))
            .hint("nothing was kept; send the body again")
    };
    // LIMIT: the length stands in front, so nothing is unpacked that would be too large.
    let length = snap::raw::decompress_len(body).map_err(broken)?;
    if length > bytes_max {
        let detail = format!("the body unpacks to {length} bytes, more than {bytes_max}");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            .hint("nothing was kept; send it in smaller parts, or raise http.body"));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(broken)
}

fn read(
    ingest: &Ingest,
    bytes: &[u8],
    version: Version,
    sender: &str,
) -> Result<(Kept, Told), Problem> {
    let mut request = Request::new(bytes, version)
        .map_err(|fault| invalid(fault.to_string()).hint("nothing was kept"))?;
    let mut kept = Kept::default();
    let mut waiting = Waiting::default();
    let mut told = Told { samples: 0, histograms: 0 };
    let mut number = 0;
    while let Some(series) = request.next_series() {
        number += 1;
        let refuse = |kept: &mut Kept, reason: String| {
            let name = format!("series {number}");
            ingest.refused((sender, &name), ("series", &reason), b"", 1);
            kept.refused_count += 1;
            if kept.refused.len() < REFUSED_NAMED_MAX {
                kept.refused.push(Refused { number, reason });
            }
        };
        match series {
            Ok(series) => {
                told.samples += series.samples;
                told.histograms += series.histograms;
                waiting.numbers.resize(waiting.numbers.len() + series.points.len(), number);
                waiting.points.extend(series.points);
            }
            Err(fault) => refuse(&mut kept, fault.to_string()),
        }
        if waiting.points.len() >= POINTS_AT_ONCE {
            waiting.add_to(ingest, sender, &mut kept);
        }
    }
    waiting.add_to(ingest, sender, &mut kept);
    Ok((kept, told))
}

/// Points, and the number of the series of each.
#[derive(Default)]
struct Waiting {
    points: Vec<Point>,
    numbers: Vec<usize>,
}

impl Waiting {
    fn add_to(&mut self, ingest: &Ingest, sender: &str, kept: &mut Kept) {
        ingest.heard(sender, &self.points);
        let numbers = std::mem::take(&mut self.numbers);
        let resolved = ingest.resolve_numbers(std::mem::take(&mut self.points), "prometheus");
        kept.add(resolved, |index| numbers.get(index).copied().unwrap_or_default());
    }
}
