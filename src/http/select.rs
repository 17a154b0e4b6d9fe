//! Which tags a request means.
//!
//! | parameter | selects tags |
//! |---|---|
//! | `tag=PATH` | that this name leads to |
//! | `glob=PATTERN` | whose path matches: `*` within a level, `**` across levels, `?`, `{a,b}` |
//! | `asset=PATH` | of the asset of this path, and of all below it |
//! | `prefix=TEXT`, `regex=EXPRESSION` | whose path begins so, or has a match |
//! | `label=KEY=VALUE`, `label=KEY` | with this label |
//! | `kind=`, `unit=`, `source=` | of this kind, unit, source |
//!
//! *Invariant.* Several names, patterns and assets select what any of them does; of these, labels, kind,
//! unit and source keep what all of them name. Without any parameter, every tag is meant.

use axum::http::StatusCode;
use tacitus_model::Kind;
use tacitus_query::plant::tags_within;
use tacitus_storage::TagQuery;

use super::{Facts, Problem};

/// What a request said of tags so far.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    any: Vec<TagQuery>,
    assets: Vec<String>,
    all: Vec<TagQuery>,
}

impl Selection {
    /// Takes a parameter; whether it is one about tags.
    pub(crate) fn take(&mut self, name: &str, value: &str) -> Result<bool, Problem> {
        let value = || value.to_owned();
        match name {
            "tag" => self.any.push(TagQuery::Name(value())),
            "glob" => self.any.push(TagQuery::Glob(value())),
            "asset" => self.assets.push(value()),
            "prefix" => self.any.push(TagQuery::Prefix(value())),
            "regex" => self.any.push(TagQuery::Regex(value())),
            "label" => self.all.push(match value().split_once('=') {
                Some((key, value)) => {
                    TagQuery::Label { key: key.to_owned(), value: value.to_owned() }
                }
                None => TagQuery::HasLabel(value()),
            }),
            "kind" => self.all.push(TagQuery::Kind(kind(&value())?)),
            "unit" => self.all.push(TagQuery::Unit(value())),
            "source" => self.all.push(TagQuery::Source(value())),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The tags it means.
    pub(super) fn query(self, facts: &Facts) -> TagQuery {
        let (plant, snapshot) = (facts.plants.now(), facts.engine.snapshot());
        self.query_with(|path| tags_within(&plant, &snapshot, path))
    }

    /// The tags it means, where `within` says which ones an asset has.
    pub(crate) fn query_with(self, within: impl Fn(&str) -> TagQuery) -> TagQuery {
        let Self { mut any, assets, mut all } = self;
        any.extend(assets.iter().map(|path| within(path)));
        if !any.is_empty() {
            all.push(TagQuery::AnyOf(any));
        }
        if all.is_empty() { TagQuery::All } else { TagQuery::AllOf(all) }
    }
}

/// A parameter that no route of this path knows.
pub(super) fn unknown(name: &str, known: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("there is no parameter \"{name}\""))
        .hint(format!("the parameters are {known}"))
}

fn kind(name: &str) -> Result<Kind, Problem> {
    let kinds = [Kind::Float, Kind::Int, Kind::Bool, Kind::State, Kind::Text];
    kinds.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, format!("\"{name}\" is no kind"))
            .hint("the kinds are float, int, bool, state and text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_add_up_and_conditions_narrow() {
        let of = |parameters: &[(&str, &str)]| {
            let mut selection = Selection::default();
            for (name, value) in parameters {
                assert!(selection.take(name, value).unwrap(), "{name}");
            }
            selection.query_with(|path| TagQuery::Prefix(format!("{path}/")))
        };
        assert_eq!(of(&[]), TagQuery::All);
        let label = TagQuery::Label { key: "line".into(), value: "1=2".into() };
        let any = TagQuery::AnyOf(vec![TagQuery::Name("a".into()), TagQuery::Glob("b/*".into())]);
        let want = TagQuery::AllOf(vec![label, any]);
        assert_eq!(
            of(&[("asset", "a")]),
            TagQuery::AllOf(vec![TagQuery::AnyOf(vec![TagQuery::Prefix("a/".into())])])
        );
        assert_eq!(of(&[("tag", "a"), ("label", "line=1=2"), ("glob", "b/*")]), want);
        assert!(!Selection::default().take("limit", "5").unwrap());
        assert!(Selection::default().take("kind", "complex").is_err());
    }
}
