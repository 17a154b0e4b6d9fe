//! A checked OPC UA collector.
//!
//! *Invariant.* A [`Settings`] has at least one node, browse root or event source, its paths are
//! tag paths, no two nodes fill one tag, and its intervals are within bounds every server can
//! grant.
//!
//! *Not here.* What a person may write: [`Draft`].

mod draft;
mod pattern;
#[cfg(test)]
mod tests;
mod word;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tacitus_model::TagPath;
use tacitus_protocol::opcua::NodeName;

pub use draft::{Draft, DraftBrowse, DraftNode};
pub use pattern::Patterns;
pub use word::{Deadband, Policy, Security, SecurityMode, Times};

/// A password. Its `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

/// A checked collector.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The server's address.
    pub endpoint: String,
    /// Addresses of servers that can stand in for it, by preference.
    pub alternatives: Vec<String>,
    /// How the way there is secured.
    pub security: Security,
    /// How much of it is.
    pub mode: SecurityMode,
    /// Who logs in.
    pub login: Login,
    /// How often the server is asked whether it lives.
    pub keep_alive: Duration,
    /// How long it may take to answer a request.
    pub timeout: Duration,
    /// How often the server sends.
    pub publishing_interval: Duration,
    /// How often the server looks.
    pub sampling_interval: Duration,
    /// Values the server keeps per item.
    pub queue_size: u32,
    /// By how much a number must change before the server sends it.
    pub deadband: Option<Deadband>,
    /// Whose time a sample has.
    pub times: Times,
    /// What source times are cut down to, in nanoseconds.
    pub quantum_ns: i64,
    /// What comes before a browsed path, with its `/`; empty for nothing.
    pub prefix: String,
    /// Whether what was missed is fetched from the server's history, and how.
    pub backfill: Option<Backfill>,
    /// Single nodes.
    pub nodes: Vec<Node>,
    /// A tree of nodes.
    pub browse: Option<Browse>,
    /// Nodes whose events are collected.
    pub events: Vec<NodeName>,
}

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody in particular.
    Anonymous,
    /// A user with a password.
    User(String, Password),
    /// The holder of a certificate, in these files.
    Certificate {
        /// The certificate.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// How what was missed is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backfill {
    /// How far back at most.
    pub reach: Duration,
    /// Samples a second at most.
    pub rate: u32,
}

/// A node and the tag it fills.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name on the server.
    pub node: NodeName,
    /// The tag.
    pub tag: TagPath,
    /// The tag's unit; empty where unknown.
    pub unit: String,
    /// The tag's description; empty where unknown.
    pub description: String,
    /// The tag's range, where the server says it.
    pub range: Option<(f64, f64)>,
    /// How it is watched, where not like the others.
    pub watch: Watch,
}

/// How an item is watched, where that is said for it alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Watch {
    /// How often the server looks.
    pub sampling_interval: Option<Duration>,
    /// Values the server keeps.
    pub queue_size: Option<u32>,
    /// By how much a number must change.
    pub deadband: Option<Deadband>,
}

/// Where to look for variables, and how far.
#[derive(Debug, Clone)]
pub struct Browse {
    /// The node below which to look.
    pub root: NodeName,
    /// How many levels deep.
    pub depth: u32,
    /// How many variables at most.
    pub count: usize,
    /// How a tag is named.
    pub template: String,
    /// Which paths are meant; none: all.
    pub include: Patterns,
    /// Which are not.
    pub exclude: Patterns,
}

impl Node {
    /// A node that is watched as the others are, and of which nothing is known yet.
    #[must_use]
    pub fn new(node: NodeName, tag: TagPath) -> Self {
        let (unit, description) = (String::new(), String::new());
        Self { node, tag, unit, description, range: None, watch: Watch::default() }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}
