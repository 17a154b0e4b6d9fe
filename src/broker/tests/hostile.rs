//! Conversations with clients that break rules, on purpose or not: each is told why and sent away,
//! and nobody else notices.

use super::House;
use super::wire::{Hello, Peer, V4, V5, expiry};

/// What an MQTT 5 client says after CONNACK, and the reason it is sent away for.
const AGAINST_THE_RULES: [(&str, &[u8], u8); 16] = [
    ("a reserved packet type", b"\x00\x00", 0x81),
    ("a packet that only servers send", b"\x20\x02\x00\x00", 0x82),
    ("authentication that was not begun", b"\xF0\x00", 0x82),
    ("quality 3", b"\x36\x06\x00\x01a\x00\x01\x00", 0x81),
    ("a topic with a wildcard", b"\x30\x05\x00\x02a#\x00", 0x90),
    ("no topic and no alias", b"\x30\x03\x00\x00\x00", 0x82),
    ("an alias that was not defined", b"\x30\x06\x00\x00\x03\x23\x00\x01", 0x82),
    ("an alias above the maximum", b"\x30\x07\x00\x01a\x03\x23\x00\x21", 0x94),
    ("alias 0", b"\x30\x07\x00\x01a\x03\x23\x00\x00", 0x94),
    ("packet id 0", b"\x32\x06\x00\x01a\x00\x00\x00", 0x82),
    ("a property twice", b"\x30\x08\x00\x01a\x04\x01\x01\x01\x01", 0x82),
    ("a property of another packet", b"\x30\x09\x00\x01a\x05\x11\x00\x00\x00\x01", 0x82),
    ("a subscription identifier of 0", b"\x82\x09\x00\x01\x02\x0B\x00\x00\x01a\x00", 0x82),
    ("no local with others", b"\x82\x10\x00\x01\x00\x00\x0A$share/g/a\x04", 0x82),
    ("a subscription to nothing", b"\x82\x03\x00\x01\x00", 0x82),
    ("a packet that is longer than its fields", b"\x62\x04\x00\x01\x00\x05", 0x81),
];

#[tokio::test]
async fn whoever_breaks_a_rule_is_told_which_and_nobody_else_notices() {
    let house = House::open().await;
    let mut witness = Peer::enter(&house, &Hello { name: "witness", ..V4 }).await;
    witness.subscribe(&[("#", 1)], &[]).await;
    let lasting = expiry(600);
    for (what, bytes, reason) in AGAINST_THE_RULES {
        for properties in [&[][..], &lasting] {
            let mut rude = Peer::enter(&house, &Hello { properties, ..V5 }).await;
            rude.client.send(bytes).await;
            assert_eq!(rude.dismissed().await, reason, "{what}");
        }
    }
    witness.hears_nothing().await;
    let cut = 2 * AGAINST_THE_RULES.len() as u64;
    house.counted(|counters| &counters.connections_cut, cut).await;
}

#[tokio::test]
async fn acknowledgements_of_nothing_are_answered_or_passed_over() {
    let house = House::open().await;
    let lasting = expiry(600);
    for properties in [&[][..], &lasting] {
        let mut odd = Peer::enter(&house, &Hello { properties, ..V5 }).await;
        odd.subscribe(&[("a", 2)], &[]).await;
        // PUBACK and PUBCOMP of nothing; PUBREC and PUBREL of nothing: 0x92.
        odd.client.send(b"\x40\x02\x00\x07\x70\x02\x00\x07").await;
        odd.client.send(b"\x50\x02\x00\x07").await;
        assert_eq!(odd.client.raw().await, Some((0x62, vec![0, 7, 0x92, 0])));
        odd.client.send(b"\x62\x02\x00\x07").await;
        assert_eq!(odd.client.raw().await, Some((0x70, vec![0, 7, 0x92, 0])));
        // A delivery of quality 2 is not ended by a PUBACK, and a PUBREC may come twice.
        odd.publish(4, "a", "1", &[]).await;
        let [high, low] = odd.overhear().await.id.to_be_bytes();
        odd.client.send(&[0x40, 2, high, low]).await;
        for _ in 0..2 {
            odd.client.send(&[0x50, 2, high, low]).await;
            assert_eq!(odd.client.raw().await, Some((0x62, vec![high, low])));
        }
        odd.client.send(&[0x70, 2, high, low]).await;
        odd.hears_nothing().await;
        odd.leave().await;
    }
}

#[tokio::test]
async fn a_pubrec_that_says_no_ends_a_kept_delivery_for_good() {
    let house = House::open().await;
    let lasting = expiry(600);
    let hello = Hello { clean: false, properties: &lasting, ..V5 };
    let mut peer = Peer::enter(&house, &hello).await;
    peer.subscribe(&[("a", 2)], &[]).await;
    peer.publish(4, "a", "1", &[]).await;
    let [high, low] = peer.overhear().await.id.to_be_bytes();
    peer.client.send(&[0x50, 3, high, low, 0x80]).await;
    peer.hears_nothing().await;
    drop(peer);
    let mut peer = Peer::enter(&house, &hello).await;
    peer.hears_nothing().await;
}
