//! Attributes of nodes.
//!
//! *Invariant.* Attributes that a node class does not have are refused as the standard says, so
//! that clients that read all of them get what there is (Part 3, 5).

use opcua::server::node_manager::ReadNode;
use opcua::types::{
    AttributeId, DataTypeId, DataValue, DateTime, EUInformation, ExtensionObject, LocalizedText,
    NodeClass, NodeId, NumericRange, Range, StatusCode, TimestampsToReturn, Variant,
};
use tacitus_model::{Kind, Tag, TagId};
use tacitus_protocol::opcua::date_time;

use super::capability;
use super::nodes::Tags;
use super::place::{Part, Place};

/// Current values and history can be read (Part 3, 8.57).
const READABLE: u8 = 0x01 | 0x04;

/// Current values can be read.
const READABLE_NOW: u8 = 0x01;

/// Where units without a code of UNECE are named.
const UNITS_URI: &str = "urn:tacitus:units";

/// Reads attributes.
pub(super) struct Attributes<'t> {
    pub(super) tags: &'t Tags,
    pub(super) timestamps: TimestampsToReturn,
}

impl Attributes<'_> {
    /// Reads one attribute of a node; one of the standard's that is not ours stays unread.
    pub(super) fn read(&self, node: &mut ReadNode) {
        let (id, attribute) = (node.node().node_id.clone(), node.node().attribute_id);
        if id.namespace == 0 {
            if let Some(value) = capability(&id).filter(|_| attribute == AttributeId::Value) {
                node.set_result(self.stamped(DataValue::new_now(value)));
            }
            return;
        }
        let Some(place) = self.tags.place(&id) else {
            node.set_error(StatusCode::BadNodeIdUnknown);
            return;
        };
        if attribute == AttributeId::Value && node.node().index_range != NumericRange::None {
            node.set_error(StatusCode::BadIndexRangeNoData);
            return;
        }
        match self.attribute(&place, &id, attribute) {
            Some(data) => node.set_result(self.stamped(data)),
            None => node.set_error(StatusCode::BadAttributeIdInvalid),
        }
    }

    fn attribute(&self, place: &Place, id: &NodeId, attribute: AttributeId) -> Option<DataValue> {
        let known = self.tags.metadata(place)?;
        let say = |value: Variant| Some(DataValue::new_now(value));
        match attribute {
            AttributeId::NodeId => return say(Variant::from(id.clone())),
            AttributeId::NodeClass => return say(Variant::Int32(known.node_class as i32)),
            AttributeId::BrowseName => return say(Variant::from(known.browse_name)),
            AttributeId::DisplayName => return say(Variant::from(known.display_name)),
            AttributeId::WriteMask | AttributeId::UserWriteMask => {
                return say(Variant::UInt32(0));
            }
            _ => {}
        }
        match (place, known.node_class) {
            (Place::Tag(tag), _) => self.of_tag(&*self.tag(*tag)?, attribute),
            (_, NodeClass::Object) => match attribute {
                AttributeId::Description => say(Variant::from(LocalizedText::null())),
                AttributeId::EventNotifier => say(Variant::Byte(0)),
                _ => None,
            },
            (Place::Part(tag, part), _) => self.of_property(&*self.tag(*tag)?, *part, attribute),
            _ => None,
        }
    }

    fn of_tag(&self, tag: &Tag, attribute: AttributeId) -> Option<DataValue> {
        let value = match attribute {
            AttributeId::Value => return Some(self.tags.latest(tag)),
            AttributeId::Description => {
                Variant::from(LocalizedText::new("", &tag.definition.description))
            }
            AttributeId::DataType => Variant::from(NodeId::from(data_type(tag.definition.kind))),
            AttributeId::AccessLevel | AttributeId::UserAccessLevel => Variant::Byte(READABLE),
            AttributeId::AccessLevelEx => Variant::UInt32(u32::from(READABLE)),
            AttributeId::Historizing => Variant::Boolean(true),
            other => return scalar(other),
        };
        Some(DataValue::new_now(value))
    }

    fn of_property(&self, tag: &Tag, part: Part, attribute: AttributeId) -> Option<DataValue> {
        let value = match attribute {
            AttributeId::Value => self.property(tag, part)?,
            AttributeId::Description => Variant::from(LocalizedText::null()),
            AttributeId::DataType => Variant::from(NodeId::from(match part {
                Part::Range => DataTypeId::Range,
                Part::Units => DataTypeId::EUInformation,
                Part::PercentDataBad | Part::PercentDataGood => DataTypeId::Byte,
                Part::StartOfArchive => DataTypeId::UtcTime,
                _ => DataTypeId::Boolean,
            })),
            AttributeId::AccessLevel | AttributeId::UserAccessLevel => Variant::Byte(READABLE_NOW),
            AttributeId::AccessLevelEx => Variant::UInt32(u32::from(READABLE_NOW)),
            AttributeId::Historizing => Variant::Boolean(false),
            other => return scalar(other),
        };
        Some(DataValue::new_now(value))
    }

    fn property(&self, tag: &Tag, part: Part) -> Option<Variant> {
        let definition = &tag.definition;
        Some(match part {
            Part::Range => {
                let (low, high) = definition.range?;
                Variant::from(ExtensionObject::from_message(Range { low, high }))
            }
            Part::Units => Variant::from(ExtensionObject::from_message(EUInformation {
                namespace_uri: UNITS_URI.into(),
                // The unit has no code: it is known by its name (Part 8, 5.6.3).
                unit_id: -1,
                display_name: LocalizedText::new("", &definition.unit),
                description: LocalizedText::new("", &definition.unit),
            })),
            Part::Stepped => {
                let holds = !matches!(definition.kind, Kind::Float | Kind::Int);
                Variant::Boolean(definition.step || holds)
            }
            Part::StartOfArchive => {
                let extent = self.tags.engine.snapshot().extent(tag.id);
                let first = extent.map(|extent| date_time(extent.first));
                Variant::from(first.unwrap_or_else(DateTime::null))
            }
            Part::TreatUncertainAsBad => Variant::Boolean(true),
            Part::PercentDataBad | Part::PercentDataGood => Variant::Byte(100),
            Part::UseSlopedExtrapolation => Variant::Boolean(false),
            Part::Configuration | Part::Aggregates => return None,
        })
    }

    fn tag(&self, id: TagId) -> Option<std::sync::Arc<Tag>> {
        self.tags.engine.catalog().get(id)
    }

    /// Only the times that were asked for.
    fn stamped(&self, data: DataValue) -> DataValue {
        let (source, server) = match self.timestamps {
            TimestampsToReturn::Source => (true, false),
            TimestampsToReturn::Server => (false, true),
            TimestampsToReturn::Both => (true, true),
            _ => (false, false),
        };
        DataValue {
            source_timestamp: data.source_timestamp.filter(|_| source),
            server_timestamp: data.server_timestamp.filter(|_| server),
            ..data
        }
    }
}

/// What every variable with one value has.
fn scalar(attribute: AttributeId) -> Option<DataValue> {
    let value = match attribute {
        AttributeId::ValueRank => Variant::Int32(-1),
        AttributeId::ArrayDimensions => Variant::Empty,
        AttributeId::MinimumSamplingInterval => Variant::Double(0.0),
        _ => return None,
    };
    Some(DataValue::new_now(value))
}

/// The data type of the values of a kind.
fn data_type(kind: Kind) -> DataTypeId {
    match kind {
        Kind::Float => DataTypeId::Double,
        Kind::Int => DataTypeId::Int64,
        Kind::Bool => DataTypeId::Boolean,
        Kind::State | Kind::Text => DataTypeId::String,
    }
}
