//! Who is subscribed to what: a tree of topic levels.
//!
//! ```text
//! root ─ a ─ b ─ here: sessions subscribed to a/b
//!         │   └ rest: sessions subscribed to a/b/#
//!         └ + ─ c …
//! ```
//!
//! *Invariant.* A session receives a message at most once, however many of its subscriptions
//! match; a branch without subscribers does not exist, so the tree is no larger than the filters
//! in force.
//!
//! *Not here.* Retained messages (`retained`) and queues (the server).

use std::collections::{BTreeMap, HashMap};

use rumqttd::protocol::QoS;

use super::message::{Delivery, Message};

/// A session of this process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey(pub u64);

/// What a session asked for with one filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscription {
    /// Highest quality of service it is to receive.
    pub qos: QoS,
    /// Do not deliver what this session publishes itself.
    pub no_local: bool,
    /// Keep the retain flag as it was published.
    pub retain_as_published: bool,
    /// Its identifier, MQTT 5 only.
    pub id: Option<u32>,
    /// Number of the last message published before it was made: earlier ones are not for it.
    pub since: u64,
}

type Subscribers = BTreeMap<SessionKey, Subscription>;

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    here: Subscribers,
    rest: Subscribers,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.here.is_empty() && self.rest.is_empty()
    }
}

/// All subscriptions.
#[derive(Debug, Default)]
pub struct Tree {
    root: Node,
    count: usize,
}

impl Tree {
    /// Number of subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody is subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a subscription, or replaces the session's earlier one for the same filter, which is
    /// returned and whose `since` the new one inherits: no message falls between the two.
    pub fn insert(
        &mut self,
        filter: &str,
        session: SessionKey,
        mut subscription: Subscription,
    ) -> Option<Subscription> {
        let subscribers = subscribers(&mut self.root, filter);
        let earlier = subscribers.get(&session).copied();
        match earlier {
            Some(earlier) => subscription.since = earlier.since,
            None => self.count += 1,
        }
        subscribers.insert(session, subscription);
        earlier
    }

    /// Removes a subscription; whether there was one.
    pub fn remove(&mut self, filter: &str, session: SessionKey) -> bool {
        let is_removed = remove(&mut self.root, filter, session);
        if is_removed {
            self.count -= 1;
        }
        is_removed
    }

    /// Removes every subscription of a session whose filters are not known any more.
    pub fn forget(&mut self, session: SessionKey) {
        self.count -= forget(&mut self.root, session);
    }

    /// The deliveries of message number `number`, appended to `found`.
    pub fn deliveries(
        &self,
        message: &Message,
        number: u64,
        found: &mut Vec<(SessionKey, Delivery)>,
    ) {
        let topic = message.topic();
        let start = found.len();
        let mut visit = |session: SessionKey, subscription: &Subscription| {
            let is_own = subscription.no_local && session == message.publisher();
            if subscription.since >= number || is_own {
                return;
            }
            found.push((session, delivery(message, subscription)));
        };
        let is_hidden = topic.starts_with('$');
        if !is_hidden {
            each(&self.root.rest, &mut visit);
        }
        walk(&self.root, topic, is_hidden, &mut visit);
        if found.len() - start > 1 {
            merge(found, start);
        }
    }
}

fn delivery(message: &Message, subscription: &Subscription) -> Delivery {
    Delivery {
        message: message.clone(),
        qos: lesser(message.qos(), subscription.qos),
        retain: subscription.retain_as_published && message.retain(),
        subscription_ids: subscription.id.into_iter().collect(),
    }
}

/// The lesser of two qualities of service.
pub(crate) fn lesser(one: QoS, other: QoS) -> QoS {
    if other < one { other } else { one }
}

fn subscribers<'a>(root: &'a mut Node, filter: &str) -> &'a mut Subscribers {
    let mut node = root;
    for level in filter.split('/') {
        if level == "#" {
            return &mut node.rest;
        }
        node = node.children.entry(level.into()).or_default();
    }
    &mut node.here
}

/// Recursion is as deep as a filter has levels, which is bounded where filters are checked.
fn remove(node: &mut Node, filter: &str, session: SessionKey) -> bool {
    if filter == "#" {
        return node.rest.remove(&session).is_some();
    }
    let (level, below) = match filter.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (filter, None),
    };
    let Some(child) = node.children.get_mut(level) else {
        return false;
    };
    let is_removed = match below {
        Some(below) => remove(child, below, session),
        None => child.here.remove(&session).is_some(),
    };
    if child.is_empty() {
        node.children.remove(level);
    }
    is_removed
}

/// Recursion is as deep as the longest filter.
fn forget(node: &mut Node, session: SessionKey) -> usize {
    let mut count = usize::from(node.here.remove(&session).is_some());
    count += usize::from(node.rest.remove(&session).is_some());
    node.children.retain(|_, child| {
        count += forget(child, session);
        !child.is_empty()
    });
    count
}

fn each(subscribers: &Subscribers, visit: &mut impl FnMut(SessionKey, &Subscription)) {
    for (session, subscription) in subscribers {
        visit(*session, subscription);
    }
}

/// Visits what matches below `node`. Recursion ends with the tree, not with the topic.
fn walk(
    node: &Node,
    topic: &str,
    is_hidden: bool,
    visit: &mut impl FnMut(SessionKey, &Subscription),
) {
    let (level, below) = match topic.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (topic, None),
    };
    let any = if is_hidden { None } else { node.children.get("+") };
    // A topic level is never "+", so both are the same child only if the topic is not a topic.
    for child in [node.children.get(level), any].into_iter().flatten() {
        each(&child.rest, visit);
        match below {
            Some(below) => walk(child, below, false, visit),
            None => each(&child.here, visit),
        }
    }
}

/// Makes one delivery of several to the same session: the best quality of service, the retain
/// flag if any keeps it, all identifiers.
fn merge(found: &mut Vec<(SessionKey, Delivery)>, start: usize) {
    let mut fresh = found.split_off(start);
    fresh.sort_by_key(|(session, _)| *session);
    for (session, delivery) in fresh {
        match found.last_mut() {
            Some((last, merged)) if *last == session && merged.message == delivery.message => {
                if merged.qos < delivery.qos {
                    merged.qos = delivery.qos;
                }
                merged.retain |= delivery.retain;
                merged.subscription_ids.extend(delivery.subscription_ids);
            }
            _ => found.push((session, delivery)),
        }
    }
}
