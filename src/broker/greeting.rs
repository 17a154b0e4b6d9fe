//! The first packet of a connection: CONNECT, the client's session, CONNACK.
//!
//! *Invariant.* A client that does not complete its CONNECT in time is gone, whatever it sends;
//! CONNACK is the first packet anybody gets, and it comes after what it promises is on disk.
//!
//! *Not here.* Sockets, TLS, WebSocket (`line`); passwords and rights (`door`).

use std::sync::Arc;

use bytes::BytesMut;
use tacitus_protocol::mqtt::{
    Connect, ConnectError, ConnectReturnCode, Connection, Frames, Version, read_connect, reply,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::connection::{Client, farewell};
use super::counters::{many, one};
use super::door::{Door, Guest};
use super::history::Stories;
use super::intake::StoreError;
use super::limits::{CONNECT_TIME_MAX, LOGIN_PAUSE, READ_BYTES_MIN, TAKEOVER_TIME_MAX};
use super::line::{self, Line, Reader, Writer};
use super::pace::Pace;
use super::room::{Room, Testament};
use super::seats::{Claim, Coming, Granted};
use super::{Settings, asked_to_stop};

/// Brings a socket in.
pub(super) struct Greeting {
    pub(super) room: Arc<Room>,
    pub(super) door: Arc<Door>,
    pub(super) settings: Arc<Settings>,
    pub(super) is_private: bool,
}

/// Why a client is not let in: code, words.
type Refused = (ConnectReturnCode, &'static str);

impl Greeting {
    /// Serves a connection from its first byte to its last.
    pub(super) async fn run(self, stream: TcpStream, stop: watch::Receiver<bool>) {
        let tls = self.door.tls.as_ref().filter(|_| self.is_private);
        let mut stopping = stop.clone();
        let opened = tokio::select! {
            opened = line::open(stream, tls, self.door.is_guarded()) => opened,
            () = asked_to_stop(&mut stopping) => return,
        };
        match opened {
            Ok(mut line) => {
                let carrier = line.carrier.take();
                let serving = self.serve(line, stop);
                match carrier {
                    None => serving.await,
                    // The last bytes are carried after the client was served.
                    Some(carrier) => drop(tokio::join!(carrier, serving)),
                }
            }
            Err(error) => {
                one(&self.room.counters.connects_refused);
                tracing::debug!(%error, "client left before it said anything");
            }
        }
    }

    async fn serve(self, line: Line, stop: watch::Receiver<bool>) {
        let Line { mut reader, writer, mut head, certificate, .. } = line;
        many(&self.room.counters.bytes_in, head.len());
        let mut frames = Frames::default();
        std::mem::swap(frames.buffer(), &mut head);
        let connect = match self.hear(&mut reader, &mut frames, stop.clone()).await {
            Ok(connect) => connect,
            Err(error) => {
                one(&self.room.counters.connects_refused);
                if let ConnectError::Answer { version, code, message } = error {
                    refuse(reader, writer, version, (code, message)).await;
                }
                return;
            }
        };
        match self.let_in(&connect, certificate.as_deref()).await {
            Ok(arrived) => self.welcome(arrived, connect, (frames, reader, writer), stop).await,
            Err(refused) => {
                one(&self.room.counters.connects_refused);
                refuse(reader, writer, connect.version, refused).await;
            }
        }
    }

    /// Finds out who it is, and its session.
    async fn let_in(
        &self,
        connect: &Connect,
        certificate: Option<&str>,
    ) -> Result<Arrived, Refused> {
        let (client, assigned_client_id) = self.name(connect);
        let guest = match self.door.admit(connect, &client, certificate) {
            Ok(guest) => guest,
            Err(code) => {
                one(&self.room.counters.logins_refused);
                // Whoever guesses passwords waits for each.
                tokio::time::sleep(LOGIN_PAUSE).await;
                return Err((code, "user name or password is not accepted, or lacks the right"));
            }
        };
        let expiry_s = connect.session_expiry_s.min(self.settings.session_expiry_s_max);
        let coming = Coming { clean_start: connect.clean_start, keeps: expiry_s > 0 };
        let granted = self.claim(&client, coming).await?;
        let testament =
            connect.will.clone().map(|will| Testament { number: self.room.next_will(), will });
        let remembered = self.room.remember_arrival(&granted, expiry_s, testament.as_ref()).await;
        if let Err(error) = remembered {
            self.room.refuse_arrival(granted);
            return Err(match error {
                StoreError::Full => (ConnectReturnCode::QuotaExceeded, "the store is full"),
                StoreError::Busy => (ConnectReturnCode::ServerBusy, "the store is busy"),
                StoreError::Failed => {
                    (ConnectReturnCode::ServerUnavailable, "the store has failed")
                }
            });
        }
        Ok(Arrived { granted, guest, expiry_s, testament, assigned_client_id })
    }

    async fn welcome(
        self,
        arrived: Arrived,
        connect: Connect,
        (frames, reader, writer): (Frames, Reader, Writer),
        stop: watch::Receiver<bool>,
    ) {
        let Arrived { granted, guest, expiry_s, testament, assigned_client_id } = arrived;
        let mut keep_alive_s = connect.keep_alive_s;
        let max = self.settings.keep_alive_s_max;
        // 3.1.1 has no word for another keep-alive than the client's own.
        let shorter = connect.version == Version::V5 && keep_alive_s > max;
        if shorter {
            keep_alive_s = max;
        }
        let welcome = reply::Welcome {
            session_present: granted.is_resumed,
            assigned_client_id,
            session_expiry_s: (expiry_s != connect.session_expiry_s).then_some(expiry_s),
            keep_alive_s: shorter.then_some(max),
        };
        let mut connection = Connection::new(&connect, granted.session);
        reply::accept(connect.version, welcome, &mut connection.output);
        let client = Client {
            room: self.room,
            seat: granted.seat,
            allowed: guest.allowed,
            stories: Stories::new(),
            pace: Pace::new(self.settings.messages_per_s_max),
            connection,
            frames,
            reader,
            writer,
            keep_alive_s,
            session_expiry_s: expiry_s,
            session_expiry_s_max: self.settings.session_expiry_s_max,
            testament,
        };
        client.serve(stop).await;
    }

    /// Reads until there is a CONNECT.
    async fn hear(
        &self,
        reader: &mut Reader,
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

    async fn claim(&self, client: &Arc<str>, coming: Coming) -> Result<Granted, Refused> {
        let busy = |message| Err((ConnectReturnCode::ServerBusy, message));
        let deadline = Instant::now() + TAKEOVER_TIME_MAX;
        loop {
            let (claim, will) = self.room.claim(client, coming);
            if let Some(will) = will {
                self.room.publish_will(will).await;
            }
            let mut occupied = match claim {
                Claim::Granted(granted) => return Ok(*granted),
                Claim::Full => return busy("too many sessions"),
                Claim::Wait(occupied) => occupied,
            };
            // The channel carries nothing: it only ends, when the other connection has left.
            if timeout_at(deadline, occupied.changed()).await.is_err() {
                return busy("another connection with this client identifier does not end");
            }
        }
    }
}

/// A client that may come in, and its session.
struct Arrived {
    granted: Granted,
    guest: Guest,
    expiry_s: u32,
    testament: Option<Testament>,
    assigned_client_id: Option<String>,
}

/// Says why not, and closes.
async fn refuse(reader: Reader, writer: Writer, version: Version, (code, message): Refused) {
    let mut output = BytesMut::new();
    reply::refuse(version, code, message, &mut output);
    farewell(reader, writer, output).await;
}
