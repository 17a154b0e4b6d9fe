//! What a person says of a forwarder, and what is made of it.
//!
//! *Invariant.* [`Settings`] name an upstream that can be asked, tags by a query that can be
//! answered, and bounds within what both sides can take. A password is never shown.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Map, Value};
use tacitus_model::TagPath;
use tacitus_storage::TagQuery;

use crate::collect::Problem;
use crate::collect::opcua::Password;
use crate::config;
use crate::http::Selection;

/// Settings that are never shown.
pub(super) const SECRETS: &[&str] = &["password"];

/// What goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// What comes in goes at once; what waits is sent between, the oldest first.
    LiveFirst,
    /// Everything in the order in which it came in.
    InOrder,
}

impl Order {
    /// The words for it.
    pub const WORDS: &[&str] = &["live_first", "in_order"];
}

/// From where on a forwarder that never sent anything begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// What comes in from now on.
    Now,
    /// Everything there is.
    Everything,
}

impl Start {
    /// The words for it.
    pub const WORDS: &[&str] = &["now", "everything"];
}

/// A checked forwarder.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The upstream.
    pub target: Target,
    /// Which tags go there.
    pub select: TagQuery,
    /// What stands before their paths there.
    pub prefix: String,
    /// From where on, at first.
    pub start: Start,
    /// What goes first.
    pub order: Order,
    /// Bytes of the store that may wait for the upstream.
    pub buffer_bytes_max: u64,
    /// The most samples of one message.
    pub batch_rows_max: usize,
    /// About the most bytes of one message, before it is packed.
    pub batch_bytes_max: usize,
    /// The most samples a second; `None`: as fast as it goes.
    pub rate_max: Option<u32>,
    /// How long samples gather before they are sent.
    pub every: Duration,
}

/// Where the upstream is, and who asks.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address as it was written, without a slash at its end.
    pub url: String,
    /// Whether the line is TLS.
    pub is_secure: bool,
    /// The host's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What stands before the paths of requests.
    pub path: String,
    /// Who asks, and the password.
    pub user: Option<(String, Password)>,
    /// The certificates that the upstream's is signed by, PEM.
    pub ca_file: Option<PathBuf>,
}

/// A forwarder as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Draft {
    url: String,
    user: Option<String>,
    password: Option<Password>,
    ca_file: Option<PathBuf>,
    select: Vec<String>,
    prefix: String,
    start: Option<String>,
    order: Option<String>,
    buffer: Option<String>,
    batch_rows: Option<usize>,
    batch_bytes: Option<String>,
    rate: Option<u32>,
    every: Option<String>,
}

/// Settings that were written under the names of the configuration.
///
/// # Errors
/// Everything that is wrong with them.
pub(super) fn check(name: &str, settings: &Map<String, Value>) -> Result<Settings, Vec<Problem>> {
    let draft: Draft =
        serde_json::from_value(Value::Object(settings.clone())).map_err(|error| {
            let hint = "docs/forward.md lists what there is to set".to_owned();
            vec![Problem { key: "settings".to_owned(), reason: error.to_string(), hint }]
        })?;
    let mut problems = Vec::new();
    let checked = draft.check(name, &mut problems);
    checked.filter(|_| problems.is_empty()).ok_or(problems)
}

impl Draft {
    fn check(self, name: &str, problems: &mut Vec<Problem>) -> Option<Settings> {
        let problems = &mut Mistakes(problems);
        let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_letter) {
            let reason = format!("\"{name}\" is no name");
            problems.add("name", reason, "use 1 to 64 letters, digits, - or _");
        }
        if !self.prefix.is_empty() && TagPath::new(&format!("{}tag", self.prefix)).is_err() {
            let reason = format!("no path begins with \"{}\"", self.prefix);
            problems.add("prefix", reason, "write something like \"plant1/\"");
        }
        let start = word("start", self.start.as_deref(), Start::WORDS, problems);
        let order = word("order", self.order.as_deref(), Order::WORDS, problems);
        let buffer_bytes_max = size("buffer", self.buffer.as_deref(), 8 << 30, problems);
        let batch_bytes = size("batch_bytes", self.batch_bytes.as_deref(), 2 << 20, problems);
        let every = match self.every.as_deref() {
            None => Some(Duration::from_secs(1)),
            Some(text) => config::span(text),
        };
        let every = every.filter(|every| (1..=60_000).contains(&every.as_millis()));
        if every.is_none() {
            problems.add(
                "every",
                "it is no length of time that fits".into(),
                "write 1 ms to 1 min",
            );
        }
        let batch_rows_max = self.batch_rows.unwrap_or(50_000);
        if !(1..=1_000_000).contains(&batch_rows_max) {
            problems.add("batch_rows", "it is out of bounds".into(), "write 1 to 1000000");
        }
        let batch_bytes_max = usize::try_from(batch_bytes?).unwrap_or(usize::MAX);
        if !(4096..=64 << 20).contains(&batch_bytes_max) {
            problems.add("batch_bytes", "it is out of bounds".into(), "write 4 KiB to 64 MiB");
        }
        if self.rate == Some(0) {
            problems.add("rate", "nothing could be sent".into(), "leave it out, or pause it");
        }
        let select = selected(&self.select, problems);
        let target = self.target(problems);
        Some(Settings {
            name: name.to_owned(),
            target: target?,
            select: select?,
            prefix: self.prefix,
            start: if start? == 0 { Start::Now } else { Start::Everything },
            order: if order? == 0 { Order::LiveFirst } else { Order::InOrder },
            buffer_bytes_max: buffer_bytes_max?,
            batch_rows_max,
            batch_bytes_max,
            rate_max: self.rate,
            every: every?,
        })
    }

    fn target(&self, problems: &mut Mistakes<'_>) -> Option<Target> {
        let url = self.url.trim_end_matches('/');
        let parsed = url.parse::<Uri>().ok();
        let scheme = parsed.as_ref().and_then(Uri::scheme_str);
        let host = parsed.as_ref().and_then(Uri::host).filter(|host| !host.is_empty());
        let (Some(uri), Some(scheme @ ("http" | "https")), Some(host)) = (&parsed, scheme, host)
        else {
            let reason = format!("\"{url}\" is no address of a server");
            problems.add("url", reason, "write http://HOST:PORT or https://HOST:PORT");
            return None;
        };
        let is_secure = scheme == "https";
        if is_secure && self.ca_file.is_none() {
            let hint =
                "name the file with the certificate of the authority that signed the upstream's";
            problems.add("ca_file", "TLS needs to know whom to believe".into(), hint);
        }
        if self.password.is_some() && self.user.is_none() {
            problems.add("password", "it belongs to no user".into(), "name the user, too");
        }
        let password = || self.password.clone().unwrap_or_default();
        Some(Target {
            url: url.to_owned(),
            is_secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
            user: self.user.clone().map(|user| (user, password())),
            ca_file: self.ca_file.clone(),
        })
    }
}

