//! A plan whose definition makes sense, with the limits that were frozen for it.
//!
//! *Invariant.* Everything wrong with a definition is told at once, each with its key. Versions are
//! in the order of their effect.

mod faults;

use std::sync::Arc;

use super::definition::PlanDefinition;
use super::rules::Rule;
use super::version::{Exclusion, Version, excluded};
use crate::calendar::Fault;

/// The kind of a plan's charts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartKind {
    /// Means and ranges of subgroups.
    XbarR,
    /// Means and standard deviations of subgroups.
    XbarS,
    /// Single values and moving ranges.
    IMr,
    /// Shares of defectives.
    P,
    /// Numbers of defectives.
    Np,
    /// Numbers of defects.
    C,
    /// Defects a unit.
    U,
    /// Shares of defectives that spread more than their distribution says.
    LaneyP,
    /// Defects a unit that spread more than their distribution says.
    LaneyU,
    /// Exponentially weighted moving average.
    Ewma,
    /// Cumulated sums of deviations.
    Cusum,
    /// Hotelling's T² of several variables.
    TSquared,
}

impl ChartKind {
    /// Every kind, with its name.
    pub const ALL: [(&'static str, Self); 12] = [
        ("xbar_r", Self::XbarR),
        ("xbar_s", Self::XbarS),
        ("i_mr", Self::IMr),
        ("p", Self::P),
        ("np", Self::Np),
        ("c", Self::C),
        ("u", Self::U),
        ("laney_p", Self::LaneyP),
        ("laney_u", Self::LaneyU),
        ("ewma", Self::Ewma),
        ("cusum", Self::Cusum),
        ("t_squared", Self::TSquared),
    ];

    /// The name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, own)| *own == self).map_or("", |(name, _)| *name)
    }

    /// Whether it is of counts.
    #[must_use]
    pub fn is_of_counts(self) -> bool {
        matches!(self, Self::P | Self::Np | Self::C | Self::U | Self::LaneyP | Self::LaneyU)
    }

    /// The charts it has.
    #[must_use]
    pub fn charts(self) -> &'static [Chart] {
        match self {
            Self::XbarR => &[Chart::Xbar, Chart::R],
            Self::XbarS => &[Chart::Xbar, Chart::S],
            Self::IMr => &[Chart::I, Chart::Mr],
            Self::P => &[Chart::Rate("p")],
            Self::Np => &[Chart::Rate("np")],
            Self::C => &[Chart::Rate("c")],
            Self::U => &[Chart::Rate("u")],
            Self::LaneyP => &[Chart::Rate("laney_p")],
            Self::LaneyU => &[Chart::Rate("laney_u")],
            Self::Ewma => &[Chart::Ewma],
            Self::Cusum => &[Chart::CusumHigh, Chart::CusumLow],
            Self::TSquared => &[Chart::TSquared],
        }
    }
}

/// One chart of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// Means of subgroups.
    Xbar,
    /// Ranges of subgroups.
    R,
    /// Standard deviations of subgroups.
    S,
    /// Single values.
    I,
    /// Moving ranges.
    Mr,
    /// Counts, by the name of their kind.
    Rate(&'static str),
    /// Weighted averages.
    Ewma,
    /// Sums of deviations upward.
    CusumHigh,
    /// Sums of deviations downward.
    CusumLow,
    /// Distances of several variables.
    TSquared,
}

impl Chart {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Xbar => "xbar",
            Self::R => "r",
            Self::S => "s",
            Self::I => "i",
            Self::Mr => "mr",
            Self::Rate(name) => name,
            Self::Ewma => "ewma",
            Self::CusumHigh => "cusum_high",
            Self::CusumLow => "cusum_low",
            Self::TSquared => "t_squared",
        }
    }
}

/// How the standard deviation of single values is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// From the ranges of subgroups.
    Range,
    /// From the standard deviations of subgroups.
    Deviation,
    /// From the variances of subgroups together.
    Pooled,
    /// From the mean of moving ranges.
    MovingRange,
    /// From the median of moving ranges.
    MedianMovingRange,
    /// From all values together.
    Overall,
}

impl Method {
    /// Every method, with its name and whether it is of subgroups.
    pub const ALL: [(&'static str, Self, bool); 6] = [
        ("r", Self::Range, true),
        ("s", Self::Deviation, true),
        ("pooled", Self::Pooled, true),
        ("mr", Self::MovingRange, false),
        ("median_mr", Self::MedianMovingRange, false),
        ("overall", Self::Overall, false),
    ];
}

/// Which samples are one subgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// So many in a row.
    Count(u64),
    /// Those of an interval of so many nanoseconds, or the first so many of them.
    Interval(i64, Option<u64>),
    /// Those between two changes of the trigger, or the first so many of them.
    Trigger(Option<u64>),
}

