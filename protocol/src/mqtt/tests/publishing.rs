//! What a client publishes: acknowledgements, and when they come.

use rumqttd::protocol::DisconnectReasonCode;

use super::super::limits::RECEIVE_MAX;
use super::super::{Action, Awaited, QoS, Stored, Version};
use super::{answer, open, packet, publish_bytes, published, say};

#[test]
fn puback_comes_from_the_store_and_not_from_the_packet() {
    let mut client = open(Version::V4);
    let action = say(&mut client, &publish_bytes(Version::V4, 1, 5, "a", b"1")).unwrap();
    let (message, awaited) = published(action);
    assert_eq!((message.topic(), message.qos()), ("a", QoS::AtLeastOnce));
    assert_eq!(answer(&mut client), b"");
    client.stored(awaited, Stored::Kept).unwrap();
    assert_eq!(answer(&mut client), b"\x40\x02\x00\x05");
}

#[test]
fn a_message_of_quality_0_waits_for_nothing() {
    for version in [Version::V4, Version::V5] {
        let mut client = open(version);
        let publish = publish_bytes(version, 0, 0, "a", b"");
        let (_, awaited) = published(say(&mut client, &publish).unwrap());
        assert_eq!(awaited, Awaited::Nothing);
        client.stored(awaited, Stored::NoRoom).unwrap();
        assert_eq!(answer(&mut client), b"");
    }
}

#[test]
fn quality_2_is_taken_once_however_often_it_is_sent() {
    let publish = publish_bytes(Version::V4, 2, 9, "a", b"1");
    let mut again = publish.clone();
    again[0] |= 0x08;
    let mut client = open(Version::V4);
    let (_, awaited) = published(say(&mut client, &publish).unwrap());
    // Sent again while the store has it: its PUBREC is still to come.
    assert_eq!(say(&mut client, &again).unwrap(), Action::None);
    assert_eq!(answer(&mut client), b"");
    client.stored(awaited, Stored::Kept).unwrap();
    assert_eq!(answer(&mut client), b"\x50\x02\x00\x09");
    // Sent again because the PUBREC was lost.
    assert_eq!(say(&mut client, &again).unwrap(), Action::None);
    assert_eq!(answer(&mut client), b"\x50\x02\x00\x09");
    assert_eq!(say(&mut client, b"\x62\x02\x00\x09").unwrap(), Action::None);
    assert_eq!(answer(&mut client), b"\x70\x02\x00\x09");
    // After PUBREL the id is free: this is another message.
    published(say(&mut client, &publish).unwrap());
}

#[test]
fn an_open_quality_2_id_outlives_the_connection() {
    let publish = publish_bytes(Version::V4, 2, 9, "a", b"1");
    let mut client = open(Version::V4);
    let (_, awaited) = published(say(&mut client, &publish).unwrap());
    client.stored(awaited, Stored::Kept).unwrap();
    let session = client.into_session();
    let connect = super::connect_bytes(Version::V4);
    let mut client = super::open_with(Version::V4, &connect, session);
    assert_eq!(say(&mut client, &publish).unwrap(), Action::None);
    assert_eq!(answer(&mut client), b"\x50\x02\x00\x09");
}

#[test]
fn an_unknown_pubrel_is_answered_and_mqtt_5_is_told() {
    let mut client = open(Version::V4);
    say(&mut client, b"\x62\x02\x00\x07").unwrap();
    assert_eq!(answer(&mut client), b"\x70\x02\x00\x07");
    let mut client = open(Version::V5);
    say(&mut client, b"\x62\x02\x00\x07").unwrap();
    assert_eq!(answer(&mut client), b"\x70\x04\x00\x07\x92\x00");
}

#[test]
fn a_pubrel_with_reason_and_properties_is_a_pubrel() {
    let mut client = open(Version::V5);
    let publish = publish_bytes(Version::V5, 2, 1, "a", b"1");
    let (_, awaited) = published(say(&mut client, &publish).unwrap());
    client.stored(awaited, Stored::Kept).unwrap();
    answer(&mut client);
    say(&mut client, b"\x62\x0B\x00\x01\x00\x07\x26\x00\x01k\x00\x01v").unwrap();
    assert_eq!(answer(&mut client), b"\x70\x02\x00\x01");
}

#[test]
fn no_room_is_0x97_for_mqtt_5_and_the_end_for_3_1_1() {
    for (qos, want) in
        [(1, &b"\x40\x04\x00\x03\x97\x00"[..]), (2, &b"\x50\x04\x00\x03\x97\x00"[..])]
    {
        let publish = publish_bytes(Version::V5, qos, 3, "a", b"1");
        let mut client = open(Version::V5);
        let (_, awaited) = published(say(&mut client, &publish).unwrap());
        client.stored(awaited, Stored::NoRoom).unwrap();
        assert_eq!(answer(&mut client), want);
        // The id is free again: the next attempt is taken.
        published(say(&mut client, &publish).unwrap());

        let publish = publish_bytes(Version::V4, qos, 3, "a", b"1");
        let mut client = open(Version::V4);
        let (_, awaited) = published(say(&mut client, &publish).unwrap());
        client.stored(awaited, Stored::NoRoom).unwrap_err();
        assert_eq!(answer(&mut client), b"");
        published(say(&mut client, &publish).unwrap());
    }
}

#[test]
fn more_unacknowledged_messages_than_the_receive_maximum_end_mqtt_5() {
    let mut client = open(Version::V5);
    for id in 1..=RECEIVE_MAX {
        say(&mut client, &publish_bytes(Version::V5, 2, id, "a", b"")).unwrap();
    }
    let one_more = publish_bytes(Version::V5, 1, RECEIVE_MAX + 1, "a", b"");
    let refusal = say(&mut client, &one_more).unwrap_err();
    assert_eq!(refusal.reason, DisconnectReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn a_topic_alias_stands_for_its_topic_until_it_is_changed() {
    let publish = |topic: &str, alias: u8| {
        let length = u8::try_from(topic.len()).unwrap();
        let body = [&[0, length], topic.as_bytes(), &[3, 0x23, 0, alias, b'x']].concat();
        packet(0x30, &body)
    };
    let mut client = open(Version::V5);
    for (topic, alias, want) in
        [("a", 1, "a"), ("b", 2, "b"), ("", 1, "a"), ("c", 1, "c"), ("", 1, "c")]
    {
        let (message, _) = published(say(&mut client, &publish(topic, alias)).unwrap());
        assert_eq!(message.topic(), want);
    }
}

#[test]
fn a_ping_is_answered_at_once() {
    let mut client = open(Version::V4);
    say(&mut client, b"\xC0\x00").unwrap();
    assert_eq!(answer(&mut client), b"\xD0\x00");
}
