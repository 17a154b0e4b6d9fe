//! Chunks whose pages share what was learned about all of them.
//!
//! ```text
//! meta                                                              page
//! 1 integers    transform 2 │ latents                               steps │ pco page
//! 2 floats      pco chunk meta                                      pco page
//! 3 dictionary  transform 2 │ count varint │ entries │ latents      pco page
//! 4 both        transform 2 │ length varint │ latents │ latents     length varint │ pco page │ pco page
//! ```
//!
//! *Invariant.* The smallest of what was tried is written.

use crate::codec::floats::{self, split};
use crate::codec::ints::{self, Effort};
use crate::codec::latents::{self, Encoded, Latents};
use crate::codec::page::restore;
use crate::codec::transform::Transform;
use crate::cursor::{Cursor, put_varint};
use crate::limits::PAGE_ROWS_MAX;
use tacitus_model::Kind;

const INTEGERS: u8 = 1;
const FLOATS: u8 = 2;
const DICTIONARY: u8 = 3;
const BOTH: u8 = 4;

/// What the values of a chunk can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Integers(Transform),
    Both(Transform),
    Floats,
    Dictionary(Transform),
}

/// The smallest chunk of these lanes.
pub(crate) fn encode(kind: Kind, lanes: &[u64]) -> Option<(Way, Encoded)> {
    ways(kind, lanes)
        .into_iter()
        .filter_map(|way| Some((way, encode_as(way, lanes)?)))
        .min_by_key(|(_, encoded)| encoded.bytes())
}

fn ways(kind: Kind, lanes: &[u64]) -> Vec<Way> {
    if kind != Kind::Float {
        return vec![Way::Integers(Transform::Lane), Way::Dictionary(Transform::Lane)];
    }
    let mut ways = vec![Way::Floats];
    for transform in floats::candidates(lanes) {
        ways.push(Way::Integers(transform));
        ways.push(Way::Both(transform));
    }
    ways.push(Way::Dictionary(Transform::Ordered));
    ways
}

fn encode_as(way: Way, lanes: &[u64]) -> Option<Encoded> {
    match way {
        Way::Floats => {
            let mut encoded = latents::encode_floats(lanes)?;
            encoded.meta.insert(0, FLOATS);
            Some(encoded)
        }
        Way::Integers(transform) => encode_integers(lanes, transform),
        Way::Both(transform) => encode_both(lanes, transform),
        Way::Dictionary(transform) => encode_dictionary(lanes, transform),
    }
}

fn encode_integers(lanes: &[u64], transform: Transform) -> Option<Encoded> {
    let split = split(lanes, transform)?;
    if split.uneven * 8 > lanes.len() {
        return None;
    }
    let mut encoded = latents::encode(&split.digits)?;
    let mut meta = vec![INTEGERS];
    meta.extend(transform.code());
    meta.append(&mut encoded.meta);
    encoded.meta = meta;
    for (number, page) in encoded.pages.iter_mut().enumerate() {
        let steps = split.steps.chunks(PAGE_ROWS_MAX).nth(number);
        let mut with_steps = vec![0];
        if let Some(steps) = steps.filter(|steps| steps.iter().any(|steps| *steps != 0)) {
            with_steps[0] = 1;
            ints::encode(&mut with_steps, steps, Effort::Full);
        }
        with_steps.append(page);
        *page = with_steps;
    }
    Some(encoded)
}

fn encode_both(lanes: &[u64], transform: Transform) -> Option<Encoded> {
    let split = split(lanes, transform)?;
    if split.uneven * 64 < lanes.len() {
        return None;
    }
    let digits = latents::encode(&split.digits)?;
    let steps = latents::encode(&split.steps)?;
    let mut meta = vec![BOTH];
    meta.extend(transform.code());
    put_varint(&mut meta, digits.meta.len() as u64);
    meta.extend(digits.meta);
    meta.extend(steps.meta);
    let both = digits.pages.into_iter().zip(steps.pages);
    let pages = both.map(|(digits, steps)| {
        let mut page = Vec::new();
        put_varint(&mut page, digits.len() as u64);
        page.extend(digits);
        page.extend(steps);
        page
    });
    Some(Encoded { meta, pages: pages.collect() })
}

