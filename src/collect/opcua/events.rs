//! Events, alarms and conditions, as text samples in JSON.
//!
//! *Not here.* What becomes of events that are told again: see the pump's log of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use opcua::client::Session;
use opcua::types::{
    AttributeId, CallMethodRequest, ContentFilter, DateTime, EventFieldList, EventFilter,
    ExtensionObject, MethodId, MonitoredItemCreateRequest, MonitoringMode, MonitoringParameters,
    NodeId, NumericRange, ObjectTypeId, QualifiedName, ReadValueId, SimpleAttributeOperand,
    Variant,
};
use serde_json::{Map, Value};
use tacitus_model::Timestamp;
use tacitus_protocol::opcua::moment;

/// What is asked of an event: its name here, the type that has it, and the way to it. Without one it is
/// the node itself (Part 9, 5.5.2.13).
const FIELDS: [(&str, ObjectTypeId, &[&str]); 21] = [
    ("event_id", ObjectTypeId::BaseEventType, &["EventId"]),
    ("event_type", ObjectTypeId::BaseEventType, &["EventType"]),
    ("source_name", ObjectTypeId::BaseEventType, &["SourceName"]),
    ("time", ObjectTypeId::BaseEventType, &["Time"]),
    ("message", ObjectTypeId::BaseEventType, &["Message"]),
    ("severity", ObjectTypeId::BaseEventType, &["Severity"]),
    ("condition", ObjectTypeId::ConditionType, &["ConditionName"]),
    ("retain", ObjectTypeId::ConditionType, &["Retain"]),
    ("enabled", ObjectTypeId::ConditionType, &["EnabledState", "Id"]),
    ("quality", ObjectTypeId::ConditionType, &["Quality"]),
    ("comment", ObjectTypeId::ConditionType, &["Comment"]),
    ("acknowledged", ObjectTypeId::AcknowledgeableConditionType, &["AckedState", "Id"]),
    ("confirmed", ObjectTypeId::AcknowledgeableConditionType, &["ConfirmedState", "Id"]),
    ("active", ObjectTypeId::AlarmConditionType, &["ActiveState", "Id"]),
    ("branch", ObjectTypeId::ConditionType, &["BranchId"]),
    ("user", ObjectTypeId::ConditionType, &["ClientUserId"]),
    ("suppressed", ObjectTypeId::AlarmConditionType, &["SuppressedState", "Id"]),
    ("out_of_service", ObjectTypeId::AlarmConditionType, &["OutOfServiceState", "Id"]),
    ("shelved", ObjectTypeId::AlarmConditionType, &["ShelvingState", "CurrentState"]),
    ("latched", ObjectTypeId::AlarmConditionType, &["LatchedState", "Id"]),
    ("condition_id", ObjectTypeId::ConditionType, &[]),
];

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// The name of its source, as one level of a path.
    pub(super) source: String,
    /// When it was; `None` where it does not say.
    pub(super) ts: Option<Timestamp>,
    /// What it says beside that.
    pub(super) about: About,
    /// A number that another event has only by chance, and the same one told again has too.
    pub(super) identity: u64,
    /// Everything it says.
    pub(super) text: String,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// Something that happened.
    Occurrence,
    /// How a condition is, and whether it is worth telling again.
    Condition {
        /// Its name at its source.
        name: String,
        /// Whether anything of it is left to do or to see.
        retained: bool,
    },
    /// From here on conditions are told as they are now, as that was asked for.
    RefreshStart,
    /// All conditions that are worth it were told.
    RefreshEnd,
    /// The server asks to be asked for its conditions: something went by unheard.
    RefreshRequired,
    /// The server's queue was full: events are lost.
    Overflow,
}

