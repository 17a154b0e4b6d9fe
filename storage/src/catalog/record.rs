//! A tag definition as bytes: the same in the log and in a catalog file.
//!
//! Layout: `docs/format/catalog.md`.
//!
//! *Invariant.* What [`encode_tag`] wrote, [`decode_tag`] reads back equal; anything else is
//! `None`.

use tacitus_model::{Kind, LABELS_MAX, STATES_MAX, Tag, TagDefinition, TagId, TagPath};

use crate::cursor::{Cursor, put_text, put_varint, put_zigzag};

/// The texts of one definition together, without its path, in bytes. LIMIT: a definition fits
/// the smallest log frame.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

const STEP: u8 = 1;
const RANGE: u8 = 2;

/// Appends a definition. The sequence is not part of it: the log frame or the catalog file says.
pub(crate) fn encode_tag(out: &mut Vec<u8>, tag: &Tag) {
    let definition = &tag.definition;
    put_varint(out, u64::from(tag.id.0));
    out.push(definition.kind.code());
    let step = if definition.step { STEP } else { 0 };
    let range = if definition.range.is_some() { RANGE } else { 0 };
    out.push(step | range);
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
}

/// Reads a definition that was committed at `sequence`.
pub(crate) fn decode_tag(from: &mut Cursor<'_>, sequence: u64) -> Option<Tag> {
    let id = TagId(u32::try_from(from.varint()?).ok()?);
    let kind = Kind::from_code(from.u8()?)?;
    let flags = from.u8()?;
    if flags & !(STEP | RANGE) != 0 {
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
    };
    Some(Tag { id, definition, sequence })
}
