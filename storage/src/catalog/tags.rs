//! The entries of all tags, packed: a tag is made from its bytes when somebody asks for it.
//!
//! ```text
//! sequence 8 │ flags 1 │ path │ first sequence 8? │ quantum │ unit │ source │ labels
//!   │ description? │ range 16? │ states? │ retention? │ thinning? │ names?
//! ```
//! Unit, source, retention class and labels are numbers of terms, which many tags share. Only the
//! sequence is changed in place.
//!
//! *Invariant.* What was put is got back equal; a term has the ids of the tags that have it.
//!
//! *Not here.* Names: the table beside this one finds them. What is staged or pending: the catalog
//! knows.

use roaring::RoaringBitmap;
use tacitus_model::{Kind, Tag, TagDefinition, TagId, TagPath, Thinning};

use crate::catalog::UNCOMMITTED;
use crate::catalog::arena::{Arena, Place};
use crate::catalog::entry::{Entry, TagName};
use crate::catalog::record::{RawEntry, names, put_names, put_thinning, thinning};
use crate::catalog::terms::{Field, Terms};
use crate::cursor::{Cursor, put_text, put_varint, put_zigzag};
use crate::error::{Error, ErrorKind};

const STEP: u8 = 1;
const FIRST: u8 = 2;
const DESCRIPTION: u8 = 4;
const RANGE: u8 = 8;
const STATES: u8 = 16;
const RETENTION: u8 = 32;
const THINNING: u8 = 64;
const NAMES: u8 = 128;

/// What a sample of a tag has to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagFit {
    /// Its id.
    pub id: TagId,
    /// The kind its values have.
    pub kind: Kind,
    /// The unit of its times, in nanoseconds.
    pub quantum_ns: i64,
}

#[derive(Debug, Default)]
pub(super) struct Tags {
    /// By id − 1: where the entry is.
    places: Vec<Place>,
    /// By id − 1: the code of the kind.
    kinds: Vec<u8>,
    entries: Arena,
    pub(super) terms: Terms,
}

/// A packed entry under the reader's eye.
struct Packed<'t> {
    sequence: u64,
    flags: u8,
    path: &'t str,
    first: u64,
    rest: Cursor<'t>,
}

impl Tags {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn kind(&self, id: TagId) -> Option<Kind> {
        Kind::from_code(*self.kinds.get((id.0 as usize).checked_sub(1)?)?)
    }

    /// What a sample of a tag has to fit.
    pub(super) fn fit(&self, id: TagId) -> Option<TagFit> {
        let quantum_ns = self.packed(id)?.rest.zigzag()?;
        Some(TagFit { id, kind: self.kind(id)?, quantum_ns })
    }

    pub(super) fn path(&self, id: TagId) -> Option<&str> {
        self.packed(id).map(|packed| packed.path)
    }

    /// The sequence of a tag's first record.
    pub(super) fn first(&self, id: TagId) -> Option<u64> {
        self.packed(id).map(|packed| packed.first)
    }

    /// Whether a name leads to a tag.
    pub(super) fn holds(&self, id: TagId, name: &str) -> bool {
        let Some(packed) = self.packed(id) else { return false };
        packed.path == name
            || packed.flags & NAMES != 0 && self.entry(id).is_some_and(|entry| entry.holds(name))
    }

    /// Tells every name that leads to a tag.
    pub(super) fn held(&self, id: TagId, tell: &mut dyn FnMut(&str)) {
        let Some(packed) = self.packed(id) else { return };
        tell(packed.path);
        if packed.flags & NAMES != 0
            && let Some(entry) = self.entry(id)
        {
            entry.held().filter(|name| *name != entry.path()).for_each(|name| tell(name.as_str()));
        }
    }

    pub(super) fn entry(&self, id: TagId) -> Option<Entry> {
        self.unpack(id).map(|(entry, _)| entry)
    }

    /// How many tags, from the first on, exist at a sequence: tags are committed in order.
    pub(super) fn exist(&self, sequence: u64) -> u32 {
        let count = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let exists = |id: u32| self.first(TagId(id)).is_some_and(|first| first <= sequence);
        if exists(count) {
            return count;
        }
        let (mut some, mut none) = (0, count);
        while some + 1 < none {
            let middle = u32::midpoint(some, none);
            if exists(middle) { some = middle } else { none = middle }
        }
        some
    }

    /// Sets the sequence of an entry that has none yet.
    pub(super) fn commit(&mut self, id: TagId, sequence: u64) {
        let Some(place) = self.place(id) else { return };
        if let Some((own, _)) = self.entries.get_mut(place).split_first_chunk_mut() {
            *own = sequence.to_le_bytes();
        }
    }

