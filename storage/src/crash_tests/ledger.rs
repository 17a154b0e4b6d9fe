//! What was sent to a store and what was acknowledged, and whether a store holds it.
//!
//! *Invariant.* Of each sample, tag path and document the ledger knows every state that was sent,
//! in order, and how many of them are acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;

use tacitus_model::{TagId, TimeRange};

use super::{BACKUPS, DELETED, found, open, written};
use crate::backup::{RestoreOptions, restore};
use crate::disk::{Disk, SimDisk};
use crate::engine::Engine;

/// What was sent and what was acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// By tag and time, all values sent, in order.
    pub(super) sent: BTreeMap<(u32, i64), Vec<f64>>,
    /// How many of them are acknowledged.
    pub(super) acked: BTreeMap<(u32, i64), usize>,
    pub(super) tags_acked: usize,
    /// The paths each tag was given, in order, and how many of them are acknowledged.
    pub(super) paths: BTreeMap<u32, (Vec<String>, usize)>,
    /// What `last` was to say, and how many of these are acknowledged.
    pub(super) documents: (Vec<u64>, usize),
    /// The batch whose fate is open.
    pub(super) open: Vec<(u32, i64)>,
    /// What the last finished backup holds.
    pub(super) backed_up: Option<State>,
    /// What the backup under way would hold.
    pub(super) backing_up: Option<State>,
}

/// The bits of the last value of each sample; what `last` says, as if it were one of tag 0.
pub(super) type State = BTreeMap<(u32, i64), u64>;

impl Ledger {
    /// What is acknowledged; only between writes.
    pub(super) fn state(&self) -> State {
        let last = |(key, count): (&(u32, i64), &usize)| {
            let value = self.sent.get(key)?.get(count.checked_sub(1)?)?;
            (value.to_bits() != DELETED.to_bits()).then_some((*key, value.to_bits()))
        };
        let (sent, acked) = &self.documents;
        let document = acked.checked_sub(1).and_then(|at| sent.get(at));
        let document = document.map(|written| ((0, 0), *written));
        self.acked.iter().filter_map(last).chain(document).collect()
    }

    /// Restores the newest backup and compares it with what it must hold.
    pub(super) fn check_backup(&self, survivor: &SimDisk) -> Result<(), String> {
        let restored = SimDisk::new();
        let to: Arc<dyn Disk> = Arc::new(restored.clone());
        let options = RestoreOptions { generation: None, log_file_bytes: 4096 };
        if let Err(error) = restore(&survivor.folder(BACKUPS), &to, options) {
            return match &self.backed_up {
                Some(_) => Err(format!("a finished backup cannot be restored: {error}")),
                None => Ok(()),
            };
        }
        let engine = open(&restored)?;
        let found = found(&engine);
        let mut state: State = found.iter().map(|(key, value)| (*key, value.to_bits())).collect();
        state.extend(written(&engine)?.map(|written| ((0, 0), written)));
        if [&self.backed_up, &self.backing_up].into_iter().any(|own| own.as_ref() == Some(&state)) {
            return Ok(());
        }
        Err("a backup holds neither the former state nor the new one".into())
    }

    pub(super) fn send(&mut self, rows: &[(u32, i64, f64)]) {
        for (tag, ts, value) in rows {
            self.sent.entry((*tag, *ts)).or_default().push(*value);
        }
        self.open = rows.iter().map(|(tag, ts, _)| (*tag, *ts)).collect();
    }

    pub(super) fn acknowledge(&mut self, tags: usize) {
        for key in self.open.drain(..) {
            self.acked.insert(key, self.sent.get(&key).map_or(0, Vec::len));
        }
        self.tags_acked = tags;
        self.documents.1 = self.documents.0.len();
        self.paths.values_mut().for_each(|(paths, acked)| *acked = paths.len());
    }

    pub(super) fn name(&mut self, tag: u32, path: &str) {
        self.paths.entry(tag).or_default().0.push(path.to_owned());
    }

    /// A tag has the last acknowledged path or one sent later, and every acknowledged one leads
    /// to it.
    pub(super) fn check_paths(&self, engine: &Engine) -> Result<(), String> {
        let snapshot = engine.snapshot();
        for (tag, (paths, acked)) in &self.paths {
            let Some(found) = snapshot.tag(TagId(*tag)) else { continue };
            let found = found.definition.path.as_str();
            let at = paths.iter().position(|path| path == found);
            if at.is_none_or(|at| at + 1 < *acked) {
                return Err(format!(
                    "tag {tag} is \"{found}\", of {paths:?}, {acked} acknowledged"
                ));
            }
            for path in paths.iter().take(*acked) {
                if snapshot.find(path).is_none_or(|own| own.id.0 != *tag) {
                    return Err(format!("\"{path}\" no longer leads to tag {tag}"));
                }
            }
        }
        Ok(())
    }

