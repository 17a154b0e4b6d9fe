//! Who gets what: the tree of subscriptions and the table of retained messages.

use proptest::prelude::*;
use rumqttd::protocol::{QoS, SubscribeReasonCode, UnsubAckReason};

use super::super::{
    Delivery, Message, Parts, Retained, Retention, SessionKey, Subscription, Tree, Version,
    check_filter, matches,
};
use super::{answer, message, open};

const PLAIN: Subscription = Subscription {
    qos: QoS::ExactlyOnce,
    no_local: false,
    retain_as_published: false,
    id: None,
    since: 0,
};

fn deliveries(tree: &Tree, message: &Message) -> Vec<(u64, Delivery)> {
    let mut found = Vec::new();
    tree.deliveries(message, 1, &mut found);
    found.into_iter().map(|(session, delivery)| (session.0, delivery)).collect()
}

#[test]
fn overlapping_subscriptions_are_one_delivery_with_the_best_quality_and_all_ids() {
    let mut tree = Tree::default();
    for (filter, session, qos, id) in [
        ("a/#", 1, QoS::AtMostOnce, Some(10)),
        ("a/+", 1, QoS::ExactlyOnce, Some(11)),
        ("a/b", 2, QoS::AtLeastOnce, None),
        ("a/b/#", 1, QoS::AtLeastOnce, None),
    ] {
        tree.insert(filter, SessionKey(session), Subscription { qos, id, ..PLAIN });
    }
    let found = deliveries(&tree, &message("a/b", b"1"));
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].0, found[0].1.qos), (1, QoS::ExactlyOnce));
    let mut ids = found[0].1.subscription_ids.clone();
    ids.sort_unstable();
    assert_eq!(ids, [10, 11]);
    assert_eq!((found[1].0, found[1].1.qos), (2, QoS::AtLeastOnce));
}

#[test]
fn the_quality_is_the_lesser_of_both() {
    let mut tree = Tree::default();
    tree.insert("a", SessionKey(1), PLAIN);
    let low = Message::new(Parts {
        topic: "a",
        payload: b"",
        qos: QoS::AtMostOnce,
        retain: false,
        publisher: SessionKey(9),
        expires_at_ms: None,
        properties: &[],
    });
    assert_eq!(deliveries(&tree, &low.unwrap())[0].1.qos, QoS::AtMostOnce);
}

#[test]
fn no_local_keeps_a_client_from_hearing_itself() {
    let mut tree = Tree::default();
    // `message` is published by session 1.
    tree.insert("a", SessionKey(1), Subscription { no_local: true, ..PLAIN });
    tree.insert("a", SessionKey(2), Subscription { no_local: true, ..PLAIN });
    let found = deliveries(&tree, &message("a", b""));
    assert_eq!(found.iter().map(|(session, _)| *session).collect::<Vec<_>>(), [2]);
}

#[test]
fn the_retain_flag_stays_only_where_it_is_asked_for() {
    let mut tree = Tree::default();
    tree.insert("a", SessionKey(1), PLAIN);
    tree.insert("a", SessionKey(2), Subscription { retain_as_published: true, ..PLAIN });
    let retained = retained_message("a", b"1");
    let flags: Vec<bool> =
        deliveries(&tree, &retained).iter().map(|(_, delivery)| delivery.retain).collect();
    assert_eq!(flags, [false, true]);
}

#[test]
fn a_message_published_before_the_subscription_is_not_for_it() {
    let mut tree = Tree::default();
    tree.insert("a", SessionKey(1), Subscription { since: 5, ..PLAIN });
    let mut found = Vec::new();
    tree.deliveries(&message("a", b""), 5, &mut found);
    assert!(found.is_empty());
    // A second SUBSCRIBE for the same filter does not open a gap.
    let earlier = tree.insert("a", SessionKey(1), Subscription { since: 9, ..PLAIN });
    assert_eq!(earlier.unwrap().since, 5);
    tree.deliveries(&message("a", b""), 6, &mut found);
    assert_eq!(found.len(), 1);
}

