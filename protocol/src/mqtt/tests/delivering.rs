//! What a client is sent: windows, acknowledgements, resumption.

use rumqttd::protocol::{Packet, QoS};

use super::super::limits::FLIGHT_BYTES_MAX;
use super::super::{Connection, Delivery, Message, Parts, Session, SessionKey, Version};
use super::{answer, connect_bytes, message, open, open_with, payload_of, read_as_client, say};

fn delivery(qos: QoS, payload: &str) -> Delivery {
    Delivery {
        message: message("a/b", payload.as_bytes()),
        qos,
        retain: false,
        subscription_ids: vec![],
        serial: 0,
        is_again: false,
    }
}

/// Gives deliveries as long as there is room; how many were taken.
fn fill(client: &mut Connection, qos: QoS, count: usize) -> usize {
    client.resend(0);
    let mut taken = 0;
    while taken < count && client.has_room() {
        client.deliver(delivery(qos, &taken.to_string()), 0);
        taken += 1;
    }
    taken
}

#[test]
fn each_version_reads_what_it_is_sent() {
    for version in [Version::V4, Version::V5] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut client = open(version);
            client.deliver(delivery(qos, "42"), 0);
            let packets = read_as_client(version, &answer(&mut client));
            let [Packet::Publish(publish, None)] = &packets[..] else {
                panic!("not one publish: {packets:?}");
            };
            assert_eq!((&publish.topic[..], &publish.payload[..]), (&b"a/b"[..], &b"42"[..]));
            let header = publish.serialize();
            assert_eq!(header[0], 0x30 | (qos as u8) << 1);
        }
    }
}

#[test]
fn properties_reach_mqtt_5_and_not_3_1_1() {
    let message = Message::new(Parts {
        topic: "a",
        payload: b"1",
        qos: QoS::AtMostOnce,
        retain: false,
        publisher: SessionKey(1),
        expires_at_ms: Some(10_000),
        properties: b"\x01\x01\x26\x00\x01k\x00\x01v",
    })
    .unwrap();
    let subscription_ids = vec![1, 300];
    let delivery =
        Delivery { message, retain: true, subscription_ids, ..delivery(QoS::AtMostOnce, "") };
    let mut client = open(Version::V5);
    client.deliver(delivery.clone(), 2_500);
    let packets = read_as_client(Version::V5, &answer(&mut client));
    let [Packet::Publish(publish, Some(properties))] = &packets[..] else {
        panic!("not one publish with properties: {packets:?}");
    };
    assert!(publish.retain);
    assert_eq!(properties.payload_format_indicator, Some(1));
    assert_eq!(properties.message_expiry_interval, Some(8));
    assert_eq!(properties.subscription_identifiers, [1, 300]);
    assert_eq!(properties.user_properties, [("k".to_owned(), "v".to_owned())]);

    let mut client = open(Version::V4);
    client.deliver(delivery, 2_500);
    assert_eq!(answer(&mut client), b"\x31\x04\x00\x01a1");
}

#[test]
fn an_expired_message_is_not_delivered() {
    let message = Message::new(Parts {
        topic: "a",
        payload: b"1",
        qos: QoS::AtLeastOnce,
        retain: false,
        publisher: SessionKey(1),
        expires_at_ms: Some(1000),
        properties: b"",
    })
    .unwrap();
    let mut client = open(Version::V4);
    let qos = QoS::AtLeastOnce;
    client.deliver(Delivery { message, ..delivery(qos, "") }, 1000);
    assert_eq!(answer(&mut client), b"");
}

#[test]
fn topics_get_an_alias_as_far_as_the_client_allows_them() {
    // Topic alias maximum 1.
    let connect = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x03\x22\x00\x01\x00\x01c";
    let mut client = open_with(Version::V5, connect, Session::new(SessionKey(7)));
    let other = Delivery { message: message("b", b"2"), ..delivery(QoS::AtMostOnce, "") };
    client.deliver(delivery(QoS::AtMostOnce, "1"), 0);
    client.deliver(other.clone(), 0);
    client.deliver(delivery(QoS::AtMostOnce, "1"), 0);
    let packets = read_as_client(Version::V5, &answer(&mut client));
    let heard: Vec<_> = packets
        .iter()
        .map(|packet| match packet {
            Packet::Publish(publish, properties) => {
                let alias = properties.as_ref().and_then(|properties| properties.topic_alias);
                (&publish.topic[..], alias)
            }
            other => panic!("not a publish: {other:?}"),
        })
        .collect();
    assert_eq!(heard, [(&b"a/b"[..], Some(1)), (b"b", None), (b"", Some(1))]);

    let mut plain = open(Version::V5);
    plain.deliver(other, 0);
    assert_eq!(answer(&mut plain), b"\x30\x05\x00\x01b\x002");
}

#[test]
fn a_message_that_was_too_large_defines_no_alias() {
    // Topic alias maximum 1, maximum packet size 20.
    let connect =
        b"\x10\x16\x00\x04MQTT\x05\x02\x00\x00\x08\x22\x00\x01\x27\x00\x00\x00\x14\x00\x01c";
    let mut client = open_with(Version::V5, connect, Session::new(SessionKey(7)));
    assert!(!client.deliver(delivery(QoS::AtMostOnce, "12345678901234567890"), 0));
    assert!(client.deliver(delivery(QoS::AtMostOnce, "1"), 0));
    assert_eq!(answer(&mut client), b"\x30\x0A\x00\x03a/b\x03\x23\x00\x011");
}

