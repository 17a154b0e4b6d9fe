//! Sessions that outlive the server: what the store must know before a client is told.

use rumqttd::protocol::{Packet, QoS};

use super::super::record::{decode_delivery, encode_delivery};
use super::super::{
    Action, Connection, Delivery, Note, Refusal, Session, SessionKey, Stored, Version,
};
use super::{
    answer, connect_bytes, message, open_with, publish_bytes, published, read_as_client, say,
};

fn open_kept() -> Connection {
    open_with(Version::V4, &connect_bytes(Version::V4), Session::new(SessionKey(7)).kept())
}

fn kept(serial: u64) -> Delivery {
    Delivery {
        message: message("a/b", b"1"),
        qos: QoS::ExactlyOnce,
        retain: false,
        subscription_ids: vec![],
        serial,
        is_again: false,
    }
}

#[test]
fn an_open_id_is_forgotten_by_the_store_before_its_pubcomp() -> Result<(), Refusal> {
    let mut client = open_kept();
    let (_, awaited) = published(say(&mut client, &publish_bytes(Version::V4, 2, 9, "a", b"1"))?);
    client.stored(awaited, Stored::Kept)?;
    assert_eq!(answer(&mut client), b"\x50\x02\x00\x09");
    let note = Note::Complete { id: 9 };
    assert_eq!(say(&mut client, b"\x62\x02\x00\x09")?, Action::Note(note));
    // Asked again meanwhile: the answer comes once.
    assert_eq!(say(&mut client, b"\x62\x02\x00\x09")?, Action::None);
    assert_eq!(answer(&mut client), b"");
    client.noted(note);
    assert_eq!(answer(&mut client), b"\x70\x02\x00\x09");
    assert_eq!(client.session().open_ids().count(), 0);
    Ok(())
}

#[test]
fn a_step_that_was_not_noted_may_be_taken_again() -> Result<(), Refusal> {
    let mut client = open_kept();
    let (_, awaited) = published(say(&mut client, &publish_bytes(Version::V4, 2, 9, "a", b"1"))?);
    client.stored(awaited, Stored::Kept)?;
    let note = Note::Complete { id: 9 };
    assert_eq!(say(&mut client, b"\x62\x02\x00\x09")?, Action::Note(note));
    client.unnoted(note);
    assert_eq!(say(&mut client, b"\x62\x02\x00\x09")?, Action::Note(note));
    Ok(())
}

#[test]
fn the_store_knows_that_a_delivery_arrived_before_its_pubrel() -> Result<(), Refusal> {
    let mut client = open_kept();
    assert!(client.deliver(kept(5), 0));
    answer(&mut client);
    let note = Note::Arrived { id: 5, serial: 5 };
    assert_eq!(say(&mut client, b"\x50\x02\x00\x05")?, Action::Note(note));
    assert_eq!(say(&mut client, b"\x50\x02\x00\x05")?, Action::None);
    assert_eq!(answer(&mut client), b"");
    client.noted(note);
    assert_eq!(answer(&mut client), b"\x62\x02\x00\x05");
    assert!(client.session_mut().take_ended().is_empty());
    say(&mut client, b"\x70\x02\x00\x05")?;
    assert_eq!(client.session_mut().take_ended(), [5]);
    Ok(())
}

#[test]
fn a_delivery_has_the_same_id_after_a_restart_and_says_that_it_comes_again() {
    let serial = 65_535 + 3;
    let mut client = open_kept();
    client.deliver(kept(serial), 0);
    let before = answer(&mut client);
    let again = decode_delivery(&encode_delivery(&kept(serial)), serial).unwrap();
    let mut client = open_kept();
    client.deliver(again, 0);
    let after = answer(&mut client);
    assert_eq!((before[0], after[0]), (0x34, 0x3C));
    assert_eq!(before[1..], after[1..]);
    assert_eq!(before[7..9], [0, 3]);
}

#[test]
fn a_remembered_session_owes_its_pubrels_and_knows_its_open_ids() -> Result<(), Refusal> {
    let filters = ["a/#".to_owned()];
    let session = Session::remembered(SessionKey(7), filters, [9], [4]);
    let mut client = open_with(Version::V4, &connect_bytes(Version::V4), session);
    client.resend(0);
    assert_eq!(answer(&mut client), b"\x62\x02\x00\x04");
    let action = say(&mut client, &publish_bytes(Version::V4, 2, 9, "a", b"1"))?;
    assert_eq!(action, Action::None);
    let packets = read_as_client(Version::V4, &answer(&mut client));
    assert!(matches!(&packets[..], [Packet::PubRec(ack, _)] if ack.pkid == 9), "{packets:?}");
    assert!(client.session().filters().contains("a/#"));
    Ok(())
}

#[test]
fn what_is_acknowledged_expired_or_too_large_is_over() -> Result<(), Refusal> {
    // Receive maximum 10, maximum packet size 20.
    let connect =
        b"\x10\x16\x00\x04MQTT\x05\x02\x00\x00\x08\x21\x00\x0A\x27\x00\x00\x00\x14\x00\x01c";
    let mut client = open_with(Version::V5, connect, Session::new(SessionKey(7)).kept());
    client.deliver(Delivery { qos: QoS::AtLeastOnce, ..kept(1) }, 0);
    say(&mut client, b"\x40\x02\x00\x01")?;
    client.deliver(Delivery { message: message("a/b", &[b'1'; 40]), ..kept(2) }, 0);
    assert_eq!(client.session_mut().take_ended(), [1, 2]);
    Ok(())
}
