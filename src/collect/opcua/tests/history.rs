//! The collector against this server's own OPC UA server, which keeps histories and asks for
//! certificates.

use tacitus_model::Batch;
use tacitus_model::Sample;
use tacitus_storage::{Engine, FixedClock, SeededChance, SimDisk};

use super::*;
use crate::ingest::{self, Committer, Ingest};
use crate::opcua_server::{self, OpcuaServer};

/// 2026-02-02T00:00:00Z.
const START: i64 = 1_769_990_400_000_000_000;
const MILLI: i64 = 1_000_000;

/// A server with histories, and a collector's parts.
struct Archive {
    dir: tempfile::TempDir,
    engine: Arc<Engine>,
    ingest: Ingest,
    server: OpcuaServer,
    store: Arc<Memory>,
    parts: Parts,
    _committer: Committer,
}

impl Archive {
    async fn start(users: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::from_nanos(START)));
        let disk = tacitus_storage::Parts {
            disk: Arc::new(SimDisk::new()),
            clock: Arc::clone(&clock),
            chance: Arc::new(SeededChance::new(7)),
        };
        let settings = tacitus_storage::Settings {
            reserve_bytes: Some(0),
            ..tacitus_storage::Settings::default()
        };
        let engine = Arc::new(Engine::open(disk, settings).unwrap());
        let (ingest, committer) =
            Ingest::start(Arc::clone(&engine), clock, &ingest::Settings::default()).unwrap();
        let users = users.map(|text| {
            let file = dir.path().join("users");
            std::fs::write(&file, text).unwrap();
            file
        });
        let settings = opcua_server::Settings {
            addr: "127.0.0.1:0".parse().unwrap(),
            users,
            trust_clients: true,
            pki_dir: dir.path().join("server"),
        };
        let server =
            OpcuaServer::start(settings, Arc::clone(&engine), ingest.feed()).await.unwrap();
        let keeper: Arc<dyn Keeper> = Arc::new(Shelf::default());
        let store = Arc::new(Memory::default());
        let parts = Parts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            clock: Arc::new(WallClock),
            gaps: Arc::new(Gaps::new(Arc::clone(&keeper))),
            trust: Arc::new(Trust::new(keeper)),
            pki_dir: dir.path().join("client"),
        };
        Self { dir, engine, ingest, server, store, parts, _committer: committer }
    }

    /// A tag with a sample every millisecond.
    async fn tag(&self, path: &str, count: i64) {
        let definition = TagDefinition::new(TagPath::new(path).unwrap(), Kind::Int, "test");
        let tag = self.engine.catalog().define(definition).unwrap();
        let sample = |number: i64| Sample {
            tag: tag.id,
            ts: Timestamp::from_nanos(START + number * MILLI),
            value: Value::Int(number),
            quality: Quality::GOOD,
        };
        let samples: Batch = (0..count).map(sample).collect();
        self.ingest.write(samples).await.unwrap();
    }

    fn draft(&self, tags: &[&str]) -> Draft {
        let node = |tag: &&str| DraftNode {
            node: format!("nsu={};s={tag}", opcua_server::NAMESPACE),
            ..DraftNode::default()
        };
        Draft {
            name: "archive".into(),
            endpoint: format!("opc.tcp://{}", self.server.address()),
            publishing_interval: Some(Duration::from_millis(100)),
            nodes: tags.iter().map(node).collect(),
            ..Draft::default()
        }
    }
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < DEADLINE, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_fetched_from_the_history_and_the_gap_goes() {
    let archive = Archive::start(None).await;
    let count = 25_000;
    for tag in ["a", "b"] {
        archive.tag(tag, count).await;
    }
    let span = |ms: i64| Timestamp::from_nanos(START + ms * MILLI);
    // The mark that an earlier run of the collector left when it was cut off.
    let mark =
        Point::new("a", Value::Null).at(Some(span(10))).with_quality(Quality::BAD_NO_COMMUNICATION);
    // That of a gap before, which nobody could fill.
    let other = Point { ts: Some(span(-5_000)), ..mark.clone() };
    archive.store.put(vec![other, mark], "").await.unwrap();
    let gap = archive.parts.gaps.open("opcua:archive", None, span(10), Cause::Network);
    archive.parts.gaps.close(gap, span(count), None);

    let settings = archive.draft(&["a", "b"]).check().unwrap();
    let collector = Running::start(&settings, &archive.parts);
    until("back-filled", || archive.parts.gaps.get(gap).unwrap().outcome == Outcome::BackFilled)
        .await;
    for tag in ["a", "b"] {
        let points = archive.store.points(tag);
        let marks = points.iter().filter(|point| is_gap(point)).map(|point| point.ts);
        assert_eq!(
            marks.collect::<Vec<_>>(),
            if tag == "a" { vec![Some(span(-5_000))] } else { vec![] }
        );
        let had: std::collections::BTreeSet<i64> =
            points.iter().map(|point| (point.ts.unwrap().nanos() - START) / MILLI).collect();
        assert!((0..count).all(|ms| had.contains(&ms)));
    }
    let status = collector.state().status();
    assert!(status.values_recovered_total >= u64::try_from(2 * count).unwrap());
    collector.stop().await;
    archive.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secured_server_is_collected_from_once_its_certificate_is_approved() {
    let archive = Archive::start(Some("reader:secret\n")).await;
    archive.tag("a", 10).await;
    let settings = Draft {
        security: Some("auto".into()),
        user: Some("reader".into()),
        password: Some(Password("secret".into())),
        ..archive.draft(&["a"])
    };
    let collector = Running::start(&settings.check().unwrap(), &archive.parts);
    let trust = Arc::clone(&archive.parts.trust);
    until("shown", || !trust.list().is_empty()).await;
    until("told", || {
        let error = collector.state().status().last_error;
        error.is_some_and(|(_, text)| text.contains("not approved yet"))
    })
    .await;
    assert!(archive.store.points("a").is_empty());
    let shown = trust.list().remove(0);
    assert_eq!(shown.decision, Decision::Waiting);
    trust.decide(&shown.thumbprint, Decision::Approved, true).await.unwrap();
    until("collects", || !archive.store.points("a").is_empty()).await;
    collector.stop().await;
    drop(archive.dir);
}