#[test]
fn each_group_gets_a_message_once_and_its_members_take_turns() {
    let mut tree = Tree::default();
    let one = PLAIN;
    for (filter, session) in
        [("$share/g/a/#", 1), ("$share/g/a/#", 2), ("$share/h/a/+", 1), ("a/b", 3), ("a/#", 1)]
    {
        tree.insert(filter, SessionKey(session), one);
    }
    assert_eq!((tree.len(), tree.shared_len()), (5, 3));
    let message = message("a/b", b"1");
    // Whoever subscribed for itself gets it beside what its group gets.
    let own: Vec<u64> = deliveries(&tree, &message).iter().map(|(session, _)| *session).collect();
    assert_eq!(own, [1, 3]);
    let mut turns = Vec::new();
    for _ in 0..4 {
        let mut found = Vec::new();
        tree.shared_deliveries(&message, |_| true, &mut found);
        let sessions: Vec<u64> = found.iter().map(|(session, _)| session.0).collect();
        assert_eq!(sessions.len(), 2, "one for each group");
        turns.extend(found.iter().map(|(session, _)| session.0).filter(|session| *session == 2));
    }
    assert_eq!(turns.len(), 2);
}

#[test]
fn a_member_that_is_present_goes_before_one_that_is_not() {
    let mut tree = Tree::default();
    for session in 1..=3 {
        tree.insert("$share/g/a", SessionKey(session), PLAIN);
    }
    let message = message("a", b"1");
    let found = |present: &[u64]| {
        let mut found = Vec::new();
        let is_present = |key: SessionKey| present.contains(&key.0);
        tree.shared_deliveries(&message, is_present, &mut found);
        found.iter().map(|(session, _)| session.0).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        assert_eq!(found(&[2]), [2]);
    }
    assert_eq!(found(&[]).len(), 1);
}

#[test]
fn leaving_a_group_leaves_the_others_in_it() {
    let mut tree = Tree::default();
    tree.insert("$share/g/a", SessionKey(1), PLAIN);
    tree.insert("$share/g/a", SessionKey(2), PLAIN);
    assert!(tree.remove("$share/g/a", SessionKey(1)));
    assert!(!tree.remove("a", SessionKey(2)));
    let mut found = Vec::new();
    tree.shared_deliveries(&message("a", b"1"), |_| true, &mut found);
    assert_eq!(found.first().map(|(session, _)| session.0), Some(2));
    tree.forget(SessionKey(2));
    assert_eq!((tree.len(), tree.shared_len()), (0, 0));
}

#[test]
fn removing_the_last_subscription_leaves_nothing_behind() {
    let mut tree = Tree::default();
    let filters = ["a/b/c", "a/+/#", "#", "+", "a/b"];
    for filter in filters {
        tree.insert(filter, SessionKey(1), PLAIN);
    }
    assert!(!tree.remove("a", SessionKey(1)));
    assert!(!tree.remove("a/b", SessionKey(2)));
    for filter in filters {
        assert!(tree.remove(filter, SessionKey(1)), "{filter}");
    }
    assert!(tree.is_empty());
    assert_eq!(format!("{tree:?}"), format!("{:?}", Tree::default()));
}

#[test]
fn a_forgotten_session_has_no_subscriptions_and_others_keep_theirs() {
    let mut tree = Tree::default();
    for filter in ["a/b/c", "a/+/#", "#"] {
        tree.insert(filter, SessionKey(1), PLAIN);
    }
    tree.insert("a/b", SessionKey(2), PLAIN);
    tree.forget(SessionKey(1));
    assert_eq!(tree.len(), 1);
    assert_eq!(deliveries(&tree, &message("a/b", b"")).len(), 1);
    assert!(tree.remove("a/b", SessionKey(2)));
    assert_eq!(format!("{tree:?}"), format!("{:?}", Tree::default()));
}

