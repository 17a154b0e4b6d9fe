//! Keeps a collector collecting: connects, subscribes, notices silence, and begins anew.
//!
//! ```text
//!          ┌────────────────────────────────────────────┐
//!          ▼                                            │ wait 1 s … 10 s (denied: 2 … 10 min)
//!  open link ─▶ survey ─▶ subscribe ─▶ hold ── ends ────┤
//!                                       │  ▲            │ at once, if the server forgot the session and it held before
//!                                  lost │  │ back       └─
//!                                       ▼  │
//!                               library reactivates, 60 s at most
//! ```
//!
//! *Invariant.* Whatever fails is tried again, for ever; only a requested stop, or a store that
//! takes nothing more, ends the loop.

mod interruption;
mod order;
mod quarantine;
mod tending;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use opcua::client::Session;
use opcua::types::custom::DataTypeTree;
use opcua::types::{AttributeId, Error, NodeId, ReadValueId, StatusCode};
use tacitus_model::{Quality, Timestamp};
use tacitus_storage::Clock;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::interruption::Interruption;
use self::quarantine::Quarantine;
use super::backfill::back;
use super::items::Items;
use super::link::{Clients, Event, Link, Refused, denies_user, is_indigestible};
use super::mailbox::{Mailbox, Message};
use super::redundancy;
use super::settings::{Node, Settings};
use super::subscribe::{Heard, Subscriptions};
use super::survey::{Survey, service_level, survey};
use crate::collect::limits::{
    ALTERNATIVES_MAX, CONNECT_WAITS, DENIED_WAITS, ITEM_WAITS, ORDERS_WAITING_MAX, STEADY,
};
use crate::collect::{Collector as _, Order, Parts, Phase, State};
use crate::gaps::Cause;
use crate::shutdown::Shutdown;

/// From here up a server says that it serves as it should (Part 4, 6.6.2.4.2).
const HEALTHY: u8 = 200;

