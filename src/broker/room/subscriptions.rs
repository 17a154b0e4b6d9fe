//! SUBSCRIBE and UNSUBSCRIBE.
//!
//! *Invariant.* A subscription of a session that survives the server is on disk before its SUBACK.

use std::sync::atomic::Ordering;

use tacitus_protocol::mqtt::{
    Connection, Delivery, Request, RetainForwardRule, SubscribeReasonCode, Subscription,
    UnsubAckReason, check_filter, limits::SUBSCRIPTIONS_MAX, share,
};

use super::super::counters::set;
use super::super::history::{self, Stories};
use super::super::intake::StoreError;
use super::super::limits::{
    REFUSED_TOPIC, RETAINED_WAITING_MAX, SUBSCRIBE_TURN, SUBSCRIPTIONS_ALL_MAX,
};
use super::super::memory;
use super::super::rights::Allowed;
use super::Room;

/// A SUBSCRIBE.
#[derive(Debug)]
pub(in super::super) struct Wish {
    pub(in super::super) packet_id: u16,
    pub(in super::super) subscription_id: Option<u32>,
    pub(in super::super) requests: Vec<Request>,
}

impl Room {
    /// Makes the subscriptions of a SUBSCRIBE and answers it.
    pub(in super::super) async fn subscribe(
        &self,
        connection: &mut Connection,
        stories: &mut Stories,
        wish: &Wish,
        allowed: Option<&Allowed>,
    ) {
        let mut codes: Vec<SubscribeReasonCode> =
            wish.requests.iter().map(|request| check(request, allowed)).collect();
        if connection.session().is_kept() {
            self.remember(connection, wish, &mut codes).await;
        }
        let mut retained = Vec::new();
        for (index, (request, code)) in wish.requests.iter().zip(&mut codes).enumerate() {
            if index % SUBSCRIBE_TURN == SUBSCRIBE_TURN - 1 {
                tokio::task::yield_now().await;
            }
            if matches!(code, SubscribeReasonCode::Success(_)) {
                if history::is_history(&request.filter) {
                    *code = self.tell(stories, wish.subscription_id, request);
                    continue;
                }
                let id = wish.subscription_id;
                *code = self.subscribe_one(connection, (id, request, allowed), &mut retained);
            }
        }
        connection.subscribed(wish.packet_id, codes, retained);
    }

    /// Writes the subscriptions that are about to be made.
    async fn remember(
        &self,
        connection: &Connection,
        wish: &Wish,
        codes: &mut [SubscribeReasonCode],
    ) {
        let key = connection.session().key();
        let made = wish.requests.iter().zip(&*codes);
        let documents = made
            .filter(|(request, code)| {
                matches!(code, SubscribeReasonCode::Success(_))
                    && !history::is_history(&request.filter)
            })
            .map(|(request, _)| {
                let subscription = subscription(request, wish.subscription_id, 0);
                memory::subscription(key, &request.filter, &subscription)
            })
            .collect();
        let code = match self.desk.write(documents).await {
            Ok(()) => return,
            Err(StoreError::Full | StoreError::Busy) => SubscribeReasonCode::QuotaExceeded,
            Err(StoreError::Failed) => SubscribeReasonCode::Unspecified,
        };
        for earlier in codes {
            if matches!(earlier, SubscribeReasonCode::Success(_)) {
                *earlier = code;
            }
        }
    }

    /// Begins to tell the past.
    fn tell(
        &self,
        stories: &mut Stories,
        subscription_id: Option<u32>,
        request: &Request,
    ) -> SubscribeReasonCode {
        let Some(span) = history::span(&request.filter, self.now()) else {
            return SubscribeReasonCode::TopicFilterInvalid;
        };
        if !stories.have_room(&request.filter) {
            return SubscribeReasonCode::QuotaExceeded;
        }
        let form = history::Form { qos: request.qos, subscription_id };
        match stories.begin(&self.intake, &request.filter, &span, form) {
            Ok(()) => SubscribeReasonCode::Success(request.qos),
            Err(error) => {
                tracing::info!(filter = request.filter, %error, "the past is not told");
                SubscribeReasonCode::Unspecified
            }
        }
    }

