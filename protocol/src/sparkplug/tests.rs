//! The host application, requirement by requirement of the specification (3.0).
//!
//! [`COVERAGE`] says which test shows which requirement; what the host cannot show by itself is in
//! [`ELSEWHERE`], with the reason.

mod bench;
mod commands;
mod data;
mod peers;
mod sequence;
mod session;
mod termination;

use std::collections::BTreeSet;

/// A test, and the requirements it shows.
type Shown = (fn(), &'static [&'static str]);

/// Each test and the requirements it shows.
const COVERAGE: &[Shown] = &[
    (
        session::the_will_is_offline_at_the_time_of_the_connect,
        &[
            "tck-id-host-topic-phid-death-qos",
            "tck-id-host-topic-phid-death-retain",
            "tck-id-host-topic-phid-death-topic",
            "tck-id-host-topic-phid-death-required",
            "tck-id-host-topic-phid-death-payload",
            "tck-id-host-topic-phid-death-payload-timestamp-connect",
            "tck-id-operational-behavior-host-application-connect-will",
            "tck-id-operational-behavior-host-application-connect-will-topic",
            "tck-id-operational-behavior-host-application-connect-will-payload",
            "tck-id-operational-behavior-host-application-connect-will-qos",
            "tck-id-operational-behavior-host-application-connect-will-retained",
            "tck-id-payloads-state-will-message",
            "tck-id-payloads-state-will-message-qos",
            "tck-id-payloads-state-will-message-retain",
            "tck-id-payloads-state-will-message-payload",
        ],
    ),
    (
        session::the_birth_follows_with_the_same_time,
        &[
            "tck-id-conformance-primary-host",
            "tck-id-intro-sparkplug-host-state",
            "tck-id-components-ph-state",
            "tck-id-host-topic-phid-birth-message",
            "tck-id-host-topic-phid-birth-qos",
            "tck-id-host-topic-phid-birth-retain",
            "tck-id-host-topic-phid-birth-topic",
            "tck-id-host-topic-phid-birth-required",
            "tck-id-host-topic-phid-birth-payload",
            "tck-id-host-topic-phid-birth-payload-timestamp",
            "tck-id-message-flow-phid-sparkplug-state-publish",
            "tck-id-message-flow-phid-sparkplug-state-publish-payload",
            "tck-id-message-flow-phid-sparkplug-state-publish-payload-timestamp",
            "tck-id-operational-behavior-host-application-connect-birth",
            "tck-id-operational-behavior-host-application-connect-birth-topic",
            "tck-id-operational-behavior-host-application-connect-birth-payload",
            "tck-id-operational-behavior-host-application-connect-birth-qos",
            "tck-id-operational-behavior-host-application-connect-birth-retained",
            "tck-id-operational-behavior-host-application-host-id",
            "tck-id-payloads-state-birth",
            "tck-id-payloads-state-birth-payload",
        ],
    ),
    (
        session::everything_and_the_own_state_are_subscribed_to,
        &[
            "tck-id-host-topic-phid-birth-sub-required",
            "tck-id-message-flow-phid-sparkplug-subscription",
            "tck-id-payloads-state-subscribe",
            "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs",
        ],
    ),
    (
        session::an_offline_of_the_own_name_is_corrected_at_once,
        &["tck-id-message-flow-hid-sparkplug-state-message-delivered"],
    ),
    (
        session::each_server_has_a_time_of_its_own,
        &[
            "tck-id-operational-behavior-host-application-multi-server-timestamp",
            "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state",
        ],
    ),
    (
        session::a_stop_says_offline_with_its_own_time,
        &[
            "tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean",
            "tck-id-host-topic-phid-death-payload-timestamp-disconnect-with-no-disconnect-packet",
            "tck-id-operational-behavior-host-application-termination",
            "tck-id-operational-behavior-host-application-death-topic",
            "tck-id-operational-behavior-host-application-death-payload",
            "tck-id-operational-behavior-host-application-death-qos",
            "tck-id-operational-behavior-host-application-death-retained",
            "tck-id-operational-behavior-host-application-disconnect-intentional",
        ],
    ),
    (session::births_are_taken_in_their_order, &["tck-id-principles-birth-certificates-order"]),
    (
        session::births_are_retained_as_certificates,
        &[
            "tck-id-conformance-mqtt-aware-store",
            "tck-id-conformance-mqtt-aware-nbirth-mqtt-topic",
            "tck-id-conformance-mqtt-aware-nbirth-mqtt-retain",
            "tck-id-conformance-mqtt-aware-dbirth-mqtt-topic",
            "tck-id-conformance-mqtt-aware-dbirth-mqtt-retain",
        ],
    ),
    (
        termination::the_will_of_a_node_is_heard_on_its_topic,
        &["tck-id-message-flow-edge-node-birth-publish-will-message-topic"],
    ),
    (
        termination::a_node_death_takes_node_and_devices_offline_at_the_time_of_the_host,
        &[
            "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
            "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
            "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
            "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
        ],
    ),
    (
        termination::a_device_death_takes_the_device_offline_at_its_own_time,
        &[
            "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
            "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
        ],
    ),
    (
        sequence::the_time_for_reordering_can_be_set,
        &["tck-id-operational-behavior-host-reordering-param"],
    ),
    (
        sequence::a_gap_starts_the_time_for_reordering,
        &["tck-id-operational-behavior-host-reordering-start"],
    ),
    (
        sequence::a_gap_that_stays_asks_for_a_rebirth,
        &["tck-id-operational-behavior-host-reordering-rebirth"],
    ),
    (
        sequence::a_gap_that_is_filled_is_none,
        &["tck-id-operational-behavior-host-reordering-success"],
    ),
    (
        commands::a_rebirth_is_asked_for_by_name,
        &[
            "tck-id-operational-behavior-data-commands-ncmd-rebirth-verb",
            "tck-id-operational-behavior-data-commands-ncmd-rebirth-name",
            "tck-id-operational-behavior-data-commands-ncmd-rebirth-value",
        ],
    ),
    (
        commands::a_node_command_has_topic_time_name_and_type,
        &[
            "tck-id-topics-ncmd-topic",
            "tck-id-topics-ncmd-mqtt",
            "tck-id-topics-ncmd-timestamp",
            "tck-id-topics-ncmd-payload",
            "tck-id-operational-behavior-data-commands-ncmd-verb",
            "tck-id-operational-behavior-data-commands-ncmd-metric-name",
            "tck-id-operational-behavior-data-commands-ncmd-metric-value",
            "tck-id-payloads-name-cmd-requirement",
            "tck-id-payloads-ncmd-timestamp",
            "tck-id-payloads-ncmd-seq",
            "tck-id-payloads-ncmd-qos",
            "tck-id-payloads-ncmd-retain",
        ],
    ),
    (
        commands::a_device_command_has_topic_time_name_and_type,
        &[
            "tck-id-topics-dcmd-topic",
            "tck-id-topics-dcmd-mqtt",
            "tck-id-topics-dcmd-timestamp",
            "tck-id-topics-dcmd-payload",
            "tck-id-operational-behavior-data-commands-dcmd-verb",
            "tck-id-operational-behavior-data-commands-dcmd-metric-name",
            "tck-id-operational-behavior-data-commands-dcmd-metric-value",
            "tck-id-payloads-dcmd-timestamp",
            "tck-id-payloads-dcmd-seq",
            "tck-id-payloads-dcmd-qos",
            "tck-id-payloads-dcmd-retain",
        ],
    ),
];

