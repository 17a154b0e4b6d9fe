//! What survives a kill: everything the broker said of sessions, messages and wills.

use super::super::Settings;
use crate::documents::{
    BROKER_SESSIONS as SESSIONS, OPEN_MESSAGES as OPEN, QUEUED_MESSAGES as QUEUED,
    RETAINED_MESSAGES as RETAINED, WILLS,
};

use super::wire::{Hello, Peer, V4, V5, expiry};
use super::{Collection, House, Intake as _, Mood, Remembered, StoreError};

const LASTING: Hello<'static> = Hello { clean: false, name: "lasting", ..V4 };
const PUBLISHER: Hello<'static> = Hello { name: "publisher", ..V4 };

fn settings() -> Settings {
    Settings { sys_every: None, ..Settings::default() }
}

impl House {
    async fn killed(self) -> Self {
        self.reopen(settings()).await
    }

    fn documents(&self, collection: Collection) -> Vec<Remembered> {
        self.store.documents(collection)
    }

    /// The payload of the retained message of a topic on disk.
    fn kept_retained(&self, topic: &str) -> Option<String> {
        let documents = self.documents(RETAINED);
        let (_, block) = documents.iter().find(|(key, _)| &**key == topic.as_bytes())?;
        let message = tacitus_protocol::mqtt::Message::from_block(block.to_vec().into())?;
        Some(String::from_utf8_lossy(&message.payload()).into_owned())
    }

    /// Waits until so many documents are left of a set.
    async fn until_documents(&self, collection: Collection, count: usize) {
        self.until(|_| self.documents(collection).len() == count).await;
    }
}

#[tokio::test]
async fn retained_messages_are_there_after_a_kill_and_those_cleared_are_not() {
    let house = House::open().await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(3, "kept", "1", &[]).await;
    publisher.publish(3, "kept", "2", &[]).await;
    publisher.publish(3, "cleared", "1", &[]).await;
    publisher.publish(3, "cleared", "", &[]).await;
    let house = house.killed().await;
    let mut late = Peer::enter(&house, &LASTING).await;
    late.subscribe(&[("#", 1)], &[]).await;
    let heard = late.hear().await;
    assert_eq!((heard.topic.as_str(), heard.payload.as_str(), heard.retain), ("kept", "2", true));
    late.hears_nothing().await;
}

#[tokio::test]
async fn a_session_comes_back_with_its_subscriptions_and_what_was_promised_to_it() {
    let house = House::open().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.subscribe(&[("a/#", 2), ("left", 2)], &[]).await;
    lasting.unsubscribe("left").await;
    lasting.leave().await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    for (qos, payload) in [(0, "not kept"), (1, "one"), (2, "two")] {
        publisher.publish(qos << 1, "a/b", payload, &[]).await;
    }
    let house = house.killed().await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(2, "a/c", "three", &[]).await;
    publisher.publish(2, "left", "nobody's", &[]).await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    assert!(lasting.accepted.present);
    for (payload, qos) in [("one", 1), ("two", 2), ("three", 1)] {
        let heard = lasting.hear().await;
        assert_eq!((heard.payload.as_str(), heard.qos), (payload, qos));
    }
    lasting.hears_nothing().await;
    house.until_documents(QUEUED, 0).await;
}

#[tokio::test]
async fn options_of_a_subscription_come_back_with_it() {
    let house = House::open().await;
    let lasts = expiry(600);
    let hello = Hello { properties: &lasts, version: V5.version, ..LASTING };
    let mut lasting = Peer::enter(&house, &hello).await;
    // Identifier 7, no local, retain as published.
    lasting.subscribe(&[("a", 1 | 4 | 8)], b"\x0B\x07").await;
    let house = house.killed().await;
    let mut lasting = Peer::enter(&house, &hello).await;
    lasting.publish(2, "a", "own", &[]).await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(3, "a", "other's", &[]).await;
    let heard = lasting.hear().await;
    assert_eq!((heard.payload.as_str(), heard.retain), ("other's", true));
    assert_eq!(heard.properties, b"\x0B\x07");
}

#[tokio::test]
async fn what_was_sent_and_not_acknowledged_comes_again_under_its_id() {
    let house = House::open().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.subscribe(&[("a", 2)], &[]).await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    for payload in ["1", "2", "3"] {
        publisher.publish(4, "a", payload, &[]).await;
    }
    assert_eq!(lasting.hear().await.payload, "1");
    let open = [lasting.overhear().await, lasting.overhear().await];
    house.until_documents(QUEUED, 2).await;
    let house = house.killed().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    for earlier in open {
        let heard = lasting.hear().await;
        assert_eq!((&heard.payload, heard.id, heard.again), (&earlier.payload, earlier.id, true));
    }
    lasting.hears_nothing().await;
}