/// After so long the same trouble is news.
const TROUBLE_REMINDER_NS: i64 = 60_000_000_000;

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
    parts: Parts,
    clock: Arc<dyn Clock>,
    mailbox: Mailbox,
    shutdown: Shutdown,
    items: Items,
    subscriptions: Subscriptions,
    heard: Arc<Heard>,
    outage: Option<Outage>,
    interruption: Interruption,
    quarantine: Quarantine,
    browse_due: Option<Instant>,
    /// The structures that the server describes, in the session at hand.
    types: Option<Arc<DataTypeTree>>,
    /// Fetches what was missed, and the count of gaps at which it was last looked for.
    backfill: Option<JoinHandle<()>>,
    closings: u64,
    /// From when on the history is read and events are heard, after something in them ended the
    /// connection.
    history_due: Instant,
    events_due: Instant,
    level_due: Instant,
    /// Whether the connection was lost while requests were under way.
    unfinished: bool,
    /// The other servers of the set, as a server named them.
    named: Vec<String>,
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
            clock: Arc::clone(&parts.clock),
            interruption: Interruption::new(Arc::clone(&parts.gaps), settings.source()),
            parts,
            settings,
            state,
            mailbox,
            shutdown,
            items: Items::default(),
            subscriptions: Subscriptions::default(),
            outage: None,
            quarantine: Quarantine::default(),
            browse_due: None,
            types: None,
            backfill: None,
            closings: 0,
            history_due: Instant::now(),
            events_due: Instant::now(),
            level_due: Instant::now(),
            unfinished: false,
            named: Vec::new(),
        };
        let settings = Arc::clone(&supervisor.settings);
        settings.nodes.iter().cloned().for_each(|node| supervisor.add(node));
        supervisor
    }

    pub(super) async fn run(mut self) {
        match Clients::new(&self.settings, &self.parts.pki_dir) {
            Ok(mut clients) => self.collect(&mut clients).await,
            Err(reason) => self.trouble(&reason),
        }
        let now = self.clock.now();
        if self.state.status().connections_total > 0 {
            self.interruption.since(now, Cause::CollectorDown);
        }
        self.mailbox.order(Message::Gap {
            at: now,
            quality: Quality::BAD_NO_COMMUNICATION,
            handles: None,
        });
        self.mailbox.order(Message::End);
    }

    async fn collect(&mut self, clients: &mut Clients) {
        let mut retry = Waits::new(CONNECT_WAITS);
        let mut denied = Waits::new(DENIED_WAITS);
        // A server that starts may refuse everybody until it knows its users.
        let mut was_let_in = false;
        loop {
            self.state.phase(Phase::Connecting);
            let begun = Instant::now();
            let (was_connected, end) = Box::pin(self.attempt(clients)).await;
            self.state.take_orders(None);
            if let Some(backfill) = self.backfill.take() {
                backfill.abort();
            }
            was_let_in |= was_connected;
            let steady = was_connected && begun.elapsed() > STEADY;
            if was_connected && begun.elapsed() > ITEM_WAITS[1] {
                self.quarantine.calm();
            }
            if steady {
                retry = Waits::new(CONNECT_WAITS);
                denied = Waits::new(DENIED_WAITS);
            }
            let cause =
                if matches!(end, End::Stopped) { Cause::CollectorDown } else { Cause::Network };
            // A new session that the library made by itself is a sign of life after the outage.
            let at = self.outage.map_or_else(|| self.unheard_since(), |outage| outage.at);
            self.write_gap(at, cause);
            let wait = match end {
                End::Stopped => return,
                End::Renew(reason) => {
                    tracing::info!(collector = %self.settings.name, reason, "begins a new session");
                    if steady {
                        continue;
                    }
                    retry.next()
                }
                End::Refused(refused) => {
                    self.trouble(&refused.reason);
                    if refused.denied && !std::mem::take(&mut was_let_in) {
                        denied.next()
                    } else {
                        retry.next()
                    }
                }
            };
            self.state.phase(Phase::Waiting);
            tokio::select! {
                () = sleep(wait) => {}
                () = self.shutdown.requested() => return,
            }
        }
    }

    /// One link from its opening to its end; also says whether it came to collect.
    async fn attempt(&mut self, clients: &mut Clients) -> (bool, End) {
        self.subscriptions.forget();
        self.unfinished = false;
        let shutdown = self.shutdown.clone();
        let opened = tokio::select! {
            opened = Box::pin(self.open(clients)) => opened,
            () = shutdown.requested() => return (false, End::Stopped),
        };
        let (mut link, heard) = match opened {
            Ok(opened) => opened,
            Err(refused) => return (false, End::Refused(refused)),
        };
        // From here on silence is measured on this link; before, gaps start with the last one.
        self.heard = heard;
        self.outage = None;
        let (was_connected, end) = tokio::select! {
            held = self.set_up_and_hold(&mut link, clients) => held,
            () = shutdown.requested() => (true, End::Stopped),
        };
        link.close().await;
        (was_connected, end)
    }

    /// A link to the server, or to the one of a redundant set that says that it serves best.
    async fn open(&self, clients: &mut Clients) -> Result<(Link, Arc<Heard>), Refused> {
        let settings = &self.settings;
        let urls = self.servers();
        let mut best: Option<(u8, Link, Arc<Heard>)> = None;
        let mut trouble: Option<Refused> = None;
        for url in &urls {
            let heard = Arc::new(Heard::new(Arc::clone(&self.clock)));
            let trust = &self.parts.trust;
            let link = match Link::open(clients, settings, trust, url, Arc::clone(&heard)).await {
                Ok(link) => link,
                Err(refused) => {
                    let reason = format!("{url}: {}", refused.reason);
                    trouble.get_or_insert(Refused { reason, ..refused });
                    continue;
                }
            };
            if urls.len() == 1 {
                return Ok((link, heard));
            }
            let level = service_level(&link.session).await.unwrap_or(0);
            if level >= HEALTHY {
                if let Some((_, worse, _)) = best.take() {
                    worse.close().await;
                }
                self.state.change(|status| status.endpoint.clone_from(url));
                return Ok((link, heard));
            }
            let is_better = best.as_ref().is_none_or(|(known, ..)| level > *known);
            let worse = if is_better {
                best.replace((level, link, heard)).map(|w| w.1)
            } else {
                Some(link)
            };
            if let Some(worse) = worse {
                worse.close().await;
            }
        }
        match best {
            Some((_, link, heard)) => Ok((link, heard)),
            None => Err(trouble.unwrap_or(Refused { denied: false, reason: String::new() })),
        }
    }

    /// The servers to collect from: those that a person named, and those that a server did.
    fn servers(&self) -> Vec<String> {
        let mut all = vec![self.settings.endpoint.clone()];
        for url in self.settings.alternatives.iter().chain(&self.named) {
            if !all.contains(url) {
                all.push(url.clone());
            }
        }
        all
    }

    /// Asks a server of a redundant set for the others.
    async fn learn_set(&mut self, clients: &Clients, link: &Link) -> Result<(), Error> {
        let uris = redundancy::uris(&link.session).await?;
        if uris.is_empty() {
            return Ok(());
        }
        let known = clients.known_at(&link.url).await?;
        for url in redundancy::addresses(&known, &uris, &link.url) {
            // LIMIT: a set whose servers change their addresses for ever is not followed for ever.
            if self.named.len() < ALTERNATIVES_MAX && !self.servers().contains(&url) {
                tracing::info!(collector = %self.settings.name, url, "another server of the set");
                self.named.push(url);
            }
        }
        Ok(())
    }

    async fn set_up_and_hold(&mut self, link: &mut Link, clients: &Clients) -> (bool, End) {
        // A request on a connection that is lost would only end by its time limit.
        let set_up = tokio::select! {
            set_up = self.set_up(&link.session) => set_up,
            event = link.events.recv() => {
                let status = match event {
                    Some(Event::Lost(status) | Event::Failed(status) | Event::Unanswered(status)) => status,
                    _ => StatusCode::BadConnectionClosed,
                };
                self.ended(status);
                return (false, refused(&format!("the connection was lost: {}", word(status))));
            }
        };
        let survey = match set_up {
            Ok(survey) => survey,
            Err(error) => {
                self.ended(error.status());
                return (false, End::Refused(because(&error)));
            }
        };
        self.state.phase(Phase::Connected);
        self.state.change(|status| status.connections_total += 1);
        self.interruption.over(self.clock.now(), &survey);
        tracing::info!(collector = %self.settings.name, "collects");
        let (sender, orders) = channel(ORDERS_WAITING_MAX);
        self.state.take_orders(Some(sender));
        if let Err(error) = self.learn_set(clients, link).await {
            self.trouble(&format!("the other servers of the set are not known: {error}"));
        }
        (true, self.hold(link, survey, orders).await)
    }

    /// A connection ended; if a value was to blame, it is looked for.
    fn ended(&mut self, status: StatusCode) {
        if let Some(handle) = self.quarantine.ended(status, &mut self.items)
            && let Some(item) = self.items.get(handle)
        {
            let text = format!("the value of \"{}\" cannot be read: left alone", item.node.node);
            self.trouble(&text);
        }
        if !self.quarantine.is_at_a_loss() {
            return;
        }
        let fetches = self.backfill.as_ref().is_some_and(|task| !task.is_finished());
        let (muted, what) = if fetches {
            (&mut self.history_due, "the history")
        } else if self.settings.events.is_empty() {
            return;
        } else {
            (&mut self.events_due, "the events")
        };
        *muted = Instant::now() + ITEM_WAITS[1];
        self.quarantine = Quarantine::default();
        self.trouble(&format!("something in {what} cannot be read: left alone"));
    }

    async fn set_up(&mut self, session: &Arc<Session>) -> Result<Survey, Error> {
        let survey = survey(session, || self.clock.now()).await?;
        self.state.change(|status| status.skew_ns = survey.skew_ns);
        self.items.pin(&survey.namespaces);
        self.items.reset();
        self.types = None;
        self.browse_due = self.settings.browse.as_ref().map(|_| Instant::now());
        self.browse_if_due(session, &survey).await?;
        self.take_up();
        self.quarantine.search(session, &survey, &mut self.items).await?;
        self.create_due(session, &survey).await?;
        self.subscribe_events(session, &survey).await?;
        Ok(survey)
    }

    /// The time since the latest sample is a gap, if the process before this one did not end it.
    fn take_up(&mut self) {
        let store = &self.parts.store;
        let latest = |node: &Node| store.known(node.tag.as_str())?.latest;
        let latest = self.items.iter().filter_map(|item| latest(&item.node)).max();
        // Where there are arrays and structures only, the samples are those of leaves.
        let latest = latest.or_else(|| self.latest_of_leaves());
        let delay = self.settings.publishing_interval + self.settings.sampling_interval;
        let latest = latest.map(|latest| back(latest, delay));
        if let Some(since) = self.interruption.begin(latest) {
            self.mailbox.order(Message::Gap {
                at: since,
                quality: Quality::BAD_NO_COMMUNICATION,
                handles: None,
            });
        }
    }

    fn latest_of_leaves(&self) -> Option<Timestamp> {
        if self.interruption.is_begun() {
            return None;
        }
        let store = &self.parts.store;
        let nodes: BTreeSet<String> =
            self.items.iter().map(|item| item.node.node.to_string()).collect();
        let tags = store.of_source(&self.settings.source()).into_iter();
        let leaves = tags.filter(|tag| tag.labels.iter().any(|(_, node)| nodes.contains(node)));
        leaves.filter_map(|tag| store.known(tag.path.as_str())?.latest).max()
    }

    async fn hold(
        &mut self,
        link: &mut Link,
        mut survey: Survey,
        mut orders: Receiver<Order>,
    ) -> End {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // What becomes of the connection comes first.
                biased;
                event = link.events.recv() => match event {
                    None => return refused("the session ended"),
                    Some(Event::Lost(status)) => {
                        self.lost(status);
                        if is_indigestible(status) {
                            return End::Renew("a value could not be read");
                        }
                    }
                    Some(Event::Up { new: true }) => return End::Renew("the server forgot the session"),
                    Some(Event::Up { new: false }) if self.unfinished => {
                        return End::Renew("the connection was lost within a request");
                    }
                    Some(Event::Up { new: false }) => match self.back(&link.session, &survey).await {
                        Ok(now) if now.namespaces != survey.namespaces => {
                            return End::Renew("the server numbers its namespaces anew");
                        }
                        Ok(now) => survey = now,
                        // Where the connection is lost again, the next event says so.
                        Err(error) if link.is_down() => self.trouble(&error.to_string()),
                        Err(error) => return End::Refused(because(&error)),
                    },
                    Some(Event::Failed(status)) if denies_user(status) => {
                        return End::Refused(Refused { denied: true, reason: status.to_string() });
                    }
                    Some(Event::Unanswered(status)) => {
                        self.cut_off();
                        return refused(&format!("the server does not answer: {status}"));
                    }
                    Some(Event::Halted) => self.trouble("the server says that it does not run"),
                    // Told when the connection was lost; each try is no news.
                    Some(Event::Failed(status)) => {
                        tracing::debug!(collector = %self.settings.name, %status, "no connection yet");
                    }
                },
                Some(order) = orders.recv() => {
                    let (session, names) = (Arc::clone(&link.session), survey.namespaces.clone());
                    tokio::spawn(order::carry_out(session, names, order));
                }
                _ = ticks.tick() => {
                    // Requests on a connection that is lost would only end by their time limits.
                    let end = tokio::select! {
                        biased;
                        end = self.tick(&link.session, &survey) => end,
                        () = link.ends(), if self.outage.is_none() => {
                            // What the server made of the last of them is not known.
                            self.unfinished = true;
                            None
                        }
                    };
                    if let Some(end) = end {
                        return end;
                    }
                }
            }
        }
    }

    /// From when on values may not have been heard: some wait for their notification when the
    /// server says its last.
    fn unheard_since(&self) -> Timestamp {
        self.subscriptions.unheard_since(self.heard.at())
    }

    fn lost(&mut self, status: StatusCode) {
        self.ended(status);
        self.trouble(&format!("the connection was lost: {}", word(status)));
        self.state.phase(Phase::Reconnecting);
        self.cut_off();
    }

    /// From here on nothing is heard. What comes while the link is left changes nothing of since when.
    fn cut_off(&mut self) {
        if self.outage.is_none() {
            let at = self.unheard_since();
            self.outage = Some(Outage { since: Instant::now(), at, written: false });
        }
    }

    fn add(&mut self, node: Node) {
        if let Some(handle) = self.items.add(node.clone()) {
            self.mailbox.order(Message::Item { handle, node });
        }
    }

    /// Makes an interruption visible, once.
    fn write_gap(&mut self, at: Timestamp, cause: Cause) {
        if self.outage.is_some_and(|outage| outage.written) {
            return;
        }
        if self.state.status().connections_total > 0 {
            self.interruption.since(at, cause);
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

    /// Tells of trouble; of the same again and again in the status only.
    fn trouble(&self, reason: &str) {
        let now = self.clock.now().nanos();
        let told = self.state.status().last_error.is_some_and(|(at, last)| {
            last == reason && now.saturating_sub(at.nanos()) < TROUBLE_REMINDER_NS
        });
        if told {
            tracing::debug!(collector = %self.settings.name, reason, "collector trouble");
        } else {
            tracing::warn!(collector = %self.settings.name, reason, "collector trouble");
        }
        self.state.error(reason);
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

/// The reason for which a connection ended, in words: the library calls one that the other side ended
/// without a word good.
fn word(status: StatusCode) -> String {
    if status.is_good() { "the server closed it".to_owned() } else { status.to_string() }
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
