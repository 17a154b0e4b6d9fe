//! The forms in which common senders publish, and how each is recognised.
//!
//! ```text
//! topic   umh/v1/… · unsAv1.0/… · zigbee2mqtt/… · tele/DEVICE/… · v1/devices/me/telemetry
//! body    {"timestamp", "values": [{"id", "v"}]} · {"node", "group", "values"} · {"d", "dt", "ts", "q"} · …
//! ```
//!
//! *Invariant.* Recognition looks at the topic and at the names of members only, never at the
//! values, so that one sender's messages are all read alike.
//!
//! *Not here.* Sparkplug B: see [`crate::sparkplug`].

use tacitus_model::Timestamp;

use super::tree::{Origin, Tree};
use super::{Refusal, cloud, gateway, home, lorawan, senml, shelly, ua};
use crate::json::Json;

/// The form of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// One bare value.
    Plain,
    /// InfluxDB line protocol.
    Line,
    /// An object of one value with its time and quality.
    Vtq,
    /// Any other JSON: every leaf a tag.
    Json,
    /// United Manufacturing Hub.
    Umh,
    /// Ignition MQTT Transmission, unified name space.
    IgnitionUns,
    /// Kepware IoT Gateway and what writes the same (AVEVA VTQ2): lists of named values.
    Kepware,
    /// EMQX Neuron.
    Neuron,
    /// AVEVA Communication Drivers, VTQ1.
    AvevaVtq1,
    /// ThingsBoard telemetry.
    ThingsBoard,
    /// Tasmota.
    Tasmota,
    /// Zigbee2MQTT.
    Zigbee2Mqtt,
    /// Shelly.
    Shelly,
    /// What devices say to Home Assistant of themselves.
    HomeAssistant,
    /// The Things Stack, a LoRaWAN network server.
    ThingsStack,
    /// ChirpStack, a LoRaWAN network server.
    ChirpStack,
    /// OPC UA PubSub, JSON (OPC UA Part 14).
    OpcUaPubSub,
    /// OPC Publisher, samples mode.
    OpcUaSamples,
    /// AWS IoT SiteWise property values.
    SiteWise,
    /// Cognite Data Fusion data points.
    Cognite,
    /// Sensor measurement lists (RFC 8428).
    SenMl,
    /// Telegraf, JSON.
    Telegraf,
}

/// Where the values of a message are named from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// The path before the names of the payload; may be empty.
    pub path: String,
    /// What the topic says beside it.
    pub labels: Vec<(String, String)>,
}

impl Profile {
    /// Every profile, in the order of the documentation.
    pub const ALL: [Self; 22] = [
        Self::Plain,
        Self::Vtq,
        Self::Json,
        Self::Umh,
        Self::IgnitionUns,
        Self::Kepware,
        Self::Neuron,
        Self::AvevaVtq1,
        Self::ThingsBoard,
        Self::Tasmota,
        Self::Zigbee2Mqtt,
        Self::Shelly,
        Self::HomeAssistant,
        Self::ThingsStack,
        Self::ChirpStack,
        Self::OpcUaPubSub,
        Self::OpcUaSamples,
        Self::SiteWise,
        Self::Cognite,
        Self::SenMl,
        Self::Line,
        Self::Telegraf,
    ];

