//! Where messages go: decided before they are stored for sessions that survive the server and for
//! groups that share, looked up when they leave the bus for all others.
//!
//! *Invariant.* A delivery of quality 1 or 2 to a session that survives the server is on disk
//! before its publisher is acknowledged, and is given to the session once; a message that goes to a
//! group goes to the same member before and after it was stored.

use std::sync::atomic::Ordering;

use tacitus_protocol::mqtt::{Delivery, Message, QoS, SessionKey};
use tacitus_storage::Document;

use super::super::counters::one;
use super::super::mailbox::Pushed;
use super::super::memory;
use super::Room;

/// One delivery that was decided.
#[derive(Debug)]
pub(in super::super) struct Leg {
    session: SessionKey,
    delivery: Delivery,
    is_shared: bool,
}

/// What was decided for one message.
pub(in super::super) type Route = Vec<Leg>;

/// What was decided for the messages of a group: place in the group, and legs.
pub(in super::super) type Routes = Vec<(usize, Route)>;

impl Room {
    /// Decides where messages go that are about to be stored.
    pub(super) fn route(&self, messages: &[Message], documents: &mut Vec<Document>) -> Routes {
        let mut routes = Routes::new();
        let keeps = self.kept_boxes.load(Ordering::Acquire) > 0;
        let tree = self.tree();
        if !keeps && tree.shared_len() == 0 {
            return routes;
        }
        let boxes = self.boxes();
        let mut found = Vec::new();
        for (place, message) in messages.iter().enumerate() {
            let mut route = Route::new();
            let mut add = |session, mut delivery: Delivery, is_shared| {
                let Some(mailbox) = boxes.get(&session) else { return };
                if mailbox.is_kept() && delivery.qos != QoS::AtMostOnce {
                    if mailbox.keep(&mut delivery).is_none() {
                        // The others are counted when they leave the bus.
                        if is_shared {
                            one(&self.counters.messages_dropped);
                        }
                        return;
                    }
                    documents.push(memory::queued(session, &delivery));
                } else if !is_shared {
                    return;
                }
                route.push(Leg { session, delivery, is_shared });
            };
            if keeps {
                tree.deliveries(message, u64::MAX, &mut found);
                found.drain(..).for_each(|(session, delivery)| add(session, delivery, false));
            }
            let is_present =
                |session| boxes.get(&session).is_some_and(|mailbox| mailbox.is_present());
            tree.shared_deliveries(message, is_present, &mut found);
            found.drain(..).for_each(|(session, delivery)| add(session, delivery, true));
            if !route.is_empty() {
                routes.push((place, route));
            }
        }
        routes
    }

    /// Takes back what was decided: the messages were not stored.
    pub(super) fn unroute(&self, routes: &Routes) {
        let boxes = self.boxes();
        for leg in routes.iter().flat_map(|(_, route)| route) {
            if leg.delivery.serial > 0
                && let Some(mailbox) = boxes.get(&leg.session)
            {
                mailbox.unkeep(&leg.delivery);
            }
        }
    }

    /// Gives deliveries to the sessions that were decided on.
    pub(super) fn follow(&self, route: Route) {
        let boxes = self.boxes();
        for Leg { session, delivery, .. } in route {
            let serial = delivery.serial;
            match boxes.get(&session).map(|mailbox| mailbox.push(delivery)) {
                Some(Pushed::Dropped) => one(&self.counters.messages_dropped),
                None if serial > 0 => self.desk.put(vec![memory::no_queued(session, serial)]),
                Some(_) | None => {}
            }
        }
    }

    /// Gives a message that left the bus to all it is for.
    pub(super) fn distribute(
        &self,
        message: &Message,
        number: u64,
        found: &mut Vec<(SessionKey, Delivery)>,
    ) {
        let route = self.book().routes.remove(&number).unwrap_or_default();
        if !message.is_expired(self.now_ms()) {
            self.tree().deliveries(message, number, found);
        }
        if !found.is_empty() {
            let boxes = self.boxes();
            for (session, delivery) in found.drain(..) {
                let is_decided = route.iter().any(|leg| leg.session == session && !leg.is_shared);
                let Some(mailbox) = boxes.get(&session).filter(|_| !is_decided) else { continue };
                if mailbox.push(delivery) == Pushed::Dropped {
                    one(&self.counters.messages_dropped);
                }
            }
        }
        self.follow(route);
    }
}
