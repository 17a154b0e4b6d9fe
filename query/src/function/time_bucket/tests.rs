//! Buckets on wall clocks that jump.

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::select;

use super::bucket::{Bucketer, Width};
use crate::format::rfc3339;
use crate::zone::Zone;

const HOUR: i128 = 3_600_000_000_000;

fn nanos(moment: &str) -> i64 {
    DateTime::parse_from_rfc3339(moment).unwrap().timestamp_nanos_opt().unwrap()
}

fn start(width: Width, zone: &str, moment: &str) -> String {
    let zone = Zone::named(zone).unwrap();
    rfc3339(Bucketer::new(width, zone, None).unwrap().start(nanos(moment)).unwrap())
}

#[test]
fn a_day_starts_at_midnight_on_the_wall_or_when_the_clock_jumps_over_it() {
    const DAY: Width = Width::Nanos(24 * HOUR);
    for (zone, moment, want) in [
        // Spring: 23 hours. Autumn: 25.
        ("Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-28T23:00:00Z"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z"),
        ("Europe/Berlin", "2026-10-25T22:59:59Z", "2026-10-24T22:00:00Z"),
        // Midnight is jumped over: the day starts at one.
        ("America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-11-05T01:59:59Z", "2018-11-04T03:00:00Z"),
        // Midnight comes twice: the day starts at the first.
        ("America/Havana", "2026-11-01T05:30:00Z", "2026-11-01T04:00:00Z"),
        ("America/Havana", "2026-11-01T04:30:00Z", "2026-11-01T04:00:00Z"),
        // A whole day is left out: Samoa went from 29 to 31 December.
        ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        // Half-hour and three-quarter zones.
        ("Asia/Kathmandu", "2026-01-01T18:14:59Z", "2025-12-31T18:15:00Z"),
        ("UTC", "1969-12-31T23:59:59Z", "1969-12-31T00:00:00Z"),
    ] {
        assert_eq!(start(DAY, zone, moment), want, "{zone} {moment}");
    }
}

#[test]
fn parts_of_an_hour_that_comes_twice_stay_apart() {
    for (width, moment, want) in [
        (HOUR, "2026-10-25T00:59:00Z", "2026-10-25T00:00:00Z"),
        (HOUR, "2026-10-25T01:01:00Z", "2026-10-25T01:00:00Z"),
        (HOUR / 4, "2026-10-25T00:20:00Z", "2026-10-25T00:15:00Z"),
        (HOUR / 4, "2026-10-25T01:20:00Z", "2026-10-25T01:15:00Z"),
        // Two hours from two o'clock hold both passes.
        (2 * HOUR, "2026-10-25T01:20:00Z", "2026-10-25T00:00:00Z"),
        (2 * HOUR, "2026-10-25T03:00:00Z", "2026-10-25T03:00:00Z"),
    ] {
        assert_eq!(start(Width::Nanos(width), "Europe/Berlin", moment), want, "{width} {moment}");
    }
}

#[test]
fn months_start_on_the_first_on_the_wall() {
    for (months, moment, want) in [
        (1, "2026-03-31T21:59:59Z", "2026-02-28T23:00:00Z"),
        (1, "2026-03-31T22:00:00Z", "2026-03-31T22:00:00Z"),
        (3, "2026-03-31T21:59:59Z", "2025-12-31T23:00:00Z"),
        (12, "1968-06-01T00:00:00Z", "1967-12-31T23:00:00Z"),
    ] {
        assert_eq!(start(Width::Months(months), "Europe/Berlin", moment), want, "{moment}");
    }
}

/// Zones and moments at which their clocks jump.
const JUMPS: [(&str, &str); 8] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("America/Havana", "2026-11-01T05:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
    ("UTC", "2000-01-01T00:00:00Z"),
];

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![
        select([1, 7, 25, 30, 45, 60, 90, 120, 480, 1440, 10080].as_slice())
            .prop_map(|minutes| Width::Nanos(minutes * HOUR / 60)),
        (1_i128..14).prop_map(Width::Months),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn starts_do_not_fall_and_are_remembered_right(
        (zone, jump) in select(JUMPS.as_slice()),
        width in width(),
        mut minutes in prop::collection::vec(-4000_i64..4000, 2..80),
    ) {
        const MINUTE: i64 = 60_000_000_000;
        minutes.sort_unstable();
        let zone = Zone::named(zone).unwrap();
        let mut remembering = Bucketer::new(width, zone, None).unwrap();
        let mut last = i64::MIN;
        for minute in minutes {
            let moment = nanos(jump) + minute * MINUTE + 7;
            let start = Bucketer::new(width, zone, None).unwrap().start(moment).unwrap();
            prop_assert!(start <= moment);
            prop_assert!(start >= last, "{} fell before {}", rfc3339(start), rfc3339(last));
            prop_assert_eq!(remembering.start(moment).unwrap(), start, "{}", rfc3339(moment));
            let again = Bucketer::new(width, zone, None).unwrap().start(start).unwrap();
            prop_assert_eq!(again, start, "the start of {} is not its own", rfc3339(start));
            last = start;
        }
    }
}
