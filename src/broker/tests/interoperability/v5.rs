//! MQTT 5: the 27 cases.

use super::super::wire::{Hello, Peer, V5, expiry};
use super::open;

const A: Hello<'static> = V5;
const B: Hello<'static> = Hello { name: "myclientid2", ..V5 };
const USER: &[u8] = b"\x26\x00\x01a\x00\x012\x26\x00\x01c\x00\x013";
const FOR_EVER: &[u8] = b"\x11\xFF\xFF\xFF\xFF";

/// Publishes once with each quality what carries these properties, and hears it.
async fn properties_come_back(properties: &[u8]) {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    a.subscribe(&[("TopicA", 2)], &[]).await;
    for qos in 0..3 {
        a.publish(qos << 1, "TopicA", "", properties).await;
        let heard = a.hear().await;
        assert_eq!((heard.qos, heard.properties.as_slice()), (qos, properties));
    }
}

#[tokio::test]
async fn assigned_client_id() {
    let house = open().await;
    let nameless = Peer::enter(&house, &Hello { name: "", ..V5 }).await;
    let properties = &nameless.accepted.properties;
    assert!(properties.windows(8).any(|part| part == b"tacitus-"), "{properties:?}");
}

#[tokio::test]
async fn basic() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    a.subscribe(&[("TopicA", 2)], &[]).await;
    for qos in 0..3 {
        a.publish(qos << 1, "TopicA", "", &[]).await;
        assert_eq!(a.hear().await.qos, qos);
    }
    a.client.send(&A.bytes()).await;
    assert_eq!(a.dismissed().await, 0x82);
}

#[tokio::test]
async fn client_topic_alias() {
    let house = open().await;
    let lasting = Hello { clean: false, properties: FOR_EVER, ..A };
    let mut a = Peer::enter(&house, &lasting).await;
    a.subscribe(&[("TopicA", 2)], &[]).await;
    a.publish(2, "TopicA", "topic alias 1", b"\x23\x00\x01").await;
    a.publish(2, "", "topic alias 2", b"\x23\x00\x01").await;
    for payload in ["topic alias 1", "topic alias 2"] {
        let heard = a.hear().await;
        assert_eq!((heard.topic.as_str(), heard.payload.as_str()), ("TopicA", payload));
    }
    a.leave().await;
    // Aliases end with the connection, subscriptions do not.
    let mut a = Peer::enter(&house, &lasting).await;
    a.publish(2, "TopicA", "topic alias 3", &[]).await;
    assert_eq!(a.hear().await.payload, "topic alias 3");
    a.say(2, "", "topic alias 4", b"\x23\x00\x01").await;
    assert_eq!(a.dismissed().await, 0x82);
}

#[tokio::test]
async fn dollar_topics() {
    let house = open().await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("+/+", 2), ("#", 2)], &[]).await;
    b.publish(2, "$TopicA/B", "", &[]).await;
    b.hears_nothing().await;
}

#[tokio::test]
async fn flow_control_1() {
    let house = open().await;
    // Receive maximum 2.
    let mut a = Peer::enter(&house, &Hello { properties: b"\x21\x00\x02", ..A }).await;
    a.subscribe(&[("TopicA", 2)], &[]).await;
    for number in 1..=3 {
        a.publish(2, "TopicA", &number.to_string(), &[]).await;
    }
    let first = a.overhear().await;
    a.overhear().await;
    a.hears_nothing().await;
    let [high, low] = first.id.to_be_bytes();
    a.client.send(&[0x40, 2, high, low]).await;
    assert_eq!(a.overhear().await.payload, "3");
}

#[tokio::test]
async fn flow_control_2() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    let properties = &a.accepted.properties;
    let at = properties.iter().position(|byte| *byte == 0x21).expect("no receive maximum");
    let maximum = u16::from_be_bytes([properties[at + 1], properties[at + 2]]);
    for _ in 0..=maximum {
        a.say(4, "TopicA", "", &[]).await;
    }
    let mut words = Vec::new();
    while let Some((header, body)) = a.client.raw().await {
        words.push((header, body.first().copied()));
    }
    assert_eq!(words.last(), Some(&(0xE0, Some(0x93))));
}

#[tokio::test]
async fn keep_alive() {
    let house = open().await;
    let will = Some((&[][..], "/TopicA", "keepalive expiry"));
    let mut a = Peer::enter(&house, &Hello { will, keep_alive_s: 1, ..A }).await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("/TopicA", 2)], &[]).await;
    assert_eq!(a.dismissed().await, 0x8D);
    assert_eq!(b.hear().await.payload, "keepalive expiry");
}

