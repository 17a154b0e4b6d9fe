//! Rows that could not be read: counted all, named the first.
//!
//! *Invariant.* A fault names the file and, where it has lines, the line from 1; the text of a
//! cell in it is cut short and without control characters.

use std::fmt;

use crate::limits::FAULTS_NAMED_MAX;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: String,
    /// The line, or the row of a file that has none, from 1; 0 where it is about the whole file.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What went wrong in an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// How many there were in all.
    pub count: u64,
    /// The first of them.
    pub named: Vec<Fault>,
    /// How many are named at most.
    named_max: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self::naming(FAULTS_NAMED_MAX)
    }
}

impl Faults {
    /// None yet, of which at most so many will be named.
    #[must_use]
    pub const fn naming(named_max: usize) -> Self {
        Self { count: 0, named: Vec::new(), named_max }
    }

    /// Notes one.
    pub fn add(&mut self, file: &str, line: u64, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < self.named_max {
            self.named.push(Fault { file: file.to_owned(), line, reason: reason() });
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(out, "{}: {}", self.file, self.reason),
            line => write!(out, "{}:{line}: {}", self.file, self.reason),
        }
    }
}

/// A text from a file as it may be shown.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
