//! What waits between the session's event loop and the store.
//!
//! *Invariant.* Putting in never blocks: the event loop that calls it also keeps the connection
//! alive. Values beyond the bound are dropped, counted and said so; orders (a gap, the end) are
//! few and always find room.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use opcua::types::custom::DataTypeTree;
use opcua::types::{DataValue, Variant};
use tacitus_model::{Quality, Timestamp};
use tacitus_storage::Clock;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::describe::About;
use super::events::Event;
use super::items::Handle;
use crate::collect::State;
use crate::collect::limits::WAITING_BYTES_MAX;
use crate::collect::opcua::settings::Node;

/// A message to the pump.
#[derive(Debug)]
pub(super) enum Message {
    /// From here on this handle stands for this node.
    Item { handle: Handle, node: Node },
    /// Values that arrived together.
    Values { origin: Origin, arrival: Timestamp, values: Vec<(Handle, DataValue)>, cost: usize },
    /// The tags of these items are without communication since `at`; `None` is all.
    Gap { at: Timestamp, quality: Quality, handles: Option<Vec<Handle>> },
    /// What follows was kept by the server during a cut that ended at this moment of its clock, in
    /// queues of these sizes.
    Bridged { at: Timestamp, queues: Vec<(Handle, u32)> },
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

    /// Puts values in that arrive now.
    pub(super) fn values(&self, origin: Origin, values: Vec<(Handle, DataValue)>) {
        let shared = &self.shared;
        let count = u64::try_from(values.len()).unwrap_or(u64::MAX);
        shared.state.received(count);
        let cost = values.iter().map(|(_, data)| cost_bytes(data)).sum();
        let arrival = shared.clock.now();
        if !self.has_room(arrival, count) {
            return;
        }
        shared.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
        self.order(Message::Values { origin, arrival, values, cost });
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
        if let Some(Message::Values { cost, .. } | Message::Events { cost, .. }) = &message {
            self.shared.waiting_bytes.fetch_sub(*cost, Ordering::Relaxed);
        }
        message
    }
}

/// About what a waiting value costs in memory.
fn cost_bytes(data: &DataValue) -> usize {
    let own = size_of::<(Handle, DataValue)>();
    match &data.value {
        Some(Variant::String(text)) => own + text.as_ref().len(),
        Some(Variant::ByteString(bytes)) => own + bytes.len(),
        Some(Variant::LocalizedText(text)) => own + text.text.as_ref().len(),
        Some(Variant::Array(array)) => own + array.values.len() * size_of::<Variant>(),
        _ => own,
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Shared")
            .field("waiting_bytes", &self.waiting_bytes)
            .finish_non_exhaustive()
    }
}
