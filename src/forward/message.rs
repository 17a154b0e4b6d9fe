//! What a forwarder sends, as bytes: definitions of tags, deletions, and rows.
//!
//! ```text
//! magic 8 │ length of the header 4 │ header (JSON) │ rows, as in the log
//! ```
//! Rows name a tag by its place in the header's list. Layout: `docs/forward.md`.
//!
//! *Invariant.* A message is decoded whole or not at all, and every tag that a row or a deletion
//! names is in the list.

use serde::{Deserialize, Serialize};
use tacitus_model::{Batch, Kind, Tag, TagDefinition, TagPath, TimeRange, Timestamp};

use super::limits::{HEADER_BYTES_MAX, VIA_MAX};

const MAGIC: [u8; 8] = *b"TACFWD1\n";

/// The label that says by which servers a tag came here.
pub(super) const VIA: &str = "via";

/// What is said before the rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The name of the forwarder.
    pub(crate) name: String,
    /// The identity of the server it belongs to.
    pub(crate) from: String,
    pub(crate) tags: Vec<Line>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) deletions: Vec<Deletion>,
}

/// A tag.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Its path at the upstream.
    pub(crate) path: String,
    /// The names of its states, where it has any: rows say which by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) states: Vec<String>,
    /// What else is known of it; left out once the upstream has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<About>,
}

/// What is known of a tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) step: bool,
    pub(crate) range: Option<(f64, f64)>,
    pub(crate) source: String,
    pub(crate) quantum_ns: i64,
    /// The identities of the servers it came through, this one last.
    pub(crate) via: Vec<String>,
}

/// Samples that were deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// Places in the list of tags.
    pub(crate) tags: Vec<u32>,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) user: String,
    pub(crate) reason: String,
}

impl Deletion {
    pub(crate) fn range(&self) -> TimeRange {
        let (first, last) = (Timestamp::from_nanos(self.first), Timestamp::from_nanos(self.last));
        TimeRange { first, last }
    }
}

/// The identities that a tag's label says it came through.
pub(super) fn via(tag: &Tag) -> Vec<String> {
    let label = tag.definition.labels.iter().find(|(key, _)| key == VIA);
    let identities = label.map(|(_, value)| value.split(',').filter(|own| !own.is_empty()));
    identities.into_iter().flatten().map(str::to_owned).collect()
}

impl About {
    /// What is known of a tag here.
    pub(super) fn of(tag: &Tag, identity: &str) -> Self {
        let definition = &tag.definition;
        let own = definition.labels.iter().filter(|(key, _)| key != VIA);
        let finite = |(low, high): &(f64, f64)| low.is_finite() && high.is_finite();
        Self {
            kind: definition.kind.name().to_owned(),
            unit: definition.unit.clone(),
            description: definition.description.clone(),
            labels: own.cloned().collect(),
            step: definition.step,
            range: definition.range.filter(finite),
            source: definition.source.clone(),
            quantum_ns: definition.quantum_ns,
            via: via(tag).into_iter().chain([identity.to_owned()]).collect(),
        }
    }

    /// The tag that this makes.
    pub(super) fn definition(&self, line: &Line) -> Result<TagDefinition, String> {
        let path = TagPath::new(&line.path).map_err(|error| error.to_string())?;
        let kinds = [Kind::Float, Kind::Int, Kind::Bool, Kind::State, Kind::Text];
        let kind = kinds.into_iter().find(|kind| kind.name() == self.kind);
        let kind = kind.ok_or_else(|| format!("\"{}\" is no kind", self.kind))?;
        let mut labels = self.labels.clone();
        labels.retain(|(key, _)| key != VIA);
        labels.push((VIA.to_owned(), self.via.join(",")));
        labels.sort();
        Ok(TagDefinition {
            unit: self.unit.clone(),
            description: self.description.clone(),
            labels,
            step: self.step,
            range: self.range,
            quantum_ns: self.quantum_ns,
            states: line.states.clone(),
            ..TagDefinition::new(path, kind, self.source.as_str())
        })
    }
}

