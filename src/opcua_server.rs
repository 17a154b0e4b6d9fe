//! The OPC UA server: every tag as a variable with its live value and its history.
//!
//! ```text
//!  client ─ browse, read ─▶ Tags ─▶ catalog, latest values
//!         ─ subscribe ────▶ Watched ◀─ feed of what is committed
//!         ─ HistoryRead ──▶ History ─▶ store, aggregates of Part 13
//! ```
//!
//! *Invariant.* It reads and never writes. A client that asks for much takes memory for one answer
//! and one of a few places for reads of histories; everything else of the server goes on.
//!
//! *Not here.* Sessions, channels and subscriptions: the library's.

mod attributes;
mod browse;
mod history;
mod nodes;
mod paths;
mod place;
#[cfg(test)]
mod tests;
mod users;
mod watched;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use opcua::crypto::SecurityPolicy;
use opcua::server::diagnostics::DiagnosticsNodeManagerBuilder;
use opcua::server::node_manager::ServerContext;
use opcua::server::node_manager::memory::{CoreNodeManagerBuilder, InMemoryNodeManagerBuilder};
use opcua::server::{
    ANONYMOUS_USER_TOKEN_ID, ServerBuilder, ServerEndpoint, ServerHandle, ServerUserToken,
};
use opcua::types::{BuildInfo, DateTime, MessageSecurityMode, NodeId, VariableId, Variant};
use tacitus_storage::Engine;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::live::Feed;
use crate::shutdown::{Shutdown, Trigger};
use nodes::Tags;
use users::Users;
use watched::Watched;

/// The namespace of the tags.
pub const NAMESPACE: &str = "urn:tacitus:tags";

/// The name of the folder of all tags.
const ROOT_NAME: &str = "Tags";

/// LIMIT: sessions at a time.
const SESSIONS_MAX: usize = 100;

/// LIMIT: items of one subscription, and values that one of them may queue.
const ITEMS_MAX: usize = 100_000;
const QUEUE_MAX: usize = 1_000;

/// LIMIT: bytes of a message, and elements of an array in one that comes in.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
const ARRAY_LENGTH_MAX: usize = 100_000;

/// How often the library looks after its subscriptions, and the least interval of sampling, in
/// milliseconds.
const POLL_MS: u64 = 50;
const SAMPLING_MS_MIN: f64 = 10.0;

/// What the server is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Who may read: lines of `name:password`. With users, every line is secured.
    pub users: Option<PathBuf>,
    /// Whether the certificates of clients are trusted without a look. Without, one is taken after
    /// its file was moved from `rejected` to `trusted`.
    pub trust_clients: bool,
    /// Where its certificates are; created when missing.
    pub pki_dir: PathBuf,
}

/// A server that runs.
pub struct OpcuaServer {
    address: SocketAddr,
    handle: ServerHandle,
    trigger: Trigger,
    tasks: [JoinHandle<()>; 2],
}

impl OpcuaServer {
    /// Starts to serve.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) async fn start(
        settings: Settings,
        engine: Arc<Engine>,
        feed: &Arc<Feed>,
    ) -> Result<Self, String> {
        let listener = TcpListener::bind(settings.addr).await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let users = settings.users.as_deref().map(Users::read).transpose()?;
        let watched = Arc::new(Watched::default());
        let (trigger, shutdown) = Trigger::new();
        let tags = {
            let (engine, feed, watched) =
                (Arc::clone(&engine), Arc::clone(feed), Arc::clone(&watched));
            move |context: ServerContext| {
                let mut types = context.type_tree.write();
                // The namespace 1 is the server's own (Part 3, 8.2.2), whoever comes first.
                types.namespaces_mut().add_namespace(context.info.application_uri.as_ref());
                let namespace = types.namespaces_mut().add_namespace(NAMESPACE);
                drop(types);
                Tags::new(engine, feed, watched, namespace)
            }
        };
        let builder = configured(&settings, address, users)
            .without_node_managers()
            // First, so that what it knows better than the library is asked of it.
            .with_node_manager(tags)
            .with_node_manager(InMemoryNodeManagerBuilder::new(CoreNodeManagerBuilder))
            .with_node_manager(DiagnosticsNodeManagerBuilder);
        let (server, handle) = builder.build()?;
        let telling = tokio::spawn(watched::tell(
            engine,
            Arc::clone(feed),
            watched,
            Arc::clone(handle.subscriptions()),
            shutdown.clone(),
        ));
        let serving = tokio::spawn(async move {
            if let Err(error) = server.run_with(listener).await {
                tracing::error!(%error, "the OPC UA server ended");
            }
        });
        tokio::spawn(end_with(shutdown, handle.token().clone()));
        Ok(Self { address, handle, trigger, tasks: [serving, telling] })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the connections and the listener.
    pub async fn stop(self) {
        self.trigger.stop();
        self.handle.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "the OPC UA server ended badly");
            }
        }
    }
}

