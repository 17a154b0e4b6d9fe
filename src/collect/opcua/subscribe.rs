//! Subscriptions and their items on one session.
//!
//! *Invariant.* Every item asked for is accounted for: watched, or failed with the server's
//! reason. A subscription that is silent for three of its keep-alive times is dead.

mod heard;
mod numbers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use opcua::client::{MonitoredItemMap, OnSubscriptionNotificationCore, Session};
use opcua::types::{
    AttributeId, DataChangeFilter, DataChangeNotification, DataChangeTrigger, DeadbandType, Error,
    EventNotificationList, ExtensionObject, MonitoredItemCreateRequest, MonitoringMode,
    MonitoringParameters, NodeId, NotificationMessage, ReadValueId, StatusChangeNotification,
    StatusCode, TimestampsToReturn,
};
use tacitus_model::Timestamp;
use tacitus_protocol::opcua::{NodeName, moment, unmoved};
use tacitus_storage::Clock;
use tokio::time::Instant;

use super::backfill::back;
use super::events::{self, About, Event};
use super::items::{Handle, Items};
use super::link::moved_ns;
use super::mailbox::{Mailbox, Message, Origin};
use super::pump::Queue;
use super::settings::{Deadband, Settings};
use super::survey::Survey;
use crate::collect::limits::{MISSED_MAX, REFRESH_INTERVAL, SUBSCRIPTION_ITEMS_MAX};

pub(super) use heard::Heard;
use numbers::{Numbers, following};

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A subscription on the server.
#[derive(Debug)]
pub(super) struct Subscription {
    id: u32,
    /// Whether it has events, or values.
    of_events: bool,
    /// Whether the state of conditions is to be asked for again.
    unsure: Arc<AtomicBool>,
    /// From when on that may be done: a server with more conditions than its queue holds would be
    /// asked for ever.
    refresh_due: Instant,
    generation: u64,
    heard: Arc<Heard>,
    numbers: Arc<Numbers>,
    silence_max: Duration,
    /// How long a value may wait for its notification: until the server looks, and until it sends.
    delay: [Duration; 2],
    handles: Vec<Handle>,
}

impl Subscription {
    /// From when on values may not have been heard.
    fn unheard_since(&self) -> Timestamp {
        let [looks, sends] = self.delay;
        back(self.heard.at(), looks + sends)
    }

    /// Fetches one notification; returns whether the server still has it.
    async fn fetch(&self, session: &Session, to: &Mailbox, number: u32) -> Result<bool, Error> {
        match session.republish(self.id, number).await {
            Ok(notification) if is_of(&notification, number) => {
                if hand_over(to, self.generation, notification, moved_ns(session)) {
                    self.unsure.store(true, Ordering::Relaxed);
                }
                Ok(true)
            }
            // The server has no such one, and says so by an empty one, as asyncua does.
            Ok(_) => Ok(false),
            // The server has no such one, does not keep any, or does not know the service.
            Err(error) if error.status() != StatusCode::BadTimeout => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// All subscriptions of a session.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    live: Vec<Subscription>,
    generation: u64,
}

/// What creating items takes.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) session: &'a Arc<Session>,
    pub(super) settings: &'a Settings,
    pub(super) survey: &'a Survey,
    pub(super) mailbox: &'a Mailbox,
    pub(super) clock: &'a Arc<dyn Clock>,
    /// When the server was last heard, whatever it said.
    pub(super) server: &'a Arc<Heard>,
}

impl Subscriptions {
    /// From when on values may not have been heard, if the server was last heard then.
    pub(super) fn unheard_since(&self, heard: Timestamp) -> Timestamp {
        let delay = self.live.iter().map(|one| one.delay.iter().sum()).max();
        let last = self.live.iter().map(|one| one.heard.at()).max();
        back(last.unwrap_or(heard).max(heard), delay.unwrap_or_default())
    }

    /// Forgets all: their session is gone.
    pub(super) fn forget(&mut self) {
        self.live.clear();
    }

