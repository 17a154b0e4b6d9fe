//! Who is subscribed to what: a tree of topic levels.
//!
//! ```text
//! root ─ a ─ b ─ here: sessions subscribed to a/b, groups that share it
//!         │   └ rest: sessions subscribed to a/b/#, groups that share it
//!         └ + ─ c …
//! ```
//!
//! *Invariant.* A session receives a message at most once for itself, however many of its
//! subscriptions match, and each group that shares a matching filter receives it once; a branch
//! without subscribers does not exist, so the tree is no larger than the filters in force.
//!
//! *Not here.* Retained messages (`retained`) and queues (the server).

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use rumqttd::protocol::QoS;

use super::filter::share;
use super::message::{Delivery, Message};

/// A session; never used for another one while anything of it is left.
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

/// Sessions that share a filter: each message goes to one of them, in turn.
#[derive(Debug, Default)]
struct Group {
    members: Subscribers,
    turn: AtomicUsize,
}

impl Group {
    /// The member whose turn it is, of those who are present if there is one.
    fn next(&self, is_present: &impl Fn(SessionKey) -> bool) -> Option<(SessionKey, Subscription)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let present: Vec<_> = self.members.iter().filter(|(key, _)| is_present(**key)).collect();
        let (key, subscription) = if present.is_empty() {
            self.members.iter().nth(turn % self.members.len().max(1))?
        } else {
            *present.get(turn % present.len())?
        };
        Some((*key, *subscription))
    }
}

/// Those who are subscribed to one filter.
#[derive(Debug, Default)]
struct Place {
    own: Subscribers,
    groups: BTreeMap<Box<str>, Group>,
}

impl Place {
    fn is_empty(&self) -> bool {
        self.own.is_empty() && self.groups.is_empty()
    }

    fn insert(
        &mut self,
        group: Option<&str>,
        session: SessionKey,
        mut subscription: Subscription,
    ) -> Option<Subscription> {
        let subscribers = match group {
            None => &mut self.own,
            Some(name) => &mut self.groups.entry(name.into()).or_default().members,
        };
        let earlier = subscribers.get(&session).copied();
        if let Some(earlier) = earlier {
            subscription.since = earlier.since;
        }
        subscribers.insert(session, subscription);
        earlier
    }

    fn remove(&mut self, group: Option<&str>, session: SessionKey) -> bool {
        let Some(name) = group else {
            return self.own.remove(&session).is_some();
        };
        let Some(group) = self.groups.get_mut(name) else {
            return false;
        };
        let is_removed = group.members.remove(&session).is_some();
        if group.members.is_empty() {
            self.groups.remove(name);
        }
        is_removed
    }

    /// Removes a session everywhere; how often it was here, alone and in groups.
    fn forget(&mut self, session: SessionKey) -> (usize, usize) {
        let own = usize::from(self.own.remove(&session).is_some());
        let mut shared = 0;
        self.groups.retain(|_, group| {
            shared += usize::from(group.members.remove(&session).is_some());
            !group.members.is_empty()
        });
        (own, shared)
    }
}

#[derive(Debug, Default)]
struct Node {
    children: HashMap<Box<str>, Node>,
    here: Place,
    rest: Place,
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
    shared: usize,
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

    /// How many of them are shared.
    #[must_use]
    pub fn shared_len(&self) -> usize {
        self.shared
    }

    /// Adds a subscription, or replaces the session's earlier one for the same filter, which is
    /// returned and whose `since` the new one inherits: no message falls between the two.
    pub fn insert(
        &mut self,
        filter: &str,
        session: SessionKey,
        subscription: Subscription,
    ) -> Option<Subscription> {
        let (group, filter) = parts(filter);
        let earlier = place(&mut self.root, filter).insert(group, session, subscription);
        if earlier.is_none() {
            self.count += 1;
            self.shared += usize::from(group.is_some());
        }
        earlier
    }

    /// Removes a subscription; whether there was one.
    pub fn remove(&mut self, filter: &str, session: SessionKey) -> bool {
        let (group, filter) = parts(filter);
        let is_removed = remove(&mut self.root, filter, group, session);
        if is_removed {
            self.count -= 1;
            self.shared -= usize::from(group.is_some());
        }
        is_removed
    }

