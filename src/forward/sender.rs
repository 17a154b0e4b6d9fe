//! One forwarder at work: reads what waits, sends it, and writes down how far the upstream has it.
//!
//! ```text
//! meet the upstream ─▶ newest lane ⇄ oldest lane: read ─▶ send ─▶ acknowledged ─▶ cursor, hold
//!         ▲                                             │ failed
//!         └───────────── wait, twice as long each time ◀┘
//! ```
//! *Invariant.* The cursor passes a sample only after the upstream has it on disk, or refused it
//! for what it is, or it was let go; and it is on disk before the hold on the store moves. One
//! message is under way at a time, so that two values of one time arrive in their order. After a
//! kill at most one message is sent again.
//!
//! *Not here.* What a message says: `batch`. What the upstream does with it: `receiver`.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;
use tacitus_storage::{Chance, ChangesMax, Clock, Document, Engine, Error, Stretch};
use tokio::time::Instant;

use super::State;
use super::batch::{self, Ends, Known, Message, Piece};
use super::buffer;
use super::cursor::Cursor;
use super::limits::{LIVE_AHEAD_SAMPLES_MIN, WAIT_FIRST, WAIT_MAX, WATCH_EVERY};
use super::link::{Answer, Broken, Link};
use super::settings::{Order, Settings};
use crate::collect::Phase;
use crate::documents::CURSORS;
use crate::gaps::Gaps;
use crate::keeper::Keeper;
use crate::shutdown::Shutdown;

/// Where messages go.
const ROUTE: &str = "/api/v1/forward";

/// How long a silent upstream is believed to be there.
const ASKED_EVERY: Duration = Duration::from_secs(10);

/// How long the cursor may lag behind on disk while nothing is sent, as all that came is of tags
/// that are not.
const KEPT_EVERY: Duration = Duration::from_secs(10);

/// What a forwarder works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The store that it reads.
    pub engine: Arc<Engine>,
    /// Where its cursor is kept.
    pub keeper: Arc<dyn Keeper>,
    /// Where losses are written down.
    pub gaps: Arc<Gaps>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What spreads the waits of many forwarders.
    pub chance: Arc<dyn Chance>,
    /// The identity of this server.
    pub identity: String,
}

/// What holds the store for a forwarder.
pub(super) fn holder(name: &str) -> String {
    format!("forward:{name}")
}

/// The record of a cursor.
pub(super) fn record(name: &str, cursor: Option<&Cursor>) -> Document {
    let body = cursor.map(Cursor::written);
    Document { collection: CURSORS, key: name.as_bytes().to_vec(), body }
}

/// One forwarder.
pub(super) struct Sender {
    settings: Arc<Settings>,
    parts: Parts,
    state: Arc<State>,
    shutdown: Shutdown,
    link: Link,
    ends: Ends,
    known: Known,
    /// Failures since the last success.
    failures: u32,
    /// Whose turn it is, where there are two lanes.
    newest: bool,
    /// How often messages were halved, as the upstream takes none that large.
    halved: u32,
    /// When the newest lane is looked at again: samples gather until then.
    live_at: Instant,
    /// When the upstream was heard last.
    heard_at: Instant,
    /// When the next message may go, where there is a rate to keep.
    next_at: Instant,
    kept_at: Instant,
    looked_at: Option<Instant>,
}

/// What came of one round.
enum Round {
    /// Something was sent, or passed over.
    Went,
    /// There was nothing to send.
    Empty,
}

impl Sender {
    pub(super) fn new(
        settings: Settings,
        parts: Parts,
        state: Arc<State>,
        shutdown: Shutdown,
    ) -> Result<Self, Broken> {
        let link = Link::new(settings.target.clone())?;
        let ends = Ends { own: parts.identity.clone(), upstream: String::new() };
        let now = Instant::now();
        Ok(Self {
            settings: Arc::new(settings),
            parts,
            state,
            shutdown,
            link,
            ends,
            known: Known::new(),
            failures: 0,
            newest: true,
            halved: 0,
            live_at: now,
            heard_at: now,
            next_at: now,
            kept_at: now,
            looked_at: None,
        })
    }

