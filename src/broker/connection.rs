//! One client's socket, from accept to close.
//!
//! ```text
//! read ─▶ frames ─▶ group ─▶ store (up to 8 groups wait) ─▶ publish ─▶ acknowledge ─▶ write
//! mailbox ─▶ deliver ─▶ write
//! ```
//!
//! *Invariant.* Groups are settled in the order they were read, and a message is acknowledged
//! only after its group was stored and published. Reading goes on while groups wait, within the
//! bounds of `limits`; beyond them the socket is not read, which slows the sender down.
//!
//! *Not here.* What packets mean (`tacitus_protocol::mqtt`), what others see (`room`).

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tacitus_protocol::mqtt::{
    Action, Awaited, Connection, Delivery, DisconnectReasonCode, Frames, Message, NO_ROOM, Note,
    Refusal, Stored, limits::OUTPUT_BYTES_HIGH, reply,
};
use tacitus_storage::Document;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};

use super::asked_to_stop;
use super::counters::{many, one};
use super::history::Stories;
use super::intake::{StoreError, StoryError};
use super::limits::{
    FAREWELL_TIME_MAX, GROUP_BYTES_MAX, GROUPS_BYTES_MAX, GROUPS_MAX, OUTPUT_BYTES_MAX,
    PACKET_SILENCE_MAX, READ_BYTES_MAX, READ_BYTES_MIN,
};
use super::line::{Reader, Writer};
use super::memory;
use super::pace::Pace;
use super::rights::Allowed;
use super::room::{Going, Room, Routes, Testament, Wish};
use super::seats::Seat;
use super::sys;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client said goodbye.
    Left { with_will: bool },
    /// The socket closed.
    Lost,
    /// The broker ends it, for this reason.
    Cut(Refusal),
}

/// Messages read together and the acknowledgements they wait for.
#[derive(Debug, Default)]
struct Group {
    messages: Vec<Message>,
    /// In the order of the packets; what was denied was not stored.
    awaited: Vec<(Awaited, Stored)>,
    notes: Vec<Note>,
    bytes: usize,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.awaited.is_empty() && self.notes.is_empty()
    }
}

type Settled = (Group, Result<Routes, StoreError>);

/// An accepted client.
pub(super) struct Client {
    pub(super) room: Arc<Room>,
    pub(super) seat: Seat,
    /// `None`: it may do everything.
    pub(super) allowed: Option<Arc<Allowed>>,
    pub(super) pace: Pace,
    pub(super) stories: Stories,
    pub(super) connection: Connection,
    pub(super) frames: Frames,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) keep_alive_s: u16,
    pub(super) session_expiry_s: u32,
    pub(super) session_expiry_s_max: u32,
    pub(super) testament: Option<Testament>,
}

/// The part of a client that changes while it is served.
struct Traffic {
    groups: FuturesOrdered<BoxFuture<'static, Settled>>,
    groups_bytes: usize,
    read_bytes: usize,
    heard: Instant,
    /// Packets were read that are not taken yet: the last group was full.
    is_behind: bool,
    end: Option<End>,
}

const TAKEN_OVER: Refusal = Refusal::new(
    DisconnectReasonCode::SessionTakenOver,
    "another connection uses this client identifier",
);
const STOPPING: Refusal =
    Refusal::new(DisconnectReasonCode::ServerShuttingDown, "the server stops");
const SILENT: Refusal =
    Refusal::new(DisconnectReasonCode::KeepAliveTimeout, "nothing was heard in time");
const TOO_SLOW: Refusal =
    Refusal::new(DisconnectReasonCode::QuotaExceeded, "more messages wait than this broker keeps");
const STORE_FAILED: Refusal =
    Refusal::new(DisconnectReasonCode::ImplementationSpecificError, "the store has failed");

