//! How connections and sessions begin and end.

use rumqttd::protocol::{DisconnectReasonCode, Packet};
use std::sync::atomic::Ordering::Relaxed;
use tacitus_protocol::mqtt::Version;

use super::super::Settings;
use super::client::{Client, Manner, V4_CLEAN, V5_CLEAN, connect_bytes};
use super::{House, Mood};

#[track_caller]
fn reason(words: &[Packet]) -> DisconnectReasonCode {
    match words {
        [Packet::Disconnect(disconnect, _)] => disconnect.reason_code,
        other => panic!("not a reason: {other:?}"),
    }
}

#[tokio::test]
async fn a_will_is_published_when_its_client_vanishes_and_not_when_it_leaves() {
    let house = House::open().await;
    let mut watcher = Client::connect(&house, "w", V4_CLEAN).await;
    watcher.subscribe("will/#", 1).await;
    for version in [V4_CLEAN, V5_CLEAN] {
        let mut polite =
            Client::connect(&house, "polite", Manner { will: Some(("will/no", 0)), ..version })
                .await;
        polite.send(b"\xE0\x00").await;
        polite.last_words().await;
        let vanished =
            Client::connect(&house, "v", Manner { will: Some(("will/yes", 0)), ..version }).await;
        drop(vanished);
        assert_eq!(watcher.delivered().await.0, "will/yes");
    }
    let manner = Manner { will: Some(("will/asked", 0)), ..V5_CLEAN };
    let mut asked = Client::connect(&house, "asked", manner).await;
    asked.send(b"\xE0\x01\x04").await;
    assert_eq!(watcher.delivered().await.0, "will/asked");
    let topics: Vec<String> = house.store.kept().into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["will/yes", "will/yes", "will/asked"]);
}

#[tokio::test]
async fn a_delayed_will_is_published_at_the_latest_with_the_end_of_the_session() {
    let house = House::open().await;
    let mut watcher = Client::connect(&house, "w", V4_CLEAN).await;
    watcher.subscribe("will", 0).await;
    let manner = Manner { clean: false, expiry_s: 1, will: Some(("will", 600)), ..V5_CLEAN };
    drop(Client::connect(&house, "v", manner).await);
    // Back in time: no will. Expiry and delay start anew.
    let client = Client::connect(&house, "v", manner).await;
    watcher.hears_nothing().await;
    drop(client);
    assert_eq!(watcher.delivered().await.1, "gone");
    house.until(|counters| counters.sessions_now.load(Relaxed) == 1).await;
}

#[tokio::test]
async fn a_session_that_ends_takes_its_subscriptions_along() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    client.subscribe("a/#", 0).await;
    client.subscribe("b", 0).await;
    assert_eq!(house.counters.subscriptions_now.load(Relaxed), 2);
    drop(client);
    house.until(|counters| counters.subscriptions_now.load(Relaxed) == 0).await;
    house.until(|counters| counters.connections_now.load(Relaxed) == 0).await;
}

#[tokio::test]
async fn the_younger_connection_takes_the_session_over() {
    let house = House::open().await;
    let manner = Manner { clean: false, expiry_s: 100, ..V5_CLEAN };
    let mut old = Client::connect(&house, "c", manner).await;
    old.subscribe("a", 1).await;
    let mut new = Client::connect(&house, "c", manner).await;
    assert!(new.session_present);
    assert_eq!(reason(&old.last_words().await), DisconnectReasonCode::SessionTakenOver);
    new.publish(1, 1, "a", b"1").await;
    let mut heard = vec![new.receive().await, new.receive().await];
    heard.sort_by_key(|packet| matches!(packet, Packet::PubAck(..)));
    assert!(matches!(&heard[..], [Packet::Publish(..), Packet::PubAck(..)]), "{heard:?}");
}

#[tokio::test]
async fn a_takeover_waits_for_what_was_being_stored() {
    let house = House::open().await;
    let manner = Manner { clean: false, ..V4_CLEAN };
    let mut old = Client::connect(&house, "c", manner).await;
    house.store.set(Mood::Wait);
    old.publish(1, 1, "a", b"1").await;
    house.store.asked(1).await;
    let mut new = Client::dial(house.broker.local_addr(), Version::V4).await;
    new.send(&connect_bytes("c", manner)).await;
    house.store.set(Mood::Keep);
    assert!(matches!(new.receive().await, Packet::ConnAck(ack, _) if ack.session_present));
    assert_eq!(house.store.kept().len(), 1);
}

