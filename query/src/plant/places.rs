//! To which asset a tag belongs, as one statement sees it.
//!
//! *Invariant.* A tag belongs to the asset that its label `asset` names; where it has no such
//! label, or the label names none, to the one of the longest path that begins the tag's. So every
//! asset that a tag belongs to is a row of `assets`.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use tacitus_model::Tag;
use tacitus_storage::{Snapshot, TagQuery};

use super::{Asset, Plant};
use crate::calendar::Schedule;

/// The label of a tag that says where it belongs.
pub(crate) const ASSET_LABEL: &str = "asset";

/// The plant, and the tags of a snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    plant: Arc<Plant>,
    snapshot: Snapshot,
    /// Whether any tag has the label; asked once, when it matters.
    any_labelled: Arc<OnceLock<bool>>,
}

impl Places {
    pub(crate) fn new(plant: Arc<Plant>, snapshot: Snapshot) -> Self {
        Self { plant, snapshot, any_labelled: Arc::default() }
    }

    pub(crate) fn plant(&self) -> &Arc<Plant> {
        &self.plant
    }

    pub(crate) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The asset that a tag belongs to.
    pub(crate) fn of_tag(&self, tag: &Tag) -> Option<&Arc<Asset>> {
        self.labelled(tag).or_else(|| self.plant.place(tag.definition.path.as_str()))
    }

    /// The asset that a path belongs to: that of the tag of this path, or of a path that is no
    /// tag's.
    pub(crate) fn of_path(&self, path: &str) -> Option<&Arc<Asset>> {
        let labelled = || self.labelled(&*self.snapshot.find(path)?);
        let labelled = if self.any_labelled() { labelled() } else { None };
        labelled.or_else(|| self.plant.place(path))
    }

    /// When something works: what belongs to an asset, or the calendar of this name itself.
    pub(crate) fn schedule(&self, name: &str) -> Option<Schedule> {
        let of_asset = self.of_path(name).and_then(|asset| self.plant.schedule(&asset.path));
        of_asset.or_else(|| {
            let calendar = self.plant.calendar(name)?;
            Some(Schedule::new(Arc::clone(calendar), None))
        })
    }

    /// The asset that the label of a tag names.
    pub(crate) fn labelled(&self, tag: &Tag) -> Option<&Arc<Asset>> {
        let labels = &tag.definition.labels;
        let (_, path) = labels.iter().find(|(key, _)| key == ASSET_LABEL)?;
        self.plant.asset(path)
    }

    fn any_labelled(&self) -> bool {
        *self.any_labelled.get_or_init(|| {
            let labelled = self.snapshot.select_ids(&TagQuery::HasLabel(ASSET_LABEL.to_owned()));
            // A refusal says nothing of labels: each tag is looked at.
            labelled.map_or(true, |ids| !ids.is_empty())
        })
    }
}

/// The tags of an asset and of all below it, as a condition for the index of tags. It holds for the
/// labels that there are: one of a value that no tag has had yet is not known to it.
#[must_use]
pub fn tags_within(plant: &Plant, snapshot: &Snapshot, path: &str) -> TagQuery {
    let path = path.trim_end_matches('/');
    let labelled = snapshot.select(&TagQuery::HasLabel(ASSET_LABEL.to_owned()));
    let mut inside = BTreeSet::new();
    let mut elsewhere = BTreeSet::new();
    for tag in labelled.unwrap_or_default() {
        let labels = tag.definition.labels.iter();
        let asset =
            labels.filter(|(key, _)| key == ASSET_LABEL).find_map(|(_, value)| plant.asset(value));
        let Some(asset) = asset else { continue };
        let rest = asset.path.strip_prefix(path);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            inside.insert(asset.path.clone());
        } else {
            elsewhere.insert(asset.path.clone());
        }
    }
    let label = |value: String| TagQuery::Label { key: ASSET_LABEL.to_owned(), value };
    let own: String = path.chars().flat_map(literal).collect();
    let by_path = TagQuery::AnyOf(vec![TagQuery::Glob(own), TagQuery::Prefix(format!("{path}/"))]);
    let not_elsewhere =
        TagQuery::Not(Box::new(TagQuery::AnyOf(elsewhere.into_iter().map(label).collect())));
    let mut any = vec![TagQuery::AllOf(vec![by_path, not_elsewhere])];
    any.extend(inside.into_iter().map(label));
    TagQuery::AnyOf(any)
}

/// A character of a path, as a glob writes it.
fn literal(character: char) -> impl Iterator<Item = char> {
    let special = "*?{},\\[]".contains(character);
    special.then_some('\\').into_iter().chain([character])
}
