//! Import into a running server, as JSON rows in parts of bounded length.
//!
//! *Invariant.* A part is posted once and its answer heard before the next. A part that a server
//! is too busy for is sent again: the same samples written twice are the same samples.
//!
//! *Not here.* Labels, and whole numbers that make tags of integers: the rows of
//! `POST /api/v1/samples` have no words for them.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value as Json;
use tacitus_files::{Faults, Form, Sorted, Target, rfc3339};
use tacitus_model::{Kind, Quality, TagId, Value};
use tacitus_storage::Block;
use ureq::Agent;

use super::{Error, Store};

/// Rows of one part. LIMIT: about a megabyte, far below what a server takes.
const ROWS_AT_ONCE: usize = 10_000;

/// How often a part is sent to a server that is busy or full.
const ATTEMPTS: u32 = 5;

/// A server as the place to import to.
#[derive(Debug)]
pub(crate) struct Server {
    agent: Agent,
    url: String,
    /// By number − 1.
    paths: Vec<String>,
}

/// Rows to send.
#[derive(Default)]
struct Part {
    body: String,
    rows: usize,
}

impl Server {
    /// Imports into the server at this address.
    pub(crate) fn new(url: &str) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(5)))
            .build()
            .into();
        let url = format!("{}/api/v1/samples", url.trim_end_matches('/'));
        Self { agent, url, paths: Vec::new() }
    }

    /// Sends the rows; how many were kept.
    fn post(&self, part: &mut Part, faults: &mut Faults) -> Result<u64, Error> {
        let Part { mut body, rows } = std::mem::take(part);
        if rows == 0 {
            return Ok(0);
        }
        body.push(']');
        for attempt in 1.. {
            let answer =
                self.agent.post(&self.url).header("content-type", "application/json").send(&body);
            let mut answer = answer.map_err(|error| {
                Error::Server(format!("could not ask \"{}\": {error}", self.url))
            })?;
            let status = answer.status().as_u16();
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            match status {
                204 => return Ok(rows as u64),
                400 => return self.refused(&text, rows, faults),
                503 if attempt < ATTEMPTS => std::thread::sleep(Duration::from_secs(2)),
                _ => return Err(Error::Server(format!("HTTP {status}: {}", detail(&text)))),
            }
        }
        Ok(0)
    }

    /// Some rows were refused, the others kept.
    fn refused(&self, text: &str, rows: usize, faults: &mut Faults) -> Result<u64, Error> {
        let problem: Json = serde_json::from_str(text).unwrap_or_default();
        let Some(count) = problem.get("refused_count").and_then(Json::as_u64) else {
            return Err(Error::Server(detail(text)));
        };
        let named = problem.get("refused").and_then(Json::as_array);
        let reasons = named.into_iter().flatten().filter_map(|one| one.get("reason")?.as_str());
        let mut told = 0;
        for reason in reasons {
            faults.add(&self.url, 0, || reason.to_owned());
            told += 1;
        }
        faults.count += count.saturating_sub(told);
        Ok((rows as u64).saturating_sub(count))
    }

    fn add(&self, tag: TagId, block: &Block, row: usize, part: &mut Part) -> Result<(), String> {
        let path = self.paths.get((tag.0 as usize).wrapping_sub(1)).map_or("", String::as_str);
        let value = match block.value(row) {
            Value::Float(number) if !number.is_finite() => {
                return Err(format!("\"{path}\": JSON has no word for {number}"));
            }
            Value::Float(number) => format!("{number:?}"),
            Value::Int(number) => number.to_string(),
            Value::Bool(fact) => fact.to_string(),
            Value::State(index) => index.to_string(),
            Value::Text(text) => Json::from(&*text).to_string(),
            Value::Null => "null".to_owned(),
        };
        part.body.push(if part.rows == 0 { '[' } else { ',' });
        // Writing to a String cannot fail.
        let _infallible = write!(part.body, "{{\"tag\":{},\"ts\":\"", Json::from(path));
        rfc3339(block.times.get(row).copied().unwrap_or_default(), &mut part.body);
        let _infallible = write!(part.body, "\",\"value\":{value}");
        let quality = block.quality(row);
        if quality != Quality::GOOD {
            let _infallible = write!(part.body, ",\"quality\":{}", quality.0);
        }
        part.body.push('}');
        part.rows += 1;
        Ok(())
    }
}

impl Store for Server {
    fn target(&mut self, form: &Form, kind: Option<Kind>) -> Result<Target, String> {
        self.paths.push(form.path.clone());
        let tag = TagId(u32::try_from(self.paths.len()).map_err(|_many| "too many tags")?);
        // The server knows the states of a tag; here their names are texts.
        let kind = kind.filter(|kind| *kind != Kind::State).unwrap_or(Kind::Text);
        Ok(Target { tag, kind, states: Vec::new() })
    }

    fn keep(&mut self, sorted: Sorted, faults: &mut Faults) -> Result<u64, Error> {
        let mut part = Part::default();
        let mut kept = 0;
        for item in sorted {
            let (tag, block) = item.map_err(Error::Sort)?;
            for row in 0..block.len() {
                if let Err(reason) = self.add(tag, &block, row, &mut part) {
                    faults.add(&self.url, 0, || reason);
                }
                if part.rows == ROWS_AT_ONCE {
                    kept += self.post(&mut part, faults)?;
                }
            }
        }
        Ok(kept + self.post(&mut part, faults)?)
    }
}

/// What an answer says is wrong.
fn detail(text: &str) -> String {
    let problem: Json = serde_json::from_str(text).unwrap_or_default();
    let detail = problem.get("detail").and_then(Json::as_str);
    detail.unwrap_or(text.trim()).to_owned()
}