#[tokio::test]
async fn first_packets_that_are_no_connect_are_closed_on_or_answered() {
    let house = House::open().await;
    let cases: [(&[u8], &[u8]); 5] = [
        (b"PUT / HTTP/1.1\r\n\r\n", b""),
        (b"\xC0\x00", b""),
        (b"\x10\xFF\xFF\xFF\x7F", b""),
        (b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01c", b"\x20\x02\x00\x01"),
        (b"\x10\x0C\x00\x04MQTT\x04\x00\x00\x00\x00\x00", b"\x20\x02\x00\x02"),
    ];
    for (bytes, want) in cases {
        use tokio::io::AsyncReadExt;
        let mut client = Client::dial(house.broker.local_addr(), Version::V4).await;
        client.send(bytes).await;
        let mut answer = Vec::new();
        let read = client.stream.read_to_end(&mut answer);
        match tokio::time::timeout(super::PATIENCE, read).await.expect("the broker says nothing") {
            Ok(_) => assert_eq!(answer, want),
            // Closed with bytes unread.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    house.until(|counters| counters.connects_refused.load(Relaxed) == 5).await;
}

#[tokio::test]
async fn a_wrong_packet_ends_its_connection_with_a_reason_and_no_other() {
    let house = House::open().await;
    let mut good = Client::connect(&house, "good", V4_CLEAN).await;
    let mut bad = Client::connect(&house, "bad", V5_CLEAN).await;
    bad.send(b"\x30\x06\x00\x03+/a\x00").await;
    assert_eq!(reason(&bad.last_words().await), DisconnectReasonCode::TopicNameInvalid);
    let mut bad = Client::connect(&house, "bad", V4_CLEAN).await;
    bad.send(&connect_bytes("bad", V4_CLEAN)).await;
    assert_eq!(bad.last_words().await, []);
    good.publish_kept("a", b"1", false).await;
}

#[tokio::test]
async fn a_client_without_a_name_gets_one() {
    let house = House::open().await;
    let mut one = Client::connect(&house, "", V5_CLEAN).await;
    let mut two = Client::connect(&house, "", V4_CLEAN).await;
    one.hears_nothing().await;
    two.hears_nothing().await;
    assert_eq!(house.counters.sessions_now.load(Relaxed), 2);
}

#[tokio::test]
async fn a_client_that_is_silent_beyond_its_keep_alive_is_cut() {
    let house = House::open().await;
    let mut silent = Client::connect(&house, "c", Manner { keep_alive_s: 1, ..V5_CLEAN }).await;
    assert_eq!(reason(&silent.last_words().await), DisconnectReasonCode::KeepAliveTimeout);
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let house = House::open_with(Settings { connections_max: 1, ..Settings::default() }).await;
    let mut first = Client::connect(&house, "first", V4_CLEAN).await;
    let mut second = Client::dial(house.broker.local_addr(), Version::V4).await;
    assert_eq!(second.next().await, None);
    first.hears_nothing().await;
    drop(first);
    house.until(|counters| counters.connections_now.load(Relaxed) == 0).await;
    Client::connect(&house, "third", V4_CLEAN).await;
}

#[tokio::test]
async fn a_stop_tells_the_clients_and_finishes_what_was_begun() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V5_CLEAN).await;
    house.store.set(Mood::Wait);
    client.publish(1, 1, "a", b"1").await;
    house.store.asked(1).await;
    house.shutdown.send_replace(true);
    house.store.set(Mood::Keep);
    let words = client.last_words().await;
    let [Packet::PubAck(..), Packet::Disconnect(disconnect, _)] = &words[..] else {
        panic!("not an acknowledgement and a reason: {words:?}");
    };
    assert_eq!(disconnect.reason_code, DisconnectReasonCode::ServerShuttingDown);
    drop(client);
    let stopping = tokio::time::timeout(super::PATIENCE, house.broker.stopped());
    stopping.await.unwrap();
}