fn size(key: &str, said: Option<&str>, usual: u64, problems: &mut Mistakes<'_>) -> Option<u64> {
    let Some(said) = said else { return Some(usual) };
    let bytes = config::size(said);
    if bytes.is_none() {
        problems.add(key, format!("\"{said}\" is no size"), "write something like \"64 MiB\"");
    }
    bytes
}

/// The place of a word among those that may be said; the first where nothing is.
fn word(
    key: &str,
    said: Option<&str>,
    words: &[&str],
    problems: &mut Mistakes<'_>,
) -> Option<usize> {
    let Some(said) = said else { return Some(0) };
    let found = words.iter().position(|word| *word == said);
    if found.is_none() {
        let reason = format!("\"{said}\" is none of its words");
        problems.add(key, reason, format!("write one of {}", words.join(", ")));
    }
    found
}

/// The tags that words like `glob=oven/**` mean together.
fn selected(words: &[String], problems: &mut Mistakes<'_>) -> Option<TagQuery> {
    let mut selection = Selection::default();
    let mut sound = true;
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let wrong = match selection.take(name, value) {
            // Assets come and go while a forwarder runs; what it sends must not.
            Ok(true) if name == "asset" => format!("\"{word}\" names an asset, not tags"),
            Ok(true) => continue,
            Ok(false) => format!("\"{word}\" selects nothing"),
            Err(problem) => problem.text(),
        };
        let hint =
            "write tag=, glob=, prefix=, regex=, label=, kind=, unit= or source= and a value";
        problems.add("select", wrong, hint);
        sound = false;
    }
    sound.then(|| selection.query_with(|path| TagQuery::Prefix(path.to_owned())))
}

/// What is wrong, gathered.
struct Mistakes<'a>(&'a mut Vec<Problem>);

impl Mistakes<'_> {
    fn add(&mut self, key: &str, reason: String, hint: impl Into<String>) {
        self.0.push(Problem { key: key.to_owned(), reason, hint: hint.into() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(settings: Value) -> Result<Settings, Vec<String>> {
        let Value::Object(settings) = settings else { return Err(Vec::new()) };
        check("centre", &settings)
            .map_err(|problems| problems.into_iter().map(|problem| problem.key).collect())
    }

    #[test]
    fn an_address_and_nothing_else_is_enough() {
        let settings = of(json!({"url": "http://centre:8428/"})).unwrap();
        let Target { url, host, port, path, is_secure, .. } = settings.target;
        assert_eq!((&*url, &*host, port, &*path), ("http://centre:8428", "centre", 8428, ""));
        assert!(!is_secure);
        assert_eq!(settings.select, TagQuery::All);
        assert_eq!((settings.start, settings.order), (Start::Now, Order::LiveFirst));
    }

    #[test]
    fn tags_are_selected_as_everywhere() {
        let select = json!(["glob=oven/**", "label=line=2"]);
        let settings = of(json!({"url": "http://a:1", "select": select})).unwrap();
        let label = TagQuery::Label { key: "line".into(), value: "2".into() };
        let any = TagQuery::AnyOf(vec![TagQuery::Glob("oven/**".into())]);
        assert_eq!(settings.select, TagQuery::AllOf(vec![label, any]));
    }

    #[test]
    fn what_is_wrong_is_named_all_of_it() {
        for (settings, want) in [
            (json!({}), vec!["url"]),
            (json!({"url": "centre"}), vec!["url"]),
            (json!({"url": "https://centre"}), vec!["ca_file"]),
            (json!({"url": "http://a:1", "colour": "red"}), vec!["settings"]),
            (json!({"url": "http://a:1", "password": "x"}), vec!["password"]),
            (
                json!({"url": "http://a:1", "order": "random", "buffer": "much", "every": "1 h",
                    "select": ["colour=red"], "rate": 0, "batch_rows": 0, "prefix": "\u{7}"}),
                vec!["prefix", "order", "buffer", "every", "batch_rows", "rate", "select"],
            ),
        ] {
            assert_eq!(of(settings.clone()).unwrap_err(), want, "{settings}");
        }
    }
}