impl About {
    fn read(members: &Map<String, Value>) -> Self {
        let word = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let fact = |name: &str| members.get(name).and_then(Value::as_bool);
        let kinds = [
            (ObjectTypeId::RefreshStartEventType, Self::RefreshStart),
            (ObjectTypeId::RefreshEndEventType, Self::RefreshEnd),
            (ObjectTypeId::RefreshRequiredEventType, Self::RefreshRequired),
            (ObjectTypeId::EventQueueOverflowEventType, Self::Overflow),
        ];
        let is = |kind: ObjectTypeId| word("event_type") == NodeId::from(kind).to_string();
        if let Some((_, about)) = kinds.into_iter().find(|(kind, _)| is(*kind)) {
            return about;
        }
        // A branch tells of the past of its condition (Part 9, 5.5.2).
        let is_branch = !["", "i=0"].contains(&word("branch"));
        match word("condition") {
            "" => Self::Occurrence,
            _ if is_branch => Self::Occurrence,
            name => {
                let active = fact("active") == Some(true) || fact("acknowledged") == Some(false);
                Self::Condition {
                    name: name.to_owned(),
                    retained: fact("retain").unwrap_or(active),
                }
            }
        }
    }
}

impl Event {
    /// The event of a notification.
    pub(super) fn read(fields: EventFieldList) -> Self {
        let values = fields.event_fields.unwrap_or_default();
        let mut members = Map::new();
        let (mut source, mut ts) = (String::new(), None);
        for ((name, ..), value) in FIELDS.iter().zip(values) {
            match (*name, &value) {
                ("source_name", Variant::String(text)) => {
                    text.as_ref().clone_into(&mut source);
                }
                ("time", Variant::DateTime(time)) => ts = moment(time),
                _ => {}
            }
            if let Some(value) = json(&value) {
                members.insert((*name).to_owned(), value);
            }
        }
        let source = source.replace('/', "_");
        let source = if source.trim().is_empty() { "server".to_owned() } else { source };
        let about = About::read(&members);
        let text = Value::Object(members.clone()).to_string();
        // Some servers give what they tell again a new number.
        if matches!(about, About::Condition { .. }) {
            members.remove("event_id");
        }
        let mut hasher = DefaultHasher::new();
        Value::Object(members).to_string().hash(&mut hasher);
        Self { source, ts, about, identity: hasher.finish(), text }
    }

    /// About what it costs in memory while it waits.
    pub(super) fn cost_bytes(&self) -> usize {
        size_of::<Self>() + self.source.len() + self.text.len()
    }
}

/// A value of an event in JSON; nothing for no value.
fn json(value: &Variant) -> Option<Value> {
    let time = |time: &DateTime| time.as_chrono().to_rfc3339();
    Some(match value {
        Variant::Boolean(fact) => (*fact).into(),
        Variant::SByte(_)
        | Variant::Byte(_)
        | Variant::Int16(_)
        | Variant::UInt16(_)
        | Variant::Int32(_)
        | Variant::UInt32(_)
        | Variant::Float(_)
        | Variant::Double(_) => value.as_f64()?.into(),
        Variant::Int64(number) => (*number).into(),
        Variant::UInt64(number) => (*number).into(),
        Variant::String(text) => text.value().as_ref()?.as_str().into(),
        Variant::LocalizedText(text) => text.text.value().as_ref()?.as_str().into(),
        Variant::DateTime(moment) => time(moment).into(),
        Variant::NodeId(node) => node.to_string().into(),
        Variant::StatusCode(status) => status.to_string().into(),
        Variant::ByteString(bytes) => {
            let hex = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
            hex.collect::<String>().into()
        }
        _ => return None,
    })
}

/// The item that hears the events of a node.
pub(super) fn request(handle: u32, node: &NodeId) -> MonitoredItemCreateRequest {
    let attribute = |path: &[&str]| match path {
        [] => AttributeId::NodeId,
        _ => AttributeId::Value,
    };
    let select = FIELDS.iter().map(|(_, of, path)| SimpleAttributeOperand {
        type_definition_id: (*of).into(),
        browse_path: Some(path.iter().map(|name| QualifiedName::new(0, *name)).collect()),
        attribute_id: attribute(path) as u32,
        index_range: NumericRange::None,
    });
    let filter = EventFilter {
        select_clauses: Some(select.collect()),
        where_clause: ContentFilter::default(),
    };
    MonitoredItemCreateRequest {
        item_to_monitor: ReadValueId {
            node_id: node.clone(),
            attribute_id: AttributeId::EventNotifier as u32,
            ..ReadValueId::default()
        },
        monitoring_mode: MonitoringMode::Reporting,
        requested_parameters: MonitoringParameters {
            client_handle: handle,
            sampling_interval: 0.0,
            filter: ExtensionObject::from_message(filter),
            queue_size: 1_000,
            discard_oldest: true,
        },
    }
}

