//! The name of a node that survives a restart of its server.
//!
//! ```text
//! nsu=urn:maker:line1;s=Filler.Temperature    namespace by URI
//! ns=2;s=Filler.Temperature                   namespace by index
//! i=2258                                      namespace 0
//! ```
//! The identifier is `i=` (number), `s=` (text), `g=` (GUID) or `b=` (bytes in base64), as in
//! OPC UA Part 6, 5.3.1.10 and 5.3.1.11; `%3B` and `%25` in a URI stand for `;` and `%`.
//!
//! *Invariant.* The index of a namespace is only valid within one session: a server may number
//! its namespaces anew when it restarts. [`NodeName::pinned`] turns an index into the URI it
//! stood for, and [`NodeName::resolve`] finds the index of that URI in the session at hand.

use std::fmt;
use std::str::FromStr;

use opcua::types::{Identifier, NodeId};

/// A node, named by namespace and identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeName {
    namespace: Namespace,
    identifier: Identifier,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Namespace {
    Index(u16),
    Uri(String),
}

/// Why a text is not the name of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// Neither `ns=`, `nsu=` nor an identifier comes first.
    #[error("a node is named like \"ns=2;s=Name\", \"nsu=urn:maker;s=Name\" or \"i=2258\"")]
    Form,
    /// The index after `ns=` is not a number from 0 to 65,535.
    #[error("the namespace index after \"ns=\" is not a number from 0 to 65535")]
    Index,
    /// The URI after `nsu=` is empty.
    #[error("the namespace URI after \"nsu=\" is empty")]
    Uri,
    /// The identifier is none of the four forms, or empty.
    #[error("the identifier is not \"i=NUMBER\", \"s=TEXT\", \"g=GUID\" or \"b=BASE64\"")]
    Identifier,
}

impl NodeName {
    /// The name of a node of a session, with its namespace by URI where the session has one.
    #[must_use]
    pub fn of(node: &NodeId, namespaces: &[String]) -> Self {
        Self { namespace: Namespace::Index(node.namespace), identifier: node.identifier.clone() }
            .pinned(namespaces)
    }

    /// The same name with the namespace by URI, taken from a session's namespace array.
    /// Namespace 0 is the same on every server and stays an index, as does an index the array
    /// does not have.
    #[must_use]
    pub fn pinned(self, namespaces: &[String]) -> Self {
        let uri = match &self.namespace {
            Namespace::Index(index) if *index > 0 => namespaces.get(usize::from(*index)),
            Namespace::Index(_) | Namespace::Uri(_) => None,
        };
        match uri {
            Some(uri) => Self { namespace: Namespace::Uri(uri.clone()), ..self },
            None => self,
        }
    }

    /// The node in a session with this namespace array, or `None` where the array does not have
    /// the namespace.
    #[must_use]
    pub fn resolve(&self, namespaces: &[String]) -> Option<NodeId> {
        let index = match &self.namespace {
            Namespace::Index(index) => *index,
            Namespace::Uri(uri) => {
                let at = namespaces.iter().position(|known| known == uri)?;
                u16::try_from(at).ok()?
            }
        };
        Some(NodeId { namespace: index, identifier: self.identifier.clone() })
    }

    /// The identifier without its namespace and type, as a name for people.
    #[must_use]
    pub fn label(&self) -> String {
        let text = self.identifier.to_string();
        text.get(2..).unwrap_or_default().to_owned()
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let (namespace, identifier) = if let Some(rest) = text.strip_prefix("nsu=") {
            let (uri, identifier) = rest.split_once(';').ok_or(NodeNameError::Form)?;
            if uri.is_empty() {
                return Err(NodeNameError::Uri);
            }
            (Namespace::Uri(uri.replace("%3B", ";").replace("%25", "%")), identifier)
        } else if let Some(rest) = text.strip_prefix("ns=") {
            let (index, identifier) = rest.split_once(';').ok_or(NodeNameError::Form)?;
            let index = index.parse().or(Err(NodeNameError::Index))?;
            (Namespace::Index(index), identifier)
        } else if text.get(1..2) == Some("=") {
            (Namespace::Index(0), text)
        } else {
            return Err(NodeNameError::Form);
        };
        // The library cuts the text after two bytes without looking; letters beyond ASCII there
        // would end the process.
        if !identifier.is_char_boundary(2) || identifier.len() < 3 {
            return Err(NodeNameError::Identifier);
        }
        let identifier = Identifier::from_str(identifier).or(Err(NodeNameError::Identifier))?;
        Ok(Self { namespace, identifier })
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Namespace::Index(0) => {}
            Namespace::Index(index) => write!(out, "ns={index};")?,
            Namespace::Uri(uri) => {
                write!(out, "nsu={};", uri.replace('%', "%25").replace(';', "%3B"))?;
            }
        }
        write!(out, "{}", self.identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(uris: &[&str]) -> Vec<String> {
        uris.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_written_as_it_is_read() {
        for text in [
            "i=2258",
            "ns=2;s=Line1.Temp",
            "ns=3;i=7",
            "nsu=urn:maker:line1;s=Line1.Temp; second",
            "nsu=urn:a%3Bb%25c;s=x",
            "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a",
            "ns=1;b=M/RbKBsRVkePCePcx24oRA==",
            "ns=4;s=Überlauf",
        ] {
            assert_eq!(text.parse::<NodeName>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_text_that_is_no_name_is_refused_for_what_is_wrong_with_it() {
        for (text, why) in [
            ("", NodeNameError::Form),
            ("Line1.Temp", NodeNameError::Form),
            ("ns=2", NodeNameError::Form),
            ("ns=x;i=1", NodeNameError::Index),
            ("ns=70000;i=1", NodeNameError::Index),
            ("nsu=;i=1", NodeNameError::Uri),
            ("ns=2;", NodeNameError::Identifier),
            ("ns=2;i=one", NodeNameError::Identifier),
            ("ns=2;s=", NodeNameError::Identifier),
            ("ns=2;x€=1", NodeNameError::Identifier),
        ] {
            assert_eq!(text.parse::<NodeName>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_pinned_name_finds_its_namespace_after_the_server_numbered_anew() {
        let before = array(&["http://opcfoundation.org/UA/", "urn:server", "urn:line1"]);
        let after = array(&["http://opcfoundation.org/UA/", "urn:server", "urn:new", "urn:line1"]);
        let name: NodeName = "ns=2;s=Temp".parse().unwrap();
        let pinned = name.pinned(&before);
        assert_eq!(pinned.to_string(), "nsu=urn:line1;s=Temp");
        assert_eq!(pinned.resolve(&after), Some(NodeId::new(3, "Temp")));
        assert_eq!(pinned.resolve(&before[..2]), None);
    }
}
