//! What a server says about its variables: unit, range, description, type, and whether it keeps
//! their history.
//!
//! *Invariant.* Nothing here is needed to collect: what a server does not say, or says oddly, is
//! left out.

use std::collections::{HashMap, HashSet};

use opcua::client::Session;
use opcua::types::{
    AttributeId, BrowsePath, DataTypeId, DataValue, EUInformation, Error, NodeId, QualifiedName,
    Range, ReadValueId, ReferenceTypeId, RelativePath, RelativePathElement, StatusCode,
    TimestampsToReturn, Variant,
};

use super::items::Handle;
use super::survey::Survey;

/// The bit of an access level that says that the history can be read (Part 3, 8.57).
const HISTORY_READ: u8 = 0x04;

/// What is known of a variable.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct About {
    /// Its unit, as people write it.
    pub(super) unit: Option<String>,
    /// What it is.
    pub(super) description: Option<String>,
    /// From where to where it goes.
    pub(super) range: Option<(f64, f64)>,
    /// Whether its values are numbers.
    pub(super) numeric: bool,
    /// Whether its values may be structures.
    pub(super) structured: bool,
    /// Whether the server keeps its history.
    pub(super) historic: bool,
}

/// Asks the server about variables.
///
/// # Errors
/// The connection was lost.
pub(super) async fn describe(
    session: &Session,
    survey: &Survey,
    nodes: &[(Handle, NodeId)],
) -> Result<HashMap<Handle, About>, Error> {
    let mut known: HashMap<Handle, About> = HashMap::new();
    let attributes =
        [AttributeId::Description, AttributeId::DataType, AttributeId::UserAccessLevel];
    let reads: Vec<(Handle, AttributeId, ReadValueId)> = nodes
        .iter()
        .flat_map(|(handle, node)| {
            attributes.map(|attribute| (*handle, attribute, of(node, attribute)))
        })
        .collect();
    for chunk in reads.chunks(survey.read_max.max(1)) {
        let wanted: Vec<ReadValueId> = chunk.iter().map(|(_, _, read)| read.clone()).collect();
        let values = tolerant(session.read(&wanted, TimestampsToReturn::Neither, 0.0).await)?;
        for ((handle, attribute, _), data) in chunk.iter().zip(values) {
            known.entry(*handle).or_default().take(*attribute, &data);
        }
    }
    let properties = properties(session, survey, nodes).await?;
    for chunk in properties.chunks(survey.read_max.max(1)) {
        let wanted: Vec<ReadValueId> =
            chunk.iter().map(|(_, node)| of(node, AttributeId::Value)).collect();
        let values = tolerant(session.read(&wanted, TimestampsToReturn::Neither, 0.0).await)?;
        for ((handle, _), data) in chunk.iter().zip(values) {
            known.entry(*handle).or_default().take_property(&data);
        }
    }
    Ok(known)
}

/// The nodes of the units and ranges that variables have.
async fn properties(
    session: &Session,
    survey: &Survey,
    nodes: &[(Handle, NodeId)],
) -> Result<Vec<(Handle, NodeId)>, Error> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let names = ["EngineeringUnits", "EURange"];
    let paths: Vec<(Handle, BrowsePath)> = nodes
        .iter()
        .flat_map(|(handle, node)| names.map(|name| (*handle, property(node, name))))
        .collect();
    for chunk in paths.chunks(survey.translate_max.max(1)) {
        let wanted: Vec<BrowsePath> = chunk.iter().map(|(_, path)| path.clone()).collect();
        let results = tolerant(session.translate_browse_paths_to_node_ids(&wanted).await)?;
        for ((handle, _), result) in chunk.iter().zip(results) {
            let targets = result.targets.into_iter().flatten();
            let local = targets.filter(|target| target.target_id.server_index == 0);
            let nodes = local.map(|target| target.target_id.node_id);
            found
                .extend(nodes.filter(|node| seen.insert(node.clone())).map(|node| (*handle, node)));
        }
    }
    Ok(found)
}

/// A service that a server does not have says nothing about its variables.
fn tolerant<T>(answer: Result<Vec<T>, Error>) -> Result<Vec<T>, Error> {
    match answer {
        Err(error) if is_refusal(error.status()) => Ok(Vec::new()),
        other => other,
    }
}

fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadServiceUnsupported
            | StatusCode::BadTooManyOperations
            | StatusCode::BadNothingToDo
            | StatusCode::BadUserAccessDenied
    )
}

fn of(node: &NodeId, attribute: AttributeId) -> ReadValueId {
    ReadValueId { node_id: node.clone(), attribute_id: attribute as u32, ..ReadValueId::default() }
}

