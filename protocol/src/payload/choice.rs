//! What a rule says of the form of the payloads under its topics.
//!
//! *Invariant.* A choice that was checked cannot fail by itself; only a payload can fail it.

use std::borrow::Cow;

use chrono_tz::Tz;
use tacitus_model::Value;

use super::{Profile, Refusal};
use crate::json::Json;

/// Overrides of what is recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The form of the payload; `None`: recognised from topic and payload.
    pub profile: Option<Profile>,
    /// The members that are times, best first; empty: the usual names.
    pub time: Vec<String>,
    /// The members that are the value; empty: the usual names.
    pub value: Vec<String>,
    /// The members that are qualities; empty: the usual names.
    pub quality: Vec<String>,
    /// How a path is made: `{path}` is what the topic became, `{name}` the members that lead to
    /// the value joined with `/`, any other `{word}` a member of the payload.
    pub name: Option<String>,
    /// Members that are left out, as paths below the topic.
    pub ignore: Vec<String>,
    /// The zone of times that name none.
    pub zone: Option<Tz>,
}

impl Choice {
    /// The template of names with the members of this payload filled in.
    pub(super) fn name_of(&self, json: &Json<'_>) -> Result<Option<String>, Refusal> {
        let Some(template) = &self.name else { return Ok(None) };
        let mut filled = String::new();
        for (literal, word) in parts(template) {
            filled.push_str(literal);
            match word {
                None => {}
                Some(word @ ("path" | "name")) => {
                    filled.extend(["{", word, "}"]);
                }
                Some(word) => {
                    let text = json.member(word).and_then(Json::value).and_then(text);
                    let text = text.ok_or_else(|| Refusal::NameMissing(word.to_owned()))?;
                    // A brace of the payload is no place to fill.
                    filled.push_str(&text.replace(['{', '}'], "_"));
                }
            }
        }
        Ok(Some(filled))
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) if !text.is_empty() => Some(text.into()),
        Value::Float(number) => Some(number.to_string()),
        Value::Int(number) => Some(number.to_string()),
        Value::Bool(fact) => Some(fact.to_string()),
        _ => None,
    }
}

/// A template with its two own words filled in; levels that come out empty are left out.
pub(super) fn fill(template: &str, path: &str, name: &str) -> String {
    let mut filled = String::new();
    for (literal, word) in parts(template) {
        filled.push_str(literal);
        filled.push_str(match word {
            Some("path") => path,
            Some("name") => name,
            _ => "",
        });
    }
    let doubled: Cow<'_, str> = filled.as_str().into();
    doubled.split('/').filter(|level| !level.is_empty()).collect::<Vec<_>>().join("/")
}

/// A template as pairs of a literal and the word in braces after it.
pub(crate) fn parts(template: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let mut rest = Some(template);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some((literal, after)) = text.split_once('{') else { return Some((text, None)) };
        match after.split_once('}') {
            Some((word, behind)) => {
                rest = Some(behind);
                Some((literal, Some(word)))
            }
            None => Some((text, None)),
        }
    })
}
