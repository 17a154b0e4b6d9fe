//! Calendars against clocks that change, crews that rotate, and any calendar there can be.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Calendar, Fault, Schedule, ShiftSpan};

const HOUR_NS: i64 = 3_600_000_000_000;

fn faults(definition: Value) -> Vec<Fault> {
    Calendar::new(serde_json::from_value(definition).unwrap()).unwrap_err()
}

fn schedule(definition: Value) -> Schedule {
    let calendar = Calendar::new(serde_json::from_value(definition).unwrap());
    Schedule::new(Arc::new(calendar.unwrap()), None)
}

fn three_shifts(zone: &str) -> Value {
    json!({
        "timezone": zone,
        "day_start": "06:00",
        "shifts": [
            {"name": "early", "start": "06:00", "end": "14:00"},
            {"name": "late", "start": "14:00", "end": "22:00"},
            {"name": "night", "start": "22:00", "end": "06:00",
             "breaks": [{"start": "02:00", "end": "02:30"}]},
        ],
    })
}

fn day(text: &str) -> i32 {
    text.parse::<NaiveDate>().unwrap().to_epoch_days()
}

fn moment(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
}

fn utc(moment: i64) -> String {
    DateTime::from_timestamp_nanos(moment).to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn named<'a>(spans: &'a [ShiftSpan], name: &str) -> &'a ShiftSpan {
    spans.iter().find(|span| &*span.shift == name).unwrap()
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "hours of a shift are few")]
fn a_night_shift_has_an_hour_less_or_more_where_clocks_change() {
    for (zone, date, start, hours) in [
        ("Europe/Berlin", "2026-03-27", "2026-03-27T21:00:00Z", 8.0),
        ("Europe/Berlin", "2026-03-28", "2026-03-28T21:00:00Z", 7.0),
        ("Europe/Berlin", "2026-03-29", "2026-03-29T20:00:00Z", 8.0),
        ("Europe/Berlin", "2026-10-24", "2026-10-24T20:00:00Z", 9.0),
        ("America/New_York", "2026-03-07", "2026-03-08T03:00:00Z", 7.0),
        ("America/New_York", "2026-10-31", "2026-11-01T02:00:00Z", 9.0),
        // Half an hour: forward at 2:00 to 2:30, back at 2:00 to 1:30.
        ("Australia/Lord_Howe", "2026-10-03", "2026-10-03T11:30:00Z", 7.5),
        ("Australia/Lord_Howe", "2026-04-04", "2026-04-04T11:00:00Z", 8.5),
        ("Asia/Kolkata", "2026-03-28", "2026-03-28T16:30:00Z", 8.0),
    ] {
        let spans = schedule(three_shifts(zone)).shifts_of(day(date));
        let night = named(&spans, "night");
        let length = (night.end_ns - night.start_ns) as f64 / HOUR_NS as f64;
        assert_eq!((utc(night.start_ns).as_str(), length), (start, hours), "{zone} {date}");
        // The break is taken, whatever the clock does.
        assert_eq!(night.end_ns - night.start_ns - night.planned_ns, HOUR_NS / 2, "{zone} {date}");
    }
}

