//! Places in the tree, and what they inherit.

use serde_json::json;

use super::{Asset, Plant};
use crate::calendar::Calendar;

fn asset(path: &str) -> Asset {
    Asset { path: path.to_owned(), ..Asset::default() }
}

fn plant() -> Plant {
    let mut plant = Plant::new();
    plant.put_asset(Asset {
        timezone: Some("Europe/Berlin".to_owned()),
        calendar: Some("day".to_owned()),
        ..asset("acme/berlin")
    });
    plant.put_asset(asset("acme/berlin/line1"));
    plant.put_asset(Asset { timezone: Some("Asia/Tokyo".to_owned()), ..asset("acme/tokyo") });
    let shifts = json!({"shifts": [{"name": "day", "start": "08:00", "end": "16:00"}]});
    plant.put_calendar("day", Calendar::new(serde_json::from_value(shifts).unwrap()).unwrap());
    plant
}

#[test]
fn a_path_belongs_to_the_longest_asset_path_by_whole_levels() {
    let plant = plant();
    for (path, want) in [
        ("acme/berlin/line1/filler/speed", Some("acme/berlin/line1")),
        ("acme/berlin/line1", Some("acme/berlin/line1")),
        ("acme/berlin/line10/speed", Some("acme/berlin")),
        ("acme/berlin", Some("acme/berlin")),
        ("acme", None),
        ("acme/paris/speed", None),
    ] {
        assert_eq!(plant.place(path).map(|asset| asset.path.as_str()), want, "{path}");
    }
    let parent = |path| plant.parent(path).map(|asset| asset.path.as_str());
    assert_eq!(parent("acme/berlin/line1"), Some("acme/berlin"));
    assert_eq!(parent("acme/berlin"), None);
}

#[test]
fn calendar_and_time_zone_are_inherited() {
    let plant = plant();
    assert_eq!(plant.calendar_name("acme/berlin/line1/filler"), Some("day"));
    assert_eq!(plant.timezone("acme/berlin/line1"), Some("Europe/Berlin"));
    assert!(plant.schedule("acme/tokyo").is_none(), "it has a time zone and no calendar");
    // 2026-01-01T08:00:00+01:00: the calendar has no zone of its own and takes the site's.
    let start = 1_767_250_800_000_000_000;
    let shift = plant.schedule("acme/berlin/line1").unwrap().shift_at(start);
    assert_eq!(shift.map(|shift| shift.start_ns), Some(start));
}
