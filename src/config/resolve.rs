//! From what was said to a value for every key.
//!
//! *Invariant.* What was said last counts; what was not said has the default of the book. A value
//! of the wrong shape is a problem, and the default stands in for it.
//!
//! *Not here.* The keys themselves: the book.

use super::book::{BOOK, Fallback, Key};
use super::raw::Given;
use super::{Effective, Origin, Problem};

/// The key at a path; `collect.opcua[3].name` and `collect.opcua[].name` are the same key.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    let plain = plain(path);
    BOOK.iter().find(|key| key.name == plain)
}

/// A path without the numbers of its list entries.
pub(super) fn plain(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut inside = false;
    for letter in path.chars() {
        inside = match letter {
            '[' => true,
            ']' => false,
            _ => inside,
        };
        if !inside || letter == '[' {
            plain.push(letter);
        }
    }
    plain
}

/// Whether keys stand below this path: `http`, or one entry of a list.
pub(super) fn is_section(path: &str) -> bool {
    let below = format!("{}.", plain(path));
    BOOK.iter().any(|key| key.name.starts_with(&below))
}

/// Whether this path is a list of tables.
pub(super) fn is_list(path: &str) -> bool {
    let entries = format!("{}[]", plain(path));
    BOOK.iter().any(|key| key.name.starts_with(&entries))
}

/// Gives every key its value: what was said last, else the default.
pub(super) fn resolve(given: &[Given], problems: &mut Vec<Problem>) -> Effective {
    let mut effective = Effective::new();
    for item in given {
        let Some(key) = find(&item.path) else { continue };
        match key.shape.read(&item.written) {
            Ok(value) => {
                effective.insert(item.path.clone(), (value, item.origin.clone()));
            }
            Err(misfit) => {
                problems.push(Problem {
                    origin: item.origin.clone(),
                    message: format!("\"{}\" is {}", item.path, misfit.what),
                    hint: misfit.hint,
                });
                // The default keeps later checks quiet about what is reported here.
                if let Some(value) = key.default_value() {
                    effective.insert(item.path.clone(), (value, item.origin.clone()));
                }
            }
        }
    }
    for key in BOOK.iter().filter(|key| !key.name.contains("[]")) {
        if let Some(value) = key.default_value() {
            effective.entry(key.name.to_owned()).or_insert((value, Origin::Default));
        }
    }
    for entry in given.iter().filter(|item| item.path.ends_with(']')) {
        complete(entry, given, &mut effective, problems);
    }
    effective
}

/// Fills the entry of a list with defaults and misses what is required.
fn complete(
    entry: &Given,
    given: &[Given],
    effective: &mut Effective,
    problems: &mut Vec<Problem>,
) {
    let list = plain(&entry.path);
    let below = format!("{list}.");
    for key in BOOK.iter().filter(|key| key.name.starts_with(&below)) {
        let Some(field) = key.name.strip_prefix(&list) else { continue };
        let path = format!("{}{field}", entry.path);
        if field.contains("[]") || given.iter().any(|item| item.path == path) {
            continue;
        }
        if let Some(value) = key.default_value() {
            effective.insert(path, (value, Origin::Default));
        } else if key.fallback == Fallback::Required {
            problems.push(Problem {
                origin: entry.origin.clone(),
                message: format!("\"{path}\" is missing"),
                hint: format!("`tacitus config explain {}` says what it is for", key.name),
            });
        }
    }
}