    /// Removes every subscription of a session whose filters are not known any more.
    pub fn forget(&mut self, session: SessionKey) {
        let (own, shared) = forget(&mut self.root, session);
        self.count -= own + shared;
        self.shared -= shared;
    }

    /// The deliveries of message number `number` to those who subscribed for themselves, appended
    /// to `found`.
    pub fn deliveries(
        &self,
        message: &Message,
        number: u64,
        found: &mut Vec<(SessionKey, Delivery)>,
    ) {
        let start = found.len();
        self.visit(message.topic(), &mut |place| {
            for (session, subscription) in &place.own {
                let is_own = subscription.no_local && *session == message.publisher();
                if subscription.since < number && !is_own {
                    found.push((*session, delivery(message, subscription)));
                }
            }
        });
        if found.len() - start > 1 {
            merge(found, start);
        }
    }

    /// The deliveries of a message to the groups that share a filter, one to each, appended to
    /// `found`. A member that is present goes before one that is not.
    pub fn shared_deliveries(
        &self,
        message: &Message,
        is_present: impl Fn(SessionKey) -> bool,
        found: &mut Vec<(SessionKey, Delivery)>,
    ) {
        if self.shared == 0 {
            return;
        }
        self.visit(message.topic(), &mut |place| {
            for group in place.groups.values() {
                if let Some((session, subscription)) = group.next(&is_present) {
                    found.push((session, delivery(message, &subscription)));
                }
            }
        });
    }

    fn visit<'a>(&'a self, topic: &str, visit: &mut impl FnMut(&'a Place)) {
        let is_hidden = topic.starts_with('$');
        if !is_hidden {
            visit(&self.root.rest);
        }
        walk(&self.root, topic, is_hidden, visit);
    }
}

/// The group and the filter of a subscription.
fn parts(filter: &str) -> (Option<&str>, &str) {
    match share(filter) {
        Some((group, shared)) => (Some(group), shared),
        None => (None, filter),
    }
}

fn delivery(message: &Message, subscription: &Subscription) -> Delivery {
    Delivery {
        message: message.clone(),
        qos: lesser(message.qos(), subscription.qos),
        retain: subscription.retain_as_published && message.retain(),
        subscription_ids: subscription.id.into_iter().collect(),
        serial: 0,
        is_again: false,
    }
}

/// The lesser of two qualities of service.
pub(crate) fn lesser(one: QoS, other: QoS) -> QoS {
    if other < one { other } else { one }
}

fn place<'a>(root: &'a mut Node, filter: &str) -> &'a mut Place {
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
fn remove(node: &mut Node, filter: &str, group: Option<&str>, session: SessionKey) -> bool {
    if filter == "#" {
        return node.rest.remove(group, session);
    }
    let (level, below) = match filter.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (filter, None),
    };
    let Some(child) = node.children.get_mut(level) else {
        return false;
    };
    let is_removed = match below {
        Some(below) => remove(child, below, group, session),
        None => child.here.remove(group, session),
    };
    if child.is_empty() {
        node.children.remove(level);
    }
    is_removed
}

/// Recursion is as deep as the longest filter.
fn forget(node: &mut Node, session: SessionKey) -> (usize, usize) {
    let mut count = (0, 0);
    let mut add = |(own, shared)| count = (count.0 + own, count.1 + shared);
    add(node.here.forget(session));
    add(node.rest.forget(session));
    node.children.retain(|_, child| {
        add(forget(child, session));
        !child.is_empty()
    });
    count
}

/// Visits what matches below `node`. Recursion ends with the tree, not with the topic.
fn walk<'a>(node: &'a Node, topic: &str, is_hidden: bool, visit: &mut impl FnMut(&'a Place)) {
    let (level, below) = match topic.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (topic, None),
    };
    let any = if is_hidden { None } else { node.children.get("+") };
    // A topic level is never "+", so both are the same child only if the topic is not a topic.
    for child in [node.children.get(level), any].into_iter().flatten() {
        visit(&child.rest);
        match below {
            Some(below) => walk(child, below, false, visit),
            None => visit(&child.here),
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
