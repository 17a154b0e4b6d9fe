//! References: what is below and above a node, and of which type it is.
//!
//! *Invariant.* A folder has a node for each name below it, and two where a tag and a folder share
//! one: the tag is a component, the folder is organised.

use std::collections::VecDeque;

use opcua::nodes::ReferenceDirection;
use opcua::server::node_manager::{
    AddReferenceResult, BrowseNode, ExternalReference, NodeMetadata, RequestContext,
};
use opcua::types::{
    ExpandedNodeId, LocalizedText, NodeClass, NodeId, ObjectId, ObjectTypeId, QualifiedName,
    ReferenceDescription, ReferenceTypeId, StatusCode, VariableTypeId,
};
use tacitus_query::standard_aggregates;

use super::ROOT_NAME;
use super::nodes::Tags;
use super::place::{Part, Place};

/// What is left of the references of a node.
struct Rest(VecDeque<ReferenceDescription>);

impl Tags {
    /// Adds our references of one node.
    pub(super) fn browse_node(&self, context: &RequestContext, node: &mut BrowseNode) {
        let types = context.get_type_tree_for_user();
        // A point of somebody else is left where it is: taking it would lose it.
        let ours = node.continuation_point::<Rest>().is_some();
        if let Some(rest) = ours.then(|| node.take_continuation_point::<Rest>()).flatten() {
            let Rest(mut rest) = *rest;
            while node.remaining() > 0 {
                let Some(reference) = rest.pop_front() else { break };
                // It passed the filters when it was put aside.
                node.add_unchecked(reference);
            }
            if !rest.is_empty() {
                node.set_next_continuation_point(Box::new(Rest(rest)));
            }
            return;
        }
        let references = if node.node_id().namespace == 0 {
            self.of_the_standard(node)
        } else if node.node_id().namespace == self.namespace {
            let Some(place) = self.place(node.node_id()) else {
                node.set_status(StatusCode::BadNodeIdUnknown);
                return;
            };
            node.set_status(StatusCode::Good);
            self.references(&place, node)
        } else {
            return;
        };
        let mut rest = VecDeque::new();
        for reference in references {
            let wanted =
                if reference.is_forward { node.allows_forward() } else { node.allows_inverse() };
            if wanted && let AddReferenceResult::Full(full) = node.add(types.get(), reference) {
                rest.push_back(full);
            }
        }
        if !rest.is_empty() {
            node.set_next_continuation_point(Box::new(Rest(rest)));
        }
    }

    /// What we add to nodes of the standard: our root, and the aggregates we know.
    fn of_the_standard(&self, node: &BrowseNode) -> Vec<ReferenceDescription> {
        let of = |id: ObjectId| node.node_id() == &id;
        if of(ObjectId::ObjectsFolder) {
            let root = self.metadata(&Place::Folder(String::new()));
            let organizes = ReferenceTypeId::Organizes;
            return root.map(|root| root.into_ref_desc(true, organizes)).into_iter().collect();
        }
        let knows_aggregates = of(ObjectId::HistoryServerCapabilities_AggregateFunctions)
            || of(ObjectId::Server_ServerCapabilities_AggregateFunctions);
        if !knows_aggregates {
            return Vec::new();
        }
        // Said here and not left to the library, which loses such references beyond a page.
        let aggregate = |(name, number): (&str, u32)| ReferenceDescription {
            reference_type_id: ReferenceTypeId::Organizes.into(),
            is_forward: true,
            node_id: ExpandedNodeId::new(NodeId::new(0, number)),
            browse_name: QualifiedName::new(0, name),
            display_name: LocalizedText::new("", name),
            node_class: NodeClass::Object,
            type_definition: ExpandedNodeId::new(NodeId::from(ObjectTypeId::AggregateFunctionType)),
        };
        standard_aggregates().map(aggregate).collect()
    }

