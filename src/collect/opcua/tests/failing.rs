//! Servers that fail in ways of their own: one that dies and has another beside it, one that keeps
//! its sessions and sends nothing more, and one that takes connections and answers nothing at all.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::*;

/// The type of a `PublishResponse` on the wire: `ns=0;i=829` in four bytes.
const PUBLISH_RESPONSE: [u8; 4] = [1, 0, 0x3d, 3];

#[tokio::test(flavor = "multi_thread")]
async fn where_a_server_dies_the_other_one_of_its_set_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = Server::start(listener, shape(&dir, &[])).unwrap();
    let mut bench = Bench::start_with(&[&node("temperature")], |draft| Draft {
        alternatives: vec![format!("opc.tcp://{}", other.address())],
        ..draft
    })
    .await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    other.set([("line/temperature".to_owned(), DataValue::new_now(31.0_f64))]);
    bench.server.take().unwrap().kill();
    let points = bench.until("t/temperature", |points| has(points, &Value::Float(31.0))).await;
    assert_eq!(points.iter().filter(|point| is_gap(point)).count(), 1);
    let status = bench.collector.state().status();
    assert_eq!(status.endpoint, format!("opc.tcp://{}", other.address()));
    assert!(bench.gaps.all().iter().all(|gap| gap.to.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_answers_and_sends_nothing_is_subscribed_to_anew() {
    let (deaf, mut address) = (Arc::new(AtomicBool::new(false)), None);
    let bench = Bench::start_with(&[&node("temperature")], |draft| {
        let server = draft.endpoint.trim_start_matches("opc.tcp://").parse().unwrap();
        let endpoint = address.insert(listen(server, Arc::clone(&deaf)));
        Draft { endpoint: format!("opc.tcp://{endpoint}"), ..draft }
    })
    .await;
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    deaf.store(true, Ordering::Relaxed);
    bench.set("temperature", DataValue::new_now(31.0_f64));
    bench.until("t/temperature", |points| points.iter().any(is_gap)).await;
    deaf.store(false, Ordering::Relaxed);
    bench.until("t/temperature", |points| has(points, &Value::Float(31.0))).await;
    let status = bench.collector.state().status();
    assert!(status.silences_total > 0, "{status:?}");
    let gap = bench.gaps.all().remove(0);
    assert_eq!((gap.cause, gap.tags.clone()), (Cause::Network, Some(vec!["t/temperature".into()])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_given_up_and_collected_from_when_it_answers_again() {
    let mut line = None;
    let bench = Bench::start_with(&[&node("temperature")], |draft| {
        let server = draft.endpoint.trim_start_matches("opc.tcp://").parse().unwrap();
        let endpoint = line.insert(Line::start(server)).address;
        Draft {
            endpoint: format!("opc.tcp://{endpoint}"),
            keep_alive: Some(Duration::from_millis(200)),
            // Long enough for a server that is merely busy.
            timeout: Some(Duration::from_secs(3)),
            ..draft
        }
    })
    .await;
    let line = line.unwrap();
    bench.until("t/temperature", |points| has(points, &Value::Float(20.5))).await;
    let begun = WallClock.now();
    line.hangs.send_replace(true);
    let in_gap = |points: &[Point]| points.last().is_some_and(is_gap);
    let points = bench.until("t/temperature", in_gap).await;
    assert_eq!(points.last().unwrap().quality, Quality::BAD_NO_COMMUNICATION);
    let lasting = bench.gaps.all().pop().unwrap();
    assert_eq!((lasting.cause, lasting.tags.clone(), lasting.to), (Cause::Network, None, None));
    // It begins where values may have been missed, and not where the server was given up.
    assert!(lasting.from <= begun, "{lasting:?} {begun:?}");
    let status = bench.collector.state().status();
    assert_ne!(status.phase, Phase::Connected);
    let (_, reason) = status.last_error.unwrap();
    assert!(reason.contains("not answer"), "{reason}");

    bench.set("temperature", DataValue::new_now(31.0_f64));
    line.hangs.send_replace(false);
    bench.until("t/temperature", |points| has(points, &Value::Float(31.0))).await;
    bench.until_phase(Phase::Connected).await;
    let all = bench.until_settled().await;
    let gap = all.iter().find(|gap| gap.id == lasting.id).unwrap();
    // The demo's server keeps no history.
    assert!(gap.to.is_some_and(|to| to > gap.from), "{gap:?}");
    assert_eq!((gap.cause, gap.outcome), (Cause::Network, Outcome::Lost));
}

/// A line that passes nothing on while it hangs, and takes every connection.
struct Line {
    address: std::net::SocketAddr,
    hangs: tokio::sync::watch::Sender<bool>,
}

impl Line {
    fn start(server: std::net::SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let address = listener.local_addr().unwrap();
        let (hangs, hung) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(server).await else { return };
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(carry(near_read, far_write, hung.clone()));
                tokio::spawn(carry(far_read, near_write, hung.clone()));
            }
        });
        Self { address, hangs }
    }
}

/// Passes bytes on until either side ends.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut hung: tokio::sync::watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let flows = hung.wait_for(|hung| !hung).await.is_ok();
        if !flows || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// A line that swallows the answers to Publish while it is deaf, and nothing else.
fn listen(server: std::net::SocketAddr, deaf: Arc<AtomicBool>) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(server).await else { return };
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = far.into_split();
            tokio::spawn(pass(near_read, far_write, Arc::new(AtomicBool::new(false))));
            tokio::spawn(pass(far_read, near_write, Arc::clone(&deaf)));
        }
    });
    address
}

/// Passes chunk after chunk on, until either side ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, deaf: Arc<AtomicBool>) {
    // Type and length; then channel, token, sequence and request of four bytes each.
    let mut chunk = vec![0; 8];
    while from.read_exact(&mut chunk).await.is_ok() {
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        chunk.resize(usize::try_from(length).unwrap(), 0);
        if from.read_exact(&mut chunk[8..]).await.is_err() {
            return;
        }
        let publishes = chunk.get(24..28) == Some(&PUBLISH_RESPONSE) && chunk.starts_with(b"MSG");
        let swallowed = publishes && deaf.load(Ordering::Relaxed);
        if !swallowed && to.write_all(&chunk).await.is_err() {
            return;
        }
        chunk.truncate(8);
    }
}