    fn subscribe_one(
        &self,
        connection: &mut Connection,
        (subscription_id, request, allowed): (Option<u32>, &Request, Option<&Allowed>),
        retained: &mut Vec<Delivery>,
    ) -> SubscribeReasonCode {
        let key = connection.session().key();
        let filters = connection.session().filters();
        let is_new = !filters.contains(&request.filter);
        let all = self.counters.subscriptions_now.load(Ordering::Relaxed);
        let is_full = filters.len() >= SUBSCRIPTIONS_MAX || all >= SUBSCRIPTIONS_ALL_MAX as u64;
        if is_new && is_full {
            return SubscribeReasonCode::QuotaExceeded;
        }
        let book = self.book();
        let wants_retained = share(&request.filter).is_none()
            && match request.retain_rule {
                RetainForwardRule::OnEverySubscribe => true,
                RetainForwardRule::OnNewSubscribe => is_new,
                RetainForwardRule::Never => false,
            };
        let before = retained.len();
        if wants_retained {
            let is_hidden = |topic| allowed.is_some_and(|allowed| allowed.hides(topic));
            let messages = book
                .retained
                .matching(&request.filter, self.now_ms())
                .filter(|message| !is_hidden(message.topic()));
            retained.extend(messages.take(RETAINED_WAITING_MAX).map(|message| Delivery {
                message: message.clone(),
                qos: if message.qos() < request.qos { message.qos() } else { request.qos },
                retain: true,
                subscription_ids: subscription_id.into_iter().collect(),
                serial: 0,
                is_again: false,
            }));
            if connection.retained_waiting() + retained.len() > RETAINED_WAITING_MAX {
                retained.truncate(before);
                return SubscribeReasonCode::QuotaExceeded;
            }
        }
        let mut tree = self.tree_mut();
        let subscription = subscription(request, subscription_id, book.last_number);
        tree.insert(&request.filter, key, subscription);
        set(&self.counters.subscriptions_now, tree.len());
        set(&self.counters.subscriptions_shared_now, tree.shared_len());
        connection.own_filter(&request.filter);
        SubscribeReasonCode::Success(request.qos)
    }

    /// Ends the subscriptions of an UNSUBSCRIBE and answers it.
    pub(in super::super) async fn unsubscribe(
        &self,
        connection: &mut Connection,
        stories: &mut Stories,
        packet_id: u16,
        filters: &[String],
    ) {
        let key = connection.session().key();
        let mut reasons = Vec::with_capacity(filters.len());
        {
            let mut tree = self.tree_mut();
            for filter in filters {
                reasons.push(if stories.end(filter) || tree.remove(filter, key) {
                    UnsubAckReason::Success
                } else {
                    UnsubAckReason::NoSubscriptionExisted
                });
                connection.disown_filter(filter);
            }
            set(&self.counters.subscriptions_now, tree.len());
            set(&self.counters.subscriptions_shared_now, tree.shared_len());
        }
        if connection.session().is_kept() {
            let ended = filters.iter().zip(&reasons);
            let ended = ended.filter(|(_, reason)| **reason == UnsubAckReason::Success);
            let documents = ended.map(|(filter, _)| memory::no_subscription(key, filter)).collect();
            if let Err(error) = self.desk.write(documents).await {
                tracing::warn!(%error, "the end of a subscription was not kept");
            }
        }
        connection.unsubscribed(packet_id, reasons);
    }
}

fn check(request: &Request, allowed: Option<&Allowed>) -> SubscribeReasonCode {
    if check_filter(&request.filter).is_err() {
        return SubscribeReasonCode::TopicFilterInvalid;
    }
    let filter = match share(&request.filter) {
        Some((_, shared)) => shared,
        None => history::inner(&request.filter).unwrap_or(&request.filter),
    };
    if filter == REFUSED_TOPIC {
        return SubscribeReasonCode::Unspecified;
    }
    if allowed.is_some_and(|allowed| !allowed.may_subscribe(filter)) {
        return SubscribeReasonCode::NotAuthorized;
    }
    SubscribeReasonCode::Success(request.qos)
}

fn subscription(request: &Request, id: Option<u32>, since: u64) -> Subscription {
    Subscription {
        qos: request.qos,
        no_local: request.no_local,
        retain_as_published: request.retain_as_published,
        id,
        since,
    }
}
