//! What must be known of a server before items are created: its namespaces, limits and clock.
//!
//! *Invariant.* Nothing learned here outlives the session it was learned in.

use opcua::client::Session;
use opcua::types::{
    DataValue, Error, NodeId, ReadValueId, TimestampsToReturn, VariableId, Variant,
};
use tacitus_model::Timestamp;
use tacitus_protocol::opcua::{moment, put_back};

use super::link::moved_ns;
use crate::collect::limits::{BROWSE_NODES_MAX, HISTORY_NODES_MAX, REQUEST_OPERATIONS_MAX};

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
    /// Nodes of one read of the history.
    pub(super) history_max: usize,
    /// Paths translated by one request.
    pub(super) translate_max: usize,
    /// Since when it runs, by its clock.
    pub(super) started: Option<Timestamp>,
    /// By how much its clock is ahead of ours.
    pub(super) skew_ns: Option<i64>,
}

/// Asks the server. `now` is our time when its answer arrives.
///
/// # Errors
/// The server did not say its namespaces. What else it does not say is taken with care.
pub(super) async fn survey(
    session: &Session,
    now: impl Fn() -> Timestamp,
) -> Result<Survey, Error> {
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
    let history = VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData;
    let translate = VariableId::
        Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds;
    let time = value(session, VariableId::Server_ServerStatus_CurrentTime).await?;
    let skew_ns = time_of(&time).map(|theirs| theirs.nanos().saturating_sub(now().nanos()));
    Ok(Survey {
        namespaces,
        read_max: limit(session, read, REQUEST_OPERATIONS_MAX).await?,
        browse_max: limit(session, browse, BROWSE_NODES_MAX).await?,
        create_max: limit(session, create, REQUEST_OPERATIONS_MAX).await?,
        history_max: limit(session, history, HISTORY_NODES_MAX).await?,
        translate_max: limit(session, translate, REQUEST_OPERATIONS_MAX).await?,
        started: time_of(&value(session, VariableId::Server_ServerStatus_StartTime).await?),
        skew_ns,
    })
}

/// How well the server says it serves, from 0 to 255 (Part 4, 6.6.2.4.2); a server that does not
/// say serves well.
pub(super) async fn service_level(session: &Session) -> Result<u8, Error> {
    let level = value(session, VariableId::Server_ServiceLevel).await?;
    Ok(match level.value {
        Some(Variant::Byte(level)) => level,
        _ => u8::MAX,
    })
}

/// The value of one of the server's own variables.
///
/// # Errors
/// The server did not answer.
pub(super) async fn value(session: &Session, variable: VariableId) -> Result<DataValue, Error> {
    // One node is read at a time: the limit of a read may be one.
    let read = [ReadValueId::from(NodeId::from(variable))];
    let values = session.read(&read, TimestampsToReturn::Neither, 0.0).await?;
    let mut value = values.into_iter().next().unwrap_or_default();
    put_back(&mut value, moved_ns(session));
    Ok(value)
}

fn time_of(data: &DataValue) -> Option<Timestamp> {
    match &data.value {
        Some(Variant::DateTime(time)) => moment(time),
        _ => None,
    }
}

/// One stated limit, at most `own`.
async fn limit(session: &Session, variable: VariableId, own: usize) -> Result<usize, Error> {
    let stated = match value(session, variable).await?.value {
        Some(Variant::UInt32(number)) => usize::try_from(number).unwrap_or(usize::MAX),
        // 0 on the wire is "no limit", and so is a server without the variable.
        _ => 0,
    };
    Ok(if stated == 0 { own } else { stated.min(own) })
}