#[test]
fn a_boundary_that_the_clock_jumps_over_is_the_jump_and_one_shown_twice_is_the_first() {
    let schedule = schedule(json!({
        "timezone": "Europe/Berlin",
        "shifts": [
            {"name": "before", "start": "00:00", "end": "02:30"},
            {"name": "gone", "start": "02:30", "end": "02:45"},
            {"name": "after", "start": "02:45", "end": "00:00"},
        ],
    }));
    let told = |date| {
        let spans = schedule.shifts_of(day(date));
        let told = |span: &ShiftSpan| format!("{} {}", span.shift, utc(span.start_ns));
        spans.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(told("2026-03-29"), ["before 2026-03-28T23:00:00Z", "after 2026-03-29T01:00:00Z"]);
    assert_eq!(
        told("2026-10-25"),
        ["before 2026-10-24T22:00:00Z", "gone 2026-10-25T00:30:00Z", "after 2026-10-25T00:45:00Z"]
    );
}

#[test]
fn a_shift_belongs_to_the_production_day_in_which_it_starts() {
    let from_six = schedule(three_shifts("Europe/Berlin"));
    for (at, want) in [
        ("2026-03-28T05:59:59+01:00", "2026-03-27"),
        ("2026-03-28T06:00:00+01:00", "2026-03-28"),
        // In the night in which the clock jumps.
        ("2026-03-29T05:59:59+02:00", "2026-03-28"),
        ("2026-03-29T06:00:00+02:00", "2026-03-29"),
    ] {
        assert_eq!(from_six.production_day(moment(at)), day(want), "{at}");
    }
    let mut early = three_shifts("Europe/Berlin");
    early["day_start"] = json!("22:00");
    early["day_named_by"] = json!("end");
    let early = schedule(early);
    let sunday_night = moment("2026-03-01T22:00:00+01:00");
    assert_eq!(early.production_day(sunday_night), day("2026-03-02"));
    assert_eq!(early.production_day(sunday_night - 1), day("2026-03-01"));
    let spans = early.shifts_of(day("2026-03-02"));
    let names: Vec<&str> = spans.iter().map(|span| &*span.shift).collect();
    assert_eq!(names, ["night", "early", "late"]);
    assert_eq!(spans[0].start_ns, sunday_night);
}

#[test]
fn a_night_shift_over_midnight_is_of_the_day_it_starts_on() {
    // From the reference vectors for availability: ev-05.
    let schedule = schedule(json!({
        "timezone": "Europe/Berlin",
        "shifts": [{"name": "N", "start": "22:00", "end": "06:00", "days": ["mon", "tue"]}],
    }));
    let spans: Vec<ShiftSpan> =
        (day("2024-06-09")..day("2024-06-16")).flat_map(|day| schedule.shifts_of(day)).collect();
    let told: Vec<(String, String)> =
        spans.iter().map(|span| (utc(span.start_ns), utc(span.end_ns))).collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        told,
        [
            pair("2024-06-10T20:00:00Z", "2024-06-11T04:00:00Z"),
            pair("2024-06-11T20:00:00Z", "2024-06-12T04:00:00Z"),
        ]
    );
    // The end of a shift is not in it.
    let end = moment("2024-06-11T04:00:00Z");
    assert_eq!(schedule.shift_at(end - 1).map(|span| span.day), Some(day("2024-06-10")));
    assert_eq!(schedule.shift_at(end), None);
}

#[test]
fn four_crews_rotate_over_four_weeks() {
    // Two early, two late, two nights, two free, for four crews: all shifts are worked, every day.
    let mut definition = three_shifts("Europe/Berlin");
    definition["rotation"] = json!({
        "from": "2026-03-02",
        "pattern": ["early", "early", "late", "late", "night", "night", null, null],
        "crews": [
            {"name": "A"}, {"name": "B", "offset": 2},
            {"name": "C", "offset": 4}, {"name": "D", "offset": 6},
        ],
    });
    let schedule = schedule(definition);
    let crews = |date| {
        let spans = schedule.shifts_of(date);
        let crews = spans.iter().map(|span| span.crew.as_deref().unwrap().to_owned());
        crews.collect::<String>()
    };
    let start = day("2026-03-02");
    let want = ["ABC", "ABC", "DAB", "DAB", "CDA", "CDA", "BCD", "BCD"];
    for at in 0..28 {
        assert_eq!(crews(start + at), want[usize::try_from(at).unwrap() % 8], "day {at}");
    }
    // The pattern goes back before its first day too.
    assert_eq!(crews(start - 1), "BCD");
}