    /// Forwards until the stop is requested.
    pub(super) async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        tokio::select! {
            () = shutdown.requested() => {}
            () = self.forward() => {}
        }
        self.state.line().stopped();
    }

    async fn forward(&mut self) {
        loop {
            let outcome = match self.meet().await {
                Ok(()) => self.send_all().await,
                Err(broken) => broken,
            };
            self.fail(&outcome).await;
        }
    }

    /// Says what went wrong, and waits.
    async fn fail(&mut self, broken: &Broken) {
        let line = self.state.line();
        if self.failures == 0 {
            let (name, why) = (&self.settings.name, &broken.0);
            tracing::warn!(name, why, "forwarding is interrupted");
        }
        line.error(broken.0.clone());
        line.phase(Phase::Waiting);
        self.failures = self.failures.saturating_add(1);
        let longest = WAIT_FIRST.saturating_mul(1 << self.failures.min(10)).min(WAIT_MAX);
        // Between half of it and all of it: many that lost one upstream come back spread out.
        let half_ms = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        let wait = Duration::from_millis(half_ms + self.parts.chance.next_u64() % half_ms);
        let until = Instant::now() + wait;
        while Instant::now() < until {
            self.watch().await;
            tokio::time::sleep_until(until.min(Instant::now() + WATCH_EVERY)).await;
        }
    }

    /// Learns who the upstream is. Whatever it was told before is told again.
    async fn meet(&mut self) -> Result<(), Broken> {
        self.watch().await;
        if self.failures == 0 {
            self.state.line().phase(Phase::Connecting);
        }
        self.ends.upstream = self.ask().await?;
        if self.ends.upstream == self.ends.own {
            let what = "the upstream is this server itself, or a copy of its files";
            return Err(Broken(what.to_owned()));
        }
        self.known.clear();
        self.halved = 0;
        if self.settings.order == Order::LiveFirst {
            self.go_ahead();
        }
        self.state.line().phase(Phase::Connected);
        Ok(())
    }

    /// The identity of the upstream.
    async fn ask(&mut self) -> Result<String, Broken> {
        let answer = self.link.get(ROUTE).await?;
        self.heard_at = Instant::now();
        let identity = answer.document.get("identity").and_then(Value::as_str);
        match identity {
            Some(identity) if answer.status == StatusCode::OK => Ok(identity.to_owned()),
            _ if answer.status == StatusCode::OK => {
                let what = "what answers there is no Tacitus that takes what is forwarded";
                Err(Broken(what.to_owned()))
            }
            _ => Err(Broken(answer.refusal())),
        }
    }

    /// All is well.
    fn recovered(&mut self) {
        if self.failures > 0 {
            tracing::info!(name = self.settings.name, "forwarding again");
        }
        self.failures = 0;
    }

    /// Lets what comes in from now on go ahead of a long backlog.
    fn go_ahead(&self) {
        let snapshot = self.parts.engine.snapshot();
        let mut cursor = self.state.cursor();
        let Some(last) = cursor.waiting(snapshot.sequence()).last().copied() else { return };
        let waits = self.parts.engine.backlog(last).samples;
        // A deletion must not arrive after what was written behind it.
        if waits >= LIVE_AHEAD_SAMPLES_MIN && snapshot.deletions(last).is_empty() {
            cursor.go_ahead(snapshot.sequence());
        }
    }

    /// Sends for as long as it goes well.
    async fn send_all(&mut self) -> Broken {
        loop {
            self.watch().await;
            let sent = match self.round().await {
                Ok(Round::Went) => Ok(()),
                Ok(Round::Empty) => self.rest().await,
                Err(broken) => Err(broken),
            };
            if let Err(broken) = sent {
                return broken;
            }
        }
    }

    /// Lets samples gather; asks now and then whether the upstream is there still.
    async fn rest(&mut self) -> Result<(), Broken> {
        if self.heard_at.elapsed() >= ASKED_EVERY && self.ask().await? != self.ends.upstream {
            return Err(Broken("the upstream is another one now".to_owned()));
        }
        self.recovered();
        tokio::time::sleep_until(self.live_at).await;
        Ok(())
    }

    /// One message, of the newest or of the oldest lane.
    async fn round(&mut self) -> Result<Round, Broken> {
        let rests = Instant::now() < self.live_at;
        let is_single = self.state.cursor().is_single();
        self.newest = !self.newest;
        let turns: &[bool] = match (is_single, rests) {
            (true, true) => &[],
            (true, false) => &[true],
            (false, true) => &[false],
            (false, false) if self.newest => &[true, false],
            (false, false) => &[false, true],
        };
        for newest in turns {
            let piece = self.read(*newest).await?;
            if *newest && piece.as_ref().is_none_or(|piece| piece.is_last) {
                self.live_at = Instant::now() + self.settings.every;
            }
            if let Some(piece) = piece {
                return self.send(piece).await.map(|()| Round::Went);
            }
        }
        self.keep_if_due().await?;
        Ok(Round::Empty)
    }

    /// Sends a piece, where there is anything in it, and moves the cursor.
    async fn send(&mut self, piece: Piece) -> Result<(), Broken> {
        let Piece { task, next, message, .. } = piece;
        let Some(message) = message else {
            self.state.cursor().done(task, next);
            return self.keep_if_due().await;
        };
        tokio::time::sleep_until(self.next_at).await;
        let samples = message.samples;
        if self.deliver(message).await? {
            self.state.cursor().done(task, next);
            self.keep().await?;
            self.pace(samples);
        }
        Ok(())
    }

    /// Reads a piece where reading the disk holds up nobody.
    async fn read(&mut self, newest: bool) -> Result<Option<Piece>, Broken> {
        let snapshot = self.parts.engine.snapshot();
        let Some(task) = self.state.cursor().task(&snapshot, newest) else { return Ok(None) };
        let (engine, settings) = (Arc::clone(&self.parts.engine), Arc::clone(&self.settings));
        let (ends, known) = (self.ends.clone(), std::mem::take(&mut self.known));
        let most = ChangesMax {
            rows: (settings.batch_rows_max >> self.halved).max(1),
            bytes: (settings.batch_bytes_max >> self.halved).max(1),
        };
        let work = move || {
            let piece = batch::read(&engine, &settings, &ends, &known, (task, most));
            (piece, known)
        };
        let (piece, known) = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Broken(format!("reading the store ended badly: {error}")))?;
        self.known = known;
        let unread = |error: Error| Broken(format!("the store cannot be read: {error}"));
        piece.map(Some).map_err(unread)
    }

    /// Sends a message and hears the answer; whether the upstream has it.
    async fn deliver(&mut self, message: Message) -> Result<bool, Broken> {
        let Message { body, samples, described } = message;
        let answer = self.link.post(ROUTE, body.into()).await?;
        self.heard_at = Instant::now();
        let count = |name: &str| answer.document.get(name).and_then(Value::as_u64).unwrap_or(0);
        match answer.status {
            StatusCode::OK => {
                self.recovered();
                self.known.extend(described);
                let refused = count("refused");
                if refused > 0 {
                    self.state.refused(refused, reasons(&answer));
                }
                self.state.sent(samples.saturating_sub(refused));
                Ok(true)
            }
            // It does not know tags that it was told of: it was restored, or is another one.
            StatusCode::CONFLICT if count("unknown") > 0 && !self.known.is_empty() => {
                self.known.clear();
                Ok(false)
            }
            StatusCode::PAYLOAD_TOO_LARGE if samples > 1 && self.halved < usize::BITS - 1 => {
                self.halved += 1;
                Ok(false)
            }
            _ => Err(Broken(answer.refusal())),
        }
    }

    /// Spreads messages, where there is a rate to keep.
    fn pace(&mut self, samples: u64) {
        let Some(rate) = self.settings.rate_max else { return };
        let nanos = u128::from(samples) * 1_000_000_000 / u128::from(rate.max(1));
        let span = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.next_at = self.next_at.max(Instant::now()) + span;
    }

    /// Writes the cursor down, and lets the store have what the upstream has.
    async fn keep(&mut self) -> Result<(), Broken> {
        keep(&self.parts, &self.settings.name, &self.state).await?;
        self.kept_at = Instant::now();
        Ok(())
    }

    /// Writes down now and then how far the cursor passed what is not sent.
    async fn keep_if_due(&mut self) -> Result<(), Broken> {
        if self.kept_at.elapsed() < KEPT_EVERY {
            return Ok(());
        }
        self.kept_at = Instant::now();
        let until = self.state.cursor().through();
        let holder = holder(&self.settings.name);
        let holds = self.parts.engine.holds();
        let held = holds.iter().find(|(own, _)| *own == holder).map_or(0, |(_, after)| *after);
        // The record of a cursor is no reason to write another one.
        let passed = self.parts.engine.backlog(Stretch { after: held, until });
        if passed.samples > 0 { self.keep().await } else { Ok(()) }
    }

    /// Keeps the buffer within its bound.
    async fn watch(&mut self) {
        if self.looked_at.is_some_and(|at| at.elapsed() < WATCH_EVERY) {
            return;
        }
        self.looked_at = Some(Instant::now());
        keep_within(&self.parts, &self.settings, &self.state).await;
    }
}

