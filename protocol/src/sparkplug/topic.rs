//! The topics of Sparkplug B.
//!
//! ```text
//! spBv1.0/{group}/{NBIRTH|NDEATH|NDATA|NCMD}/{node}
//! spBv1.0/{group}/{DBIRTH|DDEATH|DDATA|DCMD}/{node}/{device}
//! spBv1.0/STATE/{host}
//! ```
//!
//! *Invariant.* Identifiers are kept letter by letter; none is empty or has a `+`, `#` or `/`.

/// What comes first in every topic.
pub const NAMESPACE: &str = "spBv1.0";

/// What a message of a node or device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A node is there, with all it has.
    NodeBirth,
    /// A node is gone.
    NodeDeath,
    /// Values of a node.
    NodeData,
    /// A command to a node.
    NodeCommand,
    /// A device is there, with all it has.
    DeviceBirth,
    /// A device is gone.
    DeviceDeath,
    /// Values of a device.
    DeviceData,
    /// A command to a device.
    DeviceCommand,
}

impl Verb {
    const ALL: [Self; 8] = [
        Self::NodeBirth,
        Self::NodeDeath,
        Self::NodeData,
        Self::NodeCommand,
        Self::DeviceBirth,
        Self::DeviceDeath,
        Self::DeviceData,
        Self::DeviceCommand,
    ];

    /// Its word in a topic.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NodeBirth => "NBIRTH",
            Self::NodeDeath => "NDEATH",
            Self::NodeData => "NDATA",
            Self::NodeCommand => "NCMD",
            Self::DeviceBirth => "DBIRTH",
            Self::DeviceDeath => "DDEATH",
            Self::DeviceData => "DDATA",
            Self::DeviceCommand => "DCMD",
        }
    }

    const fn is_of_device(self) -> bool {
        matches!(
            self,
            Self::DeviceBirth | Self::DeviceDeath | Self::DeviceData | Self::DeviceCommand
        )
    }
}

/// A node: the one that connects, of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub node: String,
}

impl NodeId {
    /// The topic of a message to or from this node, or one of its devices.
    #[must_use]
    pub fn topic(&self, verb: Verb, device: Option<&str>) -> String {
        let Self { group, node } = self;
        match device {
            Some(device) => format!("{NAMESPACE}/{group}/{}/{node}/{device}", verb.word()),
            None => format!("{NAMESPACE}/{group}/{}/{node}", verb.word()),
        }
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}/{}", self.group, self.node)
    }
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// Whether a host is there; also `STATE/{host}` of version 2.2.
    State {
        /// The host.
        host: String,
    },
    /// A message of or to a node or device.
    Message {
        /// What it is.
        verb: Verb,
        /// Of which node.
        id: NodeId,
        /// Of which of its devices.
        device: Option<String>,
    },
}

/// Whether a topic is one of Sparkplug's, if perhaps a wrong one.
#[must_use]
pub fn is_sparkplug(topic: &str) -> bool {
    topic.strip_prefix(NAMESPACE).is_some_and(|rest| rest.starts_with('/'))
}

impl Topic {
    /// The topic a text is.
    #[must_use]
    pub fn parse(topic: &str) -> Option<Self> {
        let levels: Vec<&str> = topic.split('/').collect();
        if levels.iter().any(|level| level.is_empty() || level.contains(['+', '#'])) {
            return None;
        }
        match levels.as_slice() {
            [NAMESPACE, "STATE", host] | ["STATE", host] => {
                Some(Self::State { host: (*host).to_owned() })
            }
            [NAMESPACE, group, word, node, device @ ..] => {
                let verb = Verb::ALL.into_iter().find(|verb| verb.word() == *word)?;
                let device = match (verb.is_of_device(), device) {
                    (true, [device]) => Some((*device).to_owned()),
                    (false, []) => None,
                    _ => return None,
                };
                let id = NodeId { group: (*group).to_owned(), node: (*node).to_owned() };
                Some(Self::Message { verb, id, device })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_its_topic_and_back() {
        let id = NodeId { group: "G 1".into(), node: "Edge/ü".replace('/', "-") };
        for verb in Verb::ALL {
            let device = verb.is_of_device().then_some("Dev.1");
            let topic = id.topic(verb, device);
            let device = device.map(str::to_owned);
            assert_eq!(Topic::parse(&topic), Some(Topic::Message { verb, id: id.clone(), device }));
            assert!(is_sparkplug(&topic));
        }
        for topic in ["spBv1.0/STATE/scada", "STATE/scada"] {
            assert_eq!(Topic::parse(topic), Some(Topic::State { host: "scada".into() }));
        }
    }

    #[test]
    fn what_is_no_topic_of_sparkplug_is_told_apart() {
        for topic in [
            "spBv1.0/g/NBIRTH",
            "spBv1.0/g/NBIRTH/e/d",
            "spBv1.0/g/DDATA/e",
            "spBv1.0//NDATA/e",
            "spBv1.0/g/NOTHING/e",
            "spAv1.0/g/NDATA/e",
            "STATE",
            "a/b",
        ] {
            assert_eq!(Topic::parse(topic), None, "{topic}");
        }
        assert!(!is_sparkplug("spBv1.0x/a") && !is_sparkplug("STATE/a"));
    }
}
