//! Tag paths as a tree, without a node for each: tags in the order of their paths.
//!
//! *Invariant.* Of each tag only its number is held, four bytes; names are read from the catalog.
//! The order is made anew when tags came or changed their names, and not more often than a client
//! browses.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tacitus_model::TagId;
use tacitus_storage::Engine;

/// How long an order is good enough although tags came: a plant that is being set up makes new
/// ones all the time.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// Tags in the order of their paths.
#[derive(Debug)]
pub(super) struct Paths {
    engine: Arc<Engine>,
    order: Mutex<Option<Order>>,
}

#[derive(Debug, Clone)]
struct Order {
    ids: Arc<Vec<TagId>>,
    /// How many tags there were, and how often what is known had to be looked at anew.
    seen: (usize, u64),
    made: Instant,
}

/// What is directly below a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Child {
    /// The tag of this name.
    pub(super) tag: Option<TagId>,
    /// Whether there are tags further below.
    pub(super) folder: bool,
}

impl Paths {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, order: Mutex::new(None) }
    }

    /// What is directly below a folder, by name. `resets` counts changes that no new tag shows.
    pub(super) fn children(&self, folder: &str, resets: u64) -> BTreeMap<String, Child> {
        let ids = self.order(resets);
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut children: BTreeMap<String, Child> = BTreeMap::new();
        let mut at = self.first_from(&ids, &prefix);
        while let Some(path) = ids.get(at).and_then(|id| self.path(*id)) {
            let Some(rest) = path.strip_prefix(&prefix) else { break };
            if let Some((name, _)) = rest.split_once('/') {
                children.entry(name.to_owned()).or_default().folder = true;
                // '0' follows '/': the first path that is not below this name.
                at = self.first_from(&ids, &format!("{prefix}{name}0")).max(at + 1);
            } else {
                children.entry(rest.to_owned()).or_default().tag = ids.get(at).copied();
                at += 1;
            }
        }
        children
    }

    /// Whether there are tags below.
    pub(super) fn is_folder(&self, folder: &str, resets: u64) -> bool {
        if folder.is_empty() {
            return true;
        }
        let ids = self.order(resets);
        let prefix = format!("{folder}/");
        let at = self.first_from(&ids, &prefix);
        ids.get(at).and_then(|id| self.path(*id)).is_some_and(|path| path.starts_with(&prefix))
    }

    fn first_from(&self, ids: &[TagId], path: &str) -> usize {
        ids.partition_point(|id| self.path(*id).is_some_and(|own| *own < *path))
    }

    fn path(&self, id: TagId) -> Option<String> {
        self.engine.catalog().get(id).map(|tag| tag.definition.path.to_string())
    }

    fn order(&self, resets: u64) -> Arc<Vec<TagId>> {
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.engine.catalog().len(), resets);
        if let Some(order) = order.as_ref()
            && (order.seen == now || order.made.elapsed() < FRESH_FOR)
        {
            return Arc::clone(&order.ids);
        }
        let mut named: Vec<(String, TagId)> = self
            .engine
            .snapshot()
            .tags()
            .iter()
            .map(|tag| (tag.definition.path.to_string(), tag.id))
            .collect();
        named.sort_unstable();
        let ids = Arc::new(named.into_iter().map(|(_, id)| id).collect());
        *order = Some(Order { ids: Arc::clone(&ids), seen: now, made: Instant::now() });
        ids
    }
}
