//! The items a collector wants to watch, and how each of them fares: its own desired state.
//!
//! *Invariant.* A handle stands for the same node for the life of the collector. An item leaves
//! the list never; one that fails is tried again, ever more rarely, for ever.

use std::collections::HashMap;
use std::time::Duration;

use opcua::types::NodeId;
use tacitus_protocol::opcua::NodeName;
use tokio::time::Instant;

use super::describe::About;
use super::settings::Node;
use crate::collect::Failure;
use crate::collect::limits::{ITEM_WAITS, ITEMS_MAX};

/// The number by which server and collector speak of an item; never 0, which the client library
/// replaces by a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Handle(pub(super) u32);

/// One item.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) handle: Handle,
    pub(super) node: Node,
    /// What the server says of it, in the session at hand.
    pub(super) about: Option<About>,
    /// Whether the server takes its deadband, if it has one.
    pub(super) deadband: bool,
    /// Values that the server says it keeps.
    pub(super) queue_size: u32,
    watch: Watch,
}

#[derive(Debug)]
enum Watch {
    Wanted,
    Good,
    Failed { reason: String, again: Instant, wait: Duration },
    Quarantined { again: Instant },
}

/// Why a quarantined item is not watched.
const QUARANTINED: &str = "its value cannot be read and ends the connection; tried again later";

/// All items of a collector.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// By handle.
    all: Vec<Item>,
    by_node: HashMap<NodeName, Handle>,
    by_tag: HashMap<String, Handle>,
    refused: Vec<Failure>,
}

impl Items {
    /// Adds an item unless it is there already; returns its handle if it is new. A node whose
    /// tag another node fills, and one beyond the limit, is refused, which the status shows.
    pub(super) fn add(&mut self, node: Node) -> Option<Handle> {
        if self.by_node.contains_key(&node.node) {
            return None;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX).saturating_add(1);
        let handle = Handle(number);
        let taken = self.by_tag.contains_key(node.tag.as_str());
        if taken || self.all.len() >= ITEMS_MAX {
            let reason = if taken {
                "another node fills this tag".to_owned()
            } else {
                format!("a collector watches at most {ITEMS_MAX} items")
            };
            self.refuse(&node, reason);
            return None;
        }
        self.by_node.insert(node.node.clone(), handle);
        self.by_tag.insert(node.tag.as_str().to_owned(), handle);
        let (about, watch) = (None, Watch::Wanted);
        self.all.push(Item { handle, node, about, deadband: true, queue_size: 0, watch });
        Some(handle)
    }

    fn refuse(&mut self, node: &Node, reason: String) {
        let failure = Failure { node: node.node.to_string(), tag: node.tag.to_string(), reason };
        // LIMIT: a browse that repeats at every connection must not grow the list.
        if self.refused.len() < ITEMS_MAX && !self.refused.contains(&failure) {
            self.refused.push(failure);
        }
    }

    /// Turns namespace indices into URIs, by the array of the session at hand.
    pub(super) fn pin(&mut self, namespaces: &[String]) {
        for item in &mut self.all {
            item.node.node = item.node.node.clone().pinned(namespaces);
        }
        self.by_node = self.all.iter().map(|item| (item.node.node.clone(), item.handle)).collect();
    }

    /// A new session watches nothing yet.
    pub(super) fn reset(&mut self) {
        for item in &mut self.all {
            item.about = None;
            if !matches!(item.watch, Watch::Quarantined { .. }) {
                item.watch = Watch::Wanted;
            }
        }
    }

    /// Items of which the session at hand has not said anything yet.
    pub(super) fn undescribed(&self, namespaces: &[String]) -> Vec<(Handle, NodeId)> {
        let unknown = self.all.iter().filter(|item| item.about.is_none());
        unknown
            .filter_map(|item| Some((item.handle, item.node.node.resolve(namespaces)?)))
            .collect()
    }

    /// Remembers what the server says of an item.
    pub(super) fn describe(&mut self, handle: Handle, about: About) {
        if let Some(item) = self.get_mut(handle) {
            item.about = Some(about);
        }
    }

    /// The server refuses the item's deadband: it is wanted without one.
    pub(super) fn without_deadband(&mut self, handle: Handle) {
        if let Some(item) = self.get_mut(handle) {
            item.deadband = false;
            item.watch = Watch::Wanted;
        }
    }

