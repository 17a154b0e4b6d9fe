//! A connection to a device or gateway: one request at a time.
//!
//! *Invariant.* After a fault the connection is not used again: an answer that comes late would be
//! taken for that to the next request.

use std::time::Duration;

use tacitus_protocol::modbus::{Answer, HEADER_BYTES, Request, answer_bytes, decode_answer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It did not come in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The connection is gone, or brings something else.
    #[error("{0}")]
    Broken(String),
}

/// The connection.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    timeout: Duration,
    transaction: u16,
}

impl Link {
    /// Connects.
    pub(super) async fn open(address: &str, patience: Duration) -> Result<Self, Fault> {
        let connected = timeout(patience, TcpStream::connect(address)).await;
        let stream = connected
            .map_err(|_elapsed| Fault::Silent(patience))?
            .map_err(|error| broken(&error))?;
        stream.set_nodelay(true).map_err(|error| broken(&error))?;
        Ok(Self { stream, timeout: patience, transaction: 0 })
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&mut self, request: Request) -> Result<Answer, Fault> {
        self.transaction = self.transaction.wrapping_add(1);
        let request = Request { transaction: self.transaction, ..request };
        let answer = timeout(self.timeout, self.exchange(&request)).await;
        answer.map_err(|_elapsed| Fault::Silent(self.timeout))?
    }

    async fn exchange(&mut self, request: &Request) -> Result<Answer, Fault> {
        self.stream.write_all(&request.encode()).await.map_err(|error| broken(&error))?;
        let mut header = [0; HEADER_BYTES];
        self.stream.read_exact(&mut header).await.map_err(|error| broken(&error))?;
        let length = answer_bytes(header).map_err(|error| Fault::Broken(error.to_string()))?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.map_err(|error| broken(&error))?;
        decode_answer(request, header, &body).map_err(|error| Fault::Broken(error.to_string()))
    }
}

fn broken(error: &std::io::Error) -> Fault {
    Fault::Broken(error.to_string())
}
