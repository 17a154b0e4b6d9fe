//! Who hears what.

use std::sync::atomic::Ordering::Relaxed;

use rumqttd::protocol::{Packet, UnsubAckReason};
use tacitus_protocol::mqtt::{Message, Parts, QoS, SessionKey, Version};

use super::super::bus::Bus;
use super::super::limits::{BUS_SEGMENT_BYTES, BUS_SEGMENTS};
use super::client::{Client, Manner, V4_CLEAN, V5_CLEAN, publish_bytes};
use super::{House, PATIENCE};

#[tokio::test]
async fn both_versions_hear_each_other_with_the_lesser_quality() {
    let house = House::open().await;
    let mut old = Client::connect(&house, "old", V4_CLEAN).await;
    let mut new = Client::connect(&house, "new", V5_CLEAN).await;
    old.subscribe("to/old/+", 1).await;
    new.subscribe("to/new/#", 2).await;
    old.publish_kept("to/new/a", b"1", false).await;
    let (topic, payload, header) = new.delivered().await;
    assert_eq!((topic.as_str(), &payload[..], header), ("to/new/a", &b"1"[..], 0x32));
    new.send(b"\x40\x02\x00\x01").await;
    for (qos, want) in [(0, 0x30), (1, 0x32), (2, 0x32)] {
        new.publish(qos, 7, "to/old/ü", &[qos]).await;
        let (topic, payload, header) = old.delivered().await;
        assert_eq!((topic.as_str(), &payload[..], header), ("to/old/ü", &[qos][..], want));
    }
}

#[tokio::test]
async fn a_topic_that_begins_with_any_letter_is_routed() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    client.subscribe("#", 0).await;
    for topic in ["Übergabe/1", "/", " ", "工場/温度", "a b", "\u{1F3ED}"] {
        client.publish(0, 0, topic, b"1").await;
        assert_eq!(client.delivered().await.0, topic);
    }
}

