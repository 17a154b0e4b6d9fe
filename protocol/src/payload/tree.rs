//! The walk over a JSON tree: every leaf a point under the names that lead to it.
//!
//! *Invariant.* A path never grows beyond what a tag can have: a member that would is refused
//! before it is copied.
//!
//! *Not here.* Forms that name their values otherwise: each profile walks its own envelope and
//! hands the parts to this tree.

use std::sync::Arc;

use tacitus_model::{PATH_BYTES_MAX, Quality, Timestamp, Value};

use super::choice::fill;
use super::role::{self, Quoted, Role, TimeReading};
use super::{Base, Choice, Refusal, checked_text};
use crate::Point;
use crate::json::Json;

/// The members of an object.
pub(super) type Members<'a> = [(std::borrow::Cow<'a, str>, Json<'a>)];

/// The labels of a point.
pub(super) type Labels = Arc<[(String, String)]>;

/// What an object hands down to everything inside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) ts: Option<Timestamp>,
    pub(super) quality: Quality,
}

impl Default for Origin {
    fn default() -> Self {
        Self { ts: None, quality: Quality::GOOD }
    }
}

/// The walk: where it stands, and what it found.
pub(super) struct Tree<'c> {
    pub(super) path: String,
    /// How much of the path is the base, in bytes.
    base_bytes: usize,
    pub(super) labels: Labels,
    pub(super) choice: &'c Choice,
    /// The template of names, its members filled in.
    name: Option<&'c str>,
    /// Members that a profile knows to say nothing, by their plain names, at any depth.
    pub(super) ignored: &'static [&'static str],
    pub(super) points: Vec<Point>,
}

impl<'c> Tree<'c> {
    pub(super) fn new(base: &Base, choice: &'c Choice, name: Option<&'c str>) -> Self {
        Self {
            path: base.path.clone(),
            base_bytes: base.path.len(),
            labels: base.labels.as_slice().into(),
            choice,
            name,
            ignored: &[],
            points: Vec::new(),
        }
    }

    /// Walks with these labels beside those of the base.
    pub(super) fn with_label(
        &mut self,
        name: &str,
        value: Option<&str>,
        walk: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let Some(value) = value else { return walk(self) };
        let mut labels = self.labels.to_vec();
        labels.push((name.to_owned(), value.to_owned()));
        let before = std::mem::replace(&mut self.labels, labels.into());
        let done = walk(self);
        self.labels = before;
        done
    }

    /// Every element of a list at the top is a message, as if it had come alone.
    pub(super) fn messages(&mut self, json: &Json<'_>) -> Result<(), Refusal> {
        let Json::Array(messages) = json else {
            return match (json, role::own_name(json)) {
                // A value that has a topic of its own is named by it.
                (Json::Object(members), Some(name)) if self.is_own_topic(name) => {
                    self.object(members, Origin::default(), role::NAME_NAMES)
                }
                (Json::Object(members), Some(name)) => self.named(name, members),
                _ => self.node(json, Origin::default()),
            };
        };
        if messages.iter().all(|own| role::pair(own).is_some()) {
            return self.array(messages, Origin::default());
        }
        for (index, message) in messages.iter().enumerate() {
            match (message, role::own_name(message)) {
                (Json::Object(members), Some(name)) => self.named(name, members)?,
                (Json::Object(_), None) => self.node(message, Origin::default())?,
                (other, _) => self.member(&index.to_string(), other, Origin::default())?,
            }
        }
        Ok(())
    }

    fn is_own_topic(&self, name: &str) -> bool {
        self.path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    }

    /// An object that says which of several values it is.
    fn named(&mut self, name: &str, members: &Members<'_>) -> Result<(), Refusal> {
        self.under(name, |tree| tree.object(members, Origin::default(), role::NAME_NAMES))
    }

    pub(super) fn node(&mut self, json: &Json<'_>, origin: Origin) -> Result<(), Refusal> {
        match json {
            Json::Object(members) => self.object(members, origin, &[]),
            Json::Array(elements) => self.array(elements, origin),
            Json::Null => {
                self.leaf(Value::Null, origin, String::new());
                Ok(())
            }
            Json::Text(text) => {
                self.leaf(checked_text(text)?, origin, String::new());
                Ok(())
            }
            scalar => {
                if let Some(value) = scalar.value() {
                    self.leaf(value, origin, String::new());
                }
                Ok(())
            }
        }
    }

    /// One level deeper under `name`.
    pub(super) fn member(
        &mut self,
        name: &str,
        json: &Json<'_>,
        origin: Origin,
    ) -> Result<(), Refusal> {
        self.under(name, |tree| tree.node(json, origin))
    }

