//! What a supervisor does while a link holds: every second, and when a connection is back.
//!
//! *Invariant.* Nothing here ends the link but its own reasons: what fails is told and tried again
//! with the next tick.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use opcua::client::Session;
use opcua::client::browser::BrowserConfig;
use opcua::client::custom_types::DataTypeTreeBuilder;
use opcua::types::{Error, NodeId, ReadValueId, TimestampsToReturn};
use tacitus_model::Quality;
use tokio::time::Instant;

use super::super::backfill::{Backfill, Past};
use super::super::browse::browse;
use super::super::describe::describe;
use super::super::items::Handle;
use super::super::link::moved_ns;
use super::super::mailbox::{Message, Origin};
use super::super::subscribe::Context;
use super::super::survey::{Survey, service_level, survey};
use super::{End, HEALTHY, Supervisor, refused, value_of};
use crate::collect::limits::{
    GAP_GRACE, HISTORY_VALUES_MAX, ITEM_WAITS, SERVICE_LEVEL_INTERVAL, SESSION_TIMEOUT,
};
use crate::collect::{Collector as _, Phase};
use crate::gaps::{Cause, Outcome};

impl Supervisor {
    /// The connection is back and the session still there: the server sends what it kept. If
    /// the cut is already visible, values that did not change must be read to end it.
    pub(super) async fn back(
        &mut self,
        session: &Session,
        before: &Survey,
    ) -> Result<Survey, Error> {
        let fetched = self.subscriptions.fetch_unseen(session, &self.mailbox).await;
        session.trigger_publish_now();
        fetched?;
        let now = survey(session, || self.clock.now()).await?;
        self.state.change(|status| status.skew_ns = now.skew_ns);
        if now.namespaces == before.namespaces {
            if self.outage.is_some_and(|outage| outage.written) {
                self.read_all(session, &now).await?;
            }
            self.interruption.over(self.clock.now(), &now);
        }
        self.outage = None;
        self.state.phase(Phase::Connected);
        tracing::info!(collector = %self.settings.name, "collects again");
        Ok(now)
    }

    async fn read_all(&self, session: &Session, survey: &Survey) -> Result<(), Error> {
        let nodes: Vec<(Handle, NodeId)> = self
            .items
            .watched()
            .filter_map(|item| Some((item.handle, item.node.node.resolve(&survey.namespaces)?)))
            .collect();
        for chunk in nodes.chunks(survey.read_max.max(1)) {
            let reads: Vec<ReadValueId> = chunk.iter().map(|(_, node)| value_of(node)).collect();
            let values = session.read(&reads, TimestampsToReturn::Both, 0.0).await?;
            let values = chunk.iter().map(|(handle, _)| *handle).zip(values).collect();
            self.mailbox.values(Origin::Read, values, None, moved_ns(session));
        }
        Ok(())
    }

    pub(super) async fn tick(&mut self, session: &Arc<Session>, survey: &Survey) -> Option<End> {
        if self.mailbox.is_closed() {
            return Some(End::Stopped);
        }
        if let Some(outage) = self.outage {
            if !outage.written && outage.since.elapsed() > GAP_GRACE {
                self.write_gap(outage.at, Cause::Network);
            }
            // Where another server stands by, its values are worth more than the queues of this one.
            let patience = if self.servers().len() > 1 { GAP_GRACE } else { SESSION_TIMEOUT };
            let over = outage.since.elapsed() > patience;
            return over.then(|| refused("the connection did not come back"));
        }
        match self.tend(session, survey).await {
            Ok(()) => self.backfill_if_due(session, survey),
            Err(error) => self.trouble(&error.to_string()),
        }
        self.serves_badly(session).await
    }

    /// Whether a server of a redundant set says that another one should be asked.
    async fn serves_badly(&mut self, session: &Session) -> Option<End> {
        if self.servers().len() == 1 || self.level_due > Instant::now() {
            return None;
        }
        self.level_due = Instant::now() + SERVICE_LEVEL_INTERVAL;
        let level = service_level(session).await.ok()?;
        if level >= HEALTHY {
            return None;
        }
        // Longer than between two looks: where all servers are so, nobody wins by changing.
        self.level_due = Instant::now() + SERVICE_LEVEL_INTERVAL * 6;
        self.trouble(&format!("the server says that it serves badly: service level {level}"));
        Some(End::Renew("another server of the set may serve better"))
    }

    /// Ends silent subscriptions, and creates what is due.
    async fn tend(&mut self, session: &Arc<Session>, survey: &Survey) -> Result<(), Error> {
        let silent = self.subscriptions.end_silent(session).await;
        if let Some((handles, since)) = &silent {
            self.trouble("a subscription fell silent and is created again");
            self.state.change(|status| status.silences_total += 1);
            self.items.want(handles);
            let tag = |handle: &Handle| Some(self.items.get(*handle)?.node.tag.to_string());
            let tags: Vec<String> = handles.iter().filter_map(tag).collect();
            if !tags.is_empty() {
                self.interruption.of_tags(tags, *since);
            }
            self.mailbox.order(Message::Gap {
                at: *since,
                quality: Quality::BAD_NO_COMMUNICATION,
                handles: Some(handles.clone()),
            });
        }
        let lost = self.subscriptions.fetch_missed(session, &self.mailbox).await?;
        if let Some((lost, since)) = lost {
            self.trouble(&format!("{lost} notifications were lost on their way"));
            self.interruption.lost(since, self.clock.now());
        }
        self.browse_if_due(session, survey).await?;
        self.create_due(session, survey).await?;
        self.subscribe_events(session, survey).await?;
        self.interruption.parts_over(self.clock.now());
        Ok(())
    }

