//! The forwarders of the configuration, as the forwarders check them.
//!
//! *Invariant.* A password is read from a file that the configuration names; it never stands in
//! the configuration itself.

use super::Problem;
use super::checked::Keys;
use super::collectors::{password, words};
use crate::forward::{self, Settings};

/// The forwarders that are in order, and a problem for each mistake in the others.
pub(super) fn check(keys: &Keys<'_>, problems: &mut Vec<Problem>) -> Vec<Settings> {
    let mut forwards: Vec<Settings> = Vec::new();
    for entry in keys.entries("forward") {
        let path = |name: &str| format!("{entry}.{name}");
        // What is required and missing is reported already.
        let Some(name) = keys.text(&path("name")).filter(|_| keys.is_given(&path("url"))) else {
            continue;
        };
        let texts = ["url", "user", "prefix"];
        let mut settings = words(keys, &entry, &texts, &["batch_rows", "rate"], &["every"]);
        for word in ["start", "order"] {
            let choice = keys.choice(&path(word));
            settings.extend(choice.map(|choice| (word.to_owned(), choice.into())));
        }
        for size in ["buffer", "batch_bytes"] {
            let bytes = keys.size(&path(size)).map(|bytes| format!("{bytes} B"));
            settings.extend(bytes.map(|bytes| (size.to_owned(), bytes.into())));
        }
        settings.insert("select".to_owned(), keys.texts(&path("select")).into());
        let authority = keys.path(&path("ca_file"));
        let authority = authority.map(|file| file.to_string_lossy().into_owned());
        settings.extend(authority.map(|file| ("ca_file".to_owned(), file.into())));
        let password = password(keys, &entry, problems);
        settings.extend(password.map(|own| ("password".to_owned(), own.0.into())));
        if forwards.iter().any(|other| other.name == name) {
            problems.push(Problem {
                origin: keys.origin(&path("name")),
                message: format!("two forwarders are called \"{name}\""),
                hint: "give each a name of its own, its cursor is kept under it".to_owned(),
            });
            continue;
        }
        match forward::check(&name, &settings) {
            Ok(settings) => forwards.push(settings),
            Err(mistakes) => problems.extend(mistakes.into_iter().map(|mistake| {
                // The password stands in the file that this key names.
                let path = path(&mistake.key.replace("password", "password_file"));
                Problem {
                    origin: keys.origin(&path),
                    message: format!("\"{path}\": {}", mistake.reason),
                    hint: mistake.hint,
                }
            })),
        }
    }
    forwards
}