#[tokio::test]
async fn maximum_packet_size() {
    let house = open().await;
    // Maximum packet size 64.
    let mut a = Peer::enter(&house, &Hello { properties: b"\x27\x00\x00\x00\x40", ..A }).await;
    a.subscribe(&[("TopicA", 2)], &[]).await;
    a.publish(2, "TopicA", &".".repeat(64), &[]).await;
    a.publish(2, "TopicA", &".".repeat(32), &[]).await;
    assert_eq!(a.hear().await.payload.len(), 32);
    a.hears_nothing().await;
    // Larger than the broker takes: the length alone is enough.
    a.client.send(b"\x30\xFF\xFF\xFF\x7F").await;
    assert_eq!(a.dismissed().await, 0x95);
}

#[tokio::test]
async fn offline_message_queueing() {
    let house = open().await;
    let lasting = Hello { clean: false, properties: FOR_EVER, ..A };
    let mut a = Peer::enter(&house, &lasting).await;
    a.subscribe(&[("+/+", 2)], &[]).await;
    a.leave().await;
    let mut b = Peer::enter(&house, &B).await;
    for qos in 0..3 {
        b.publish(qos << 1, "TopicA/B", &format!("qos {qos}"), USER).await;
    }
    let mut a = Peer::enter(&house, &lasting).await;
    assert!(a.accepted.present);
    for payload in ["qos 1", "qos 2"] {
        let heard = a.hear().await;
        assert_eq!((heard.payload.as_str(), heard.properties.as_slice()), (payload, USER));
    }
    a.hears_nothing().await;
}

#[tokio::test]
async fn overlapping_subscriptions() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    a.subscribe(&[("TopicA/#", 2), ("TopicA/+", 1)], b"\x0B\x2A").await;
    a.publish(4, "TopicA/C", "overlapping topic filters", &[]).await;
    let heard = a.hear().await;
    assert_eq!((heard.qos, heard.properties.as_slice()), (2, &b"\x0B\x2A\x0B\x2A"[..]));
    a.hears_nothing().await;
}

#[tokio::test]
async fn payload_format() {
    properties_come_back(b"\x01\x01\x03\x00\x07My name").await;
}

#[tokio::test]
async fn publication_expiry() {
    let house = open().await;
    let lasting = Hello { clean: false, properties: FOR_EVER, ..B };
    let mut b = Peer::enter(&house, &lasting).await;
    b.subscribe(&[("TopicA", 2)], &[]).await;
    b.leave().await;
    let mut a = Peer::enter(&house, &A).await;
    for qos in [1, 2] {
        a.publish(qos << 1, "TopicA", "expire", b"\x02\x00\x00\x00\x01").await;
        a.publish(qos << 1, "TopicA", "don't expire", b"\x02\x00\x00\x00\x06").await;
    }
    house.clock.advance_ns(3_000_000_000);
    let mut b = Peer::enter(&house, &lasting).await;
    for _ in 0..2 {
        let heard = b.hear().await;
        assert_eq!(heard.payload, "don't expire");
        assert_eq!(heard.properties, b"\x02\x00\x00\x00\x03", "what is left of the time");
    }
    b.hears_nothing().await;
}

#[tokio::test]
async fn redelivery_on_reconnect() {
    let house = open().await;
    let lasting = Hello { clean: false, properties: FOR_EVER, ..B };
    let mut b = Peer::enter(&house, &lasting).await;
    b.subscribe(&[("TopicA/#", 2)], &[]).await;
    b.publish(2, "TopicA/B", "1", &[]).await;
    b.publish(4, "TopicA/C", "2", &[]).await;
    let first = [b.overhear().await, b.overhear().await];
    b.leave().await;
    let mut b = Peer::enter(&house, &lasting).await;
    for earlier in first {
        let heard = b.hear().await;
        assert!(heard.again, "the duplicate flag says that it comes again");
        assert_eq!((heard.payload, heard.id), (earlier.payload, earlier.id));
    }
    b.hears_nothing().await;
}

#[tokio::test]
async fn request_response() {
    let house = open().await;
    let mut asking = Peer::enter(&house, &A).await;
    let mut answering = Peer::enter(&house, &B).await;
    asking.subscribe(&[("TopicA", 2)], &[]).await;
    answering.subscribe(&[("TopicA/B", 2)], &[]).await;
    let request = b"\x08\x00\x06TopicA\x09\x00\x03334";
    asking.publish(2, "TopicA/B", "request", request).await;
    let heard = answering.hear().await;
    assert_eq!((heard.payload.as_str(), heard.properties.as_slice()), ("request", &request[..]));
    answering.publish(2, "TopicA", "response", b"\x09\x00\x03334").await;
    let heard = asking.hear().await;
    assert_eq!(
        (heard.payload.as_str(), heard.properties.as_slice()),
        ("response", &b"\x09\x00\x03334"[..])
    );
}