    /// Makes an entry the tag's entry: of the next tag, or in place of the one before.
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`] where the id does not follow the ones before it, [`ErrorKind::Busy`]
    /// where there is no room.
    pub(super) fn put(&mut self, raw: &RawEntry<'_>, sequence: u64) -> Result<(), Error> {
        let at = raw.id.0 as usize;
        if at == 0 || at > self.len() + 1 {
            let what = format!("tag {at} follows tag {}", self.len());
            return Err(Error::corrupt("catalog", what));
        }
        let no_room = || {
            let hint = "remove tags or labels, or spread the plant over several stores";
            Error::new(ErrorKind::Busy, "the catalog has all the bytes it can hold", hint)
        };
        let terms = self.terms_of(raw).ok_or_else(no_room)?;
        let packed = pack(raw, sequence, &terms);
        let place = self.entries.push(&packed).ok_or_else(no_room)?;
        if let Some((before, len)) = self.unpack(raw.id) {
            for term in self.terms_of_entry(&before) {
                self.terms.remove(term, raw.id.0);
            }
            if let Some(own) = self.places.get_mut(at - 1) {
                self.entries.bury(std::mem::replace(own, place), len);
            }
        } else {
            grow(&mut self.places);
            grow(&mut self.kinds);
            self.places.push(place);
            self.kinds.push(raw.kind.code());
        }
        terms.all().for_each(|term| self.terms.add(term, raw.id.0));
        Ok(())
    }

    /// Moves what lives in one chunk that is mostly dead; whether there was one.
    pub(super) fn tidy(&mut self) -> bool {
        let Some(dying) = self.entries.dying() else { return false };
        for id in 1..=u32::try_from(self.len()).unwrap_or(u32::MAX) {
            let Some(place) = self.place(TagId(id)).filter(|place| place.chunk() == dying) else {
                continue;
            };
            let Some((_, len)) = self.unpack(TagId(id)) else { continue };
            let bytes = self.entries.get(place).get(..len).unwrap_or_default().to_vec();
            // Without room elsewhere the chunk stays as it is.
            let Some(moved) = self.entries.push(&bytes) else { return false };
            if let Some(own) = self.places.get_mut(id as usize - 1) {
                *own = moved;
            }
        }
        self.entries.clear(dying);
        true
    }

    fn place(&self, id: TagId) -> Option<Place> {
        self.places.get((id.0 as usize).checked_sub(1)?).copied()
    }

    fn packed(&self, id: TagId) -> Option<Packed<'_>> {
        let mut rest = Cursor::new(self.entries.get(self.place(id)?));
        let (sequence, flags, path) = (rest.u64()?, rest.u8()?, rest.text()?);
        let first = if flags & FIRST == 0 { sequence } else { rest.u64()? };
        Some(Packed { sequence, flags, path, first, rest })
    }

    /// An entry, and its length in bytes.
    fn unpack(&self, id: TagId) -> Option<(Entry, usize)> {
        let Packed { sequence, flags, path, first, rest: mut from } = self.packed(id)?;
        let has = |flag| flags & flag != 0;
        let quantum_ns = from.zigzag()?;
        let unit = self.term(&mut from)?.1;
        let source = self.term(&mut from)?.1;
        let count = from.count()?;
        let mut label = || {
            let (key, value) = self.term(&mut from)?;
            Some((key.to_owned(), value.to_owned()))
        };
        let labels = (0..count).map(|_| label()).collect::<Option<_>>()?;
        let description = if has(DESCRIPTION) { from.text()? } else { "" };
        let range = if has(RANGE) {
            Some((f64::from_bits(from.u64()?), f64::from_bits(from.u64()?)))
        } else {
            None
        };
        let states = if has(STATES) { from.count()? } else { 0 };
        let states = (0..states).map(|_| from.text().map(str::to_owned)).collect::<Option<_>>()?;
        let retention = if has(RETENTION) { self.term(&mut from)?.1 } else { "" };
        let thinning: Option<Thinning> =
            if has(THINNING) { Some(thinning(&mut from)?) } else { None };
        let names: Vec<TagName> = if has(NAMES) { names(&mut from)? } else { Vec::new() };
        let definition = TagDefinition {
            path: TagPath::new(path).ok()?,
            kind: self.kind(id)?,
            unit: unit.to_owned(),
            description: description.to_owned(),
            labels,
            step: has(STEP),
            range,
            source: source.to_owned(),
            quantum_ns,
            states,
            retention: retention.to_owned(),
            thinning,
        };
        let len = self.entries.get(self.place(id)?).len() - from.remaining();
        Some((Entry { tag: Tag { id, definition, sequence }, first, names }, len))
    }

    fn term(&self, from: &mut Cursor<'_>) -> Option<(&str, &str)> {
        Some(self.terms.text(u32::try_from(from.varint()?).ok()?))
    }

    /// The numbers of an entry's terms; `None` where there is no room for a new one.
    fn terms_of(&mut self, raw: &RawEntry<'_>) -> Option<EntryTerms> {
        let terms = &mut self.terms;
        let mut labels = raw.labels.clone();
        let mut numbers = Vec::with_capacity(labels.len() / 2);
        while let (Some(key), Some(value)) = (labels.next(), labels.next()) {
            numbers.push(terms.intern(Field::Label, key, value)?);
        }
        Some(EntryTerms {
            unit: terms.intern(Field::Unit, "", raw.unit)?,
            source: terms.intern(Field::Source, "", raw.source)?,
            retention: terms.intern(Field::Retention, "", raw.retention)?,
            kind: terms.intern(Field::Kind, "", raw.kind.name())?,
            labels: numbers,
        })
    }

    fn terms_of_entry(&self, entry: &Entry) -> Vec<u32> {
        let definition = &entry.tag.definition;
        let one = |field, value: &str| self.terms.find(field, "", value);
        let labels = definition.labels.iter();
        labels
            .map(|(key, value)| self.terms.find(Field::Label, key, value))
            .chain([
                one(Field::Unit, &definition.unit),
                one(Field::Source, &definition.source),
                one(Field::Retention, &definition.retention),
                one(Field::Kind, definition.kind.name()),
            ])
            .flatten()
            .collect()
    }

    /// The ids of the first `count` tags.
    pub(super) fn all(count: u32) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(1..=count);
        all
    }
}

struct EntryTerms {
    unit: u32,
    source: u32,
    retention: u32,
    kind: u32,
    labels: Vec<u32>,
}

impl EntryTerms {
    fn all(&self) -> impl Iterator<Item = u32> {
        let single = [self.unit, self.source, self.retention, self.kind];
        self.labels.iter().copied().chain(single)
    }
}

fn pack(raw: &RawEntry<'_>, sequence: u64, terms: &EntryTerms) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + raw.path.len());
    out.extend_from_slice(&sequence.to_le_bytes());
    let first_is_own = raw.first == UNCOMMITTED || raw.first == sequence;
    let flag = |is_there: bool, flag| if is_there { flag } else { 0 };
    out.push(
        flag(raw.step, STEP)
            | flag(!first_is_own, FIRST)
            | flag(!raw.description.is_empty(), DESCRIPTION)
            | flag(raw.range.is_some(), RANGE)
            | flag(raw.states.len() > 0, STATES)
            | flag(!raw.retention.is_empty(), RETENTION)
            | flag(raw.thinning.is_some(), THINNING)
            | flag(!raw.names.is_empty(), NAMES),
    );
    put_text(&mut out, raw.path);
    if !first_is_own {
        out.extend_from_slice(&raw.first.to_le_bytes());
    }
    put_zigzag(&mut out, raw.quantum_ns);
    put_varint(&mut out, u64::from(terms.unit));
    put_varint(&mut out, u64::from(terms.source));
    put_varint(&mut out, terms.labels.len() as u64);
    terms.labels.iter().for_each(|term| put_varint(&mut out, u64::from(*term)));
    if !raw.description.is_empty() {
        put_text(&mut out, raw.description);
    }
    if let Some((zero, span)) = raw.range {
        out.extend_from_slice(&zero.to_bits().to_le_bytes());
        out.extend_from_slice(&span.to_bits().to_le_bytes());
    }
    if raw.states.len() > 0 {
        put_varint(&mut out, raw.states.len() as u64);
        raw.states.clone().for_each(|state| put_text(&mut out, state));
    }
    if !raw.retention.is_empty() {
        put_varint(&mut out, u64::from(terms.retention));
    }
    if let Some(thinning) = raw.thinning {
        put_thinning(&mut out, thinning);
    }
    if !raw.names.is_empty() {
        put_names(&mut out, &raw.names);
    }
    out
}

/// Makes room for an eighth more: a vector that doubles is half empty in the worst case.
fn grow<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact(1024 + items.len() / 8);
    }
}
