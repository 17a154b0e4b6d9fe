//! The next message of a forwarder: what to send, read from the store.
//!
//! *Invariant.* Deletions of a stretch come before its rows. A tag is described the first time it
//! is sent over a line, and again when its definition changed.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use tacitus_model::{Batch, Sample, Tag, TagId, Timestamp};
use tacitus_storage::{AuditEntry, ChangesMax, Engine, Error, Snapshot, Stretch, TagQuery};

use super::cursor::{Place, Task};
use super::limits::{DELETION_TAGS_MAX, DELETIONS_MAX};
use super::message::{About, Deletion, Header, Line, encode, via};
use super::settings::Settings;

/// What an upstream knows of tags: the sequence of the definition that it was sent.
pub(super) type Known = HashMap<TagId, u64>;

/// One message, ready to be sent.
#[derive(Debug)]
pub(super) struct Message {
    /// Packed.
    pub(super) body: Vec<u8>,
    pub(super) samples: u64,
    /// The definitions that it carries.
    pub(super) described: Vec<(TagId, u64)>,
}

/// Both ends of a line.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    pub(super) own: String,
    pub(super) upstream: String,
}

/// A piece of work, and where the stretch goes on after it; without a message there is nothing to
/// send of it.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) task: Task,
    pub(super) next: Option<Place>,
    pub(super) message: Option<Message>,
    /// Nothing was left behind it when it was read.
    pub(super) is_last: bool,
}

/// Reads what is to be sent of a task.
///
/// # Errors
/// Whatever reading says.
pub(super) fn read(
    engine: &Engine,
    settings: &Settings,
    ends: &Ends,
    known: &Known,
    (task, most): (Task, ChangesMax),
) -> Result<Piece, Error> {
    let snapshot = engine.snapshot();
    let mut draft = Draft {
        chosen: Chosen::of(&snapshot, &settings.select)?,
        snapshot: &snapshot,
        settings,
        ends,
        known,
        header: Header { name: settings.name.clone(), from: ends.own.clone(), ..Header::default() },
        numbers: HashMap::new(),
        described: Vec::new(),
        rows: Batch::default(),
    };
    let mut place = task.place;
    let rest = Stretch { after: place.deleted, until: task.stretch.until };
    let deletions = snapshot.deletions(rest);
    let taken = draft.delete(&deletions);
    if let Some(later) = deletions.get(taken) {
        // Everything before the first that is left is in this message.
        place.deleted = later.sequence - 1;
        let message = draft.finish()?;
        return Ok(Piece { task, next: Some(place), message, is_last: false });
    }
    place.deleted = task.stretch.until;
    let bookmark = place.bookmark();
    let changes = snapshot.changes(task.stretch, bookmark, most, |tag| draft.takes(tag))?;
    for (tag, block) in &changes.rows {
        let Some(number) = draft.number(*tag, true) else { continue };
        for (row, ts) in block.times.iter().enumerate() {
            let (tag, ts) = (TagId(number), Timestamp::from_nanos(*ts));
            let (value, quality) = (block.value(row), block.quality(row));
            draft.rows.push(Sample { tag, ts, value, quality });
        }
    }
    let next = changes.next.map(|bookmark| place.at(bookmark));
    let is_last = next.is_none() && task.stretch.until >= snapshot.sequence();
    Ok(Piece { task, next, message: draft.finish()?, is_last })
}

/// Which tags a forwarder sends.
enum Chosen {
    All,
    /// Rising.
    These(Vec<TagId>),
}

impl Chosen {
    fn of(snapshot: &Snapshot, select: &TagQuery) -> Result<Self, Error> {
        match select {
            TagQuery::All => Ok(Self::All),
            select => snapshot.select_ids(select).map(Self::These),
        }
    }

    fn has(&self, tag: TagId) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.binary_search(&tag).is_ok(),
        }
    }
}

/// A message under way.
struct Draft<'a> {
    snapshot: &'a Snapshot,
    settings: &'a Settings,
    ends: &'a Ends,
    known: &'a Known,
    chosen: Chosen,
    header: Header,
    /// The places of tags in the header's list.
    numbers: HashMap<TagId, u32>,
    described: Vec<(TagId, u64)>,
    rows: Batch,
}

impl Draft<'_> {
    /// Whether a tag is sent: it is chosen, and did not come from the upstream.
    fn takes(&self, tag: TagId) -> bool {
        let came = |tag: &Tag| via(tag).contains(&self.ends.upstream);
        self.chosen.has(tag) && self.snapshot.tag(tag).is_some_and(|tag| !came(&tag))
    }

    /// The place of a tag in the header's list. What it is, is said where it has rows and the
    /// upstream does not know it yet.
    fn number(&mut self, id: TagId, has_rows: bool) -> Option<u32> {
        let tag = self.snapshot.tag(id)?;
        let number = if let Some(number) = self.numbers.get(&id) {
            *number
        } else {
            let number = u32::try_from(self.header.tags.len()).ok()?;
            let path = format!("{}{}", self.settings.prefix, tag.definition.path.as_str());
            let states = tag.definition.states.clone();
            self.header.tags.push(Line { path, states, about: None });
            self.numbers.insert(id, number);
            number
        };
        if has_rows && self.known.get(&id) != Some(&tag.sequence) {
            let line = self.header.tags.get_mut(number as usize)?;
            if line.about.is_none() {
                line.about = Some(About::of(&tag, &self.ends.own));
                self.described.push((id, tag.sequence));
            }
        }
        Some(number)
    }

    /// Takes deletions, as many as a message may have; how many of them are dealt with.
    fn delete(&mut self, entries: &[Arc<AuditEntry>]) -> usize {
        let mut tags_left = DELETION_TAGS_MAX;
        for (at, entry) in entries.iter().enumerate() {
            let chosen: Vec<TagId> =
                entry.tags.iter().copied().filter(|tag| self.takes(*tag)).collect();
            let full = self.header.deletions.len() >= DELETIONS_MAX || chosen.len() > tags_left;
            if full && !self.header.deletions.is_empty() {
                return at;
            }
            tags_left = tags_left.saturating_sub(chosen.len());
            let tags: Vec<u32> =
                chosen.into_iter().filter_map(|tag| self.number(tag, false)).collect();
            if tags.is_empty() {
                continue;
            }
            self.header.deletions.push(Deletion {
                tags,
                first: entry.range.first.nanos(),
                last: entry.range.last.nanos(),
                user: entry.user.clone(),
                reason: entry.reason.clone(),
            });
        }
        entries.len()
    }

    /// The message; `None` where there is nothing to say.
    fn finish(self) -> Result<Option<Message>, Error> {
        if self.header.deletions.is_empty() && self.rows.is_empty() {
            return Ok(None);
        }
        let bytes = encode(&self.header, &self.rows);
        let packed = || {
            let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(&bytes)?;
            packer.finish()
        };
        let body = packed().map_err(|source| Error::io("pack", "a message", source))?;
        let samples = self.rows.len() as u64;
        Ok(Some(Message { body, samples, described: self.described }))
    }
}