    /// Compares a store with the ledger.
    pub(super) fn check(&self, engine: &Engine) -> Result<(), String> {
        let snapshot = engine.snapshot();
        let tags = snapshot.tags();
        if tags.len() < self.tags_acked {
            return Err(format!("{} of {} tags are there", tags.len(), self.tags_acked));
        }
        let mut found: BTreeMap<(u32, i64), f64> = BTreeMap::new();
        for tag in &tags {
            for block in snapshot.scan(tag.id, TimeRange::ALL) {
                let block = block.map_err(|error| error.to_string())?;
                for (ts, bits) in block.times.iter().zip(&block.bits) {
                    if found.insert((tag.id.0, *ts), f64::from_bits(*bits)).is_some() {
                        return Err(format!("tag {} has two samples at {ts}", tag.id.0));
                    }
                }
            }
        }
        self.check_values(&found)?;
        self.check_paths(engine)?;
        let holds = |key: &(u32, i64), range: std::ops::Range<usize>| {
            let sent = self.sent.get(key).map(Vec::as_slice).unwrap_or_default();
            let value = found.get(key).copied().unwrap_or(DELETED);
            let known = sent.get(range.start.min(range.end)..range.end).unwrap_or_default();
            known.iter().any(|sent| sent.to_bits() == value.to_bits())
        };
        let count = |key: &(u32, i64)| self.sent.get(key).map_or(0, Vec::len);
        let old = |key: &(u32, i64)| {
            let acked = self.acked.get(key).copied().unwrap_or_default();
            let none = acked == 0 && !found.contains_key(key);
            none || holds(key, acked.saturating_sub(1)..count(key).saturating_sub(1))
        };
        let new = |key: &(u32, i64)| holds(key, count(key).saturating_sub(1)..count(key));
        let (sent, acked) = &self.documents;
        let written = written(engine)?;
        let at = written.map(|written| sent.iter().rposition(|own| *own == written));
        let at = match at {
            Some(None) => return Err(format!("{written:?} was never written")),
            at => at.flatten().map_or(0, |at| at + 1),
        };
        if at < *acked {
            return Err(format!("documents of commit {at}, {acked} are acknowledged"));
        }
        if at > *acked && !self.open.iter().all(new) {
            return Err("documents of a batch that is not there".into());
        }
        if !self.open.iter().all(new) && !self.open.iter().all(old) {
            let there = self.open.iter().filter(|key| new(key)).count();
            return Err(format!("{there} of {} samples of a batch are there", self.open.len()));
        }
        Ok(())
    }

    /// Every sample is as it was acknowledged last, or as it was sent since.
    pub(super) fn check_values(&self, found: &BTreeMap<(u32, i64), f64>) -> Result<(), String> {
        if let Some((key, value)) = found.iter().find(|(key, _)| !self.sent.contains_key(key)) {
            return Err(format!("{key:?} has {value}, which nobody sent"));
        }
        for (key, sent) in &self.sent {
            let value = found.get(key).copied().unwrap_or(DELETED);
            let acked = self.acked.get(key).copied().unwrap_or_default();
            let known = |sent: &f64| sent.to_bits() == value.to_bits();
            let since = sent.get(acked.saturating_sub(1)..).unwrap_or_default();
            if since.iter().any(known) || (acked == 0 && !found.contains_key(key)) {
                continue;
            }
            let what = match (found.get(key), sent.iter().any(known)) {
                (None, _) => "was acknowledged and is not there".to_owned(),
                (Some(value), false) => format!("has {value}, which nobody sent"),
                (Some(value), true) => format!("has {value}, which was overwritten"),
            };
            return Err(format!("{key:?} {what}"));
        }
        Ok(())
    }

    /// Takes what a recovered store holds for acknowledged, and the rest for never sent.
    pub(super) fn settle(&mut self, found: &BTreeMap<(u32, i64), f64>) {
        self.sent.retain(|key, sent| {
            let value = found.get(key).copied().unwrap_or(DELETED);
            let at = sent.iter().rposition(|sent| sent.to_bits() == value.to_bits());
            sent.truncate(at.map_or(0, |at| at + 1));
            !sent.is_empty()
        });
        self.acked = self.sent.iter().map(|(key, sent)| (*key, sent.len())).collect();
        self.open.clear();
    }
}