#[test]
fn the_window_is_the_clients_receive_maximum_and_acknowledgements_open_it() {
    // Receive maximum 2.
    let connect = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x02\x00\x01c";
    let mut client = open_with(Version::V5, connect, Session::new(SessionKey(7)));
    assert_eq!(fill(&mut client, QoS::AtLeastOnce, 5), 2);
    // Out of order, and one nobody awaits.
    say(&mut client, b"\x40\x02\x00\x63").unwrap();
    assert!(!client.has_room());
    say(&mut client, b"\x40\x02\x00\x02").unwrap();
    assert_eq!(fill(&mut client, QoS::ExactlyOnce, 5), 1);
    // PUBREC does not open the window, PUBCOMP does.
    say(&mut client, b"\x50\x02\x00\x03").unwrap();
    assert!(!client.has_room());
    say(&mut client, b"\x70\x02\x00\x03").unwrap();
    assert!(client.has_room());
}

#[test]
fn large_messages_shut_the_window_before_their_count_does() {
    let mut client = open(Version::V4);
    let large = "x".repeat(FLIGHT_BYTES_MAX / 2);
    for _ in 0..2 {
        assert!(client.has_room());
        client.deliver(delivery(QoS::ExactlyOnce, &large), 0);
        client.output.clear();
    }
    assert!(!client.has_room());
    // With PUBREC the message has arrived; only its id is in flight.
    say(&mut client, b"\x50\x02\x00\x01").unwrap();
    assert!(client.has_room());
}

#[test]
fn a_message_larger_than_the_client_takes_is_left_out() {
    // Maximum packet size 20.
    let connect = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x00\x05\x27\x00\x00\x00\x14\x00\x01c";
    let mut client = open_with(Version::V5, connect, Session::new(SessionKey(7)));
    client.deliver(delivery(QoS::AtLeastOnce, &"x".repeat(11)), 0);
    assert_eq!(answer(&mut client), b"");
    client.deliver(delivery(QoS::AtLeastOnce, &"x".repeat(10)), 0);
    assert_eq!(answer(&mut client).len(), 20);
}

#[test]
fn quality_2_goes_out_in_four_steps() {
    let mut client = open(Version::V4);
    client.deliver(delivery(QoS::ExactlyOnce, "1"), 0);
    answer(&mut client);
    say(&mut client, b"\x50\x02\x00\x01").unwrap();
    assert_eq!(answer(&mut client), b"\x62\x02\x00\x01");
    say(&mut client, b"\x70\x02\x00\x01").unwrap();
    assert_eq!(answer(&mut client), b"");
    assert_eq!(client.into_session().flights.len(), 0);
}

#[test]
fn an_unknown_pubrec_is_answered_and_mqtt_5_is_told() {
    let mut client = open(Version::V5);
    say(&mut client, b"\x50\x02\x00\x08").unwrap();
    assert_eq!(answer(&mut client), b"\x62\x04\x00\x08\x92\x00");
}

#[test]
fn a_pubrec_that_says_no_ends_the_flight() {
    let mut client = open(Version::V5);
    client.deliver(delivery(QoS::ExactlyOnce, "1"), 0);
    answer(&mut client);
    say(&mut client, b"\x50\x03\x00\x01\x97").unwrap();
    assert_eq!(answer(&mut client), b"");
    assert_eq!(client.into_session().flights.len(), 0);
}

#[test]
fn a_resumed_session_gets_its_flights_again_in_order_before_anything_new() {
    let mut client = open(Version::V4);
    for payload in ["1", "2", "3"] {
        client.deliver(delivery(QoS::ExactlyOnce, payload), 0);
    }
    say(&mut client, b"\x50\x02\x00\x02").unwrap();
    let mut client = open_with(Version::V4, &connect_bytes(Version::V4), client.into_session());
    assert!(!client.has_room(), "new messages wait for the old ones");
    client.resend(0);
    client.deliver(delivery(QoS::AtLeastOnce, "4"), 0);
    let packets = read_as_client(Version::V4, &answer(&mut client));
    let [first, Packet::PubRel(release, _), third, fourth] = &packets[..] else {
        panic!("not publish, release, publish, publish: {packets:?}");
    };
    assert_eq!(payload_of(first), "1");
    assert_eq!(release.pkid, 2);
    assert_eq!(payload_of(third), "3");
    assert_eq!(payload_of(fourth), "4");
    let headers = |packet: &Packet| match packet {
        Packet::Publish(publish, _) => publish.serialize()[..3].to_vec(),
        other => panic!("not a publish: {other:?}"),
    };
    assert_eq!(headers(first), [0x3C, 0, 1], "duplicate flag and the same id");
    assert_eq!(headers(fourth), [0x32, 0, 4], "a fresh id");
}

#[test]
fn acknowledgements_may_arrive_while_flights_are_sent_again() {
    let mut client = open(Version::V4);
    fill(&mut client, QoS::AtLeastOnce, 3);
    let mut client = open_with(Version::V4, &connect_bytes(Version::V4), client.into_session());
    say(&mut client, b"\x40\x02\x00\x01").unwrap();
    client.resend(0);
    let packets = read_as_client(Version::V4, &answer(&mut client));
    let payloads: Vec<_> = packets.iter().map(payload_of).collect();
    assert_eq!(payloads, ["1", "2"]);
    assert!(client.has_room());
}

#[test]
fn packet_ids_go_round_and_skip_those_in_flight() {
    let mut client = open(Version::V4);
    client.deliver(delivery(QoS::AtLeastOnce, "stays"), 0);
    for id in 2..=u16::MAX {
        client.deliver(delivery(QoS::AtLeastOnce, ""), 0);
        client.output.clear();
        let ack = [&[0x40, 2], &id.to_be_bytes()[..]].concat();
        say(&mut client, &ack).unwrap();
    }
    client.deliver(delivery(QoS::AtLeastOnce, ""), 0);
    assert_eq!(answer(&mut client)[7..9], [0, 2], "1 is in flight");
}
