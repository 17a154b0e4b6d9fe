//! Chunks whose pages share what was learned about all of them.
//!
//! ```text
//! meta                                                              page
//! 1 integers    transform │ latents                               steps │ pco page
//! 2 floats      pco chunk meta                                      pco page
//! 3 dictionary  count varint │ values of pages │ latents            pco page
//! 4 both        transform │ length varint │ latents │ latents     length varint │ pco page │ pco page
//! 6 planes      transform │ planes                                   nothing
//! 7 singles     pco chunk meta                                         pco page
//! ```
//!
//! *Invariant.* The smallest of what was tried is written.

use crate::codec::floats::{self, split};
use crate::codec::ints::{self, Effort};
use crate::codec::latents::{self, Encoded, Latents};
use crate::codec::page;
use crate::codec::planes;
use crate::codec::transform::{Lanes, Transform, ordered};
use crate::codec::{Guess, Won};
use crate::cursor::{Cursor, put_varint};
use crate::limits::PAGE_ROWS_MAX;
use tacitus_model::Kind;

const INTEGERS: u8 = 1;
const FLOATS: u8 = 2;
const DICTIONARY: u8 = 3;
const BOTH: u8 = 4;
const PLANES: u8 = 6;
const SINGLES: u8 = 7;

/// Distinct values of a dictionary. LIMIT: a reader keeps them as long as the chunk's meta.
const ENTRIES_MAX: usize = 4096;

/// What the values of a chunk can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Integers(Transform),
    Both(Transform),
    /// The chunk as a whole, in its meta.
    Planes(Transform),
    Floats,
    Singles,
    Dictionary,
    /// Pages that stand alone.
    Hot,
}

/// The smallest chunk of these lanes; `None` where pages that stand alone are about as small.
pub(crate) fn encode(kind: Kind, lanes: &[u64], guess: &mut Guess) -> Option<Encoded> {
    if let Some(won) = &mut guess.cold
        && won.what != Way::Hot
        && let Some(encoded) = encode_as(won.what, kind, lanes)
        && won.accepts(encoded.bytes(), lanes.len())
    {
        // Which of these two is smaller changes from chunk to chunk.
        let other = match won.what {
            Way::Integers(_) | Way::Both(_) => encode_as(Way::Dictionary, kind, lanes),
            _ => None,
        };
        return other.into_iter().chain([encoded]).min_by_key(Encoded::bytes);
    }
    let mut hot = Vec::new();
    for page in lanes.chunks(PAGE_ROWS_MAX) {
        page::encode(&mut hot, kind, page, &mut guess.hot);
    }
    if let Some(won) = &mut guess.cold
        && won.what == Way::Hot
        && won.accepts(hot.len(), lanes.len())
    {
        return None;
    }
    let best = ways(kind, lanes)
        .into_iter()
        .filter_map(|way| Some((way, encode_as(way, kind, lanes)?)))
        .min_by_key(|(_, encoded)| encoded.bytes());
    let (way, encoded) = best
        .map(|(way, encoded)| or_planes(way, encoded, kind, lanes))
        // Pages that stand alone are read five times as fast.
        .filter(|(_, encoded)| encoded.bytes() * 33 < hot.len() * 32)
        .map_or((Way::Hot, None), |(way, encoded)| (way, Some(encoded)));
    let bytes = encoded.as_ref().map_or(hot.len(), Encoded::bytes);
    guess.cold = Some(Won::new(way, false, bytes, lanes.len()));
    encoded
}

/// What won, or planes where they are clearly smaller: of them no page can be read without all.
fn or_planes(way: Way, encoded: Encoded, kind: Kind, lanes: &[u64]) -> (Way, Encoded) {
    let transform = match way {
        Way::Integers(transform) => Some(transform),
        Way::Dictionary if kind == Kind::Float => floats::candidates(lanes).first().copied(),
        Way::Dictionary => Some(Transform::Lane),
        _ => None,
    };
    let bytes_max = encoded.bytes() * 19 / 20;
    let planes = transform.and_then(|transform| encode_planes(lanes, transform, bytes_max));
    match (transform, planes) {
        (Some(transform), Some(planes)) if planes.bytes() < bytes_max => {
            (Way::Planes(transform), planes)
        }
        _ => (way, encoded),
    }
}

