//! The configuration: what a person may say, and what the server then does.
//!
//! ```text
//! file, environment, flags ──raw──▶ written words with their origin
//!                          ──book─▶ typed values (every key, shape and default is one row there)
//!                          ──checked─▶ Settings
//! ```
//!
//! *Invariant.* Flags win over the environment, the environment over the file, the file over the
//! defaults; and every problem is reported at once, each with its place and what to do.
//!
//! *Not here.* Components (disk, clock, metrics): they are passed in and never configured. Secrets:
//! a key names the file that holds one, so that no listing can show it.

mod book;
mod checked;
mod collectors;
mod forward;
mod mqtt;
mod page;
mod problem;
mod raw;
mod resolve;
mod roles;
mod topics;
mod value;

pub use book::{BOOK, Fallback, Key};
pub use checked::{Data, Http, Log, LogFormat, Postgres, Settings};
pub use page::{explain, page, print};
pub use problem::Problem;
pub use raw::{Origin, Sources, Written};
pub use resolve::find;
pub use value::{Shape, Value};

use std::collections::BTreeMap;

/// Every key in effect, with its value and where that came from.
pub type Effective = BTreeMap<String, (Value, Origin)>;

/// A length of time as the configuration writes it, where it is one: `"500 ms"`.
pub(crate) fn span(text: &str) -> Option<std::time::Duration> {
    let shape = Shape::Span { min_ms: 0, max_ms: u64::MAX };
    match shape.read(&Written::Text(text.to_owned())) {
        Ok(Value::Span(span)) => Some(span),
        _ => None,
    }
}

/// A size as the configuration writes it, where it is one: `"64 MiB"`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let shape = Shape::Size { min: 0, max: u64::MAX };
    match shape.read(&Written::Text(text.to_owned())) {
        Ok(Value::Size(bytes)) => Some(bytes),
        _ => None,
    }
}

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// What the server does.
    pub settings: Settings,
    /// Every key that led there, for `tacitus config print`.
    pub effective: Effective,
    /// What looks like a mistake but keeps nothing from starting.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads and checks all sources.
    ///
    /// # Errors
    /// Every problem there is, in the order of the sources.
    pub fn load(sources: &Sources) -> Result<Self, Vec<Problem>> {
        let raw = raw::read(sources);
        let mut problems = raw.problems;
        let effective = resolve::resolve(&raw.given, &mut problems);
        let settings = checked::check(&effective, &mut problems);
        match settings {
            Some(settings) if problems.is_empty() => {
                Ok(Self { settings, effective, warnings: raw.warnings })
            }
            _ => Err(problems),
        }
    }
}

#[cfg(test)]
mod tests;
