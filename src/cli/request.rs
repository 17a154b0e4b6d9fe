//! A request to a running server, for the commands that ask one.
//!
//! *Invariant.* A refusal of the server is shown as it was written for people: what is wrong,
//! its SQLSTATE where it has one, and the hint.

use std::time::Duration;

use clap::Args;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Which server.
#[derive(Debug, Clone, Args)]
pub(super) struct Target {
    /// The server to ask
    #[arg(long, value_name = "URL", env = "TACITUS_URL", default_value = "http://127.0.0.1:8428")]
    pub(super) url: String,
}

impl Target {
    pub(super) fn get(&self, path: &str) -> Result<Response<Body>, String> {
        self.answer(agent().get(self.address(path)).call())
    }

    pub(super) fn post(
        &self,
        path: &str,
        accept: &str,
        body: &str,
    ) -> Result<Response<Body>, String> {
        let request = agent()
            .post(self.address(path))
            .header("accept", accept)
            .header("content-type", "text/plain; charset=utf-8");
        self.answer(request.send(body))
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// The answer, or the complaint to show.
    fn answer(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, String> {
        match answer {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(mut response) => {
                let status = response.status();
                let text = response.body_mut().read_to_string().unwrap_or_default();
                Err(refusal(status.as_u16(), &text))
            }
            Err(error) => Err(format!(
                "error: could not ask \"{}\": {error}\n  hint: start one with `tacitus serve`, or \
                 name another with --url\n",
                self.url
            )),
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(5)))
        .build()
        .into()
}

/// A problem document as lines for people.
fn refusal(status: u16, text: &str) -> String {
    let problem: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let word = |name: &str| problem.get(name).and_then(serde_json::Value::as_str);
    let what = word("detail").or(word("title")).unwrap_or(text.trim());
    let code = match word("sqlstate") {
        Some(code) => format!("SQLSTATE {code}"),
        None => format!("HTTP {status}"),
    };
    let hint = word("hint").map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
    format!("error: {what} ({code})\n{hint}")
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn a_problem_document_is_shown_with_sqlstate_and_hint() {
        let text = r#"{"title":"wrong","status":400,"detail":"no column \"x\"","sqlstate":"42703","hint":"try y"}"#;
        assert_eq!(refusal(400, text), "error: no column \"x\" (SQLSTATE 42703)\n  hint: try y\n");
    }

    #[test]
    fn what_is_no_problem_document_is_shown_as_it_came() {
        assert_eq!(refusal(502, "bad gateway\n"), "error: bad gateway (HTTP 502)\n");
    }
}