fn ways(kind: Kind, lanes: &[u64]) -> Vec<Way> {
    if kind != Kind::Float {
        return vec![Way::Integers(Transform::Lane), Way::Dictionary, Way::Planes(Transform::Lane)];
    }
    let mut ways = vec![Way::Dictionary];
    for transform in floats::candidates(lanes) {
        match transform {
            // Ordered integers are what pco makes of floats itself.
            Transform::Ordered => ways.push(Way::Floats),
            Transform::Single => ways.push(Way::Singles),
            _ => ways.extend([Way::Integers(transform), Way::Both(transform)]),
        }
    }
    ways
}

fn encode_as(way: Way, kind: Kind, lanes: &[u64]) -> Option<Encoded> {
    match way {
        Way::Hot => None,
        Way::Floats => {
            let mut encoded = latents::encode_floats(lanes)?;
            encoded.meta.insert(0, FLOATS);
            Some(encoded)
        }
        Way::Singles => {
            let mut encoded = latents::encode_singles(lanes)?;
            encoded.meta.insert(0, SINGLES);
            Some(encoded)
        }
        Way::Integers(transform) => encode_integers(lanes, transform),
        Way::Both(transform) => encode_both(lanes, transform),
        Way::Planes(transform) => encode_planes(lanes, transform, usize::MAX / 8),
        Way::Dictionary => encode_dictionary(kind, lanes),
    }
}

