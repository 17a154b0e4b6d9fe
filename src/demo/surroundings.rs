//! What people would have said of the plant: its assets, its shifts, how effective it is, a control
//! chart, a note.
//!
//! *Invariant.* It is said once: a demonstration that starts again on its data changes nothing.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tacitus_model::Timestamp;
use tacitus_query::calendar::CalendarDefinition;
use tacitus_query::oee::OeeDefinition;
use tacitus_query::spc::PlanDefinition;

use super::plant::Plant;
use crate::plant::{AnnotationDraft, AssetDefinition, Mark, Plants};

/// Three shifts by four crews; the day begins at six.
fn calendar() -> Value {
    json!({
        "description": "early, late and night, by four crews; who has a break is relieved",
        "day_start": "06:00",
        "shifts": [
            {"name": "early", "start": "06:00", "end": "14:00"},
            {"name": "late", "start": "14:00", "end": "22:00"},
            {"name": "night", "start": "22:00", "end": "06:00"},
        ],
        "rotation": {
            "from": "2026-01-05",
            "pattern": ["early", "early", "late", "late", "night", "night", null, null],
            "crews": [{"name": "A"}, {"name": "B", "offset": 2},
                      {"name": "C", "offset": 4}, {"name": "D", "offset": 6}],
        },
    })
}

/// One bottle a minute.
fn filling() -> Value {
    json!({
        "description": "one bottle a minute",
        "chart": "i_mr",
        "tag": "demo/line1/filler/fill_volume",
        "subgroup": {"interval_s": 60, "count": 1},
        "rules": ["nelson1", "nelson2", "nelson3"],
        "gap_s": 900,
        "lsl": 498, "usl": 503, "target": 500.4,
    })
}

/// Says it, where nobody has said anything yet.
pub(super) async fn describe(plant: &Plant, plants: &Plants, now: Timestamp) -> Result<(), String> {
    if plants.now().assets().len() > 0 {
        return Ok(());
    }
    let refuse = |error: &dyn std::fmt::Display| error.to_string();
    let calendar: CalendarDefinition =
        serde_json::from_value(calendar()).map_err(|error| refuse(&error))?;
    plants.put_calendar("three-shift", calendar).await.map_err(|error| refuse(&error))?;
    let assets = assets(plant);
    plants.put_assets(assets.clone()).await.map_err(|error| refuse(&error))?;
    for (asset, definition) in assets.iter().filter_map(effectiveness) {
        let definition: OeeDefinition =
            serde_json::from_value(definition).map_err(|error| refuse(&error))?;
        plants.put_oee(asset, definition).await.map_err(|error| refuse(&error))?;
    }
    let filling: PlanDefinition =
        serde_json::from_value(filling()).map_err(|error| refuse(&error))?;
    plants.put_spc_plan("filling", filling).await.map_err(|error| refuse(&error))?;
    let note = AnnotationDraft {
        of: Mark::Asset("demo".to_owned()),
        start: now,
        end: None,
        text: "the simulated plant was switched on".to_owned(),
        author: "demo".to_owned(),
        attributes: Map::new(),
    };
    let noted = plants.annotations.add(|id| note.numbered(id, now)).await;
    noted.map(drop).map_err(|error| refuse(&error))
}

/// The site, its lines, their machines: every place that a signal is at.
fn assets(plant: &Plant) -> Vec<AssetDefinition> {
    let mut places = BTreeSet::new();
    for signal in plant.signals() {
        let path = signal.path();
        let above =
            std::iter::successors(path.rsplit_once('/'), |(above, _)| above.rsplit_once('/'));
        places.extend(above.map(|(above, _)| above.to_owned()));
    }
    let asset = |path: String| {
        let level = match path.matches('/').count() {
            0 => "site",
            1 if path.contains("line") => "line",
            1 => "area",
            _ => "cell",
        };
        let of_site = |text: &str| (level == "site").then(|| text.to_owned());
        AssetDefinition {
            level: Some(level.to_owned()),
            timezone: of_site("Europe/Berlin"),
            calendar: of_site("three-shift"),
            path,
            ..AssetDefinition::default()
        }
    };
    places.into_iter().map(asset).collect()
}

/// How the effectiveness of an asset is worked out: of a machine by its state and counts, of a
/// line as its last machine, of the site as the sum of its lines.
fn effectiveness(asset: &AssetDefinition) -> Option<(&str, Value)> {
    let path = asset.path.as_str();
    let definition = match asset.level.as_deref()? {
        "site" => json!({"sum_of": ["line1", "line2"]}),
        "line" => json!({"same_as": "palletiser"}),
        "cell" => {
            let (line, _) = path.rsplit_once('/')?;
            json!({
                "state": {
                    "tag": "state",
                    "run": ["running"],
                    "stops": [
                        {"values": ["changeover"], "class": "setup"},
                        {"values": ["blocked"], "reason": "waits for what comes after"},
                        {"values": ["starved"], "reason": "waits for what comes before"},
                    ],
                },
                "good": {"tag": "good_count"},
                "reject": {"tag": "reject_count"},
                "product": {"tag": format!("{line}/product")},
                "ideal_cycle": {"tag": format!("{line}/ideal_rate"), "tag_is": "per_minute"},
                "micro_stop_s": 20,
            })
        }
        _ => return None,
    };
    Some((path, definition))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::demo::SEED;
    use crate::keeper::Shelf;

    #[tokio::test]
    async fn every_signal_is_at_an_asset_and_nothing_is_said_twice() {
        let plant = Plant::new(SEED);
        let plants = Plants::new(Arc::new(Shelf::default()));
        for _ in 0..2 {
            describe(&plant, &plants, Timestamp::from_nanos(0)).await.unwrap();
        }
        assert!(plants.annotations.get(2).is_none());
        let now = plants.now();
        let charted = &now.spc_plan("filling").unwrap().tags;
        assert!(plant.signals().iter().any(|signal| [signal.path()] == charted.as_slice()));
        for signal in plant.signals() {
            let path = signal.path();
            assert_eq!(now.calendar_name(&path), Some("three-shift"), "{path}");
            let place = now.place(&path).map(|asset| asset.path.as_str());
            assert_eq!(place, path.rsplit_once('/').map(|(above, _)| above));
            assert_eq!(place.and_then(|place| now.oee(place)).is_some(), path.contains("line"));
        }
    }
}