/// A message as bytes.
pub(super) fn encode(header: &Header, rows: &Batch) -> Vec<u8> {
    // Texts, numbers and lists always have a JSON form.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX).to_le_bytes();
    let rows = tacitus_storage::rows_to_bytes(rows);
    [&MAGIC[..], &length, &header, &rows].concat()
}

/// A message from bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Header, Batch), String> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or("it does not begin as a message does")?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or("it is cut off")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(format!("its header has {length} bytes"));
    }
    let (header, rows) = rest.split_at_checked(length).ok_or("it is cut off")?;
    let header: Header =
        serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
    let rows =
        tacitus_storage::rows_from_bytes(rows).ok_or("its rows are not what they should be")?;
    let of_rows = rows.tags().iter().map(|tag| tag.0);
    let mut named = header.deletions.iter().flat_map(|own| own.tags.iter().copied()).chain(of_rows);
    if named.any(|number| number as usize >= header.tags.len()) {
        return Err("it names a tag that it does not list".to_owned());
    }
    let long = |line: &Line| line.about.as_ref().is_some_and(|about| about.via.len() > VIA_MAX);
    if header.tags.iter().any(long) {
        return Err(format!("a tag came through more than {VIA_MAX} servers"));
    }
    Ok((header, rows))
}

#[cfg(test)]
mod tests {
    use tacitus_model::{Quality, Sample, TagId, Value};

    use super::*;

    fn message() -> (Header, Batch) {
        let about = About {
            kind: "state".into(),
            unit: "°C".into(),
            description: "the door".into(),
            labels: vec![("line".into(), "2".into())],
            step: true,
            range: Some((0.0, 100.0)),
            source: "opcua:oven".into(),
            quantum_ns: 1_000_000,
            via: vec!["aa".into()],
        };
        let states = vec!["open".into(), "shut".into()];
        let tags = vec![
            Line { path: "a/b".into(), states, about: Some(about) },
            Line { path: "a/c".into(), ..Line::default() },
        ];
        let deletion = Deletion {
            tags: vec![1],
            first: -5,
            last: 7,
            user: "anna".into(),
            reason: "wrong".into(),
        };
        let header =
            Header { name: "centre".into(), from: "aa".into(), tags, deletions: vec![deletion] };
        let values =
            [Value::State(1), Value::Float(f64::NAN), Value::Null, Value::Text("x".into())];
        let rows = (0..).zip(values).map(|(n, value)| Sample {
            tag: TagId(n % 2),
            ts: Timestamp::from_nanos(i64::from(n)),
            value,
            quality: Quality(n << 30),
        });
        (header, rows.collect())
    }

    #[test]
    fn a_message_comes_back_bit_for_bit() {
        let (header, rows) = message();
        let (read, batch) = decode(&encode(&header, &rows)).unwrap();
        assert_eq!(read, header);
        // Not a number is no equal of itself; its bits are.
        assert_eq!(format!("{batch:?}"), format!("{rows:?}"));
    }

    #[test]
    fn rubbish_is_refused_without_a_panic() {
        let (header, rows) = message();
        let bytes = encode(&header, &rows);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                // Some flips make another message, none a panic or a tag that is not listed.
                if let Ok((header, rows)) = decode(&flipped) {
                    let tags = header.tags.len();
                    assert!(rows.tags().iter().all(|tag| (tag.0 as usize) < tags));
                }
            }
        }
    }

    #[test]
    fn a_tag_remembers_the_way_it_came() {
        let (header, _) = message();
        let line = &header.tags[0];
        let about = line.about.as_ref().unwrap();
        let definition = about.definition(line).unwrap();
        let tag = Tag { id: TagId(1), definition, sequence: 1 };
        assert_eq!(via(&tag), ["aa"]);
        let next = About::of(&tag, "bb");
        assert_eq!(next.via, ["aa", "bb"]);
        assert_eq!(next.labels, [("line".to_owned(), "2".to_owned())]);
    }
}
