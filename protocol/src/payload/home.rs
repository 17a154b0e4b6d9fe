//! What Tasmota and Zigbee2MQTT publish.
//!
//! *Invariant.* A device is named as its owner named it; the levels that only say what kind of
//! message this is are left out.

use super::Refusal;
use super::profile::each;
use super::tree::{Origin, Tree};
use crate::json::Json;

/// `tele/DEVICE/…` and `stat/DEVICE/…` with the messages that Tasmota sends.
pub(super) fn is_tasmota(topic: &str) -> bool {
    let mut levels = topic.split('/');
    let count = topic.matches('/').count();
    let last = topic.rsplit('/').next().unwrap_or_default();
    match levels.next() {
        Some("tele") => {
            let known = matches!(
                last,
                "SENSOR"
                    | "STATE"
                    | "LWT"
                    | "RESULT"
                    | "UPTIME"
                    | "ENERGY"
                    | "MARGINS"
                    | "HASS_STATE"
            );
            count >= 2 && (known || last.starts_with("INFO"))
        }
        Some("stat") => {
            count >= 2
                && (last == "RESULT" || last.starts_with("STATUS") || last.starts_with("POWER"))
        }
        _ => false,
    }
}

/// The device, and what kind of message it is where that is not its readings.
pub(super) fn tasmota_base(topic: &str) -> String {
    let Some((_, rest)) = topic.split_once('/') else { return topic.to_owned() };
    match rest.rsplit_once('/') {
        Some((device, "SENSOR" | "STATE" | "RESULT")) => device.to_owned(),
        _ => rest.to_owned(),
    }
}

pub(super) fn tasmota(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    tree.ignored = &["tempunit", "pressureunit", "speedunit"];
    let from = tree.points.len();
    for message in each(json) {
        tree.node(message, Origin::default())?;
        let unit = |name: &str| message.member(name).and_then(Json::text).unwrap_or_default();
        for point in tree.points.iter_mut().skip(from).filter(|point| point.unit.is_empty()) {
            let leaf = point.path.rsplit('/').next().unwrap_or_default();
            let unit = match leaf {
                "Temperature" | "DewPoint" | "HeatIndex" => unit("TempUnit"),
                "Pressure" | "SeaPressure" => unit("PressureUnit"),
                "Humidity" => "%",
                "Voltage" => "V",
                "Current" => "A",
                "Power" => "W",
                "ApparentPower" => "VA",
                "ReactivePower" => "VAr",
                "Total" | "Today" | "Yesterday" => "kWh",
                _ => "",
            };
            unit.clone_into(&mut point.unit);
        }
    }
    Ok(())
}

pub(super) fn zigbee2mqtt(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    // The path has lost its first level, unless a rule gave another.
    let path = tree.path.as_str();
    let bridge = path == "bridge" || path.starts_with("bridge/");
    let command = ["set", "get"].contains(&path.rsplit('/').next().unwrap_or_default());
    // The bridge tells of itself in long lists; only its state is a value.
    if command || bridge && path != "bridge/state" {
        return Ok(());
    }
    let state = json.member("state").filter(|_| bridge || path.ends_with("/availability"));
    if let Some(state) = state {
        return tree.node(state, Origin::default());
    }
    tree.ignored = &["update", "updateavailable", "device"];
    let from = tree.points.len();
    tree.node(json, Origin::default())?;
    for point in tree.points.iter_mut().skip(from) {
        // Voltage is left out: mV from a battery, V from the mains.
        let unit = match point.path.rsplit('/').next().unwrap_or_default() {
            "temperature" | "device_temperature" | "local_temperature" => "°C",
            "humidity" | "battery" | "soil_moisture" => "%",
            "pressure" => "hPa",
            "power" => "W",
            "energy" => "kWh",
            "current" => "A",
            "illuminance" => "lx",
            "co2" => "ppm",
            _ => "",
        };
        unit.clone_into(&mut point.unit);
    }
    Ok(())
}
