//! Which MQTT topics are stored, under what path, and as what.
//!
//! ```text
//! include = ["#"]                 at least one filter must match …
//! exclude = ["plant/+/debug/#"]   … and none of these; then the first rule that matches counts
//! rule    topic = "umh/v1/+/+/_raw/#"   path = "$1/$2/$3"      each + and # is a group
//! rule    topic = "plant/{line}/{machine}/#"  path = "$line/$machine/$3"  labels = ["line=$line"]
//! rule    pattern = "^tele/(.+)/SENSOR$"  path = "$1"            or a regular expression
//! ```
//!
//! A topic that no rule matches is named as its profile says, else as it is. As in MQTT, a filter that starts with `+` or `#`
//! does not match topics that start with `$`; so `$SYS` is stored only if it is asked for.
//!
//! *Invariant.* Rules that were built cannot fail: every mistake is found by [`Rules::new`], and
//! all of them at once.
//!
//! *Not here.* What is in the payload: see [`crate::payload`].

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;
use regex::{Captures, Regex, RegexBuilder};
use tacitus_model::{Kind, LABELS_MAX, STATES_MAX};

use crate::limits::{TOPIC_PATTERN_BYTES_MAX, TOPIC_RULES_MAX};
use crate::payload::{Choice, Profile};
use filter::Filter;

mod filter;
#[cfg(test)]
mod tests;

/// Topic rules as they stand in the configuration, unchecked.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// MQTT filters of the topics to store.
    pub include: Vec<String>,
    /// MQTT filters of the topics to leave out all the same.
    pub exclude: Vec<String>,
    /// What to do with certain topics; the first that matches counts.
    pub rules: Vec<RuleSpec>,
}

impl Default for Spec {
    fn default() -> Self {
        Self { include: vec!["#".to_owned()], exclude: Vec::new(), rules: Vec::new() }
    }
}

/// One topic rule as it stands in the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleSpec {
    /// An MQTT filter; each `+`, `#` and `{name}` in it is a group, in order. Either this or
    /// `pattern`.
    pub topic: Option<String>,
    /// A regular expression that is searched in the topic.
    pub pattern: Option<String>,
    /// The path instead of the topic: `$1` or `${name}` stand for groups, `$$` for a dollar sign.
    pub path: Option<String>,
    /// The kind of every tag made from these topics.
    pub kind: Option<String>,
    /// The state names of a `state` tag, by index.
    pub states: Vec<String>,
    /// The engineering unit.
    pub unit: Option<String>,
    /// Whether values hold until the next.
    pub step: Option<bool>,
    /// Labels of the tags as `name=value`; groups may stand in the value.
    pub labels: Vec<String>,
    /// The form of the payloads, by the name of a profile.
    pub profile: Option<String>,
    /// The members that are times, best first.
    pub time: Vec<String>,
    /// The members that are the value.
    pub value: Vec<String>,
    /// The members that are qualities.
    pub quality: Vec<String>,
    /// How the name of a tag is made of the path and the members: `{path}/{name}`.
    pub name: Option<String>,
    /// Members that are left out.
    pub ignore: Vec<String>,
    /// The zone of times that name none: `Europe/Berlin`.
    pub zone: Option<String>,
}

/// A mistake in the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is, in the words of the configuration: `include[0]`, `rules[2].pattern`.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.message)
    }
}

/// What a rule fixes for the tags made from its topics, beyond what the payload says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// The kind; `None`: that of the first value.
    pub kind: Option<Kind>,
    /// The state names of a [`Kind::State`] tag.
    pub states: Vec<String>,
    /// The engineering unit; empty: what the payload says.
    pub unit: String,
    /// Whether values hold until the next; `None`: as its kind does.
    pub step: Option<bool>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// How the payloads are read.
    pub choice: Arc<Choice>,
}

/// What is to become of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is not stored.
    Leave,
    /// It is stored.
    Take {
        /// The rule that matched, by its place among the rules; `None` where none did.
        rule: Option<usize>,
        /// The path the rule gives its values; `None`: as the payload's profile names them.
        path: Option<String>,
        /// What the rule fixes.
        form: Form,
    },
}

/// Checked topic rules.
#[derive(Debug, Clone)]
pub struct Rules {
    include: Vec<Filter>,
    exclude: Vec<Filter>,
    mappings: Vec<Mapping>,
}

/// A checked rule.
#[derive(Debug, Clone)]
struct Mapping {
    pattern: Regex,
    /// The template of the path; `None` keeps the topic.
    path: Option<String>,
    /// The form, with templates for unit and labels.
    form: Form,
}