impl Grouping {
    /// Whether a subgroup is one sample.
    #[must_use]
    pub fn is_single(self) -> bool {
        matches!(self, Self::Count(1) | Self::Interval(_, Some(1)) | Self::Trigger(Some(1)))
    }
}

/// What products must keep to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Specification {
    /// The lower limit.
    pub lsl: Option<f64>,
    /// The upper limit.
    pub usl: Option<f64>,
    /// What is aimed at.
    pub target: Option<f64>,
}

/// What the charts of a plan are made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// The kind of charts.
    pub kind: ChartKind,
    /// How the spread is estimated.
    pub method: Method,
    /// Sigmas from the center to the limits.
    pub k: f64,
    /// The run rules.
    pub rules: Vec<Rule>,
    /// The weight of the last point of an EWMA.
    pub lambda: f64,
    /// What EWMA and CUSUM are about; without it the center of the basis.
    pub target: Option<f64>,
    /// Half the shift that a CUSUM shall find, in sigmas of a point.
    pub reference: f64,
    /// The limit of a CUSUM.
    pub decision: f64,
    /// Whether a CUSUM begins at half its limit.
    pub fir: bool,
    /// The probability of a false signal of T²; without it that of three sigmas, of as many
    /// variables.
    pub alpha: Option<f64>,
}

impl Recipe {
    /// The usual recipe of a kind.
    #[must_use]
    pub fn of(kind: ChartKind) -> Self {
        let method = match kind {
            ChartKind::XbarR => Method::Range,
            ChartKind::XbarS => Method::Deviation,
            _ => Method::MovingRange,
        };
        Self {
            kind,
            method,
            k: 3.0,
            rules: Vec::new(),
            lambda: 0.2,
            target: None,
            reference: 0.5,
            decision: 5.0,
            fir: false,
            alpha: None,
        }
    }

    /// How many points before a span must be known for what is said of its first; `None`: all
    /// since the limits took effect.
    #[must_use]
    pub fn points_before(&self) -> Option<usize> {
        match self.kind {
            ChartKind::Ewma | ChartKind::Cusum => None,
            // A moving range takes one point more than the rule over it.
            _ => Some(self.rules.iter().map(Rule::points).max().unwrap_or(1)),
        }
    }
}

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    definition: PlanDefinition,
    /// What its charts are made with.
    pub recipe: Recipe,
    /// The tags of its values; one but for T².
    pub tags: Vec<String>,
    /// The tag that says of how many units a count is.
    pub size_tag: Option<String>,
    /// Of how many units a count is, where no tag says.
    pub size: f64,
    /// Which samples are one subgroup.
    pub grouping: Grouping,
    /// The tag whose changes part subgroups.
    pub trigger: Option<String>,
    /// After how many nanoseconds without a sample runs begin anew.
    pub gap_ns: Option<i64>,
    /// What products must keep to.
    pub specification: Specification,
    versions: Vec<Arc<Version>>,
}

impl Plan {
    /// Checks a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(definition: PlanDefinition) -> Result<Self, Vec<Fault>> {
        faults::checked(definition)
    }

    /// What it was made of.
    #[must_use]
    pub fn definition(&self) -> &PlanDefinition {
        &self.definition
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_versions(mut self, versions: Vec<Arc<Version>>) -> Self {
        self.versions = versions;
        self.versions.sort_by_key(|own| (own.effective, own.number));
        // Of two that take effect at once only the later one ever holds.
        self
    }

    /// Its limits, in the order of their effect.
    #[must_use]
    pub fn versions(&self) -> &[Arc<Version>] {
        &self.versions
    }

    /// What tells whether limits of one plan hold for another: what is measured, and how it is
    /// put together.
    #[must_use]
    pub fn measures_as(&self, other: &Self) -> bool {
        let of = |plan: &Self| {
            let Self { recipe, tags, size_tag, grouping, trigger, .. } = plan.clone();
            (recipe.kind, recipe.method, tags, size_tag, plan.size.to_bits(), grouping, trigger)
        };
        of(self) == of(other)
    }

    /// Every span that does not count.
    pub(crate) fn exclusions(&self) -> Vec<Exclusion> {
        let baselines = self.versions.iter().filter_map(|own| own.baseline.as_ref());
        baselines.flat_map(|baseline| baseline.excluded.iter().cloned()).collect()
    }

    /// Whether a subgroup counts, and why not.
    pub(crate) fn excludes(exclusions: &[Exclusion], start: i64, end: i64) -> Option<Arc<str>> {
        excluded(exclusions, start, end)
    }
}
