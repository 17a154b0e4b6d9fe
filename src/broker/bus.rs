//! The way from any connection to the dispatcher: rumqttd's router with two local links.
//!
//! ```text
//! connections ─▶ link "publishers" ─▶ router, one log ─▶ link "dispatcher" ─▶ tree ─▶ mailboxes
//! ```
//!
//! *Invariant.* The bytes between the two links stay below [`BUS_BYTES_MAX`], far below what the
//! router's log holds: the router, which drops the oldest when its log is full, never drops.
//! Should it do so, or die, it is replaced; nothing that matters lives in it.
//!
//! *Not here.* Filters, retained messages, sessions: the router knows one topic and one filter,
//! because each further filter would be a log it never frees, and each further topic an entry
//! (see `docs/adr/2026-11-22-broker.md`).

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use rumqttd::local::{LinkBuilder, LinkRx, LinkTx};
use rumqttd::protocol::{Packet, Publish};
use rumqttd::{Notification, Router, RouterConfig};
use tacitus_protocol::mqtt::Message;
use tokio::sync::{Mutex, Notify};

use super::limits::{BUS_BYTES_MAX, BUS_READ_MAX, BUS_SEGMENT_BYTES, BUS_SEGMENTS};

/// The only topic and the only filter the router knows.
const TOPIC: &str = "t";

/// Where connections hand messages over.
pub(super) struct Bus {
    line: Mutex<LinkTx>,
    /// Bytes handed over, of messages that are not yet in the mailboxes.
    travelling_bytes: AtomicUsize,
    taken: Notify,
    /// Said when nothing travels any more.
    emptied: Notify,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("travelling_bytes", &self.travelling_bytes)
            .finish_non_exhaustive()
    }
}

/// Where the dispatcher takes them out.
#[derive(Debug)]
pub(super) struct Exit {
    link: LinkRx,
    /// Offset in the router's log that is expected next.
    next_offset: Option<u64>,
    /// Bytes of the message that was taken out last: whoever asks for the next has dealt with it.
    last_bytes: usize,
}

/// The router is dead or has lost messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

fn open() -> io::Result<(LinkTx, Exit)> {
    let router = Router::new(
        0,
        RouterConfig {
            max_connections: 2,
            max_outgoing_packet_count: BUS_READ_MAX,
            max_segment_size: BUS_SEGMENT_BYTES,
            max_segment_count: BUS_SEGMENTS,
            ..RouterConfig::default()
        },
    )
    .spawn();
    let (mut tx, rx, _) =
        LinkBuilder::new("dispatcher", router.clone()).build().map_err(io::Error::other)?;
    // The router handles events in order: the filter is there before the first publish.
    tx.subscribe(TOPIC).map_err(io::Error::other)?;
    let (publishers, _, _) =
        LinkBuilder::new("publishers", router).build().map_err(io::Error::other)?;
    Ok((publishers, Exit { link: rx, next_offset: None, last_bytes: 0 }))
}

impl Bus {
    /// Starts a router.
    pub(super) fn start() -> io::Result<(Self, Exit)> {
        let (line, exit) = open()?;
        let bus = Self {
            line: Mutex::new(line),
            travelling_bytes: AtomicUsize::new(0),
            taken: Notify::new(),
            emptied: Notify::new(),
        };
        Ok((bus, exit))
    }

    /// Hands messages over in this order, waiting while too much is on the way. `number` is
    /// called for each before it leaves, in the order of all messages of the process.
    pub(super) async fn hand_over(&self, messages: &[Message], mut number: impl FnMut(&Message)) {
        let mut line = self.line.lock().await;
        let mut rest = messages;
        while !rest.is_empty() {
            self.wait_for_room().await;
            let mut bytes = 0;
            let mut count = 0;
            for message in rest {
                if count > 0 && bytes + travel_bytes(message) > BUS_BYTES_MAX / 4 {
                    break;
                }
                bytes += travel_bytes(message);
                count += 1;
            }
            let (now, later) = rest.split_at(count);
            rest = later;
            self.travelling_bytes.fetch_add(bytes, Ordering::AcqRel);
            for message in now {
                number(message);
            }
            self.put(&mut line, now).await;
        }
    }

    async fn put(&self, line: &mut LinkTx, messages: &[Message]) {
        let Some((last, first)) = messages.split_last() else {
            return;
        };
        let packet = |message: &Message| {
            let topic = bytes::Bytes::from_static(TOPIC.as_bytes());
            Packet::Publish(Publish::new(topic, message.block(), false), None)
        };
        line.buffer().extend(first.iter().map(packet));
        if line.send(packet(last)).await.is_err() {
            // The dispatcher sees the same dead router and replaces it.
            tracing::warn!("router does not take messages");
        }
    }

    async fn wait_for_room(&self) {
        loop {
            let mut taken = std::pin::pin!(self.taken.notified());
            taken.as_mut().enable();
            if self.travelling_bytes.load(Ordering::Acquire) < BUS_BYTES_MAX {
                return;
            }
            taken.await;
        }
    }

    /// The next message out of the router.
    pub(super) async fn take(&self, exit: &mut Exit) -> Result<Message, Broken> {
        self.arrive(std::mem::take(&mut exit.last_bytes));
        loop {
            let forward = match exit.link.next().await {
                Ok(Some(Notification::Forward(forward))) => forward,
                Ok(Some(Notification::Unschedule)) => {
                    exit.link.wake().await.map_err(|_closed| Broken)?;
                    continue;
                }
                Ok(Some(Notification::Disconnect(..))) | Err(_) => return Err(Broken),
                Ok(_) => continue,
            };
            let (_, offset) = forward.cursor.ok_or(Broken)?;
            if exit.next_offset.is_some_and(|expected| expected != offset) {
                return Err(Broken);
            }
            exit.next_offset = Some(offset + 1);
            let message = Message::from_block(forward.publish.payload).ok_or(Broken)?;
            exit.last_bytes = travel_bytes(&message);
            return Ok(message);
        }
    }

    /// So many bytes are where they were to go.
    fn arrive(&self, bytes: usize) {
        let rest = |travelling: usize| Some(travelling.saturating_sub(bytes));
        let before = self.travelling_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, rest);
        self.taken.notify_one();
        if before.is_ok_and(|before| before <= bytes) {
            self.emptied.notify_waiters();
        }
    }

    /// Waits until everything that was handed over is in the mailboxes.
    pub(super) async fn is_empty(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.emptied.notified());
            emptied.as_mut().enable();
            if self.travelling_bytes.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Replaces the router; what was in it is gone for subscribers (it is stored already).
    /// `renumber` is called while nobody can hand over.
    pub(super) async fn replace(&self, renumber: impl FnOnce()) -> io::Result<Exit> {
        self.travelling_bytes.store(0, Ordering::Release);
        self.taken.notify_one();
        let mut line = self.line.lock().await;
        let (fresh, exit) = open()?;
        *line = fresh;
        self.travelling_bytes.store(0, Ordering::Release);
        self.emptied.notify_waiters();
        renumber();
        Ok(exit)
    }
}

/// Bytes the router counts for a message.
fn travel_bytes(message: &Message) -> usize {
    4 + TOPIC.len() + message.bytes()
}
