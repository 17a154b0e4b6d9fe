//! What Shelly devices publish, of the first generation and the later ones.
//!
//! ```text
//! shellies/DEVICE/relay/0/power                   one value: DEVICE/relay/0/power
//! DEVICE/events/rpc   {"src", "method": "NotifyStatus", "params": {"ts", "switch:0": {"apower"}}}
//! DEVICE/status/switch:0   {"id", "apower", …}    DEVICE/switch:0/apower
//! ```
//!
//! *Invariant.* A value has the same tag whether it comes in a notification or in a status.
//!
//! *Not here.* Answers to requests of others, and what a device announces of itself: no values.

use super::Refusal;
use super::tree::{Origin, Tree};
use crate::json::Json;

/// The prefix of the first generation.
const FIRST: &str = "shellies/";

/// Whether a topic alone says that a Shelly device speaks.
pub(super) fn is_topic(topic: &str) -> bool {
    let mut levels = topic.split('/');
    let device = levels.next().unwrap_or_default();
    match levels.next() {
        Some(_) if device == "shellies" => true,
        // The default name of a device; one with another name is known by its notifications.
        Some("status" | "online") => device.starts_with("shelly") && device.contains('-'),
        _ => false,
    }
}

/// `{"src", "method": "Notify…", "params"}`, on whatever topic.
pub(super) fn is_notification(json: &Json<'_>) -> bool {
    let method = json.member("method").and_then(Json::text).unwrap_or_default();
    json.member("src").and_then(Json::text).is_some()
        && method.starts_with("Notify")
        && matches!(json.member("params"), Some(Json::Object(_)))
}

/// The device, and the component where the topic names it.
pub(super) fn base(topic: &str) -> String {
    let topic = topic.strip_prefix(FIRST).unwrap_or(topic);
    let topic = topic.strip_suffix("/events/rpc").unwrap_or(topic);
    match topic.split_once("/status/") {
        Some((device, component)) => format!("{device}/{component}"),
        None => topic.to_owned(),
    }
}

pub(super) fn read(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let last = tree.path.rsplit('/').next().unwrap_or_default();
    if matches!(last, "announce" | "command" | "rpc") && json.member("method").is_none() {
        return Ok(());
    }
    tree.ignored = &["id", "minutets", "byminute"];
    let from = tree.points.len();
    match json.member("params") {
        Some(params) if is_notification(json) => match params.member("events") {
            Some(events) => occurrences(events, tree)?,
            None => tree.node(params, Origin::default())?,
        },
        _ => tree.node(json, Origin::default())?,
    }
    for point in tree.points.iter_mut().skip(from) {
        let unit = match point.path.rsplit('/').next().unwrap_or_default() {
            "apower" | "act_power" => "W",
            "aprtpower" | "aprt_power" => "VA",
            "voltage" => "V",
            "current" => "A",
            "freq" => "Hz",
            "tC" => "°C",
            "tF" => "°F",
            "rh" => "%",
            "total" => "Wh",
            "lux" => "lx",
            _ => "",
        };
        unit.clone_into(&mut point.unit);
    }
    Ok(())
}

/// What happened to components, such as a button that was pushed: the word for it, at its time.
fn occurrences(events: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    for event in super::profile::each(events) {
        let Some(component) = event.member("component").and_then(Json::text) else { continue };
        let Some(word) = event.member("event") else { continue };
        let origin = super::profile::origin(event, tree, Origin::default())?;
        tree.under(component, |tree| tree.member("event", word, origin))?;
    }
    Ok(())
}
