//! A Sparkplug B 3.0 host application: messages of edge nodes in, tags, samples and commands out.
//!
//! ```text
//!            NBIRTH ─▶ table of names, aliases, types ─▶ Define, Sample, Remember
//! topic,     NDATA ──▶ in sequence? ─▶ table ─▶ Sample           no: wait, then Publish(NCMD rebirth)
//! payload    NDEATH ─▶ of this session? ─▶ Sample (bad) for everything of the node
//! now        STATE ──▶ of this host, offline? ─▶ Publish(STATE online)
//! ```
//!
//! Tags are named `{group}/{node}/{metric}` and `{group}/{node}/{device}/{metric}`.
//!
//! *Invariant.* What the machine does depends on nothing but the messages and times it was given.
//! A value is stored only under the type its metric was born with, or states itself.
//!
//! *Not here.* Sockets, the store, and the clock: the server passes times in and carries out the
//! [`Action`]s.

pub mod wire;

mod command;
mod datatype;
mod host;
mod node;
mod properties;
mod rendering;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod topic;
mod value;

pub use command::{CommandError, REBIRTH};
pub use datatype::DataType;
pub use host::{Host, NodeStatus, Target};
pub use topic::{NAMESPACE, NodeId, Topic, Verb, is_sparkplug};
pub use value::Misfit;

use tacitus_model::Kind;

use crate::Point;

/// How the host behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The identifier of this host.
    pub host: String,
    /// How long a message that came too early waits for those before it; `None`: not at all.
    pub reorder_ms: Option<u64>,
    /// The least time between two requests for a rebirth to one node; it doubles as long as no
    /// birth comes.
    pub rebirth_ms: u64,
    /// The most it grows to.
    pub rebirth_ms_max: u64,
    /// How long a device has to be born after its node, and a known node after a restart of this
    /// host, before its values count as stale.
    pub grace_ms: u64,
    /// Whether deviations of common libraries are understood: a death with the bdSeq of the next
    /// session or none, names without the prefix of their birth.
    pub lenient: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "tacitus".to_owned(),
            reorder_ms: Some(2_000),
            rebirth_ms: 5_000,
            rebirth_ms_max: 300_000,
            grace_ms: 60_000,
            lenient: true,
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A tag is to exist, and to be said this of.
    Define(Definition),
    /// A sample is to be kept.
    Sample(Point),
    /// A message is to be sent.
    Publish(Outgoing),
    /// The table of a node is to be kept under this key, for [`Host::restore`].
    Remember {
        /// The node.
        key: Vec<u8>,
        /// Its table.
        body: Vec<u8>,
    },
    /// A message, or a metric of one, could not be used.
    Refuse {
        /// A short fixed word for counters.
        code: &'static str,
        /// The topic or metric.
        name: String,
        /// Why.
        reason: String,
    },
}

/// What a birth says of a tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its path.
    pub path: String,
    /// Its kind.
    pub kind: Kind,
    /// Its unit; empty where the birth says none.
    pub unit: String,
    /// Its range, where the birth says one.
    pub range: Option<(f64, f64)>,
    /// What it is; empty where the birth says nothing.
    pub description: String,
    /// Group, node, device and the parameters of a template.
    pub labels: Vec<(String, String)>,
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Its quality of service.
    pub qos: u8,
    /// Whether it is retained.
    pub retain: bool,
}
