//! Which tags an argument names.
//!
//! | text | tags |
//! |---|---|
//! | `plant/line1/oven` | the one of this name, an alias, or a name it had |
//! | `plant/*/oven`, `plant/**`, `{a,b}/x` | a glob over the path |
//! | `plant/line1/` | all below |
//! | `asset:plant/line1`, `asset:plant/*/filler` | of the asset, or those a glob matches, and all below |
//! | `~expression` or `regex:expression` | a regular expression found in the path |
//! | `label:key=value`, `label:key` | with this label |
//! | `kind:float`, `unit:degC`, `source:mqtt` | of this kind, unit, source |
//!
//! A list selects what any of its texts does.
//!
//! *Invariant.* A name that leads nowhere is an error, a pattern that finds nothing is not. The
//! tags come sorted by path, each once.

use std::sync::Arc;

use datafusion::error::Result;
use tacitus_model::{Kind, Tag};
use tacitus_storage::{Glob, Snapshot, TagQuery};

use crate::error::{QueryError, SqlState, nearest};
use crate::plant::{ASSET_LABEL, Places};

/// Names that are compared with one that is not there. LIMIT: a hint is worth a millisecond.
const NAMES_COMPARED_MAX: usize = 4096;

/// What begins a text that names assets.
const ASSET: &str = "asset:";

/// What makes a pattern of a text.
const WILD: [char; 3] = ['*', '?', '{'];

/// The tags that texts name.
pub(super) fn select(places: &Places, texts: &[String]) -> Result<Vec<Arc<Tag>>> {
    let snapshot = places.snapshot();
    let mut tags = Vec::new();
    for text in texts {
        match snapshot.find(text) {
            Some(tag) => tags.push(tag),
            None if text.starts_with(ASSET) => {
                tags.extend(of_assets(places, text.trim_start_matches(ASSET))?);
            }
            None => match pattern(text)? {
                Some(query) => tags.extend(matching(snapshot, &query)?),
                None => return Err(unknown(snapshot, text).into()),
            },
        }
    }
    tags.sort_unstable_by(|a, b| a.definition.path.cmp(&b.definition.path));
    tags.dedup_by_key(|tag| tag.id);
    Ok(tags)
}

/// The tag that a name leads to.
pub(super) fn one(snapshot: &Snapshot, name: &str) -> Result<Arc<Tag>> {
    Ok(snapshot.find(name).ok_or_else(|| unknown(snapshot, name))?)
}

/// The tags of assets, and of all below them.
fn of_assets(places: &Places, pattern: &str) -> Result<Vec<Arc<Tag>>> {
    let pattern = pattern.strip_suffix("/**").unwrap_or(pattern).trim_end_matches('/');
    let labelled = TagQuery::HasLabel(ASSET_LABEL.to_owned());
    let patterned = pattern.contains(WILD);
    let by_path = if patterned {
        let below = TagQuery::Glob(format!("{pattern}/**"));
        vec![TagQuery::Glob(pattern.to_owned()), below, labelled]
    } else {
        let below = TagQuery::Prefix(format!("{pattern}/"));
        vec![TagQuery::Name(pattern.to_owned()), below, labelled]
    };
    let mut tags = matching(places.snapshot(), &TagQuery::AnyOf(by_path))?;
    if patterned {
        let glob = Glob::new(pattern).map_err(|error| {
            let state = SqlState::INVALID_PARAMETER_VALUE;
            QueryError::new(state, error.to_string()).with_hint(error.hint())
        })?;
        let plant = places.plant();
        tags.retain(|tag| {
            let own = places.of_tag(tag).map_or("", |asset| asset.path.as_str());
            plant.upward(own).any(|asset| glob.matches(&asset.path))
        });
        return Ok(tags);
    }
    let within = |path: &str| {
        let rest = path.strip_prefix(pattern);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    tags.retain(|tag| {
        // Where nobody defined assets, the path alone says it.
        let labelled = places.labelled(tag).map(|asset| asset.path.as_str());
        within(labelled.unwrap_or(tag.definition.path.as_str()))
    });
    Ok(tags)
}

fn matching(snapshot: &Snapshot, query: &TagQuery) -> Result<Vec<Arc<Tag>>> {
    snapshot.select(query).map_err(|error| {
        let state = match query {
            TagQuery::Regex(_) => SqlState::INVALID_REGULAR_EXPRESSION,
            _ => SqlState::INVALID_PARAMETER_VALUE,
        };
        QueryError::new(state, error.to_string()).with_hint(error.hint()).into()
    })
}

/// What a text asks for, if it is not a plain name.
fn pattern(text: &str) -> Result<Option<TagQuery>> {
    if let Some(expression) = text.strip_prefix('~') {
        return Ok(Some(TagQuery::Regex(expression.to_owned())));
    }
    if let Some((key, value)) = text.split_once(':')
        && let Some(query) = keyed(key, value)?
    {
        return Ok(Some(query));
    }
    if text.contains(WILD) {
        return Ok(Some(TagQuery::Glob(text.to_owned())));
    }
    Ok(text.ends_with('/').then(|| TagQuery::Prefix(text.to_owned())))
}

fn keyed(key: &str, value: &str) -> Result<Option<TagQuery>> {
    Ok(Some(match key {
        "regex" => TagQuery::Regex(value.to_owned()),
        "label" => match value.split_once('=') {
            Some((key, value)) => TagQuery::Label { key: key.to_owned(), value: value.to_owned() },
            None => TagQuery::HasLabel(value.to_owned()),
        },
        "unit" => TagQuery::Unit(value.to_owned()),
        "source" => TagQuery::Source(value.to_owned()),
        "kind" => TagQuery::Kind(Kind::from_name(value).ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            let what = format!("there is no kind \"{value}\"");
            QueryError::new(SqlState::INVALID_PARAMETER_VALUE, what)
                .with_hint(format!("there are: {names}"))
        })?),
        _ => return Ok(None),
    }))
}

fn unknown(snapshot: &Snapshot, name: &str) -> QueryError {
    let error = QueryError::new(
        SqlState::INVALID_PARAMETER_VALUE,
        format!("tag \"{name}\" does not exist"),
    );
    let near = near(snapshot, name);
    match nearest(name, near.iter().map(|tag| tag.definition.path.as_str())) {
        Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
        None => error.with_hint("SELECT name FROM tags lists them; patterns are 'plant/**'"),
    }
}

/// Tags in the same place, or else of the same last name.
fn near(snapshot: &Snapshot, name: &str) -> Vec<Arc<Tag>> {
    let (place, last) = name.rsplit_once('/').unwrap_or(("", name));
    let plain = |text: &str| !text.contains(['*', '?', '{', '\\']);
    let mut queries = vec![TagQuery::Prefix(format!("{place}/"))];
    if plain(last) {
        queries.push(TagQuery::Glob(format!("**/{last}")));
    }
    if let Some((above, _)) = place.rsplit_once('/') {
        queries.push(TagQuery::Prefix(format!("{above}/")));
    }
    queries.push(TagQuery::All);
    let found = queries.iter().filter_map(|query| snapshot.select_ids(query).ok());
    let mut tags = Vec::new();
    for ids in found {
        let left = NAMES_COMPARED_MAX.saturating_sub(tags.len());
        tags.extend(ids.into_iter().take(left).filter_map(|id| snapshot.tag(id)));
    }
    tags
}
