//! Two publishers of one retained topic at one time.
//!
//! *Invariant.* When nobody publishes to a topic any more, the retained message on disk is the one
//! that subscribers get: where stores of several clients overlapped, the order on disk may be
//! another than the order on the bus, and then the last one is written again.

use std::sync::Arc;

use tacitus_protocol::mqtt::Message;

use super::super::memory;
use super::Room;

/// The stores of one topic that are under way.
#[derive(Debug)]
pub(super) struct Retaining {
    pending: usize,
    client: Arc<str>,
    is_disputed: bool,
}

impl Room {
    /// Retained messages are about to be stored.
    pub(super) fn begin_retaining(&self, client: &Arc<str>, messages: &[Message]) {
        let mut retaining = self.retaining();
        for message in messages.iter().filter(|message| message.retain()) {
            let known = retaining.entry(message.topic().into());
            let entry = known.or_insert_with(|| Retaining {
                pending: 0,
                client: Arc::clone(client),
                is_disputed: false,
            });
            entry.pending += 1;
            entry.is_disputed |= entry.client != *client;
        }
    }

    /// They are on the bus, or were not stored.
    pub(super) async fn end_retaining(&self, messages: &[Message]) {
        for message in messages.iter().filter(|message| message.retain()) {
            while self.leaves_dispute(message.topic()) {
                let document = {
                    let book = self.book();
                    let current = book.retained.get(message.topic());
                    current.map_or_else(|| memory::no_retained(message.topic()), memory::retained)
                };
                if let Err(error) = self.desk.write(vec![document]).await {
                    tracing::warn!(%error, "a retained message was not written again");
                }
            }
        }
    }

    /// Ends one store; whether it was the last and what is on disk may be another's. Then the
    /// caller's own write is under way, and is to be ended likewise.
    fn leaves_dispute(&self, topic: &str) -> bool {
        let mut retaining = self.retaining();
        let Some(entry) = retaining.get_mut(topic) else { return false };
        entry.pending = entry.pending.saturating_sub(1);
        if entry.pending > 0 {
            return false;
        }
        if !entry.is_disputed {
            retaining.remove(topic);
            return false;
        }
        // Nobody's: any store that begins now is disputed.
        *entry = Retaining { pending: 1, client: Arc::from(""), is_disputed: false };
        true
    }
}