/// A dropped server ends too.
async fn end_with(shutdown: Shutdown, token: tokio_util::sync::CancellationToken) {
    shutdown.requested().await;
    token.cancel();
}

fn configured(settings: &Settings, address: SocketAddr, users: Option<Users>) -> ServerBuilder {
    let version = env!("CARGO_PKG_VERSION");
    let mut builder = ServerBuilder::new()
        .application_name("Tacitus")
        .application_uri("urn:tacitus:server")
        .product_uri("urn:tacitus")
        .build_info(BuildInfo {
            product_uri: "urn:tacitus".into(),
            manufacturer_name: "Tacitus".into(),
            product_name: "Tacitus".into(),
            software_version: version.into(),
            build_number: version.into(),
            build_date: DateTime::null(),
        })
        .host(address.ip().to_string())
        .port(address.port())
        .discovery_urls(vec!["/".to_owned()])
        .pki_dir(&settings.pki_dir)
        .create_sample_keypair(true)
        .trust_client_certs(settings.trust_clients)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_chunk_count(0)
        .max_array_length(ARRAY_LENGTH_MAX)
        .max_sessions(SESSIONS_MAX)
        .subscription_poll_interval_ms(POLL_MS)
        .diagnostics_enabled(false);
    let limits = &mut builder.limits_mut().subscriptions;
    limits.max_monitored_items_per_sub = ITEMS_MAX;
    limits.max_monitored_item_queue_size = QUEUE_MAX;
    limits.min_sampling_interval_ms = SAMPLING_MS_MIN;
    limits.min_publishing_interval_ms = SAMPLING_MS_MIN;
    let names =
        users.as_ref().map_or_else(|| vec![ANONYMOUS_USER_TOKEN_ID.to_owned()], Users::names);
    for name in names.iter().filter(|_| users.is_some()) {
        // The library wants a token for each; who has which password is known to `Users` alone.
        let token = ServerUserToken::user_pass(name.as_str(), "unknown here");
        builder = builder.add_user_token(name.clone(), token);
    }
    for (id, endpoint) in endpoints(&names, users.is_none()) {
        builder = builder.add_endpoint(id, endpoint);
    }
    match users {
        Some(users) => builder.with_authenticator(Arc::new(users)),
        None => builder,
    }
}

/// The ways in: without users one in clear text too, with users only secured ones.
fn endpoints(names: &[String], clear: bool) -> Vec<(String, ServerEndpoint)> {
    let secured = [
        SecurityPolicy::Basic256Sha256,
        SecurityPolicy::Aes128Sha256RsaOaep,
        SecurityPolicy::Aes256Sha256RsaPss,
    ];
    let modes = [MessageSecurityMode::Sign, MessageSecurityMode::SignAndEncrypt];
    let mut endpoints: Vec<(String, ServerEndpoint)> = Vec::new();
    if clear {
        endpoints.push(("none".to_owned(), ServerEndpoint::new_none("/", names)));
    }
    for policy in secured {
        for mode in modes {
            let endpoint = ServerEndpoint::new("/", policy, mode, names);
            endpoints.push((format!("{policy} {mode}"), endpoint));
        }
    }
    endpoints
}

/// What the server says of its histories in the nodes of the standard; `None` where that is the
/// library's to say.
fn capability(node: &NodeId) -> Option<Variant> {
    use VariableId as Id;
    if node.namespace != 0 {
        return None;
    }
    Some(match node.as_variable_id().ok()? {
        Id::HistoryServerCapabilities_AccessHistoryDataCapability => Variant::Boolean(true),
        Id::HistoryServerCapabilities_MaxReturnDataValues => {
            Variant::UInt32(u32::try_from(history::VALUES_MAX).unwrap_or(u32::MAX))
        }
        Id::HistoryServerCapabilities_ServerTimestampSupported => Variant::Boolean(false),
        _ => return None,
    })
}

impl std::fmt::Debug for OpcuaServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("OpcuaServer").field("address", &self.address).finish_non_exhaustive()
    }
}
