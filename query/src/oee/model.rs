//! A definition that makes sense.
//!
//! *Invariant.* A model has a state tag, or it is made of other assets; never both. Every number in
//! it is finite and above zero where zero says nothing.

use std::collections::BTreeMap;

use tacitus_model::TagPath;

use super::definition::{CountDefinition, CycleUnit, IdealCycle, OeeDefinition, Otherwise};
use super::values::{Listed, StateRules, nanos};
use crate::calendar::Fault;
use crate::limits::{
    OEE_EVENT_KINDS_MAX, OEE_LOOK_S_MAX, OEE_MEMBERS_MAX, OEE_PRODUCTS_MAX, STATE_VALUES_MAX,
};

/// How the effectiveness of an asset is worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct OeeModel {
    definition: OeeDefinition,
    /// From when on it holds, in nanoseconds since 1970.
    pub(super) valid_from_ns: i64,
    state: Option<StateRules>,
    counts: Vec<CountRule>,
    cycle: Option<CycleRule>,
}

/// What the samples of a tag count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CountRule {
    /// The tag, as it is written.
    pub(crate) tag: String,
    /// Whether it counts up; else each sample is a number of its own.
    pub(crate) counts_up: bool,
    pub(crate) rollover_max: Option<f64>,
    /// What one piece adds to all.
    pub(crate) to_total: f64,
    /// What one piece adds to the good.
    pub(crate) to_good: f64,
}

/// How long a piece takes at best.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CycleRule {
    Seconds(f64),
    ByProduct { products: BTreeMap<String, f64>, otherwise: Option<f64> },
    Tag { tag: String, unit: CycleUnit },
}