#[tokio::test]
async fn retained_message() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    for (qos, topic) in [(0, "TopicA/B"), (1, "Topic/C"), (2, "TopicA/C")] {
        a.publish(qos << 1 | 1, topic, "", &[]).await;
        a.publish(qos << 1 | 1, topic, topic, USER).await;
    }
    a.subscribe(&[("+/+", 2)], &[]).await;
    for topic in ["Topic/C", "TopicA/B", "TopicA/C"] {
        let heard = a.hear().await;
        assert_eq!((heard.topic.as_str(), heard.retain), (topic, true));
        assert_eq!(heard.properties, USER);
    }
    a.hears_nothing().await;
}

#[tokio::test]
async fn server_keep_alive() {
    let house = open().await;
    let slow = Peer::enter(&house, &Hello { keep_alive_s: 120, ..A }).await;
    let properties = &slow.accepted.properties;
    assert!(properties.windows(3).any(|part| part == [0x13, 0, 60]), "{properties:?}");
    let quick = Peer::enter(&house, &Hello { keep_alive_s: 60, ..B }).await;
    assert!(!quick.accepted.properties.windows(3).any(|part| part == [0x13, 0, 60]));
}

#[tokio::test]
async fn server_topic_alias() {
    let house = open().await;
    // Topic alias maximum 1, then none, then 0.
    for (allowed, aliases) in [(&b"\x22\x00\x01"[..], true), (b"", false), (b"\x22\x00\x00", false)]
    {
        let mut a = Peer::enter(&house, &Hello { properties: allowed, ..A }).await;
        a.subscribe(&[("TopicA", 2)], &[]).await;
        for qos in 0..3 {
            a.publish(qos << 1, "TopicA", "topic alias 1", &[]).await;
            let heard = a.hear().await;
            let alias: &[u8] = if aliases { b"\x23\x00\x01" } else { b"" };
            let topic = if aliases && qos > 0 { "" } else { "TopicA" };
            assert_eq!((heard.topic.as_str(), heard.properties.as_slice()), (topic, alias));
        }
    }
}

#[tokio::test]
async fn session_expiry() {
    use std::sync::atomic::Ordering::Relaxed;
    let house = open().await;
    let lasts = |seconds: u32| expiry(seconds);
    let enter = async |clean, seconds: u32| {
        let properties = lasts(seconds);
        Peer::enter(&house, &Hello { clean, properties: &properties, ..A }).await
    };
    // Without an expiry it ends with the connection.
    enter(true, 0).await.leave().await;
    assert!(!enter(false, 0).await.accepted.present);
    enter(true, 600).await.leave().await;
    let mut a = enter(false, 1).await;
    assert!(a.accepted.present, "it lives as long as was asked for");
    // DISCONNECT changes it: 600 s instead of 1.
    a.client.send(b"\xE0\x07\x00\x05\x11\x00\x00\x02\x58").await;
    assert_eq!(a.client.raw().await, None);
    let mut a = enter(false, 1).await;
    assert!(a.accepted.present);
    a.client.send(b"\xE0\x07\x00\x05\x11\x00\x00\x00\x00").await;
    assert_eq!(a.client.raw().await, None);
    assert!(!enter(false, 1).await.accepted.present, "it ended with the DISCONNECT");
    house.until(|counters| counters.sessions_now.load(Relaxed) == 0).await;
    assert!(!enter(false, 1).await.accepted.present, "its time was over");
}

#[tokio::test]
async fn shared_subscriptions() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    let mut b = Peer::enter(&house, &B).await;
    for peer in [&mut a, &mut b] {
        assert_eq!(peer.subscribe(&[("$share/sharename/TopicA", 2)], &[]).await, [2]);
        peer.subscribe(&[("TopicA", 2)], &[]).await;
    }
    let mut publisher = Peer::enter(&house, &Hello { name: "publisher", ..V5 }).await;
    for number in 0..4 {
        publisher.publish(2, "TopicA", &number.to_string(), &[]).await;
    }
    // Each gets all four for itself, and half of them for the group.
    for peer in [&mut a, &mut b] {
        for _ in 0..6 {
            peer.hear().await;
        }
        peer.hears_nothing().await;
    }
}

