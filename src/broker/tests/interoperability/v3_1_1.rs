//! MQTT 3.1.1: the 10 cases.

use super::super::wire::{Hello, Peer, V4};
use super::open;

const A: Hello<'static> = V4;
const B: Hello<'static> = Hello { name: "myclientid2", ..V4 };

#[tokio::test]
async fn basic() {
    let house = open().await;
    Peer::enter(&house, &A).await.leave().await;
    let mut a = Peer::enter(&house, &A).await;
    a.subscribe(&[("TopicA", 2)], &[]).await;
    for (qos, payload) in [(0, "qos 0"), (1, "qos 1"), (2, "qos 2")] {
        a.publish(qos << 1, "TopicA", payload, &[]).await;
        let heard = a.hear().await;
        assert_eq!((heard.payload.as_str(), heard.qos), (payload, qos));
    }
    // A second CONNECT ends the connection.
    a.client.send(&A.bytes()).await;
    assert_eq!(a.client.raw().await, None);
    // So does another protocol.
    let mut other = Peer::enter(&house, &B).await;
    other.client.send(b"\x10\x0C\x00\x02hj\x04\x02\x00\x00\x00\x02ab").await;
    assert_eq!(other.client.raw().await, None);
}

#[tokio::test]
async fn retained_messages() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    for (qos, topic) in [(0, "TopicA/B"), (1, "Topic/C"), (2, "TopicA/C")] {
        a.publish(qos << 1 | 1, topic, topic, &[]).await;
    }
    a.subscribe(&[("+/+", 2)], &[]).await;
    for topic in ["Topic/C", "TopicA/B", "TopicA/C"] {
        let heard = a.hear().await;
        assert_eq!(
            (heard.topic.as_str(), heard.payload.as_str(), heard.retain),
            (topic, topic, true)
        );
    }
    for topic in ["TopicA/B", "Topic/C", "TopicA/C"] {
        a.publish(3, topic, "", &[]).await;
        a.hear().await;
    }
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("+/+", 2)], &[]).await;
    b.hears_nothing().await;
}

#[tokio::test]
async fn offline_message_queueing() {
    let house = open().await;
    let lasting = Hello { clean: false, ..A };
    let mut a = Peer::enter(&house, &lasting).await;
    a.subscribe(&[("+/+", 2)], &[]).await;
    a.leave().await;
    let mut b = Peer::enter(&house, &B).await;
    for qos in 0..3 {
        b.publish(qos << 1, "TopicA/B", &format!("qos {qos}"), &[]).await;
    }
    let mut a = Peer::enter(&house, &lasting).await;
    assert!(a.accepted.present);
    assert_eq!(a.hear().await.payload, "qos 1");
    assert_eq!(a.hear().await.payload, "qos 2");
    a.hears_nothing().await;
}

#[tokio::test]
async fn will_message() {
    let house = open().await;
    let will = Some((&[][..], "Topic/C", "client not disconnected"));
    let a = Peer::enter(&house, &Hello { will, keep_alive_s: 2, ..A }).await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("Topic/C", 2)], &[]).await;
    drop(a);
    assert_eq!(b.hear().await.payload, "client not disconnected");
}

#[tokio::test]
async fn overlapping_subscriptions() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    a.subscribe(&[("TopicA/#", 2), ("TopicA/+", 1)], &[]).await;
    a.publish(4, "TopicA/C", "overlapping topic filters", &[]).await;
    assert_eq!(a.hear().await.qos, 2);
    a.hears_nothing().await;
}

#[tokio::test]
async fn keep_alive() {
    let house = open().await;
    let will = Some((&[][..], "/TopicA", "keepalive expiry"));
    let mut a = Peer::enter(&house, &Hello { will, keep_alive_s: 1, ..A }).await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("/TopicA", 2)], &[]).await;
    assert_eq!(a.client.raw().await, None, "silence ends the connection");
    assert_eq!(b.hear().await.payload, "keepalive expiry");
}

#[tokio::test]
async fn redelivery_on_reconnect() {
    let house = open().await;
    let lasting = Hello { clean: false, ..B };
    let mut b = Peer::enter(&house, &lasting).await;
    b.subscribe(&[("TopicA/#", 2)], &[]).await;
    b.publish(2, "TopicA/B", "1", &[]).await;
    b.publish(4, "TopicA/C", "2", &[]).await;
    let first = [b.overhear().await, b.overhear().await];
    assert!(first.iter().all(|heard| !heard.again));
    drop(b);
    let mut b = Peer::enter(&house, &lasting).await;
    for earlier in first {
        let heard = b.hear().await;
        assert!(heard.again, "the duplicate flag says that it comes again");
        assert_eq!((heard.payload, heard.id), (earlier.payload, earlier.id));
    }
    b.hears_nothing().await;
}

#[tokio::test]
async fn zero_length_client_id() {
    let house = open().await;
    let refused = Peer::come(&house, &Hello { name: "", clean: false, ..V4 }).await;
    assert_eq!(refused.accepted.code, 2);
    Peer::enter(&house, &Hello { name: "", ..V4 }).await.leave().await;
}

#[tokio::test]
async fn subscribe_failure() {
    let house = open().await;
    let mut a = Peer::enter(&house, &A).await;
    let codes = a.subscribe(&[("test/nosubscribe", 2), ("TopicA", 2)], &[]).await;
    assert_eq!(codes, [0x80, 2]);
}

#[tokio::test]
async fn dollar_topics() {
    let house = open().await;
    let mut b = Peer::enter(&house, &B).await;
    b.subscribe(&[("+/+", 2), ("#", 2)], &[]).await;
    b.publish(2, "$TopicA/B", "", &[]).await;
    b.hears_nothing().await;
}
