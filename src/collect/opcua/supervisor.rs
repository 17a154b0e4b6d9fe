//! Keeps a collector collecting: connects, subscribes, notices silence, and begins anew.
//!
//! ```text
//!          ┌────────────────────────────────────────────┐
//!          ▼                                            │ wait 1 s … 30 s (denied: 2 … 10 min)
//!  open link ─▶ survey ─▶ subscribe ─▶ hold ── ends ────┤
//!                                       │  ▲            │ at once, if the server forgot the session
//!                                  lost │  │ back       └─
//!                                       ▼  │
//!                               library reactivates, 60 s at most
//! ```
//!
//! *Invariant.* Whatever fails is tried again, for ever; only a requested stop, or a store that
//! takes nothing more, ends the loop.

use std::sync::Arc;
use std::time::Duration;

use opcua::client::Session;
use opcua::types::{AttributeId, Error, NodeId, ReadValueId, StatusCode, TimestampsToReturn};
use tacitus_model::{Quality, Timestamp};
use tacitus_storage::Clock;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::Parts;
use super::browse::browse;
use super::items::{Handle, Items};
use super::link::{Clients, Event, Link, Refused, denies_user};
use super::mailbox::{Mailbox, Message, Origin};
use super::settings::{Node, Settings};
use super::subscribe::{Context, Heard, Subscriptions};
use super::survey::{Survey, survey};
use crate::collect::limits::{DENIED_WAITS, GAP_GRACE, ITEM_WAITS, RETRY_WAITS, SESSION_TIMEOUT};
use crate::collect::{Phase, State};
use crate::shutdown::Shutdown;

/// Why a link was left.
enum End {
    Stopped,
    /// The server forgot the session, or numbers its namespaces anew.
    Renew(&'static str),
    Refused(Refused),
}

/// An interruption that may yet be bridged.
#[derive(Debug, Clone, Copy)]
struct Outage {
    since: Instant,
    at: Timestamp,
    written: bool,
}

/// Waits that double.
struct Waits {
    bounds: [Duration; 2],
    next: Duration,
}

pub(super) struct Supervisor {
    settings: Arc<Settings>,
    state: Arc<State>,
    clock: Arc<dyn Clock>,
    pki_dir: std::path::PathBuf,
    mailbox: Mailbox,
    shutdown: Shutdown,
    items: Items,
    subscriptions: Subscriptions,
    heard: Arc<Heard>,
    outage: Option<Outage>,
    browse_due: Option<Instant>,
}

impl Supervisor {
    pub(super) fn new(
        settings: Arc<Settings>,
        state: Arc<State>,
        parts: Parts,
        mailbox: Mailbox,
        shutdown: Shutdown,
    ) -> Self {
        let mut supervisor = Self {
            heard: Arc::new(Heard::new(Arc::clone(&parts.clock))),
            clock: parts.clock,
            pki_dir: parts.pki_dir,
            settings,
            state,
            mailbox,
            shutdown,
            items: Items::default(),
            subscriptions: Subscriptions::default(),
            outage: None,
            browse_due: None,
        };
        let settings = Arc::clone(&supervisor.settings);
        settings.nodes.iter().cloned().for_each(|node| supervisor.add(node));
        supervisor
    }

    pub(super) async fn run(mut self) {
        match Clients::new(&self.settings, &self.pki_dir) {
            Ok(mut clients) => self.collect(&mut clients).await,
            Err(reason) => self.trouble(&reason),
        }
        self.mailbox.order(Message::Gap {
            at: self.clock.now(),
            quality: Quality::BAD_NO_COMMUNICATION,
            handles: None,
        });
        self.mailbox.order(Message::End);
    }

    async fn collect(&mut self, clients: &mut Clients) {
        let mut retry = Waits::new(RETRY_WAITS);
        let mut denied = Waits::new(DENIED_WAITS);
        loop {
            self.phase(Phase::Connecting);
            let (was_connected, end) = Box::pin(self.attempt(clients)).await;
            if was_connected {
                retry = Waits::new(RETRY_WAITS);
                denied = Waits::new(DENIED_WAITS);
            }
            self.write_gap(self.heard_at());
            let wait = match end {
                End::Stopped => return,
                End::Renew(reason) => {
                    tracing::info!(collector = %self.settings.name, reason, "begins a new session");
                    continue;
                }
                End::Refused(refused) => {
                    self.trouble(&refused.reason);
                    if refused.denied { denied.next() } else { retry.next() }
                }
            };
            self.phase(Phase::Waiting);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.shutdown.requested() => return,
            }
        }
    }

