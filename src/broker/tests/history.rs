//! Subscriptions to the past, over a past that is made up.

use super::super::Settings;
use super::super::rights::Right;
use super::wire::{Hello, Peer, V4, V5};
use super::{House, StoryError, Told};

fn told(topic: &str, payload: &str) -> Told {
    Told { topic: topic.to_owned(), payload: payload.as_bytes().to_vec() }
}

#[tokio::test]
async fn what_is_told_arrives_in_order_with_quality_and_identifier_of_the_subscription() {
    let house = House::open().await;
    let tale = [Ok(vec![told("a/b", "1"), told("a/c", "2")]), Ok(vec![told("a/b", "3")])];
    house.store.tales.lock().unwrap().push_back(tale.into());
    let mut peer = Peer::enter(&house, &V5).await;
    let codes = peer.subscribe(&[("$history/PT1H/a/#", 1)], b"\x0B\x09").await;
    assert_eq!(codes, [1]);
    for (topic, payload) in [("a/b", "1"), ("a/c", "2"), ("a/b", "3")] {
        let heard = peer.hear().await;
        assert_eq!((heard.topic.as_str(), heard.payload.as_str(), heard.qos), (topic, payload, 1));
        assert_eq!((heard.retain, heard.properties.as_slice()), (false, &b"\x0B\x09"[..]));
    }
    peer.hears_nothing().await;
    let spans = house.store.spans.lock().unwrap();
    assert_eq!((spans[0].filter.as_str(), spans[0].goes_on), ("a/#", true));
}

#[tokio::test]
async fn many_samples_wait_for_one_who_reads_slowly() {
    let house = House::open().await;
    let many: Vec<Told> = (0..5_000).map(|number| told("a", &number.to_string())).collect();
    house.store.tales.lock().unwrap().push_back([Ok(many)].into());
    let mut peer = Peer::enter(&house, &V4).await;
    peer.subscribe(&[("$history/PT1H/a", 1)], &[]).await;
    for number in 0..5_000 {
        assert_eq!(peer.hear().await.payload, number.to_string());
    }
}

#[tokio::test]
async fn ranges_that_are_none_too_many_and_not_allowed_are_refused_in_the_suback() {
    let right = Right {
        user: "*".to_owned(),
        subscribe: vec!["a/#".to_owned()],
        deny: vec!["a/secret".to_owned()],
        ..Right::default()
    };
    let settings = Settings { rights: vec![right], sys_every: None, ..Settings::default() };
    let house = House::open_with(settings).await;
    let tale = [Ok(vec![told("a/secret", "1"), told("a/b", "2")])];
    house.store.tales.lock().unwrap().push_back(tale.into());
    let mut peer = Peer::enter(&house, &V5).await;
    let asked = ["$history/PT1H/a/#", "$history/yesterday/a/#", "$history/PT1H/b"];
    let codes = peer.subscribe(&asked.map(|filter| (filter, 0)), &[]).await;
    assert_eq!(codes, [0, 0x8F, 0x87]);
    assert_eq!(peer.hear().await.payload, "2", "what is denied is not told either");
    for hours in 2..=8 {
        let filter = format!("$history/PT{hours}H/a/#");
        assert_eq!(peer.subscribe(&[(&filter, 0)], &[]).await, [0]);
    }
    assert_eq!(peer.subscribe(&[("$history/PT9H/a/#", 0)], &[]).await, [0x97]);
    assert_eq!(peer.unsubscribe("$history/PT2H/a/#").await, [0]);
    assert_eq!(peer.subscribe(&[("$history/PT9H/a/#", 0)], &[]).await, [0]);
}

#[tokio::test]
async fn one_who_lags_is_sent_away_and_counted() {
    let house = House::open().await;
    let tale = [Ok(vec![told("a", "1")]), Err(StoryError::Lagged)];
    house.store.tales.lock().unwrap().push_back(tale.into());
    let mut peer = Peer::enter(&house, &V5).await;
    peer.subscribe(&[("$history/PT1H/a", 0)], &[]).await;
    assert_eq!(peer.hear().await.payload, "1");
    assert_eq!(peer.dismissed().await, 0x97);
    house.counted(|counters| &counters.connections_cut_slow, 1).await;
}

#[tokio::test]
async fn a_subscription_to_the_past_ends_with_its_connection() {
    let house = House::open().await;
    let lasting = Hello { clean: false, ..V4 };
    let mut peer = Peer::enter(&house, &lasting).await;
    peer.subscribe(&[("$history/PT1H/a", 1)], &[]).await;
    peer.leave().await;
    let house = house.reopen(Settings { sys_every: None, ..Settings::default() }).await;
    let mut peer = Peer::enter(&house, &lasting).await;
    assert!(peer.accepted.present);
    peer.hears_nothing().await;
    assert!(house.store.spans.lock().unwrap().is_empty());
}