impl OeeModel {
    /// Checks a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(definition: OeeDefinition) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let valid_from_ns =
            definition.valid_from.as_deref().map_or(i64::MIN, |text| faults.moment(text));
        faults.source(&definition);
        faults.state(&definition);
        let counts = faults.counts(&definition);
        if let Some(product) = &definition.product {
            faults.tag("product.tag", &product.tag);
        }
        let cycle = definition.ideal_cycle.as_ref().and_then(|own| faults.cycle(own, &definition));
        if !(0.0..=OEE_LOOK_S_MAX).contains(&definition.micro_stop_s) {
            let reason = format!("{} is not 0 to {OEE_LOOK_S_MAX}", definition.micro_stop_s);
            faults.add("micro_stop_s", reason, "write seconds: 30; 0 for no micro stops");
        }
        faults.names("planned_events", &definition.planned_events, OEE_EVENT_KINDS_MAX);
        faults.names("reason_events", &definition.reason_events, OEE_EVENT_KINDS_MAX);
        faults.names("sum_of", &definition.sum_of, OEE_MEMBERS_MAX);
        if !faults.0.is_empty() {
            return Err(faults.0);
        }
        let state = definition.state.as_ref().map(StateRules::new);
        Ok(Self { definition, valid_from_ns, state, counts, cycle })
    }

    /// What it was made of.
    #[must_use]
    pub fn definition(&self) -> &OeeDefinition {
        &self.definition
    }

    /// The tags it reads, as they are written.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        let state = self.state.iter().map(|own| own.tag.as_str());
        let counts = self.counts.iter().map(|own| own.tag.as_str());
        let product = self.definition.product.iter().map(|own| own.tag.as_str());
        let cycle = self.definition.ideal_cycle.iter().filter_map(|own| own.tag.as_deref());
        state.chain(counts).chain(product).chain(cycle)
    }

    pub(crate) fn state(&self) -> Option<&StateRules> {
        self.state.as_ref()
    }

    pub(crate) fn counts(&self) -> &[CountRule] {
        &self.counts
    }

    pub(crate) fn cycle(&self) -> Option<&CycleRule> {
        self.cycle.as_ref()
    }

    /// Unplanned stops shorter than this are micro stops.
    pub(crate) fn micro_stop_ns(&self) -> i64 {
        nanos(self.definition.micro_stop_s)
    }
}

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, key: impl Into<String>, reason: impl Into<String>, hint: &str) {
        self.0.push(Fault { key: key.into(), reason: reason.into(), hint: hint.to_owned() });
    }

    fn moment(&mut self, text: &str) -> i64 {
        let moment = chrono::DateTime::parse_from_rfc3339(text).ok();
        let nanos = moment.and_then(|moment| moment.timestamp_nanos_opt());
        nanos.unwrap_or_else(|| {
            let reason = format!("\"{text}\" is no time");
            self.add("valid_from", reason, "write \"2026-01-01T00:00:00Z\"");
            i64::MIN
        })
    }

    fn tag(&mut self, key: &str, tag: &str) {
        if let Err(error) = TagPath::new(tag) {
            let reason = format!("\"{tag}\" is no tag: {error}");
            self.add(key, reason, "write its path, in full or from the asset on");
        }
    }

    fn above_zero(&mut self, key: &str, number: f64) {
        if !(number.is_finite() && number > 0.0) {
            self.add(key, format!("{number} is not above zero"), "write a number above zero");
        }
    }

    fn names(&mut self, key: &str, names: &[String], most: usize) {
        if names.len() > most {
            self.add(key, format!("there are {}, at most {most}", names.len()), "name fewer");
        }
        if names.iter().any(|name| name.trim().is_empty()) {
            self.add(key, "one is empty", "leave it out");
        }
    }

    /// Figures come from samples or from other assets.
    fn source(&mut self, own: &OeeDefinition) {
        let made = usize::from(own.state.is_some())
            + usize::from(!own.sum_of.is_empty())
            + usize::from(own.same_as.is_some());
        if made != 1 {
            let reason = format!("it has {made} of state, sum_of and same_as");
            let hint = "give a machine a state tag, and a line its machines in sum_of, or the one \
                        that stands for it in same_as";
            self.add("state", reason, hint);
        }
        let counts = own.total.is_some() || own.good.is_some() || own.reject.is_some();
        let cycle = own.ideal_cycle.is_some() || own.product.is_some();
        let events = !own.planned_events.is_empty() || !own.reason_events.is_empty();
        if own.state.is_none() && (counts || cycle || events) {
            let hint = "an asset made of others counts what they count: define it there";
            self.add("sum_of", "beside it nothing else is read", hint);
        }
        if own.same_as.as_deref().is_some_and(|asset| asset.trim().is_empty()) {
            self.add("same_as", "it is empty", "name an asset");
        }
    }

    fn state(&mut self, own: &OeeDefinition) {
        let Some(state) = &own.state else { return };
        self.tag("state.tag", &state.tag);
        if state.run.is_empty() && state.otherwise != Otherwise::Run {
            let hint = "list the values while it runs: \"run\": [\"running\"] or [true]";
            self.add("state.run", "no value means that it runs", hint);
        }
        if let Some(stale) = state.stale_after_s {
            self.above_zero("state.stale_after_s", stale);
        }
        let stops = state.stops.iter().enumerate();
        let stops = stops.map(|(at, stop)| (format!("state.stops[{at}].values"), &stop.values));
        let lists = std::iter::once(("state.run".to_owned(), &state.run)).chain(stops);
        let lists = lists.chain([("state.unknown".to_owned(), &state.unknown)]);
        let mut seen: Vec<(Listed, usize)> = Vec::new();
        for (list, (key, values)) in lists.enumerate() {
            for (at, value) in values.iter().enumerate() {
                let key = format!("{key}[{at}]");
                let elsewhere = |listed: &Listed| {
                    seen.iter().any(|(own, other)| own == listed && *other != list)
                };
                match Listed::read(value) {
                    None => {
                        let hint = "write a number, a text, true, false, or [low, high]";
                        self.add(key, format!("{value} is no value"), hint);
                    }
                    Some(listed) if elsewhere(&listed) => {
                        let hint = "a value means one thing, and true is 1: name it once";
                        self.add(key, format!("{value} means something else already"), hint);
                    }
                    // LIMIT: each is compared with all before.
                    Some(listed) if seen.len() < STATE_VALUES_MAX => seen.push((listed, list)),
                    Some(_) => {
                        let reason = format!("there are more than {STATE_VALUES_MAX} values");
                        return self.add(key, reason, "use ranges: [100, 199]");
                    }
                }
            }
        }
    }

    fn counts(&mut self, own: &OeeDefinition) -> Vec<CountRule> {
        let has = |count: &Option<CountDefinition>| count.is_some();
        let (of_good, of_reject) = match (has(&own.total), has(&own.good), has(&own.reject)) {
            (_, false, false) => ((0.0, 0.0), (0.0, 0.0)),
            (true, true, false) => ((0.0, 1.0), (0.0, 0.0)),
            (true, false, true) => ((0.0, 0.0), (0.0, -1.0)),
            (false, true, reject) => ((1.0, 1.0), if reject { (1.0, 0.0) } else { (0.0, 0.0) }),
            (true, true, true) => {
                self.add("good", "two of total, good and reject say the third", "leave it out");
                return Vec::new();
            }
            (false, false, true) => {
                self.add("reject", "it alone does not say what was made", "name total or good too");
                return Vec::new();
            }
        };
        // Where good pieces are counted, the total says nothing of them.
        let of_total = (1.0, if has(&own.good) { 0.0 } else { 1.0 });
        let mut rules = Vec::new();
        let counters = [("total", &own.total, of_total), ("good", &own.good, of_good)];
        for (key, count, (to_total, to_good)) in
            counters.into_iter().chain([("reject", &own.reject, of_reject)])
        {
            let Some(count) = count else { continue };
            self.tag(&format!("{key}.tag"), &count.tag);
            if let Some(most) = count.rollover_max {
                self.above_zero(&format!("{key}.rollover_max"), most);
            }
            let (tag, rollover_max) = (count.tag.clone(), count.rollover_max);
            rules.push(CountRule { tag, counts_up: true, rollover_max, to_total, to_good });
        }
        let corrections = [
            ("total_corrections", &own.total_corrections, (1.0, 1.0)),
            ("reject_corrections", &own.reject_corrections, (0.0, -1.0)),
        ];
        for (key, correction, (to_total, to_good)) in corrections {
            let Some(name) = correction else { continue };
            self.tag(&format!("{key}.tag"), &name.tag);
            if !has(&own.total) && !has(&own.good) {
                self.add(key, "there is no count to correct", "name total or good too");
            }
            let (tag, rollover_max) = (name.tag.clone(), None);
            rules.push(CountRule { tag, counts_up: false, rollover_max, to_total, to_good });
        }
        rules
    }

    fn cycle(&mut self, own: &IdealCycle, definition: &OeeDefinition) -> Option<CycleRule> {
        if let Some(seconds) = own.seconds {
            self.above_zero("ideal_cycle.seconds", seconds);
        }
        for (product, seconds) in &own.by_product {
            self.above_zero(&format!("ideal_cycle.by_product.{product}"), *seconds);
        }
        if own.by_product.len() > OEE_PRODUCTS_MAX {
            let reason = format!("there are {}, at most {OEE_PRODUCTS_MAX}", own.by_product.len());
            self.add("ideal_cycle.by_product", reason, "let a tag say it: ideal_cycle.tag");
        }
        if !own.by_product.is_empty() && definition.product.is_none() {
            let hint = "name the tag that says what is made: \"product\": {\"tag\": \"product\"}";
            self.add("ideal_cycle.by_product", "there is no product tag", hint);
        }
        match (&own.tag, own.seconds, own.by_product.is_empty()) {
            (Some(tag), None, true) => {
                self.tag("ideal_cycle.tag", tag);
                Some(CycleRule::Tag { tag: tag.clone(), unit: own.tag_is })
            }
            (None, otherwise, false) => {
                Some(CycleRule::ByProduct { products: own.by_product.clone(), otherwise })
            }
            (None, Some(seconds), true) => Some(CycleRule::Seconds(seconds)),
            _ => {
                let hint = "give seconds, or by_product with seconds for the others, or tag";
                self.add("ideal_cycle", "it says nothing, or two things", hint);
                None
            }
        }
    }
}
