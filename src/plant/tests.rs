//! What people define is kept, checked, and found again.

use std::sync::Arc;

use serde_json::json;
use tacitus_model::{TimeRange, Timestamp};

use super::{AssetDefinition, Event, EventDraft, Mistake, Plants, Register};
use crate::keeper::{Keeper, Shelf};

fn asset(document: serde_json::Value) -> AssetDefinition {
    serde_json::from_value(document).unwrap()
}

fn at(nanos: i64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn event(kind: &str, start: i64, end: Option<i64>) -> EventDraft {
    EventDraft {
        kind: kind.to_owned(),
        asset: Some("acme/line1".to_owned()),
        start: at(start),
        end: end.map(at),
        severity: None,
        text: String::new(),
        attributes: serde_json::Map::new(),
    }
}

async fn add(events: &Register<Event>, draft: EventDraft) -> Arc<Event> {
    events.add(|id| draft.numbered(id, at(0))).await.unwrap()
}

#[tokio::test]
async fn what_was_defined_is_there_after_a_restart() {
    let keeper: Arc<dyn Keeper> = Arc::new(Shelf::default());
    let plants = Plants::new(Arc::clone(&keeper));
    let shifts = json!({"shifts": [{"name": "day", "start": "08:00", "end": "16:00"}]});
    plants.put_calendar("day", serde_json::from_value(shifts).unwrap()).await.unwrap();
    let site = asset(json!({"path": "acme", "calendar": "day", "timezone": "Europe/Berlin",
                            "attributes": {"plan": 7}}));
    let line = asset(json!({"path": "acme/line1", "level": "line"}));
    plants.put_assets(vec![site, line]).await.unwrap();
    let lasting = add(&plants.events, event("downtime", 5, None)).await;

    let plants = Plants::new(keeper);
    let plant = plants.now();
    assert_eq!(plant.calendar_name("acme/line1"), Some("day"));
    assert_eq!(plant.asset("acme").unwrap().attributes, "{\"plan\":7}");
    assert_eq!(plants.events.get(lasting.id), Some(lasting));
    // Numbers go on.
    assert_eq!(add(&plants.events, event("batch", 6, Some(7))).await.id, 2);
}

#[tokio::test]
async fn assets_are_defined_all_or_none_and_a_calendar_in_use_stays() {
    let plants = Plants::new(Arc::new(Shelf::default()));
    let wrong = vec![
        asset(json!({"path": "acme"})),
        asset(json!({"path": "acme//x", "level": "hall", "calendar": "night",
                     "timezone": "Mars/Olympus"})),
    ];
    let Err(Mistake::Faults(faults)) = plants.put_assets(wrong).await else { panic!("refused") };
    let keys: Vec<&str> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(
        keys,
        ["assets[1].path", "assets[1].level", "assets[1].timezone", "assets[1].calendar"]
    );
    assert_eq!(plants.now().assets().len(), 0);

    plants.put_calendar("day", serde_json::from_value(json!({})).unwrap()).await.unwrap();
    let has = vec![asset(json!({"path": "acme", "calendar": "day"}))];
    plants.put_assets(has).await.unwrap();
    let refused = plants.remove_calendar("day").await.unwrap_err();
    assert_eq!(refused, Mistake::InUse("day".to_owned(), "acme".to_owned()));
    plants.put_assets(vec![asset(json!({"path": "acme/line1"}))]).await.unwrap();
    plants.remove_asset("acme", true).await.unwrap();
    assert_eq!(plants.now().assets().len(), 0);
    plants.remove_calendar("day").await.unwrap();
}

#[tokio::test]
async fn events_are_found_by_the_time_they_touch_also_after_they_were_closed() {
    let plants = Plants::new(Arc::new(Shelf::default()));
    let events = &plants.events;
    add(events, event("batch", 0, Some(100))).await;
    let open = add(events, event("downtime", 50, None)).await;
    let touching = |from: i64, to: i64| {
        let starts = TimeRange { first: Timestamp::MIN, last: at(to) };
        let found = events.find(starts, TimeRange { first: at(from), last: Timestamp::MAX });
        found.iter().map(|own| own.id).collect::<Vec<_>>()
    };
    assert_eq!(
        (touching(10, 20), touching(60, 70), touching(200, 300)),
        (vec![1], vec![1, 2], vec![2])
    );
    let closed = EventDraft { end: Some(at(60)), ..open.says.clone() };
    let close = |own: &Event| closed.numbered(own.id, own.created);
    events.change::<Mistake>(open.id, close).await.unwrap();
    assert_eq!((touching(60, 70), touching(200, 300)), (vec![1, 2], vec![]));
    let backward = EventDraft { end: Some(at(40)), ..open.says.clone() };
    assert!(matches!(backward.numbered(2, at(0)), Err(Mistake::Faults(_))));
    events.remove(1).await.unwrap();
    assert_eq!(touching(10, 20), Vec::<u64>::new());
}