    pub(super) async fn create_due(
        &mut self,
        session: &Arc<Session>,
        survey: &Survey,
    ) -> Result<(), Error> {
        self.describe_new(session, survey).await?;
        let settings = Arc::clone(&self.settings);
        let mailbox = self.mailbox.clone();
        let (clock, server) = (Arc::clone(&self.clock), Arc::clone(&self.heard));
        let (settings, mailbox, clock) = (&*settings, &mailbox, &clock);
        let context = Context { session, settings, survey, mailbox, clock, server: &server };
        let created = self.subscriptions.create_due(context, &mut self.items).await;
        self.state.items(self.items.watched().count(), self.items.failures());
        created
    }

    /// Asks the server about items it has not spoken of in this session.
    async fn describe_new(&mut self, session: &Session, survey: &Survey) -> Result<(), Error> {
        let unknown = self.items.undescribed(&survey.namespaces);
        if unknown.is_empty() {
            return Ok(());
        }
        let mut known = describe(session, survey, &unknown).await?;
        let mut structured = false;
        for (handle, _) in unknown {
            let about = known.remove(&handle).unwrap_or_default();
            structured |= about.structured;
            self.items.describe(handle, about.clone());
            self.mailbox.order(Message::About { handle, about });
        }
        if structured && self.types.is_none() {
            self.load_types(session, survey).await;
        }
        Ok(())
    }

    /// Learns the server's structures, so that their fields can be told apart. The library does not hear
    /// of them: it would read them with the message, and end the connection where one is not right.
    async fn load_types(&mut self, session: &Session, survey: &Survey) {
        let browse = BrowserConfig::new().max_nodes_per_request(survey.browse_max);
        let builder = DataTypeTreeBuilder::new(|_: &NodeId| true)
            .config(browse)
            .values_per_read(survey.read_max.max(1));
        match builder.build(session).await {
            Ok(tree) => {
                let tree = Arc::new(tree);
                self.types = Some(Arc::clone(&tree));
                self.mailbox.order(Message::Types(tree));
            }
            Err(error) => {
                self.trouble(&format!("the server's data types could not be read: {error}"));
            }
        }
    }

    pub(super) async fn subscribe_events(
        &mut self,
        session: &Arc<Session>,
        survey: &Survey,
    ) -> Result<(), Error> {
        if self.events_due > Instant::now() {
            return Ok(());
        }
        let settings = Arc::clone(&self.settings);
        let mailbox = self.mailbox.clone();
        let (clock, server) = (Arc::clone(&self.clock), Arc::clone(&self.heard));
        let (settings, mailbox, clock) = (&*settings, &mailbox, &clock);
        let context = Context { session, settings, survey, mailbox, clock, server: &server };
        let refused = self.subscriptions.create_events(context).await?;
        if !refused.is_empty() {
            self.trouble(&format!("no events come from {}", refused.join(", ")));
        }
        self.subscriptions.refresh_conditions(session).await;
        Ok(())
    }

    /// Adds the variables below the browse root, where one is named. A root that is missing is
    /// looked for again later: servers build their address space while they already answer.
    pub(super) async fn browse_if_due(
        &mut self,
        session: &Session,
        survey: &Survey,
    ) -> Result<(), Error> {
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

    /// Has what is missing fetched, where there is news of it and nobody does it already.
    fn backfill_if_due(&mut self, session: &Arc<Session>, survey: &Survey) {
        let closings = self.parts.gaps.closings();
        let busy = self.backfill.as_ref().is_some_and(|task| !task.is_finished());
        let is_muted = self.history_due > Instant::now();
        if busy || is_muted || closings == self.closings {
            return;
        }
        self.closings = closings;
        let missing = self.parts.gaps.missing(&self.settings.source());
        if missing.is_empty() {
            return;
        }
        if self.settings.backfill.is_none() {
            missing.iter().for_each(|gap| self.parts.gaps.settle(gap.id, Outcome::Lost));
            return;
        }
        let past = |item: &super::super::items::Item| {
            Some(Past {
                node: item.node.node.resolve(&survey.namespaces)?,
                tag: item.node.tag.clone(),
                historic: item.about.as_ref().is_some_and(|about| about.historic),
            })
        };
        let worker = Backfill {
            session: Arc::clone(session),
            survey: survey.clone(),
            settings: Arc::clone(&self.settings),
            state: Arc::clone(&self.state),
            store: Arc::clone(&self.parts.store),
            clock: Arc::clone(&self.clock),
            gaps: Arc::clone(&self.parts.gaps),
            items: self.items.iter().filter_map(past).collect(),
            types: self.types.clone(),
            values_max: AtomicUsize::new(HISTORY_VALUES_MAX),
        };
        self.backfill = Some(tokio::spawn(worker.run()));
    }
}