    /// One link from its opening to its end; also says whether it came to collect.
    async fn attempt(&mut self, clients: &mut Clients) -> (bool, End) {
        self.subscriptions.forget();
        let shutdown = self.shutdown.clone();
        let heard = Arc::new(Heard::new(Arc::clone(&self.clock)));
        let opened = tokio::select! {
            opened = Link::open(clients, &self.settings, Arc::clone(&heard)) => opened,
            () = shutdown.requested() => return (false, End::Stopped),
        };
        let mut link = match opened {
            Ok(link) => link,
            Err(refused) => return (false, End::Refused(refused)),
        };
        // From here on silence is measured on this link; before, gaps start with the last one.
        self.heard = heard;
        self.outage = None;
        let (was_connected, end) = tokio::select! {
            held = self.set_up_and_hold(&mut link) => held,
            () = shutdown.requested() => (true, End::Stopped),
        };
        link.close().await;
        (was_connected, end)
    }

    async fn set_up_and_hold(&mut self, link: &mut Link) -> (bool, End) {
        // A request on a connection that is lost would only end by its time limit.
        let set_up = tokio::select! {
            set_up = self.set_up(&link.session) => set_up,
            _ = link.events.recv() => return (false, refused("the connection was lost")),
        };
        let survey = match set_up {
            Ok(survey) => survey,
            Err(error) => return (false, End::Refused(because(&error))),
        };
        let since = self.clock.now();
        self.state.change(|status| {
            status.phase = Phase::Connected;
            status.connected_since = Some(since);
            status.connections_total += 1;
        });
        tracing::info!(collector = %self.settings.name, "collects");
        (true, self.hold(link, survey).await)
    }

    async fn set_up(&mut self, session: &Session) -> Result<Survey, Error> {
        let survey = survey(session).await?;
        self.items.pin(&survey.namespaces);
        self.items.reset();
        self.browse_due = self.settings.browse.as_ref().map(|_| Instant::now());
        self.browse_if_due(session, &survey).await?;
        self.create_due(session, &survey).await?;
        Ok(survey)
    }

