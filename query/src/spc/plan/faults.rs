//! What is wrong with a definition.
//!
//! *Invariant.* A member that has no effect is a fault too: nobody shall believe that it has one.

use tacitus_model::TagPath;

use super::{ChartKind, Grouping, Method, Plan, Recipe, Specification};
use crate::calendar::Fault;
use crate::limits::{SPC_RULES_MAX, SPC_VARIABLES_MAX};
use crate::spc::constants::RANGE_SIZE_MAX;
use crate::spc::definition::{PlanDefinition, RuleChoice, SubgroupDefinition};
use crate::spc::rules::{self, Rule, RuleOptions};

/// Seconds of the longest interval and gap: a year.
const SECONDS_MAX: f64 = 366.0 * 86_400.0;

/// The plan of a definition.
pub(super) fn checked(definition: PlanDefinition) -> Result<Plan, Vec<Fault>> {
    let mut faults = Faults::default();
    let kind = faults.kind(&definition.chart);
    let named = kind.unwrap_or(ChartKind::IMr);
    let tags = faults.tags(&definition, named);
    faults.size(&definition, named);
    let (grouping, trigger) = faults.grouping(definition.subgroup.as_ref(), named);
    let mut recipe = Recipe::of(named);
    recipe.method = faults.method(&definition, named, grouping);
    recipe.k = faults.k(&definition, named);
    recipe.rules = faults.rules(&definition, named);
    faults.weights(&definition, &mut recipe);
    let gap_ns = definition.gap_s.map(|gap| faults.nanoseconds("gap_s", gap));
    let specification = faults.specification(&definition, named);
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    let (size_tag, size) = (definition.size_tag.clone(), definition.size.unwrap_or(1.0));
    let versions = Vec::new();
    Ok(Plan {
        definition,
        recipe,
        tags,
        size_tag,
        size,
        grouping,
        trigger,
        gap_ns,
        specification,
        versions,
    })
}

