//! A tag's entry as bytes: the same in the log and in a catalog file.
//!
//! Layout: `docs/format/catalog.md`.
//!
//! *Invariant.* What [`encode_entry`] wrote, [`decode_entry`] reads back equal; anything else is
//! `None`. A sequence that the record itself is given stays open in both.

use tacitus_model::{
    Kind, LABELS_MAX, STATES_MAX, Tag, TagDefinition, TagId, TagPath, Thinning, ThinningRule,
};

use crate::catalog::UNCOMMITTED;
use crate::catalog::entry::{Entry, TagName};
use crate::cursor::{Cursor, put_text, put_varint, put_zigzag};
use crate::limits::TAG_NAMES_MAX;

/// The texts of one definition together, without its path, in bytes. LIMIT: a definition fits
/// the smallest log frame.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

const STEP: u8 = 1;
const RANGE: u8 = 2;
const RETENTION: u8 = 4;
const THINNING: u8 = 8;
const FIRST: u8 = 16;
const NAMES: u8 = 32;
const FLAGS: u8 = STEP | RANGE | RETENTION | THINNING | FIRST | NAMES;

/// Appends an entry. The sequence is not part of it: the log frame or the catalog file says.
pub(crate) fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    let definition = &entry.tag.definition;
    put_varint(out, u64::from(entry.tag.id.0));
    out.push(definition.kind.code());
    let flag = |is_there: bool, flag| if is_there { flag } else { 0 };
    let first_is_own = entry.first == UNCOMMITTED || entry.first == entry.tag.sequence;
    out.push(
        flag(definition.step, STEP)
            | flag(definition.range.is_some(), RANGE)
            | flag(!definition.retention.is_empty(), RETENTION)
            | flag(definition.thinning.is_some(), THINNING)
            | flag(!first_is_own, FIRST)
            | flag(!entry.names.is_empty(), NAMES),
    );
    put_zigzag(out, definition.quantum_ns);
    for text in [definition.path.as_str(), &definition.unit, &definition.description] {
        put_text(out, text);
    }
    put_text(out, &definition.source);
    if let Some((zero, span)) = definition.range {
        out.extend_from_slice(&zero.to_bits().to_le_bytes());
        out.extend_from_slice(&span.to_bits().to_le_bytes());
    }
    put_varint(out, definition.labels.len() as u64);
    for (key, value) in &definition.labels {
        put_text(out, key);
        put_text(out, value);
    }
    put_varint(out, definition.states.len() as u64);
    definition.states.iter().for_each(|state| put_text(out, state));
    if !definition.retention.is_empty() {
        put_text(out, &definition.retention);
    }
    if let Some(thinning) = definition.thinning {
        put_thinning(out, thinning);
    }
    if !first_is_own {
        put_varint(out, entry.first);
    }
    if !entry.names.is_empty() {
        put_names(out, &entry.names);
    }
}

pub(super) fn put_thinning(out: &mut Vec<u8>, thinning: Thinning) {
    out.push(match thinning.rule {
        ThinningRule::Exception => 1,
        ThinningRule::SwingingDoor => 2,
    });
    out.extend_from_slice(&thinning.band.to_bits().to_le_bytes());
    put_zigzag(out, thinning.max_gap_ns);
}

pub(super) fn put_names(out: &mut Vec<u8>, names: &[TagName]) {
    put_varint(out, names.len() as u64);
    for name in names {
        put_varint(out, if name.since == UNCOMMITTED { 0 } else { name.since });
        put_varint(
            out,
            match name.until {
                None => 0,
                Some(UNCOMMITTED) => 1,
                Some(until) => until.saturating_add(1),
            },
        );
        put_text(out, name.path.as_str());
    }
}

/// An entry read from its bytes and not yet taken out of them; its sequence is still to be set.
#[derive(Debug, Clone)]
pub(crate) struct RawEntry<'b> {
    pub(crate) id: TagId,
    pub(crate) kind: Kind,
    pub(crate) step: bool,
    pub(crate) quantum_ns: i64,
    pub(crate) path: &'b str,
    pub(crate) unit: &'b str,
    pub(crate) description: &'b str,
    pub(crate) source: &'b str,
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) labels: Texts<'b>,
    pub(crate) states: Texts<'b>,
    pub(crate) retention: &'b str,
    pub(crate) thinning: Option<Thinning>,
    /// [`UNCOMMITTED`] where it is the entry's own sequence.
    pub(crate) first: u64,
    pub(crate) names: Vec<TagName>,
}

