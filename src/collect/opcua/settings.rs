//! What a person says of an OPC UA collector, and what remains of it once it is checked.
//!
//! A [`Draft`] holds one `[[collect.opcua]]` table of the configuration as written; durations are
//! already durations. [`Draft::check`] reports everything that is wrong with it at once.
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `name` | the collector's name: `opcua:NAME` is the source of its tags | required |
//! | `endpoint` | `opc.tcp://HOST:PORT/PATH`, used as it is | required |
//! | `security` | `none`; other policies are refused for now | `none` |
//! | `user`, `password` | who logs in; both or neither | anonymous |
//! | `publishing_interval` | how often the server sends what changed. Shorter: fresher, more messages | 1 s |
//! | `sampling_interval` | how often the server looks at an item. Shorter: more values, more load there | 500 ms |
//! | `queue_size` | values the server keeps per item between two messages; at least publishing ÷ sampling | 10 |
//! | `quantum` | source times are cut down to multiples of this | 1 ms |
//! | `prefix` | comes before every tag path of this collector, with a `/` between | none |
//! | `nodes` | list of `{ node, tag, unit, description }`; only `node` is required, and without `tag` the node's identifier names the tag | none |
//! | `browse` | `{ root, depth, count, template }`: collect all variables below `root` | none |
//!
//! A browse names a tag by its `template`: `{path}` is the browse names from below the root to
//! the variable, joined with `/`; `{node}` is the node's identifier. Default `{path}`.
//!
//! *Invariant.* A [`Settings`] has at least one node or a browse root, its paths are tag paths,
//! no two nodes fill one tag, and its intervals are within bounds every server can grant.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tacitus_model::TagPath;
use tacitus_protocol::opcua::NodeName;

use crate::collect::limits::{BROWSE_DEPTH_MAX, ITEMS_MAX};

/// One collector as written.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The collector's name.
    pub name: String,
    /// The server's address.
    pub endpoint: String,
    /// The security policy.
    pub security: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Password>,
    /// How often the server sends.
    pub publishing_interval: Option<Duration>,
    /// How often the server looks.
    pub sampling_interval: Option<Duration>,
    /// Values the server keeps per item.
    pub queue_size: Option<u32>,
    /// What source times are cut down to.
    pub quantum: Option<Duration>,
    /// What comes before every tag path.
    pub prefix: Option<String>,
    /// Single nodes.
    pub nodes: Vec<DraftNode>,
    /// A tree of nodes.
    pub browse: Option<DraftBrowse>,
}

/// One node as written.
#[derive(Debug, Clone, Default)]
pub struct DraftNode {
    /// Its name on the server.
    pub node: String,
    /// The tag it fills, below the prefix.
    pub tag: Option<String>,
    /// The tag's unit.
    pub unit: Option<String>,
    /// The tag's description.
    pub description: Option<String>,
}

/// A browse as written.
#[derive(Debug, Clone, Default)]
pub struct DraftBrowse {
    /// The node below which variables are looked for.
    pub root: String,
    /// How many levels deep; default 10.
    pub depth: Option<u32>,
    /// How many variables at most; default 10,000.
    pub count: Option<usize>,
    /// How a tag is named.
    pub template: Option<String>,
}

/// What is wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, below the collector's table: `nodes[3].tag`.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub hint: String,
}

/// A password. Its `Debug` shows none of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password(pub String);

/// A checked collector.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The server's address.
    pub endpoint: String,
    /// Who logs in; `None` is anonymous.
    pub login: Option<(String, Password)>,
    /// How often the server sends.
    pub publishing_interval: Duration,
    /// How often the server looks.
    pub sampling_interval: Duration,
    /// Values the server keeps per item.
    pub queue_size: u32,
    /// What source times are cut down to, in nanoseconds.
    pub quantum_ns: i64,
    /// What comes before a browsed path, with its `/`; empty for nothing.
    pub prefix: String,
    /// Single nodes.
    pub nodes: Vec<Node>,
    /// A tree of nodes.
    pub browse: Option<Browse>,
}

/// A node and the tag it fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name on the server.
    pub node: NodeName,
    /// The tag.
    pub tag: TagPath,
    /// The tag's unit; empty where unknown.
    pub unit: String,
    /// The tag's description; empty where unknown.
    pub description: String,
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
}

