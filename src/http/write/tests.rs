//! What senders over HTTP are told, and what is kept of what they sent.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tacitus_model::Timestamp;
use tacitus_storage::{Clock, Engine, FixedClock, Parts, SeededChance, SimDisk, SimFaults};

use super::*;
use crate::ingest::{Committer, Settings};

struct Store {
    disk: SimDisk,
    engine: Arc<Engine>,
    writes: Writes,
    _committer: Committer,
}

fn store() -> Store {
    let disk = SimDisk::new();
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::from_nanos(1 << 60)));
    let parts = Parts {
        disk: Arc::new(disk.clone()),
        clock: Arc::clone(&clock),
        chance: Arc::new(SeededChance::new(7)),
    };
    let settings = tacitus_storage::Settings {
        log_file_bytes: 64 << 10,
        reserve_bytes: Some(0),
        ..tacitus_storage::Settings::default()
    };
    let engine = Arc::new(Engine::open(parts, settings).unwrap());
    let (ingest, committer) =
        Ingest::start(Arc::clone(&engine), clock, &Settings::default()).unwrap();
    let writes = Writes { ingest, body_bytes_max: 1 << 20 };
    Store { disk, engine, writes, _committer: committer }
}

impl Store {
    async fn lines(&self, precision: &str, body: &str) -> (StatusCode, Value) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let parameters = Parameters { precision: Some(precision.to_owned()) };
        let writes = State(self.writes.clone());
        told(write_lines(writes, Query(parameters), HeaderMap::new(), body).await).await
    }

    async fn packed(&self, coding: &'static str, body: Vec<u8>) -> (StatusCode, Value) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        let parameters = Parameters { precision: None };
        let writes = State(self.writes.clone());
        told(write_lines(writes, Query(parameters), headers, body.into()).await).await
    }

    async fn lines_of_version_3(
        &self,
        precision: Option<&str>,
        accept_partial: Option<bool>,
        body: &'static str,
    ) -> (StatusCode, Value) {
        let precision = precision.map(str::to_owned);
        let parameters = Query(ParametersOfVersion3 { precision, accept_partial });
        let writes = State(self.writes.clone());
        let headers = HeaderMap::new();
        let body = Bytes::from_static(body.as_bytes());
        told(write_lines_of_version_3(writes, parameters, headers, body).await).await
    }

    async fn remote(&self, media: &'static str, body: Vec<u8>) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        remote::write(State(self.writes.clone()), headers, body.into()).await
    }

    async fn rows(&self, body: &str) -> (StatusCode, Value) {
        let body = Bytes::copy_from_slice(body.as_bytes());
        told(answer(keep_rows(&self.writes, &HeaderMap::new(), body).await)).await
    }

    fn samples(&self) -> u64 {
        self.engine.status().samples
    }
}