/// Texts that were found sound, one behind the other.
#[derive(Debug, Clone)]
pub(crate) struct Texts<'b> {
    from: Cursor<'b>,
    count: usize,
}

impl<'b> Texts<'b> {
    /// Steps over so many texts.
    fn over(from: &mut Cursor<'b>, count: usize) -> Option<Self> {
        let texts = Self { from: *from, count };
        (0..count).try_for_each(|_| from.text().map(drop))?;
        Some(texts)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }
}

impl<'b> Iterator for Texts<'b> {
    type Item = &'b str;

    fn next(&mut self) -> Option<&'b str> {
        self.count = self.count.checked_sub(1)?;
        self.from.text()
    }
}

/// Reads an entry.
pub(crate) fn decode_entry(from: &mut Cursor<'_>) -> Option<Entry> {
    decode_raw(from).and_then(RawEntry::into_entry)
}

/// Reads an entry without taking it out of its bytes.
pub(crate) fn decode_raw<'b>(from: &mut Cursor<'b>) -> Option<RawEntry<'b>> {
    let id = TagId(u32::try_from(from.varint()?).ok()?);
    let kind = Kind::from_code(from.u8()?)?;
    let flags = from.u8()?;
    if flags & !FLAGS != 0 {
        return None;
    }
    let quantum_ns = from.zigzag()?;
    let path = from.text().filter(|path| TagPath::check(path).is_ok())?;
    let [unit, description, source] = [from.text()?, from.text()?, from.text()?];
    let range = if flags & RANGE == 0 {
        None
    } else {
        Some((f64::from_bits(from.u64()?), f64::from_bits(from.u64()?)))
    };
    let labels = from.count().filter(|count| *count <= LABELS_MAX)?;
    let labels = Texts::over(from, 2 * labels)?;
    let states = from.count().filter(|count| *count <= STATES_MAX)?;
    let states = Texts::over(from, states)?;
    let retention = if flags & RETENTION == 0 { "" } else { from.text()? };
    let thinning = if flags & THINNING == 0 { None } else { Some(thinning(from)?) };
    let first = if flags & FIRST == 0 { UNCOMMITTED } else { from.varint()? };
    let names = if flags & NAMES == 0 { Vec::new() } else { names(from)? };
    let holds = |name: &TagName| name.path.as_str() == path && name.until.is_none();
    if !names.is_empty() && !names.iter().any(holds) {
        return None;
    }
    Some(RawEntry {
        id,
        kind,
        step: flags & STEP != 0,
        quantum_ns,
        path,
        unit,
        description,
        source,
        range,
        labels,
        states,
        retention,
        thinning,
        first,
        names,
    })
}

impl RawEntry<'_> {
    /// The entry with all its texts; a path was checked when it was read.
    pub(crate) fn into_entry(self) -> Option<Entry> {
        let mut labels = self.labels;
        let mut label = || Some((labels.next()?.to_owned(), labels.next()?.to_owned()));
        let definition = TagDefinition {
            path: TagPath::new(self.path).ok()?,
            kind: self.kind,
            unit: self.unit.to_owned(),
            description: self.description.to_owned(),
            labels: std::iter::from_fn(&mut label).collect(),
            step: self.step,
            range: self.range,
            source: self.source.to_owned(),
            quantum_ns: self.quantum_ns,
            states: self.states.map(str::to_owned).collect(),
            retention: self.retention.to_owned(),
            thinning: self.thinning,
        };
        let tag = Tag { id: self.id, definition, sequence: UNCOMMITTED };
        Some(Entry { tag, first: self.first, names: self.names })
    }
}

pub(super) fn thinning(from: &mut Cursor<'_>) -> Option<Thinning> {
    let rule = match from.u8()? {
        1 => ThinningRule::Exception,
        2 => ThinningRule::SwingingDoor,
        _ => return None,
    };
    Some(Thinning { rule, band: f64::from_bits(from.u64()?), max_gap_ns: from.zigzag()? })
}

pub(super) fn names(from: &mut Cursor<'_>) -> Option<Vec<TagName>> {
    let count = from.count().filter(|count| *count <= TAG_NAMES_MAX)?;
    let name = |_| {
        let since = from.varint()?;
        let since = if since == 0 { UNCOMMITTED } else { since };
        let until = match from.varint()? {
            0 => None,
            1 => Some(UNCOMMITTED),
            until => Some(until - 1),
        };
        Some(TagName { path: TagPath::new(from.text()?).ok()?, since, until })
    };
    (0..count).map(name).collect()
}
