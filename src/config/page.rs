//! What the configuration says to people: the effective values, one key explained, the page.
//!
//! *Invariant.* All three are made from the book and from the effective values; no text about a
//! key stands anywhere else.

use std::fmt::Write as _;

use super::{BOOK, Effective, Fallback, Key};

/// The effective configuration as TOML, each line with the origin of its value.
#[must_use]
pub fn print(effective: &Effective) -> String {
    let mut lines: Vec<(String, String, String)> = Vec::new();
    for key in BOOK {
        for (path, (value, origin)) in effective {
            if super::book::plain(path) == key.name {
                let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
                lines.push((section.to_owned(), format!("{name} = {value}"), origin.to_string()));
            }
        }
    }
    // The entries of a list stand together, in the order of the file.
    let mut text = String::new();
    let mut sections: Vec<&str> = Vec::new();
    for (section, _, _) in &lines {
        if !sections.contains(&section.as_str()) {
            sections.push(section);
        }
    }
    let width = lines.iter().map(|(_, line, _)| line.chars().count()).max().unwrap_or(0).min(48);
    for section in sections {
        let gap = if text.is_empty() { "" } else { "\n" };
        let title = match section.split_once('[') {
            Some((list, _)) => format!("[[{list}]]"),
            None => format!("[{section}]"),
        };
        write!(text, "{gap}{title}\n").unwrap_or_default();
        for (_, line, origin) in lines.iter().filter(|(of, _, _)| of == section) {
            write!(text, "{line:<width$}  # {origin}\n").unwrap_or_default();
        }
    }
    text
}

/// One key explained.
#[must_use]
pub fn explain(key: &Key) -> String {
    let mut text = format!("{}\n\n  {}\n", key.name, key.meaning);
    if !key.cost.is_empty() {
        text.push_str(&format!("  {}\n", key.cost));
    }
    text.push_str(&format!("\n  takes:    {}\n", key.shape.describe()));
    text.push_str(&format!("  default:  {}\n", default_text(key)));
    if let Some(flag) = key.flag {
        text.push_str(&format!("  flag:     {flag}\n"));
    }
    if let Some(variable) = key.variable() {
        text.push_str(&format!("  variable: {variable}\n"));
    }
    text
}

fn default_text(key: &Key) -> String {
    match key.fallback {
        Fallback::Required => "none, it must be given".to_owned(),
        Fallback::Absent => "none, it may be left out".to_owned(),
        Fallback::Text(_) | Fallback::NoTexts => {
            key.default_value().map(|value| value.to_string()).unwrap_or_default()
        }
    }
}

/// The page `docs/configuration.md`.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(HEAD);
    let mut section = "";
    for key in BOOK {
        let (of, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        if of != section {
            section = of;
            let title =
                of.strip_suffix("[]").map_or(format!("[{of}]"), |list| format!("[[{list}]]"));
            text.push_str(&format!("\n## `{title}`\n"));
        }
        text.push_str(&format!("\n### `{name}`\n\n{}\n", key.meaning));
        if !key.cost.is_empty() {
            text.push_str(&format!("{}\n", key.cost));
        }
        text.push_str(&format!("\n- takes: {}\n", key.shape.describe()));
        text.push_str(&format!("- default: `{}`\n", default_text(key)));
        if let Some(flag) = key.flag {
            text.push_str(&format!("- flag: `{flag}`\n"));
        }
        if let Some(variable) = key.variable() {
            text.push_str(&format!("- variable: `{variable}`\n"));
        }
    }
    text
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
