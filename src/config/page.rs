//! What the configuration says to people: the effective values, one key explained, the page.
//!
//! *Invariant.* All three are made from the book and from the effective values; no text about a
//! key stands anywhere else.

use super::{BOOK, Effective, Fallback, Key};

/// The effective configuration as TOML, each line with the origin of its value.
#[must_use]
pub fn print(effective: &Effective) -> String {
    let mut paths: Vec<&String> = effective.keys().collect();
    paths.sort_by_cached_key(|path| place(path));
    let lines: Vec<(&str, String, String)> = paths
        .into_iter()
        .filter_map(|path| {
            let (value, origin) = effective.get(path)?;
            let (section, name) = path.rsplit_once('.')?;
            Some((section, format!("{name} = {value}"), origin.to_string()))
        })
        .collect();
    let width = lines.iter().map(|(_, line, _)| line.chars().count()).max().unwrap_or(0).min(48);
    let mut shown: Vec<String> = Vec::new();
    let mut current = "";
    for (section, line, origin) in &lines {
        if *section != current {
            current = section;
            let gap = if shown.is_empty() { "" } else { "\n" };
            shown.push(format!("{gap}{}\n", title(section)));
        }
        shown.push(format!("{line:<width$}  # {origin}\n"));
    }
    shown.concat()
}

/// Where a path stands: in the order of the book, but each entry of a list with all below it
/// before the next entry, as TOML needs it.
fn place(path: &str) -> (usize, Vec<usize>, usize) {
    let plain = super::resolve::plain(path);
    let own = BOOK.iter().position(|key| key.name == plain);
    let list = plain.split_once('[').map(|(list, _)| format!("{list}[]"));
    let first = list.and_then(|list| BOOK.iter().position(|key| key.name.starts_with(&list)));
    let numbers = path.split(['[', ']']).filter_map(|part| part.parse().ok()).collect();
    let own = own.unwrap_or(BOOK.len());
    (first.unwrap_or(own), numbers, own)
}

/// The head of a section in TOML.
fn title(section: &str) -> String {
    let name = super::resolve::plain(section).replace("[]", "");
    if section.ends_with(']') { format!("[[{name}]]") } else { format!("[{name}]") }
}

/// One key explained.
#[must_use]
pub fn explain(key: &Key) -> String {
    let facts: Vec<String> =
        facts(key).iter().map(|(name, fact)| format!("  {name:<10}{fact}\n")).collect();
    format!("{}\n\n  {}\n\n{}", key.name, meaning(key).replace('\n', "\n  "), facts.concat())
}

/// The page `docs/configuration.md`.
#[must_use]
pub fn page() -> String {
    let mut parts: Vec<String> = vec![HEAD.to_owned()];
    let mut section = "";
    for key in BOOK.iter() {
        let (of, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            parts.push(format!("\n## `{}`\n", title(of)));
        }
        parts.push(format!("\n### `{name}`\n\n{}\n\n", meaning(key)));
        parts.extend(facts(key).iter().map(|(name, fact)| format!("- {name} {fact}\n")));
    }
    parts.concat()
}

fn meaning(key: &Key) -> String {
    if key.cost.is_empty() {
        key.meaning.to_owned()
    } else {
        format!("{}\n{}", key.meaning, key.cost)
    }
}

fn facts(key: &Key) -> Vec<(&'static str, String)> {
    let default = match key.fallback {
        Fallback::Required => "none, it must be given".to_owned(),
        Fallback::Absent => "none, it may be left out".to_owned(),
        Fallback::Text(_) | Fallback::Texts(_) => {
            key.default_value().map(|value| value.to_string()).unwrap_or_default()
        }
    };
    [
        Some(("takes:", key.shape.describe())),
        Some(("default:", default)),
        key.flag.map(|flag| ("flag:", flag.to_owned())),
        key.variable().map(|variable| ("variable:", variable)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const HEAD: &str = "\
# Configuration

This page is made from the table of keys in `src/config/book.rs`; `tacitus config explain KEY`
prints the same.

Tacitus runs without a configuration file. One is named with `--config FILE` or `TACITUS_CONFIG`
and is TOML. Flags win over environment variables, these over the file, the file over the
defaults. `tacitus config check` reports every problem at once, `tacitus config print` shows every
value with where it comes from. Sizes and times are texts with a unit (`\"64 MiB\"`, `\"5 s\"`).
Changes take effect at the next start.
";
