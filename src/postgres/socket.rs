//! The socket of one client, with eyes for what happens while a statement runs.
//!
//! *Invariant.* While work is awaited, a client that leaves, a cancel and a stop of the server are
//! noticed at once; messages sent ahead are kept in order, and their number is bounded.

use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use futures::{SinkExt, StreamExt};
use pgwire::api::ClientInfo;
use pgwire::messages::response::{ErrorResponse, TransactionStatus};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, PgWireMessageServerCodec};
use tokio::time::Instant;
use tokio_util::codec::Framed;

use super::cancel::Registered;
use super::failure::{Ended, Failure, Stop};
use super::limits::{AHEAD_MAX, SEND_BYTES};
use crate::shutdown::Shutdown;

/// What pgwire keeps for us between messages: nothing.
pub(super) type Codec = PgWireMessageServerCodec<()>;

/// The socket of one client.
pub(super) struct Socket {
    framed: Framed<MaybeTls, Codec>,
    /// Messages that came while a statement ran.
    ahead: VecDeque<PgWireFrontendMessage>,
    cancel: Registered,
    shutdown: Shutdown,
}

impl Socket {
    pub(super) fn new(
        mut framed: Framed<MaybeTls, Codec>,
        cancel: Registered,
        shutdown: Shutdown,
    ) -> Self {
        framed.set_backpressure_boundary(SEND_BYTES);
        Self { framed, ahead: VecDeque::new(), cancel, shutdown }
    }

    /// What the client told of itself.
    pub(super) fn client(&self) -> &dyn ClientInfo {
        &self.framed
    }

    /// The next message of the client.
    pub(super) async fn next(&mut self) -> Result<PgWireFrontendMessage, Ended> {
        if let Some(message) = self.ahead.pop_front() {
            return Ok(message);
        }
        tokio::select! {
            biased;
            message = self.framed.next() => {
                message.ok_or(Ended::Gone)?.map_err(|error| self.refuse(&error))
            }
            () = self.shutdown.requested() => Err(Ended::Stopped),
        }
    }

    /// A message that cannot be read: the client is told why, the rest of its bytes mean nothing.
    fn refuse(&mut self, error: &pgwire::error::PgWireError) -> Ended {
        tracing::debug!(%error, "a Postgres client sent what is not a message");
        let failure = Failure::protocol("the message cannot be read");
        self.put(PgWireBackendMessage::ErrorResponse(failure.response("FATAL")));
        Ended::Gone
    }

    /// Starts a statement: cancels that came before are not meant for it.
    pub(super) fn begin_work(&mut self) {
        self.cancel.forget();
    }

    /// Waits for work, unless something ends it first.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::pin!(work);
        loop {
            let reads = self.ahead.len() < AHEAD_MAX;
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = self.cancel.asked() => return Err(Failure::canceled().into()),
                () = self.shutdown.requested() => return Err(Ended::Stopped.into()),
                message = self.framed.next(), if reads => match message {
                    Some(Ok(PgWireFrontendMessage::Terminate(_))) | None => {
                        return Err(Ended::Gone.into());
                    }
                    Some(Ok(message)) => self.ahead.push_back(message),
                    Some(Err(error)) => return Err(self.refuse(&error).into()),
                },
            }
        }
    }

    /// Puts a message into the buffer.
    #[expect(clippy::needless_pass_by_value, reason = "a message that is sent is gone")]
    pub(super) fn put(&mut self, message: PgWireBackendMessage) {
        if let Err(error) = message.encode(self.framed.write_buffer_mut()) {
            tracing::warn!(%error, "an answer to a Postgres client could not be written");
        }
    }

    pub(super) fn put_error(&mut self, response: ErrorResponse) {
        self.put(PgWireBackendMessage::ErrorResponse(response));
    }

    /// The bytes that wait to be sent; whole messages are appended.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        self.framed.write_buffer_mut()
    }

    /// Whether enough waits to be worth sending.
    pub(super) fn is_full(&self) -> bool {
        self.framed.write_buffer().len() >= SEND_BYTES
    }

    /// Sends what waits, unless the statement ends before the client took it.
    pub(super) async fn relieve(&mut self, deadline: Instant) -> Result<(), Stop> {
        tokio::select! {
            biased;
            sent = self.framed.flush() => Ok(sent.map_err(Ended::from)?),
            () = self.cancel.asked() => Err(Failure::canceled().into()),
            () = self.shutdown.requested() => Err(Ended::Stopped.into()),
            () = tokio::time::sleep_until(deadline) => Err(Failure::new(
                "57014",
                "the client did not take the rows within the time of the statement",
            )
            .into()),
        }
    }

    /// Sends everything.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        tokio::select! {
            biased;
            sent = self.framed.flush() => Ok(sent?),
            () = self.shutdown.requested() => Err(Ended::Stopped),
        }
    }

    /// Sends what is left and closes.
    pub(super) async fn close(mut self) {
        drop(self.framed.close().await);
    }
}

/// Writes one message by hand: its letter, its length, its body.
pub(super) fn frame(buffer: &mut BytesMut, letter: u8, body: impl FnOnce(&mut BytesMut)) {
    buffer.put_u8(letter);
    let at = buffer.len();
    buffer.put_i32(0);
    body(buffer);
    let length = i32::try_from(buffer.len() - at).unwrap_or(i32::MAX);
    if let Some(place) = buffer.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// The letter of a transaction's state.
pub(super) fn ready(status: TransactionStatus) -> PgWireBackendMessage {
    use pgwire::messages::response::ReadyForQuery;
    PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status))
}
