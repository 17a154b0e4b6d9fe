//! What waits between the session's event loop and the store.
//!
//! *Invariant.* Putting in never blocks: the event loop that calls it also keeps the connection
//! alive. Values beyond the bound are dropped, counted and said so; orders (a gap, the end) are
//! few and always find room.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use opcua::types::custom::DataTypeTree;
use opcua::types::type_loader::ByteStringBody;
use opcua::types::{DataValue, Variant};
use tacitus_model::{Quality, Timestamp};
use tacitus_protocol::opcua::put_back;
use tacitus_storage::Clock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::describe::About;
use super::events::Event;
use super::items::Handle;
use super::pump::Queue;
use crate::collect::State;
use crate::collect::limits::WAITING_BYTES_MAX;
use crate::collect::opcua::settings::Node;

/// A message to the pump.
#[derive(Debug)]
pub(super) enum Message {
    /// From here on this handle stands for this node.
    Item { handle: Handle, node: Node },
    /// Values that arrived together.
    Values(Values),
    /// The tags of these items are without communication since `at`; `None` is all.
    Gap { at: Timestamp, quality: Quality, handles: Option<Vec<Handle>> },
    /// What the server keeps of this item between two notifications.
    Queue { handle: Handle, queue: Queue },
    /// What the server says of this item.
    About { handle: Handle, about: About },
    /// The structures that the server describes.
    Types(Arc<DataTypeTree>),
    /// Values that arrived between these moments were dropped here.
    Dropped { from: Timestamp, to: Timestamp },
    /// Events that arrived together.
    Events { events: Vec<Event>, cost: usize },
    /// Nothing follows.
    End,
}

/// Values of one notification, or of one answer.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) origin: Origin,
    pub(super) arrival: Timestamp,
    pub(super) list: Vec<(Handle, DataValue)>,
    /// When the server sent it, by its clock and where that is known.
    pub(super) sent: Option<Timestamp>,
    /// By how much the library moved the times in structures.
    pub(super) moved_ns: i64,
    cost: usize,
}

/// How values came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// By the subscription of this number; its first value of an item states how things are.
    Subscription(u64),
    /// By a read: every value states how things are.
    Read,
}

/// The sending side.
#[derive(Debug, Clone)]
pub(super) struct Mailbox {
    sender: UnboundedSender<Message>,
    shared: Arc<Shared>,
}

/// The receiving side.
#[derive(Debug)]
pub(super) struct Letters {
    receiver: UnboundedReceiver<Message>,
    shared: Arc<Shared>,
}

struct Shared {
    waiting_bytes: AtomicUsize,
    /// Since when values are dropped, in nanoseconds; 0: none are.
    dropping_since: AtomicI64,
    state: Arc<State>,
    clock: Arc<dyn Clock>,
}

impl Mailbox {
    pub(super) fn new(state: Arc<State>, clock: Arc<dyn Clock>) -> (Self, Letters) {
        let shared = Arc::new(Shared {
            waiting_bytes: AtomicUsize::new(0),
            dropping_since: AtomicI64::new(0),
            state,
            clock,
        });
        let (sender, receiver) = unbounded_channel();
        (Self { sender, shared: Arc::clone(&shared) }, Letters { receiver, shared })
    }

    /// Puts values in that arrive now and were sent then. Their times were moved by the library.
    pub(super) fn values(
        &self,
        origin: Origin,
        mut values: Vec<(Handle, DataValue)>,
        sent: Option<Timestamp>,
        moved_ns: i64,
    ) {
        values.iter_mut().for_each(|(_, data)| put_back(data, moved_ns));
        let shared = &self.shared;
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
        shared.state.received(count);
        let cost = values.iter().map(|(_, data)| cost_bytes(data)).sum();
        let arrival = shared.clock.now();
        if !self.has_room(arrival, count) {
            return;
        }
        shared.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
        self.order(Message::Values(Values { origin, arrival, list: values, sent, moved_ns, cost }));
    }

