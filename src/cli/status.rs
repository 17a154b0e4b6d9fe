//! `tacitus status`: how a running server is.

use clap::Args;
use serde_json::Value;

use super::Exit;
use super::output::{complain, say};
use super::request::Target;

/// Which server, and how to show the answer.
#[derive(Debug, Args)]
pub(super) struct Question {
    #[command(flatten)]
    target: Target,
    /// The answer as the server gives it
    #[arg(long)]
    json: bool,
}

pub(super) fn run(question: &Question) -> Exit {
    let answer = question.target.get("/api/v1/status").and_then(|mut response| {
        response
            .body_mut()
            .read_to_string()
            .map_err(|error| format!("error: the answer broke off: {error}\n"))
    });
    match answer {
        Ok(text) if question.json => say(&format!("{}\n", text.trim_end())),
        Ok(text) => say(&lines("", &serde_json::from_str(&text).unwrap_or_default())),
        Err(complaint) => {
            complain(&complaint);
            Exit::Failed
        }
    }
}

/// One line for each fact, nested ones under their path.
fn lines(path: &str, value: &Value) -> String {
    let join =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| lines(&join(name), value)).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| lines(&format!("{path}[{index}]"), item))
            .collect(),
        Value::String(text) => format!("{path:<24} {}\n", text.escape_debug()),
        other => format!("{path:<24} {other}\n"),
    }
}