/// Asks for the state of all conditions, which a server sends as events (Part 9, 5.5.7). Servers
/// without conditions refuse.
pub(super) async fn refresh(session: &Session, subscription: u32) {
    let call = CallMethodRequest {
        object_id: ObjectTypeId::ConditionType.into(),
        method_id: MethodId::ConditionType_ConditionRefresh.into(),
        input_arguments: Some(vec![Variant::UInt32(subscription)]),
    };
    if let Err(error) = session.call_one(call).await {
        tracing::debug!(%error, "the server does not refresh conditions");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{ByteString, LocalizedText};

    #[test]
    fn an_event_says_what_it_has_and_no_more() {
        let time = DateTime::ymd_hms(2026, 3, 1, 12, 0, 0);
        let fields = vec![
            Variant::from(ByteString::from(&[0xab_u8, 0x01])),
            Variant::from(NodeId::new(0, 2041)),
            Variant::from("Oven/1"),
            Variant::from(time),
            Variant::from(LocalizedText::new("en", "too hot")),
            Variant::from(700_u16),
        ];
        let event = Event::read(EventFieldList { client_handle: 1, event_fields: Some(fields) });
        assert_eq!(event.source, "Oven_1");
        assert_eq!(event.ts, moment(&time));
        let text: Value = serde_json::from_str(&event.text).unwrap();
        assert_eq!(text["message"], "too hot");
        assert_eq!(text["event_id"], "ab01");
        assert_eq!(text["severity"], 700.0);
        assert!(text.get("active").is_none());
    }

    fn of(members: &Value) -> About {
        About::read(members.as_object().unwrap())
    }

    #[test]
    fn what_an_event_is_about_is_told_by_its_type_and_its_condition() {
        let condition = |name: &str, retained| About::Condition { name: name.into(), retained };
        for (members, want) in [
            (serde_json::json!({"event_type": "i=2041"}), About::Occurrence),
            (serde_json::json!({"event_type": "i=2787"}), About::RefreshStart),
            (serde_json::json!({"event_type": "i=2788"}), About::RefreshEnd),
            (serde_json::json!({"event_type": "i=2789"}), About::RefreshRequired),
            (serde_json::json!({"event_type": "i=3035"}), About::Overflow),
            (serde_json::json!({"condition": "High", "retain": true}), condition("High", true)),
            (serde_json::json!({"condition": "High", "active": true}), condition("High", true)),
            (
                serde_json::json!({"condition": "High", "active": false, "acknowledged": true}),
                condition("High", false),
            ),
            (serde_json::json!({"condition": "High", "branch": "i=0"}), condition("High", false)),
            (serde_json::json!({"condition": "High", "branch": "ns=2;i=7"}), About::Occurrence),
        ] {
            assert_eq!(of(&members), want, "{members}");
        }
    }

    #[test]
    fn a_condition_that_is_told_again_is_known_again_and_an_event_of_its_own_is_not() {
        let event = |number: u8, kind: u32, active: bool| {
            let mut fields = vec![Variant::Empty; FIELDS.len()];
            fields[0] = Variant::from(ByteString::from(&[number]));
            fields[1] = Variant::from(NodeId::new(0, kind));
            fields[6] = if kind == 2915 { Variant::from("High") } else { Variant::Empty };
            fields[13] = Variant::from(active);
            Event::read(EventFieldList { client_handle: 1, event_fields: Some(fields) }).identity
        };
        assert_eq!(event(1, 2915, true), event(2, 2915, true));
        assert_ne!(event(1, 2915, true), event(1, 2915, false));
        assert_ne!(event(1, 2041, true), event(2, 2041, true));
    }
}
