//! MQTT 3.1.1 and 5, the server's side, without sockets: bytes in, actions out.
//!
//! ```text
//! socket ─▶ Frames ─▶ read_connect ─▶ Connection ─▶ Action ─▶ store, tree, retained (the server)
//!                                        ▲                          │
//!                                        └── stored, subscribed, deliver
//! ```
//!
//! *Invariant.* Nothing here panics, whatever the bytes; nothing here does I/O, reads a clock or
//! starts a task. Memory for one connection is bounded by `limits`.
//!
//! *Not here.* rumqttd's router: the server carries messages between connections with it. Its
//! codec writes every reply and is the oracle of the tests; it does not read, because it lets
//! through what the standard forbids and refuses some of what it allows (`connect`,
//! `properties`).

mod connect;
mod connection;
mod filter;
mod frame;
pub mod limits;
mod message;
mod packet;
mod properties;
pub mod record;
mod refusal;
pub mod reply;
mod retained;
mod session;
mod tree;
mod wire;

#[cfg(test)]
mod tests;

pub use connect::{Connect, ConnectError, Will, read_connect};
pub use connection::{Action, Awaited, Connection, NO_ROOM, Note, Stored};
pub use filter::{FilterError, check_filter, covers, is_topic, matches, share};
pub use frame::{Frame, Frames};
pub use message::{Delivery, Message, Parts};
pub use packet::{Request, Version};
pub use refusal::Refusal;
pub use retained::{Retained, Retention};
pub use rumqttd::protocol::{
    ConnectReturnCode, DisconnectReasonCode, QoS, RetainForwardRule, SubscribeReasonCode,
    UnsubAckReason,
};
pub use session::Session;
pub use tree::{SessionKey, Subscription, Tree};

/// Plays any bytes as one connection, with a store that keeps everything, and returns the bytes
/// of its replies. It is what a fuzzer calls: it must neither panic nor reply more than a small
/// multiple of its input. Deliveries are played and not counted: a topic alias of two bytes may
/// stand for a topic of any length.
#[must_use]
pub fn converse(bytes: &[u8]) -> usize {
    let mut frames = Frames::default();
    frames.buffer().extend_from_slice(bytes);
    let Ok(Some(first)) = frames.next_frame() else {
        return 0;
    };
    let Ok(connect) = read_connect(&first) else {
        return 0;
    };
    let mut tree = Tree::default();
    let session = Session::new(SessionKey(1));
    let session = if connect.session_expiry_s > 0 { session.kept() } else { session };
    let mut connection = Connection::new(&connect, session);
    let mut answered = 0;
    while let Ok(Some(frame)) = frames.next_frame() {
        let Ok(action) = connection.receive(&frame, 0) else {
            break;
        };
        let found = play(&mut connection, &mut tree, action);
        answered += connection.output.len();
        for (_, delivery) in found {
            if connection.has_room() {
                connection.deliver(delivery, 0);
            }
        }
        connection.output.clear();
    }
    answered
}

fn play(
    connection: &mut Connection,
    tree: &mut Tree,
    action: Action,
) -> Vec<(SessionKey, Delivery)> {
    let session = connection.session().key();
    let mut found = Vec::new();
    match action {
        Action::None | Action::Leave { .. } => {}
        Action::Note(note) => connection.noted(note),
        Action::Publish(message, awaited) => {
            if connection.stored(awaited, Stored::Kept).is_ok() {
                tree.deliveries(&message, 1, &mut found);
            }
        }
        Action::Subscribe { packet_id, subscription_id, requests } => {
            let code = |request: &Request| match check_filter(&request.filter) {
                Err(_) => SubscribeReasonCode::TopicFilterInvalid,
                Ok(()) => SubscribeReasonCode::Success(request.qos),
            };
            let codes = requests.iter().map(code).collect();
            for request in requests.iter().filter(|r| check_filter(&r.filter).is_ok()) {
                let subscription = Subscription {
                    qos: request.qos,
                    no_local: request.no_local,
                    retain_as_published: request.retain_as_published,
                    id: subscription_id,
                    since: 0,
                };
                tree.insert(&request.filter, session, subscription);
                connection.own_filter(&request.filter);
            }
            connection.subscribed(packet_id, codes, Vec::new());
        }
        Action::Unsubscribe { packet_id, filters } => {
            let mut reasons = Vec::with_capacity(filters.len());
            for filter in &filters {
                reasons.push(if tree.remove(filter, session) {
                    UnsubAckReason::Success
                } else {
                    UnsubAckReason::NoSubscriptionExisted
                });
                connection.disown_filter(filter);
            }
            connection.unsubscribed(packet_id, reasons);
        }
    }
    found
}
