//! What a person says of an OPC UA collector.
//!
//! A [`Draft`] holds one `[[collect.opcua]]` table of the configuration, or the `settings` of a
//! definition, as written; durations are already durations. [`Draft::check`] reports everything
//! that is wrong with it at once. docs/configuration.md lists the keys.
//!
//! A browse names a tag by its `template`: `{path}` is the browse names from below the root to
//! the variable, joined with `/`; `{node}` is the node's identifier. Default `{path}`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use tacitus_model::TagPath;
use tacitus_protocol::opcua::NodeName;

use super::{
    Backfill, Browse, Deadband, Login, Node, Password, Patterns, Security, SecurityMode, Settings,
    Times, Watch,
};
use crate::collect::Problem;
use crate::collect::kind::span;
use crate::collect::limits::{ALTERNATIVES_MAX, BROWSE_DEPTH_MAX, EVENT_SOURCES_MAX, ITEMS_MAX};

/// One collector as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// The collector's name.
    #[serde(skip)]
    pub name: String,
    /// The server's address.
    pub endpoint: String,
    /// Addresses of servers that can stand in for it.
    pub alternatives: Vec<String>,
    /// The security policy.
    pub security: Option<String>,
    /// How much is secured.
    pub security_mode: Option<String>,
    /// Who logs in.
    pub user: Option<String>,
    /// With which password.
    pub password: Option<Password>,
    /// Which user certificate logs in.
    pub certificate_file: Option<PathBuf>,
    /// Its private key.
    pub key_file: Option<PathBuf>,
    /// How often the server is asked whether it lives.
    #[serde(deserialize_with = "span")]
    pub keep_alive: Option<Duration>,
    /// How long it may take to answer.
    #[serde(deserialize_with = "span")]
    pub timeout: Option<Duration>,
    /// How often the server sends.
    #[serde(deserialize_with = "span")]
    pub publishing_interval: Option<Duration>,
    /// How often the server looks.
    #[serde(deserialize_with = "span")]
    pub sampling_interval: Option<Duration>,
    /// Values the server keeps per item.
    pub queue_size: Option<u32>,
    /// By how much a number must change.
    #[serde(deserialize_with = "number_or_text")]
    pub deadband: Option<String>,
    /// Whose time a sample has.
    pub timestamps: Option<String>,
    /// What source times are cut down to.
    #[serde(deserialize_with = "span")]
    pub quantum: Option<Duration>,
    /// What comes before every tag path.
    pub prefix: Option<String>,
    /// Whether what was missed is fetched from the server's history.
    pub backfill: Option<bool>,
    /// How far back at most.
    #[serde(deserialize_with = "span")]
    pub backfill_reach: Option<Duration>,
    /// Samples a second at most.
    pub backfill_rate: Option<u32>,
    /// Single nodes.
    pub nodes: Vec<DraftNode>,
    /// A tree of nodes.
    pub browse: Option<DraftBrowse>,
    /// Nodes whose events are collected.
    pub events: Vec<String>,
}

/// One node as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftNode {
    /// Its name on the server.
    pub node: String,
    /// The tag it fills, below the prefix.
    pub tag: Option<String>,
    /// The tag's unit.
    pub unit: Option<String>,
    /// The tag's description.
    pub description: Option<String>,
    /// How often the server looks.
    #[serde(deserialize_with = "span")]
    pub sampling_interval: Option<Duration>,
    /// Values the server keeps.
    pub queue_size: Option<u32>,
    /// By how much a number must change.
    #[serde(deserialize_with = "number_or_text")]
    pub deadband: Option<String>,
}

/// A browse as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DraftBrowse {
    /// The node below which variables are looked for.
    pub root: String,
    /// How many levels deep; default 10.
    pub depth: Option<u32>,
    /// How many variables at most; default 10,000.
    pub count: Option<usize>,
    /// How a tag is named.
    pub template: Option<String>,
    /// Patterns of the paths that are meant.
    pub include: Vec<String>,
    /// Patterns of those that are not.
    pub exclude: Vec<String>,
}

fn number_or_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }
    Ok(Option::<Either>::deserialize(from)?.map(|either| match either {
        Either::Number(number) => number.to_string(),
        Either::Text(text) => text,
    }))
}