impl Client {
    /// Serves the client to its end.
    pub(super) async fn serve(mut self, mut stop: watch::Receiver<bool>) {
        let mut traffic = Traffic {
            groups: FuturesOrdered::new(),
            groups_bytes: 0,
            read_bytes: READ_BYTES_MIN,
            heard: Instant::now(),
            is_behind: false,
            end: None,
        };
        // What came together with the CONNECT.
        self.take_frames(&mut traffic).await;
        let mut tick = tokio::time::interval(self.tick_every());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            self.deliver();
            if self.seat.mailbox.is_overflown() {
                one(&self.room.counters.connections_cut_slow);
                break End::Cut(TOO_SLOW);
            }
            if let Some(end) = traffic.end {
                break end;
            }
            let rest = self.pace.rests_until(Instant::now());
            let may_read = rest.is_none()
                && traffic.groups.len() < GROUPS_MAX
                && traffic.groups_bytes < GROUPS_BYTES_MAX
                && (traffic.groups.is_empty() || !self.room.is_crowded())
                && self.connection.output.len() < OUTPUT_BYTES_MAX;
            if may_read && traffic.is_behind {
                self.take_frames(&mut traffic).await;
                continue;
            }
            let must_write = !self.connection.output.is_empty();
            if may_read {
                self.frames.buffer().reserve(traffic.read_bytes);
            }
            tokio::select! {
                () = self.seat.wanted.notified() => traffic.end = Some(End::Cut(TAKEN_OVER)),
                () = asked_to_stop(&mut stop) => traffic.end = Some(End::Cut(STOPPING)),
                written = self.writer.write_buf(&mut self.connection.output), if must_write => {
                    match written {
                        Ok(count) => many(&self.room.counters.bytes_out, count),
                        Err(_) => traffic.end = Some(End::Lost),
                    }
                }
                Some(settled) = traffic.groups.next(), if !traffic.groups.is_empty() => {
                    self.settle(&mut traffic, settled).await;
                }
                read = self.reader.read_buf(self.frames.buffer()), if may_read => {
                    match read {
                        Ok(0) | Err(_) => traffic.end = Some(End::Lost),
                        Ok(count) => self.heard(&mut traffic, count).await,
                    }
                }
                told = self.stories.next(), if self.connection.has_room() => {
                    self.retell(&mut traffic, told);
                }
                // Also while nothing can be delivered: the mailbox may be full.
                () = self.seat.mailbox.arrived() => {}
                () = sleep_until(rest.unwrap_or_else(Instant::now)), if rest.is_some() => {}
                _ = tick.tick() => self.check_silence(&mut traffic, may_read),
            }
        };
        self.leave(traffic, end).await;
    }

    fn tick_every(&self) -> Duration {
        let patience = Duration::from_secs(u64::from(self.keep_alive_s)) * 3 / 2;
        if patience.is_zero() {
            PACKET_SILENCE_MAX / 4
        } else {
            (patience / 8).min(PACKET_SILENCE_MAX / 4)
        }
    }

    fn check_silence(&self, traffic: &mut Traffic, may_read: bool) {
        if !may_read {
            // The client cannot be heard while its socket is not read.
            traffic.heard = Instant::now();
            return;
        }
        let silence = traffic.heard.elapsed();
        let keep_alive = Duration::from_secs(u64::from(self.keep_alive_s)) * 3 / 2;
        let is_silent = !keep_alive.is_zero() && silence >= keep_alive;
        if is_silent || (self.frames.is_partial() && silence >= PACKET_SILENCE_MAX) {
            traffic.end = Some(End::Cut(SILENT));
        }
    }

    /// Gives the client what waits for it, as far as it takes it.
    fn deliver(&mut self) {
        let now_ms = self.room.now_ms();
        let mut written = self.connection.resend(now_ms);
        while self.connection.has_room() {
            let Some(delivery) = self.seat.mailbox.pop() else { break };
            let topic = delivery.message.topic();
            if self.allowed.as_ref().is_some_and(|allowed| allowed.hides(topic)) {
                self.connection.withhold(&delivery);
                continue;
            }
            written += usize::from(self.connection.deliver(delivery, now_ms));
        }
        many(&self.room.counters.messages_out, written);
        let ended = self.connection.session_mut().take_ended();
        if !ended.is_empty() {
            self.room.end_deliveries(&self.seat, &ended);
        }
    }

    /// Gives the client a sample of the past.
    fn retell(&mut self, traffic: &mut Traffic, told: Result<Delivery, StoryError>) {
        match told {
            Ok(delivery) => {
                let topic = delivery.message.topic();
                if self.allowed.as_ref().is_none_or(|allowed| !allowed.hides(topic))
                    && self.connection.deliver(delivery, self.room.now_ms())
                {
                    one(&self.room.counters.messages_out);
                    one(&self.room.counters.samples_retold);
                }
            }
            Err(error) => {
                tracing::info!(client = %self.seat.client, %error, "the past is not told further");
                one(&self.room.counters.connections_cut_slow);
                traffic.end = Some(End::Cut(TOO_SLOW));
            }
        }
    }

    async fn heard(&mut self, traffic: &mut Traffic, count: usize) {
        many(&self.room.counters.bytes_in, count);
        traffic.heard = Instant::now();
        if count >= traffic.read_bytes {
            traffic.read_bytes = (traffic.read_bytes * 2).min(READ_BYTES_MAX);
        } else if count < traffic.read_bytes / 4 {
            traffic.read_bytes = (traffic.read_bytes / 2).max(READ_BYTES_MIN);
        }
        self.take_frames(traffic).await;
    }

    /// Takes every whole packet that was read; their PUBLISHes become one group. A group that is
    /// full leaves the rest for the next: a topic alias makes much out of few bytes.
    async fn take_frames(&mut self, traffic: &mut Traffic) {
        let now_ms = self.room.now_ms();
        let mut group = Group::default();
        traffic.is_behind = false;
        while traffic.end.is_none() {
            if group.bytes >= GROUP_BYTES_MAX {
                traffic.is_behind = true;
                break;
            }
            let taken = match self.frames.next_frame() {
                Ok(Some(frame)) => self.connection.receive(&frame, now_ms),
                Ok(None) => break,
                Err(refusal) => Err(refusal),
            };
            match taken {
                Ok(action) => self.act(action, &mut group, traffic).await,
                Err(refusal) => traffic.end = Some(End::Cut(refusal)),
            }
        }
        if !group.is_empty() {
            self.submit(group, traffic);
        }
    }

    async fn act(&mut self, action: Action, group: &mut Group, traffic: &mut Traffic) {
        match action {
            Action::None => {}
            Action::Publish(message, awaited) => {
                if self.may_publish(message.topic()) {
                    group.bytes += message.bytes();
                    group.messages.push(message);
                    group.awaited.push((awaited, Stored::Kept));
                } else {
                    one(&self.room.counters.messages_denied);
                    group.awaited.push((awaited, Stored::Denied));
                }
            }
            Action::Note(note) => group.notes.push(note),
            Action::Subscribe { packet_id, subscription_id, requests } => {
                let wish = Wish { packet_id, subscription_id, requests };
                let allowed = self.allowed.as_deref();
                let stories = &mut self.stories;
                self.room.subscribe(&mut self.connection, stories, &wish, allowed).await;
            }
            Action::Unsubscribe { packet_id, filters } => {
                let stories = &mut self.stories;
                self.room.unsubscribe(&mut self.connection, stories, packet_id, &filters).await;
            }
            Action::Leave { with_will, session_expiry_s } => {
                traffic.end = Some(match session_expiry_s {
                    Some(expiry) if expiry > 0 && self.session_expiry_s == 0 => {
                        End::Cut(Refusal::protocol("a session without expiry cannot be given one"))
                    }
                    Some(expiry) => {
                        self.session_expiry_s = expiry.min(self.session_expiry_s_max);
                        End::Left { with_will }
                    }
                    None => End::Left { with_will },
                });
            }
        }
    }

    fn may_publish(&self, topic: &str) -> bool {
        !topic.starts_with(sys::PREFIX)
            && self.allowed.as_ref().is_none_or(|allowed| allowed.may_publish(topic))
    }

    fn submit(&mut self, group: Group, traffic: &mut Traffic) {
        many(&self.room.counters.messages_in, group.awaited.len());
        let now = Instant::now();
        self.pace.count(group.awaited.len(), now);
        if self.pace.rests_until(now).is_some() {
            one(&self.room.counters.reads_paced);
        }
        let documents = self.documents(&group);
        traffic.groups_bytes += group.bytes;
        self.room.begin_storing(group.bytes);
        let room = Arc::clone(&self.room);
        let client = Arc::clone(&self.seat.client);
        let received = room.now();
        traffic.groups.push_back(Box::pin(async move {
            let result = room.store(&client, &group.messages, documents, received).await;
            (group, result)
        }));
    }

    /// What has to be remembered of a group beside its messages.
    fn documents(&self, group: &Group) -> Vec<Document> {
        if !self.connection.session().is_kept() {
            return Vec::new();
        }
        let key = self.seat.key;
        let open = group.awaited.iter().filter_map(|awaited| match awaited {
            (Awaited::PubRec(id), Stored::Kept) => Some(memory::open(key, *id)),
            _ => None,
        });
        open.chain(group.notes.iter().map(|note| memory::noted(key, *note))).collect()
    }

    /// Publishes and acknowledges a group, or says that it was not kept.
    async fn settle(&mut self, traffic: &mut Traffic, (group, result): Settled) {
        traffic.groups_bytes -= group.bytes;
        self.room.end_storing(group.bytes);
        let counters = Arc::clone(&self.room.counters);
        match result {
            Ok(routes) => {
                self.room.publish(&group.messages, routes).await;
                let is_promised = |(awaited, stored): &&(Awaited, Stored)| {
                    *awaited != Awaited::Nothing && *stored == Stored::Kept
                };
                let promised = group.awaited.iter().filter(is_promised).count();
                many(&counters.messages_acknowledged, promised);
                self.acknowledge(traffic, &group.awaited, Stored::Kept);
                for note in group.notes {
                    self.connection.noted(note);
                }
            }
            Err(StoreError::Full | StoreError::Busy) => {
                many(&counters.messages_not_kept, group.messages.len());
                self.acknowledge(traffic, &group.awaited, Stored::NoRoom);
                for note in group.notes {
                    // The client takes the step again when it comes back.
                    self.connection.unnoted(note);
                    traffic.end.get_or_insert(End::Cut(NO_ROOM));
                }
            }
            Err(StoreError::Failed) => {
                many(&counters.messages_not_kept, group.messages.len());
                for (awaited, _) in group.awaited {
                    self.connection.abandoned(awaited);
                }
                for note in group.notes {
                    self.connection.unnoted(note);
                }
                traffic.end.get_or_insert(End::Cut(STORE_FAILED));
            }
        }
    }

    fn acknowledge(
        &mut self,
        traffic: &mut Traffic,
        awaited: &[(Awaited, Stored)],
        stored: Stored,
    ) {
        for &(awaited, decided) in awaited {
            let stored = if decided == Stored::Denied { decided } else { stored };
            if let Err(refusal) = self.connection.stored(awaited, stored) {
                traffic.end.get_or_insert(End::Cut(refusal));
            }
        }
    }

    /// Finishes what was begun, gives the session back, says why.
    async fn leave(mut self, mut traffic: Traffic, end: End) {
        while let Some(settled) = traffic.groups.next().await {
            self.settle(&mut traffic, settled).await;
        }
        let version = self.connection.version();
        let mut output = std::mem::take(&mut self.connection.output);
        if let End::Cut(refusal) = end {
            one(&self.room.counters.connections_cut);
            tracing::info!(client = %self.seat.client, reason = refusal.message, "connection cut");
            reply::disconnect(version, refusal, &mut output);
        }
        let keeps_will = !matches!(end, End::Left { with_will: false });
        if !keeps_will && let Some(testament) = self.testament.take() {
            // On disk before the client sees the end: a will it took back is never published.
            let document = memory::no_will(testament.number);
            if let Err(error) = self.room.desk.write(vec![document]).await {
                tracing::warn!(client = %self.seat.client, %error, "a will was not taken back");
            }
        }
        let ended = self.connection.session_mut().take_ended();
        self.room.end_deliveries(&self.seat, &ended);
        let going = Going {
            expiry_s: self.session_expiry_s,
            testament: self.testament.as_ref(),
            keeps_will,
            stops: end == End::Cut(STOPPING),
        };
        let session = self.connection.into_session();
        let client = Arc::clone(&self.seat.client);
        let due = self.room.vacate(self.seat, session, going);
        if let Some(will) = due {
            self.room.publish_will(will).await;
        }
        self.room.intake.left(&client);
        if end != End::Lost {
            farewell(self.reader, self.writer, output).await;
        }
    }
}

/// Writes the last bytes, then reads on for a moment: a socket that is closed with unread bytes
/// in it is reset, and the client would never see the reason.
pub(super) async fn farewell(mut reader: Reader, mut writer: Writer, output: BytesMut) {
    let parting = async {
        writer.write_all(&output).await?;
        writer.shutdown().await?;
        let mut rest = BytesMut::with_capacity(READ_BYTES_MIN);
        while reader.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        std::io::Result::Ok(())
    };
    if let Ok(Err(error)) = tokio::time::timeout(FAREWELL_TIME_MAX, parting).await {
        tracing::debug!(%error, "client left before the farewell");
    }
}

// Deliveries are encoded only while less than this waits for the socket, so acknowledgements
// always find room below the bound at which reading stops.
const _: () = assert!(OUTPUT_BYTES_HIGH < OUTPUT_BYTES_MAX);