    /// The name used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Line => "influx-line",
            Self::Vtq => "vtq",
            Self::Json => "json",
            Self::Umh => "umh",
            Self::IgnitionUns => "ignition-uns",
            Self::Kepware => "kepware",
            Self::Neuron => "neuron",
            Self::AvevaVtq1 => "aveva-vtq1",
            Self::ThingsBoard => "thingsboard",
            Self::Tasmota => "tasmota",
            Self::Zigbee2Mqtt => "zigbee2mqtt",
            Self::Shelly => "shelly",
            Self::HomeAssistant => "home-assistant",
            Self::ThingsStack => "things-stack",
            Self::ChirpStack => "chirpstack",
            Self::OpcUaPubSub => "opcua-pubsub-json",
            Self::OpcUaSamples => "opcua-samples",
            Self::SiteWise => "sitewise",
            Self::Cognite => "cognite",
            Self::SenMl => "senml",
            Self::Telegraf => "telegraf-json",
        }
    }

    /// The profile of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The profile that a topic alone tells.
    #[must_use]
    pub fn of_topic(topic: &str) -> Option<Self> {
        let first = topic.split('/').next().unwrap_or_default();
        match first {
            "umh" if topic.starts_with("umh/v1/") => Some(Self::Umh),
            "unsAv1.0" => Some(Self::IgnitionUns),
            "zigbee2mqtt" => Some(Self::Zigbee2Mqtt),
            "tele" | "stat" if home::is_tasmota(topic) => Some(Self::Tasmota),
            "v1" | "v2" if cloud::is_thingsboard(topic) => Some(Self::ThingsBoard),
            "homeassistant" if topic.ends_with("/config") => Some(Self::HomeAssistant),
            _ if shelly::is_topic(topic) => Some(Self::Shelly),
            _ => None,
        }
    }

    /// The profile of a payload under a topic.
    pub(super) fn of(topic: &str, json: &Json<'_>) -> Self {
        if let Some(profile) = Self::of_topic(topic) {
            return profile;
        }
        let shape = match json {
            Json::Array(elements) => match elements.first() {
                Some(first @ Json::Object(_)) => first,
                _ => return Self::Json,
            },
            other => other,
        };
        let is_list = matches!(json, Json::Array(_));
        let tests: [(Self, bool); 14] = [
            (Self::OpcUaPubSub, ua::is_network_message(shape)),
            (Self::OpcUaSamples, ua::is_sample(shape)),
            (Self::SenMl, is_list && senml::is_pack(json)),
            (Self::Neuron, gateway::is_neuron(shape)),
            (Self::Kepware, gateway::is_kepware(shape, topic, is_list)),
            (Self::AvevaVtq1, gateway::is_vtq1(shape)),
            (Self::SiteWise, cloud::is_sitewise(shape)),
            (Self::Cognite, cloud::is_cognite(shape)),
            (Self::ThingsBoard, cloud::is_telemetry(shape)),
            (Self::Telegraf, cloud::is_telegraf(shape)),
            (Self::Shelly, shelly::is_notification(shape)),
            (Self::ThingsStack, lorawan::is_things_stack(shape)),
            (Self::ChirpStack, lorawan::is_chirpstack(shape)),
            (Self::IgnitionUns, gateway::is_ignition(shape)),
        ];
        tests.into_iter().find(|(_, fits)| *fits).map_or(Self::Json, |(profile, _)| profile)
    }

    /// Whether a message of this form may hold no value and still be none that is wrong.
    pub(super) const fn may_say_nothing(self) -> bool {
        matches!(
            self,
            Self::OpcUaPubSub
                | Self::Zigbee2Mqtt
                | Self::Neuron
                | Self::Shelly
                | Self::HomeAssistant
                | Self::ThingsStack
                | Self::ChirpStack
        )
    }

    /// Walks a payload of this form.
    pub(super) fn read(
        self,
        json: &Json<'_>,
        tree: &mut Tree<'_>,
        received: Timestamp,
    ) -> Result<(), Refusal> {
        match self {
            Self::Plain | Self::Vtq | Self::Json | Self::Umh | Self::Line => tree.messages(json),
            Self::IgnitionUns => gateway::ignition(json, tree),
            Self::Kepware => gateway::kepware(json, tree),
            Self::Neuron => gateway::neuron(json, tree),
            Self::AvevaVtq1 => gateway::vtq1(json, tree),
            Self::ThingsBoard => cloud::thingsboard(json, tree),
            Self::SiteWise => cloud::sitewise(json, tree),
            Self::Cognite => cloud::cognite(json, tree),
            Self::Telegraf => cloud::telegraf(json, tree),
            Self::Tasmota => home::tasmota(json, tree),
            Self::Zigbee2Mqtt => home::zigbee2mqtt(json, tree),
            Self::Shelly => shelly::read(json, tree),
            // It describes entities in dozens of members, none of them a value.
            Self::HomeAssistant => Ok(()),
            Self::ThingsStack => lorawan::things_stack(json, tree),
            Self::ChirpStack => lorawan::chirpstack(json, tree),
            Self::OpcUaPubSub => ua::pubsub(json, tree),
            Self::OpcUaSamples => ua::samples(json, tree),
            Self::SenMl => senml::read(json, tree, received),
        }
    }

    /// Whether the payload names its values for the whole plant, so that the topic adds nothing.
    const fn names_itself(self) -> bool {
        matches!(
            self,
            Self::Kepware
                | Self::Neuron
                | Self::SiteWise
                | Self::Cognite
                | Self::SenMl
                | Self::Telegraf
                | Self::Line
                | Self::ThingsStack
                | Self::ChirpStack
        )
    }
}

