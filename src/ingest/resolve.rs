//! Names become tags, values become samples of them.
//!
//! *Invariant.* A sample leaves here only with a value of its tag's kind. Two points that arrive
//! for one tag without a time of their own never share one: each is at least a microsecond after
//! the one before, unless the clock was set back by more than a second.

use std::sync::{Arc, Mutex, PoisonError};

use tacitus_model::{
    Batch, Kind, KindMismatch, PathError, Quality, Sample, Tag, TagDefinition, TagId, TagPath,
    Timestamp, Value,
};
use tacitus_protocol::Point;
use tacitus_protocol::topic::Form;
use tacitus_storage::{Catalog, Collection, Engine, TagFit};

use super::refusals::{Refusal, Refusals};

/// Arrival times are cut to this: a broker's clock says no more about a plant.
const ARRIVAL_QUANTUM_NS: i64 = 1_000_000;

/// The distance of two samples that arrive for one tag within one quantum.
const ARRIVAL_STEP_NS: i64 = 1_000;

/// How far the clock may go back before it is believed that it was set.
const CLOCK_BACK_NS: i64 = 1_000_000_000;

/// LIMIT: a longer list of refused points is read by nobody; the rest is counted.
pub(super) const REFUSED_NAMED_MAX: usize = 100;

/// Key and body of a document.
pub(super) type Stored = (Arc<[u8]>, Arc<[u8]>);

/// What became of points.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The samples of the points that fit, in order.
    pub batch: Batch,
    /// The first points that did not.
    pub refused: Vec<Refused>,
    /// How many did not in all.
    pub refused_count: usize,
}

/// A point that became no sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its place among the points, from 0.
    pub index: usize,
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Why a point became no sample.
#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("{0}")]
    Path(PathError),
    #[error("{0}")]
    Kind(KindMismatch),
    #[error("\"{0}\" is none of the tag's states")]
    State(String),
    #[error("a first sample without a value does not say what kind of tag it is for")]
    NullFirst,
    #[error("the tag is new, and the {0} tags that may be created exist")]
    TagLimit(usize),
    #[error("{0}")]
    Definition(tacitus_storage::Error),
}

impl Reason {
    /// A short fixed word for counters.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Kind(_) => "kind",
            Self::State(_) => "state",
            Self::NullFirst => "null_first",
            Self::TagLimit(_) => "tag_limit",
            Self::Definition(_) => "definition",
        }
    }
}

/// Where points come from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'o> {
    /// The source that new tags name.
    pub(super) source: &'o str,
    /// What a topic rule fixes for new tags.
    pub(super) form: Option<&'o Form>,
    /// When the points arrived.
    pub(super) now: Timestamp,
    /// Whether a sender that hears no answer sends them: what fits no tag then gets one of its own.
    pub(super) is_unheard: bool,
}

/// Turns points into samples.
#[derive(Debug)]
pub(super) struct Resolver {
    engine: Arc<Engine>,
    tags_max: usize,
    refusals: Arc<Refusals>,
    /// The last arrival of each tag in nanoseconds, by id.
    arrivals: Mutex<Vec<i64>>,
}

impl Resolver {
    pub(super) fn new(engine: Arc<Engine>, tags_max: usize, refusals: Arc<Refusals>) -> Self {
        Self { engine, tags_max, refusals, arrivals: Mutex::default() }
    }

    pub(super) fn resolve(&self, points: Vec<Point>, source: &str, now: Timestamp) -> Resolved {
        self.resolve_by(points, Origin { source, form: None, now, is_unheard: false })
    }

    pub(super) fn resolve_unheard(
        &self,
        points: Vec<Point>,
        source: &str,
        now: Timestamp,
    ) -> Resolved {
        self.resolve_by(points, Origin { source, form: None, now, is_unheard: true })
    }

    fn resolve_by(&self, points: Vec<Point>, origin: Origin<'_>) -> Resolved {
        self.resolve_telling(points, origin, |_, _| {})
    }

    /// The same; tells of the place of each point that fits which tag it is of.
    pub(super) fn resolve_telling(
        &self,
        points: Vec<Point>,
        origin: Origin<'_>,
        mut tell: impl FnMut(usize, TagId),
    ) -> Resolved {
        let Origin { source, now, .. } = origin;
        let mut resolved =
            Resolved { batch: Batch::with_capacity(points.len()), ..Resolved::default() };
        for (index, mut point) in points.into_iter().enumerate() {
            match self.sample(&mut point, origin) {
                Ok(sample) => {
                    tell(index, sample.tag);
                    resolved.batch.push(sample);
                }
                Err(reason) => {
                    if let Some(tag) = point.tag.and_then(|tag| self.catalog().get(tag)) {
                        tag.definition.path.as_str().clone_into(&mut point.path);
                    }
                    let text = reason.to_string();
                    let payload = shown(&point.value);
                    let why = (reason.code(), text.as_str());
                    let refusal = Refusal::new(now, source, &point.path, why, payload.as_bytes());
                    self.refusals.add(refusal);
                    resolved.refused_count += 1;
                    if resolved.refused.len() < REFUSED_NAMED_MAX {
                        let path = point.path;
                        resolved.refused.push(Refused { index, path, reason: text });
                    }
                }
            }
        }
        resolved
    }

