//! `spc(plan, from, to)`: the points of a plan's control charts.
//!
//! | argument | |
//! |---|---|
//! | `plan` | the name of a plan |
//! | `from`, `to` | subgroups whose last sample is in this range |
//!
//! The span is parted where limits take effect. Before the first of them it is *phase I*: limits are
//! worked out from the subgroups of the span itself. After it they are the frozen ones, and what was
//! before `from` is read as far as the rules look back; subgroups of so many samples, EWMA and CUSUM
//! are followed from where the limits took effect.
//!
//! *Invariant.* Rows come by time. Under frozen limits a row does not depend on where the span
//! begins.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::error::Result;

use super::argument::{Argument, Arguments, Signature};
use super::points::{SCHEMA, Table};
use super::producer::{Piece, Producer, Rows, rows_between};
use super::resample::range;
use super::subgroups::{Groups, Sources, Span};
use crate::error::{QueryError, SqlState, nearest};
use crate::format::rfc3339;
use crate::limits::SPC_SUBGROUPS_MAX;
use crate::plant::Places;
use crate::spc::{
    Course, Exclusion, Grouper, Grouping, Lack, Phase, Plan, Subgroup, Version, basis,
};

pub(super) const USAGE: &str = "spc(plan, from, to)";

const SIGNATURE: Signature = Signature {
    function: "spc",
    usage: USAGE,
    positions: &["plan", "from", "to"],
    required: 3,
    rest: None,
    options: &[],
};

/// Rows that are handed on together.
const ROWS_AT_ONCE: usize = 1024;
/// How far a read before the span goes back first, and how much farther each time.
const FIRST_WIDTH_NS: i64 = 60_000_000_000;
const WIDER: i64 = 8;

/// A plan by its name.
fn named(places: &Places, name: &str) -> Result<Arc<Plan>> {
    let plant = places.plant();
    plant.spc_plan(name).cloned().ok_or_else(|| {
        let what = format!("plan \"{name}\" does not exist");
        let error = QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what);
        let near = nearest(name, plant.spc_plans().map(|(name, _)| name));
        let hint = near.map_or_else(
            || "PUT /api/v1/spc/NAME defines one".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        error.with_hint(hint).into()
    })
}

/// What a call asks for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) name: Arc<str>,
    pub(super) plan: Arc<Plan>,
    pub(super) sources: Sources,
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Asked {
    /// What arguments ask for; `None` where a parameter is not there yet.
    pub(super) fn of(places: &Places, arguments: &Arguments) -> Result<Option<Self>> {
        let (from, to) = range(arguments)?;
        if arguments.is_incomplete() {
            return Ok(None);
        }
        if from > to {
            return Err(arguments.invalid("from is after to").into());
        }
        let Some(name) = arguments.text("plan")? else {
            return Err(arguments.invalid("plan cannot be null").into());
        };
        let plan = named(places, name)?;
        let sources = Sources::of(places.snapshot(), &plan)?;
        Ok(Some(Self { name: name.into(), plan, sources, from, to }))
    }
}

/// A call of `spc`.
#[derive(Debug)]
struct Control(Asked);

/// A call whose parameters are not there yet: it has columns and no rows.
#[derive(Debug)]
pub(super) struct Unasked(pub(super) SchemaRef);

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    Ok(match Asked::of(places, &arguments)? {
        Some(asked) => Arc::new(Control(asked)),
        None => Arc::new(Unasked(Arc::clone(&SCHEMA))),
    })
}

impl fmt::Display for Unasked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SpcExec")
    }
}

impl Producer for Unasked {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn parts(&self) -> usize {
        0
    }

    fn open(&self, _: usize) -> Result<Box<dyn Rows>> {
        Ok(Box::new(super::raw::Nothing))
    }

    fn rows_estimate(&self) -> Option<usize> {
        Some(0)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }
}

impl fmt::Display for Control {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SpcExec: plan={}, from={}", self.0.name, rfc3339(self.0.from))
    }
}

impl Producer for Control {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn parts(&self) -> usize {
        1
    }