#[test]
fn holidays_rest_and_special_days_have_their_own_shifts() {
    let mut definition = three_shifts("Europe/Berlin");
    definition["shifts"][0]["days"] = json!(["mon", "tue", "wed", "thu", "fri"]);
    definition["shifts"][2]["on_holidays"] = json!(true);
    definition["holidays"] = json!([
        {"date": "12-25", "name": "Christmas"},
        {"date": "2026-04-03", "until": "2026-04-06", "name": "Easter"},
    ]);
    definition["special_days"] =
        json!([{"date": "2026-05-02", "shifts": ["early"]}, {"date": "2026-04-06", "shifts": []}]);
    let schedule = schedule(definition);
    for (date, want) in [
        ("2026-04-02", "early late night"),
        ("2026-04-03", "night"),
        ("2026-04-06", ""),
        ("2026-04-07", "early late night"),
        ("2026-05-02", "early"),
        ("2026-05-03", "late night"),
        ("2031-12-25", "night"),
    ] {
        let spans = schedule.shifts_of(day(date));
        let names: Vec<&str> = spans.iter().map(|span| &*span.shift).collect();
        assert_eq!(names.join(" "), want, "{date}");
    }
}

#[test]
fn a_change_holds_from_its_day_on_and_leaves_what_was() {
    let mut definition = three_shifts("Europe/Berlin");
    let crews = json!([{"name": "A"}, {"name": "B", "offset": 1}]);
    definition["changes"] = json!([{
        "from": "2026-07-01",
        "shifts": [
            {"name": "day", "start": "06:00", "end": "18:00"},
            {"name": "night", "start": "18:00", "end": "06:00"},
        ],
        "rotation": {"from": "2026-07-01", "pattern": ["day", "night"], "crews": crews},
    }, {"from": "2026-08-01", "shifts": []}]);
    definition["special_days"] = json!([
        {"date": "2026-06-29", "shifts": ["late"]},
        {"date": "2026-07-02", "shifts": ["day"]},
    ]);
    let schedule = schedule(definition);
    for (date, want) in [
        ("2026-06-29", "late"),
        ("2026-06-30", "early late night"),
        ("2026-07-01", "day of A night of B"),
        ("2026-07-02", "day of B"),
        ("2026-07-31", "day of A night of B"),
        ("2026-08-01", ""),
    ] {
        let spans = schedule.shifts_of(day(date));
        let told = |span: &ShiftSpan| match &span.crew {
            Some(crew) => format!("{} of {crew}", span.shift),
            None => span.shift.to_string(),
        };
        assert_eq!(spans.iter().map(told).collect::<Vec<_>>().join(" "), want, "{date}");
    }
    // The last night of the old rules runs to its end.
    let told = |at: &str| schedule.shift_at(moment(at)).map(|span| span.end_ns - span.start_ns);
    assert_eq!(told("2026-07-01T05:59:59+02:00"), Some(8 * HOUR_NS));
    assert_eq!(told("2026-07-01T06:00:00+02:00"), Some(12 * HOUR_NS));
}

#[test]
fn shifts_that_overlap_where_the_rules_change_are_refused() {
    let found = faults(json!({
        "shifts": [{"name": "night", "start": "22:00", "end": "06:00"}],
        "changes": [
            {"from": "2026-07-01", "shifts": [{"name": "early", "start": "05:00", "end": "13:00"}]},
        ],
    }));
    let told: Vec<(&str, &str)> =
        found.iter().map(|fault| (fault.key.as_str(), fault.reason.as_str())).collect();
    assert_eq!(told, [("changes[0].shifts[0]", "\"night\" and \"early\" overlap on tue")]);
}

