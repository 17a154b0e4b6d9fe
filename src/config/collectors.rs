//! The collectors of the configuration, as the collectors check them.
//!
//! *Invariant.* A password is read from a file that the configuration names; it never stands in
//! the configuration itself, where `config print` would show it.
//!
//! *Not here.* What an endpoint or a node name may be: `collect::opcua::settings`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Problem;
use super::checked::Keys;
use crate::collect::opcua::{Draft, DraftBrowse, DraftNode, Password};
use crate::collect::{Collector, Kind};

/// The collectors that are in order, and a problem for each mistake in the others.
pub(super) fn check(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Vec<Arc<dyn Collector>> {
    let mut collectors: Vec<Arc<dyn Collector>> = Vec::new();
    for entry in keys.entries("collect.opcua") {
        // What is required and missing is reported already.
        let said = |name: &str| keys.text(&format!("{entry}.{name}")).is_some();
        if !said("name") || !said("endpoint") {
            continue;
        }
        let password = password(keys, &entry, problems);
        match draft(keys, &entry, password).check() {
            Ok(settings) => add(keys, &entry, Arc::new(settings), &mut collectors, problems),
            Err(mistakes) => problems.extend(mistakes.into_iter().map(|mistake| {
                // The password stands in the file that this key names.
                let key = mistake.key.replace("password", "password_file");
                let path = format!("{entry}.{key}");
                Problem {
                    origin: keys.origin(&path),
                    message: format!("\"{path}\": {}", mistake.reason),
                    hint: mistake.hint,
                }
            })),
        }
    }
    modbus(keys, &mut collectors, problems);
    collectors
}

/// Takes a collector whose name no other has.
fn add(
    keys: &Keys<'_>,
    entry: &str,
    collector: Arc<dyn Collector>,
    collectors: &mut Vec<Arc<dyn Collector>>,
    problems: &mut Vec<Problem>,
) {
    if collectors.iter().all(|other| other.name() != collector.name()) {
        collectors.push(collector);
        return;
    }
    problems.push(Problem {
        origin: keys.origin(&format!("{entry}.name")),
        message: format!("two collectors are called \"{}\"", collector.name()),
        hint: "give each a name of its own, it is the source of its tags".to_owned(),
    });
}

/// Modbus collectors, which read their settings as those of HTTP.
fn modbus(keys: &Keys<'_>, collectors: &mut Vec<Arc<dyn Collector>>, problems: &mut Vec<Problem>) {
    let Some(kind) = Kind::find("modbus") else { return };
    for entry in keys.entries("collect.modbus") {
        let Some(name) = keys.text(&format!("{entry}.name")) else { continue };
        let mut settings = words(
            keys,
            &entry,
            &["address", "order", "prefix"],
            &["unit_id", "registers_max", "bits_max", "gap_max"],
            &["every", "timeout", "pause"],
        );
        let items = keys.entries(&format!("{entry}.items"));
        let items = items.iter().map(|item| {
            let texts = ["tag", "at", "type", "order", "scale", "offset", "unit", "description"];
            Value::Object(words(keys, item, &texts, &["unit_id"], &["every"]))
        });
        settings.insert("items".to_owned(), items.collect());
        match (kind.check)(&name, &settings) {
            Ok(collector) => add(keys, &entry, collector, collectors, problems),
            Err(mistakes) => problems.extend(mistakes.into_iter().map(|mistake| {
                let path = format!("{entry}.{}", mistake.key);
                Problem {
                    origin: keys.origin(&path),
                    message: format!("\"{path}\": {}", mistake.reason),
                    hint: mistake.hint,
                }
            })),
        }
    }
}

/// What is said of an entry, as its kind reads it.
pub(super) fn words(
    keys: &Keys<'_>,
    entry: &str,
    texts: &[&str],
    counts: &[&str],
    spans: &[&str],
) -> Map<String, Value> {
    let path = |name: &str| format!("{entry}.{name}");
    let text = |name: &&str| Some(((*name).to_owned(), keys.text(&path(name))?.into()));
    let count = |name: &&str| Some(((*name).to_owned(), keys.count(&path(name))?.into()));
    let span = |name: &&str| {
        let span = keys.span(&path(name))?;
        Some(((*name).to_owned(), format!("{} ms", span.as_millis()).into()))
    };
    let sentinels = keys.texts(&path("sentinels"));
    let sentinels = (!sentinels.is_empty()).then(|| ("sentinels".to_owned(), sentinels.into()));
    let texts = texts.iter().filter_map(text);
    let numbers = counts.iter().filter_map(count).chain(spans.iter().filter_map(span));
    texts.chain(numbers).chain(sentinels).collect()
}

pub(super) fn password(
    keys: &Keys<'_>,
    entry: &str,
    problems: &mut Vec<Problem>,
) -> Option<Password> {
    let path = format!("{entry}.password_file");
    let file = keys.path(&path)?;
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(Password(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => {
            problems.push(Problem {
                origin: keys.origin(&path),
                message: format!("could not read the password in \"{}\": {error}", file.display()),
                hint: "name a file that Tacitus may read and others may not".to_owned(),
            });
            // Something, so that the user is not reported to have no password.
            Some(Password::default())
        }
    }
}

fn draft(keys: &Keys<'_>, entry: &str, password: Option<Password>) -> Draft {
    let text = |name: &str| keys.text(&format!("{entry}.{name}"));
    let span = |name: &str| keys.span(&format!("{entry}.{name}"));
    let count = |name: &str| keys.count(&format!("{entry}.{name}"));
    let narrow = |name: &str| count(name).and_then(|count| u32::try_from(count).ok());
    let choice = |name: &str| keys.choice(&format!("{entry}.{name}")).map(str::to_owned);
    let texts = |name: &str| keys.texts(&format!("{entry}.{name}"));
    let nodes = keys.entries(&format!("{entry}.nodes"));
    Draft {
        name: text("name").unwrap_or_default(),
        endpoint: text("endpoint").unwrap_or_default(),
        alternatives: texts("alternatives"),
        security: choice("security"),
        security_mode: choice("security_mode"),
        user: text("user"),
        password,
        certificate_file: keys.path(&format!("{entry}.certificate_file")),
        key_file: keys.path(&format!("{entry}.key_file")),
        keep_alive: span("keep_alive"),
        timeout: span("timeout"),
        publishing_interval: span("publishing_interval"),
        sampling_interval: span("sampling_interval"),
        queue_size: narrow("queue_size"),
        deadband: text("deadband"),
        timestamps: choice("timestamps"),
        quantum: span("quantum"),
        prefix: text("prefix"),
        backfill: keys.switch(&format!("{entry}.backfill")),
        backfill_reach: span("backfill_reach"),
        backfill_rate: narrow("backfill_rate"),
        events: texts("events"),
        nodes: nodes.iter().map(|node| draft_node(keys, node)).collect(),
        browse: text("browse.root").map(|root| DraftBrowse {
            root,
            depth: narrow("browse.depth"),
            count: count("browse.count"),
            template: text("browse.template"),
            include: texts("browse.include"),
            exclude: texts("browse.exclude"),
        }),
    }
}

fn draft_node(keys: &Keys<'_>, entry: &str) -> DraftNode {
    let text = |name: &str| keys.text(&format!("{entry}.{name}"));
    let queue_size = keys.count(&format!("{entry}.queue_size"));
    DraftNode {
        node: text("node").unwrap_or_default(),
        tag: text("tag"),
        unit: text("unit"),
        description: text("description"),
        sampling_interval: keys.span(&format!("{entry}.sampling_interval")),
        queue_size: queue_size.and_then(|count| u32::try_from(count).ok()),
        deadband: text("deadband"),
    }
}