async fn told(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn good_lines_are_answered_with_nothing_when_they_are_stored() {
    let store = store();
    let (status, told) = store.lines("s", "m,k=v f=1,g=2i 1714550400\nm f=3\n").await;
    assert_eq!((status, told), (StatusCode::NO_CONTENT, Value::Null));
    let snapshot = store.engine.snapshot();
    let latest = |path: &str| {
        let tag = snapshot.find(path).unwrap();
        assert_eq!(tag.definition.source, "line");
        snapshot.latest(tag.id).unwrap()
    };
    let sample = latest("m/k=v/f");
    assert_eq!(sample.ts.nanos(), 1_714_550_400_000_000_000);
    assert_eq!(sample.value, tacitus_model::Value::Float(1.0));
    assert_eq!(latest("m/k=v/g").value, tacitus_model::Value::Int(2));
    assert_eq!(latest("m/f").ts.nanos(), (1 << 60) / 1_000_000 * 1_000_000);
    let labels = &snapshot.find("m/k=v/f").unwrap().definition.labels;
    assert_eq!(labels, &[("k".to_owned(), "v".to_owned())]);
}

#[tokio::test]
async fn bad_lines_are_named_and_the_good_ones_stored() {
    let store = store();
    let body = "m f=1 1\nm f=NaN 2\n# comment\nm f=\"text\" 3\nm f=4 4\nm\n";
    let (status, told) = store.lines("", body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!((&told["code"], &told["line"]), (&json!("invalid"), &json!(2)));
    assert_eq!(
        told["message"],
        "line 2: field value is not a finite number (3 refused in all, 2 samples are stored)"
    );
    assert_eq!(told["refused_count"], 3);
    assert_eq!(
        told["refused"],
        json!([
            {"line": 2, "reason": "field value is not a finite number"},
            {"line": 4, "reason": "\"m/f\": a text value does not fit a float tag"},
            {"line": 6, "reason": "missing fields"},
        ])
    );
    assert_eq!(store.samples(), 2);
    // Those who do not see the answer see it too: the first wrong line as it came.
    assert_eq!(store.writes.ingest.counters().refused, [("kind", 1), ("line", 2)].into());
    let refused = store.writes.ingest.refusals_counted();
    let line = refused.iter().map(|(refusal, _)| refusal).find(|own| own.code == "line").unwrap();
    assert_eq!((line.source.as_str(), line.name.as_str()), ("line:local", "line 2"));
    assert_eq!(line.payload, "m f=NaN 2");
}

#[tokio::test]
async fn an_unknown_precision_keeps_nothing() {
    let store = store();
    let (status, told) = store.lines("days", "m f=1 1").await;
    assert_eq!((status, &told["code"]), (StatusCode::BAD_REQUEST, &json!("invalid")));
    assert_eq!(store.samples(), 0);
}

#[tokio::test]
async fn packed_bodies_are_unpacked_within_bounds() {
    let store = store();
    assert_eq!(store.packed("gzip", gzip(b"m f=1 1")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(store.samples(), 1);
    let bomb = gzip(&vec![b' '; (1 << 20) + 1]);
    for (coding, body, want) in [
        ("gzip", bomb, StatusCode::PAYLOAD_TOO_LARGE),
        ("gzip", b"m f=2 2".to_vec(), StatusCode::BAD_REQUEST),
        ("gzip", gzip(b"m f=2 2")[..20].to_vec(), StatusCode::BAD_REQUEST),
        ("br", b"m f=2 2".to_vec(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let (status, told) = store.packed(coding, body).await;
        assert_eq!(status, want, "{told}");
        assert!(told["hint"].is_string(), "{told}");
    }
    assert_eq!(store.samples(), 1);
}

#[tokio::test]
async fn rows_are_stored_or_the_first_wrong_one_is_named() {
    let store = store();
    let good = r#"[{"tag":"a","ts":1714550400,"value":1},{"tag":"b","value":"RUN"}]"#;
    assert_eq!(store.rows(good).await, (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(store.samples(), 2);
    let (status, told) = store.rows(r#"[{"tag":"a","value":1},{"tag":"a"}]"#).await;
    assert_eq!((status, &told["row"]), (StatusCode::BAD_REQUEST, &json!(2)));
    assert_eq!(store.samples(), 2);
}

#[tokio::test]
async fn rows_that_fit_no_tag_are_named_and_the_others_stored() {
    let store = store();
    let body = r#"[{"tag":"a","value":1},{"tag":"a","value":"x"},{"tag":"new","value":null}]"#;
    let (status, told) = store.rows(body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!((&told["row"], &told["stored_samples"]), (&json!(2), &json!(1)));
    assert_eq!(told["refused"][1]["row"], 3);
    assert_eq!(store.samples(), 1);
}

#[tokio::test]
async fn a_failed_store_says_that_the_outcome_is_unknown() {
    let store = store();
    let deadline = Instant::now() + Duration::from_secs(20);
    let told = loop {
        // The first sync to fail may be one of the background, which no sender waits for.
        store.disk.set_faults(SimFaults { sync_fails_at: Some(0), ..SimFaults::default() });
        let (status, told) = store.lines("", "m f=1 1").await;
        if status != StatusCode::NO_CONTENT {
            assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
            break told;
        }
        assert!(Instant::now() < deadline, "no sync failed");
    };
    assert!(told["detail"].as_str().unwrap().contains("unknown"), "{told}");
}

#[test]
fn a_refusal_that_passes_says_when_to_come_back() {
    for (error, passes) in [
        (WriteError::Full, true),
        (WriteError::Busy, true),
        (WriteError::Stopped, true),
        (WriteError::Poisoned, false),
        (WriteError::Invalid, false),
    ] {
        let response = answer(Err(unwritten(error)));
        assert_eq!(response.headers().contains_key(header::RETRY_AFTER), passes, "{error}");
    }
}

#[tokio::test]
async fn version_3_tells_the_precision_by_size_and_names_lines_as_its_clients_expect() {
    let store = store();
    let body = "m f=1 1714550400\nm f=2 1714550401000\nm f=\nm f=3 1714550402000000000\n";
    let (status, told) = store.lines_of_version_3(None, None, body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(told["error"], "partial write of line protocol occurred");
    assert_eq!(told["data"][0]["line_number"], 3);
    assert!(told["data"][0]["error_message"].as_str().unwrap().starts_with("field value"));
    assert_eq!(store.samples(), 3);
    let snapshot = store.engine.snapshot();
    let latest = snapshot.latest(snapshot.find("m/f").unwrap().id).unwrap();
    assert_eq!(latest.ts.nanos(), 1_714_550_402_000_000_000);
    let (status, told) = store.lines_of_version_3(Some("second"), None, "m f=4 7").await;
    assert_eq!((status, told), (StatusCode::NO_CONTENT, Value::Null));
    let (status, _) = store.lines_of_version_3(Some("day"), None, "m f=4 7").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn version_3_keeps_all_lines_or_none_if_asked_to() {
    let store = store();
    let (status, told) = store.lines_of_version_3(None, Some(false), "m f=1 1\nm f=\n").await;
    assert_eq!((status, &told["stored_samples"]), (StatusCode::BAD_REQUEST, &json!(0)));
    assert_eq!(store.samples(), 0);
    let (status, _) = store.lines_of_version_3(None, Some(false), "m f=1 1\n").await;
    assert_eq!((status, store.samples()), (StatusCode::NO_CONTENT, 1));
}

/// A length-delimited field of protobuf.
fn part(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut part = vec![tag << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    part.extend(bytes);
    part
}

fn series(name: &str, value: f64) -> Vec<u8> {
    let label = [part(1, b"__name__"), part(2, name.as_bytes())].concat();
    let mut sample = vec![1 << 3 | 1];
    sample.extend(value.to_le_bytes());
    sample.extend([2 << 3, 100]);
    part(1, &[part(1, &label), part(2, &sample)].concat())
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

const PROTOBUF: &str = "application/x-protobuf";

#[tokio::test]
async fn what_prometheus_writes_is_stored_series_by_series() {
    let store = store();
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let body = [series("up", 1.0), series("gone", stale), series("temp", 51.5)].concat();
    let response = store.remote(PROTOBUF, snappy(&body)).await;
    assert_eq!(response.headers()["x-prometheus-remote-write-samples-written"], "3");
    assert_eq!(told(response).await, (StatusCode::NO_CONTENT, Value::Null));
    let snapshot = store.engine.snapshot();
    let latest = |path: &str| snapshot.latest(snapshot.find(path).unwrap().id).unwrap();
    assert_eq!(latest("temp").value, tacitus_model::Value::Float(51.5));
    assert_eq!(latest("temp").ts.nanos(), 100_000_000);
    assert_eq!(latest("gone").value, tacitus_model::Value::Null);
    assert!(latest("gone").quality.is_bad());
}

/// A series of seven observations, of which three were at most 0.5.
fn histogram(schema: u8) -> Vec<u8> {
    let label = [part(1, b"__name__"), part(2, b"latency")].concat();
    let mut histogram = vec![1 << 3, 7, 3 << 3 | 1];
    histogram.extend(1.9_f64.to_le_bytes());
    histogram.extend([4 << 3, schema]);
    histogram.extend(part(11, &[1 << 3, 0, 2 << 3, 1]));
    histogram.extend(part(12, &[6]));
    histogram.extend([15 << 3, 100]);
    // The tag of a field beyond 15 takes two bytes.
    histogram.extend([0x81, 0x01]);
    histogram.extend(0.5_f64.to_le_bytes());
    part(1, &[part(1, &label), part(4, &histogram)].concat())
}

#[tokio::test]
async fn a_native_histogram_is_stored_as_a_classic_one() {
    let store = store();
    // Schema −53 as protobuf writes it, and one that there is not.
    let body = [histogram(105), histogram(99), series("up", 1.0)].concat();
    let response = store.remote(PROTOBUF, snappy(&body)).await;
    assert_eq!(response.headers()["x-prometheus-remote-write-histograms-written"], "1");
    assert_eq!(response.headers()["x-prometheus-remote-write-samples-written"], "1");
    let (status, told) = told(response).await;
    assert_eq!((status, &told["series"]), (StatusCode::BAD_REQUEST, &json!(2)));
    assert!(told["message"].as_str().unwrap().contains("schema is not known"), "{told}");
    let snapshot = store.engine.snapshot();
    let latest = |path: &str| snapshot.latest(snapshot.find(path).unwrap().id).unwrap().value;
    for (path, want) in [
        ("latency_count", 7.0),
        ("latency_sum", 1.9),
        ("latency_bucket/le=0.5", 3.0),
        ("latency_bucket/le=+Inf", 7.0),
        ("up", 1.0),
    ] {
        assert_eq!(latest(path), tacitus_model::Value::Float(want), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_series_is_named_and_the_others_stored() {
    let store = store();
    store.lines("", "text v=\"x\" 1").await;
    let nameless = part(1, &part(2, &[1 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0]));
    let body = [series("up", 1.0), nameless, series("down", 0.0)].concat();
    let (status, told) = told(store.remote(PROTOBUF, snappy(&body)).await).await;
    assert_eq!((status, &told["series"]), (StatusCode::BAD_REQUEST, &json!(2)));
    assert_eq!((&told["refused_count"], &told["stored_samples"]), (&json!(1), &json!(2)));
    assert!(told["message"].as_str().unwrap().contains("no label __name__"), "{told}");
}

#[tokio::test]
async fn a_body_that_is_no_remote_write_keeps_nothing() {
    let store = store();
    let good = snappy(&series("up", 1.0));
    let bomb = {
        // A length of 16 MiB before nothing.
        vec![0x80, 0x80, 0x80, 0x08, 0x00]
    };
    for (media, body, want) in [
        ("text/plain", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/x-protobuf;proto=other", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (PROTOBUF, b"not snappy".to_vec(), StatusCode::BAD_REQUEST),
        (PROTOBUF, snappy(b"\xff\xff"), StatusCode::BAD_REQUEST),
        (PROTOBUF, bomb, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let (status, _) = told(store.remote(media, body).await).await;
        assert_eq!(status, want, "{media}");
    }
    assert_eq!(store.samples(), 0);
    let two = "application/x-protobuf;proto=prometheus.WriteRequest";
    assert_eq!(store.remote(two, good).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_line_goes_to_the_tag_that_its_name_leads_to_now() {
    let store = store();
    let line = |second: u32| format!("m,a=1 f=1,g=2 {second}\n");
    for second in 1..=3 {
        assert_eq!(store.lines("s", &line(second)).await.0, StatusCode::NO_CONTENT);
    }
    let catalog = store.engine.catalog();
    let first = catalog.find("m/a=1/f").unwrap().id;
    let path = |path: &str| tacitus_model::TagPath::new(path).unwrap();
    catalog.rename(first, path("elsewhere")).unwrap();
    assert_eq!(store.lines("s", &line(4)).await.0, StatusCode::NO_CONTENT);
    catalog.release("m/a=1/f").unwrap();
    assert_eq!(store.lines("s", &line(5)).await.0, StatusCode::NO_CONTENT);
    assert_eq!(store.lines("s", &line(6)).await.0, StatusCode::NO_CONTENT);
    let second = catalog.find("m/a=1/f").unwrap().id;
    let snapshot = store.engine.snapshot();
    let last = |tag| snapshot.latest(tag).unwrap().ts.nanos() / 1_000_000_000;
    assert_eq!((last(first), last(second)), (4, 6));
}

#[tokio::test]
async fn a_value_that_does_not_fit_a_known_series_is_refused_by_its_path() {
    let store = store();
    assert_eq!(store.lines("s", "m f=1 1\n").await.0, StatusCode::NO_CONTENT);
    let (status, told) = store.lines("s", "m f=2 2\nm f=\"x\" 3\n").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(told["detail"].as_str().unwrap().contains("\"m/f\""), "{told}");
    assert_eq!(store.samples(), 2);
}
