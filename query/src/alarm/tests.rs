//! Reports become the states of ISA-18.2, and nothing told twice counts twice.

use serde_json::json;

use super::{AlarmState, Conditions, Report, retained};

/// The letter of ISA-18.2.
fn letter(state: AlarmState) -> char {
    match state {
        AlarmState::Normal => 'A',
        AlarmState::Unacknowledged => 'B',
        AlarmState::Acknowledged => 'C',
        AlarmState::ReturnedUnacknowledged => 'D',
        AlarmState::LatchedUnacknowledged => 'E',
        AlarmState::LatchedAcknowledged => 'F',
        AlarmState::Shelved => 'G',
        AlarmState::SuppressedByDesign => 'H',
        AlarmState::OutOfService => 'I',
    }
}

fn report(active: bool, acknowledged: bool) -> Report {
    Report { condition: "High".to_owned(), active, acknowledged, ..Report::default() }
}

fn event(more: &serde_json::Value) -> Option<Report> {
    let mut event = json!({"source_name": "Oven", "condition": "High", "severity": 700.0});
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    Report::of_event(&event.to_string())
}

#[test]
fn an_event_gives_the_state_that_its_flags_mean() {
    for (event_says, want) in [
        (json!({"active": false, "acknowledged": true}), 'A'),
        (json!({"active": true, "acknowledged": false}), 'B'),
        (json!({"active": true, "acknowledged": true}), 'C'),
        (json!({"active": false, "acknowledged": false}), 'D'),
        (json!({"active": false, "acknowledged": false, "latched": true}), 'E'),
        (json!({"active": false, "acknowledged": true, "latched": true}), 'F'),
        (json!({"active": true, "acknowledged": false, "shelved": "TimedShelved"}), 'G'),
        (json!({"active": true, "acknowledged": false, "shelved": "Unshelved"}), 'B'),
        (json!({"active": true, "suppressed": true, "shelved": "OneShotShelved"}), 'H'),
        (json!({"active": true, "suppressed": true, "out_of_service": true}), 'I'),
        (json!({"active": true, "enabled": false}), 'I'),
        // A condition that cannot be acknowledged, and one that has no active state.
        (json!({"active": true}), 'C'),
        (json!({"retain": true, "acknowledged": false}), 'B'),
    ] {
        assert_eq!(letter(event(&event_says).unwrap().state()), want, "{event_says}");
    }
    assert_eq!(event(&json!({"condition": ""})), None, "an event that only happens");
    assert_eq!(event(&json!({"branch": "ns=2;i=7"})), None, "a branch");
    assert!(event(&json!({"branch": "i=0"})).is_some());
    assert_eq!(Report::of_event("too hot"), None);
}

/// The transitions of the reference vector "hi-basic", from what its condition says at each time.
#[test]
fn a_condition_goes_the_way_of_the_reference_vector() {
    let mut conditions = Conditions::default();
    let steps = [
        (0, report(false, true)),
        (10, report(true, false)),
        (12, report(true, true)),
        (20, report(false, true)),
        (30, report(true, false)),
        (35, report(true, true)),
        (40, report(false, true)),
    ];
    let told: Vec<(i64, char, char)> = steps
        .into_iter()
        .filter_map(|(at, report)| conditions.take(at, report))
        .filter_map(|own| Some((own.at, letter(own.before?), letter(own.after.state))))
        .collect();
    let want = [
        (10, 'A', 'B'),
        (12, 'B', 'C'),
        (20, 'C', 'A'),
        (30, 'A', 'B'),
        (35, 'B', 'C'),
        (40, 'C', 'A'),
    ];
    assert_eq!(told, want);
}

#[test]
fn what_is_told_again_is_no_transition_and_who_acknowledged_is_remembered() {
    let mut conditions = Conditions::default();
    assert!(conditions.take(1, report(true, false)).is_some());
    assert_eq!(conditions.take(2, report(true, false)), None);
    let seen =
        Report { user: "ada".to_owned(), comment: "on my way".to_owned(), ..report(true, true) };
    let acknowledged = conditions.take(3, seen.clone()).unwrap();
    assert_eq!((acknowledged.after.since, acknowledged.after.raised), (3, Some(1)));
    let worse = Report { severity: Some(900), ..seen };
    let worse = conditions.take(4, worse).unwrap();
    assert_eq!((worse.after.since, worse.before), (3, Some(AlarmState::Acknowledged)));
    assert_eq!(worse.after.acknowledged_by, "ada");
    let again = conditions.take(5, report(true, false)).unwrap();
    assert_eq!((again.after.acknowledged_by.as_str(), again.after.raised), ("", Some(1)));
    assert_eq!(conditions.len(), 1);
}

/// A server that is asked for all its conditions leaves out those of which nothing is left.
#[test]
fn a_condition_that_its_source_leaves_out_is_over() {
    let named =
        |condition: &str, report: Report| Report { condition: condition.to_owned(), ..report };
    let mut conditions = Conditions::default();
    conditions.take(1, named("High", report(true, false)));
    conditions.take(2, named("Low", report(true, true)));
    conditions.take(3, named("Door", report(false, true)));
    let kept = retained(r#"{"event_type": "i=2788", "retained": ["Low"]}"#).unwrap();
    let over = conditions.keep_only(9, &kept);
    let names: Vec<(&str, char)> =
        over.iter().map(|own| (&*own.after.report.condition, letter(own.after.state))).collect();
    assert_eq!(names, [("High", 'A')]);
    assert_eq!((over[0].at, over[0].before), (9, Some(AlarmState::Unacknowledged)));
    assert_eq!(conditions.keep_only(10, &kept), []);
    assert_eq!(retained(r#"{"condition": "High", "message": "retained"}"#), None);
}