    /// An item whose value ends the connection is left alone for a long time.
    pub(super) fn quarantine(&mut self, handle: Handle, now: Instant) {
        if let Some(item) = self.get_mut(handle) {
            item.watch = Watch::Quarantined { again: now + ITEM_WAITS[1] };
        }
    }

    /// Every item.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.all.iter()
    }

    /// One item.
    pub(super) fn get(&self, handle: Handle) -> Option<&Item> {
        let index = usize::try_from(handle.0).ok()?.checked_sub(1)?;
        self.all.get(index)
    }

    /// These items are no longer watched and shall be.
    pub(super) fn want(&mut self, handles: &[Handle]) {
        for handle in handles {
            if let Some(item) = self.get_mut(*handle) {
                item.watch = Watch::Wanted;
            }
        }
    }

    /// The items to create now: new ones, and failed ones whose wait is over.
    pub(super) fn due(&self, now: Instant) -> Vec<(Handle, NodeName)> {
        let due = |item: &&Item| match &item.watch {
            Watch::Wanted => true,
            Watch::Good => false,
            Watch::Failed { again, .. } | Watch::Quarantined { again } => *again <= now,
        };
        self.all.iter().filter(due).map(|item| (item.handle, item.node.node.clone())).collect()
    }

    /// An item is watched, with a queue of this size.
    pub(super) fn good(&mut self, handle: Handle, queue_size: u32) {
        if let Some(item) = self.get_mut(handle) {
            item.watch = Watch::Good;
            item.queue_size = queue_size;
        }
    }

    pub(super) fn failed(&mut self, handle: Handle, reason: String, now: Instant) {
        let [first, longest] = ITEM_WAITS;
        if let Some(item) = self.get_mut(handle) {
            let wait = match &item.watch {
                Watch::Failed { wait, .. } => (*wait * 2).min(longest),
                Watch::Wanted | Watch::Good | Watch::Quarantined { .. } => first,
            };
            item.watch = Watch::Failed { reason, again: now + wait, wait };
        }
    }

    /// The items that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Item> {
        self.all.iter().filter(|item| matches!(item.watch, Watch::Good))
    }

    /// Every item that is not, with the reason.
    pub(super) fn failures(&self) -> Vec<Failure> {
        let failed = self.all.iter().filter_map(|item| {
            let reason = match &item.watch {
                Watch::Failed { reason, .. } => reason.clone(),
                Watch::Quarantined { .. } => QUARANTINED.to_owned(),
                Watch::Wanted | Watch::Good => return None,
            };
            let (node, tag) = (item.node.node.to_string(), item.node.tag.to_string());
            Some(Failure { node, tag, reason })
        });
        failed.chain(self.refused.iter().cloned()).collect()
    }

    fn get_mut(&mut self, handle: Handle) -> Option<&mut Item> {
        let index = usize::try_from(handle.0).ok()?.checked_sub(1)?;
        self.all.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacitus_model::TagPath;

    fn node(name: &str, tag: &str) -> Node {
        Node::new(name.parse().unwrap(), TagPath::new(tag).unwrap())
    }

    #[test]
    fn a_failed_item_is_tried_again_ever_more_rarely() {
        let mut items = Items::default();
        let handle = items.add(node("i=1", "a")).unwrap();
        let start = Instant::now();
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..9 {
            items.failed(handle, "BadNodeIdUnknown".into(), now);
            let before = now;
            while items.due(now).is_empty() {
                now += Duration::from_secs(1);
            }
            waits.push((now - before).as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        items.good(handle, 1);
        assert!(items.due(now + Duration::from_secs(1_000_000)).is_empty());
    }

    #[test]
    fn two_nodes_cannot_fill_one_tag() {
        let mut items = Items::default();
        assert!(items.add(node("i=1", "a")).is_some());
        assert!(items.add(node("i=1", "a")).is_none());
        assert!(items.add(node("i=2", "a")).is_none());
        let failures = items.failures();
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].node, "i=2");
    }

    #[test]
    fn a_browsed_node_is_known_by_its_uri_once_the_list_is_pinned() {
        let namespaces = ["http://opcfoundation.org/UA/".to_owned(), "urn:line".to_owned()];
        let mut items = Items::default();
        assert!(items.add(node("ns=1;s=T", "a")).is_some());
        items.pin(&namespaces);
        assert!(items.add(node("nsu=urn:line;s=T", "b")).is_none());
    }
}