    /// The store.
    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The tags.
    pub(super) fn catalog(&self) -> &Catalog {
        self.engine.catalog()
    }

    /// The documents of a collection, by key.
    pub(super) fn documents(&self, collection: Collection) -> Vec<Stored> {
        self.engine.documents(collection)
    }

    /// The tag of a path, if there is one.
    pub(super) fn find(&self, path: &str) -> Option<Arc<Tag>> {
        self.engine.catalog().find(path)
    }

    /// The sample of a point. Takes the value out of the point if it fits.
    pub(super) fn sample(&self, point: &mut Point, origin: Origin<'_>) -> Result<Sample, Reason> {
        if states_unit(point, origin)
            && let Some(tag) = self.find(&point.path)
            && let Some(path) = beside_for_unit(point, &tag.definition.unit)
        {
            point.path = path;
        }
        let fitted = self.fitted(point, origin);
        if let Err(Reason::Kind(_)) = &fitted
            && let Some(path) = variant(point, origin)
        {
            point.path = path;
            return self.fitted(point, origin);
        }
        fitted
    }

    fn fitted(&self, point: &mut Point, origin: Origin<'_>) -> Result<Sample, Reason> {
        let known = match point.tag {
            Some(tag) => self.catalog().fit_of(tag),
            None => self.catalog().fit(&point.path),
        };
        let TagFit { id: tag, kind, quantum_ns } = if let Some(known) = known {
            known
        } else {
            let Tag { id, definition, .. } = &*self.create(point, origin)?;
            TagFit { id: *id, kind: definition.kind, quantum_ns: definition.quantum_ns }
        };
        let value = self.fitting(&mut point.value, tag, kind, origin)?;
        let ts = match point.ts {
            Some(ts) => ts.quantised(quantum_ns),
            None => self.arrival(tag, origin.now),
        };
        Ok(Sample { tag, ts, value, quality: point.quality })
    }

    /// Takes a value out as one of a tag's kind. Most are: then the tag need not be looked at.
    fn fitting(
        &self,
        value: &mut Value,
        tag: TagId,
        kind: Kind,
        origin: Origin<'_>,
    ) -> Result<Value, Reason> {
        let is_so = value.kind().is_none_or(|own| own == kind);
        if is_so && kind != Kind::State {
            return Ok(std::mem::replace(value, Value::Null));
        }
        match self.catalog().get(tag) {
            Some(tag) => fit_from(origin, value, &tag.definition),
            None => value.clone().coerced(kind).map_err(Reason::Kind),
        }
    }

    /// The sample of a value that arrived for a known tag.
    pub(super) fn arrived(
        &self,
        tag: &Tag,
        value: &Value,
        quality: Quality,
        now: Timestamp,
    ) -> Result<Sample, Reason> {
        let value = fit(&mut value.clone(), &tag.definition)?;
        Ok(Sample { tag: tag.id, ts: self.arrival(tag.id, now), value, quality })
    }

    fn create(&self, point: &Point, origin: Origin<'_>) -> Result<Arc<Tag>, Reason> {
        let definition = definition(point, origin)?;
        // A tag is for ever: none is made for a value that does not fit it.
        fit_from(origin, &mut point.value.clone(), &definition)?;
        self.define(definition)
    }

    /// A new tag, unless there are as many as senders may make.
    pub(super) fn define(&self, definition: TagDefinition) -> Result<Arc<Tag>, Reason> {
        if self.engine.catalog().len() >= self.tags_max {
            return Err(Reason::TagLimit(self.tags_max));
        }
        self.engine.catalog().define(definition).map_err(Reason::Definition)
    }

    /// The time of a sample that arrives now for a tag.
    fn arrival(&self, tag: TagId, now: Timestamp) -> Timestamp {
        let now = now.quantised(ARRIVAL_QUANTUM_NS).nanos();
        let index = tag.0 as usize;
        let mut arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        // LIMIT: as long as the catalog, eight bytes a tag.
        if arrivals.len() <= index {
            arrivals.resize(index + 1, i64::MIN);
        }
        let Some(last) = arrivals.get_mut(index) else { return Timestamp::from_nanos(now) };
        let follows = *last >= now && last.saturating_sub(now) < CLOCK_BACK_NS;
        *last = if follows { last.saturating_add(ARRIVAL_STEP_NS) } else { now };
        Timestamp::from_nanos(*last)
    }
}

