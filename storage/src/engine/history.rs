//! Changing what is stored, on the record, and looking back behind the change.
//!
//! *Invariant.* A change is in the audit before it is seen. What it replaced or hid can be read
//! as of any earlier sequence until the audit retention is over.

use std::sync::Arc;

use tacitus_model::{Batch, TagId, TimeRange, Timestamp};

use crate::audit::{AuditEntry, Change};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::snapshot::Snapshot;

impl Engine {
    /// Writes samples over stored ones, or adds some by hand. Returns the sequence of the
    /// samples; the store as of the sequence before has the old values.
    ///
    /// # Errors
    /// As [`Engine::commit`]; [`ErrorKind::Invalid`] without a user or a reason.
    pub fn edit(&self, samples: &Batch, user: &str, reason: &str) -> Result<u64, Error> {
        let mut tags: Vec<TagId> = samples.tags().to_vec();
        tags.sort_unstable();
        tags.dedup();
        let first = samples.times().iter().min().copied().unwrap_or(Timestamp::MIN);
        let last = samples.times().iter().max().copied().unwrap_or(first);
        let range = TimeRange { first, last };
        let entry = self.entry(Change::Edited, tags, range, user, reason)?;
        self.commit_change(&entry, std::slice::from_ref(samples))
    }

    /// Deletes the samples of tags within a range: they are no longer seen. Returns the sequence
    /// of the deletion; the store as of the sequence before still has them. Samples of the same
    /// times that come later are seen.
    ///
    /// # Errors
    /// As [`Engine::commit`]; [`ErrorKind::Invalid`] for a tag that does not exist, an empty
    /// range, or without a user or a reason. With [`crate::Outcome::Unknown`] also where the
    /// samples are deleted and what is the latest could not be read: delete them again.
    pub fn delete(
        &self,
        tags: &[TagId],
        range: TimeRange,
        user: &str,
        reason: &str,
    ) -> Result<u64, Error> {
        let unknown = tags.iter().find(|tag| self.shared.catalog.get(**tag).is_none());
        if let Some(tag) = unknown {
            let what = format!("tag {} does not exist", tag.0);
            return Err(Error::new(ErrorKind::Invalid, what, "name existing tags"));
        }
        if tags.is_empty() || range.is_empty() {
            let what = "the deletion names no tag or no time";
            let hint = "name at least one tag, and a range that does not end before it begins";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        let mut tags = tags.to_vec();
        tags.sort_unstable();
        tags.dedup();
        let entry = self.entry(Change::Deleted, tags, range, user, reason)?;
        self.commit_change(&entry, &[])
    }

    /// The edits and deletions on record, in the order of their sequences.
    pub fn audit(&self) -> Vec<Arc<AuditEntry>> {
        self.shared.audit.entries()
    }

    /// The store as it was when `sequence` was the last.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a sequence that is not there yet or that is older than the
    /// audit retention.
    pub fn snapshot_as_of(&self, sequence: u64) -> Result<Snapshot, Error> {
        let oldest = self.lock_keeper().manifest.history;
        let snapshot = self.snapshot();
        let newest = snapshot.sequence();
        if sequence < oldest || sequence > newest {
            let what = format!(
                "the store cannot be read as of sequence {sequence}: it goes from {oldest} to {newest}"
            );
            let hint = "choose a sequence in between, or keep a longer audit retention";
            return Err(Error::new(ErrorKind::Invalid, what, hint));
        }
        Ok(snapshot.into_past(sequence))
    }

    /// Looks up the latest sample and the first time of tags anew, where a deletion may have
    /// taken them.
    pub(crate) fn refresh_latest(&self, tags: &[TagId], range: TimeRange) -> Result<(), Error> {
        for tag in tags {
            // Nobody may commit between the look and the note.
            let _writer = self.lock_writer();
            let Some(extent) = self.shared.last.extent(*tag) else { continue };
            if range.contains(extent.first) || range.contains(extent.last) {
                let snapshot = self.snapshot();
                let last = snapshot.last_row(*tag, Timestamp::MAX)?;
                self.shared.last.replace(*tag, last, snapshot.first_time(*tag)?);
            }
        }
        Ok(())
    }

    fn entry(
        &self,
        change: Change,
        tags: Vec<TagId>,
        range: TimeRange,
        user: &str,
        reason: &str,
    ) -> Result<AuditEntry, Error> {
        self.shared.audit.check(user, reason, tags.len())?;
        let (user, reason) = (user.to_owned(), reason.to_owned());
        let at = self.parts.clock.now();
        Ok(AuditEntry { sequence: 0, at, user, reason, change, tags, range })
    }
}
