//! What is taken, and what is refused.

use super::*;
use std::time::Duration;

fn draft() -> Draft {
    Draft {
        name: "cell3".into(),
        endpoint: "opc.tcp://10.0.0.5:4840".into(),
        nodes: vec![DraftNode { node: "ns=2;s=Oven.Temp".into(), ..DraftNode::default() }],
        ..Draft::default()
    }
}

#[test]
fn a_node_without_a_tag_is_named_by_its_identifier_below_the_prefix() {
    let every_change = Some(Duration::ZERO);
    let draft =
        Draft { prefix: Some("site/area/".into()), sampling_interval: every_change, ..draft() };
    let settings = draft.check().unwrap();
    assert_eq!(settings.sampling_interval, Duration::ZERO);
    assert_eq!(settings.nodes[0].tag.as_str(), "site/area/Oven.Temp");
    assert_eq!(settings.quantum_ns, 1_000_000);
}

#[test]
fn everything_wrong_is_reported_at_once_by_its_key() {
    let node = |node: &str, tag: &str| DraftNode {
        node: node.into(),
        tag: Some(tag.into()),
        ..DraftNode::default()
    };
    let problems = Draft {
        name: "cell 3".into(),
        endpoint: "http://10.0.0.5".into(),
        security: Some("Basic128Rsa15".into()),
        user: Some("reader".into()),
        sampling_interval: Some(Duration::from_millis(1)),
        queue_size: Some(0),
        nodes: vec![node("Oven", "a"), node("i=1", "b"), node("i=2", "b"), node("i=3", "")],
        browse: Some(DraftBrowse {
            root: "x".into(),
            depth: Some(0),
            count: Some(0),
            template: Some("fixed".into()),
            include: vec!["[".into()],
            exclude: Vec::new(),
        }),
        ..Draft::default()
    }
    .check()
    .unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "name",
            "endpoint",
            "security",
            "password",
            "sampling_interval",
            "queue_size",
            "nodes[0].node",
            "nodes[2].tag",
            "nodes[3].tag",
            "browse.root",
            "browse.depth",
            "browse.count",
            "browse.template",
            "browse.include",
        ]
    );
}

#[test]
fn a_collector_that_collects_nothing_is_refused() {
    let problems = Draft { nodes: Vec::new(), ..draft() }.check().unwrap_err();
    assert_eq!(problems[0].key, "nodes");
}

#[test]
fn a_password_is_not_shown() {
    let login = Draft {
        user: Some("reader".into()),
        password: Some(Password("hunter2".into())),
        ..draft()
    };
    assert!(!format!("{login:?}").contains("hunter2"));
    assert!(!format!("{:?}", login.check().unwrap()).contains("hunter2"));
}
