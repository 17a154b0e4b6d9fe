//! One session with a server, and the task that keeps it moving.
//!
//! *Invariant.* While a link lives its event loop is polled, whatever its owner waits for: a
//! request and the answer to it travel through that loop.
//!
//! *Not here.* After a reconnect the library must be told to ask for notifications; by itself it
//! says "connected" and delivers nothing for ever. The supervisor does, once it has fetched what
//! was missed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use opcua::client::{
    Client, ClientBuilder, IdentityToken, Session, SessionActivity, SessionConnectMode,
    SessionPollResult,
};
use opcua::types::{EndpointDescription, Error, MessageSecurityMode, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::settings::Settings;
use super::subscribe::Heard;
use crate::collect::limits::{
    ARRAY_LENGTH_MAX, CONNECT_TIMEOUT, KEEP_ALIVE, MESSAGE_BYTES_MAX, REQUEST_TIMEOUT,
    SESSION_TIMEOUT, TEXT_BYTES_MAX,
};

const POLICY_NONE: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";

/// A change of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The session is connected. A new session has no subscriptions.
    Up { new: bool },
    /// The connection is lost; the library tries to get it back.
    Lost(StatusCode),
    /// One such try failed.
    Failed(StatusCode),
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Whether the server refused the user: trying often locks accounts.
    pub(super) denied: bool,
    /// What happened.
    pub(super) reason: String,
}

/// A session and its driver.
pub(super) struct Link {
    pub(super) session: Arc<Session>,
    pub(super) events: Receiver<Event>,
    driver: JoinHandle<()>,
}

/// The client library, twice.
pub(super) struct Clients {
    /// Asks for endpoints and does not repeat itself: why nobody answers is said at once.
    once: Client,
    /// Holds sessions and tries for ever to reactivate them; their owner ends that.
    patient: Client,
}

impl Clients {
    /// The client library with this collector's limits.
    ///
    /// # Errors
    /// What the library finds wrong with its configuration.
    pub(super) fn new(settings: &Settings, pki_dir: &Path) -> Result<Self, String> {
        Ok(Self { once: client(settings, pki_dir, 0)?, patient: client(settings, pki_dir, -1)? })
    }
}

fn client(settings: &Settings, pki_dir: &Path, retries: i32) -> Result<Client, String> {
    let session_timeout_ms = u32::try_from(SESSION_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    ClientBuilder::new()
        .application_name("Tacitus")
        .application_uri("urn:tacitus:collector")
        .product_uri("urn:tacitus")
        .session_name(format!("tacitus {}", settings.name))
        .pki_dir(pki_dir)
        .session_retry_limit(retries)
        .session_retry_initial(Duration::from_secs(1))
        .session_retry_max(Duration::from_secs(5))
        .session_timeout(session_timeout_ms)
        .recreate_subscriptions(false)
        .keep_alive_interval(KEEP_ALIVE)
        .max_failed_keep_alive_count(2)
        .request_timeout(REQUEST_TIMEOUT)
        .publish_timeout(Duration::from_mins(1))
        .min_publish_interval(Duration::from_millis(10))
        .ignore_clock_skew(true)
        .max_string_length(TEXT_BYTES_MAX)
        .max_byte_string_length(TEXT_BYTES_MAX)
        .max_array_length(ARRAY_LENGTH_MAX)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_chunk_count(0)
        .client()
        .map_err(|problems| problems.join(", "))
}

impl Link {
    /// Connects, and returns once the session is there.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) async fn open(
        clients: &mut Clients,
        settings: &Settings,
        heard: Arc<Heard>,
    ) -> Result<Self, Refused> {
        let endpoint = timeout(CONNECT_TIMEOUT, endpoint(&clients.once, &settings.endpoint))
            .await
            .unwrap_or_else(|_| Err(unanswered()))?;
        let identity = match &settings.login {
            None => IdentityToken::Anonymous,
            Some((user, password)) => IdentityToken::new_user_name(user, password.0.as_str()),
        };
        let (session, event_loop) = clients
            .patient
            .connect_to_endpoint_directly(endpoint, identity)
            .map_err(|error| refused(&error))?;
        let (sender, events) = channel(64);
        let polls = event_loop.enter().boxed();
        let driver = tokio::spawn(drive(polls, sender, heard));
        let mut link = Self { session, events, driver };
        match timeout(CONNECT_TIMEOUT, link.events.recv()).await {
            Ok(Some(Event::Up { .. })) => Ok(link),
            Ok(Some(Event::Lost(status) | Event::Failed(status))) => {
                Err(refused(&Error::new(status, "the session was refused")))
            }
            Ok(None) => Err(Refused { denied: false, reason: "the session ended".into() }),
            Err(_) => Err(unanswered()),
        }
    }

    /// Closes the session, so that the server need not keep it.
    pub(super) async fn close(self) {
        // A server that does not answer loses the session by its own time limit.
        drop(timeout(Duration::from_secs(2), self.session.disconnect()).await);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The server's description of its endpoint without security, under the address a person gave:
/// the address a server states for itself is often unreachable behind NAT or a port mapping.
async fn endpoint(client: &Client, url: &str) -> Result<EndpointDescription, Refused> {
    let offered = client.get_server_endpoints_from_url(url).await.map_err(|e| refused(&e))?;
    let open = offered.into_iter().find(|endpoint| {
        endpoint.security_mode == MessageSecurityMode::None
            && endpoint.security_policy_uri.as_ref() == POLICY_NONE
    });
    let Some(endpoint) = open else {
        let reason = "the server offers no endpoint without security".to_owned();
        return Err(Refused { denied: true, reason });
    };
    Ok(EndpointDescription { endpoint_url: url.into(), ..endpoint })
}

/// Polls the session for as long as somebody hears of it.
async fn drive(
    mut polls: futures::stream::BoxStream<'static, Result<SessionPollResult, StatusCode>>,
    events: Sender<Event>,
    heard: Arc<Heard>,
) {
    while let Some(Ok(poll)) = polls.next().await {
        let event = match poll {
            SessionPollResult::Reconnected(mode) => {
                heard.now();
                Event::Up { new: matches!(mode, SessionConnectMode::NewSession(_)) }
            }
            SessionPollResult::ConnectionLost(status) => Event::Lost(status),
            SessionPollResult::ReconnectFailed(status) => Event::Failed(status),
            SessionPollResult::SessionActivity(SessionActivity::KeepAliveSucceeded) => {
                heard.now();
                continue;
            }
            _ => continue,
        };
        // A full channel means an owner that is stuck; ending the session is what it then needs.
        if events.try_send(event).is_err() {
            return;
        }
    }
}

fn refused(error: &Error) -> Refused {
    Refused { denied: denies_user(error.status()), reason: error.to_string() }
}

fn unanswered() -> Refused {
    let reason = format!("the server did not answer within {} s", CONNECT_TIMEOUT.as_secs());
    Refused { denied: false, reason }
}

/// Whether a status says that the user, not the network, is the trouble.
pub(super) fn denies_user(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadUserAccessDenied
            | StatusCode::BadIdentityTokenInvalid
            | StatusCode::BadIdentityTokenRejected
            | StatusCode::BadIdentityChangeNotSupported
            | StatusCode::BadUserSignatureInvalid
    )
}
