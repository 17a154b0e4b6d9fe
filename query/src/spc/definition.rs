//! A plan as a person writes it, and as it is kept.
//!
//! *Invariant.* Members are never renamed: they are in stores and in people's files.
//!
//! *Not here.* Whether it makes sense ([`plan`](super::plan)); limits, which are frozen apart from it
//! ([`version`](super::version)).

use serde::{Deserialize, Serialize};

/// What is charted, and how.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDefinition {
    /// What it is for, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The kind of chart: `xbar_r`, `i_mr`, `p`, …
    pub chart: String,
    /// The tag whose values, or counts, are charted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The tags of a chart of several variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The tag that says of how many units a count is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_tag: Option<String>,
    /// Of how many units every count is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<f64>,
    /// Which samples are one subgroup; without it each is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subgroup: Option<SubgroupDefinition>,
    /// How the standard deviation is estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<String>,
    /// How many sigmas the limits are from the center; 3 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<f64>,
    /// The run rules, or sets of them; `nelson1` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<String>>,
    /// Wordings of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_options: Option<RuleChoice>,
    /// After how many seconds without a sample runs begin anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_s: Option<f64>,
    /// The lower specification limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsl: Option<f64>,
    /// The upper specification limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usl: Option<f64>,
    /// What is aimed at, for capability; without it the middle of the specification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// What an EWMA chart is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ewma: Option<EwmaDefinition>,
    /// What a CUSUM chart is made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cusum: Option<CusumDefinition>,
    /// The probability of a false signal of a chart of several variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
}

/// Which samples are one subgroup.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubgroupDefinition {
    /// So many samples; with an interval or a trigger: the first so many of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Those of so many seconds, counted from 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_s: Option<f64>,
    /// Those between two changes of the value of this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
}

/// Wordings of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleChoice {
    /// Points of `we4`: 7, 8 or 9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub we4_points: Option<u64>,
    /// Points of `nelson3`: 6 or 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nelson3_points: Option<u64>,
    /// Whether `nelson8` wants points on both sides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nelson8_both_sides: Option<bool>,
}

/// What an EWMA chart is made with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EwmaDefinition {
    /// The weight of the last point; 0.2 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// Where it begins, and its center; without it that of the limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
}

/// What a CUSUM chart is made with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CusumDefinition {
    /// Half the shift that is to be found, in sigmas of a point; 0.5 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<f64>,
    /// Beyond which sum it signals, in sigmas of a point; 5 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub h: Option<f64>,
    /// What deviations are counted from; without it the center of the limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Whether both sums begin at half of `h` (fast initial response).
    #[serde(default)]
    pub fir: bool,
}
