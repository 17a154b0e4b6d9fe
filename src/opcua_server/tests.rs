//! The server over a store on a simulated disk, asked by a client over loopback TCP.

use std::time::{Duration, Instant};

use opcua::client::{
    Client, ClientBuilder, DataChangeCallback, HistoryReadAction, IdentityToken, Session,
};
use opcua::types::{
    AggregateConfiguration, AttributeId, BrowseDescription, BrowseDirection, BrowseResultMask,
    ByteString, DataValue, EUInformation, HistoryData, HistoryModifiedData, HistoryReadResult,
    HistoryReadValueId, MonitoredItemCreateRequest, ObjectId, Range, ReadAtTimeDetails,
    ReadProcessedDetails, ReadRawModifiedDetails, ReadValueId, ReferenceTypeId, StatusCode,
    TimestampsToReturn, UserTokenPolicy,
};
use tacitus_model::{Batch, Kind, Quality, Sample, Tag, TagDefinition, TagPath, Timestamp, Value};
use tacitus_protocol::opcua::{date_time, moment};
use tacitus_storage::{Clock, FixedClock, Parts, SeededChance, SimDisk};

use super::*;
use crate::ingest::{self, Committer, Ingest};

/// No step of a test takes longer on a machine that is merely busy.
const DEADLINE: Duration = Duration::from_mins(1);

/// 2026-02-02T00:00:00Z.
const START: i64 = 1_769_990_400_000_000_000;
const SECOND: i64 = 1_000_000_000;

struct Bench {
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
    ingest: Ingest,
    server: OpcuaServer,
    _committer: Committer,
}

impl Bench {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(users: Option<PathBuf>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::from_nanos(START)));
        let parts = Parts {
            disk: Arc::new(SimDisk::new()),
            clock: Arc::clone(&clock),
            chance: Arc::new(SeededChance::new(7)),
        };
        let settings = tacitus_storage::Settings {
            reserve_bytes: Some(0),
            ..tacitus_storage::Settings::default()
        };
        let engine = Arc::new(Engine::open(parts, settings).unwrap());
        let (ingest, committer) =
            Ingest::start(Arc::clone(&engine), clock, &ingest::Settings::default()).unwrap();
        let settings = Settings {
            addr: "127.0.0.1:0".parse().unwrap(),
            users,
            trust_clients: true,
            pki_dir: dir.path().join("server"),
        };
        let server =
            OpcuaServer::start(settings, Arc::clone(&engine), ingest.feed()).await.unwrap();
        Self { dir, engine, ingest, server, _committer: committer }
    }

    fn define(&self, path: &str, kind: Kind) -> Arc<Tag> {
        let mut definition = TagDefinition::new(TagPath::new(path).unwrap(), kind, "test");
        definition.unit = "m/s".into();
        definition.description = "how fast".into();
        definition.range = Some((0.0, 10.0));
        self.engine.catalog().define(definition).unwrap()
    }

    async fn write(&self, tag: &Tag, rows: impl IntoIterator<Item = (i64, f64)>) {
        let sample = |(second, value): (i64, f64)| Sample {
            tag: tag.id,
            ts: at(second),
            value: Value::Float(value),
            quality: Quality::GOOD,
        };
        let samples: Batch = rows.into_iter().map(sample).collect();
        self.ingest.write(samples).await.unwrap();
    }

    async fn session(&self) -> Arc<Session> {
        let url = format!("opc.tcp://{}", self.server.address());
        let endpoint =
            (url.as_str(), "None", MessageSecurityMode::None, UserTokenPolicy::anonymous());
        let (session, event_loop) = self
            .client()
            .connect_to_matching_endpoint(endpoint, IdentityToken::Anonymous)
            .await
            .unwrap();
        drop(event_loop.spawn());
        assert!(session.wait_for_connection().await);
        session
    }

    fn client(&self) -> Client {
        ClientBuilder::new()
            .application_name("bench")
            .application_uri("urn:bench")
            .pki_dir(self.dir.path().join("client"))
            .create_sample_keypair(true)
            .trust_server_certs(true)
            .verify_server_certs(false)
            .session_retry_limit(0)
            .max_message_size(64 << 20)
            .max_chunk_count(0)
            .max_array_length(100_000)
            .client()
            .unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_nanos(START + second * SECOND)
}