fn encode_integers(lanes: &[u64], transform: Transform) -> Option<Encoded> {
    let split = split(lanes, transform)?;
    if split.uneven * 8 > lanes.len() || split.has_spare_digit(transform) {
        return None;
    }
    let mut encoded = latents::encode(&split.digits)?;
    let mut meta = vec![INTEGERS];
    meta.push(transform.code());
    transform.put_scale(&mut meta);
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
    meta.push(transform.code());
    transform.put_scale(&mut meta);
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

fn encode_planes(lanes: &[u64], transform: Transform, bytes_max: usize) -> Option<Encoded> {
    let split = split(lanes, transform)?;
    if split.uneven > 0 || split.has_spare_digit(transform) {
        return None;
    }
    let mut meta = vec![PLANES];
    meta.push(transform.code());
    transform.put_scale(&mut meta);
    meta.extend(planes::encode(&split.digits, bytes_max)?);
    Some(Encoded { meta, pages: vec![Vec::new(); lanes.len().div_ceil(PAGE_ROWS_MAX)] })
}

fn encode_dictionary(kind: Kind, lanes: &[u64]) -> Option<Encoded> {
    let entries = entries(kind, lanes)?;
    let index = |lane: &u64| {
        let at =
            entries.binary_search_by_key(&in_order(kind, *lane), |entry| in_order(kind, *entry));
        at.ok().and_then(|at| i64::try_from(at).ok())
    };
    let indices: Vec<i64> = lanes.iter().map(index).collect::<Option<_>>()?;
    let mut encoded = latents::encode(&indices)?;
    let mut meta = vec![DICTIONARY];
    put_varint(&mut meta, entries.len() as u64);
    for page in entries.chunks(PAGE_ROWS_MAX) {
        page::encode(&mut meta, kind, page, &mut None);
    }
    meta.append(&mut encoded.meta);
    encoded.meta = meta;
    Some(encoded)
}

/// The distinct lanes in the order of their values, unless there are too many.
fn entries(kind: Kind, lanes: &[u64]) -> Option<Vec<u64>> {
    let mut entries = lanes.to_vec();
    entries.sort_unstable_by_key(|lane| in_order(kind, *lane));
    entries.dedup();
    (entries.len() <= ENTRIES_MAX.min(lanes.len() / 2)).then_some(entries)
}

fn in_order(kind: Kind, lane: u64) -> i64 {
    if kind == Kind::Float { ordered(lane) } else { lane.cast_signed() }
}

/// The meta of such a chunk.
#[derive(Debug)]
pub(crate) enum Shared {
    Integers(Transform, Latents),
    Floats(Latents),
    Dictionary(Vec<u64>, Latents),
    Both(Transform, Box<[Latents; 2]>),
    Planes(Vec<u64>),
}

impl Shared {
    pub(crate) fn parse(kind: Kind, mut from: Cursor<'_>) -> Option<Self> {
        let code = from.u8()?;
        if code == FLOATS && kind == Kind::Float {
            return Latents::parse_floats(from.rest()).map(Self::Floats);
        }
        if code == SINGLES && kind == Kind::Float {
            return Latents::parse_singles(from.rest()).map(Self::Floats);
        }
        if code == DICTIONARY {
            let count =
                usize::try_from(from.varint()?).ok().filter(|count| *count <= ENTRIES_MAX)?;
            let mut entries = Vec::new();
            while entries.len() < count {
                let rows = (count - entries.len()).min(PAGE_ROWS_MAX);
                let mut lanes = [0; PAGE_ROWS_MAX];
                let whole = page::decode(&mut from, kind, rows, &mut lanes)?;
                whole.finish(lanes.get_mut(..rows)?);
                entries.extend_from_slice(lanes.get(..rows)?);
            }
            return Some(Self::Dictionary(entries, Latents::parse(from)?));
        }
        let transform = Transform::take(from.u8()?, &mut from)?;
        if (kind == Kind::Float) == (transform == Transform::Lane) {
            return None;
        }
        match code {
            INTEGERS => Some(Self::Integers(transform, Latents::parse(from)?)),
            PLANES => {
                let mut lanes = planes::decode(from)?;
                transform.restore(None, &mut lanes)?.finish(&mut lanes);
                Some(Self::Planes(lanes))
            }
            BOTH => {
                let length = from.count()?;
                let digits = Latents::parse(Cursor::new(from.take(length)?))?;
                Some(Self::Both(transform, Box::new([digits, Latents::parse(from)?])))
            }
            _ => None,
        }
    }

    /// About the memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self)
            + match self {
                Self::Integers(_, latents) | Self::Floats(latents) => latents.bytes(),
                Self::Dictionary(entries, latents) => size_of_val(&**entries) + latents.bytes(),
                Self::Planes(lanes) => size_of_val(&**lanes),
                Self::Both(_, both) => both.iter().map(Latents::bytes).sum(),
            }
    }

    /// Decodes the values of page `number` into the first `rows` of `out`, or their digits.
    pub(crate) fn decode(
        &self,
        number: usize,
        mut from: Cursor<'_>,
        rows: usize,
        out: &mut [u64; PAGE_ROWS_MAX],
    ) -> Option<Lanes> {
        match self {
            Self::Floats(latents) => {
                latents.decode(from.rest(), rows, out)?;
                Some(Lanes::Values)
            }
            Self::Integers(transform, latents) => {
                if from.u8().filter(|code| *code <= 1)? == 0 {
                    latents.decode(from.rest(), rows, out)?;
                    return transform.restore(None, out.get_mut(..rows)?);
                }
                let mut steps = [0; PAGE_ROWS_MAX];
                ints::decode(&mut from, rows, &mut steps)?;
                latents.decode(from.rest(), rows, out)?;
                transform.restore(Some(&steps), out.get_mut(..rows)?)
            }
            Self::Planes(lanes) => {
                let page = lanes.chunks(PAGE_ROWS_MAX).nth(number)?;
                let same = page.len() == rows && from.is_empty();
                if !same {
                    return None;
                }
                out.get_mut(..rows)?.copy_from_slice(page);
                Some(Lanes::Values)
            }
            Self::Dictionary(entries, latents) => {
                latents.decode(from.rest(), rows, out)?;
                for lane in out.get_mut(..rows)? {
                    *lane = *entries.get(usize::try_from(*lane).ok()?)?;
                }
                Some(Lanes::Values)
            }
            Self::Both(transform, both) => {
                let [digits, beside] = &**both;
                let length = from.count()?;
                let mut steps = [0; PAGE_ROWS_MAX];
                digits.decode(from.take(length)?, rows, out)?;
                beside.decode(from.rest(), rows, &mut steps)?;
                transform.restore(Some(&steps), out.get_mut(..rows)?)
            }
        }
    }
}