proptest! {
    #[test]
    fn the_tree_finds_exactly_what_the_rule_matches(
        filters in prop::collection::vec("(\\$|a|b|\\+|)(/(a|b|\\+|)){0,3}(/#)?", 1..20),
        topic in "(\\$|a|b|)(/(a|b|)){0,3}",
    ) {
        prop_assume!(!topic.is_empty());
        let filters: Vec<&String> = filters.iter().filter(|f| check_filter(f).is_ok()).collect();
        let mut tree = Tree::default();
        for (session, filter) in filters.iter().enumerate() {
            tree.insert(filter, SessionKey(session as u64 + 10), PLAIN);
        }
        let found: Vec<u64> =
            deliveries(&tree, &message(&topic, b"")).iter().map(|(session, _)| *session).collect();
        let want: Vec<u64> = filters
            .iter()
            .enumerate()
            .filter(|(_, filter)| matches(filter, &topic))
            .map(|(session, _)| session as u64 + 10)
            .collect();
        prop_assert_eq!(found, want);
    }
}

fn retained_message(topic: &str, payload: &[u8]) -> Message {
    Message::new(Parts {
        topic,
        payload,
        qos: QoS::AtLeastOnce,
        retain: true,
        publisher: SessionKey(1),
        expires_at_ms: None,
        properties: &[],
    })
    .unwrap()
}

#[test]
fn the_last_retained_message_of_a_topic_counts_and_an_empty_one_removes_it() {
    let mut retained = Retained::new(10, 10_000);
    for (topic, payload) in
        [("a", "1"), ("a", "2"), ("a/b", "3"), ("ab", "4"), ("b", "5"), ("b", "")]
    {
        assert_eq!(retained.apply(&retained_message(topic, payload.as_bytes())), Retention::Done);
    }
    let found = |filter| retained.matching(filter, 0).map(Message::payload).collect::<Vec<_>>();
    assert_eq!(found("a/#"), ["2", "3"]);
    assert_eq!(found("#"), ["2", "3", "4"]);
    assert_eq!(found("a"), ["2"]);
    assert_eq!(found("+/b"), ["3"]);
    assert_eq!(found("b"), Vec::<bytes::Bytes>::new());
}

#[test]
fn a_full_table_retains_no_more_and_says_so() {
    let mut retained = Retained::new(2, 10_000);
    assert_eq!(retained.apply(&retained_message("a", b"1")), Retention::Done);
    assert_eq!(retained.apply(&retained_message("b", b"1")), Retention::Done);
    assert_eq!(retained.apply(&retained_message("c", b"1")), Retention::Full);
    assert_eq!(retained.apply(&retained_message("a", b"2")), Retention::Done);
    let mut retained = Retained::new(10, 100);
    assert_eq!(retained.apply(&retained_message("a", &[0; 200])), Retention::Full);
    assert!(retained.is_empty());
}

#[test]
fn a_suback_has_a_code_for_each_filter_in_the_words_of_the_version() {
    let codes = || {
        vec![
            SubscribeReasonCode::Success(QoS::AtLeastOnce),
            SubscribeReasonCode::TopicFilterInvalid,
            SubscribeReasonCode::NotAuthorized,
        ]
    };
    let mut client = open(Version::V4);
    client.subscribed(1, codes(), vec![]);
    assert_eq!(answer(&mut client), b"\x90\x05\x00\x01\x01\x80\x80");
    let mut client = open(Version::V5);
    client.subscribed(1, codes(), vec![]);
    assert_eq!(answer(&mut client), b"\x90\x06\x00\x01\x00\x01\x8F\x87");
}

#[test]
fn an_unsuback_has_a_code_for_each_filter_in_mqtt_5() {
    let reasons = || vec![UnsubAckReason::Success, UnsubAckReason::NoSubscriptionExisted];
    let mut client = open(Version::V4);
    client.unsubscribed(2, reasons());
    assert_eq!(answer(&mut client), b"\xB0\x02\x00\x02");
    let mut client = open(Version::V5);
    client.unsubscribed(2, reasons());
    assert_eq!(answer(&mut client), b"\xB0\x05\x00\x02\x00\x00\x11");
}
