//! One session with a server, and the task that keeps it moving.
//!
//! *Invariant.* While a link lives its event loop is polled, whatever its owner waits for: a
//! request and the answer to it travel through that loop.
//!
//! *Invariant.* Whether the server lives is judged here and nowhere else: any answer is a sign of life,
//! also one that says that it does not run as it should.
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
use opcua::types::{
    ApplicationDescription, EndpointDescription, Error, MessageSecurityMode, StatusCode,
    UserTokenType,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::settings::{Login, Policy, Security, SecurityMode, Settings};
use super::subscribe::Heard;
use super::trust::Trust;
use crate::collect::limits::{
    ARRAY_LENGTH_MAX, CONNECT_TIMEOUT, MESSAGE_BYTES_MAX, SESSION_TIMEOUT, TEXT_BYTES_MAX,
    UNANSWERED_MAX,
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
    /// The connection stands, and the server no longer answers.
    Unanswered(StatusCode),
    /// The server answers that it does not run.
    Halted,
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
    /// The address by which it was reached.
    pub(super) url: String,
    pub(super) session: Arc<Session>,
    pub(super) events: Receiver<Event>,
    down: watch::Receiver<bool>,
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

    /// The servers that the one at this address knows.
    ///
    /// # Errors
    /// It did not say.
    pub(super) async fn known_at(&self, url: &str) -> Result<Vec<ApplicationDescription>, Error> {
        let found = timeout(CONNECT_TIMEOUT, self.once.find_servers(url, None, None)).await;
        found.map_err(|_late| Error::new(StatusCode::BadTimeout, "the servers of the set"))?
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
        .create_sample_keypair(true)
        // What is trusted is decided before a session is opened: see `Trust`. The library still
        // insists that the server has the key of the certificate that it was told.
        .trust_server_certs(true)
        .verify_server_certs(false)
        .session_retry_limit(retries)
        .session_retry_initial(Duration::from_secs(1))
        .session_retry_max(Duration::from_secs(5))
        .session_timeout(session_timeout_ms)
        .recreate_subscriptions(false)
        .keep_alive_interval(settings.keep_alive)
        // The library would end the session of a server that answers that it does not run.
        .max_failed_keep_alive_count(0)
        .request_timeout(settings.timeout)
        .publish_timeout(Duration::from_mins(1))
        .min_publish_interval(Duration::from_millis(10))
        // Channels are renewed in time though a clock is wrong. It moves all times that are read,
        // which are put back: see `moved_ns`.
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
    /// Connects to one of the servers, and returns once the session is there.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) async fn open(
        clients: &mut Clients,
        settings: &Settings,
        trust: &Trust,
        url: &str,
        heard: Arc<Heard>,
    ) -> Result<Self, Refused> {
        let offered = timeout(CONNECT_TIMEOUT, clients.once.get_server_endpoints_from_url(url))
            .await
            .map_err(|_late| unanswered())?
            .map_err(|error| refused(&error))?;
        let endpoint = choose(&offered, settings).map_err(mistaken)?;
        // The address a server states for itself is often unreachable behind NAT or a port
        // mapping: the one a person gave is used as it is.
        let endpoint = with_policies(EndpointDescription { endpoint_url: url.into(), ..endpoint });
        if endpoint.security_policy_uri.as_ref() != POLICY_NONE {
            let uri = endpoint.server.application_uri.as_ref();
            let now = heard.clock().now();
            let judged = trust.judge(&endpoint.server_certificate, url, uri, now).await;
            judged.map_err(|distrust| Refused { denied: false, reason: distrust.to_string() })?;
        }
        let identity = identity(&settings.login)?;
        let (session, event_loop) = clients
            .patient
            .connect_to_endpoint_directly(endpoint, identity)
            .map_err(|error| refused(&error))?;
        let (sender, events) = channel(64);
        let polls = event_loop.enter().boxed();
        let (is_down, down) = watch::channel(false);
        let driver = tokio::spawn(drive(polls, sender, is_down, heard, settings.timeout));
        let mut link = Self { url: url.to_owned(), session, events, down, driver };
        match timeout(CONNECT_TIMEOUT, link.events.recv()).await {
            Ok(Some(Event::Up { .. } | Event::Halted)) => Ok(link),
            Ok(Some(Event::Lost(status) | Event::Failed(status) | Event::Unanswered(status))) => {
                Err(refused(&Error::new(status, "the session was refused")))
            }
            Ok(None) => Err(Refused { denied: false, reason: "the session ended".into() }),
            Err(_) => Err(unanswered()),
        }
    }

    /// When requests that are under way will not be answered. The event that says why follows.
    pub(super) fn ends(&self) -> impl Future<Output = ()> + use<> {
        let mut down = self.down.clone();
        async move {
            // Where nobody says any more how it is, it has ended too.
            drop(down.wait_for(|down| *down).await);
        }
    }

    /// Whether requests that are under way will not be answered.
    pub(super) fn is_down(&self) -> bool {
        *self.down.borrow()
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

/// The endpoint that the settings ask for, of those a server offers; why there is none otherwise.
fn choose(
    offered: &[EndpointDescription],
    settings: &Settings,
) -> Result<EndpointDescription, String> {
    let mode = match settings.mode {
        _ if settings.security == Security::None => MessageSecurityMode::None,
        SecurityMode::Sign => MessageSecurityMode::Sign,
        SecurityMode::SignAndEncrypt => MessageSecurityMode::SignAndEncrypt,
    };
    let wanted: Vec<&str> = match settings.security {
        Security::None => vec![POLICY_NONE],
        Security::Policy(policy) => vec![policy.uri()],
        Security::Auto => Policy::ALL.map(Policy::uri).to_vec(),
    };
    let words: Vec<String> = offered.iter().map(word).collect();
    let found = wanted.iter().find_map(|uri| {
        offered.iter().find(|endpoint| {
            endpoint.security_policy_uri.as_ref() == *uri && endpoint.security_mode == mode
        })
    });
    let Some(endpoint) = found else {
        let have = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
        return Err(format!("the server does not offer the security asked for, but: {have}"));
    };
    let token = match settings.login {
        Login::Anonymous => UserTokenType::Anonymous,
        Login::User(..) => UserTokenType::UserName,
        Login::Certificate { .. } => UserTokenType::Certificate,
    };
    let tokens = endpoint.user_identity_tokens.as_deref().unwrap_or_default();
    if !tokens.iter().any(|offered| offered.token_type == token) {
        let way = match token {
            UserTokenType::Anonymous => "without a user",
            UserTokenType::UserName => "by user and password",
            _ => "by certificate",
        };
        return Err(format!("the server lets nobody log in {way} at {}", word(endpoint)));
    }
    Ok(endpoint.clone())
}

/// The endpoint with the policy of each way to log in. One that states none has that of the channel
/// (Part 4, 7.41); the library takes it for none, and does not sign for the user then.
fn with_policies(mut endpoint: EndpointDescription) -> EndpointDescription {
    for token in endpoint.user_identity_tokens.iter_mut().flatten() {
        if token.security_policy_uri.is_empty() {
            token.security_policy_uri = endpoint.security_policy_uri.clone();
        }
    }
    endpoint
}

/// An endpoint in the words of the settings.
fn word(endpoint: &EndpointDescription) -> String {
    let policy = endpoint.security_policy_uri.as_ref();
    let policy = policy.rsplit_once('#').map_or(policy, |(_, name)| name);
    match endpoint.security_mode {
        MessageSecurityMode::Sign => format!("{policy} (sign)"),
        MessageSecurityMode::SignAndEncrypt => format!("{policy} (sign_and_encrypt)"),
        _ => policy.to_owned(),
    }
}

fn identity(login: &Login) -> Result<IdentityToken, Refused> {
    Ok(match login {
        Login::Anonymous => IdentityToken::Anonymous,
        Login::User(user, password) => IdentityToken::new_user_name(user, password.0.as_str()),
        Login::Certificate { certificate, key } => IdentityToken::new_x509_path(certificate, key)
            .map_err(|error| {
            mistaken(format!("the user certificate or its key cannot be read: {error}"))
        })?,
    })
}

/// What the two sides do not have in common. It costs a server nothing to be asked again; one that starts,
/// or ends, may offer less than it will.
fn mistaken(reason: String) -> Refused {
    Refused { denied: false, reason }
}

/// Polls the session for as long as somebody hears of it.
async fn drive(
    mut polls: futures::stream::BoxStream<'static, Result<SessionPollResult, StatusCode>>,
    events: Sender<Event>,
    is_down: watch::Sender<bool>,
    heard: Arc<Heard>,
    patience: Duration,
) {
    let mut life = Life::default();
    while let Some(Ok(poll)) = polls.next().await {
        let event = match poll {
            SessionPollResult::Reconnected(mode) => {
                heard.now();
                life = Life::default();
                Event::Up { new: matches!(mode, SessionConnectMode::NewSession(_)) }
            }
            SessionPollResult::ConnectionLost(status) => Event::Lost(status),
            SessionPollResult::ReconnectFailed(status) => Event::Failed(status),
            SessionPollResult::SessionActivity(activity) => {
                let event = life.sign(&activity);
                if life.unanswered == 0 {
                    heard.now();
                }
                match event {
                    // A notification is a sign of life too.
                    Some(Event::Unanswered(_)) if heard.ago() < patience => continue,
                    Some(event) => event,
                    None => continue,
                }
            }
            _ => continue,
        };
        match event {
            Event::Up { .. } => drop(is_down.send_replace(false)),
            Event::Lost(_) | Event::Unanswered(_) => drop(is_down.send_replace(true)),
            Event::Failed(_) | Event::Halted => {}
        }
        // A full channel means an owner that is stuck; ending the session is what it then needs.
        if events.try_send(event).is_err() {
            return;
        }
    }
}

/// What the answers to the question whether it lives say of a server.
#[derive(Debug, Default)]
struct Life {
    /// How many in a row did not come.
    unanswered: u32,
    /// Whether it says that it does not run.
    halted: bool,
}

impl Life {
    /// Takes an answer, or that none came; returns what is news.
    fn sign(&mut self, activity: &SessionActivity) -> Option<Event> {
        match activity {
            SessionActivity::KeepAliveSucceeded => {
                *self = Self::default();
                None
            }
            SessionActivity::KeepAliveFailed(StatusCode::BadServerHalted) => {
                self.unanswered = 0;
                (!std::mem::replace(&mut self.halted, true)).then_some(Event::Halted)
            }
            // It answers, and does not say how it is.
            SessionActivity::KeepAliveFailed(StatusCode::BadUnknownResponse) => {
                self.unanswered = 0;
                None
            }
            SessionActivity::KeepAliveFailed(status) => {
                self.unanswered = self.unanswered.saturating_add(1);
                (self.unanswered >= UNANSWERED_MAX).then_some(Event::Unanswered(*status))
            }
        }
    }
}

/// By how much the library moves the times that it reads in a session: by what the server's clock is
/// ahead, source times excepted.
pub(super) fn moved_ns(session: &Session) -> i64 {
    let moved = session.encoding_context().read().options().client_offset;
    moved.num_nanoseconds().unwrap_or_default()
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

/// Whether a status says that a message could not be understood: a value in it is poison.
pub(super) fn is_indigestible(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadDecodingError
            | StatusCode::BadEncodingError
            | StatusCode::BadEncodingLimitsExceeded
            | StatusCode::BadTcpMessageTooLarge
            | StatusCode::BadResponseTooLarge
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::opcua::{Draft, DraftNode};
    use opcua::types::UserTokenPolicy;

    fn settings(security: &str, mode: &str) -> Settings {
        let node = DraftNode { node: "i=1".into(), ..DraftNode::default() };
        Draft {
            name: "a".into(),
            endpoint: "opc.tcp://a".into(),
            security: Some(security.into()),
            security_mode: Some(mode.into()),
            nodes: vec![node],
            ..Draft::default()
        }
        .check()
        .unwrap()
    }

    fn endpoint(policy: &str, mode: MessageSecurityMode, level: u8) -> EndpointDescription {
        let token = UserTokenPolicy { token_type: UserTokenType::Anonymous, ..Default::default() };
        EndpointDescription {
            security_policy_uri: format!("http://opcfoundation.org/UA/SecurityPolicy#{policy}")
                .into(),
            security_mode: mode,
            security_level: level,
            user_identity_tokens: Some(vec![token]),
            ..EndpointDescription::default()
        }
    }

    fn offered() -> Vec<EndpointDescription> {
        use MessageSecurityMode::{None, Sign, SignAndEncrypt};
        vec![
            endpoint("None", None, 0),
            endpoint("Basic256Sha256", Sign, 1),
            endpoint("Basic256Sha256", SignAndEncrypt, 2),
            endpoint("Aes128_Sha256_RsaOaep", SignAndEncrypt, 3),
        ]
    }

    #[test]
    fn the_endpoint_is_the_one_asked_for() {
        for (security, mode, want) in [
            ("none", "sign_and_encrypt", "None"),
            ("auto", "sign_and_encrypt", "Aes128_Sha256_RsaOaep (sign_and_encrypt)"),
            ("auto", "sign", "Basic256Sha256 (sign)"),
            ("basic256sha256", "sign", "Basic256Sha256 (sign)"),
            ("basic256sha256", "sign_and_encrypt", "Basic256Sha256 (sign_and_encrypt)"),
        ] {
            let chosen = choose(&offered(), &settings(security, mode)).unwrap();
            assert_eq!(word(&chosen), want, "{security} {mode}");
        }
    }

    /// node-opcua states no policy for certificates of users, and refused the unsigned token.
    #[test]
    fn a_user_token_without_a_policy_has_that_of_the_channel() {
        let mut offered = endpoint("Basic256Sha256", MessageSecurityMode::SignAndEncrypt, 1);
        let own = UserTokenPolicy { security_policy_uri: POLICY_NONE.into(), ..Default::default() };
        offered.user_identity_tokens.get_or_insert_default().push(own);
        let tokens = with_policies(offered).user_identity_tokens.unwrap();
        let policies: Vec<&str> =
            tokens.iter().map(|one| one.security_policy_uri.as_ref()).collect();
        assert_eq!(policies, [Policy::Basic256Sha256.uri(), POLICY_NONE]);
    }

    /// A server in the state "test" or "suspended" answers and may have values: ending its session
    /// again and again would be no better.
    #[test]
    fn a_server_is_given_up_when_it_leaves_two_questions_in_a_row_unanswered() {
        use SessionActivity::{KeepAliveFailed as Failed, KeepAliveSucceeded as Good};
        let late = StatusCode::BadTimeout;
        let halted = StatusCode::BadServerHalted;
        for (signs, want) in [
            (vec![Failed(late)], vec![]),
            (vec![Failed(late), Good, Failed(late)], vec![]),
            (vec![Failed(late), Failed(late), Failed(late)], vec![Event::Unanswered(late); 2]),
            (vec![Failed(halted), Failed(halted), Failed(halted)], vec![Event::Halted]),
            (vec![Failed(late), Failed(halted), Failed(late)], vec![Event::Halted]),
            (vec![Failed(halted), Good, Failed(halted)], vec![Event::Halted, Event::Halted]),
            (vec![Failed(StatusCode::BadUnknownResponse); 3], vec![]),
        ] {
            let mut life = Life::default();
            let events: Vec<Event> = signs.iter().filter_map(|sign| life.sign(sign)).collect();
            assert_eq!(events, want, "{signs:?}");
        }
    }

    #[test]
    fn what_is_not_offered_is_said_with_what_is() {
        let refusal = choose(&offered(), &settings("aes256_sha256_rsapss", "sign")).unwrap_err();
        assert!(refusal.ends_with("Aes128_Sha256_RsaOaep (sign_and_encrypt)"), "{refusal}");
        let mut closed = offered();
        closed.iter_mut().for_each(|one| one.user_identity_tokens = None);
        let refusal = choose(&closed, &settings("none", "sign")).unwrap_err();
        assert!(refusal.contains("without a user"), "{refusal}");
    }
}