#[test]
fn what_is_wrong_in_a_change_is_told_with_its_place() {
    let shifts = json!([{"name": "a", "start": "06:00", "end": "14:00"}]);
    let found = faults(json!({
        "shifts": shifts,
        "changes": [
            {"from": "2026-07-01", "shifts": shifts},
            {"from": "2026-07-01", "shifts": shifts},
            {"from": "soon", "shifts": [{"name": "b", "start": "6", "end": "14:00"}],
             "rotation": {"from": "2026-07-01", "pattern": ["a"], "crews": []}},
        ],
        // By then there is no such shift any more.
        "special_days": [{"date": "2026-07-02", "shifts": ["b"]}],
    }));
    let keys: Vec<&str> = found.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "changes[1].from",
            "changes[2].from",
            "changes[2].shifts[0].start",
            "changes[2].rotation.pattern[0]",
            "special_days[0].shifts[0]",
        ]
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let found = faults(json!({
        "timezone": "Europe/Nowhere",
        "day_start": "6 o'clock",
        "shifts": [
            {"name": "a", "start": "06:00", "end": "25:00"},
            {"name": "a", "start": "06:00", "end": "14:00", "days": ["moon"],
             "breaks": [{"start": "13:30", "end": "14:30"}]},
        ],
        "rotation": {"from": "today", "pattern": ["b"], "crews": [{"name": ""}]},
        "holidays": [{"date": "2026-12-24", "until": "2029-01-01"}],
        "special_days": [{"date": "2026-02-30", "shifts": []}],
    }));
    let keys: Vec<&str> = found.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "timezone",
            "day_start",
            "shifts[0].end",
            "shifts[1].name",
            "shifts[1].days",
            "shifts[1].breaks[0]",
            "rotation.from",
            "rotation.pattern[0]",
            "rotation.crews[0].name",
            "holidays[0]",
            "special_days[0].date",
        ]
    );
}

#[test]
fn shifts_that_overlap_are_refused_also_across_midnight_and_on_special_days() {
    let overlapping = |shifts: Value, special: Value| {
        let found = faults(json!({"shifts": shifts, "special_days": special}));
        found.into_iter().map(|fault| fault.reason).collect::<Vec<_>>()
    };
    let night = json!({"name": "n", "start": "22:00", "end": "06:00", "days": ["sun"]});
    let early = json!({"name": "e", "start": "05:00", "end": "13:00", "days": ["mon"]});
    assert_eq!(overlapping(json!([night, early]), json!([])), ["\"n\" and \"e\" overlap on sun"]);
    let late = json!({"name": "e", "start": "05:00", "end": "13:00", "days": ["tue"]});
    // 2026-03-02 is a Monday.
    let special = json!([{"date": "2026-03-02", "shifts": ["e"]}]);
    assert_eq!(overlapping(json!([night, late]), special), ["\"n\" and \"e\" overlap on sun"]);
}

#[test]
fn a_date_that_a_zone_left_out_has_no_moments() {
    // Samoa went from the 29th to the 31st.
    let schedule = schedule(three_shifts("Pacific/Apia"));
    assert_eq!(schedule.production_day(moment("2011-12-30T09:59:59Z")), day("2011-12-29"));
    let after = moment("2011-12-31T06:00:00+14:00");
    assert_eq!(schedule.production_day(after), day("2011-12-31"));
    for end in [i64::MIN, i64::MAX] {
        // There are no days beyond, and asking for them is no mistake.
        let found = schedule.shift_at(end);
        assert!(found.is_none_or(|span| span.day == schedule.production_day(span.start_ns)));
    }
}

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "+05:30",
];

/// Where the day is cut into shifts, in quarters of an hour; of each the days, whether it runs
/// on all of them, and whether it pauses.
type Cuts = (BTreeSet<i64>, Vec<([bool; 7], bool, bool)>);

fn cuts() -> impl Strategy<Value = Cuts> {
    let cuts = proptest::collection::btree_set(1_i64..96, 0..6);
    let rule = (any::<[bool; 7]>(), any::<bool>(), any::<bool>());
    (cuts, proptest::collection::vec(rule, 7))
}