/// Requirements of hosts and servers that this machine has no part in.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "tck-id-message-flow-phid-sparkplug-clean-session-311",
        "the host is part of the broker and has no MQTT session that could outlive it",
    ),
    ("tck-id-message-flow-phid-sparkplug-clean-session-50", "the same"),
    ("tck-id-conformance-mqtt-qos0", "the broker's own tests"),
    ("tck-id-conformance-mqtt-qos1", "the broker's own tests"),
    ("tck-id-conformance-mqtt-will-messages", "the broker's own tests"),
    ("tck-id-conformance-mqtt-retained", "the broker's own tests"),
    ("tck-id-conformance-mqtt-aware-basic", "the broker's own tests"),
    (
        "tck-id-conformance-mqtt-aware-ndeath-timestamp",
        "a server may rewrite the time of a death; this one passes wills on as they are",
    ),
];

#[test]
fn no_requirement_is_claimed_twice() {
    let named = COVERAGE.iter().flat_map(|(_, ids)| *ids).chain(ELSEWHERE.iter().map(|(id, _)| id));
    let mut seen = BTreeSet::new();
    for id in named {
        assert!(seen.insert(id), "{id}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn every_requirement_of_a_host_is_shown_by_a_test_or_says_why_not() {
    let dir = std::env::var("TACITUS_REFERENCE").unwrap_or_else(|_unset| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference").to_owned()
    });
    let Ok(list) = std::fs::read_to_string(format!("{dir}/sparkplug/tck_ids.csv")) else {
        eprintln!("skipped: no list of requirements under {dir}");
        return;
    };
    let of_host = |line: &&str| {
        let profiles = line.split(',').nth(4).unwrap_or_default();
        profiles
            .split('|')
            .any(|profile| matches!(profile, "host" | "compliant-server" | "aware-server"))
    };
    let wanted: BTreeSet<&str> =
        list.lines().filter(of_host).filter_map(|line| line.split(',').next()).collect();
    let shown: BTreeSet<&str> = COVERAGE
        .iter()
        .flat_map(|(_, ids)| ids.iter().copied())
        .chain(ELSEWHERE.iter().map(|(id, _)| *id))
        .collect();
    let missing: Vec<_> = wanted.difference(&shown).collect();
    let invented: Vec<_> = shown.difference(&wanted).collect();
    assert_eq!((missing, invented), (vec![], vec![]));
}