impl Draft {
    /// Checks everything.
    ///
    /// # Errors
    /// All that is wrong, in the order of the keys.
    pub fn check(self) -> Result<Settings, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.check_name(&self.name);
        problems.check_endpoint(&self.endpoint);
        if let Some(other) = self.security.as_deref().filter(|policy| *policy != "none") {
            problems.add(
                "security",
                format!("the security policy \"{other}\" is not supported"),
                "leave it out, or write security = \"none\"",
            );
        }
        let login = match (self.user, self.password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                problems.add("password", "a user has no password".into(), "state both or neither");
                None
            }
            (None, Some(_)) => {
                problems.add("user", "a password has no user".into(), "state both or neither");
                None
            }
        };
        let publishing_interval =
            problems.interval("publishing_interval", self.publishing_interval, 1_000);
        let sampling_interval = problems.interval("sampling_interval", self.sampling_interval, 500);
        let queue_size = self.queue_size.unwrap_or(10);
        if !(1..=10_000).contains(&queue_size) {
            problems.add(
                "queue_size",
                format!("a queue of {queue_size} values is not between 1 and 10000"),
                "the publishing interval divided by the sampling interval, and some more",
            );
        }
        let quantum = self.quantum.unwrap_or(Duration::from_millis(1));
        let prefix = match self.prefix.as_deref().map(|text| text.trim_end_matches('/')) {
            None | Some("") => String::new(),
            Some(text) => format!("{text}/"),
        };
        let nodes = problems.nodes(&self.nodes, &prefix);
        let browse = self.browse.and_then(|browse| problems.browse(browse));
        if self.nodes.is_empty() && browse.is_none() && problems.0.is_empty() {
            problems.add(
                "nodes",
                "nothing is collected".into(),
                "list nodes = [{ node = \"ns=2;s=Name\" }], or name a browse root",
            );
        }
        if !problems.0.is_empty() {
            return Err(problems.0);
        }
        Ok(Settings {
            name: self.name,
            endpoint: self.endpoint,
            login,
            publishing_interval,
            sampling_interval,
            queue_size,
            quantum_ns: i64::try_from(quantum.as_nanos()).unwrap_or(i64::MAX),
            prefix,
            nodes,
            browse,
        })
    }
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, key: &str, reason: String, hint: &str) {
        self.0.push(Problem { key: key.to_owned(), reason, hint: hint.to_owned() });
    }

    fn check_name(&mut self, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            self.add(
                "name",
                format!("\"{name}\" is not a collector's name"),
                "1 to 64 letters, digits, '-' or '_'",
            );
        }
    }

    fn check_endpoint(&mut self, endpoint: &str) {
        let host = endpoint.strip_prefix("opc.tcp://").unwrap_or_default();
        if host.is_empty() || host.starts_with(['/', ':']) {
            self.add(
                "endpoint",
                format!("\"{endpoint}\" is not the address of an OPC UA server"),
                "write it like \"opc.tcp://10.0.0.5:4840\"",
            );
        }
    }

    fn interval(&mut self, key: &str, given: Option<Duration>, default_ms: u64) -> Duration {
        let interval = given.unwrap_or(Duration::from_millis(default_ms));
        if interval < Duration::from_millis(10) || interval > Duration::from_hours(1) {
            self.add(
                key,
                format!("{interval:?} is not between 10 ms and 1 h"),
                "write it like \"500 ms\"",
            );
        }
        interval
    }

    fn nodes(&mut self, drafts: &[DraftNode], prefix: &str) -> Vec<Node> {
        if drafts.len() > ITEMS_MAX {
            self.add(
                "nodes",
                format!("{} nodes are more than {ITEMS_MAX}", drafts.len()),
                "split them over several collectors",
            );
            return Vec::new();
        }
        let mut taken = BTreeSet::new();
        let mut nodes = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let node = match draft.node.parse::<NodeName>() {
                Ok(node) => node,
                Err(error) => {
                    let key = format!("nodes[{index}].node");
                    let reason = format!("\"{}\" is not a node", draft.node);
                    self.add(&key, reason, &error.to_string());
                    continue;
                }
            };
            let own = draft.tag.clone().unwrap_or_else(|| node.label());
            let key = format!("nodes[{index}].tag");
            let tag = match TagPath::new(&format!("{prefix}{own}")) {
                Ok(tag) => tag,
                Err(error) => {
                    self.add(&key, error.to_string(), "write it like \"site/line/cell/signal\"");
                    continue;
                }
            };
            if !taken.insert(tag.clone()) {
                let reason = format!("the tag \"{tag}\" is filled by two nodes");
                self.add(&key, reason, "give each node a tag of its own");
                continue;
            }
            nodes.push(Node {
                node,
                tag,
                unit: draft.unit.clone().unwrap_or_default(),
                description: draft.description.clone().unwrap_or_default(),
            });
        }
        nodes
    }

    fn browse(&mut self, draft: DraftBrowse) -> Option<Browse> {
        let root = match draft.root.parse::<NodeName>() {
            Ok(root) => Some(root),
            Err(error) => {
                let reason = format!("\"{}\" is not a node", draft.root);
                self.add("browse.root", reason, &error.to_string());
                None
            }
        };
        let depth = draft.depth.unwrap_or(10);
        if !(1..=BROWSE_DEPTH_MAX).contains(&depth) {
            let reason = format!("a depth of {depth} is not between 1 and {BROWSE_DEPTH_MAX}");
            self.add("browse.depth", reason, "the levels below the root, often 5 to 10");
        }
        let count = draft.count.unwrap_or(10_000);
        if !(1..=ITEMS_MAX).contains(&count) {
            let reason = format!("a count of {count} is not between 1 and {ITEMS_MAX}");
            self.add("browse.count", reason, "the most variables you expect");
        }
        let template = draft.template.unwrap_or_else(|| "{path}".to_owned());
        if !template.contains("{path}") && !template.contains("{node}") {
            let reason = format!("\"{template}\" gives every variable the same tag");
            self.add("browse.template", reason, "use \"{path}\" or \"{node}\" in it");
        }
        root.map(|root| Browse { root, depth, count, template })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} ({})", self.key, self.reason, self.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft {
            name: "cell3".into(),
            endpoint: "opc.tcp://10.0.0.5:4840".into(),
            nodes: vec![DraftNode { node: "ns=2;s=Oven.Temp".into(), ..DraftNode::default() }],
            ..Draft::default()
        }
    }

    #[test]
    fn a_node_without_a_tag_is_named_by_its_identifier_below_the_prefix() {
        let settings = Draft { prefix: Some("site/area/".into()), ..draft() }.check().unwrap();
        assert_eq!(settings.nodes[0].tag.as_str(), "site/area/Oven.Temp");
        assert_eq!(settings.quantum_ns, 1_000_000);
    }

    #[test]
    fn everything_wrong_is_reported_at_once_by_its_key() {
        let node = |node: &str, tag: &str| DraftNode {
            node: node.into(),
            tag: Some(tag.into()),
            ..DraftNode::default()
        };
        let problems = Draft {
            name: "cell 3".into(),
            endpoint: "http://10.0.0.5".into(),
            security: Some("Basic256Sha256".into()),
            user: Some("reader".into()),
            sampling_interval: Some(Duration::from_millis(1)),
            queue_size: Some(0),
            nodes: vec![node("Oven", "a"), node("i=1", "b"), node("i=2", "b"), node("i=3", "")],
            browse: Some(DraftBrowse {
                root: "x".into(),
                depth: Some(0),
                count: Some(0),
                template: Some("fixed".into()),
            }),
            ..Draft::default()
        }
        .check()
        .unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "name",
                "endpoint",
                "security",
                "password",
                "sampling_interval",
                "queue_size",
                "nodes[0].node",
                "nodes[2].tag",
                "nodes[3].tag",
                "browse.root",
                "browse.depth",
                "browse.count",
                "browse.template",
            ]
        );
    }

    #[test]
    fn a_collector_that_collects_nothing_is_refused() {
        let problems = Draft { nodes: Vec::new(), ..draft() }.check().unwrap_err();
        assert_eq!(problems[0].key, "nodes");
    }

    #[test]
    fn a_password_is_not_shown() {
        let login = Draft {
            user: Some("reader".into()),
            password: Some(Password("hunter2".into())),
            ..draft()
        };
        assert!(!format!("{login:?}").contains("hunter2"));
        assert!(!format!("{:?}", login.check().unwrap()).contains("hunter2"));
    }
}
