//! The word of a host about itself: `spBv1.0/STATE/{host}`, retained.
//!
//! *Invariant.* A will and the birth after it bear the same time, so that an edge node can tell
//! which session of the host a death belongs to.

use tacitus_model::Timestamp;

use super::Outgoing;
use super::topic::NAMESPACE;
use crate::json::{self, Json};

/// What a host says: two members and no more.
pub(super) fn message(host: &str, online: bool, at: Timestamp) -> Outgoing {
    let ms = at.nanos().div_euclid(1_000_000);
    Outgoing {
        topic: format!("{NAMESPACE}/STATE/{host}"),
        payload: format!(r#"{{"online":{online},"timestamp":{ms}}}"#).into_bytes(),
        qos: 1,
        retain: true,
    }
}

/// Whether a payload says that a host is there; `None` where it says neither. Version 2.2 has
/// the words ONLINE and OFFLINE.
pub(super) fn read(payload: &[u8]) -> Option<bool> {
    match payload {
        b"ONLINE" => return Some(true),
        b"OFFLINE" => return Some(false),
        _ => {}
    }
    let text = std::str::from_utf8(payload).ok()?;
    match json::read(text, 16).ok()?.member("online")? {
        Json::Bool(online) => Some(*online),
        _ => None,
    }
}
