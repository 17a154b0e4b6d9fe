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

fn put_thinning(out: &mut Vec<u8>, thinning: Thinning) {
    out.push(match thinning.rule {
        ThinningRule::Exception => 1,
        ThinningRule::SwingingDoor => 2,
    });
    out.extend_from_slice(&thinning.band.to_bits().to_le_bytes());
    put_zigzag(out, thinning.max_gap_ns);
}

fn put_names(out: &mut Vec<u8>, names: &[TagName]) {
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

/// Reads an entry; the sequence is still to be set.
pub(crate) fn decode_entry(from: &mut Cursor<'_>) -> Option<Entry> {
    let id = TagId(u32::try_from(from.varint()?).ok()?);
    let kind = Kind::from_code(from.u8()?)?;
    let flags = from.u8()?;
    if flags & !FLAGS != 0 {
        return None;
    }
    let quantum_ns = from.zigzag()?;
    let path = TagPath::new(from.text()?).ok()?;
    let unit = from.text()?.to_owned();
    let description = from.text()?.to_owned();
    let source = from.text()?.to_owned();
    let range = if flags & RANGE == 0 {
        None
    } else {
        Some((f64::from_bits(from.u64()?), f64::from_bits(from.u64()?)))
    };
    let labels = from.count().filter(|count| *count <= LABELS_MAX)?;
    let labels = (0..labels)
        .map(|_| Some((from.text()?.to_owned(), from.text()?.to_owned())))
        .collect::<Option<Vec<_>>>()?;
    let states = from.count().filter(|count| *count <= STATES_MAX)?;
    let states = (0..states).map(|_| from.text().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
    let retention = if flags & RETENTION == 0 { "" } else { from.text()? }.to_owned();
    let thinning = if flags & THINNING == 0 { None } else { Some(thinning(from)?) };
    let first = if flags & FIRST == 0 { UNCOMMITTED } else { from.varint()? };
    let names = if flags & NAMES == 0 { Vec::new() } else { names(from)? };
    let step = flags & STEP != 0;
    let definition = TagDefinition {
        path,
        kind,
        unit,
        description,
        labels,
        step,
        range,
        source,
        quantum_ns,
        states,
        retention,
        thinning,
    };
    let entry = Entry { tag: Tag { id, definition, sequence: UNCOMMITTED }, first, names };
    let sound = entry.held().any(|name| name == entry.path());
    if sound { Some(entry) } else { None }
}

fn thinning(from: &mut Cursor<'_>) -> Option<Thinning> {
    let rule = match from.u8()? {
        1 => ThinningRule::Exception,
        2 => ThinningRule::SwingingDoor,
        _ => return None,
    };
    Some(Thinning { rule, band: f64::from_bits(from.u64()?), max_gap_ns: from.zigzag()? })
}

fn names(from: &mut Cursor<'_>) -> Option<Vec<TagName>> {
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