#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, key: &str, reason: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Fault { key: key.to_owned(), reason: reason.into(), hint: hint.into() });
    }

    fn kind(&mut self, name: &str) -> Option<ChartKind> {
        let found = ChartKind::ALL.iter().find(|(own, _)| *own == name).map(|(_, kind)| *kind);
        if found.is_none() {
            let names = ChartKind::ALL.map(|(name, _)| name).join(", ");
            self.add(
                "chart",
                format!("there is no chart \"{name}\""),
                format!("there are {names}"),
            );
        }
        found
    }

    fn path(&mut self, key: &str, path: &str) {
        if let Err(error) = TagPath::new(path) {
            self.add(key, error.to_string(), "write the path of a tag");
        }
    }

    fn tags(&mut self, definition: &PlanDefinition, kind: ChartKind) -> Vec<String> {
        if kind == ChartKind::TSquared {
            if definition.tag.is_some() {
                self.add("tag", "a chart of several variables has tags", "write \"tags\": [ … ]");
            }
            if !(2..=SPC_VARIABLES_MAX).contains(&definition.tags.len()) {
                let reason = format!("there must be 2 to {SPC_VARIABLES_MAX} of them");
                self.add("tags", reason, "write \"tags\": [\"line/a\", \"line/b\"]");
            }
            for (at, path) in definition.tags.iter().enumerate() {
                self.path(&format!("tags[{at}]"), path);
                if definition.tags.iter().take(at).any(|before| before == path) {
                    self.add(&format!("tags[{at}]"), "it is there twice", "name each tag once");
                }
            }
            return definition.tags.clone();
        }
        if !definition.tags.is_empty() {
            self.add("tags", "only t_squared has several tags", "write \"tag\"");
        }
        match &definition.tag {
            None => self.add("tag", "no tag is named", "write \"tag\": \"line/filler/weight\""),
            Some(path) => self.path("tag", path),
        }
        definition.tag.iter().cloned().collect()
    }

    fn size(&mut self, definition: &PlanDefinition, kind: ChartKind) {
        let sized = kind.is_of_counts() && kind != ChartKind::C;
        let (tag, number) = (definition.size_tag.as_ref(), definition.size);
        if !sized {
            for (key, there) in [("size_tag", tag.is_some()), ("size", number.is_some())] {
                if there {
                    let hint = "leave it out; p, np, u, laney_p and laney_u have sizes";
                    self.add(key, format!("{} has no size", kind.name()), hint);
                }
            }
            return;
        }
        match (tag, number) {
            (Some(path), None) => self.path("size_tag", path),
            (None, Some(size)) if size > 0.0 && size <= 1e15 => {}
            (None, Some(_)) => self.add("size", "it is not positive", "write how many units"),
            (None, None) => {
                let hint = "write \"size\": 50, or \"size_tag\": \"line/inspected\"";
                self.add("size", "nothing says of how many units a count is", hint);
            }
            (Some(_), Some(_)) => self.add("size", "the tag says it too", "leave one of them out"),
        }
    }

    fn grouping(
        &mut self,
        given: Option<&SubgroupDefinition>,
        kind: ChartKind,
    ) -> (Grouping, Option<String>) {
        let of_many = matches!(kind, ChartKind::XbarR | ChartKind::XbarS);
        let Some(given) = given else {
            if of_many {
                let hint = "write \"subgroup\": {\"count\": 5}, {\"interval_s\": 600} or \
                            {\"trigger\": \"line/batch\"}";
                self.add("subgroup", format!("{} is of subgroups", kind.name()), hint);
            }
            return (Grouping::Count(if of_many { 2 } else { 1 }), None);
        };
        let count = given.count;
        let most = if kind == ChartKind::XbarR { RANGE_SIZE_MAX } else { 1_000_000 };
        let least = if of_many { 2 } else { 1 };
        if count.is_some_and(|count| !(least..=most).contains(&count)) {
            let hint = "ranges are of few values; xbar_s takes more";
            self.add("subgroup.count", format!("it must be {least} to {most}"), hint);
        }
        if kind == ChartKind::IMr && count != Some(1) {
            let hint = "leave subgroup out, or take one sample of each: \"count\": 1";
            self.add("subgroup", "i_mr is of single values", hint);
        }
        let grouping = match (given.interval_s, &given.trigger) {
            (Some(_), Some(_)) => {
                let reason = "an interval and a trigger cannot both part subgroups";
                self.add("subgroup", reason, "leave one of them out");
                Grouping::Count(1)
            }
            (Some(seconds), None) => {
                Grouping::Interval(self.nanoseconds("subgroup.interval_s", seconds), count)
            }
            (None, Some(path)) => {
                self.path("subgroup.trigger", path);
                Grouping::Trigger(count)
            }
            (None, None) => {
                if count.is_none() {
                    self.add("subgroup", "it says nothing", "write count, interval_s or trigger");
                }
                Grouping::Count(count.unwrap_or(1))
            }
        };
        (grouping, given.trigger.clone())
    }

    /// A positive number of seconds.
    fn nanoseconds(&mut self, key: &str, seconds: f64) -> i64 {
        if !(0.001..=SECONDS_MAX).contains(&seconds) {
            self.add(key, "it is not between a millisecond and a year", "write seconds: 600");
            return 1_000_000_000;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a year has 3.2e16 nanoseconds")]
        let nanos = (seconds * 1e9).round() as i64;
        nanos
    }

    fn method(
        &mut self,
        definition: &PlanDefinition,
        kind: ChartKind,
        grouping: Grouping,
    ) -> Method {
        let single = grouping.is_single();
        let usual = match Recipe::of(kind).method {
            Method::MovingRange if !single => Method::Deviation,
            usual => usual,
        };
        let Some(name) = definition.sigma.as_deref() else { return usual };
        if kind.is_of_counts() || kind == ChartKind::TSquared {
            let reason = format!("{} has no choice of estimates", kind.name());
            self.add("sigma", reason, "leave it out");
            return usual;
        }
        let fitting = Method::ALL.iter().filter(|(_, _, of_subgroups)| *of_subgroups != single);
        let found = fitting.clone().find(|(own, ..)| *own == name).map(|(_, method, _)| *method);
        if found.is_none() {
            let names: Vec<&str> = fitting.map(|(name, ..)| *name).collect();
            let reason = format!("\"{name}\" is no estimate for such subgroups");
            self.add("sigma", reason, format!("there are {}", names.join(", ")));
        }
        found.unwrap_or(usual)
    }

    fn k(&mut self, definition: &PlanDefinition, kind: ChartKind) -> f64 {
        let Some(k) = definition.k else { return 3.0 };
        if matches!(kind, ChartKind::Cusum | ChartKind::TSquared) {
            let hint = "a CUSUM has cusum.h, t_squared has alpha";
            self.add("k", format!("the limits of {} are not so many sigmas", kind.name()), hint);
        } else if !(0.1..=10.0).contains(&k) {
            self.add("k", "it is not between 0.1 and 10", "3 is usual");
        }
        k
    }

    fn rules(&mut self, definition: &PlanDefinition, kind: ChartKind) -> Vec<Rule> {
        let options = self.options(definition.rule_options.as_ref());
        let all = rules::all(options);
        let applies = |rule: &Rule| kind.charts().iter().any(|chart| rule.applies(*chart));
        let usual = vec!["nelson1".to_owned()];
        let given = definition.rules.as_ref().unwrap_or(&usual);
        if given.len() > SPC_RULES_MAX {
            let reason = format!("there are {}, at most {SPC_RULES_MAX}", given.len());
            self.add("rules", reason, "name each once");
            return Vec::new();
        }
        let mut chosen: Vec<Rule> = Vec::new();
        for (at, name) in given.iter().enumerate() {
            let set = match name.as_str() {
                "western_electric" => Some("we"),
                "nelson" => Some("nelson"),
                _ => None,
            };
            let meant = |rule: &&Rule| match set {
                Some(set) => rule.name.starts_with(set) && applies(rule),
                None => rule.name == name,
            };
            let found: Vec<Rule> = all.iter().filter(meant).copied().collect();
            if found.is_empty() {
                let hint = "there are we1 to we4, nelson1 to nelson8, western_electric and nelson";
                self.add(&format!("rules[{at}]"), format!("there is no rule \"{name}\""), hint);
            } else if !found.iter().any(applies) {
                let reason = format!("\"{name}\" says nothing of {}", kind.name());
                self.add(&format!("rules[{at}]"), reason, "leave it out");
            }
            chosen.extend(found);
        }
        let mut seen = Vec::new();
        chosen.retain(|rule| {
            let first = !seen.contains(&rule.name);
            seen.push(rule.name);
            first
        });
        chosen
    }

    fn options(&mut self, given: Option<&RuleChoice>) -> RuleOptions {
        let mut options = RuleOptions::STANDARD;
        let Some(given) = given else { return options };
        match given.we4_points {
            None => {}
            Some(7) => options.we4_points = 7,
            Some(8) => options.we4_points = 8,
            Some(9) => options.we4_points = 9,
            Some(_) => {
                self.add("rule_options.we4_points", "it must be 7, 8 or 9", "8 is usual");
            }
        }
        match given.nelson3_points {
            None => {}
            Some(6) => options.nelson3_points = 6,
            Some(7) => options.nelson3_points = 7,
            Some(_) => self.add("rule_options.nelson3_points", "it must be 6 or 7", "6 is usual"),
        }
        options.nelson8_both_sides = given.nelson8_both_sides.unwrap_or(true);
        options
    }

    /// What EWMA, CUSUM and T² are made with.
    fn weights(&mut self, definition: &PlanDefinition, recipe: &mut Recipe) {
        let kind = recipe.kind;
        for (key, there, of) in [
            ("ewma", definition.ewma.is_some(), ChartKind::Ewma),
            ("cusum", definition.cusum.is_some(), ChartKind::Cusum),
            ("alpha", definition.alpha.is_some(), ChartKind::TSquared),
        ] {
            if there && kind != of {
                self.add(key, format!("it is for {}", of.name()), "leave it out");
            }
        }
        if let Some(ewma) = &definition.ewma {
            recipe.lambda = ewma.lambda.unwrap_or(recipe.lambda);
            recipe.target = ewma.target;
            if !(recipe.lambda > 0.0 && recipe.lambda <= 1.0) {
                self.add("ewma.lambda", "it is not above 0 and up to 1", "0.2 is usual");
            }
        }
        if let Some(cusum) = &definition.cusum {
            recipe.reference = cusum.k.unwrap_or(recipe.reference);
            recipe.decision = cusum.h.unwrap_or(recipe.decision);
            (recipe.target, recipe.fir) = (cusum.target, cusum.fir);
            if !(0.0..=100.0).contains(&recipe.reference) {
                self.add(
                    "cusum.k",
                    "it is not between 0 and 100",
                    "0.5 finds a shift of one sigma",
                );
            }
            if !(recipe.decision > 0.0 && recipe.decision <= 1000.0) {
                self.add("cusum.h", "it is not above 0 and up to 1000", "4 or 5 is usual");
            }
        }
        if let Some(alpha) = definition.alpha {
            recipe.alpha = Some(alpha);
            if !(1e-9..=0.5).contains(&alpha) {
                self.add("alpha", "it is not between 1e-9 and 0.5", "0.0027 is that of 3 sigmas");
            }
        }
    }

    fn specification(&mut self, definition: &PlanDefinition, kind: ChartKind) -> Specification {
        let PlanDefinition { lsl, usl, target, .. } = *definition;
        if kind.is_of_counts() || kind == ChartKind::TSquared {
            for (key, there) in [("lsl", lsl), ("usl", usl), ("target", target)] {
                if there.is_some() {
                    let reason = format!("{} has no specification", kind.name());
                    self.add(key, reason, "leave it out; capability is of one measured value");
                }
            }
        }
        if let (Some(low), Some(high)) = (lsl, usl)
            && low >= high
        {
            self.add("lsl", "it is not below usl", "exchange them");
        }
        Specification { lsl, usl, target }
    }
}
