//! What LoRaWAN network servers publish of devices: The Things Stack and ChirpStack.
//!
//! ```text
//! {"end_device_ids": {"device_id", "application_ids"}, "received_at", "uplink_message": {"decoded_payload"}}
//! {"deviceInfo": {"applicationName", "deviceName"}, "time", "object"}
//! ```
//!
//! *Invariant.* A device is named by its application and itself; its values are those that the network
//! server decoded, at the time at which it received them.
//!
//! *Not here.* The bytes of a device that the server did not decode: without its maker's table they
//! mean nothing.

use super::profile::{each, origin};
use super::tree::{Origin, Tree};
use super::{Profile, Refusal};
use crate::json::Json;

/// What the server says of itself when a device sent bytes that nobody decoded.
const UNDECODED: &str = "the network server did not decode it; give the device a payload formatter";

pub(super) fn is_things_stack(json: &Json<'_>) -> bool {
    json.member("end_device_ids").is_some_and(|ids| ids.member("device_id").is_some())
}

pub(super) fn is_chirpstack(json: &Json<'_>) -> bool {
    let text = |json: &Json<'_>, name| json.member(name).and_then(Json::text).is_some();
    json.member("deviceInfo").is_some_and(|info| text(info, "devEui"))
        || text(json, "devEUI") && text(json, "deviceName") && text(json, "applicationName")
}

pub(super) fn things_stack(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::ThingsStack;
    for message in each(json) {
        let ids = message.member("end_device_ids");
        let device = ids.and_then(|ids| ids.member("device_id")).and_then(Json::text);
        let device = device.ok_or(Refusal::Shape { profile, what: "device_id is missing" })?;
        let application = ids.and_then(|ids| ids.member("application_ids"));
        let application = application.and_then(|own| own.member("application_id"));
        // Joins and downlinks say no value.
        let Some(uplink) = message.member("uplink_message") else { continue };
        let decoded = uplink.member("decoded_payload");
        let decoded = decoded.ok_or(Refusal::Shape { profile, what: UNDECODED })?;
        let received = message.member("received_at").or_else(|| uplink.member("received_at"));
        let origin = at(received, tree)?;
        tree.under(application.and_then(Json::text).unwrap_or_default(), |tree| {
            tree.under(device, |tree| tree.node(decoded, origin))
        })?;
    }
    Ok(())
}

pub(super) fn chirpstack(json: &Json<'_>, tree: &mut Tree<'_>) -> Result<(), Refusal> {
    let profile = Profile::ChirpStack;
    for message in each(json) {
        let info = message.member("deviceInfo").unwrap_or(message);
        let text = |name: &str| info.member(name).and_then(Json::text).unwrap_or_default();
        let device = ["deviceName", "devEui", "devEUI"].map(text);
        let device = device.into_iter().find(|name| !name.is_empty());
        let device = device.ok_or(Refusal::Shape { profile, what: "deviceName is missing" })?;
        let origin = at(message.member("time"), tree)?;
        let values = match message.member("object") {
            Some(object @ Json::Object(_)) => vec![("", object)],
            _ if message.member("data").is_some() => {
                return Err(Refusal::Shape { profile, what: UNDECODED });
            }
            // A device says now and then how it is.
            _ => ["margin", "batteryLevel"]
                .into_iter()
                .filter_map(|name| Some((name, message.member(name)?)))
                .collect(),
        };
        tree.under(text("applicationName"), |tree| {
            tree.under(device, |tree| {
                values.iter().try_for_each(|(name, value)| tree.member(name, value, origin))
            })
        })?;
    }
    Ok(())
}

/// The time under a name of the server's own.
fn at(time: Option<&Json<'_>>, tree: &Tree<'_>) -> Result<Origin, Refusal> {
    let Some(Json::Text(text)) = time else { return Ok(Origin::default()) };
    let named = Json::Object(vec![("timestamp".into(), Json::Text(text.as_ref().into()))]);
    origin(&named, tree, Origin::default())
}