impl Default for Rules {
    fn default() -> Self {
        Self { include: vec![Filter::all()], exclude: Vec::new(), mappings: Vec::new() }
    }
}

impl Rules {
    /// Checks and compiles rules.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn new(spec: &Spec) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        for (name, count) in [
            ("include", spec.include.len()),
            ("exclude", spec.exclude.len()),
            ("rules", spec.rules.len()),
        ] {
            if count > TOPIC_RULES_MAX {
                problems.add(
                    name.to_owned(),
                    format!("{count} entries, more than {TOPIC_RULES_MAX}"),
                    "join several into one with + and #, or with a regular expression",
                );
            }
        }
        let include = problems.filters("include", &spec.include);
        let exclude = problems.filters("exclude", &spec.exclude);
        let mappings = spec
            .rules
            .iter()
            .enumerate()
            .filter_map(|(index, rule)| problems.rule(&format!("rules[{index}]"), rule))
            .collect();
        if problems.0.is_empty() {
            Ok(Self { include, exclude, mappings })
        } else {
            Err(problems.0)
        }
    }

    /// What is to become of a topic.
    #[must_use]
    pub fn apply(&self, topic: &str) -> Verdict {
        let any = |filters: &[Filter]| filters.iter().any(|filter| filter.matches(topic));
        if !any(&self.include) || any(&self.exclude) {
            return Verdict::Leave;
        }
        for (rule, mapping) in self.mappings.iter().enumerate() {
            let Some(groups) = mapping.pattern.captures(topic) else { continue };
            let path = mapping.path.as_deref().map(|template| expand(&groups, template));
            let form = mapping.form.filled(&groups);
            return Verdict::Take { rule: Some(rule), path, form };
        }
        Verdict::Take { rule: None, path: None, form: Form::default() }
    }
}

fn expand(groups: &Captures<'_>, template: &str) -> String {
    let mut text = String::new();
    groups.expand(template, &mut text);
    text
}

impl Form {
    /// The form with the groups of a topic in its templates.
    fn filled(&self, groups: &Captures<'_>) -> Self {
        let label = |(name, value): &(String, String)| (name.clone(), expand(groups, value));
        Self {
            unit: expand(groups, &self.unit),
            labels: self.labels.iter().map(label).collect(),
            ..self.clone()
        }
    }
}

