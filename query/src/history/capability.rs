//! `capability(plan, from, to)`: how well a process keeps to its specification, in one row.
//!
//! | argument | |
//! |---|---|
//! | `plan` | the name of a plan of measured values |
//! | `from`, `to` | subgroups whose last sample is in this range |
//!
//! All figures are of the values of the span itself: its mean, its spread within subgroups by the
//! plan's estimate, and over all. Whether the process was in control is judged by the limits in
//! effect, or where there were none by those of the span.
//!
//! *Invariant.* Values of subgroups that are excluded or not complete are no part of it.

use std::fmt;
use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;

use super::argument::{Argument, Arguments, Signature};
use super::control::{Asked, Unasked, check, stretches};
use super::producer::{Piece, Producer, Rows, rows_between};
use super::subgroups::{Groups, Span};
use crate::error::{QueryError, SqlState};
use crate::limits::SPC_VALUES_MAX;
use crate::plant::Places;
use crate::relation::moment;
use crate::spc::{
    Beyond, Capability, ChartKind, Course, Grouper, Indices, Phase, Plan, Specification, Subgroup,
    basis, capability, interval_of_cp, interval_of_cpk, sigma,
};

pub(super) const USAGE: &str = "capability(plan, from, to)";

const SIGNATURE: Signature = Signature {
    function: "capability",
    usage: USAGE,
    positions: &["plan", "from", "to"],
    required: 3,
    rest: None,
    options: &[],
};

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8View, nullable);
    let whole = |name: &str| Field::new(name, DataType::Int64, false);
    let mut fields = vec![
        text("plan", false),
        Field::new("from_ts", moment(), false),
        Field::new("to_ts", moment(), false),
        whole("n"),
        whole("subgroups"),
        whole("left_out"),
        whole("out_of_control"),
        text("warnings", true),
    ];
    let own = Specification::default();
    let none = numbers(&capability(Vec::new(), None, 0, &own), &own);
    fields.extend(none.into_iter().map(|(name, _)| Field::new(name, DataType::Float64, true)));
    Arc::new(Schema::new(fields))
});

/// The figures, by the names of their columns.
fn numbers(own: &Capability, specification: &Specification) -> Vec<(&'static str, Option<f64>)> {
    let count = own.values.count;
    let some = |value: f64| Some(value).filter(|_| count > 0);
    let Specification { lsl, usl, target } = *specification;
    let ends = |names: [&'static str; 2], interval: Option<(f64, f64)>| {
        let (low, high) = interval.unzip();
        [(names[0], low), (names[1], high)]
    };
    let mut all = vec![
        ("mean", some(own.values.mean)),
        ("low", some(own.values.low)),
        ("high", some(own.values.high)),
        ("sigma_within", own.sigma_within),
        ("sigma_overall", own.sigma_overall),
        ("lsl", lsl),
        ("usl", usl),
        ("target", target),
    ];
    let Indices { cp, cpl, cpu, cpk, cpm } = own.within;
    all.push(("cp", cp));
    all.extend(ends(["cp_low", "cp_high"], interval_of_cp(cp, count)));
    all.extend([("cpl", cpl), ("cpu", cpu), ("cpk", cpk)]);
    all.extend(ends(["cpk_low", "cpk_high"], interval_of_cpk(cpk, count)));
    all.push(("cpm", cpm));
    let Indices { cp, cpl, cpu, cpk, cpm } = own.overall;
    all.push(("pp", cp));
    all.extend(ends(["pp_low", "pp_high"], interval_of_cp(cp, count)));
    all.extend([("ppl", cpl), ("ppu", cpu), ("ppk", cpk)]);
    all.extend(ends(["ppk_low", "ppk_high"], interval_of_cpk(cpk, count)));
    all.push(("cpm_overall", cpm));
    let (by_width, by_side) = own.by_percentiles;
    all.extend([("pp_percentile", by_width), ("ppk_percentile", by_side)]);
    let beyond = |names: [&'static str; 3], own: &Beyond| {
        let each = [own.below, own.above, own.total()];
        std::iter::zip(names, each)
    };
    all.extend(beyond(
        ["expected_ppm_below", "expected_ppm_above", "expected_ppm"],
        &own.expected_within,
    ));
    all.extend(beyond(
        ["expected_overall_ppm_below", "expected_overall_ppm_above", "expected_overall_ppm"],
        &own.expected_overall,
    ));
    all.extend(beyond(["observed_ppm_below", "observed_ppm_above", "observed_ppm"], &own.observed));
    let (statistic, probability) = own.normality.unzip();
    all.extend([("anderson_darling", statistic), ("normality_p", probability)]);
    all.push(("autocorrelation", own.autocorrelation));
    all
}

/// A call of `capability`.
#[derive(Debug)]
struct Question(Asked);