async fn of_tag(session: &Session, text: &str) -> NodeId {
    NodeId::new(session.get_namespace_index(NAMESPACE).await.unwrap(), text)
}

async fn read(session: &Session, node: &NodeId, attribute: AttributeId) -> DataValue {
    let wish = ReadValueId {
        node_id: node.clone(),
        attribute_id: attribute as u32,
        ..ReadValueId::default()
    };
    session.read(&[wish], TimestampsToReturn::Both, 0.0).await.unwrap().remove(0)
}

async fn below(session: &Session, node: &NodeId, kind: ReferenceTypeId) -> Vec<(String, NodeId)> {
    let wish = BrowseDescription {
        node_id: node.clone(),
        browse_direction: BrowseDirection::Forward,
        reference_type_id: kind.into(),
        include_subtypes: true,
        node_class_mask: 0,
        result_mask: BrowseResultMask::All as u32,
    };
    let mut found = session.browse(&[wish], 2, None).await.unwrap().remove(0);
    let mut all = found.references.take().unwrap_or_default();
    while !found.continuation_point.is_null_or_empty() {
        found = session.browse_next(false, &[found.continuation_point]).await.unwrap().remove(0);
        all.extend(found.references.take().unwrap_or_default());
    }
    all.into_iter().map(|own| (own.browse_name.name.to_string(), own.node_id.node_id)).collect()
}

fn names(found: &[(String, NodeId)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.as_str()).collect()
}

async fn ask(session: &Session, node: &NodeId, what: HistoryReadAction) -> Vec<HistoryReadResult> {
    let mut results = Vec::new();
    let mut point = ByteString::null();
    loop {
        let wish = HistoryReadValueId {
            node_id: node.clone(),
            continuation_point: point,
            ..HistoryReadValueId::default()
        };
        let both = TimestampsToReturn::Both;
        let mut page = session.history_read(what.clone(), both, false, &[wish]).await.unwrap();
        let page = page.remove(0);
        point = page.continuation_point.clone();
        results.push(page);
        if point.is_null_or_empty() {
            return results;
        }
    }
}

/// `(second, value)` of all pages; a bound that was not found is NaN.
async fn rows(session: &Session, node: &NodeId, what: HistoryReadAction) -> Vec<(i64, f64)> {
    let mut rows = Vec::new();
    for page in ask(session, node, what).await {
        assert!(page.status_code.is_good(), "{}", page.status_code);
        let data = page.history_data.into_inner_as::<HistoryData>().unwrap();
        rows.extend(data.data_values.into_iter().flatten().map(|data| row(&data)));
    }
    rows
}

fn row(data: &DataValue) -> (i64, f64) {
    let ts = moment(&data.source_timestamp.unwrap()).unwrap();
    let value = data.value.as_ref().and_then(Variant::as_f64).unwrap_or(f64::NAN);
    ((ts.nanos() - START) / SECOND, value)
}