    /// Puts events in.
    pub(super) fn events(&self, events: Vec<Event>) {
        let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
        self.shared.state.received(count);
        let cost = events.iter().map(Event::cost_bytes).sum();
        if self.has_room(self.shared.clock.now(), count) {
            self.shared.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
            self.order(Message::Events { events, cost });
        }
    }

    /// Whether there is room; counts what is dropped otherwise.
    fn has_room(&self, now: Timestamp, count: u64) -> bool {
        let shared = &self.shared;
        // LIMIT: the sum may pass the bound by one notification, which is itself bounded.
        if shared.waiting_bytes.load(Ordering::Relaxed) >= WAITING_BYTES_MAX {
            shared.state.dropped(count);
            let first = shared.dropping_since.compare_exchange(
                0,
                now.nanos().max(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if first.is_ok() {
                let text = "values are dropped: the store is slower than the server";
                shared.state.error(text);
                tracing::warn!("{text}");
            }
            return false;
        }
        let since = shared.dropping_since.swap(0, Ordering::Relaxed);
        if since != 0 {
            self.order(Message::Dropped { from: Timestamp::from_nanos(since), to: now });
        }
        true
    }

    /// Puts anything but values in.
    pub(super) fn order(&self, message: Message) {
        if self.sender.send(message).is_err() {
            // The pump has ended, which the supervisor notices by `is_closed`.
            tracing::debug!("a message came after the pump had ended");
        }
    }

    /// Whether nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Letters {
    pub(super) async fn next(&mut self) -> Option<Message> {
        let message = self.receiver.recv().await;
        self.taken(message)
    }

    pub(super) fn waiting(&mut self) -> Option<Message> {
        let message = self.receiver.try_recv().ok();
        self.taken(message)
    }

    fn taken(&self, message: Option<Message>) -> Option<Message> {
        let values = match &message {
            Some(Message::Values(values)) => Some(&values.cost),
            Some(Message::Events { cost, .. }) => Some(cost),
            _ => None,
        };
        if let Some(cost) = values {
            self.shared.waiting_bytes.fetch_sub(*cost, Ordering::Relaxed);
        }
        message
    }
}

/// About what a waiting value costs in memory.
fn cost_bytes(data: &DataValue) -> usize {
    size_of::<(Handle, DataValue)>() + data.value.as_ref().map_or(0, below_bytes)
}

/// What a value costs beside its own place.
fn below_bytes(value: &Variant) -> usize {
    match value {
        Variant::String(text) => text.as_ref().len(),
        Variant::ByteString(bytes) => bytes.len(),
        Variant::LocalizedText(text) => text.text.as_ref().len(),
        Variant::ExtensionObject(object) => {
            // Those of the standard, which are read already, are small.
            object.inner_as::<ByteStringBody>().map_or(100, |body| body.raw_body().len())
        }
        Variant::Array(array) => {
            array.values.iter().map(|value| size_of::<Variant>() + below_bytes(value)).sum()
        }
        _ => 0,
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shared")
            .field("waiting_bytes", &self.waiting_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{ByteString, ExtensionObject, NodeId};

    #[test]
    fn what_waits_costs_what_it_holds() {
        let structure = |bytes: usize| {
            let raw = ByteString::from(vec![0_u8; bytes]);
            let body = ByteStringBody::new(raw, NodeId::new(2, 1));
            Variant::from(ExtensionObject::from_message(body))
        };
        for (value, least) in [
            (Variant::from("x".repeat(1_000)), 1_000),
            (structure(5_000), 5_000),
            (Variant::from(vec!["y".repeat(1_000); 3]), 3_000),
            (Variant::from(vec![0.5_f64; 100]), 800),
        ] {
            let cost = cost_bytes(&DataValue::value_only(value));
            assert!((least..least + 10_000).contains(&cost), "{cost} {least}");
        }
    }
}