/// Reads the arguments of a call.
pub(super) fn call(places: &Places, given: Vec<Argument>) -> Result<Arc<dyn Producer>> {
    let arguments = Arguments::new(SIGNATURE, given)?;
    let Some(asked) = Asked::of(places, &arguments)? else {
        return Ok(Arc::new(Unasked(Arc::clone(&SCHEMA))));
    };
    let (name, kind) = (&asked.name, asked.plan.recipe.kind);
    if kind.is_of_counts() || kind == ChartKind::TSquared {
        let what = arguments.invalid(format!("plan \"{name}\" has charts of {}", kind.name()));
        return Err(what.with_hint("capability is of one measured value").into());
    }
    Ok(Arc::new(Question(asked)))
}

impl fmt::Display for Question {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CapabilityExec: plan={}", self.0.name)
    }
}

impl Producer for Question {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn parts(&self) -> usize {
        1
    }

    fn open(&self, _: usize) -> Result<Box<dyn Rows>> {
        let Asked { name, plan, sources, from, to } = &self.0;
        let grouper = Grouper::new(plan.grouping, plan.gap_ns).keeping();
        let span = Span { start: *from, to: *to, cut: i64::MAX };
        Ok(Box::new(Gathering {
            groups: Some(Groups::open(sources, grouper, plan.exclusions().into(), span)?),
            all: Vec::new(),
            values: Vec::new(),
            name: Arc::clone(name),
            plan: Arc::clone(plan),
            from: *from,
            to: *to,
        }))
    }

    fn rows_estimate(&self) -> Option<usize> {
        let Asked { sources, from, to, .. } = &self.0;
        rows_between(sources.snapshot(), sources.tags(), *from, *to)
    }

    fn order(&self) -> Vec<(&'static str, bool)> {
        Vec::new()
    }
}

/// The values of a span, as far as they are read.
struct Gathering {
    groups: Option<Groups>,
    all: Vec<Subgroup>,
    values: Vec<f64>,
    name: Arc<str>,
    plan: Arc<Plan>,
    from: i64,
    to: i64,
}

impl Rows for Gathering {
    fn piece(&mut self) -> Result<Piece> {
        let Some(mut groups) = self.groups.take() else { return Ok(Piece::End) };
        let known = self.all.len();
        let more = groups.piece(&mut self.all)?;
        check(self.all.len())?;
        for group in self.all.iter_mut().skip(known) {
            let mut own = std::mem::take(&mut group.values);
            if group.excluded.is_none() {
                self.values.append(&mut own);
            }
        }
        if self.values.len() + groups.grouper.values_open() > SPC_VALUES_MAX {
            let what = format!("a capability is of at most {SPC_VALUES_MAX} values");
            return Err(QueryError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, what)
                .with_hint("ask for a shorter span, or take the first few of each subgroup: count")
                .into());
        }
        if more {
            self.groups = Some(groups);
            return Ok(Piece::More);
        }
        Ok(Piece::Rows(self.row(&groups)?))
    }
}

impl Gathering {
    fn row(&mut self, groups: &Groups) -> Result<RecordBatch> {
        let plan = Arc::clone(&self.plan);
        let own = &plan.specification;
        let out = self.out_of_control();
        let left_out =
            self.all.iter().map(|group| group.left_out).sum::<u64>() + groups.grouper.left_out();
        let within = sigma(self.plan.recipe.method, &self.all).ok();
        let found = capability(std::mem::take(&mut self.values), within, out, own);
        let warnings: Vec<&str> = found.doubts.iter().map(|doubt| doubt.name()).collect();
        let warnings = (!warnings.is_empty()).then(|| warnings.join(","));
        let time = |ts: i64| -> ArrayRef {
            Arc::new(TimestampNanosecondArray::from(vec![ts]).with_timezone("UTC"))
        };
        let whole = |count: u64| -> ArrayRef {
            Arc::new(Int64Array::from(vec![i64::try_from(count).unwrap_or(i64::MAX)]))
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from(vec![&*self.name])),
            time(self.from),
            time(self.to),
            whole(found.values.count),
            whole(self.all.iter().filter(|group| group.excluded.is_none()).count() as u64),
            whole(left_out),
            whole(out),
            Arc::new(StringViewArray::from(vec![warnings.as_deref()])),
        ];
        for (_, number) in numbers(&found, own) {
            columns.push(Arc::new(Float64Array::from(vec![number])));
        }
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
    }

    /// How many points of the span are beyond a limit or complete a pattern.
    fn out_of_control(&self) -> u64 {
        let recipe = &self.plan.recipe;
        let mut out = 0;
        for stretch in stretches(&self.plan, self.from, self.to) {
            let inside =
                |group: &&Subgroup| stretch.start <= group.start && group.start < stretch.cut;
            let groups = self.all.iter().filter(inside);
            let found = match &stretch.version {
                Some(version) => Some(version.basis.clone()),
                None => basis(recipe.kind, recipe.method, &self.all).ok(),
            };
            let mut course = Course::new(recipe, found);
            for group in groups.filter(|group| group.excluded.is_none()) {
                let points = course.points(group, Phase::Two);
                let bad = points.iter().any(|point| point.out || !point.rules.is_empty());
                out += u64::from(bad);
            }
        }
        out
    }
}
