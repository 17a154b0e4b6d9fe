//! The first packet of a connection: CONNECT, the client's session, CONNACK.
//!
//! *Invariant.* A client that does not complete its CONNECT in time is gone, whatever it sends;
//! CONNACK is the first packet anybody gets.
//!
//! *Not here.* Rights and passwords: user names are not looked at yet.

use std::sync::Arc;

use bytes::BytesMut;
use tacitus_protocol::mqtt::{
    Connect, ConnectError, ConnectReturnCode, Connection, Frames, Version, read_connect, reply,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::asked_to_stop;
use super::connection::{Client, farewell};
use super::counters::{many, one};
use super::limits::{CONNECT_TIME_MAX, READ_BYTES_MIN, TAKEOVER_TIME_MAX};
use super::room::Room;
use super::seats::{Claim, Granted};

/// Brings a socket in.
pub(super) struct Greeting {
    pub(super) room: Arc<Room>,
    pub(super) session_expiry_s_max: u32,
}

impl Greeting {
    /// Serves a connection from its first byte to its last.
    pub(super) async fn run(self, stream: TcpStream, stop: watch::Receiver<bool>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "client left at once");
            return;
        }
        let (mut reader, writer) = stream.into_split();
        let mut frames = Frames::default();
        let mut output = BytesMut::new();
        let connect = match self.hear(&mut reader, &mut frames, stop.clone()).await {
            Ok(connect) => connect,
            Err(error) => {
                one(&self.room.counters.connects_refused);
                if let ConnectError::Answer { version, code, message } = error {
                    reply::refuse(version, code, message, &mut output);
                    farewell(reader, writer, output).await;
                }
                return;
            }
        };
        let (client, assigned_client_id) = self.name(&connect);
        let granted = match self.claim(&client, connect.clean_start).await {
            Ok(granted) => granted,
            Err(message) => {
                one(&self.room.counters.connects_refused);
                let code = ConnectReturnCode::ServerBusy;
                reply::refuse(connect.version, code, message, &mut output);
                farewell(reader, writer, output).await;
                return;
            }
        };
        let session_expiry_s = connect.session_expiry_s.min(self.session_expiry_s_max);
        let welcome = reply::Welcome {
            session_present: granted.is_resumed,
            assigned_client_id,
            session_expiry_s: (session_expiry_s != connect.session_expiry_s)
                .then_some(session_expiry_s),
        };
        let mut connection = Connection::new(&connect, granted.session);
        reply::accept(connect.version, welcome, &mut connection.output);
        let client = Client {
            room: self.room,
            seat: granted.seat,
            connection,
            frames,
            reader,
            writer,
            keep_alive_s: connect.keep_alive_s,
            session_expiry_s,
            session_expiry_s_max: self.session_expiry_s_max,
            will: connect.will,
        };
        client.serve(stop).await;
    }

    /// Reads until there is a CONNECT.
    async fn hear(
        &self,
        reader: &mut OwnedReadHalf,
        frames: &mut Frames,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Connect, ConnectError> {
        let deadline = Instant::now() + CONNECT_TIME_MAX;
        loop {
            match frames.next_frame() {
                Ok(Some(frame)) => return read_connect(&frame),
                Ok(None) => {}
                Err(refusal) => return Err(ConnectError::Silent(refusal.message)),
            }
            frames.buffer().reserve(READ_BYTES_MIN);
            let read = tokio::select! {
                read = timeout_at(deadline, reader.read_buf(frames.buffer())) => read,
                () = asked_to_stop(&mut stop) => {
                    return Err(ConnectError::Silent("the server stops"));
                }
            };
            match read {
                Ok(Ok(count)) if count > 0 => many(&self.room.counters.bytes_in, count),
                Ok(_) => return Err(ConnectError::Silent("closed before CONNECT")),
                Err(_elapsed) => return Err(ConnectError::Silent("no CONNECT in time")),
            }
        }
    }

    /// The client's identifier; the second is the same if the server chose it.
    fn name(&self, connect: &Connect) -> (Arc<str>, Option<String>) {
        if !connect.client_id.is_empty() {
            return (connect.client_id.as_str().into(), None);
        }
        let name = format!("tacitus-{:x}-{:x}", self.room.now().nanos(), self.room.next_guest());
        let assigned = (connect.version == Version::V5).then(|| name.clone());
        (name.into(), assigned)
    }

    async fn claim(&self, client: &Arc<str>, clean_start: bool) -> Result<Granted, &'static str> {
        let deadline = Instant::now() + TAKEOVER_TIME_MAX;
        loop {
            let (claim, will) = self.room.claim(client, clean_start);
            if let Some(will) = will {
                self.room.publish_will(will).await;
            }
            let mut occupied = match claim {
                Claim::Granted(granted) => return Ok(*granted),
                Claim::Full => return Err("too many sessions"),
                Claim::Wait(occupied) => occupied,
            };
            // The channel carries nothing: it only ends, when the other connection has left.
            if timeout_at(deadline, occupied.changed()).await.is_err() {
                return Err("another connection with this client identifier does not end");
            }
        }
    }
}
