//! Run rules: patterns of points that a process in control hardly ever makes.
//!
//! | rule | points | |
//! |---|---|---|
//! | `we1`, `nelson1` | 1 | beyond a control limit |
//! | `we2`, `nelson5` | 2 of 3 | beyond two sigmas on one side, the last one among them |
//! | `we3`, `nelson6` | 4 of 5 | beyond one sigma on one side, the last one among them |
//! | `we4` | 8 (7, 9) | on one side of the center |
//! | `nelson2` | 9 | on one side of the center |
//! | `nelson3` | 6 (7) | each higher, or each lower, than the one before |
//! | `nelson4` | 14 | up and down by turns |
//! | `nelson7` | 15 | within one sigma |
//! | `nelson8` | 8 | none within one sigma, on both sides (or on any) |
//!
//! All are told from `z`, the distance from the center in sigmas, so that they hold where limits
//! vary. Comparisons are strict: a point on a line is not beyond it, and equal ones do not rise.
//!
//! *Source.* Western Electric, Statistical Quality Control Handbook (1956); Nelson, Journal of Quality
//! Technology 16 (1984).
//!
//! *Invariant.* A rule flags the last point of its pattern, looks at as many points as the pattern
//! has and at no others, and at none before a reset.

use std::collections::VecDeque;

use super::plan::Chart;

/// The most points of a pattern. LIMIT: what is kept of a run, and read before a span.
pub(crate) const PATTERN_POINTS_MAX: usize = 25;

/// What points must do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pattern {
    /// One lies beyond a control limit.
    Out,
    /// So many lie beyond so many sigmas on one side, the last one among them.
    Beyond { hits: usize, sigmas: f64 },
    /// Each is higher than the one before, or each lower.
    Trend,
    /// Each turns back.
    Alternating,
    /// All lie within so many sigmas, or on them.
    Within { sigmas: f64 },
    /// All lie beyond so many sigmas; whether on both sides.
    Outside { sigmas: f64, both: bool },
}

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Points of the pattern.
    points: usize,
    pattern: Pattern,
}

/// What of rules can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleOptions {
    /// Points on one side for `we4`: 7, 8 or 9.
    pub we4_points: usize,
    /// Points of a trend for `nelson3`: 6 or 7.
    pub nelson3_points: usize,
    /// Whether `nelson8` wants points on both sides.
    pub nelson8_both_sides: bool,
}

impl RuleOptions {
    /// As they were published.
    pub const STANDARD: Self = Self { we4_points: 8, nelson3_points: 6, nelson8_both_sides: true };
}

impl Default for RuleOptions {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// The rules of Western Electric and of Nelson, in this order.
#[must_use]
pub fn all(options: RuleOptions) -> [Rule; 12] {
    let rule = |name, points, pattern| Rule { name, points, pattern };
    let beyond = |hits, sigmas| Pattern::Beyond { hits, sigmas };
    let (side, trend) = (options.we4_points, options.nelson3_points);
    let outside = Pattern::Outside { sigmas: 1.0, both: options.nelson8_both_sides };
    [
        rule("we1", 1, Pattern::Out),
        rule("we2", 3, beyond(2, 2.0)),
        rule("we3", 5, beyond(4, 1.0)),
        rule("we4", side, beyond(side, 0.0)),
        rule("nelson1", 1, Pattern::Out),
        rule("nelson2", 9, beyond(9, 0.0)),
        rule("nelson3", trend, Pattern::Trend),
        rule("nelson4", 14, Pattern::Alternating),
        rule("nelson5", 3, beyond(2, 2.0)),
        rule("nelson6", 5, beyond(4, 1.0)),
        rule("nelson7", 15, Pattern::Within { sigmas: 1.0 }),
        rule("nelson8", 8, outside),
    ]
}

impl Rule {
    /// Whether the rule says anything of a chart: zones only where points are independent and
    /// about normal, runs where they are independent.
    #[must_use]
    pub fn applies(&self, chart: Chart) -> bool {
        match chart {
            Chart::Xbar | Chart::I => true,
            Chart::R | Chart::S | Chart::Mr | Chart::Rate(_) => match self.pattern {
                Pattern::Out | Pattern::Trend | Pattern::Alternating => true,
                Pattern::Beyond { sigmas, .. } => sigmas <= 0.0,
                Pattern::Within { .. } | Pattern::Outside { .. } => false,
            },
            Chart::Ewma | Chart::CusumHigh | Chart::CusumLow | Chart::TSquared => {
                self.pattern == Pattern::Out
            }
        }
    }

    /// Whether it is only about the limits.
    #[must_use]
    pub fn is_of_limits(&self) -> bool {
        self.pattern == Pattern::Out
    }