#[tokio::test]
async fn a_delivery_that_has_arrived_is_released_after_a_kill_and_not_sent_again() {
    let house = House::open().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.subscribe(&[("a", 2)], &[]).await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(4, "a", "1", &[]).await;
    let [high, low] = lasting.overhear().await.id.to_be_bytes();
    lasting.client.send(&[0x50, 2, high, low]).await;
    assert_eq!(lasting.client.raw().await, Some((0x62, vec![high, low])));
    let house = house.killed().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    assert_eq!(lasting.client.raw().await, Some((0x62, vec![high, low])));
    lasting.client.send(&[0x70, 2, high, low]).await;
    lasting.hears_nothing().await;
    house.until_documents(QUEUED, 0).await;
}

#[tokio::test]
async fn quality_2_is_stored_once_across_a_kill_and_its_id_is_free_after_pubcomp() {
    let house = House::open().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    let publish = super::client::publish_bytes(V4.version, 4, 9, "a", b"1");
    lasting.client.send(&publish).await;
    assert_eq!(lasting.client.raw().await, Some((0x50, vec![0, 9])));
    let house = house.killed().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.client.send(&publish).await;
    assert_eq!(lasting.client.raw().await, Some((0x50, vec![0, 9])));
    assert_eq!(house.store.kept().len(), 1, "the same message");
    lasting.client.send(&[0x62, 2, 0, 9]).await;
    assert_eq!(lasting.client.raw().await, Some((0x70, vec![0, 9])));
    assert!(house.documents(OPEN).is_empty(), "forgotten before PUBCOMP");
    let house = house.killed().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.client.send(&publish).await;
    assert_eq!(lasting.client.raw().await, Some((0x50, vec![0, 9])));
    assert_eq!(house.store.kept().len(), 2, "another message under a free id");
}

#[tokio::test]
async fn the_will_of_a_client_that_was_connected_is_published_after_a_kill() {
    let house = House::open().await;
    let mut watcher = Peer::enter(&house, &LASTING).await;
    watcher.subscribe(&[("will/#", 1)], &[]).await;
    let will = |topic| Some((&[][..], topic, "gone"));
    let polite = Hello { name: "polite", will: will("will/polite"), ..V4 };
    Peer::enter(&house, &polite).await.leave().await;
    let replaced = Hello { name: "there", will: will("will/replaced"), ..V4 };
    let there = Hello { name: "there", will: will("will/there"), ..V4 };
    let first = Peer::enter(&house, &replaced).await;
    first.leave().await;
    let _there = Peer::enter(&house, &there).await;
    let house = house.killed().await;
    let mut watcher = Peer::enter(&house, &LASTING).await;
    let heard = watcher.hear().await;
    assert_eq!((heard.topic.as_str(), heard.payload.as_str()), ("will/there", "gone"));
    watcher.hears_nothing().await;
    house.until_documents(WILLS, 0).await;
}

#[tokio::test]
async fn a_delayed_will_waits_on_after_a_kill_and_is_void_if_its_client_comes_back() {
    let house = House::open().await;
    let mut watcher = Peer::enter(&house, &LASTING).await;
    watcher.subscribe(&[("will/#", 1)], &[]).await;
    let lasts = expiry(600);
    let delayed = |name, delay: &'static [u8], topic| Hello {
        name,
        properties: &lasts,
        will: Some((delay, topic, "gone")),
        clean: false,
        ..V5
    };
    let long = delayed("long", b"\x18\x00\x00\x02\x58", "will/long");
    let short = delayed("short", b"\x18\x00\x00\x00\x01", "will/short");
    let peers = (Peer::enter(&house, &long).await, Peer::enter(&house, &short).await);
    let house = house.killed().await;
    drop(peers);
    let mut watcher = Peer::enter(&house, &LASTING).await;
    assert_eq!(watcher.hear().await.topic, "will/short");
    let back = Peer::enter(&house, &Hello { will: None, ..long }).await;
    assert!(back.accepted.present);
    house.until_documents(WILLS, 0).await;
    watcher.hears_nothing().await;
}

#[tokio::test]
async fn a_clean_start_forgets_everything_of_the_session() {
    let house = House::open().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.subscribe(&[("a", 2), ("b", 1)], &[]).await;
    lasting.leave().await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(2, "a", "1", &[]).await;
    assert_eq!((house.documents(SESSIONS).len(), house.documents(QUEUED).len()), (3, 1));
    let house = house.killed().await;
    let fresh = Peer::enter(&house, &Hello { clean: true, ..LASTING }).await;
    assert!(!fresh.accepted.present);
    house.until_documents(SESSIONS, 0).await;
    house.until_documents(QUEUED, 0).await;
    let house = house.killed().await;
    assert!(!Peer::enter(&house, &LASTING).await.accepted.present);
}

