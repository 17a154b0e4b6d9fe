//! What the nodes of the OPC UA server stand for, and their names.
//!
//! ```text
//! i=17                   the tag 17: stays with the tag whatever it is called
//! s=site/line/speed      the same tag by any of its names
//! s=f:site/line          a folder: a part of tag paths
//! s=p:17:EURange         a property of the tag 17
//! ```
//!
//! *Invariant.* A place and its node id lead to each other; a tag is told by its number.

use opcua::types::{Identifier, NodeId};
use tacitus_model::TagId;

/// What a node stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// Tags whose paths begin so; empty: all.
    Folder(String),
    /// A tag.
    Tag(TagId),
    /// A tag by a name that is yet to be looked up.
    Named(String),
    /// A part of what is known of a tag.
    Part(TagId, Part),
}

/// A node below that of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Range,
    Units,
    Configuration,
    Stepped,
    StartOfArchive,
    Aggregates,
    TreatUncertainAsBad,
    PercentDataBad,
    PercentDataGood,
    UseSlopedExtrapolation,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::Range,
        Self::Units,
        Self::Configuration,
        Self::Stepped,
        Self::StartOfArchive,
        Self::Aggregates,
        Self::TreatUncertainAsBad,
        Self::PercentDataBad,
        Self::PercentDataGood,
        Self::UseSlopedExtrapolation,
    ];

    /// Its browse name in namespace 0 (Part 8, 5.3; Part 11, 5.2; Part 13, 4.2).
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Range => "EURange",
            Self::Units => "EngineeringUnits",
            Self::Configuration => "HA Configuration",
            Self::Stepped => "Stepped",
            Self::StartOfArchive => "StartOfArchive",
            Self::Aggregates => "AggregateConfiguration",
            Self::TreatUncertainAsBad => "TreatUncertainAsBad",
            Self::PercentDataBad => "PercentDataBad",
            Self::PercentDataGood => "PercentDataGood",
            Self::UseSlopedExtrapolation => "UseSlopedExtrapolation",
        }
    }

    /// Whether it is an object and not a property.
    pub(super) const fn is_object(self) -> bool {
        matches!(self, Self::Configuration | Self::Aggregates)
    }

    /// The part that it is below; `None`: the tag itself.
    pub(super) const fn parent(self) -> Option<Self> {
        match self {
            Self::Range | Self::Units | Self::Configuration => None,
            Self::Stepped | Self::StartOfArchive | Self::Aggregates => Some(Self::Configuration),
            Self::TreatUncertainAsBad
            | Self::PercentDataBad
            | Self::PercentDataGood
            | Self::UseSlopedExtrapolation => Some(Self::Aggregates),
        }
    }

    /// The parts below one, or directly below the tag.
    pub(super) fn below(parent: Option<Self>) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |part| part.parent() == parent)
    }
}

impl Place {
    /// The place of a node of our namespace.
    pub(super) fn of(node: &NodeId) -> Option<Self> {
        match &node.identifier {
            Identifier::Numeric(number) => Some(Self::Tag(TagId(*number))),
            Identifier::String(text) => {
                let text = text.as_ref();
                if let Some(path) = text.strip_prefix("f:") {
                    return Some(Self::Folder(path.to_owned()));
                }
                let Some(rest) = text.strip_prefix("p:") else {
                    return Some(Self::Named(text.to_owned()));
                };
                let (number, name) = rest.split_once(':')?;
                let part = Part::ALL.into_iter().find(|part| part.name() == name)?;
                Some(Self::Part(TagId(number.parse().ok()?), part))
            }
            Identifier::Guid(_) | Identifier::ByteString(_) => None,
        }
    }

    /// The node of this place.
    pub(super) fn node(&self, namespace: u16) -> NodeId {
        match self {
            Self::Folder(path) => NodeId::new(namespace, format!("f:{path}")),
            Self::Tag(tag) => NodeId::new(namespace, tag.0),
            Self::Named(path) => NodeId::new(namespace, path.clone()),
            Self::Part(tag, part) => NodeId::new(namespace, format!("p:{}:{}", tag.0, part.name())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_its_node_lead_to_each_other() {
        let mut places = vec![
            Place::Folder(String::new()),
            Place::Folder("site/line 1".into()),
            Place::Tag(TagId(17)),
            Place::Named("site/line 1/speed".into()),
        ];
        places.extend(Part::ALL.map(|part| Place::Part(TagId(3), part)));
        for place in places {
            assert_eq!(Place::of(&place.node(2)), Some(place));
        }
    }

    #[test]
    fn what_is_no_place_is_none() {
        for text in ["p:x:EURange", "p:3", "p:3:Odd", "p:99999999999:EURange"] {
            assert_eq!(Place::of(&NodeId::new(2, text)), None, "{text}");
        }
    }
}