    async fn hold(&mut self, link: &mut Link, mut survey: Survey) -> End {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = link.events.recv() => match event {
                    None => return refused("the session ended"),
                    Some(Event::Lost(status)) => self.lost(status),
                    Some(Event::Up { new: true }) => return End::Renew("the server forgot the session"),
                    Some(Event::Up { new: false }) => match self.back(&link.session, &survey).await {
                        Ok(now) if now.namespaces != survey.namespaces => {
                            return End::Renew("the server numbers its namespaces anew");
                        }
                        Ok(now) => survey = now,
                        Err(error) => self.trouble(&error.to_string()),
                    },
                    Some(Event::Failed(status)) if denies_user(status) => {
                        return End::Refused(Refused { denied: true, reason: status.to_string() });
                    }
                    // Told when the connection was lost; each try is no news.
                    Some(Event::Failed(status)) => {
                        tracing::debug!(collector = %self.settings.name, %status, "no connection yet");
                    }
                },
                _ = ticks.tick() => {
                    if let Some(end) = self.tick(&link.session, &survey).await {
                        return end;
                    }
                }
            }
        }
    }

    /// When the server last said anything.
    fn heard_at(&self) -> Timestamp {
        let said = self.subscriptions.heard_at();
        said.map_or(self.heard.at(), |said| said.max(self.heard.at()))
    }

    fn lost(&mut self, status: StatusCode) {
        self.trouble(&format!("the connection was lost: {status}"));
        self.phase(Phase::Reconnecting);
        if self.outage.is_none() {
            let at = self.heard_at();
            self.outage = Some(Outage { since: Instant::now(), at, written: false });
        }
    }

    /// The connection is back and the session still there: the server sends what it kept. If
    /// the cut is already visible, values that did not change must be read to end it.
    async fn back(&mut self, session: &Session, before: &Survey) -> Result<Survey, Error> {
        let fetched = self.subscriptions.fetch_missed(session, &self.mailbox).await;
        session.trigger_publish_now();
        fetched?;
        let now = survey(session).await?;
        if now.namespaces == before.namespaces && self.outage.is_some_and(|outage| outage.written) {
            self.read_all(session, &now).await?;
        }
        self.outage = None;
        self.phase(Phase::Connected);
        tracing::info!(collector = %self.settings.name, "collects again");
        Ok(now)
    }

    async fn read_all(&self, session: &Session, survey: &Survey) -> Result<(), Error> {
        let nodes: Vec<(Handle, NodeId)> = self
            .items
            .watched()
            .filter_map(|item| Some((item.handle, item.node.node.resolve(&survey.namespaces)?)))
            .collect();
        for chunk in nodes.chunks(survey.read_max) {
            let reads: Vec<ReadValueId> = chunk.iter().map(|(_, node)| value_of(node)).collect();
            let values = session.read(&reads, TimestampsToReturn::Both, 0.0).await?;
            let values = chunk.iter().map(|(handle, _)| *handle).zip(values).collect();
            self.mailbox.values(Origin::Read, values);
        }
        Ok(())
    }

    async fn tick(&mut self, session: &Session, survey: &Survey) -> Option<End> {
        if self.mailbox.is_closed() {
            return Some(End::Stopped);
        }
        if let Some(outage) = self.outage {
            if !outage.written && outage.since.elapsed() > GAP_GRACE {
                self.write_gap(outage.at);
            }
            let over = outage.since.elapsed() > SESSION_TIMEOUT;
            return over.then(|| refused("the connection did not come back"));
        }
        if let Err(error) = self.tend(session, survey).await {
            self.trouble(&error.to_string());
        }
        None
    }

    /// Ends silent subscriptions, and creates what is due.
    async fn tend(&mut self, session: &Session, survey: &Survey) -> Result<(), Error> {
        if let Some((handles, since)) = self.subscriptions.end_silent(session).await {
            self.trouble("a subscription fell silent and is created again");
            self.state.change(|status| status.silences_total += 1);
            self.items.want(&handles);
            self.mailbox.order(Message::Gap {
                at: since,
                quality: Quality::BAD_NO_COMMUNICATION,
                handles: Some(handles),
            });
        }
        self.browse_if_due(session, survey).await?;
        self.create_due(session, survey).await
    }

    async fn create_due(&mut self, session: &Session, survey: &Survey) -> Result<(), Error> {
        let settings = Arc::clone(&self.settings);
        let mailbox = self.mailbox.clone();
        let clock = Arc::clone(&self.clock);
        let context =
            Context { session, settings: &settings, survey, mailbox: &mailbox, clock: &clock };
        let created = self.subscriptions.create_due(context, &mut self.items).await;
        self.state.items(self.items.watched().count(), self.items.failures());
        created
    }

    /// Adds the variables below the browse root, where one is named. A root that is missing is
    /// looked for again later: servers build their address space while they already answer.
    async fn browse_if_due(&mut self, session: &Session, survey: &Survey) -> Result<(), Error> {
        let settings = Arc::clone(&self.settings);
        let due = self.browse_due.is_some_and(|at| at <= Instant::now());
        let Some(wish) = settings.browse.as_ref().filter(|_| due) else { return Ok(()) };
        self.browse_due = Some(Instant::now() + ITEM_WAITS[0]);
        let found = browse(session, survey, wish, &settings.prefix).await?;
        if found.nodes.is_empty() {
            self.trouble(&format!("there are no variables below \"{}\"", wish.root));
            return Ok(());
        }
        self.browse_due = None;
        if found.cut_short {
            self.trouble(&format!("there are more than {} variables to browse", wish.count));
        }
        if found.unnamed > 0 {
            self.trouble(&format!("{} variables have names that no tag can have", found.unnamed));
        }
        found.nodes.into_iter().for_each(|node| self.add(node));
        Ok(())
    }

    fn add(&mut self, node: Node) {
        if let Some(handle) = self.items.add(node.clone()) {
            self.mailbox.order(Message::Item { handle, node });
        }
    }

    /// Makes an interruption visible, once.
    fn write_gap(&mut self, at: Timestamp) {
        if self.outage.is_some_and(|outage| outage.written) {
            return;
        }
        self.mailbox.order(Message::Gap {
            at,
            quality: Quality::BAD_NO_COMMUNICATION,
            handles: None,
        });
        if let Some(outage) = &mut self.outage {
            outage.written = true;
        }
    }

    fn phase(&self, phase: Phase) {
        self.state.change(|status| {
            status.phase = phase;
            if phase != Phase::Connected {
                status.connected_since = None;
            }
        });
    }

    fn trouble(&self, reason: &str) {
        tracing::warn!(collector = %self.settings.name, reason, "collector trouble");
        self.state.error(self.clock.now(), reason.to_owned());
    }
}

impl Waits {
    fn new(bounds: [Duration; 2]) -> Self {
        Self { bounds, next: bounds[0] }
    }

    fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.bounds[1]);
        wait
    }
}

fn because(error: &Error) -> Refused {
    Refused { denied: denies_user(error.status()), reason: error.to_string() }
}

fn refused(reason: &str) -> End {
    End::Refused(Refused { denied: false, reason: reason.to_owned() })
}

fn value_of(node: &NodeId) -> ReadValueId {
    ReadValueId {
        node_id: node.clone(),
        attribute_id: AttributeId::Value as u32,
        ..ReadValueId::default()
    }
}