    fn references(&self, place: &Place, node: &mut BrowseNode) -> Vec<ReferenceDescription> {
        let mut found = Vec::new();
        let mut link = |to: &Place, kind: ReferenceTypeId, forward: bool| {
            found.extend(self.metadata(to).map(|to| to.into_ref_desc(forward, kind)));
        };
        match place {
            Place::Folder(path) => {
                for (name, child) in self.paths.children(path, self.resets()) {
                    let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                    if let Some(tag) = child.tag {
                        link(&Place::Tag(tag), ReferenceTypeId::HasComponent, true);
                    }
                    if child.folder {
                        link(&Place::Folder(below), ReferenceTypeId::Organizes, true);
                    }
                }
                if let Some(parent) = parent(path) {
                    link(&Place::Folder(parent), ReferenceTypeId::Organizes, false);
                }
            }
            Place::Tag(id) => {
                for part in Part::below(None).filter(|part| self.has(*id, *part)) {
                    link(&Place::Part(*id, part), kind_of(part), true);
                }
                let path = self.engine.catalog().get(*id).map(|tag| tag.definition.path.clone());
                let above = path.and_then(|path| parent(path.as_str())).unwrap_or_default();
                link(&Place::Folder(above), ReferenceTypeId::HasComponent, false);
            }
            Place::Part(id, part) => {
                for below in Part::below(Some(*part)) {
                    link(&Place::Part(*id, below), kind_of(below), true);
                }
                let above = part.parent().map_or(Place::Tag(*id), |above| Place::Part(*id, above));
                link(&above, kind_of(*part), false);
            }
            Place::Named(_) => {}
        }
        if node.allows_forward()
            && let Some(known) = self.metadata(place)
        {
            node.push_external_reference(ExternalReference::new(
                known.type_definition,
                ReferenceTypeId::HasTypeDefinition.into(),
                ReferenceDirection::Forward,
            ));
        }
        if *place == Place::Folder(String::new()) && node.allows_inverse() {
            node.push_external_reference(ExternalReference::new(
                ExpandedNodeId::new(NodeId::from(ObjectId::ObjectsFolder)),
                ReferenceTypeId::Organizes.into(),
                ReferenceDirection::Inverse,
            ));
        }
        found
    }

    /// Whether a tag has a part: a range and a unit only where they are known.
    pub(super) fn has(&self, tag: tacitus_model::TagId, part: Part) -> bool {
        let Some(tag) = self.engine.catalog().get(tag) else { return false };
        match part {
            Part::Range => tag.definition.range.is_some(),
            Part::Units => !tag.definition.unit.is_empty(),
            _ => true,
        }
    }

    /// What a reference says of a place.
    pub(super) fn metadata(&self, place: &Place) -> Option<NodeMetadata> {
        let (name, node_class, type_definition): (String, _, NodeId) = match place {
            Place::Folder(path) => {
                let name = last(path);
                let name = if name.is_empty() { ROOT_NAME } else { name };
                (name.to_owned(), NodeClass::Object, ObjectTypeId::FolderType.into())
            }
            Place::Tag(id) => {
                let tag = self.engine.catalog().get(*id)?;
                let kind = if tag.definition.range.is_some() {
                    VariableTypeId::AnalogItemType
                } else {
                    VariableTypeId::BaseDataVariableType
                };
                (last(tag.definition.path.as_str()).to_owned(), NodeClass::Variable, kind.into())
            }
            Place::Part(id, part) => {
                if !self.has(*id, *part) {
                    return None;
                }
                let kind: NodeId = match part {
                    Part::Configuration => ObjectTypeId::HistoricalDataConfigurationType.into(),
                    Part::Aggregates => ObjectTypeId::AggregateConfigurationType.into(),
                    _ => VariableTypeId::PropertyType.into(),
                };
                let class = if part.is_object() { NodeClass::Object } else { NodeClass::Variable };
                (part.name().to_owned(), class, kind)
            }
            Place::Named(_) => return None,
        };
        let namespace = if matches!(place, Place::Part(..)) { 0 } else { self.namespace };
        Some(NodeMetadata {
            node_id: ExpandedNodeId::new(place.node(self.namespace)),
            type_definition: ExpandedNodeId::new(type_definition),
            browse_name: QualifiedName::new(namespace, name.as_str()),
            display_name: LocalizedText::new("", &name),
            node_class,
        })
    }
}

/// The reference from what a part is below to the part.
fn kind_of(part: Part) -> ReferenceTypeId {
    match part {
        Part::Configuration => ReferenceTypeId::HasHistoricalConfiguration,
        Part::Aggregates => ReferenceTypeId::HasComponent,
        _ => ReferenceTypeId::HasProperty,
    }
}

/// The folder above a path; `None` above the root.
fn parent(path: &str) -> Option<String> {
    if path.is_empty() {
        return None;
    }
    Some(path.rsplit_once('/').map(|(above, _)| above.to_owned()).unwrap_or_default())
}

fn last(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_above_is_one_level_shorter() {
        for (path, want) in [("a/b/c", Some("a/b")), ("a", Some("")), ("", None)] {
            assert_eq!(parent(path).as_deref(), want);
        }
        assert_eq!(last("a/b/c"), "c");
    }
}
