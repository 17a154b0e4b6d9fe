//! What must be known of a server before items are created: its namespaces and its limits.
//!
//! *Invariant.* Nothing learned here outlives the session it was learned in.

use opcua::client::Session;
use opcua::types::{Error, ReadValueId, TimestampsToReturn, VariableId, Variant};

use crate::collect::limits::{BROWSE_NODES_MAX, REQUEST_OPERATIONS_MAX};

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Survey {
    /// The namespace URIs, by index.
    pub(super) namespaces: Vec<String>,
    /// Nodes of one read.
    pub(super) read_max: usize,
    /// Nodes of one browse.
    pub(super) browse_max: usize,
    /// Items created by one request.
    pub(super) create_max: usize,
}

/// Asks the server.
///
/// # Errors
/// The server did not say its namespaces. Limits it does not say are taken with care.
pub(super) async fn survey(session: &Session) -> Result<Survey, Error> {
    let map = session.read_namespace_array().await?;
    let mut namespaces = Vec::new();
    for (uri, index) in map.known_namespaces() {
        let index = usize::from(*index);
        if namespaces.len() <= index {
            namespaces.resize(index + 1, String::new());
        }
        if let Some(slot) = namespaces.get_mut(index) {
            slot.clone_from(uri);
        }
    }
    let read = VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead;
    let browse = VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse;
    let create = VariableId::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall;
    Ok(Survey {
        namespaces,
        read_max: limit(session, read, REQUEST_OPERATIONS_MAX).await?,
        browse_max: limit(session, browse, BROWSE_NODES_MAX).await?,
        create_max: limit(session, create, REQUEST_OPERATIONS_MAX).await?,
    })
}

/// One stated limit, at most `own`. One node is read at a time: the limit of a read may be one.
async fn limit(session: &Session, variable: VariableId, own: usize) -> Result<usize, Error> {
    let read = [ReadValueId::from(opcua::types::NodeId::from(variable))];
    let values = session.read(&read, TimestampsToReturn::Neither, 0.0).await?;
    let stated = match values.first().and_then(|data| data.value.as_ref()) {
        Some(Variant::UInt32(number)) => usize::try_from(*number).unwrap_or(usize::MAX),
        // 0 on the wire is "no limit", and so is a server without the variable.
        _ => 0,
    };
    Ok(if stated == 0 { own } else { stated.min(own) })
}