    fn open(&self, _: usize) -> Result<Box<dyn Rows>> {
        let Asked { name, plan, sources, from, to } = &self.0;
        Ok(Box::new(Following {
            name: Arc::clone(name),
            stretches: stretches(plan, *from, *to).into_iter(),
            plan: Arc::clone(plan),
            sources: sources.clone(),
            exclusions: plan.exclusions().into(),
            from: *from,
            to: *to,
            step: Step::Next,
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let Asked { plan, sources, from, to, .. } = &self.0;
        let held = stretches(plan, *from, *to);
        let first = held.first().filter(|_| follows_all(plan));
        let start = first.map_or(*from, |first| first.start.min(*from));
        rows_between(sources.snapshot(), sources.tags(), start, *to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        vec![("ts", false)]
    }
}

/// Whether points are known only from where the limits took effect.
fn follows_all(plan: &Plan) -> bool {
    let counts = matches!(plan.grouping, Grouping::Count(count) if count > 1);
    counts || plan.recipe.points_before().is_none()
}

/// A part of the time line on which the same limits hold.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// Since when they hold; of phase I where the span begins.
    pub(super) start: i64,
    /// Until before when.
    pub(super) cut: i64,
    pub(super) version: Option<Arc<Version>>,
}

/// The stretches that a span touches, in the order of time.
pub(super) fn stretches(plan: &Plan, from: i64, to: i64) -> Vec<Stretch> {
    let versions = plan.versions();
    let first = versions.first().map_or(i64::MAX, |first| first.effective);
    let mut all = Vec::new();
    if from < first {
        all.push(Stretch { start: from, cut: first, version: None });
    }
    let nexts = versions.iter().skip(1).map(|next| next.effective).chain([i64::MAX]);
    for (own, cut) in versions.iter().zip(nexts) {
        let start = own.effective;
        if start < cut && start < to && from < cut {
            all.push(Stretch { start, cut, version: Some(Arc::clone(own)) });
        }
    }
    all
}

/// The points of a plan, stretch by stretch.
struct Following {
    name: Arc<str>,
    plan: Arc<Plan>,
    sources: Sources,
    exclusions: Arc<[Exclusion]>,
    stretches: std::vec::IntoIter<Stretch>,
    from: i64,
    to: i64,
    step: Step,
}

enum Step {
    Next,
    /// Looks for where to begin before the span: how far back, subgroups there.
    Seek {
        stretch: Stretch,
        groups: Box<Groups>,
        width_ns: i64,
        found: usize,
    },
    /// Gathers the subgroups of phase I.
    Gather {
        groups: Box<Groups>,
        all: Vec<Subgroup>,
    },
    /// Gives the points of phase I.
    Judge {
        all: std::vec::IntoIter<Subgroup>,
        course: Box<Course>,
    },
    Read {
        version: Arc<Version>,
        groups: Box<Groups>,
        course: Box<Course>,
    },
    Over,
}

impl Rows for Following {
    fn piece(&mut self) -> Result<Piece> {
        match std::mem::replace(&mut self.step, Step::Over) {
            Step::Next => self.next(),
            Step::Seek { stretch, groups, width_ns, found } => {
                self.seek(stretch, groups, width_ns, found)
            }
            Step::Gather { groups, all } => self.gather(groups, all),
            Step::Judge { all, course } => self.judge(all, course),
            Step::Read { version, groups, course } => self.read(version, groups, course),
            Step::Over => Ok(Piece::End),
        }
    }
}

impl Following {
    fn groups(&self, start: i64, cut: i64) -> Result<Box<Groups>> {
        self.groups_to(start, cut, self.to)
    }

    fn groups_to(&self, start: i64, cut: i64, to: i64) -> Result<Box<Groups>> {
        let grouper = Grouper::new(self.plan.grouping, self.plan.gap_ns);
        let exclusions = Arc::clone(&self.exclusions);
        Ok(Box::new(Groups::open(&self.sources, grouper, exclusions, Span { start, to, cut })?))
    }

    fn next(&mut self) -> Result<Piece> {
        let Some(stretch) = self.stretches.next() else { return Ok(Piece::End) };
        self.step = match &stretch.version {
            None => {
                let groups = self.groups(stretch.start, stretch.cut)?;
                Step::Gather { groups, all: Vec::new() }
            }
            Some(_) if stretch.start >= self.from || follows_all(&self.plan) => {
                self.begin(&stretch, stretch.start)?
            }
            Some(_) => self.look_back(stretch, FIRST_WIDTH_NS)?,
        };
        Ok(Piece::More)
    }

    /// Reads a stretch from a time on.
    fn begin(&self, stretch: &Stretch, start: i64) -> Result<Step> {
        let Some(version) = stretch.version.clone() else { return Ok(Step::Next) };
        let course = Box::new(Course::new(&self.plan.recipe, Some(version.basis.clone())));
        Ok(Step::Read { version, groups: self.groups(start, stretch.cut)?, course })
    }

    /// Looks for enough subgroups so far back.
    fn look_back(&self, stretch: Stretch, width_ns: i64) -> Result<Step> {
        let start = self.back(width_ns).max(stretch.start);
        let groups = self.groups_to(start, stretch.cut, self.from)?;
        Ok(Step::Seek { stretch, groups, width_ns, found: 0 })
    }

    /// A time so far before the span, with which an interval begins.
    fn back(&self, width_ns: i64) -> i64 {
        if width_ns == i64::MAX {
            return i64::MIN;
        }
        let ts = self.from.saturating_sub(width_ns);
        match self.plan.grouping {
            Grouping::Interval(length, _) => ts.saturating_sub(ts.rem_euclid(length.max(1))),
            _ => ts,
        }
    }

    /// How many subgroups before the span are wanted.
    fn wanted(&self) -> usize {
        // The first one of a trigger may be cut, and what was left out before is known from two on.
        self.plan.recipe.points_before().unwrap_or_default() + 2
    }

    fn seek(
        &mut self,
        stretch: Stretch,
        mut groups: Box<Groups>,
        width_ns: i64,
        found: usize,
    ) -> Result<Piece> {
        let mut some = Vec::new();
        let more = groups.piece(&mut some)?;
        let found = found + some.iter().filter(|own| own.excluded.is_none()).count();
        let start = self.back(width_ns);
        self.step = if found >= self.wanted() || !more && start <= stretch.start {
            self.begin(&stretch, start.max(stretch.start))?
        } else if more {
            Step::Seek { stretch, groups, width_ns, found }
        } else {
            self.look_back(stretch, width_ns.saturating_mul(WIDER))?
        };
        Ok(Piece::More)
    }

    fn gather(&mut self, mut groups: Box<Groups>, mut all: Vec<Subgroup>) -> Result<Piece> {
        let more = groups.piece(&mut all)?;
        check(all.len())?;
        if more {
            self.step = Step::Gather { groups, all };
            return Ok(Piece::More);
        }
        let recipe = &self.plan.recipe;
        let found = match basis(recipe.kind, recipe.method, &all) {
            Ok(found) => Some(found),
            // Points are there before there are enough of them for limits.
            Err(Lack::Groups | Lack::Spread) => None,
            Err(Lack::Size) => {
                let what = Lack::Size.to_string();
                return Err(QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what).into());
            }
        };
        let course = Box::new(Course::new(recipe, found));
        self.step = Step::Judge { all: all.into_iter(), course };
        Ok(Piece::More)
    }

    fn judge(
        &mut self,
        mut all: std::vec::IntoIter<Subgroup>,
        mut course: Box<Course>,
    ) -> Result<Piece> {
        let mut table = Table::new(&self.name);
        for group in all.by_ref().take(ROWS_AT_ONCE) {
            for point in course.points(&group, Phase::One) {
                table.add(&group, &point, Phase::One, None);
            }
        }
        self.step =
            if all.as_slice().is_empty() { Step::Next } else { Step::Judge { all, course } };
        Ok(Piece::Rows(table.finish()?))
    }

    fn read(
        &mut self,
        version: Arc<Version>,
        mut groups: Box<Groups>,
        mut course: Box<Course>,
    ) -> Result<Piece> {
        let mut some = Vec::new();
        let more = groups.piece(&mut some)?;
        let mut table = Table::new(&self.name);
        for group in &some {
            let baseline = version.baseline.as_ref();
            let own = baseline.is_some_and(|own| own.contains(group.start, group.end));
            let phase = if own { Phase::One } else { Phase::Two };
            let points = course.points(group, phase);
            if group.end < self.from {
                continue;
            }
            points.iter().for_each(|point| table.add(group, point, phase, Some(version.number)));
        }
        self.step = if more { Step::Read { version, groups, course } } else { Step::Next };
        Ok(Piece::Rows(table.finish()?))
    }
}

/// Refuses more subgroups than limits are worked out from.
pub(super) fn check(subgroups: usize) -> Result<()> {
    if subgroups <= SPC_SUBGROUPS_MAX {
        return Ok(());
    }
    let what = format!("limits are worked out from at most {SPC_SUBGROUPS_MAX} subgroups");
    Err(QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what)
        .with_hint("ask for a shorter span, or freeze limits: POST /api/v1/spc/NAME/limits")
        .into())
}