/// Shifts that lie behind each other from the start of the day on, with a pause in some.
fn shifts(day_start: i64, (cuts, rules): &Cuts) -> Value {
    let mut edges: Vec<i64> = vec![0];
    edges.extend(cuts);
    edges.push(96);
    let pairs = edges.windows(2).zip(rules).enumerate();
    let shifts = pairs.map(|(at, (edges, (days, everyday, pause)))| {
        let (from, to) = (edges[0] + day_start, edges[1] + day_start);
        let words = super::wall::WEEKDAYS.into_iter().zip(days);
        let words: Vec<&str> =
            words.filter(|(_, runs)| **runs || *everyday).map(|(word, _)| word).collect();
        let breaks = if *pause {
            json!([{"start": clock(from), "end": clock(from + 1)}])
        } else {
            json!([])
        };
        json!({"name": format!("s{at}"), "start": clock(from), "end": clock(to),
               "days": words, "breaks": breaks})
    });
    shifts.collect()
}

fn clock(quarter: i64) -> String {
    let quarter = quarter.rem_euclid(96);
    format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15)
}

/// Calendars whose rules change in a night in which the clock does.
fn definition() -> impl Strategy<Value = Value> {
    let zones = proptest::sample::select(ZONES.as_slice());
    (0_i64..96, cuts(), cuts(), zones, any::<bool>()).prop_map(
        |(day_start, before, after, zone, by_end)| {
            json!({
                "timezone": zone,
                "day_start": clock(day_start),
                "day_named_by": if by_end { "end" } else { "start" },
                "shifts": shifts(day_start, &before),
                "changes": [{"from": "2026-03-29", "shifts": shifts(day_start, &after)}],
            })
        },
    )
}

/// Days around changes of clocks, and others.
fn first_day() -> impl Strategy<Value = i32> {
    const CHANGES: [&str; 7] = [
        "2026-03-27",
        "2026-10-23",
        "2026-03-06",
        "2026-10-30",
        "2026-04-03",
        "2026-10-02",
        "2011-12-28",
    ];
    prop_oneof![proptest::sample::select(CHANGES.as_slice()).prop_map(day), -30_000_i32..60_000,]
}

proptest! {
    /// The invariant of the module.
    #[test]
    fn shifts_never_overlap_and_a_moment_is_in_the_shift_that_lists_it(
        definition in definition(),
        first in first_day(),
        parts in proptest::collection::vec(0.0_f64..1.0, 20),
    ) {
        let all = [&definition["shifts"], &definition["changes"][0]["shifts"]];
        let everyday = all.iter().flat_map(|shifts| shifts.as_array().unwrap())
            .all(|shift| shift["days"].as_array().unwrap().len() == 7);
        let schedule = schedule(definition);
        let spans: Vec<ShiftSpan> =
            (first - 2..first + 7).flat_map(|day| schedule.shifts_of(day)).collect();
        for pair in spans.windows(2) {
            prop_assert!(pair[0].end_ns <= pair[1].start_ns, "{pair:?}");
            if everyday {
                prop_assert_eq!(pair[0].end_ns, pair[1].start_ns);
            }
        }
        let edges = spans.iter().flat_map(|span| [span.start_ns, span.start_ns - 1, span.end_ns]);
        let (from, to) = (schedule.day_start(first), schedule.day_start(first + 7));
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "any moment does")]
        let inside = parts.iter().map(|part| (from + ((to - from) as f64 * part) as i128) as i64);
        for moment in edges.chain(inside).filter(|own| (from..to).contains(&i128::from(*own))) {
            let listed = spans.iter().find(|span| (span.start_ns..span.end_ns).contains(&moment));
            let told = schedule.shift_at(moment);
            prop_assert_eq!(told.as_ref(), listed, "{}", utc(moment));
            let day = schedule.production_day(moment);
            prop_assert!(schedule.day_start(day) <= i128::from(moment));
            prop_assert!(i128::from(moment) < schedule.day_start(day + 1));
        }
        for span in &spans {
            prop_assert!(0 <= span.planned_ns && span.planned_ns <= span.end_ns - span.start_ns);
            let rested: i64 = span.breaks.iter().map(|(from, to)| to - from).sum();
            prop_assert_eq!(span.planned_ns + rested, span.end_ns - span.start_ns);
            prop_assert_eq!(schedule.production_day(span.start_ns), span.day);
        }
    }
}