#[tokio::test]
async fn a_session_that_expired_while_nobody_ran_is_gone() {
    let house = House::open().await;
    let lasts = expiry(1);
    let hello = Hello { properties: &lasts, clean: false, ..V5 };
    Peer::enter(&house, &hello).await.leave().await;
    house.until(|_| house.documents(SESSIONS).len() == 1).await;
    let house = house.killed().await;
    house.until_documents(SESSIONS, 0).await;
    assert!(!Peer::enter(&house, &hello).await.accepted.present);
}

#[tokio::test]
async fn what_could_not_be_stored_is_not_kept_for_anybody_either() {
    let house = House::open().await;
    let mut lasting = Peer::enter(&house, &LASTING).await;
    lasting.subscribe(&[("a", 1)], &[]).await;
    let mut publisher = Peer::enter(&house, &Hello { name: "publisher", ..V5 }).await;
    house.store.set(Mood::Refuse(StoreError::Full));
    assert_eq!(publisher.publish(2, "a", "1", &[]).await, 0x97);
    house.store.set(Mood::Keep);
    assert_eq!(publisher.publish(2, "a", "2", &[]).await, 0);
    assert_eq!(lasting.hear().await.payload, "2");
    house.until_documents(QUEUED, 0).await;
}

#[tokio::test]
async fn a_session_is_promised_only_once_it_is_on_disk() {
    let house = House::open().await;
    house.store.set(Mood::Refuse(StoreError::Full));
    let refused = Peer::come(&house, &Hello { version: V5.version, ..LASTING }).await;
    assert_eq!(refused.accepted.code, 0, "without an expiry there is nothing to promise");
    let lasts = expiry(600);
    let hello = Hello { version: V5.version, properties: &lasts, ..LASTING };
    drop(refused);
    let refused = Peer::come(&house, &hello).await;
    assert_eq!(refused.accepted.code, 0x97);
}

#[tokio::test]
async fn documents_that_mean_nothing_are_forgotten_and_counted() {
    let house = House::open().await;
    for collection in [SESSIONS, RETAINED, QUEUED, OPEN, WILLS] {
        for key in [&b""[..], b"c\xFF", b"rubbish", b"12345678", b"1234567812345678", b"1234567812"]
        {
            let document =
                super::Document { collection, key: key.to_vec(), body: Some(vec![7; 3]) };
            house.store.store(&[], vec![document]).await.unwrap();
        }
    }
    let house = house.killed().await;
    house
        .until(|counters| {
            counters.records_forgotten.load(std::sync::atomic::Ordering::Relaxed) == 30
        })
        .await;
    for collection in [SESSIONS, RETAINED, QUEUED, OPEN, WILLS] {
        house.until_documents(collection, 0).await;
    }
    Peer::enter(&house, &LASTING).await;
}

#[tokio::test]
async fn of_two_who_retain_at_one_time_the_one_who_was_heard_last_is_kept() {
    let house = House::open().await;
    let mut watcher = Peer::enter(&house, &Hello { name: "watcher", ..V4 }).await;
    watcher.subscribe(&[("r", 0)], &[]).await;
    let mut publishers = Vec::new();
    for name in ["0", "1", "2", "3"] {
        publishers.push(Peer::enter(&house, &Hello { name, ..V4 }).await);
    }
    for round in 0..20 {
        house.store.set(Mood::Wait);
        for (number, publisher) in publishers.iter_mut().enumerate() {
            publisher.say(3, "r", &format!("{round}/{number}"), &[]).await;
        }
        house.store.asked(4 * (round + 1)).await;
        house.store.set(Mood::Keep);
        let mut last = String::new();
        for _ in 0..4 {
            last = watcher.hear().await.payload;
        }
        for publisher in &mut publishers {
            assert_eq!(publisher.client.raw().await.unwrap().0, 0x40);
        }
        house.until(|_| house.kept_retained("r").is_some_and(|kept| kept == last)).await;
    }
}

#[tokio::test]
async fn a_group_shares_across_a_kill() {
    let house = House::open().await;
    let mut member = Peer::enter(&house, &LASTING).await;
    member.subscribe(&[("$share/g/a", 1)], &[]).await;
    member.leave().await;
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(2, "a", "1", &[]).await;
    let house = house.killed().await;
    let mut member = Peer::enter(&house, &LASTING).await;
    assert_eq!(member.hear().await.payload, "1");
    let mut publisher = Peer::enter(&house, &PUBLISHER).await;
    publisher.publish(2, "a", "2", &[]).await;
    assert_eq!(member.hear().await.payload, "2");
}
