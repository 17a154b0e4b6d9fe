//! The plant's OPC UA server: a real one, on loopback, whose variables are set from outside.
//!
//! *Invariant.* A variable shows exactly the data value that was last set: value, status code
//! and source time.
//!
//! Tests of the collector use it as their peer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use opcua::server::address_space::Variable;
use opcua::server::diagnostics::NamespaceMetadata;
use opcua::server::node_manager::memory::{SimpleNodeManager, simple_node_manager};
use opcua::server::{ServerBuilder, ServerHandle};
use opcua::types::{DataValue, NodeId, ObjectId, QualifiedName, Variant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The namespace of the plant's variables.
pub const NAMESPACE: &str = "urn:tacitus:demo:plant";

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Where its certificates would be; created when missing.
    pub pki_dir: PathBuf,
    /// Namespaces that come before that of the variables.
    pub namespaces_before: Vec<String>,
    /// The variables: folder, name below it, first value. The node id is `s=FOLDER/NAME`.
    pub variables: Vec<(String, String, Variant)>,
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    manager: Arc<SimpleNodeManager>,
    namespace: u16,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts to serve the variables on this listener.
    ///
    /// # Errors
    /// What the library says.
    pub fn start(listener: TcpListener, shape: Shape) -> Result<Self, String> {
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let mut builder = ServerBuilder::new_anonymous("Tacitus demo plant")
            .application_uri("urn:tacitus:demo")
            .product_uri("urn:tacitus:demo")
            .host(address.ip().to_string())
            .port(address.port())
            .pki_dir(shape.pki_dir)
            .diagnostics_enabled(false);
        for uri in shape.namespaces_before {
            let name = uri.clone();
            builder = builder.with_node_manager(simple_node_manager(metadata(uri), &name));
        }
        let (server, handle) = builder
            .with_node_manager(simple_node_manager(metadata(NAMESPACE.to_owned()), "plant"))
            .build()?;
        let manager = handle
            .node_managers()
            .get_by_name::<SimpleNodeManager>("plant")
            .ok_or("the plant's node manager is missing")?;
        let namespace =
            handle.get_namespace_index(NAMESPACE).ok_or("the plant's namespace is missing")?;
        fill(&manager, namespace, shape.variables);
        let task = tokio::spawn(async move {
            if let Err(error) = server.run_with(listener).await {
                tracing::error!(%error, "the demo's OPC UA server ended");
            }
        });
        Ok(Self { address, handle, manager, namespace, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets variables, named by folder and name, and tells the subscribers.
    pub fn set(&self, values: impl IntoIterator<Item = (String, DataValue)>) {
        let values: Vec<(NodeId, DataValue)> = values
            .into_iter()
            .map(|(name, value)| (NodeId::new(self.namespace, name), value))
            .collect();
        let each = values.iter().map(|(node, value)| (node, None, value.clone()));
        if let Err(status) = self.manager.set_values(self.handle.subscriptions(), each) {
            tracing::error!(%status, "the demo's OPC UA server has no such variable");
        }
    }

    /// Closes the connections and the listener.
    pub async fn stop(self) {
        self.handle.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the demo's OPC UA server ended badly");
        }
    }

    /// Falls silent at once, as a process that is killed does: no good-bye to its clients.
    pub fn kill(self) {
        self.task.abort();
        self.handle.cancel();
    }
}

fn metadata(namespace_uri: String) -> NamespaceMetadata {
    NamespaceMetadata { namespace_uri, ..NamespaceMetadata::default() }
}

fn fill(manager: &SimpleNodeManager, namespace: u16, variables: Vec<(String, String, Variant)>) {
    let mut space = manager.address_space().write();
    let objects = NodeId::from(ObjectId::ObjectsFolder);
    for (folder, name, value) in variables {
        let parent = NodeId::new(namespace, folder.as_str());
        if space.find(&parent).is_none() {
            let browse_name = QualifiedName::new(namespace, folder.as_str());
            space.add_folder(&parent, browse_name, folder.as_str(), &objects);
        }
        let node = NodeId::new(namespace, format!("{folder}/{name}"));
        let browse_name = QualifiedName::new(namespace, name.as_str());
        let variable = Variable::new(&node, browse_name, name.as_str(), value);
        space.add_variables(vec![variable], &parent);
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