/// What the values of a message are named from: the path of a rule, else what the profile makes
/// of the topic.
#[must_use]
pub fn base(profile: Profile, topic: &str, path: Option<&str>) -> Base {
    let mut base = match profile {
        Profile::Umh => umh(topic),
        Profile::IgnitionUns => plain(topic.strip_prefix("unsAv1.0/").unwrap_or(topic)),
        Profile::Tasmota => plain(&home::tasmota_base(topic)),
        Profile::Zigbee2Mqtt => plain(topic.strip_prefix("zigbee2mqtt/").unwrap_or(topic)),
        Profile::Shelly => plain(&shelly::base(topic)),
        profile if profile.names_itself() => Base::default(),
        _ => plain(topic),
    };
    if let Some(path) = path {
        path.clone_into(&mut base.path);
    }
    base
}

fn plain(path: &str) -> Base {
    Base { path: path.to_owned(), labels: Vec::new() }
}

/// `umh/v1/enterprise/site/…/_contract/…/name`: the contract says what kind of data it is, and is
/// no part of the place.
fn umh(topic: &str) -> Base {
    let Some(rest) = topic.strip_prefix("umh/v1/") else { return plain(topic) };
    let mut base = Base::default();
    for level in rest.split('/') {
        if level.starts_with('_') && base.labels.is_empty() {
            base.labels.push(("contract".to_owned(), level.to_owned()));
            continue;
        }
        if !base.path.is_empty() {
            base.path.push('/');
        }
        base.path.push_str(level);
    }
    base
}

/// The members of an object, or why the form is another.
pub(super) fn members<'j, 'a>(
    profile: Profile,
    json: &'j Json<'a>,
) -> Result<&'j super::tree::Members<'a>, Refusal> {
    match json {
        Json::Object(members) => Ok(members),
        _ => Err(Refusal::Shape { profile, what: "an element is no object" }),
    }
}

/// Each object of a list, or the one object that stands alone.
pub(super) fn each<'j, 'a>(json: &'j Json<'a>) -> &'j [Json<'a>] {
    match json {
        Json::Array(elements) => elements,
        other => std::slice::from_ref(other),
    }
}

/// The time that members state, best name first.
pub(super) fn origin(json: &Json<'_>, tree: &Tree<'_>, outer: Origin) -> Result<Origin, Refusal> {
    let Json::Object(members) = json else { return Ok(outer) };
    let mut roles = Vec::new();
    for (name, member) in members {
        // Only what can be a time or a quality is looked at.
        if !matches!(member, Json::Object(_) | Json::Array(_))
            || name.eq_ignore_ascii_case("StatusCode")
        {
            roles.push(super::role::of(name, member, tree.choice)?);
        }
    }
    let ts = match super::role::time(&roles) {
        Some(super::role::TimeReading::At(ts)) => Some(ts),
        Some(super::role::TimeReading::Arrival) => None,
        None => outer.ts,
    };
    let quality = roles.iter().find_map(super::role::Role::quality).unwrap_or(outer.quality);
    Ok(Origin { ts, quality })
}
