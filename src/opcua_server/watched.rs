//! Which tags clients subscribe to, and the way of what is committed to them.
//!
//! *Invariant.* A subscriber gets every sample of a tag that is not older than the last it got, in
//! the order of the commits, and after a lag or a correction the latest. Its queue and sampling
//! interval are kept by the library.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opcua::server::SubscriptionCache;
use opcua::types::{AttributeId, DataValue, NodeId};
use tacitus_model::{Quality, Tag, TagId, Timestamp, Value};
use tacitus_protocol::opcua::spoken;
use tacitus_storage::Engine;

use crate::live::Feed;
use crate::shutdown::Shutdown;

/// The tags that are watched.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<HashMap<TagId, Watch>>);

#[derive(Debug, Default)]
struct Watch {
    /// The names by which clients watch the tag, each with how many items do.
    nodes: HashMap<NodeId, usize>,
    last: Option<Timestamp>,
}

impl Watched {
    /// One item more watches a tag by this name.
    pub(super) fn add(&self, tag: TagId, node: &NodeId) {
        let mut tags = self.tags();
        *tags.entry(tag).or_default().nodes.entry(node.clone()).or_default() += 1;
    }

    /// One item less does.
    pub(super) fn remove(&self, tag: TagId, node: &NodeId) {
        let mut tags = self.tags();
        let Some(watch) = tags.get_mut(&tag) else { return };
        if let Some(count) = watch.nodes.get_mut(node) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                watch.nodes.remove(node);
            }
        }
        if watch.nodes.is_empty() {
            tags.remove(&tag);
        }
    }

    /// The names that are to hear of a sample of this time; none for an older one.
    fn hearers(&self, tag: TagId, ts: Timestamp) -> Vec<NodeId> {
        let mut tags = self.tags();
        match tags.get_mut(&tag) {
            Some(watch) if watch.last.is_none_or(|last| last <= ts) => {
                watch.last = Some(ts);
                watch.nodes.keys().cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    fn all(&self) -> Vec<TagId> {
        self.tags().keys().copied().collect()
    }

    fn tags(&self) -> MutexGuard<'_, HashMap<TagId, Watch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells subscribers what is committed, until the stop is requested.
pub(super) async fn tell(
    engine: Arc<Engine>,
    feed: Arc<Feed>,
    watched: Arc<Watched>,
    subscriptions: Arc<SubscriptionCache>,
    shutdown: Shutdown,
) {
    let mut news = feed.watch();
    let mut known = *news.borrow_and_update();
    loop {
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return },
            () = shutdown.requested() => return,
        }
        // Read before the feed: what comes between is told next time.
        let now = *news.borrow_and_update();
        let entries = feed.after(known.sequence);
        let mut values = Vec::new();
        let mut tell = |tag: TagId, ts: Timestamp, value: &Value, quality: Quality| {
            let hearers = watched.hearers(tag, ts);
            if let Some(known) = engine.catalog().get(tag).filter(|_| !hearers.is_empty()) {
                let data = said(&known, ts, value, quality);
                values.extend(hearers.into_iter().map(|node| (node, data.clone())));
            }
        };
        match entries {
            Ok(entries) if now.resets == known.resets => {
                for entry in &entries {
                    for (tag, ts, value, quality) in entry.batch.iter() {
                        tell(tag, ts, value, quality);
                    }
                    known.sequence = known.sequence.max(entry.sequence);
                }
                known.sequence = known.sequence.max(now.sequence);
            }
            _ => {
                let snapshot = engine.snapshot();
                let latest = watched.all().into_iter().filter_map(|tag| snapshot.latest(tag));
                latest.for_each(|own| tell(own.tag, own.ts, &own.value, own.quality));
                known = now;
            }
        }
        let each = values.iter().map(|(node, data)| (data.clone(), node, AttributeId::Value));
        subscriptions.notify_data_change(each);
    }
}

/// A sample as subscribers hear it.
pub(super) fn said(tag: &Tag, ts: Timestamp, value: &Value, quality: Quality) -> DataValue {
    spoken(ts, value, quality, &tag.definition.states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_sample_is_not_told_and_the_last_item_ends_the_watch() {
        let watched = Watched::default();
        let (tag, node) = (TagId(3), NodeId::new(2, 3_u32));
        let at = Timestamp::from_nanos;
        watched.add(tag, &node);
        watched.add(tag, &node);
        assert_eq!(watched.hearers(tag, at(5)), std::slice::from_ref(&node));
        assert!(watched.hearers(tag, at(4)).is_empty());
        assert_eq!(watched.hearers(tag, at(5)), std::slice::from_ref(&node));
        watched.remove(tag, &node);
        assert_eq!(watched.all(), [tag]);
        watched.remove(tag, &node);
        assert!(watched.all().is_empty());
    }
}