fn encode_dictionary(lanes: &[u64], transform: Transform) -> Option<Encoded> {
    let split = split(lanes, transform)?;
    let mut entries = split.digits.clone();
    entries.sort_unstable();
    entries.dedup();
    if entries.len() > PAGE_ROWS_MAX {
        return None;
    }
    let index = |digits: &i64| entries.binary_search(digits).ok().and_then(|at| at.try_into().ok());
    let indices: Vec<i64> = split.digits.iter().map(index).collect::<Option<_>>()?;
    let mut encoded = latents::encode(&indices)?;
    let mut meta = vec![DICTIONARY];
    meta.extend(transform.code());
    put_varint(&mut meta, entries.len() as u64);
    ints::encode(&mut meta, &entries, Effort::Quick);
    meta.append(&mut encoded.meta);
    encoded.meta = meta;
    Some(encoded)
}

/// The meta of such a chunk.
#[derive(Debug)]
pub(crate) enum Shared {
    Integers(Transform, Latents),
    Floats(Latents),
    Dictionary(Vec<u64>, Latents),
    Both(Transform, Latents, Latents),
}

impl Shared {
    pub(crate) fn parse(kind: Kind, meta: &[u8]) -> Option<Self> {
        let mut from = Cursor::new(meta);
        let code = from.u8()?;
        if code == FLOATS {
            return Latents::parse_floats(from.rest()).map(Self::Floats);
        }
        let transform = Transform::from_code(from.array()?)?;
        if (kind == Kind::Float) == (transform == Transform::Lane) {
            return None;
        }
        match code {
            INTEGERS => Some(Self::Integers(transform, Latents::parse(from)?)),
            DICTIONARY => {
                let count = usize::try_from(from.varint()?).ok()?;
                let mut entries = [0; PAGE_ROWS_MAX];
                ints::decode(&mut from, count, &mut entries)?;
                let entries = entries.get_mut(..count)?;
                restore(transform, None, entries)?;
                Some(Self::Dictionary(entries.to_vec(), Latents::parse(from)?))
            }
            BOTH => {
                let length = from.count()?;
                let digits = Latents::parse(Cursor::new(from.take(length)?))?;
                Some(Self::Both(transform, digits, Latents::parse(from)?))
            }
            _ => None,
        }
    }

    /// Decodes the values of a page into the first `rows` of `out`.
    pub(crate) fn decode(
        &self,
        mut from: Cursor<'_>,
        rows: usize,
        out: &mut [u64; PAGE_ROWS_MAX],
    ) -> Option<()> {
        match self {
            Self::Floats(latents) => latents.decode(from.rest(), rows, out),
            Self::Integers(transform, latents) => {
                let mut steps = [0; PAGE_ROWS_MAX];
                let has_steps = match from.u8()? {
                    0 => false,
                    1 => {
                        ints::decode(&mut from, rows, &mut steps)?;
                        true
                    }
                    _ => return None,
                };
                latents.decode(from.rest(), rows, out)?;
                restore(*transform, has_steps.then_some(&steps), out.get_mut(..rows)?)
            }
            Self::Dictionary(entries, latents) => {
                latents.decode(from.rest(), rows, out)?;
                for lane in out.get_mut(..rows)? {
                    *lane = *entries.get(usize::try_from(*lane).ok()?)?;
                }
                Some(())
            }
            Self::Both(transform, digits, beside) => {
                let length = from.count()?;
                let mut steps = [0; PAGE_ROWS_MAX];
                digits.decode(from.take(length)?, rows, out)?;
                beside.decode(from.rest(), rows, &mut steps)?;
                restore(*transform, Some(&steps), out.get_mut(..rows)?)
            }
        }
    }
}
