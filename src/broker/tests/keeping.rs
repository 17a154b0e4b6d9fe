//! What is promised to a publisher, and when.

use rumqttd::protocol::{DisconnectReasonCode, Packet, PubAckReason, PubRecReason};
use tacitus_protocol::mqtt::Version;

use super::super::limits::GROUP_BYTES_MAX;
use super::client::{Client, Manner, V4_CLEAN, V5_CLEAN, packet, publish_bytes, put_text};
use super::{House, Mood, StoreError};

#[tokio::test]
async fn an_acknowledgement_waits_for_the_store() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    let mut other = Client::connect(&house, "other", V4_CLEAN).await;
    other.subscribe("#", 1).await;
    house.store.set(Mood::Wait);
    client.publish(1, 5, "a", b"1").await;
    client.publish(2, 6, "a", b"2").await;
    house.store.asked(1).await;
    client.hears_nothing().await;
    other.hears_nothing().await;
    house.store.set(Mood::Keep);
    assert!(matches!(client.receive().await, Packet::PubAck(ack, _) if ack.pkid == 5));
    assert!(matches!(client.receive().await, Packet::PubRec(ack, _) if ack.pkid == 6));
    assert_eq!(other.delivered().await.1, "1");
    assert_eq!(other.delivered().await.1, "2");
}

#[tokio::test]
async fn what_is_read_together_is_one_group() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    let mut bytes = Vec::new();
    for id in 1..=100 {
        bytes.extend(publish_bytes(Version::V4, 2, id, "a", &id.to_be_bytes()));
    }
    client.send(&bytes).await;
    for id in 1..=100 {
        let packet = client.receive().await;
        assert!(matches!(&packet, Packet::PubAck(ack, _) if ack.pkid == id), "{packet:?}");
    }
    let groups = house.store.groups.lock().unwrap();
    assert!(groups.len() < 20, "{} groups", groups.len());
    let first = &groups[0][0];
    assert_eq!((&*first.client, &*first.topic, first.qos, first.retain), ("c", "a", 1, false));
}

#[tokio::test]
async fn reading_goes_on_while_a_group_waits_and_acknowledgements_keep_their_order() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    house.store.set(Mood::Wait);
    for id in 1..=3 {
        client.publish(1, id, "a", b"").await;
        house.store.asked(usize::from(id)).await;
    }
    client.hears_nothing().await;
    house.store.set(Mood::Keep);
    for id in 1..=3 {
        assert!(matches!(client.receive().await, Packet::PubAck(ack, _) if ack.pkid == id));
    }
}

#[tokio::test]
async fn without_room_mqtt_5_hears_0x97_and_may_try_again() {
    let house = House::open().await;
    for error in [StoreError::Full, StoreError::Busy] {
        let mut client = Client::connect(&house, "c", V5_CLEAN).await;
        house.store.set(Mood::Refuse(error));
        client.publish(1, 1, "a", b"").await;
        let answer = client.receive().await;
        assert!(
            matches!(answer, Packet::PubAck(ack, _) if ack.reason == PubAckReason::QuotaExceeded)
        );
        client.publish(2, 2, "a", b"").await;
        let answer = client.receive().await;
        assert!(
            matches!(answer, Packet::PubRec(ack, _) if ack.reason == PubRecReason::QuotaExceeded)
        );
        house.store.set(Mood::Keep);
        client.publish_kept("a", b"", false).await;
    }
    assert_eq!(house.store.kept().len(), 2);
}

#[tokio::test]
async fn without_room_3_1_1_is_sent_away_unacknowledged() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    house.store.set(Mood::Refuse(StoreError::Full));
    client.publish(1, 1, "a", b"").await;
    assert_eq!(client.last_words().await, []);
}

#[tokio::test]
async fn a_failed_store_sends_everybody_away_unacknowledged() {
    let house = House::open().await;
    house.store.set(Mood::Refuse(StoreError::Failed));
    let mut old = Client::connect(&house, "old", V4_CLEAN).await;
    old.publish(2, 1, "a", b"").await;
    assert_eq!(old.last_words().await, []);
    let mut new = Client::connect(&house, "new", V5_CLEAN).await;
    new.publish(2, 1, "a", b"").await;
    let words = new.last_words().await;
    let [Packet::Disconnect(disconnect, _)] = &words[..] else {
        panic!("not a reason: {words:?}");
    };
    assert_eq!(disconnect.reason_code, DisconnectReasonCode::ImplementationSpecificError);
}

#[tokio::test]
async fn quality_2_is_stored_once_even_if_the_connection_is_lost_in_between() {
    let house = House::open().await;
    let manner = Manner { clean: false, ..V4_CLEAN };
    let publish = publish_bytes(Version::V4, 4, 9, "a", b"1");
    let mut client = Client::connect(&house, "c", manner).await;
    house.store.set(Mood::Wait);
    client.send(&publish).await;
    house.store.asked(1).await;
    // The client is gone before the store has answered.
    drop(client);
    house.store.set(Mood::Keep);
    let mut client = Client::connect(&house, "c", manner).await;
    assert!(client.session_present);
    client.send(&publish).await;
    assert!(matches!(client.receive().await, Packet::PubRec(ack, _) if ack.pkid == 9));
    client.send(b"\x62\x02\x00\x09").await;
    assert!(matches!(client.receive().await, Packet::PubComp(ack, _) if ack.pkid == 9));
    assert_eq!(house.store.kept().len(), 1);
}

#[tokio::test]
async fn what_was_sent_before_a_disconnect_is_kept() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    let mut bytes = publish_bytes(Version::V4, 0, 0, "a", b"1");
    bytes.extend_from_slice(b"\xE0\x00");
    client.send(&bytes).await;
    client.last_words().await;
    assert_eq!(house.store.kept(), [("a".to_owned(), "1".into())]);
}

#[tokio::test]
async fn an_alias_that_stands_for_a_long_topic_makes_no_huge_group() {
    const COUNT: usize = 1000;
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V5_CLEAN).await;
    let topic = "x".repeat(60_000);
    let mut body = Vec::new();
    put_text(&mut body, &topic);
    body.extend_from_slice(&[3, 0x23, 0, 1]);
    let mut bytes = packet(0x30, &body);
    for _ in 1..COUNT {
        bytes.extend(packet(0x30, &[0, 0, 3, 0x23, 0, 1]));
    }
    client.send(&bytes).await;
    // Acknowledged after all before it.
    client.publish_kept("$end", b"", false).await;
    let groups = house.store.groups.lock().unwrap();
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), COUNT);
    let largest = groups.iter().map(Vec::len).max().unwrap();
    assert!(largest * topic.len() < 2 * GROUP_BYTES_MAX, "{largest} messages in one group");
}

#[tokio::test]
async fn topics_that_begin_with_a_dollar_are_not_the_historians() {
    let house = House::open().await;
    let mut client = Client::connect(&house, "c", V4_CLEAN).await;
    let mut hidden = Client::connect(&house, "hidden", V4_CLEAN).await;
    hidden.subscribe("$x/#", 0).await;
    client.subscribe("#", 0).await;
    client.publish_kept("$x/a", b"1", false).await;
    assert_eq!(hidden.delivered().await.0, "$x/a");
    client.hears_nothing().await;
    assert_eq!(house.store.kept(), []);
}