/// The tag that a point makes where there is none of its path.
pub(super) fn definition(point: &Point, origin: Origin<'_>) -> Result<TagDefinition, Reason> {
    let path = TagPath::new(&point.path).map_err(Reason::Path)?;
    let fixed = origin.form.and_then(|form| form.kind);
    let unheard = origin.is_unheard.then_some(Kind::Float);
    let kind = fixed.or(point.value.kind()).or(unheard).ok_or(Reason::NullFirst)?;
    let mut definition = TagDefinition {
        labels: point.labels.to_vec(),
        unit: point.unit.clone(),
        ..TagDefinition::new(path, kind, origin.source)
    };
    let Some(form) = origin.form else { return Ok(definition) };
    definition.states.clone_from(&form.states);
    definition.step = form.step.unwrap_or(definition.step);
    if !form.unit.is_empty() {
        definition.unit.clone_from(&form.unit);
    }
    // What a rule says of a label wins over the payload.
    definition.labels.retain(|(name, _)| form.labels.iter().all(|(own, _)| own != name));
    definition.labels.extend(form.labels.iter().filter(|(_, value)| !value.is_empty()).cloned());
    Ok(definition)
}

/// The path of the tag beside a point's own for values of another kind. No topic has a `#`, so no
/// other tag has that name.
pub(super) fn variant(point: &Point, origin: Origin<'_>) -> Option<String> {
    let is_fixed = origin.form.is_some_and(|form| form.kind.is_some());
    let kind = point.value.kind().filter(|_| origin.is_unheard && !is_fixed)?;
    Some(format!("{}#{}", point.path, kind.name()))
}

/// The same for a sender that hears no answer: of such a one a number or a truth may come as a text.
pub(super) fn fit_from(
    origin: Origin<'_>,
    value: &mut Value,
    definition: &TagDefinition,
) -> Result<Value, Reason> {
    let fitted = fit(value, definition);
    match &fitted {
        Err(Reason::Kind(_)) if origin.is_unheard => {
            spoken(value, definition.kind).map_or(fitted, Ok)
        }
        _ => fitted,
    }
}

/// What a text says, where it is for a number or a truth.
fn spoken(value: &Value, kind: Kind) -> Option<Value> {
    let Value::Text(text) = value else { return None };
    let text = text.trim_ascii();
    match kind {
        Kind::Float => {
            text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float)
        }
        Kind::Int => text.parse().ok().map(Value::Int),
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(Value::Bool(true)),
            "false" | "off" | "no" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::State | Kind::Text => None,
    }
}

/// Whether a point says its unit, and no rule says another.
pub(super) fn states_unit(point: &Point, origin: Origin<'_>) -> bool {
    let is_fixed = origin.form.is_some_and(|form| !form.unit.is_empty());
    origin.is_unheard && !is_fixed && !point.unit.is_empty()
}

/// The path of the tag beside one of another unit: numbers of two units are never one history.
pub(super) fn beside_for_unit(point: &Point, unit: &str) -> Option<String> {
    let differs = !unit.is_empty() && !is_same_unit(&point.unit, unit);
    differs.then(|| format!("{}#{}", point.path, point.unit.replace('/', "%2F")))
}

/// Whether two spellings mean one unit, as far as that is certain: `°C` and `Cel`, `PSI` and `psi`,
/// but not `mW` and `MW`.
fn is_same_unit(one: &str, other: &str) -> bool {
    let plain = |unit: &str| {
        let unit: String =
            unit.chars().filter(|c| !c.is_whitespace() && !matches!(c, '°' | 'º')).collect();
        match unit.as_str() {
            "Cel" | "degC" | "℃" | "celsius" | "Celsius" => "C".to_owned(),
            "degF" | "℉" | "fahrenheit" | "Fahrenheit" => "F".to_owned(),
            "percent" | "pct" => "%".to_owned(),
            _ => unit,
        }
    };
    let (one, other) = (plain(one), plain(other));
    let first = |unit: &str| unit.chars().next().filter(|c| matches!(c, 'm' | 'M' | 'p' | 'P'));
    let is_prefix = first(&one) != first(&other) && one.get(1..) == other.get(1..);
    one.eq_ignore_ascii_case(&other) && !is_prefix
}

/// Takes a value out as one of a tag's kind; leaves it where it does not fit.
pub(super) fn fit(value: &mut Value, definition: &TagDefinition) -> Result<Value, Reason> {
    let kind = value.kind();
    let taken = if kind.is_none() || kind == Some(definition.kind) {
        std::mem::replace(value, Value::Null)
    } else if let (Value::Text(name), Kind::State) = (&*value, definition.kind) {
        let index = definition.states.iter().position(|state| **state == **name);
        let index = index.and_then(|index| u32::try_from(index).ok());
        Value::State(index.ok_or_else(|| Reason::State(name.chars().take(40).collect()))?)
    } else {
        value.clone().coerced(definition.kind).map_err(Reason::Kind)?
    };
    match taken {
        Value::State(index) if definition.states.get(index as usize).is_none() => {
            Err(Reason::State(index.to_string()))
        }
        taken => Ok(taken),
    }
}

/// A value as a person would write it, for a refusal.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Float(number) => number.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bool(fact) => fact.to_string(),
        Value::State(index) => index.to_string(),
        Value::Text(text) => text.to_string(),
    }
}
