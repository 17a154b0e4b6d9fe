//! What a reader of a file hands on: rows of named tags.
//!
//! *Invariant.* A name has one number for a whole import, over all its files.

use std::collections::HashMap;
use std::io;

use tacitus_model::Kind;

use crate::cell::{Cell, Seen};

/// One sample as a file states it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The number that [`Rows::name`] gave its tag.
    pub tag: u32,
    /// Nanoseconds since 1970.
    pub ts: i64,
    /// Its value.
    pub cell: Cell<'a>,
    /// Its quality, where the file states one.
    pub quality: Option<u32>,
    /// Its line, from 1.
    pub line: u64,
}

/// Takes the rows of a file.
pub trait Rows {
    /// The number of a tag, new or known. `kind` is what the file says it is, where it does.
    fn name(&mut self, path: &str, kind: Option<Kind>) -> u32;

    /// One row.
    ///
    /// # Errors
    /// It could not be kept, which ends the reading.
    fn row(&mut self, row: Row<'_>) -> io::Result<()>;

    /// A row that could not be read.
    fn fault(&mut self, line: u64, reason: String);
}

/// What was seen of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Its path.
    pub path: String,
    /// Labels for it, where the file has them.
    pub labels: Vec<(String, String)>,
    stated: Option<Kind>,
    seen: Seen,
}

impl Form {
    /// The kind all its values fit; what the file states wins. `None` where there is no value.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.stated.or(self.seen.kind())
    }
}

/// The tags of an import.
#[derive(Debug, Clone, Default)]
pub struct Names {
    numbers: HashMap<String, u32>,
    forms: Vec<Form>,
}

impl Names {
    /// The number of a tag.
    pub fn number(&mut self, path: &str) -> u32 {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        // LIMIT: a store holds fewer tags than a u32 counts, and memory ends before.
        let number = u32::try_from(self.forms.len()).unwrap_or(u32::MAX);
        self.numbers.insert(path.to_owned(), number);
        let (stated, seen) = (None, Seen::default());
        self.forms.push(Form { path: path.to_owned(), labels: Vec::new(), stated, seen });
        number
    }

    /// All tags, in the order of their numbers.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Gives a tag labels, unless it has some.
    pub fn label(&mut self, number: u32, labels: &[(String, String)]) {
        if let Some(form) = self.forms.get_mut(number as usize)
            && form.labels.is_empty()
        {
            form.labels = labels.to_vec();
        }
    }

    /// Notes that a tag has values of a kind.
    pub fn see(&mut self, number: u32, kind: Kind) {
        if let Some(form) = self.forms.get_mut(number as usize) {
            form.seen.add_kind(kind);
        }
    }
}

/// The first pass: which tags there are, and of which kind.
#[derive(Debug)]
pub struct Survey<'a> {
    /// What was found.
    pub names: &'a mut Names,
    /// Rows that could be read.
    pub rows: u64,
}

impl Rows for Survey<'_> {
    fn name(&mut self, path: &str, kind: Option<Kind>) -> u32 {
        let number = self.names.number(path);
        if let (Some(kind), Some(form)) = (kind, self.names.forms.get_mut(number as usize)) {
            form.stated.get_or_insert(kind);
        }
        number
    }

    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        self.rows += 1;
        if let Some(form) = self.names.forms.get_mut(row.tag as usize) {
            form.seen.add(row.cell);
        }
        Ok(())
    }

    /// The second pass meets it again, and tells.
    fn fault(&mut self, _line: u64, _reason: String) {}
}