    /// How many points it looks at.
    #[must_use]
    pub fn points(&self) -> usize {
        self.points
    }
}

/// The last points of a chart, as far as a rule may look.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The distance from the center in sigmas, and whether it is out of the limits; the last one
    /// first.
    last: VecDeque<(f64, bool)>,
}

impl Run {
    /// Forgets what was.
    pub fn reset(&mut self) {
        self.last.clear();
    }

    /// Adds a point.
    pub fn add(&mut self, z: f64, out: bool) {
        self.last.truncate(PATTERN_POINTS_MAX - 1);
        self.last.push_front((z, out));
    }

    /// Whether the last point completes the pattern of a rule.
    #[must_use]
    pub fn breaks(&self, rule: &Rule) -> bool {
        if self.last.len() < rule.points {
            return false;
        }
        let z = || self.last.iter().take(rule.points).map(|(z, _)| *z);
        match rule.pattern {
            Pattern::Out => self.last.front().is_some_and(|(_, out)| *out),
            Pattern::Beyond { hits, sigmas } => {
                let hit = |side: f64| move |z: f64| z * side > sigmas;
                let last = self.last.front().map_or(0.0, |(z, _)| *z);
                [1.0, -1.0]
                    .map(hit)
                    .into_iter()
                    .any(|hit| hit(last) && z().filter(|z| hit(*z)).count() >= hits)
            }
            Pattern::Trend => {
                // The last one comes first.
                let pairs = || z().zip(z().skip(1));
                pairs().all(|(after, before)| after > before)
                    || pairs().all(|(after, before)| after < before)
            }
            Pattern::Alternating => {
                let steps = || z().zip(z().skip(1)).map(|(after, before)| after - before);
                steps()
                    .zip(steps().skip(1))
                    .all(|(one, other)| one > 0.0 && other < 0.0 || one < 0.0 && other > 0.0)
            }
            Pattern::Within { sigmas } => z().all(|z| z.abs() <= sigmas),
            Pattern::Outside { sigmas, both } => {
                z().all(|z| z.abs() > sigmas)
                    && (!both || z().any(|z| z > 0.0) && z().any(|z| z < 0.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points, counted from one, at which a rule flags.
    fn flagged(name: &str, options: RuleOptions, z: &[f64]) -> Vec<usize> {
        let rule = *all(options).iter().find(|rule| rule.name == name).unwrap();
        let mut run = Run::default();
        let mut flagged = Vec::new();
        for (at, z) in z.iter().enumerate() {
            run.add(*z, z.abs() > 3.0);
            if run.breaks(&rule) {
                flagged.push(at + 1);
            }
        }
        flagged
    }

    #[test]
    fn each_rule_flags_the_last_point_of_its_pattern() {
        let standard = RuleOptions::STANDARD;
        let rising = [-1.0, -0.8, -0.6, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4];
        let turning: Vec<f64> = (0..15).map(|at| if at % 2 == 0 { 0.5 } else { -0.5 }).collect();
        let high = [1.1; 9];
        for (name, z, want) in [
            ("we1", &[3.0, 3.001, -3.0, -3.001][..], vec![2, 4]),
            ("we2", &[2.1, 0.0, 2.1, 2.1, -2.1, -2.1], vec![3, 4, 6]),
            // The last one is not beyond.
            ("we2", &[2.1, 2.1, 0.0], vec![]),
            ("we3", &[1.1, 1.1, 1.1, 1.1, 0.5, 1.1, 1.1], vec![6, 7]),
            // A pattern of five has five points.
            ("we3", &[1.1, 1.1, 1.1, 1.1], vec![]),
            ("we4", &high, vec![8, 9]),
            ("nelson2", &high, vec![9]),
            ("nelson2", &[1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0], vec![]),
            ("nelson3", &rising, vec![9]),
            ("nelson4", &turning, vec![14, 15]),
            ("nelson7", &[1.0; 16], vec![15, 16]),
            ("nelson8", &[1.5, -1.5, 1.5, -1.5, 1.5, -1.5, 1.5, -1.5, 1.0], vec![8]),
            ("nelson8", &high, vec![]),
        ] {
            assert_eq!(flagged(name, standard, z), want, "{name} {z:?}");
        }
    }

    #[test]
    fn options_choose_among_the_wordings() {
        let options = RuleOptions { we4_points: 7, nelson3_points: 7, nelson8_both_sides: false };
        assert_eq!(flagged("we4", options, &[1.1; 8]), [7, 8]);
        assert_eq!(flagged("nelson8", options, &[1.1; 8]), [8]);
        let rising: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(flagged("nelson3", options, &rising), [7, 8]);
        assert!(all(options).iter().all(|rule| rule.points() <= PATTERN_POINTS_MAX));
    }
}
