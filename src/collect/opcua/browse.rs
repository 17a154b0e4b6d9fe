//! Finds the variables below a node.
//!
//! *Invariant.* It ends: every node is visited once, the levels and the variables found are
//! bounded, and address spaces with loops are common.
//!
//! Properties (engineering unit, range, enumeration strings) describe a signal and are not
//! signals; the server's own diagnostics object is left out too.

use std::collections::HashSet;

use opcua::client::Session;
use opcua::types::{
    BrowseDescription, BrowseDirection, BrowseResult, BrowseResultMask, ByteString, Error,
    NodeClass, NodeId, ObjectId, ReferenceDescription, ReferenceTypeId,
};
use tacitus_model::TagPath;
use tacitus_protocol::opcua::NodeName;

use super::settings::{Browse, Node};
use super::survey::Survey;

/// What a browse found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The variables, each with the tag it would fill.
    pub(super) nodes: Vec<Node>,
    /// Whether there were more than were asked for.
    pub(super) cut_short: bool,
    /// Variables whose names make no tag path.
    pub(super) unnamed: usize,
}

/// Looks for variables below the root.
///
/// # Errors
/// What the server said; the namespace of the root being unknown to it reads the same.
pub(super) async fn browse(
    session: &Session,
    survey: &Survey,
    wish: &Browse,
    prefix: &str,
) -> Result<Found, Error> {
    let Some(root) = wish.root.resolve(&survey.namespaces) else {
        let text = "the server does not have the namespace of the browse root";
        return Err(Error::new(opcua::types::StatusCode::BadNodeIdUnknown, text));
    };
    let mut found = Found::default();
    let mut seen = HashSet::from([root.clone(), NodeId::from(ObjectId::Server)]);
    let mut level = vec![(root, String::new())];
    for _ in 0..wish.depth {
        let mut below = Vec::new();
        for parents in level.chunks(survey.browse_max) {
            let children = references(session, parents).await?;
            for (parent, reference) in children {
                let node = reference.node_id.node_id;
                let local = reference.node_id.server_index == 0;
                let property = reference.reference_type_id == ReferenceTypeId::HasProperty;
                if !local || property || !seen.insert(node.clone()) {
                    continue;
                }
                let name = reference.browse_name.name.as_ref().to_owned();
                let path = if parent.is_empty() { name } else { format!("{parent}/{name}") };
                if reference.node_class == NodeClass::Variable {
                    if found.nodes.len() >= wish.count {
                        found.cut_short = true;
                        return Ok(found);
                    }
                    let name = NodeName::of(&node, &survey.namespaces);
                    let own =
                        wish.template.replace("{path}", &path).replace("{node}", &name.label());
                    match TagPath::new(&format!("{prefix}{own}")) {
                        _ if !is_meant(wish, &path) => {}
                        Ok(tag) => found.nodes.push(Node::new(name, tag)),
                        Err(_) => found.unnamed += 1,
                    }
                }
                below.push((node, path));
            }
        }
        if below.is_empty() {
            break;
        }
        level = below;
    }
    Ok(found)
}

/// Whether the patterns mean this path.
fn is_meant(wish: &Browse, path: &str) -> bool {
    (wish.include.is_empty() || wish.include.matches(path)) && !wish.exclude.matches(path)
}

/// The hierarchical references of these nodes, each with its parent's path. Nodes that cannot
/// be browsed have none.
async fn references(
    session: &Session,
    parents: &[(NodeId, String)],
) -> Result<Vec<(String, ReferenceDescription)>, Error> {
    let requests: Vec<BrowseDescription> = parents.iter().map(|(node, _)| forward(node)).collect();
    let mut all = Vec::new();
    let mut pending: Vec<(String, ByteString)> = Vec::new();
    let results = session.browse(&requests, 0, None).await?;
    for ((_, path), result) in parents.iter().zip(results) {
        keep(path, result, &mut all, &mut pending);
    }
    while !pending.is_empty() {
        let points: Vec<ByteString> = pending.iter().map(|(_, point)| point.clone()).collect();
        let paths: Vec<String> = pending.drain(..).map(|(path, _)| path).collect();
        let results = session.browse_next(false, &points).await?;
        for (path, result) in paths.iter().zip(results) {
            keep(path, result, &mut all, &mut pending);
        }
    }
    Ok(all)
}

fn keep(
    path: &str,
    result: BrowseResult,
    all: &mut Vec<(String, ReferenceDescription)>,
    pending: &mut Vec<(String, ByteString)>,
) {
    all.extend(result.references.into_iter().flatten().map(|one| (path.to_owned(), one)));
    if !result.continuation_point.is_null_or_empty() {
        pending.push((path.to_owned(), result.continuation_point));
    }
}

fn forward(node: &NodeId) -> BrowseDescription {
    BrowseDescription {
        node_id: node.clone(),
        browse_direction: BrowseDirection::Forward,
        reference_type_id: ReferenceTypeId::HierarchicalReferences.into(),
        include_subtypes: true,
        // Objects (1) and variables (2), Part 4, 7.
        node_class_mask: 1 | 2,
        result_mask: BrowseResultMask::All as u32,
    }
}
