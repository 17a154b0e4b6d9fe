//! What a reader did not get because it cannot be read.
//!
//! A reader is given an error for damaged data, unless it said that it takes the rest; then it is
//! told what is missing.
//!
//! *Invariant.* Nothing is left out unless the reader asked for that, and nothing that is left
//! out is missing here, but for what is beyond [`GAPS_MAX`]: those are counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacitus_model::{TagId, TimeRange};

use crate::error::{Error, ErrorKind};
use crate::limits::GAPS_MAX;

/// Samples that a reader did not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Whose samples.
    pub tag: TagId,
    /// Between which times some may be missing.
    pub range: TimeRange,
    /// What could not be read, with the name of the file.
    pub what: String,
}

/// The gaps of a reader, shared by all of its scans.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gaps(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    gaps: Vec<Gap>,
    beyond: u64,
}

impl Gaps {
    /// The gaps so far, and how many there are beyond those.
    pub(crate) fn list(&self) -> (Vec<Gap>, u64) {
        let noted = self.lock();
        (noted.gaps.clone(), noted.beyond)
    }

    fn note(&self, gap: Gap) {
        let mut noted = self.lock();
        if noted.gaps.contains(&gap) {
            return;
        }
        if noted.gaps.len() < GAPS_MAX { noted.gaps.push(gap) } else { noted.beyond += 1 }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was read; where it could not be read and the reader takes the rest, a gap and what stands
/// for it.
pub(crate) fn or_gap<T>(
    gaps: Option<&Gaps>,
    tag: TagId,
    range: impl FnOnce() -> TimeRange,
    read: Result<T, Error>,
    instead: impl FnOnce() -> T,
) -> Result<T, Error> {
    match (read, gaps) {
        (Err(error), Some(gaps)) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io) => {
            gaps.note(Gap { tag, range: range(), what: error.to_string() });
            Ok(instead())
        }
        (read, _) => read,
    }
}

#[cfg(test)]
mod tests;
