//! What the server itself publishes: commands to devices, and what it says of its state.
//!
//! *Invariant.* Such a message goes the way of any other: it is stored where it is to be, and
//! then shown; only that nobody waits for an acknowledgement.

use std::sync::Arc;
use std::time::Duration;

use tacitus_protocol::mqtt::{Message, Parts, QoS, SessionKey};

use super::room::Room;

/// The name under which the server publishes.
const CLIENT: &str = "tacitus";

/// How long a stop waits for messages to be in the mailboxes. LIMIT: a broker under load never
/// rests.
const ARRIVAL_TIME_MAX: Duration = Duration::from_secs(1);

/// A way to publish without a connection. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Publisher(pub(super) Arc<Room>);

impl Publisher {
    /// Publishes a message; one that cannot be kept is logged and not sent.
    pub async fn publish(&self, topic: &str, payload: &[u8], qos: u8, retain: bool) {
        let message = Message::new(Parts {
            topic,
            payload,
            qos: if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce },
            retain,
            // The key of no session: nobody is spared its own message.
            publisher: SessionKey(0),
            expires_at_ms: None,
            properties: &[],
        });
        let Some(message) = message else {
            return tracing::warn!(topic, "message is longer than MQTT allows");
        };
        let messages = [message];
        let room = &self.0;
        match room.store(&CLIENT.into(), &messages, Vec::new(), room.now()).await {
            Ok(routes) => room.publish(&messages, routes).await,
            Err(error) => tracing::warn!(topic, %error, "message was not kept, so it is not sent"),
        }
    }

    /// Waits, not for long, until what was published is ready for its subscribers: who stops the
    /// broker next has it delivered.
    pub async fn settled(&self) {
        if tokio::time::timeout(ARRIVAL_TIME_MAX, self.0.settled()).await.is_err() {
            tracing::debug!("messages are still on their way");
        }
    }
}
