//! Bytes that are not packets, packets that are not allowed, and any bytes at all.

use bytes::BytesMut;
use proptest::prelude::*;
use rumqttd::protocol::v4::V4;
use rumqttd::protocol::v5::V5;
use rumqttd::protocol::{
    Connect, ConnectProperties, ConnectReturnCode, DisconnectReasonCode, Filter, LastWill,
    LastWillProperties, Login, Packet, Protocol, QoS, RetainForwardRule, Subscribe,
    SubscribeProperties, Unsubscribe,
};

use super::super::limits::{PACKET_BYTES_MAX, SUBSCRIPTIONS_MAX};
use super::super::{Action, ConnectError, Version, converse, read_connect};
use super::{connect_bytes, frame, open, packet, publish_bytes, published, say};

use DisconnectReasonCode::{
    MalformedPacket, PacketTooLarge, ProtocolError, TopicAliasInvalid, TopicNameInvalid,
};

#[test]
fn first_bytes_that_no_client_may_send_are_refused_before_the_packet_is_complete() {
    let cases = [
        (0x00, MalformedPacket),
        (0x11, MalformedPacket),
        (0x20, ProtocolError),
        (0x36, MalformedPacket),
        (0x38, MalformedPacket),
        (0x41, MalformedPacket),
        (0x50 | 0x02, MalformedPacket),
        (0x60, MalformedPacket),
        (0x71, MalformedPacket),
        (0x80, MalformedPacket),
        (0x90, ProtocolError),
        (0xA0, MalformedPacket),
        (0xB0, ProtocolError),
        (0xC1, MalformedPacket),
        (0xD0, ProtocolError),
        (0xE1, MalformedPacket),
        (0xF0, ProtocolError),
    ];
    for (header, reason) in cases {
        assert_eq!(frame(&[header]).unwrap_err().reason, reason, "first byte {header:#04x}");
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_its_body_arrives() {
    let mut bytes = BytesMut::from(&[0x30][..]);
    super::super::wire::put_varint(&mut bytes, PACKET_BYTES_MAX + 1);
    assert_eq!(frame(&bytes).unwrap_err().reason, PacketTooLarge);
    assert_eq!(frame(b"\x30\xFF\xFF\xFF\x7F").unwrap_err().reason, PacketTooLarge);
    assert_eq!(frame(b"\x30\xFF\xFF\xFF\xFF").unwrap_err().reason, MalformedPacket);
}

#[test]
fn a_packet_that_comes_byte_by_byte_is_the_same_packet() {
    let bytes = publish_bytes(Version::V4, 1, 9, "a/b", &[7; 300]);
    let mut frames = super::super::Frames::default();
    for byte in &bytes[..bytes.len() - 1] {
        frames.buffer().extend_from_slice(&[*byte]);
        assert_eq!(frames.next_frame().unwrap(), None);
    }
    frames.buffer().extend_from_slice(&bytes[bytes.len() - 1..]);
    assert_eq!(frames.next_frame().unwrap(), frame(&bytes).unwrap());
    assert!(!frames.is_partial());
}

#[test]
fn packets_against_the_rules_end_the_connection_with_the_right_reason() {
    use Version::{V4, V5};
    let cases: &[(&str, Version, &[u8], DisconnectReasonCode)] = &[
        ("second CONNECT", V4, &connect_bytes(V4), ProtocolError),
        ("topic not UTF-8", V4, b"\x30\x04\x00\x02\xC3\x28", MalformedPacket),
        ("topic with a surrogate", V4, b"\x30\x05\x00\x03\xED\xA0\x80", MalformedPacket),
        ("topic with U+0000", V4, b"\x30\x05\x00\x03a\x00b", MalformedPacket),
        ("empty topic", V4, b"\x30\x02\x00\x00", ProtocolError),
        ("empty topic, no alias", V5, b"\x30\x03\x00\x00\x00", ProtocolError),
        ("wildcard in a topic", V4, b"\x30\x05\x00\x03a/#", TopicNameInvalid),
        ("plus in a topic", V5, b"\x30\x06\x00\x03+/a\x00", TopicNameInvalid),
        ("topic longer than packet", V4, b"\x30\x03\x00\x09a", MalformedPacket),
        ("no packet id", V4, b"\x32\x03\x00\x01a", MalformedPacket),
        ("packet id 0", V4, b"\x32\x05\x00\x01a\x00\x00", ProtocolError),
        ("no property length", V5, b"\x30\x03\x00\x01a", MalformedPacket),
        ("properties too long", V5, b"\x30\x05\x00\x01a\x09\x01", MalformedPacket),
        ("property cut short", V5, b"\x30\x06\x00\x01a\x02\x02\x00", MalformedPacket),
        ("property of CONNECT", V5, b"\x30\x09\x00\x01a\x05\x11\x00\x00\x00\x00", ProtocolError),
        ("unknown property", V5, b"\x30\x06\x00\x01a\x02\x7F\x00", ProtocolError),
        ("property twice", V5, b"\x30\x08\x00\x01a\x04\x01\x01\x01\x01", ProtocolError),
        ("payload format 2", V5, b"\x30\x06\x00\x01a\x02\x01\x02", ProtocolError),
        ("alias 0", V5, b"\x30\x07\x00\x01a\x03\x23\x00\x00", TopicAliasInvalid),
        ("alias too high", V5, b"\x30\x07\x00\x01a\x03\x23\x7F\xFF", TopicAliasInvalid),
        ("alias unknown", V5, b"\x30\x06\x00\x00\x03\x23\x00\x01", ProtocolError),
        ("subscription id", V5, b"\x30\x06\x00\x01a\x02\x0B\x01", ProtocolError),
        ("response topic #", V5, b"\x30\x08\x00\x01a\x04\x08\x00\x01#", ProtocolError),
        ("length not minimal", V5, b"\x30\x05\x00\x01a\x80\x00", MalformedPacket),
        ("PUBACK too short", V4, b"\x40\x01\x00", MalformedPacket),
        ("PUBACK too long", V4, b"\x40\x03\x00\x01\x00", MalformedPacket),
        ("PUBREL id 0", V4, b"\x62\x02\x00\x00", ProtocolError),
        ("SUBSCRIBE without filter", V4, b"\x82\x02\x00\x01", ProtocolError),
        ("SUBSCRIBE QoS 3", V4, b"\x82\x06\x00\x01\x00\x01a\x03", MalformedPacket),
        ("SUBSCRIBE reserved", V4, b"\x82\x06\x00\x01\x00\x01a\x04", MalformedPacket),
        ("SUBSCRIBE reserved", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x40", MalformedPacket),
        ("retain handling 3", V5, b"\x82\x07\x00\x01\x00\x00\x01a\x30", ProtocolError),
        ("subscription id 0", V5, b"\x82\x09\x00\x01\x02\x0B\x00\x00\x01a\x00", ProtocolError),
        ("UNSUBSCRIBE nothing", V4, b"\xA2\x02\x00\x01", ProtocolError),
        ("PINGREQ with body", V4, b"\xC0\x01\x00", MalformedPacket),
        ("DISCONNECT with body", V4, b"\xE0\x01\x00", MalformedPacket),
    ];
    for (what, version, bytes, reason) in cases {
        let refusal = say(&mut open(*version), bytes).unwrap_err();
        assert_eq!(refusal.reason, *reason, "{what}");
    }
}

#[test]
fn a_packet_with_more_filters_than_a_session_may_have_is_refused() {
    let mut body = vec![0, 1];
    for _ in 0..=SUBSCRIPTIONS_MAX {
        body.extend_from_slice(b"\x00\x01a\x00");
    }
    let refusal = say(&mut open(Version::V4), &packet(0x82, &body)).unwrap_err();
    assert_eq!(refusal.reason, DisconnectReasonCode::QuotaExceeded);
}

#[test]
fn a_topic_of_65535_bytes_is_a_topic() {
    let topic = "x".repeat(65_535);
    for version in [Version::V4, Version::V5] {
        let bytes = publish_bytes(version, 0, 0, &topic, b"1");
        let (message, _) = published(say(&mut open(version), &bytes).unwrap());
        assert_eq!(message.topic(), topic);
        assert_eq!(message.payload(), "1");
    }
}

#[test]
fn connects_against_the_rules_get_the_answer_of_their_version_or_none() {
    type Answer = Option<(Version, ConnectReturnCode)>;
    let answer = |version, code| Some((version, code));
    let cases: &[(&str, &[u8], Answer)] = &[
        ("not CONNECT", b"\xC0\x00", None),
        ("not MQTT", b"\x10\x0D\x00\x04HTTP\x04\x02\x00\x00\x00\x01c", None),
        (
            "MQTT 3.1",
            b"\x10\x0F\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01c",
            answer(Version::V4, ConnectReturnCode::RefusedProtocolVersion),
        ),
        (
            "bridge bit",
            b"\x10\x0D\x00\x04MQTT\x84\x02\x00\x00\x00\x01c",
            answer(Version::V4, ConnectReturnCode::RefusedProtocolVersion),
        ),
        (
            "MQTT 6",
            b"\x10\x0D\x00\x04MQTT\x06\x02\x00\x00\x00\x01c",
            answer(Version::V5, ConnectReturnCode::UnsupportedProtocolVersion),
        ),
        ("reserved flag", b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x00\x00\x01c", None),
        (
            "reserved flag, MQTT 5",
            b"\x10\x0E\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x01c",
            answer(Version::V5, ConnectReturnCode::MalformedPacket),
        ),
        ("will retain without will", b"\x10\x0D\x00\x04MQTT\x04\x22\x00\x00\x00\x01c", None),
        ("password without user", b"\x10\x10\x00\x04MQTT\x04\x42\x00\x00\x00\x01c\x00\x01p", None),
        (
            "no name and not clean",
            b"\x10\x0C\x00\x04MQTT\x04\x00\x00\x00\x00\x00",
            answer(Version::V4, ConnectReturnCode::ClientIdentifierNotValid),
        ),
        ("bytes after the end", b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x00\x00\x01cx", None),
        (
            "enhanced authentication",
            b"\x10\x12\x00\x04MQTT\x05\x02\x00\x00\x04\x15\x00\x01x\x00\x01c",
            answer(Version::V5, ConnectReturnCode::BadAuthenticationMethod),
        ),
        (
            "receive maximum 0",
            b"\x10\x11\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x01c",
            answer(Version::V5, ConnectReturnCode::ProtocolError),
        ),
    ];
    for (what, bytes, want) in cases {
        let got = match read_connect(&frame(bytes).unwrap().unwrap()).unwrap_err() {
            ConnectError::Silent(_) => None,
            ConnectError::Answer { version, code, .. } => Some((version, code)),
        };
        assert_eq!(got, *want, "{what}");
    }
}

#[test]
fn a_password_may_be_any_bytes() {
    let bytes = b"\x10\x14\x00\x04MQTT\x04\xC2\x00\x00\x00\x01c\x00\x01u\x00\x02\xFF\x00";
    let connect = read_connect(&frame(bytes).unwrap().unwrap()).unwrap();
    assert_eq!(connect.user.as_deref(), Some("u"));
    assert_eq!(connect.password.as_deref(), Some(&b"\xFF\x00"[..]));
}

/// The codec of rumqttd is written by others from the same standard: what it writes, we read.
#[test]
fn what_another_codec_writes_is_read_alike() {
    let will = LastWill {
        topic: "w/t".into(),
        message: "gone".into(),
        qos: QoS::AtLeastOnce,
        retain: true,
    };
    let connect = Connect { keep_alive: 30, client_id: "id".to_owned(), clean_session: false };
    let login = Login { username: "u".to_owned(), password: "p".to_owned() };
    let mut v4 = BytesMut::new();
    let packet =
        Packet::Connect(connect.clone(), None, Some(will.clone()), None, Some(login.clone()));
    V4.write(packet, &mut v4).unwrap();
    let properties = ConnectProperties {
        session_expiry_interval: Some(77),
        receive_maximum: Some(5),
        max_packet_size: Some(1000),
        topic_alias_max: Some(3),
        request_response_info: Some(1),
        request_problem_info: Some(0),
        user_properties: vec![("k".to_owned(), "v".to_owned())],
        authentication_method: None,
        authentication_data: None,
    };
    let will_properties = LastWillProperties {
        delay_interval: Some(4),
        payload_format_indicator: Some(1),
        message_expiry_interval: Some(60),
        content_type: Some("t".to_owned()),
        response_topic: Some("r".to_owned()),
        correlation_data: Some("c".into()),
        user_properties: vec![("a".to_owned(), "b".to_owned())],
    };
    let mut v5 = BytesMut::new();
    let packet =
        Packet::Connect(connect, Some(properties), Some(will), Some(will_properties), Some(login));
    V5.write(packet, &mut v5).unwrap();
    for (bytes, version, expiry_s, delay_s) in
        [(v4, Version::V4, u32::MAX, 0), (v5, Version::V5, 77, 4)]
    {
        let read = read_connect(&frame(&bytes).unwrap().unwrap()).unwrap();
        assert_eq!((read.version, read.keep_alive_s), (version, 30));
        assert_eq!((read.client_id.as_str(), read.clean_start), ("id", false));
        assert_eq!(read.session_expiry_s, expiry_s);
        let will = read.will.unwrap();
        assert_eq!((will.topic.as_str(), &will.payload[..]), ("w/t", &b"gone"[..]));
        assert_eq!((will.qos, will.retain, will.delay_s), (QoS::AtLeastOnce, true, delay_s));
        assert_eq!(read.user.as_deref(), Some("u"));
        assert_eq!(read.password.as_deref(), Some(&b"p"[..]));
    }
}

#[test]
fn subscriptions_another_codec_writes_are_read_alike() {
    let filter = Filter {
        path: "a/+".to_owned(),
        qos: QoS::AtLeastOnce,
        nolocal: true,
        preserve_retain: true,
        retain_forward_rule: RetainForwardRule::OnNewSubscribe,
    };
    let subscribe = Subscribe { pkid: 3, filters: vec![filter] };
    let properties = SubscribeProperties { id: Some(300), user_properties: Vec::new() };
    let mut bytes = BytesMut::new();
    V5.write(Packet::Subscribe(subscribe, Some(properties)), &mut bytes).unwrap();
    let action = say(&mut open(Version::V5), &bytes).unwrap();
    let Action::Subscribe { packet_id: 3, subscription_id: Some(300), requests } = action else {
        panic!("not what was asked for: {action:?}");
    };
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!((request.filter.as_str(), request.qos), ("a/+", QoS::AtLeastOnce));
    assert!(request.no_local && request.retain_as_published);
    assert_eq!(request.retain_rule, RetainForwardRule::OnNewSubscribe);

    let unsubscribe = Unsubscribe { pkid: 4, filters: vec!["a".to_owned(), "b/#".to_owned()] };
    for version in [Version::V4, Version::V5] {
        let mut bytes = BytesMut::new();
        let packet = Packet::Unsubscribe(unsubscribe.clone(), None);
        match version {
            Version::V4 => V4.write(packet, &mut bytes).unwrap(),
            Version::V5 => V5.write(packet, &mut bytes).unwrap(),
        };
        let want =
            Action::Unsubscribe { packet_id: 4, filters: vec!["a".to_owned(), "b/#".to_owned()] };
        assert_eq!(say(&mut open(version), &bytes).unwrap(), want);
    }
}

#[test]
fn a_disconnect_says_whether_the_will_is_wanted() {
    let cases: &[(&[u8], bool, Option<u32>)] = &[
        (b"\xE0\x00", false, None),
        (b"\xE0\x01\x00", false, None),
        (b"\xE0\x01\x04", true, None),
        (b"\xE0\x07\x00\x05\x11\x00\x00\x00\x09", false, Some(9)),
    ];
    for (bytes, with_will, session_expiry_s) in cases {
        let want = Action::Leave { with_will: *with_will, session_expiry_s: *session_expiry_s };
        assert_eq!(say(&mut open(Version::V5), bytes).unwrap(), want);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_a_conversation_that_ends(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _answered: usize = converse(&bytes);
    }

    #[test]
    fn any_bytes_after_a_connect_are_a_conversation_with_bounded_answers(
        is_v5: bool,
        packets in prop::collection::vec(
            (prop::sample::select(vec![0x30u8, 0x32, 0x34, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xC0]),
             prop::collection::vec(prop::sample::select(vec![0u8, 1, 2, 5, 0x0B, 0x21, 0x23, 0x26, b'#', b'+', b'/', b'a', 0xC3, 0xFF]), 0..24)),
            0..12),
    ) {
        let mut bytes = connect_bytes(if is_v5 { Version::V5 } else { Version::V4 });
        for (header, body) in &packets {
            bytes.extend_from_slice(&packet(*header, body));
        }
        prop_assert!(converse(&bytes) <= 16 * bytes.len() + 1024);
    }

    #[test]
    fn a_message_is_its_block(topic in "[a-zß/]{1,40}", payload: Vec<u8>, properties in prop::collection::vec(any::<u8>(), 0..40)) {
        let message = super::super::Message::new(super::super::Parts {
            topic: &topic,
            payload: &payload,
            qos: QoS::AtLeastOnce,
            retain: true,
            publisher: super::super::SessionKey(u64::MAX),
            expires_at_ms: Some(5),
            properties: &properties,
        }).unwrap();
        let back = super::super::Message::from_block(message.block()).unwrap();
        prop_assert_eq!(&back, &message);
        prop_assert_eq!(back.topic(), topic);
        prop_assert_eq!(back.payload(), payload);
        prop_assert!(back.retain() && back.is_expired(5) && !back.is_expired(4));
    }

    #[test]
    fn any_block_is_a_message_or_none(block: Vec<u8>) {
        if let Some(message) = super::super::Message::from_block(block.into()) {
            prop_assert!(message.topic().len() + message.payload().len() <= message.bytes());
        }
    }
}
