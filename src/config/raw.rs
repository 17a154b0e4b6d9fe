//! What the file, the environment and the flags say, word for word, with the place of each.
//!
//! *Invariant.* Nothing said is lost: a key the book does not know is a problem (in the file) or a
//! warning (in the environment, where an orchestrator may set `TACITUS_…` names of its own).
//!
//! *Not here.* Whether a word makes sense: shapes are read by the book. Not serde's derive
//! either, because it stops at the first mistake and a person should see all of them.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::book::BOOK;
use super::resolve;
use super::{Key, Problem};

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file and its text, where one was named.
    pub file: Option<(PathBuf, String)>,
    /// The `TACITUS_…` variables.
    pub environment: Vec<(String, String)>,
    /// Flag, key and value of each flag given.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// Where one value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The book.
    Default,
    /// A line of the file, counted from 1.
    File {
        /// The file as it was named.
        name: String,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(&'static str),
}

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// A quoted text, or the text of a flag or variable.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Switch(bool),
    /// A list.
    List(Vec<Written>),
    /// Something no key takes, by name: a float, a date, a table.
    Other(&'static str),
}

/// One thing said.
pub(super) struct Given {
    /// The key, with the index of each list entry: `collect.opcua[0].name`.
    pub(super) path: String,
    pub(super) written: Written,
    pub(super) origin: Origin,
}

/// Everything said, weakest first.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) given: Vec<Given>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// Reads all sources.
pub(super) fn read(sources: &Sources) -> Raw {
    let mut raw = Raw::default();
    if let Some((path, text)) = &sources.file {
        read_file(&path.to_string_lossy(), text, &mut raw);
    }
    read_environment(&sources.environment, &mut raw);
    for (flag, key, value) in &sources.flags {
        raw.given.push(Given {
            path: (*key).to_owned(),
            written: Written::Text(value.clone()),
            origin: Origin::Flag(flag),
        });
    }
    raw
}

fn read_environment(variables: &[(String, String)], raw: &mut Raw) {
    for (name, value) in variables {
        // These two belong to the command line, not to the configuration.
        if name == "TACITUS_CONFIG" || name == "TACITUS_URL" {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        match BOOK.iter().find(|key| key.variable().as_deref() == Some(name)) {
            Some(key) => raw.given.push(Given {
                path: key.name.to_owned(),
                written: Written::Text(value.clone()),
                origin,
            }),
            None => raw.warnings.push(Problem {
                origin,
                message: "no key has this name, so it is ignored".to_owned(),
                hint: nearest(name, BOOK.iter().filter_map(Key::variable)),
            }),
        }
    }
}

/// The file under reading: knows its lines.
struct Page<'a> {
    name: &'a str,
    text: &'a str,
}

impl Page<'_> {
    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Origin::File { name: self.name.to_owned(), line }
    }
}

fn read_file(name: &str, text: &str, raw: &mut Raw) {
    let page = Page { name, text };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        raw.problems.push(Problem {
            origin: page.origin(&error.span().unwrap_or(0..0)),
            message: format!("this is not TOML: {}", error.message()),
            hint: String::new(),
        });
    }
    // After a syntax error the meaning of the rest is a guess: only the syntax is reported.
    if errors.is_empty() {
        walk(&page, "", table.get_ref(), raw);
    }
}

/// Collects a table and its sub-tables under the path `prefix`.
fn walk(page: &Page<'_>, prefix: &str, table: &DeTable<'_>, raw: &mut Raw) {
    for (name, value) in table {
        let path = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let origin = page.origin(&name.span());
        match value.get_ref() {
            DeValue::Table(inner) if resolve::is_section(&path) => walk(page, &path, inner, raw),
            DeValue::Array(items) if resolve::is_list(&path) => {
                walk_list(page, &path, items.iter(), &origin, raw);
            }
            _ if resolve::find(&path).is_some() => {
                raw.given.push(Given { path, written: written(value.get_ref()), origin });
            }
            _ => raw.problems.push(unknown(&path, origin)),
        }
    }
}

/// Collects the entries of `[[path]]`.
fn walk_list<'a, 'i: 'a>(
    page: &Page<'_>,
    path: &str,
    items: impl Iterator<Item = &'a Spanned<DeValue<'i>>>,
    origin: &Origin,
    raw: &mut Raw,
) {
    for (index, item) in items.enumerate() {
        let entry = format!("{path}[{index}]");
        if let DeValue::Table(inner) = item.get_ref() {
            raw.given.push(Given {
                path: entry.clone(),
                written: Written::Other("a table"),
                origin: page.origin(&item.span()),
            });
            walk(page, &entry, inner, raw);
        } else {
            raw.problems.push(Problem {
                origin: origin.clone(),
                message: format!("\"{path}\" is a list of tables"),
                hint: format!("write [[{path}]] above the keys of each entry"),
            });
        }
    }
}

fn unknown(path: &str, origin: Origin) -> Problem {
    let message = if resolve::is_section(path) {
        format!("\"{path}\" is a section, not a key")
    } else if resolve::is_list(path) {
        format!("\"{path}\" is a list of tables")
    } else {
        format!("unknown key \"{path}\"")
    };
    let plain = resolve::plain(path);
    let hint = nearest(&plain, BOOK.iter().map(|key| key.name.to_owned()));
    Problem { origin, message, hint }
}

/// A hint that names the candidate most like what was written, if one is close.
fn nearest(written: &str, candidates: impl Iterator<Item = String>) -> String {
    candidates
        .map(|candidate| (distance(written, &candidate), candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= candidate.len().div_ceil(3))
        .map_or_else(
            || "`tacitus config print` lists every key".to_owned(),
            |(_, candidate)| format!("did you mean \"{candidate}\"?"),
        )
}

/// How many letters must be added, removed or replaced to make one text of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((other, diagonal), above) in to.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(0);
            let replaced = diagonal + usize::from(letter != *other);
            next.push(replaced.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn written(value: &DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Written::Other("a number beyond 64 bits"), Written::Integer),
        DeValue::Boolean(fact) => Written::Switch(*fact),
        DeValue::Array(items) => {
            Written::List(items.iter().map(|item| written(item.get_ref())).collect())
        }
        DeValue::Float(_) => Written::Other("a number with a fraction"),
        DeValue::Datetime(_) => Written::Other("a date"),
        DeValue::Table(_) => Written::Other("a table"),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { name, line } => write!(out, "{name}:{line}"),
            Self::Environment(name) => write!(out, "environment {name}"),
            Self::Flag(flag) => write!(out, "flag {flag}"),
        }
    }
}

impl fmt::Display for Written {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(out, "{text:?}"),
            Self::Integer(number) => write!(out, "{number}"),
            Self::Switch(fact) => write!(out, "{fact}"),
            Self::List(_) => out.write_str("a list"),
            Self::Other(name) => out.write_str(name),
        }
    }
}
