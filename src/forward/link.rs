//! The line to an upstream: one HTTP connection, plain or in TLS, used for one request at a time.
//!
//! *Invariant.* Nothing waits without an end: a connection, and an answer, come within a bounded
//! time or fail. After a failure the connection is given up, and the next request makes another.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, StatusCode, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::limits::{ANSWER_BYTES_MAX, ANSWER_MAX, CONNECT_MAX};
use super::settings::Target;
use crate::secrets;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken(pub(super) String);

/// An answer of the upstream.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) document: Value,
    text: String,
}

impl Answer {
    /// What a refusal says, for people.
    pub(super) fn refusal(&self) -> String {
        let word = |name: &str| self.document.get(name).and_then(Value::as_str);
        let detail = word("detail").unwrap_or(self.text.trim());
        let detail: String = detail.chars().take(300).collect();
        let hint = word("hint").map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("the upstream answers {}: {detail}{hint}", self.status)
    }
}

/// The line.
pub(super) struct Link {
    target: Target,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    connector: Option<TlsConnector>,
    open: Option<Open>,
}

/// An open connection.
struct Open {
    requests: SendRequest<Body>,
    /// Reads and writes until it is dropped.
    driver: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Link {
    /// A line that is not open yet.
    pub(super) fn new(target: Target) -> Result<Self, Broken> {
        let broken = |error: &dyn fmt::Display| Broken(error.to_string());
        let authority = if target.host.contains(':') {
            format!("[{}]:{}", target.host, target.port)
        } else {
            format!("{}:{}", target.host, target.port)
        };
        let host = HeaderValue::try_from(authority).map_err(|error| broken(&error))?;
        let authorization = match &target.user {
            None => None,
            Some((user, password)) => {
                let words = base64(format!("{user}:{}", password.0).as_bytes());
                let mut value = HeaderValue::try_from(format!("Basic {words}"))
                    .map_err(|error| broken(&error))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let connector = match target.ca_file.as_ref().filter(|_| target.is_secure) {
            None => None,
            Some(file) => {
                let config = secrets::trusting(file).map_err(|error| broken(&error))?;
                Some(TlsConnector::from(Arc::new(config)))
            }
        };
        Ok(Self { target, host, authorization, connector, open: None })
    }

    /// Asks, and reads the answer.
    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, Broken> {
        self.request("GET", path, Bytes::new()).await
    }

    /// Sends a packed body, and reads the answer.
    pub(super) async fn post(&mut self, path: &str, body: Bytes) -> Result<Answer, Broken> {
        self.request("POST", path, body).await
    }

    async fn request(&mut self, method: &str, path: &str, body: Bytes) -> Result<Answer, Broken> {
        let mut open = match self.open.take() {
            Some(open) if !open.requests.is_closed() => open,
            _ => self.connect().await?,
        };
        let request = self.head(method, path, !body.is_empty());
        let request = request.body(Body::from(body)).map_err(|error| Broken(error.to_string()))?;
        let answer = async {
            open.requests.ready().await.map_err(|error| said(&error))?;
            let answer = open.requests.send_request(request).await.map_err(|error| said(&error))?;
            let status = answer.status();
            let body = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await;
            let text = body.map_err(|error| said(&error))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let document = serde_json::from_str(&text).unwrap_or_default();
            Ok(Answer { status, document, text })
        };
        let answer = in_time(ANSWER_MAX, "it did not answer", answer).await?;
        self.open = Some(open);
        Ok(answer)
    }

    fn head(&self, method: &str, path: &str, has_body: bool) -> axum::http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.target.path))
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, concat!("tacitus/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if has_body {
            request = request
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_ENCODING, "gzip");
        }
        request
    }

    async fn connect(&self) -> Result<Open, Broken> {
        in_time(CONNECT_MAX, "it could not be reached", async {
            let address = (self.target.host.as_str(), self.target.port);
            let stream = TcpStream::connect(address).await.map_err(|error| said(&error))?;
            stream.set_nodelay(true).map_err(|error| said(&error))?;
            let wire: Box<dyn Wire> = match &self.connector {
                None => Box::new(stream),
                Some(connector) => {
                    let name = ServerName::try_from(self.target.host.clone());
                    let name = name.map_err(|error| said(&error))?;
                    let stream = connector.connect(name, stream).await;
                    Box::new(stream.map_err(|error: io::Error| said(&error))?)
                }
            };
            let (requests, connection) =
                handshake(TokioIo::new(wire)).await.map_err(|error| said(&error))?;
            let driver = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "the line to an upstream ended");
                }
            });
            Ok(Open { requests, driver: driver.abort_handle() })
        })
        .await
        .map_err(|Broken(why)| Broken(format!("could not reach \"{}\": {why}", self.target.url)))
    }
}

fn said(error: &dyn std::error::Error) -> Broken {
    // What lies below says more than "error sending request".
    let causes = std::iter::successors(Some(error), |error| error.source());
    Broken(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

async fn in_time<T>(
    most: std::time::Duration,
    otherwise: &str,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    let late = || Broken(format!("{otherwise} within {} s", most.as_secs()));
    tokio::time::timeout(most, work).await.unwrap_or_else(|_late| Err(late()))
}

/// Base 64 of RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS.get((bits >> (18 - 6 * at) & 63) as usize).copied();
            let letter = letter.filter(|_| at <= group.len());
            text.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    text
}

impl fmt::Debug for Link {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Link").field("url", &self.target.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn words_of_the_standard_in_base_64() {
        for (plain, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), want);
        }
    }
}
