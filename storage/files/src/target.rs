//! The second pass: rows of named tags become samples of tags, and go to the sort.
//!
//! *Invariant.* A row that does not fit its tag is counted and named, and nothing else is lost.

use std::io;

use tacitus_model::{Kind, Quality, TagId};

use crate::cell::{usual_quality, value};
use crate::fault::{Faults, shown};
use crate::rows::{Names, Row, Rows};
use crate::sort::Sorter;

/// What the samples of a name go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The tag.
    pub tag: TagId,
    /// Its kind.
    pub kind: Kind,
    /// The names of a state tag's states.
    pub states: Vec<String>,
}

/// Fills a sorter.
#[derive(Debug)]
pub struct Loader<'a> {
    /// The tags of the first pass.
    pub names: &'a mut Names,
    /// For the number of each name its target, or why it has none.
    pub targets: &'a [Result<Target, String>],
    /// Where samples go.
    pub sorter: &'a mut Sorter,
    /// What could not be kept.
    pub faults: &'a mut Faults,
    /// The file that is read, for the faults.
    pub file: &'a str,
}

impl Rows for Loader<'_> {
    fn name(&mut self, path: &str, _kind: Option<Kind>) -> u32 {
        self.names.number(path)
    }

    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        let target = match self.targets.get(row.tag as usize) {
            Some(Ok(target)) => target,
            Some(Err(why)) => {
                self.faults.add(self.file, row.line, || why.clone());
                return Ok(());
            }
            None => {
                let path = self.names.forms().get(row.tag as usize).map(|form| shown(&form.path));
                let path = path.unwrap_or_default();
                self.faults.add(self.file, row.line, || {
                    format!("\"{path}\" was not there when the file was read first")
                });
                return Ok(());
            }
        };
        match value(row.cell, target.kind, &target.states) {
            Ok(value) => {
                let quality = row.quality.map_or_else(|| usual_quality(&value), Quality);
                self.sorter.add(target.tag, target.kind, row.ts, &value, quality)
            }
            Err(why) => {
                self.faults.add(self.file, row.line, || why);
                Ok(())
            }
        }
    }

    fn fault(&mut self, line: u64, reason: String) {
        self.faults.add(self.file, line, || reason);
    }
}