#[tokio::test]
async fn a_thousand_retained_messages_are_all_delivered() {
    let house = House::open().await;
    let mut publisher = Client::connect(&house, "p", V4_CLEAN).await;
    let mut bytes = Vec::new();
    for number in 0u16..1000 {
        bytes.extend(publish_bytes(Version::V4, 1, 0, &format!("r/{number:04}"), b"x"));
    }
    publisher.send(&bytes).await;
    house.counted(|counters| &counters.retained_now, 1000).await;
    for qos in [0, 1] {
        let name = format!("s{qos}");
        let mut subscriber = Client::connect(&house, &name, V4_CLEAN).await;
        subscriber.subscribe("r/+", qos).await;
        for number in 0..1000 {
            let (topic, _, header) = subscriber.delivered().await;
            assert_eq!(topic, format!("r/{number:04}"));
            assert_eq!(header & 1, 1, "retain flag");
        }
        subscriber.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_retained_message_is_heard_once_and_ends_with_an_empty_one() {
    let house = House::open().await;
    let mut publisher = Client::connect(&house, "p", V4_CLEAN).await;
    publisher.publish_kept("r", b"1", true).await;
    publisher.publish_kept("r", b"2", true).await;
    let mut early = Client::connect(&house, "early", V5_CLEAN).await;
    early.subscribe("r", 0).await;
    assert_eq!(early.delivered().await.1, "2");
    early.hears_nothing().await;
    publisher.publish_kept("r", b"", true).await;
    assert_eq!(early.delivered().await.2 & 1, 0, "live messages have no retain flag");
    let mut late = Client::connect(&house, "late", V5_CLEAN).await;
    late.subscribe("r", 0).await;
    late.hears_nothing().await;
}

#[tokio::test]
async fn an_absent_session_gets_what_was_promised_to_it() {
    let house = House::open().await;
    let manners =
        [Manner { clean: false, ..V4_CLEAN }, Manner { clean: false, expiry_s: 100, ..V5_CLEAN }];
    for (name, manner) in ["old", "new"].into_iter().zip(manners) {
        let mut subscriber = Client::connect(&house, name, manner).await;
        assert!(!subscriber.session_present);
        subscriber.subscribe(name, 1).await;
        subscriber.send(b"\xE0\x00").await;
        subscriber.last_words().await;
        let mut publisher = Client::connect(&house, "p", V4_CLEAN).await;
        publisher.publish_kept(name, b"1", false).await;
        publisher.publish(0, 0, name, b"quality 0 is not kept").await;
        publisher.publish_kept(name, b"2", false).await;
        let mut subscriber = Client::connect(&house, name, manner).await;
        assert!(subscriber.session_present);
        assert_eq!(subscriber.delivered().await.1, "1");
        assert_eq!(subscriber.delivered().await.1, "2");
        subscriber.hears_nothing().await;
        let clean = Manner { clean: true, ..manner };
        drop(subscriber);
        let mut subscriber = Client::connect(&house, name, clean).await;
        assert!(!subscriber.session_present);
        subscriber.hears_nothing().await;
    }
}

/// Each round is more than twice what the router's log holds, and less than a mailbox does: the
/// subscriber may be as slow as it likes within a round.
#[tokio::test]
async fn bursts_beyond_the_routers_log_arrive_whole_and_in_order() {
    const ROUNDS: u32 = 4;
    const COUNT: u32 = 25_000;
    let house = House::open().await;
    let mut subscriber = Client::connect(&house, "s", V4_CLEAN).await;
    subscriber.subscribe("b/#", 0).await;
    let mut publisher = Client::connect(&house, "p", V4_CLEAN).await;
    for round in 0..ROUNDS {
        let numbers = round * COUNT..(round + 1) * COUNT;
        let payload = |number: u32| number.to_be_bytes().repeat(40);
        let bytes: Vec<u8> = numbers
            .clone()
            .flat_map(|number| publish_bytes(Version::V4, 0, 0, "b/1", &payload(number)))
            .collect();
        assert!(bytes.len() > 2 * BUS_SEGMENT_BYTES * BUS_SEGMENTS);
        let receiving = async {
            for number in numbers {
                assert_eq!(subscriber.delivered().await.1, payload(number));
            }
        };
        tokio::join!(publisher.send(&bytes), receiving);
    }
    assert_eq!(house.counters.router_restarts.load(Relaxed), 0);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_cut_and_slows_nobody() {
    let house = House::open().await;
    let mut stuck = Client::connect(&house, "stuck", V5_CLEAN).await;
    stuck.subscribe("#", 0).await;
    let mut quick = Client::connect(&house, "quick", V4_CLEAN).await;
    quick.subscribe("#", 0).await;
    let mut publisher = Client::connect(&house, "p", V4_CLEAN).await;
    // More than its mailbox and both socket buffers hold.
    let payload = vec![0; 256 * 1024];
    let mut number = 0;
    while house.counters.connections_cut_slow.load(Relaxed) == 0 {
        publisher.publish_kept("a", &payload, false).await;
        assert_eq!(quick.delivered().await.1.len(), payload.len());
        number += 1;
        assert!(number < 1000, "never cut");
    }
    // The others do not notice.
    publisher.publish_kept("a", b"after", false).await;
    assert_eq!(quick.delivered().await.1, "after");
}

#[tokio::test]
async fn an_unsubscribe_is_answered_and_ends_the_deliveries() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V5_CLEAN).await;
    client.subscribe("a", 0).await;
    client.send(b"\xA2\x09\x00\x02\x00\x00\x01a\x00\x01b").await;
    let answer = client.receive().await;
    let Packet::UnsubAck(ack, _) = answer else {
        panic!("not answered: {answer:?}");
    };
    assert_eq!(ack.reasons, [UnsubAckReason::Success, UnsubAckReason::NoSubscriptionExisted]);
    client.publish_kept("a", b"1", false).await;
    client.hears_nothing().await;
}

#[tokio::test]
async fn a_replaced_router_carries_on() {
    let message = |payload: &[u8]| {
        Message::new(Parts {
            topic: "a",
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            publisher: SessionKey(1),
            expires_at_ms: None,
            properties: &[],
        })
        .unwrap()
    };
    let (bus, mut exit) = Bus::start().unwrap();
    bus.hand_over(&[message(b"1")], |_| {}).await;
    assert_eq!(bus.take(&mut exit).await.unwrap().payload(), "1");
    bus.hand_over(&[message(b"lost")], |_| {}).await;
    let mut exit = bus.replace(|| {}).await.unwrap();
    let many: Vec<Message> = (0..50_000u32).map(|n| message(&n.to_be_bytes())).collect();
    let taking = async {
        for want in &many {
            assert_eq!(&bus.take(&mut exit).await.unwrap(), want);
        }
    };
    let both = async { tokio::join!(bus.hand_over(&many, |_| {}), taking) };
    tokio::time::timeout(PATIENCE, both).await.unwrap();
}