    /// Creates the items that are due.
    ///
    /// # Errors
    /// A request failed as a whole; items it did not reach stay due.
    pub(super) async fn create_due(
        &mut self,
        context: Context<'_>,
        items: &mut Items,
    ) -> Result<(), Error> {
        let mut known = Vec::new();
        for (handle, name) in items.due(Instant::now()) {
            match name.resolve(&context.survey.namespaces) {
                Some(node) => {
                    known.push(Wish { handle, filter: filter(context, items, handle), node });
                }
                None => items.failed(handle, no_namespace(&name), Instant::now()),
            }
        }
        let mut rest = known.as_slice();
        let mut chunk_max = context.survey.create_max;
        while !rest.is_empty() {
            let (index, room) = self.with_room(context).await?;
            let (chunk, after) = rest.split_at(rest.len().min(room).min(chunk_max));
            match self.create(context, index, chunk, items).await {
                Ok(()) => rest = after,
                Err(error)
                    if error.status() == StatusCode::BadTooManyOperations && chunk_max > 1 =>
                {
                    chunk_max = chunk_max.div_ceil(2);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The index of a subscription with room for items, and how many.
    async fn with_room(&mut self, context: Context<'_>) -> Result<(usize, usize), Error> {
        let room = |one: &Subscription| SUBSCRIPTION_ITEMS_MAX.saturating_sub(one.handles.len());
        if let Some(index) = self.live.iter().position(|one| !one.of_events && room(one) > 0) {
            return Ok((index, self.live.get(index).map_or(0, room)));
        }
        Ok((self.create_subscription(context, false).await?, SUBSCRIPTION_ITEMS_MAX))
    }

    /// Creates a subscription; returns its index.
    async fn create_subscription(
        &mut self,
        context: Context<'_>,
        of_events: bool,
    ) -> Result<usize, Error> {
        self.generation += 1;
        let heard = Arc::new(Heard::new(Arc::clone(context.clock)));
        let numbers = Arc::new(Numbers::default());
        let unsure = Arc::new(AtomicBool::new(of_events));
        let inbox = Inbox {
            mailbox: context.mailbox.clone(),
            generation: self.generation,
            heard: Arc::clone(&heard),
            server: Arc::clone(context.server),
            numbers: Arc::clone(&numbers),
            unsure: Arc::clone(&unsure),
            session: Arc::downgrade(context.session),
        };
        let interval = context.settings.publishing_interval;
        let interval_ms = millis(interval).max(1);
        let keep_alive_count = count(millis(context.settings.keep_alive) / interval_ms);
        // Two minutes without a publish request: longer than a session lives unconnected.
        let lifetime_count = count(120_000 / interval_ms).max(keep_alive_count.saturating_mul(3));
        let id = context
            .session
            .create_subscription(interval, lifetime_count, keep_alive_count, 0, 0, true, inbox)
            .await?;
        let granted = {
            let state = context.session.subscription_state.lock();
            state.get(id).map(|one| {
                let sends = one.publishing_interval();
                (sends, sends.saturating_mul(one.max_keep_alive_count()))
            })
        };
        let (sends, life) = granted.unwrap_or((interval, context.settings.keep_alive));
        self.live.push(Subscription {
            id,
            of_events,
            unsure,
            refresh_due: Instant::now(),
            generation: self.generation,
            heard,
            numbers,
            silence_max: life.max(Duration::from_secs(1)) * 3,
            delay: [Duration::ZERO, sends],
            handles: Vec::new(),
        });
        Ok(self.live.len() - 1)
    }

    /// Hears the events of the nodes that the settings name, on a subscription of their own.
    /// Returns the nodes that have none, with the reason.
    ///
    /// # Errors
    /// A request failed as a whole.
    pub(super) async fn create_events(
        &mut self,
        context: Context<'_>,
    ) -> Result<Vec<String>, Error> {
        if context.settings.events.is_empty() || self.live.iter().any(|one| one.of_events) {
            return Ok(Vec::new());
        }
        let index = self.create_subscription(context, true).await?;
        let Some(id) = self.live.get(index).map(|one| one.id) else { return Ok(Vec::new()) };
        let mut refused = Vec::new();
        for (number, name) in (1..).zip(&context.settings.events) {
            let Some(node) = name.resolve(&context.survey.namespaces) else {
                refused.push(no_namespace(name));
                continue;
            };
            let request = events::request(number, &node);
            let both = TimestampsToReturn::Both;
            let results = context.session.create_monitored_items(id, both, vec![request]).await?;
            let status = results.first().map(|one| one.result.status_code);
            if let Some(status) = status.filter(|status| !status.is_good()) {
                refused.push(format!("\"{name}\": {status}"));
            }
        }
        Ok(refused)
    }

    /// Asks for the state of all conditions where that is not known for sure: after a connection, when
    /// events were lost, and when the server says so.
    pub(super) async fn refresh_conditions(&mut self, session: &Session) {
        let now = Instant::now();
        for subscription in self.live.iter_mut().filter(|one| one.of_events) {
            let due = subscription.refresh_due <= now;
            if due && subscription.unsure.swap(false, Ordering::Relaxed) {
                subscription.refresh_due = now + REFRESH_INTERVAL;
                events::refresh(session, subscription.id).await;
            }
        }
    }

    async fn create(
        &mut self,
        context: Context<'_>,
        index: usize,
        chunk: &[Wish],
        items: &mut Items,
    ) -> Result<(), Error> {
        let Some(subscription) = self.live.get_mut(index) else { return Ok(()) };
        let requests = chunk.iter().map(|wish| request(wish, items, context.settings));
        let results = context
            .session
            .create_monitored_items(subscription.id, TimestampsToReturn::Both, requests.collect())
            .await?;
        let now = Instant::now();
        let looks = results.iter().map(|one| one.result.revised_sampling_interval);
        let looks = looks.fold(0.0, f64::max) / 1_000.0;
        let looks = Duration::try_from_secs_f64(looks).unwrap_or_default();
        subscription.delay[0] = subscription.delay[0].max(looks);
        let mut answers = results.iter().map(|one| &one.result);
        for wish in chunk {
            match answers.next() {
                Some(answer) if answer.status_code.is_good() => {
                    subscription.handles.push(wish.handle);
                    items.good(wish.handle);
                    let queue = Queue::new(answer.revised_queue_size, subscription.delay[1]);
                    context.mailbox.order(Message::Queue { handle: wish.handle, queue });
                }
                // The server has no deadband for it: every change is better than none.
                Some(answer) if wish.filter.is_some() && refuses_filter(answer.status_code) => {
                    items.without_deadband(wish.handle);
                }
                Some(answer) => items.failed(wish.handle, answer.status_code.to_string(), now),
                None => items.failed(wish.handle, "the server did not answer for it".into(), now),
            }
        }
        Ok(())
    }

    /// Fetches the notifications that the server sent into a connection that was already gone.
    /// Must come before publishing goes on, so that values stay in their order.
    ///
    /// # Errors
    /// The connection was lost again. What was fetched is in the mailbox.
    pub(super) async fn fetch_unseen(
        &self,
        session: &Session,
        mailbox: &Mailbox,
    ) -> Result<(), Error> {
        for subscription in &self.live {
            for _ in 0..MISSED_MAX {
                let number = following(subscription.numbers.last.load(Ordering::Relaxed));
                if !subscription.fetch(session, mailbox, number).await? {
                    break;
                }
                subscription.numbers.last.store(number, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Fetches the notifications whose numbers were left out. A server does that after a cut:
    /// it answers requests that came by the old connection. Returns how many it no longer has, and
    /// from when on values are missing.
    ///
    /// # Errors
    /// The connection was lost again.
    pub(super) async fn fetch_missed(
        &self,
        session: &Session,
        mailbox: &Mailbox,
    ) -> Result<Option<(usize, Timestamp)>, Error> {
        let mut lost: Option<(usize, Timestamp)> = None;
        for subscription in &self.live {
            let delay = subscription.delay.iter().sum();
            for (number, heard) in subscription.numbers.take_missed() {
                if !subscription.fetch(session, mailbox, number).await? {
                    subscription.unsure.store(true, Ordering::Relaxed);
                    let since = back(heard, delay);
                    let (count, first) = lost.unwrap_or((0, since));
                    lost = Some((count + 1, first.min(since)));
                }
            }
        }
        Ok(lost)
    }

    /// Ends the subscriptions that have fallen silent. Returns their items and from when on their
    /// values may not have been heard.
    pub(super) async fn end_silent(
        &mut self,
        session: &Session,
    ) -> Option<(Vec<Handle>, Timestamp)> {
        let (silent, live) =
            self.live.drain(..).partition(|one: &Subscription| one.heard.ago() > one.silence_max);
        self.live = live;
        let silent: Vec<Subscription> = silent;
        let since = silent.iter().map(Subscription::unheard_since).min()?;
        for subscription in &silent {
            if let Err(error) = session.delete_subscription(subscription.id).await {
                tracing::debug!(%error, "a silent subscription could not be deleted");
            }
        }
        Some((silent.into_iter().flat_map(|one| one.handles).collect(), since))
    }
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

fn no_namespace(name: &NodeName) -> String {
    format!("the server does not have the namespace of \"{name}\"")
}

/// An item to create.
struct Wish {
    handle: Handle,
    node: NodeId,
    filter: Option<Deadband>,
}

/// The deadband of an item, where it has numbers.
fn filter(context: Context<'_>, items: &Items, handle: Handle) -> Option<Deadband> {
    let item = items.get(handle)?;
    let numeric = item.about.as_ref().is_some_and(|about| about.numeric);
    item.node.watch.deadband.or(context.settings.deadband).filter(|_| numeric && item.deadband)
}

fn refuses_filter(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadFilterNotAllowed
            | StatusCode::BadMonitoredItemFilterInvalid
            | StatusCode::BadMonitoredItemFilterUnsupported
            | StatusCode::BadDeadbandFilterInvalid
    )
}

fn request(wish: &Wish, items: &Items, settings: &Settings) -> MonitoredItemCreateRequest {
    let own = items.get(wish.handle).map(|item| item.node.watch).unwrap_or_default();
    let sampling_interval = own.sampling_interval.unwrap_or(settings.sampling_interval);
    let filter = wish.filter.map_or_else(ExtensionObject::null, |deadband| {
        let (deadband_type, deadband_value) = match deadband {
            Deadband::Absolute(number) => (DeadbandType::Absolute, number),
            Deadband::Percent(number) => (DeadbandType::Percent, number),
        };
        ExtensionObject::from_message(DataChangeFilter {
            trigger: DataChangeTrigger::StatusValue,
            deadband_type: deadband_type as u32,
            deadband_value,
        })
    });
    MonitoredItemCreateRequest {
        item_to_monitor: ReadValueId {
            node_id: wish.node.clone(),
            attribute_id: AttributeId::Value as u32,
            ..ReadValueId::default()
        },
        monitoring_mode: MonitoringMode::Reporting,
        requested_parameters: MonitoringParameters {
            client_handle: wish.handle.0,
            sampling_interval: sampling_interval.as_secs_f64() * 1_000.0,
            filter,
            queue_size: own.queue_size.unwrap_or(settings.queue_size),
            discard_oldest: true,
        },
    }
}

/// What the session calls with notifications. It must not wait: see [`Mailbox`].
struct Inbox {
    mailbox: Mailbox,
    generation: u64,
    heard: Arc<Heard>,
    server: Arc<Heard>,
    numbers: Arc<Numbers>,
    unsure: Arc<AtomicBool>,
    /// The session that holds this.
    session: Weak<Session>,
}

impl OnSubscriptionNotificationCore for Inbox {
    fn on_subscription_notification(
        &mut self,
        notification: NotificationMessage,
        _: MonitoredItemMap<'_>,
    ) {
        // An empty notification is the keep-alive of the subscription.
        let before = self.heard.at();
        self.heard.now();
        self.server.now();
        let empty = notification.notification_data.as_ref().is_none_or(Vec::is_empty);
        self.numbers.came(notification.sequence_number, empty, before);
        let moved_ns = self.session.upgrade().map_or(0, |session| moved_ns(&session));
        if hand_over(&self.mailbox, self.generation, notification, moved_ns) {
            self.unsure.store(true, Ordering::Relaxed);
        }
    }
}

/// Puts what a notification says into the mailbox. Returns whether it says that events are lost.
fn hand_over(
    mailbox: &Mailbox,
    generation: u64,
    notification: NotificationMessage,
    moved_ns: i64,
) -> bool {
    let sent = moment(&unmoved(&notification.publish_time, moved_ns));
    let mut values = Vec::new();
    let mut happened = Vec::new();
    for object in notification.notification_data.into_iter().flatten() {
        if let Some(change) = object.inner_as::<StatusChangeNotification>() {
            tracing::warn!(status = %change.status, "the server ended a subscription");
        } else if object.inner_is::<EventNotificationList>() {
            let list = object.into_inner_as::<EventNotificationList>();
            let events = list.and_then(|list| list.events).unwrap_or_default();
            happened.extend(events.into_iter().map(|event| Event::read(event, moved_ns)));
        } else if let Some(data) = object.into_inner_as::<DataChangeNotification>() {
            let items = data.monitored_items.into_iter().flatten();
            values.extend(items.map(|item| (Handle(item.client_handle), item.value)));
        }
    }
    if !values.is_empty() {
        mailbox.values(Origin::Subscription(generation), values, sent, moved_ns);
    }
    let is_loss = |event: &Event| matches!(event.about, About::RefreshRequired | About::Overflow);
    let lost = happened.iter().any(is_loss);
    if !happened.is_empty() {
        mailbox.events(happened);
    }
    lost
}

/// Whether this is the notification of this number, with what it brought.
fn is_of(notification: &NotificationMessage, number: u32) -> bool {
    let brings = notification.notification_data.as_ref().is_some_and(|data| !data.is_empty());
    brings && notification.sequence_number == number
}

#[cfg(test)]
mod tests {
    use super::*;

    /// asyncua answers a Republish of a number that it does not have with an empty notification and
    /// a good status. Taken for one, a thousand were asked for after every cut, and the count of
    /// the numbers was a thousand ahead.
    #[test]
    fn an_empty_answer_is_no_notification() {
        let notification = |number: u32, objects: Option<usize>| NotificationMessage {
            sequence_number: number,
            notification_data: objects.map(|count| vec![ExtensionObject::null(); count]),
            ..NotificationMessage::default()
        };
        for (answer, want) in [
            (notification(7, Some(1)), true),
            (notification(7, Some(0)), false),
            (notification(7, None), false),
            (notification(8, Some(1)), false),
            (NotificationMessage::default(), false),
        ] {
            assert_eq!(is_of(&answer, 7), want, "{answer:?}");
        }
    }
}
