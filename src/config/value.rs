//! Typed values of the configuration: how each is written, read and bounded.
//!
//! *Invariant.* What [`Value`] prints, [`Shape::read`] reads back as the same value, so that the
//! output of `tacitus config print` is itself a configuration.
//!
//! *Not here.* Which key has which shape: that is the book.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Written;

/// What may be written for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A number of bytes within bounds: `"64 MiB"`.
    Size {
        /// The least, in bytes.
        min: u64,
        /// The most, in bytes.
        max: u64,
    },
    /// A length of time within bounds: `"5 s"`.
    Span {
        /// The least, in milliseconds.
        min_ms: u64,
        /// The most, in milliseconds.
        max_ms: u64,
    },
    /// A whole number within bounds.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// An address to listen on: `"127.0.0.1:8428"`; port 0 picks a free one.
    Address,
    /// The name of a file or directory.
    Path,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text that is not empty.
    Text,
    /// A list of texts.
    Texts,
    /// `true` or `false`.
    Switch,
}

/// A value that fits its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Bytes.
    Size(u64),
    /// A length of time.
    Span(Duration),
    /// A whole number.
    Count(u64),
    /// An address to listen on.
    Address(SocketAddr),
    /// A file or directory.
    Path(PathBuf),
    /// One of the words of a choice.
    Choice(&'static str),
    /// A text.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// A fact.
    Switch(bool),
}

/// Why what was written does not fit: the end of the sentence `"key" is …`, and a hint.
pub(super) struct Misfit {
    pub(super) what: String,
    pub(super) hint: String,
}

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const SPANS_MS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

impl Shape {
    /// Reads what was written.
    pub(super) fn read(self, written: &Written) -> Result<Value, Misfit> {
        match self {
            Self::Size { min, max } => {
                let bytes = quantity(written, &SIZES, "a size", "64 MiB")?;
                within(bytes, min, max, size_text).map(Value::Size)
            }
            Self::Span { min_ms, max_ms } => {
                let ms = quantity(written, &SPANS_MS, "a length of time", "5 s")?;
                within(ms, min_ms, max_ms, span_text)
                    .map(|ms| Value::Span(Duration::from_millis(ms)))
            }
            Self::Count { min, max } => {
                let count = match written {
                    Written::Integer(number) => u64::try_from(*number).ok(),
                    Written::Text(text) => text.replace('_', "").parse().ok(),
                    _ => None,
                };
                let count = count.ok_or_else(|| misfit(written, "a whole number", "1000"))?;
                within(count, min, max, |count| count.to_string()).map(Value::Count)
            }
            Self::Address => text(written)
                .and_then(address)
                .map(Value::Address)
                .ok_or_else(|| misfit(written, "an address with a port", "127.0.0.1:8428")),
            Self::Path => filled(written, "the name of a file", "tacitus-data")
                .map(|name| Value::Path(name.into())),
            Self::Choice(words) => {
                let word = text(written)
                    .and_then(|text| words.iter().find(|word| word.eq_ignore_ascii_case(text)));
                word.map(|word| Value::Choice(word)).ok_or_else(|| Misfit {
                    what: format!("{written}, which is not one of its words"),
                    hint: format!("write one of: {}", words.join(", ")),
                })
            }
            Self::Text => {
                filled(written, "a text", "text").map(|text| Value::Text(text.to_owned()))
            }
            Self::Texts => texts(written),
            Self::Switch => match written {
                Written::Switch(fact) => Ok(Value::Switch(*fact)),
                Written::Text(text) if text == "true" || text == "false" => {
                    Ok(Value::Switch(text == "true"))
                }
                _ => Err(Misfit {
                    what: format!("{written}, which is neither true nor false"),
                    hint: "write true or false".to_owned(),
                }),
            },
        }
    }