impl Draft {
    /// Checks everything.
    ///
    /// # Errors
    /// All that is wrong, in the order of the keys.
    pub fn check(self) -> Result<Settings, Vec<Problem>> {
        let mut problems = Problems::default();
        problems.check_name(&self.name);
        problems.endpoint("endpoint", &self.endpoint);
        problems.alternatives(&self.alternatives);
        let security =
            problems.word("security", self.security.as_deref(), Security::WORDS, Security::read);
        let mode = problems.word(
            "security_mode",
            self.security_mode.as_deref(),
            SecurityMode::WORDS,
            SecurityMode::read,
        );
        let login = problems.login(&self);
        let keep_alive = problems.interval("keep_alive", self.keep_alive, 5_000);
        let timeout = problems.interval("timeout", self.timeout, 10_000);
        let publishing_interval =
            problems.interval("publishing_interval", self.publishing_interval, 1_000);
        let sampling_interval = problems.sampling("sampling_interval", self.sampling_interval);
        let queue_size = problems.queue("queue_size", self.queue_size).unwrap_or(10);
        let deadband = problems.deadband("deadband", self.deadband.as_deref());
        let times =
            problems.word("timestamps", self.timestamps.as_deref(), Times::WORDS, Times::read);
        let quantum = self.quantum.unwrap_or(Duration::from_millis(1));
        let prefix = match self.prefix.as_deref().map(|text| text.trim_end_matches('/')) {
            None | Some("") => String::new(),
            Some(text) => format!("{text}/"),
        };
        let backfill = problems.backfill(&self);
        let nodes = problems.nodes(&self.nodes, &prefix);
        let browse = self.browse.and_then(|browse| problems.browse(browse));
        let events = problems.events(&self.events);
        let idle = self.nodes.is_empty() && browse.is_none() && events.is_empty();
        if idle && problems.0.is_empty() {
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
            alternatives: self.alternatives,
            security: security.unwrap_or(Security::None),
            mode: mode.unwrap_or_default(),
            login,
            keep_alive,
            timeout,
            publishing_interval,
            sampling_interval,
            queue_size,
            deadband,
            times: times.unwrap_or_default(),
            quantum_ns: i64::try_from(quantum.as_nanos()).unwrap_or(i64::MAX),
            prefix,
            backfill,
            nodes,
            browse,
            events,
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

    fn endpoint(&mut self, key: &str, endpoint: &str) {
        let host = endpoint.strip_prefix("opc.tcp://").unwrap_or_default();
        if host.is_empty() || host.starts_with(['/', ':']) {
            self.add(
                key,
                format!("\"{endpoint}\" is not the address of an OPC UA server"),
                "write it like \"opc.tcp://10.0.0.5:4840\"",
            );
        }
    }

    fn alternatives(&mut self, urls: &[String]) {
        if urls.len() > ALTERNATIVES_MAX {
            let reason = format!("{} servers are more than {ALTERNATIVES_MAX}", urls.len());
            self.add("alternatives", reason, "name the servers of one redundant set");
        }
        for (index, url) in urls.iter().enumerate() {
            self.endpoint(&format!("alternatives[{index}]"), url);
        }
    }

    fn word<T>(
        &mut self,
        key: &str,
        word: Option<&str>,
        words: &[&str],
        read: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let word = word?;
        let known = read(word);
        if known.is_none() {
            let hint = format!("one of: {}", words.join(", "));
            self.add(key, format!("\"{word}\" is not known"), &hint);
        }
        known
    }

    fn login(&mut self, draft: &Draft) -> Login {
        let user = match (draft.user.clone(), draft.password.clone()) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            (Some(_), None) => {
                self.add("password", "a user has no password".into(), "state both or neither");
                None
            }
            (None, Some(_)) => {
                self.add("user", "a password has no user".into(), "state both or neither");
                None
            }
        };
        let files = match (draft.certificate_file.clone(), draft.key_file.clone()) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (certificate, _) => {
                let key = if certificate.is_some() { "key_file" } else { "certificate_file" };
                let reason = "a certificate and its key belong together".to_owned();
                self.add(key, reason, "state both or neither");
                None
            }
        };
        match (user, files) {
            (Some(_), Some(_)) => {
                let reason = "a user and a certificate cannot both log in".to_owned();
                self.add("certificate_file", reason, "state one of them");
                Login::Anonymous
            }
            (Some((user, password)), None) => Login::User(user, password),
            (None, Some((certificate, key))) => Login::Certificate { certificate, key },
            (None, None) => Login::Anonymous,
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

    /// How often the server looks; zero: it sends every change (Part 4, 5.12.1.2).
    fn sampling(&mut self, key: &str, given: Option<Duration>) -> Duration {
        if given.is_some_and(|given| given.is_zero()) {
            return Duration::ZERO;
        }
        self.interval(key, given, 500)
    }

    fn queue(&mut self, key: &str, given: Option<u32>) -> Option<u32> {
        let size = given?;
        if !(1..=10_000).contains(&size) {
            self.add(
                key,
                format!("a queue of {size} values is not between 1 and 10000"),
                "the publishing interval divided by the sampling interval, and some more",
            );
        }
        Some(size)
    }

    fn deadband(&mut self, key: &str, text: Option<&str>) -> Option<Deadband> {
        let text = text?;
        let deadband = Deadband::read(text);
        if deadband.is_none() {
            let reason = format!("\"{text}\" is not a deadband");
            self.add(key, reason, "a number above 0 like 0.5, or a percentage like \"1 %\"");
        }
        deadband
    }

    fn backfill(&mut self, draft: &Draft) -> Option<Backfill> {
        let reach = draft.backfill_reach.unwrap_or(Duration::from_hours(7 * 24));
        let rate = draft.backfill_rate.unwrap_or(200_000);
        if !(1..=10_000_000).contains(&rate) {
            let reason = format!("{rate} samples a second are not between 1 and 10000000");
            self.add("backfill_rate", reason, "what the server can serve beside its own work");
        }
        draft.backfill.unwrap_or(true).then_some(Backfill { reach, rate })
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
            let Some(node) = self.node(&format!("nodes[{index}].node"), &draft.node) else {
                continue;
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
            let watch = self.watch(index, draft);
            nodes.push(Node {
                unit: draft.unit.clone().unwrap_or_default(),
                description: draft.description.clone().unwrap_or_default(),
                watch,
                ..Node::new(node, tag)
            });
        }
        nodes
    }

    fn watch(&mut self, index: usize, draft: &DraftNode) -> Watch {
        let key = |name: &str| format!("nodes[{index}].{name}");
        let sampling = draft.sampling_interval;
        Watch {
            sampling_interval: sampling
                .map(|given| self.sampling(&key("sampling_interval"), Some(given))),
            queue_size: self.queue(&key("queue_size"), draft.queue_size),
            deadband: self.deadband(&key("deadband"), draft.deadband.as_deref()),
        }
    }

    fn node(&mut self, key: &str, text: &str) -> Option<NodeName> {
        match text.parse::<NodeName>() {
            Ok(node) => Some(node),
            Err(error) => {
                self.add(key, format!("\"{text}\" is not a node"), &error.to_string());
                None
            }
        }
    }

    fn browse(&mut self, draft: DraftBrowse) -> Option<Browse> {
        let root = self.node("browse.root", &draft.root);
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
        let include = self.patterns("browse.include", &draft.include);
        let exclude = self.patterns("browse.exclude", &draft.exclude);
        root.map(|root| Browse { root, depth, count, template, include, exclude })
    }

    fn patterns(&mut self, key: &str, patterns: &[String]) -> Patterns {
        Patterns::new(patterns).unwrap_or_else(|reason| {
            self.add(key, reason, "like \"Oven/**\" or \"**/Temperature\"");
            Patterns::default()
        })
    }

    fn events(&mut self, nodes: &[String]) -> Vec<NodeName> {
        if nodes.len() > EVENT_SOURCES_MAX {
            let reason = format!("{} nodes are more than {EVENT_SOURCES_MAX}", nodes.len());
            self.add("events", reason, "the server object \"i=2253\" tells of all events");
            return Vec::new();
        }
        let each = nodes.iter().enumerate();
        each.filter_map(|(index, text)| self.node(&format!("events[{index}]"), text)).collect()
    }
}