/// The mistakes found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, place: String, message: String, hint: &'static str) {
        self.0.push(Problem { place, message, hint });
    }

    fn filters(&mut self, name: &str, filters: &[String]) -> Vec<Filter> {
        let mut checked = Vec::with_capacity(filters.len());
        for (index, text) in filters.iter().enumerate() {
            match Filter::new(text) {
                Ok(filter) => checked.push(filter),
                Err(error) => {
                    self.add(
                        format!("{name}[{index}]"),
                        format!("\"{text}\" {error}"),
                        error.hint(),
                    );
                }
            }
        }
        checked
    }

    fn rule(&mut self, place: &str, spec: &RuleSpec) -> Option<Mapping> {
        let before = self.0.len();
        let pattern = self.pattern(place, spec);
        if let (Some(pattern), Some(path)) = (&pattern, &spec.path) {
            self.path(place, pattern, path);
        }
        let form = self.form(place, spec);
        if let Some(pattern) = &pattern {
            self.groups(&format!("{place}.unit"), pattern, &form.unit);
            for (_, value) in &form.labels {
                self.groups(&format!("{place}.labels"), pattern, value);
            }
        }
        let pattern = pattern?;
        (self.0.len() == before).then(|| Mapping { pattern, path: spec.path.clone(), form })
    }

    fn pattern(&mut self, place: &str, spec: &RuleSpec) -> Option<Regex> {
        let text = match (&spec.topic, &spec.pattern) {
            (Some(topic), None) => match Filter::pattern_of(topic) {
                Ok(pattern) => pattern,
                Err(error) => {
                    let message = format!("\"{topic}\" {error}");
                    self.add(format!("{place}.topic"), message, error.hint());
                    return None;
                }
            },
            (None, Some(pattern)) => pattern.clone(),
            _ => {
                self.add(
                    place.to_owned(),
                    "needs either topic or pattern".to_owned(),
                    "topic is an MQTT filter, pattern a regular expression; give one of them",
                );
                return None;
            }
        };
        match RegexBuilder::new(&text).size_limit(TOPIC_PATTERN_BYTES_MAX).build() {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                // The last line says what is wrong; those before draw a picture of where.
                let message = error.to_string();
                let message = message.lines().last().unwrap_or_default().trim().to_owned();
                self.add(
                    format!("{place}.pattern"),
                    format!("\"{text}\": {message}"),
                    "see the syntax of the Rust regex crate; a literal . or $ is written \\. or \\$",
                );
                None
            }
        }
    }

    /// Every group that a template names must exist, or the path would silently lose a part.
    fn path(&mut self, place: &str, pattern: &Regex, template: &str) {
        if template.is_empty() {
            self.add(
                format!("{place}.path"),
                "is empty".to_owned(),
                "leave path out to keep the topic",
            );
        }
        self.groups(&format!("{place}.path"), pattern, template);
    }

    fn groups(&mut self, place: &str, pattern: &Regex, template: &str) {
        for name in groups(template) {
            let known = match name.parse::<usize>() {
                Ok(number) => number < pattern.captures_len(),
                Err(_) => pattern.capture_names().flatten().any(|known| known == name),
            };
            if !known {
                self.add(
                    place.to_owned(),
                    format!("\"{template}\" names the group \"{name}\", which does not exist"),
                    "each + and # of topic, or each (…) of pattern, is $1, $2, …; write ${1}x for $1 before a letter",
                );
            }
        }
    }

    fn form(&mut self, place: &str, spec: &RuleSpec) -> Form {
        let kind = spec.kind.as_deref().and_then(|name| {
            let kind = Kind::from_name(name);
            if kind.is_none() {
                self.add(
                    format!("{place}.kind"),
                    format!("\"{name}\" is no kind"),
                    "use float, int, bool, state or text",
                );
            }
            kind
        });
        let states = spec.states.len();
        if kind == Some(Kind::State) && states == 0 {
            self.add(
                format!("{place}.states"),
                "is missing for kind state".to_owned(),
                "list the names by index, for example [\"idle\", \"run\", \"fault\"]",
            );
        } else if kind != Some(Kind::State) && states > 0 {
            self.add(
                format!("{place}.states"),
                "is of use for kind state only".to_owned(),
                "add kind = \"state\" or take states away",
            );
        } else if states > STATES_MAX {
            self.add(
                format!("{place}.states"),
                format!("{states} names, more than {STATES_MAX}"),
                "use kind = \"int\" for codes of many values",
            );
        }
        let unit = spec.unit.clone().unwrap_or_default();
        let labels = self.labels(place, &spec.labels);
        let choice = Arc::new(self.choice(place, spec));
        Form { kind, states: spec.states.clone(), unit, step: spec.step, labels, choice }
    }

    fn labels(&mut self, place: &str, labels: &[String]) -> Vec<(String, String)> {
        if labels.len() > LABELS_MAX {
            self.add(
                format!("{place}.labels"),
                format!("{} labels, more than {LABELS_MAX}", labels.len()),
                "keep those that people search by",
            );
        }
        let mut checked = Vec::with_capacity(labels.len());
        for label in labels {
            match label.split_once('=') {
                Some((name, value)) if !name.is_empty() => {
                    checked.push((name.to_owned(), value.to_owned()));
                }
                _ => self.add(
                    format!("{place}.labels"),
                    format!("\"{label}\" has no name or no ="),
                    "write a label as name=value, for example \"line=$line\"",
                ),
            }
        }
        checked
    }

    fn choice(&mut self, place: &str, spec: &RuleSpec) -> Choice {
        let profile = spec.profile.as_deref().and_then(|name| {
            let profile = Profile::from_name(name);
            if profile.is_none() {
                self.add(
                    format!("{place}.profile"),
                    format!("\"{name}\" is no profile"),
                    "docs/ingest.md lists the profiles; leave it out to have it recognised",
                );
            }
            profile
        });
        let zone = spec.zone.as_deref().and_then(|name| {
            let zone = name.parse::<Tz>().ok();
            if zone.is_none() {
                self.add(
                    format!("{place}.zone"),
                    format!("\"{name}\" is no time zone"),
                    "use a name of the IANA list such as Europe/Berlin, or UTC",
                );
            }
            zone
        });
        Choice {
            profile,
            time: spec.time.clone(),
            value: spec.value.clone(),
            quality: spec.quality.clone(),
            name: spec.name.clone(),
            ignore: spec.ignore.clone(),
            zone,
        }
    }
}

/// The names of the groups in a template, as [`regex::Captures::expand`] reads it.
fn groups(template: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
        } else if let Some((name, behind)) =
            after.strip_prefix('{').and_then(|inner| inner.split_once('}'))
        {
            names.push(name);
            rest = behind;
        } else {
            let end = after
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(after.len());
            let (name, behind) = after.split_at(end);
            if !name.is_empty() {
                names.push(name);
            }
            rest = behind;
        }
    }
    names
}