    /// Walks one level deeper under `name`, or where it stands if that is empty.
    pub(super) fn under(
        &mut self,
        name: &str,
        walk: impl FnOnce(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let parent_bytes = self.path.len();
        // LIMIT: each point copies the path, so an endless name would multiply.
        if parent_bytes + 1 + name.len() > PATH_BYTES_MAX {
            return Err(Refusal::PathTooLong);
        }
        if !self.path.is_empty() && !name.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
        let done = walk(self);
        self.path.truncate(parent_bytes);
        done
    }

    pub(super) fn leaf(&mut self, value: Value, origin: Origin, unit: String) {
        let quality = match value {
            Value::Null if !origin.quality.is_bad() => Quality::BAD_NO_DATA,
            Value::Float(number) if !number.is_finite() && origin.quality.is_good() => {
                Quality::BAD_OUT_OF_RANGE
            }
            _ => origin.quality,
        };
        let path = match self.name {
            Some(template) => {
                let (base, name) = self.path.split_at(self.base_bytes.min(self.path.len()));
                fill(template, base, name.trim_start_matches('/'))
            }
            None => self.path.clone(),
        };
        let point = Point::new(path, value).at(origin.ts).with_quality(quality);
        self.points.push(Point { unit, labels: Arc::clone(&self.labels), ..point });
    }

    /// Walks an object; members whose plain name is among `ignored` say nothing here.
    pub(super) fn object(
        &mut self,
        members: &Members<'_>,
        outer: Origin,
        ignored: &[&str],
    ) -> Result<(), Refusal> {
        let kept: Vec<_> =
            members.iter().filter(|(name, _)| !self.is_ignored(name, ignored)).collect();
        let roles: Vec<Role<'_>> = kept
            .iter()
            .map(|(name, json)| role::of(name, json, self.choice))
            .collect::<Result<_, _>>()?;
        let ts = match role::time(&roles) {
            Some(TimeReading::At(ts)) => Some(ts),
            Some(TimeReading::Arrival) => None,
            None => outer.ts,
        };
        if let Some(one) = Quoted::of(&roles) {
            let quality = one.quality.unwrap_or(outer.quality);
            if let Value::Text(text) = &one.value {
                checked_text(text)?;
            }
            self.leaf(one.value, Origin { ts, quality }, one.unit.to_owned());
            return Ok(());
        }
        // An array that is the one value of its object is one like any other.
        if let Some(place) = role::array_quoted(&kept, &roles) {
            let quality = roles.iter().find_map(Role::quality).unwrap_or(outer.quality);
            let value = kept.get(place).map_or(&Json::Null, |(_, json)| json);
            return self.node(value, Origin { ts, quality });
        }
        let quality = roles.iter().find_map(Role::quality_word).unwrap_or(outer.quality);
        for ((name, json), role) in kept.into_iter().zip(&roles) {
            if role.is_leaf_among_others() {
                self.member(name, json, Origin { ts, quality })?;
            }
        }
        Ok(())
    }

    fn is_ignored(&self, name: &str, ignored: &[&str]) -> bool {
        let plain = role::plain(name);
        let listed = |names: &[&str]| names.contains(&plain.as_str());
        if listed(ignored) || listed(self.ignored) {
            return true;
        }
        let by_rule = &self.choice.ignore;
        if by_rule.is_empty() {
            return false;
        }
        let here = self.path.get(self.base_bytes..).unwrap_or_default().trim_start_matches('/');
        let whole = super::under(here, name);
        by_rule.contains(&whole)
    }

    /// Objects that each carry their own time, and pairs of a time and a value, are samples of what
    /// the array is named after; anything else is a row of separate things.
    fn array(&mut self, elements: &[Json<'_>], origin: Origin) -> Result<(), Refusal> {
        if elements.iter().all(|element| role::pair(element).is_some()) {
            for (ts, value) in elements.iter().filter_map(role::pair) {
                self.node(value, Origin { ts: Some(ts), ..origin })?;
            }
            return Ok(());
        }
        for (index, element) in elements.iter().enumerate() {
            if let (Json::Object(members), Some(name)) = (element, role::own_name(element)) {
                self.under(name, |tree| tree.object(members, origin, role::NAME_NAMES))?;
            } else if role::is_dated(element, self.choice)? {
                self.node(element, origin)?;
            } else {
                self.member(&index.to_string(), element, origin)?;
            }
        }
        Ok(())
    }
}