fn raw(start: Option<i64>, end: Option<i64>, count: u32, bounds: bool) -> HistoryReadAction {
    let time = |second: Option<i64>| second.map_or_else(DateTime::null, |own| date_time(at(own)));
    HistoryReadAction::ReadRawModifiedDetails(ReadRawModifiedDetails {
        is_read_modified: false,
        start_time: time(start),
        end_time: time(end),
        num_values_per_node: count,
        return_bounds: bounds,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_every_tag_in_folders_with_what_is_known_of_it() {
    let bench = Bench::start().await;
    let speed = bench.define("site/line/speed", Kind::Float);
    bench.define("site/line", Kind::Text);
    bench.define("site/line-2/speed", Kind::Int);
    bench.write(&speed, [(1, 2.5)]).await;
    let session = bench.session().await;
    let objects = NodeId::from(ObjectId::ObjectsFolder);
    let all = below(&session, &objects, ReferenceTypeId::Organizes).await;
    let root = all.iter().find(|(name, _)| name == ROOT_NAME).unwrap().1.clone();
    let site = below(&session, &root, ReferenceTypeId::HierarchicalReferences).await;
    assert_eq!(names(&site), ["site"]);
    let lines = below(&session, &site[0].1, ReferenceTypeId::HierarchicalReferences).await;
    assert_eq!(names(&lines), ["line", "line", "line-2"]);
    let line = below(&session, &site[0].1, ReferenceTypeId::Organizes).await;
    let signals = below(&session, &line[0].1, ReferenceTypeId::HasComponent).await;
    assert_eq!(names(&signals), ["speed"]);

    let node = &signals[0].1;
    let value = read(&session, node, AttributeId::Value).await;
    assert_eq!((value.value, value.status), (Some(Variant::Double(2.5)), Some(StatusCode::Good)));
    assert_eq!(moment(&value.source_timestamp.unwrap()), Some(at(1)));
    let historizing = read(&session, node, AttributeId::Historizing).await;
    assert_eq!(historizing.value, Some(Variant::Boolean(true)));
    let description = read(&session, node, AttributeId::Description).await;
    assert!(format!("{:?}", description.value).contains("how fast"));
    // The same tag by its name.
    let named =
        read(&session, &of_tag(&session, "site/line/speed").await, AttributeId::Value).await;
    assert_eq!(named.value, Some(Variant::Double(2.5)));

    let parts = below(&session, node, ReferenceTypeId::HasProperty).await;
    assert_eq!(names(&parts), ["EURange", "EngineeringUnits"]);
    let range = read(&session, &parts[0].1, AttributeId::Value).await.value;
    let Some(Variant::ExtensionObject(range)) = range else { panic!("{range:?}") };
    assert_eq!(range.inner_as::<Range>(), Some(&Range { low: 0.0, high: 10.0 }));
    let unit = read(&session, &parts[1].1, AttributeId::Value).await.value;
    let Some(Variant::ExtensionObject(unit)) = unit else { panic!("{unit:?}") };
    assert_eq!(unit.inner_as::<EUInformation>().unwrap().display_name.text.as_ref(), "m/s");
    let history = below(&session, node, ReferenceTypeId::HasHistoricalConfiguration).await;
    let known = below(&session, &history[0].1, ReferenceTypeId::HierarchicalReferences).await;
    assert_eq!(names(&known), ["Stepped", "StartOfArchive", "AggregateConfiguration"]);

    let nothing = read(&session, &of_tag(&session, "no/such").await, AttributeId::Value).await;
    assert_eq!(nothing.status, Some(StatusCode::BadNodeIdUnknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_which_histories_it_can_read() {
    let bench = Bench::start().await;
    let session = bench.session().await;
    let access = VariableId::HistoryServerCapabilities_AccessHistoryDataCapability;
    let access = read(&session, &access.into(), AttributeId::Value).await;
    assert_eq!(access.value, Some(Variant::Boolean(true)));
    let functions = ObjectId::HistoryServerCapabilities_AggregateFunctions.into();
    let functions = below(&session, &functions, ReferenceTypeId::Organizes).await;
    assert_eq!(functions.len(), tacitus_query::standard_aggregates().count());
    assert!(names(&functions).contains(&"TimeAverage2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_values_come_in_either_direction_with_bounds_and_in_pages() {
    let bench = Bench::start().await;
    let tag = bench.define("a", Kind::Float);
    // As in Part 11, 4.4: nothing at 1, 4 and 6.
    bench.write(&tag, [(0, 0.0), (2, 2.0), (3, 3.0), (5, 5.0)]).await;
    let session = bench.session().await;
    let node = of_tag(&session, "a").await;
    let (nan, v) = (f64::NAN, |second: i64| (second, f64::from(i32::try_from(second).unwrap())));
    for (what, want) in [
        (raw(Some(0), Some(5), 0, false), vec![v(0), v(2), v(3)]),
        (raw(Some(0), Some(5), 0, true), vec![v(0), v(2), v(3), v(5)]),
        (raw(Some(1), Some(4), 0, true), vec![v(0), v(2), v(3), v(5)]),
        (raw(Some(5), Some(0), 0, false), vec![v(5), v(3), v(2)]),
        (raw(Some(5), Some(0), 0, true), vec![v(5), v(3), v(2), v(0)]),
        (raw(Some(4), Some(1), 0, true), vec![v(5), v(3), v(2), v(0)]),
        (raw(Some(3), Some(9), 0, true), vec![v(3), v(5), (9, nan)]),
        (raw(Some(-1), Some(1), 0, true), vec![(-1, nan), v(0), v(2)]),
        (raw(Some(3), Some(3), 0, false), vec![v(3)]),
        (raw(Some(0), Some(9), 1, false), vec![v(0), v(2), v(3), v(5)]),
        (raw(Some(0), Some(5), 2, true), vec![v(0), v(2), v(3), v(5)]),
        (raw(Some(9), Some(-9), 3, false), vec![v(5), v(3), v(2), v(0)]),
        (raw(None, Some(3), 2, false), vec![v(3), v(2), v(0)]),
        (raw(Some(2), None, 2, false), vec![v(2), v(3), v(5)]),
    ] {
        let got = rows(&session, &node, what.clone()).await;
        assert_eq!(format!("{got:?}"), format!("{want:?}"), "{what:?}");
    }
    let refused = ask(&session, &node, raw(None, None, 0, false)).await;
    assert_eq!(refused[0].status_code, StatusCode::BadInvalidTimestampArgument);
    let none = ask(&session, &node, raw(Some(20), Some(30), 0, false)).await;
    assert_eq!(none[0].status_code, StatusCode::GoodNoData);
    let unknown =
        ask(&session, &of_tag(&session, "b").await, raw(Some(0), Some(9), 0, false)).await;
    assert_eq!(unknown[0].status_code, StatusCode::BadNodeIdUnknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_history_comes_whole_in_pages_of_bounded_size() {
    let bench = Bench::start().await;
    let tag = bench.define("a", Kind::Float);
    let count = i64::try_from(history::VALUES_MAX).unwrap() * 2 + 5;
    bench.write(&tag, (0..count).map(|second| (second, 1.0))).await;
    let session = bench.session().await;
    let node = of_tag(&session, "a").await;
    let forward = rows(&session, &node, raw(Some(0), Some(count), 0, false)).await;
    assert!(forward.iter().map(|row| row.0).eq(0..count));
    let backward = rows(&session, &node, raw(Some(count), Some(-1), 0, false)).await;
    assert!(backward.iter().map(|row| row.0).eq((0..count).rev()));
}

fn processed(aggregate: u32, start: i64, end: i64, interval_s: f64) -> HistoryReadAction {
    HistoryReadAction::ReadProcessedDetails(ReadProcessedDetails {
        start_time: date_time(at(start)),
        end_time: date_time(at(end)),
        processing_interval: interval_s * 1_000.0,
        aggregate_type: Some(vec![NodeId::new(0, aggregate)]),
        aggregate_configuration: AggregateConfiguration {
            use_server_capabilities_defaults: true,
            ..AggregateConfiguration::default()
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn processed_values_are_the_aggregates_of_their_intervals() {
    let bench = Bench::start().await;
    let tag = bench.define("a", Kind::Float);
    bench
        .write(&tag, (0..=10).map(|second| (second, f64::from(i32::try_from(second).unwrap()))))
        .await;
    let session = bench.session().await;
    let node = of_tag(&session, "a").await;
    for (what, want) in [
        // Average (2342): of 0 to 4, and of 5 to 9.
        (processed(2342, 0, 10, 5.0), vec![(0, 2.0), (5, 7.0)]),
        // Count (2352), Maximum (2347), Interpolative (2341).
        (processed(2352, 0, 10, 5.0), vec![(0, 5.0), (5, 5.0)]),
        (processed(2347, 0, 10, 5.0), vec![(0, 4.0), (5, 9.0)]),
        (processed(2341, 0, 4, 2.0), vec![(0, 0.0), (2, 2.0)]),
        // The last interval is cut; a range without interval is one.
        (processed(2352, 0, 8, 5.0), vec![(0, 5.0), (5, 3.0)]),
        (processed(2342, 0, 10, 0.0), vec![(0, 4.5)]),
        // Backward, an interval includes its later edge.
        (processed(2352, 10, 0, 5.0), vec![(10, 5.0), (5, 5.0)]),
    ] {
        assert_eq!(rows(&session, &node, what.clone()).await, want, "{what:?}");
    }
    let odd = ask(&session, &node, processed(99, 0, 10, 5.0)).await;
    assert_eq!(odd[0].status_code, StatusCode::BadAggregateNotSupported);
    let many = rows(&session, &node, processed(2352, 0, 20_001, 1.0)).await;
    assert_eq!(many.len(), 20_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_at_times_lie_between_their_neighbours() {
    let bench = Bench::start().await;
    let tag = bench.define("a", Kind::Float);
    bench.write(&tag, [(0, 0.0), (10, 5.0)]).await;
    let session = bench.session().await;
    let what = HistoryReadAction::ReadAtTimeDetails(ReadAtTimeDetails {
        req_times: Some([10, 4, 0].map(|second| date_time(at(second))).to_vec()),
        use_simple_bounds: false,
    });
    let got = rows(&session, &of_tag(&session, "a").await, what).await;
    assert_eq!(got, [(10, 5.0), (4, 2.0), (0, 0.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_edit_put_away_is_read_as_modified_with_who_did_it() {
    let bench = Bench::start().await;
    let tag = bench.define("a", Kind::Float);
    bench.write(&tag, [(0, 1.0), (1, 2.0), (2, 3.0)]).await;
    let corrected =
        Sample { tag: tag.id, ts: at(1), value: Value::Float(20.0), quality: Quality::GOOD };
    bench.engine.edit(&Batch::from_iter([corrected]), "ann", "calibration").unwrap();
    let session = bench.session().await;
    let node = of_tag(&session, "a").await;
    let HistoryReadAction::ReadRawModifiedDetails(details) = raw(Some(0), Some(9), 0, false) else {
        panic!()
    };
    let modified = ReadRawModifiedDetails { is_read_modified: true, ..details };
    let what = HistoryReadAction::ReadRawModifiedDetails(modified);
    let page = ask(&session, &node, what).await.remove(0);
    let data = page.history_data.into_inner_as::<HistoryModifiedData>().unwrap();
    let old: Vec<_> = data.data_values.unwrap().iter().map(row).collect();
    assert_eq!(old, [(1, 2.0)]);
    assert_eq!(data.modification_infos.unwrap()[0].user_name.as_ref(), "ann");
    let now = rows(&session, &node, raw(Some(0), Some(9), 0, false)).await;
    assert_eq!(now, [(0, 1.0), (1, 20.0), (2, 3.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_gets_what_is_committed_in_order() {
    let bench = Bench::start().await;
    let tag = bench.define("a", Kind::Float);
    bench.write(&tag, [(0, 0.0)]).await;
    let session = bench.session().await;
    let (sender, mut values) = tokio::sync::mpsc::unbounded_channel();
    let callback = DataChangeCallback::new(move |data: DataValue, _| {
        sender.send(row(&data)).unwrap();
    });
    let interval = Duration::from_millis(50);
    let id = session.create_subscription(interval, 100, 10, 0, 0, true, callback).await.unwrap();
    let mut item: MonitoredItemCreateRequest = of_tag(&session, "a").await.into();
    item.requested_parameters.queue_size = 1_000;
    item.requested_parameters.sampling_interval = 0.0;
    let both = TimestampsToReturn::Both;
    let made = session.create_monitored_items(id, both, vec![item]).await.unwrap();
    assert!(made[0].result.status_code.is_good());
    let mut next = async || tokio::time::timeout(DEADLINE, values.recv()).await.unwrap().unwrap();
    assert_eq!(next().await, (0, 0.0));
    for second in 1..=50 {
        bench.write(&tag, [(second.into(), f64::from(second))]).await;
    }
    for second in 1..=50 {
        assert_eq!(next().await, (second.into(), f64::from(second)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_users_nobody_reads_in_clear_text_or_without_a_password() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    std::fs::write(&file, "reader:secret\n").unwrap();
    let bench = Bench::start_with(Some(file)).await;
    let url = format!("opc.tcp://{}", bench.server.address());
    let offered = bench.client().get_server_endpoints_from_url(url.as_str()).await.unwrap();
    assert_eq!(offered.len(), 6);
    assert!(offered.iter().all(|own| own.security_mode != MessageSecurityMode::None));
    let policy = "Basic256Sha256";
    for (password, want) in [("secret", true), ("wrong", false)] {
        let token = UserTokenPolicy {
            token_type: opcua::types::UserTokenType::UserName,
            ..UserTokenPolicy::default()
        };
        let endpoint = (url.as_str(), policy, MessageSecurityMode::SignAndEncrypt, token);
        let user = IdentityToken::new_user_name("reader", password);
        let (session, event_loop) =
            bench.client().connect_to_matching_endpoint(endpoint, user).await.unwrap();
        let driver = event_loop.spawn();
        let begin = Instant::now();
        let connected = tokio::select! {
            connected = session.wait_for_connection() => connected,
            _ = driver => false,
        };
        assert!(begin.elapsed() < DEADLINE);
        assert_eq!(connected, want, "{password}");
    }
}