/// Keeps the buffer of a forwarder that does not send within its bound, until the stop is
/// requested.
pub(super) async fn watch(settings: Settings, parts: Parts, state: Arc<State>, shutdown: Shutdown) {
    let settings = Arc::new(settings);
    while tokio::time::timeout(WATCH_EVERY, shutdown.requested()).await.is_err() {
        keep_within(&parts, &settings, &state).await;
    }
}

/// Lets go what is too much, where that holds up nobody.
async fn keep_within(parts: &Parts, settings: &Arc<Settings>, state: &Arc<State>) {
    let (own, name) = (parts.clone(), settings.name.clone());
    let (settings, kept) = (Arc::clone(settings), Arc::clone(state));
    let work = move || buffer::keep_within(&own, &settings, &kept);
    match tokio::task::spawn_blocking(work).await {
        Ok(false) => {}
        Ok(true) => {
            if let Err(Broken(why)) = keep(parts, &name, state).await {
                state.line().error(why);
            }
        }
        Err(error) => tracing::error!(name, %error, "the watch of a buffer ended badly"),
    }
}

/// Writes the cursor down, and lets the store have what the upstream has.
async fn keep(parts: &Parts, name: &str, state: &State) -> Result<(), Broken> {
    let cursor = state.cursor().clone();
    let kept = parts.keeper.keep(vec![record(name, Some(&cursor))]).await;
    kept.map_err(|error| Broken(format!("the cursor waits for the disk: {error}")))?;
    parts.engine.hold(&holder(name), cursor.through());
    Ok(())
}

/// Why samples were refused, for people.
fn reasons(answer: &Answer) -> String {
    let listed = answer.document.get("reasons").and_then(Value::as_array);
    let words = listed.into_iter().flatten().filter_map(Value::as_str);
    words.collect::<Vec<_>>().join("; ")
}
