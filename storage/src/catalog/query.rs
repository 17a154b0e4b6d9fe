//! Which tags: conditions on path, labels and kind, and how they are put together.
//!
//! ```text
//! label, unit, kind …  ─▶ bitmap of ids ┐
//! prefix, glob, regex  ─▶ index of paths ┴─▶ and, or, not ─▶ tags that exist at the sequence
//! ```
//! Conditions with a bitmap of their own come first; where few tags are left, the pattern is tried
//! on their paths instead of searched for in all.
//!
//! *Invariant.* The catalog is locked only for moments, however many tags there are, so that a
//! search never keeps samples from coming in.

use roaring::RoaringBitmap;
use tacitus_model::{Kind, TagId};

use crate::catalog::Catalog;
use crate::catalog::pattern::Pattern;
use crate::catalog::tags::Tags;
use crate::catalog::terms::Field;
use crate::error::{Error, ErrorKind};
use crate::limits::{TAG_CONDITIONS_DEEP_MAX, TAG_CONDITIONS_MAX};

/// A condition on tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagQuery {
    /// Every tag.
    All,
    /// The tag that this name leads to: its path, an alias, or a path it had.
    Name(String),
    /// Tags whose path begins so.
    Prefix(String),
    /// Tags whose whole path matches: `*` any characters of a level, `**` any characters, `?` one
    /// character of a level, `{a,b}` either, `\` before a character that stands for itself.
    Glob(String),
    /// Tags in whose path a regular expression is found.
    Regex(String),
    /// Tags with this label.
    Label {
        /// The label's key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Tags with a label of this key.
    HasLabel(String),
    /// Tags of this kind.
    Kind(Kind),
    /// Tags with this engineering unit; empty: without one.
    Unit(String),
    /// Tags with this source.
    Source(String),
    /// Tags of this retention class; empty: of the usual one.
    Retention(String),
    /// Tags for which this is not so.
    Not(Box<Self>),
    /// Tags for which all of these are so.
    AllOf(Vec<Self>),
    /// Tags for which one of these is so.
    AnyOf(Vec<Self>),
}

/// Of how many tags the locked catalog is asked at once. LIMIT: some fifty microseconds.
const PIECE: usize = 512;

/// A pattern is tried on the paths of the tags left, where they are at most this part of all.
const TRIED_PART: u64 = 8;

impl Catalog {
    /// The ids of the tags that exist at a sequence and pass a query.
    pub(crate) fn select(&self, query: &TagQuery, sequence: u64) -> Result<RoaringBitmap, Error> {
        check(query, &mut 0, 0)?;
        let exist = Tags::all(self.exist(sequence));
        self.pass(query, &exist)
    }

    /// Those of some tags that pass.
    fn pass(&self, query: &TagQuery, among: &RoaringBitmap) -> Result<RoaringBitmap, Error> {
        let term = |field, key, value| Ok(self.tags_of(field, key, value) & among);
        match query {
            TagQuery::All => Ok(among.clone()),
            TagQuery::Name(name) => {
                let found: RoaringBitmap = self.find_id(name).map(|id| id.0).into_iter().collect();
                Ok(found & among)
            }
            TagQuery::Prefix(prefix) => Ok(self.match_paths(&Pattern::prefix(prefix), among)),
            TagQuery::Glob(glob) => Ok(self.match_paths(&Pattern::glob(glob)?, among)),
            TagQuery::Regex(expression) => {
                Ok(self.match_paths(&Pattern::regex(expression)?, among))
            }
            TagQuery::Label { key, value } => term(Field::Label, key, value),
            TagQuery::HasLabel(key) => term(Field::Key, key, ""),
            TagQuery::Kind(kind) => term(Field::Kind, "", kind.name()),
            TagQuery::Unit(unit) => term(Field::Unit, "", unit),
            TagQuery::Source(source) => term(Field::Source, "", source),
            TagQuery::Retention(class) => term(Field::Retention, "", class),
            TagQuery::Not(other) => Ok(among - self.pass(other, among)?),
            TagQuery::AllOf(queries) => {
                let mut queries: Vec<&TagQuery> = queries.iter().collect();
                queries.sort_by_key(|query| cost(query));
                queries.into_iter().try_fold(among.clone(), |left, query| self.pass(query, &left))
            }
            TagQuery::AnyOf(queries) => queries
                .iter()
                .try_fold(RoaringBitmap::new(), |some, query| Ok(some | self.pass(query, among)?)),
        }
    }

    fn match_paths(&self, pattern: &Pattern, among: &RoaringBitmap) -> RoaringBitmap {
        if !pattern.is_searchable() || among.len() * TRIED_PART <= self.len() as u64 {
            let among: Vec<u32> = among.iter().collect();
            return self.try_paths(pattern, &among);
        }
        let view = self.paths();
        let mut found = self.try_paths(pattern, &view.fresh);
        for level in &view.levels {
            if view.stale {
                let mut claims: Vec<(Box<[u8]>, u32)> = Vec::new();
                pattern.search(level, |path, id| claims.push((path.into(), id)));
                found.extend(self.confirmed(&claims));
            } else {
                let mut ids = Vec::new();
                pattern.search(level, |_, id| ids.push(id));
                found.extend(ids);
            }
        }
        found & among
    }

    /// Those of some tags whose path matches.
    fn try_paths(&self, pattern: &Pattern, ids: &[u32]) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for piece in ids.chunks(PIECE) {
            let inner = self.read();
            let path = |id: u32| inner.tags.path(TagId(id));
            let matches = |id: &u32| path(*id).is_some_and(|path| pattern.matches(path));
            found.extend(piece.iter().copied().filter(matches));
        }
        found
    }

    /// The ids of tags that still have the path they were found by.
    fn confirmed(&self, claims: &[(Box<[u8]>, u32)]) -> RoaringBitmap {
        let mut confirmed = RoaringBitmap::new();
        for piece in claims.chunks(PIECE) {
            let inner = self.read();
            let holds = |(path, id): &&(Box<[u8]>, u32)| {
                inner.tags.path(TagId(*id)).is_some_and(|own| own.as_bytes() == &**path)
            };
            confirmed.extend(piece.iter().filter(holds).map(|(_, id)| *id));
        }
        confirmed
    }
}

/// What comes first.
fn cost(query: &TagQuery) -> u8 {
    match query {
        TagQuery::Name(_) => 0,
        TagQuery::Prefix(_) => 2,
        TagQuery::Glob(_) | TagQuery::Regex(_) => 3,
        TagQuery::Not(other) => cost(other),
        TagQuery::AllOf(queries) | TagQuery::AnyOf(queries) => {
            queries.iter().map(cost).max().unwrap_or_default()
        }
        _ => 1,
    }
}

/// Refuses a query with too many conditions, or too deep.
fn check(query: &TagQuery, conditions: &mut usize, depth: usize) -> Result<(), Error> {
    *conditions += 1;
    if *conditions > TAG_CONDITIONS_MAX || depth > TAG_CONDITIONS_DEEP_MAX {
        let what = format!(
            "a query has more than {TAG_CONDITIONS_MAX} conditions, or more than \
             {TAG_CONDITIONS_DEEP_MAX} within each other"
        );
        return Err(Error::new(ErrorKind::Invalid, what, "ask for fewer things at once"));
    }
    match query {
        TagQuery::Not(other) => check(other, conditions, depth + 1),
        TagQuery::AllOf(queries) | TagQuery::AnyOf(queries) => {
            queries.iter().try_for_each(|query| check(query, conditions, depth + 1))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
