//! What topics become, and what each mistake in the rules is told.

use super::*;

fn rule(topic: &str, path: &str) -> RuleSpec {
    RuleSpec { topic: Some(topic.into()), path: Some(path.into()), ..RuleSpec::default() }
}

fn pattern(pattern: &str, path: &str) -> RuleSpec {
    RuleSpec { pattern: Some(pattern.into()), path: Some(path.into()), ..RuleSpec::default() }
}

fn path(rules: &Rules, topic: &str) -> Option<String> {
    match rules.apply(topic) {
        Verdict::Take { path, .. } => Some(path.unwrap_or_else(|| topic.to_owned())),
        Verdict::Leave => None,
    }
}

#[test]
fn by_default_every_topic_keeps_its_name_but_those_of_the_broker() {
    for rules in [Rules::default(), Rules::new(&Spec::default()).unwrap()] {
        assert_eq!(path(&rules, "a/b c/ä").as_deref(), Some("a/b c/ä"));
        assert_eq!(path(&rules, "$SYS/broker/uptime"), None);
    }
}

#[test]
fn exclude_goes_before_include() {
    let rules = Rules::new(&Spec {
        include: vec!["plant/#".into(), "$SYS/broker/#".into()],
        exclude: vec!["plant/+/debug".into()],
        rules: Vec::new(),
    })
    .unwrap();
    for (topic, taken) in [
        ("plant/l1/temp", true),
        ("plant/l1/debug", false),
        ("office/temp", false),
        ("$SYS/broker/uptime", true),
    ] {
        assert_eq!(path(&rules, topic).is_some(), taken, "{topic}");
    }
}

#[test]
fn the_first_rule_that_matches_names_the_path() {
    let rules = Rules::new(&Spec {
        rules: vec![
            rule("umh/v1/+/+/_raw/#", "$1/$2/$3"),
            rule("umh/#", "other/$1"),
            pattern(r"^tele/(?<device>[^/]+)/SENSOR$", "${device}s"),
            pattern("_c$", "$0"),
        ],
        ..Spec::default()
    })
    .unwrap();
    for (topic, want) in [
        ("umh/v1/acme/chicago/_raw/line1/speed", "acme/chicago/line1/speed"),
        ("umh/v1/acme/_raw/speed", "other/v1/acme/_raw/speed"),
        ("tele/oven/SENSOR", "ovens"),
        ("tele/oven/STATE", "tele/oven/STATE"),
        ("a/b_c", "_c"),
    ] {
        assert_eq!(path(&rules, topic).as_deref(), Some(want), "{topic}");
    }
}

#[test]
fn a_rule_fixes_what_the_payload_does_not_say() {
    let spec = RuleSpec {
        topic: Some("+/state".into()),
        kind: Some("state".into()),
        states: vec!["idle".into(), "run".into()],
        unit: Some("-".into()),
        step: Some(true),
        ..RuleSpec::default()
    };
    let rules = Rules::new(&Spec { rules: vec![spec], ..Spec::default() }).unwrap();
    let Verdict::Take { rule, path, form } = rules.apply("press/state") else {
        panic!("the rule matches");
    };
    assert_eq!((rule, path), (Some(0), None));
    assert_eq!((form.kind, form.step, form.unit.as_str()), (Some(Kind::State), Some(true), "-"));
    assert_eq!(form.states, ["idle", "run"]);
}

#[test]
fn named_levels_go_to_path_labels_and_unit() {
    let spec = RuleSpec {
        labels: vec!["line=$line".into(), "plant=north".into()],
        unit: Some("$unit".into()),
        profile: Some("vtq".into()),
        time: vec!["measured".into()],
        zone: Some("Europe/Berlin".into()),
        ..rule("plant/{line}/+/{unit}/#", "$line/$2/$4")
    };
    let rules = Rules::new(&Spec { rules: vec![spec], ..Spec::default() }).unwrap();
    let Verdict::Take { path, form, .. } = rules.apply("plant/l1/oven/°C/zone/1") else {
        panic!("the rule matches");
    };
    assert_eq!(path.as_deref(), Some("l1/oven/zone/1"));
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(form.labels, [label("line", "l1"), label("plant", "north")]);
    assert_eq!(form.unit, "°C");
    assert_eq!(form.choice.profile, Some(Profile::Vtq));
    assert_eq!(form.choice.time, ["measured"]);
    assert!(form.choice.zone.is_some());
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let base = RuleSpec { topic: Some("a".into()), ..RuleSpec::default() };
    let spec = Spec {
        include: vec!["#".into(), "a/b+".into()],
        exclude: vec!["#/a".into()],
        rules: vec![
            rule("a/+", "$2"),
            pattern("(", "x"),
            pattern("(?<x>a)", "$xy"),
            RuleSpec::default(),
            RuleSpec { pattern: Some("a".into()), ..base.clone() },
            RuleSpec { kind: Some("double".into()), ..base.clone() },
            RuleSpec { kind: Some("state".into()), ..base.clone() },
            RuleSpec { states: vec!["a".into()], ..base.clone() },
            rule("a", ""),
            pattern("(a{1000}){1000}", "x"),
            RuleSpec { unit: Some("$1".into()), ..base.clone() },
            RuleSpec { labels: vec!["a=$b".into(), "b".into()], ..base.clone() },
            RuleSpec { profile: Some("modbus".into()), ..base.clone() },
            RuleSpec { zone: Some("Mars".into()), ..base.clone() },
        ],
    };
    let problems = Rules::new(&spec).unwrap_err();
    let places: Vec<_> = problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(
        places,
        [
            "include[1]",
            "exclude[0]",
            "rules[0].path",
            "rules[1].pattern",
            "rules[2].path",
            "rules[3]",
            "rules[4]",
            "rules[5].kind",
            "rules[6].states",
            "rules[7].states",
            "rules[8].path",
            "rules[9].pattern",
            "rules[10].unit",
            "rules[11].labels",
            "rules[11].labels",
            "rules[12].profile",
            "rules[13].zone",
        ]
    );
    for problem in &problems {
        assert!(!problem.message.is_empty() && !problem.hint.is_empty(), "{problem}");
    }
}