#[tokio::test]
async fn subscribe_failure() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    let codes =
        a.subscribe(&[("test/nosubscribe", 2), ("TopicA/#/B", 1), ("TopicA", 2)], &[]).await;
    assert_eq!(codes, [0x80, 0x8F, 2]);
}

#[tokio::test]
async fn subscribe_identifiers() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    // 456789 as a variable byte integer.
    a.subscribe(&[("TopicA", 2)], b"\x0B\xD5\xF0\x1B").await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("TopicA", 2)], b"\x0B\x02").await;
    b.subscribe(&[("TopicA/#", 2)], b"\x0B\x03").await;
    b.publish(2, "TopicA", "sub identifier test", &[]).await;
    assert_eq!(a.hear().await.properties, b"\x0B\xD5\xF0\x1B");
    let mut properties = b.hear().await.properties;
    properties.sort_unstable();
    assert_eq!(properties, [2, 3, 0x0B, 0x0B]);
    b.hears_nothing().await;
}

#[tokio::test]
async fn subscribe_options() {
    let house = open().await;
    // No local.
    let mut a = Peer::enter(&house, &A).await;
    let mut b = Peer::enter(&house, &B).await;
    a.subscribe(&[("TopicA", 2 | 4)], &[]).await;
    b.subscribe(&[("TopicA", 2 | 4)], &[]).await;
    a.publish(2, "TopicA", "noLocal test", &[]).await;
    assert_eq!(b.hear().await.payload, "noLocal test");
    a.hears_nothing().await;
    // Retain as published.
    a.subscribe(&[("TopicA", 2 | 8)], &[]).await;
    a.publish(2, "TopicA", "false", &[]).await;
    a.publish(3, "TopicA", "true", &[]).await;
    assert_eq!([a.hear().await.retain, a.hear().await.retain], [false, true]);
    // Retain handling: always, only if new, never.
    a.unsubscribe("TopicA").await;
    for (handling, first, second) in [(0, true, true), (1, true, false), (2, false, false)] {
        for wanted in [first, second] {
            a.subscribe(&[("TopicA", 2 | handling << 4)], &[]).await;
            if wanted {
                assert!(a.hear().await.retain);
            }
            a.hears_nothing().await;
        }
        a.unsubscribe("TopicA").await;
    }
}

#[tokio::test]
async fn unsubscribe() {
    let house = open().await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("TopicA", 2), ("TopicA/B", 2)], &[]).await;
    assert_eq!(b.unsubscribe("TopicA").await, [0]);
    assert_eq!(b.unsubscribe("TopicA").await, [0x11]);
    let mut a = Peer::enter(&house, &A).await;
    a.publish(2, "TopicA", "unsubscribed", &[]).await;
    a.publish(2, "TopicA/B", "subscribed", &[]).await;
    assert_eq!(b.hear().await.payload, "subscribed");
    b.hears_nothing().await;
}

#[tokio::test]
async fn user_properties() {
    properties_come_back(USER).await;
}

#[tokio::test]
async fn will_delay() {
    let house = open().await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("TopicA", 2)], &[]).await;
    // A delay of 1 s, and one that is cut by the end of the session.
    for (delay, lasts) in [(&b"\x18\x00\x00\x00\x01"[..], 600), (b"\x18\x00\x00\x02\x58", 1)] {
        let properties = expiry(lasts);
        let will = Some((delay, "TopicA", "test_will_delay will message"));
        let hello = Hello { properties: &properties, will, ..A };
        drop(Peer::enter(&house, &hello).await);
        // Back in time, it is not published.
        let again = Peer::enter(&house, &Hello { clean: false, ..hello.clone() }).await;
        assert!(again.accepted.present);
        b.hears_nothing().await;
        drop(again);
        assert_eq!(b.hear().await.payload, "test_will_delay will message");
    }
}

#[tokio::test]
async fn will_message() {
    let house = open().await;
    let will = Some((USER, "Topic/C", "client not disconnected"));
    let a = Peer::enter(&house, &Hello { will, ..A }).await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("Topic/C", 2)], &[]).await;
    drop(a);
    let heard = b.hear().await;
    assert_eq!(
        (heard.payload.as_str(), heard.properties.as_slice()),
        ("client not disconnected", USER)
    );
}

#[tokio::test]
async fn zero_length_client_id() {
    let house = open().await;
    for clean in [false, true] {
        Peer::enter(&house, &Hello { name: "", clean, ..V5 }).await.leave().await;
    }
}