fn property(node: &NodeId, name: &str) -> BrowsePath {
    let element = RelativePathElement {
        reference_type_id: ReferenceTypeId::HasProperty.into(),
        is_inverse: false,
        include_subtypes: true,
        target_name: QualifiedName::new(0, name),
    };
    BrowsePath {
        starting_node: node.clone(),
        relative_path: RelativePath { elements: Some(vec![element]) },
    }
}

impl About {
    fn take(&mut self, attribute: AttributeId, data: &DataValue) {
        match (attribute, &data.value) {
            (AttributeId::Description, Some(Variant::LocalizedText(text))) => {
                let text = text.text.as_ref();
                self.description = (!text.is_empty()).then(|| text.to_owned());
            }
            (AttributeId::DataType, Some(Variant::NodeId(node))) => {
                self.numeric = is_numeric(node);
                self.structured = is_structured(node);
            }
            (AttributeId::UserAccessLevel, Some(Variant::Byte(level))) => {
                self.historic = level & HISTORY_READ != 0;
            }
            _ => {}
        }
    }

    fn take_property(&mut self, data: &DataValue) {
        let Some(Variant::ExtensionObject(object)) = &data.value else { return };
        if let Some(range) = object.inner_as::<Range>() {
            let sound = range.low.is_finite() && range.high.is_finite() && range.low < range.high;
            self.range = sound.then_some((range.low, range.high));
        } else if let Some(unit) = object.inner_as::<EUInformation>() {
            let text = unit.display_name.text.as_ref();
            self.unit = (!text.is_empty()).then(|| text.to_owned());
        }
    }
}

/// Whether values of a data type may be structures that only the server describes: one of its own, or
/// one that says nothing of what is in it.
fn is_structured(data_type: &NodeId) -> bool {
    let open = [DataTypeId::Structure, DataTypeId::BaseDataType];
    data_type.namespace != 0 || open.iter().any(|known| data_type == known)
}

/// Whether a data type is one of numbers, for which alone a deadband has a meaning.
fn is_numeric(data_type: &NodeId) -> bool {
    const NUMBERS: [DataTypeId; 14] = [
        DataTypeId::SByte,
        DataTypeId::Byte,
        DataTypeId::Int16,
        DataTypeId::UInt16,
        DataTypeId::Int32,
        DataTypeId::UInt32,
        DataTypeId::Int64,
        DataTypeId::UInt64,
        DataTypeId::Float,
        DataTypeId::Double,
        DataTypeId::Number,
        DataTypeId::Integer,
        DataTypeId::UInteger,
        DataTypeId::Duration,
    ];
    NUMBERS.iter().any(|known| data_type == known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{ExtensionObject, LocalizedText};

    #[test]
    fn what_a_server_says_is_taken_and_what_makes_no_sense_is_not() {
        let mut about = About::default();
        let text = |text: &str| Variant::from(LocalizedText::new("", text));
        about.take(AttributeId::Description, &DataValue::value_only(text("oven, top")));
        about.take(AttributeId::DataType, &DataValue::value_only(NodeId::from(DataTypeId::Float)));
        about.take(AttributeId::UserAccessLevel, &DataValue::value_only(5_u8));
        let property = |object: ExtensionObject| DataValue::value_only(Variant::from(object));
        let unit =
            EUInformation { display_name: LocalizedText::new("", "°C"), ..Default::default() };
        about.take_property(&property(ExtensionObject::from_message(unit)));
        about
            .take_property(&property(ExtensionObject::from_message(Range { low: 0.0, high: 9.5 })));
        assert_eq!(
            about,
            About {
                unit: Some("°C".into()),
                description: Some("oven, top".into()),
                range: Some((0.0, 9.5)),
                numeric: true,
                structured: false,
                historic: true,
            }
        );
        about
            .take_property(&property(ExtensionObject::from_message(Range { low: 3.0, high: 3.0 })));
        assert_eq!(about.range, None);
    }

    #[test]
    fn only_types_that_the_server_alone_knows_need_its_description() {
        assert!(is_structured(&NodeId::new(2, 11)));
        assert!(is_structured(&DataTypeId::Structure.into()));
        assert!(is_structured(&DataTypeId::BaseDataType.into()));
        assert!(!is_structured(&DataTypeId::Range.into()));
        assert!(!is_structured(&DataTypeId::Double.into()));
    }

    #[test]
    fn a_deadband_is_for_numbers_only() {
        assert!(is_numeric(&DataTypeId::Double.into()));
        assert!(!is_numeric(&DataTypeId::Boolean.into()));
        assert!(!is_numeric(&DataTypeId::String.into()));
        assert!(!is_numeric(&NodeId::new(2, 11)));
    }
}
