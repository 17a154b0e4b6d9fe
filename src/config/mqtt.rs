//! The settings of the broker.
//!
//! *Not here.* Which topics are stored: `topics`.

use tacitus_protocol::mqtt::check_filter;

use super::Problem;
use super::checked::{Keys, certificate};
use crate::broker::{Right, Settings};
use crate::secrets::Certificate;

pub(super) fn mqtt(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Option<Settings> {
    let certificate = certificate(keys, "mqtt", problems).map(|(chain, key)| Certificate {
        chain,
        key,
        client_authority: keys.path("mqtt.client_authority_file"),
    });
    let tls = keys.address("mqtt.tls_addr").zip(certificate);
    if tls.is_none() {
        let given = ["mqtt.tls_addr", "mqtt.certificate_file", "mqtt.client_authority_file"];
        if let Some(said) = given.into_iter().find(|path| keys.is_given(path)) {
            problems.push(Problem {
                origin: keys.origin(said),
                message: format!("\"{said}\" is given, but TLS is not complete"),
                hint: "TLS needs mqtt.tls_addr, mqtt.certificate_file and mqtt.key_file".to_owned(),
            });
        }
    }
    Some(Settings {
        listen: keys.address("mqtt.addr")?,
        connections_max: keys.count("mqtt.connections")?,
        session_expiry_s_max: u32::try_from(keys.span("mqtt.session_expiry")?.as_secs()).ok()?,
        tls,
        users: keys.path("mqtt.users_file"),
        anonymous: is_anonymous(keys),
        rights: rights(keys, problems),
        keep_alive_s_max: u16::try_from(keys.span("mqtt.keep_alive")?.as_secs()).ok()?,
        messages_per_s_max: keys.count("mqtt.rate").and_then(|rate| u32::try_from(rate).ok()),
        sys_every: keys.span("mqtt.sys").filter(|every| !every.is_zero()),
    })
}

/// Whether every client has to say who it is, by what this key gives.
pub(super) fn mqtt_is_guarded(keys: &Keys<'_>, by: &str) -> bool {
    keys.is_given(by) && !is_anonymous(keys)
}

fn is_anonymous(keys: &Keys<'_>) -> bool {
    let asks = ["mqtt.users_file", "mqtt.client_authority_file"];
    keys.switch("mqtt.anonymous")
        .unwrap_or_else(|| !asks.into_iter().any(|path| keys.is_given(path)))
}

fn rights(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Vec<Right> {
    let mut filters = |path: String| {
        let filters = keys.texts(&path);
        for filter in &filters {
            if check_filter(filter).is_err() {
                problems.push(Problem {
                    origin: keys.origin(&path),
                    message: format!("\"{filter}\" is not an MQTT filter"),
                    hint: "+ stands for one level, # at the end for all further ones".to_owned(),
                });
            }
        }
        filters
    };
    let mut rights = Vec::new();
    for entry in keys.entries("mqtt.rights") {
        let Some(user) = keys.text(&format!("{entry}.user")) else { continue };
        rights.push(Right {
            user,
            publish: filters(format!("{entry}.publish")),
            subscribe: filters(format!("{entry}.subscribe")),
            deny: filters(format!("{entry}.deny")),
        });
    }
    rights
}