    /// What to write, for people.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Size { min, max } => {
                format!("size from \"{}\" to \"{}\"", size_text(min), size_text(max))
            }
            Self::Span { min_ms, max_ms } => {
                format!("time from \"{}\" to \"{}\"", span_text(min_ms), span_text(max_ms))
            }
            Self::Count { min, max } => format!("whole number from {min} to {max}"),
            Self::Address => "address and port; port 0 picks a free one".to_owned(),
            Self::Path => "file or directory".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Text => "text".to_owned(),
            Self::Texts => "list of texts".to_owned(),
            Self::Switch => "true or false".to_owned(),
        }
    }
}

fn misfit(written: &Written, what: &str, example: &str) -> Misfit {
    Misfit {
        what: format!("{written}, which is not {what}"),
        hint: format!("write it like \"{example}\""),
    }
}

fn text(written: &Written) -> Option<&str> {
    if let Written::Text(text) = written { Some(text) } else { None }
}

fn filled<'a>(written: &'a Written, what: &str, example: &str) -> Result<&'a str, Misfit> {
    text(written)
        .filter(|text| !text.is_empty() && !text.contains('\0'))
        .ok_or_else(|| misfit(written, what, example))
}

/// A list, or from the environment a text with commas.
fn texts(written: &Written) -> Result<Value, Misfit> {
    let wrong = || Misfit {
        what: format!("{written}, which is not a list of texts"),
        hint: "write it like [\"first\", \"second\"]".to_owned(),
    };
    match written {
        Written::List(items) => items
            .iter()
            .map(|item| text(item).map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(Value::Texts)
            .ok_or_else(wrong),
        Written::Text(text) => Ok(Value::Texts(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )),
        _ => Err(wrong()),
    }
}

/// A number and a unit, `64 MiB` or `64MiB`; zero needs none.
fn quantity(
    written: &Written,
    units: &[(&str, u64)],
    what: &str,
    example: &str,
) -> Result<u64, Misfit> {
    let parsed = text(written).and_then(|text| {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.replace('_', "").parse().ok()?;
        let factor = match unit.trim() {
            "" if number == 0 => 1,
            unit => units.iter().find(|(name, _)| *name == unit)?.1,
        };
        number.checked_mul(factor)
    });
    parsed.ok_or_else(|| {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        Misfit {
            what: format!("{written}, which is not {what}"),
            hint: format!(
                "write a whole number and a unit, like \"{example}\"; units: {}",
                names.join(", ")
            ),
        }
    })
}

fn within(number: u64, min: u64, max: u64, show: fn(u64) -> String) -> Result<u64, Misfit> {
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    let (word, bound) =
        if number < min { ("below the least", min) } else { ("above the most", max) };
    Err(Misfit {
        what: format!("{}, which is {word} that is allowed", show(number)),
        hint: format!("write {} or {}", show(bound), if number < min { "more" } else { "less" }),
    })
}

/// `localhost` is the one name understood: resolving others would make the start depend on a
/// name server.
fn address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)));
    }
    text.parse().ok()
}

fn unit_text(number: u64, units: &[(&str, u64)]) -> String {
    let fitting =
        units.iter().find(|(_, factor)| number >= *factor && number.is_multiple_of(*factor));
    let (name, factor) = fitting.or(units.last()).copied().unwrap_or(("", 1));
    format!("{} {name}", number / factor)
}

fn size_text(bytes: u64) -> String {
    unit_text(bytes, &SIZES)
}

fn span_text(ms: u64) -> String {
    unit_text(ms, &SPANS_MS)
}

impl fmt::Display for Value {
    /// As TOML.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(bytes) => write!(out, "\"{}\"", size_text(*bytes)),
            Self::Span(span) => {
                let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                write!(out, "\"{}\"", span_text(ms))
            }
            Self::Count(count) => write!(out, "{count}"),
            Self::Address(address) => write!(out, "\"{address}\""),
            Self::Path(path) => out.write_str(&quoted(&path.to_string_lossy())),
            Self::Choice(word) => write!(out, "\"{word}\""),
            Self::Text(text) => out.write_str(&quoted(text)),
            Self::Texts(texts) => {
                let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                write!(out, "[{}]", items.join(", "))
            }
            Self::Switch(fact) => write!(out, "{fact}"),
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
