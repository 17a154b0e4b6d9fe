//! Accepts clients of the Postgres wire and lets them in.
//!
//! *Invariant.* Open connections never exceed the limit; one more is told so and closed. A client
//! that does not say who it is in time is closed. After a stop is requested nobody is let in, and
//! conversations have a bounded time to end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::ScramAuth;
use pgwire::api::auth::{
    StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{ClientInfo, PgWireConnectionState, PidSecretKeyGenerator};
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use pgwire::tokio::server::{MaybeTls, negotiate_tls};
use tacitus_query::Session;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::codec::Framed;

use super::cancel::Registry;
use super::conversation::Conversation;
use super::failure::{Ended, Failure};
use super::limits::{DRAIN, STARTUP_MAX};
use super::login::{Greeting, Keys, Login, Secrets};
use super::socket::{Codec, Socket};
use crate::ingest::Ingest;
use crate::limits::ACCEPT_PAUSE;
use crate::secrets::SecretError;
use crate::shutdown::Shutdown;

/// What conversations need.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) session: Arc<Session>,
    pub(crate) ingest: Ingest,
}

/// A bound listener.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    places: Arc<Semaphore>,
    login: Login,
    registry: Arc<Registry>,
    keys: Arc<Keys>,
}

impl Listener {
    /// Binds the address.
    pub(crate) async fn bind(addr: SocketAddr, connections_max: usize) -> io::Result<Self> {
        Ok(Self {
            socket: TcpListener::bind(addr).await?,
            places: Arc::new(Semaphore::new(connections_max)),
            login: Login { users: None, tls: None, certificate: None },
            registry: Arc::default(),
            keys: Arc::default(),
        })
    }

    /// The same listener, asking for what these files say.
    pub(crate) fn with_secrets(mut self, secrets: &Secrets) -> Result<Self, SecretError> {
        self.login = Login::read(secrets)?;
        Ok(self)
    }

    /// Where it listens, with the port the system picked.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until the stop is requested and the conversations have ended or are out of time.
    pub(crate) async fn serve(self, parts: Parts, shutdown: Shutdown) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                Some(_) = open.join_next() => continue,
                () = shutdown.requested() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let door = Door {
                        place: Arc::clone(&self.places).try_acquire_owned().ok(),
                        login: self.login.clone(),
                        registry: Arc::clone(&self.registry),
                        keys: Arc::clone(&self.keys),
                        shutdown: shutdown.clone(),
                    };
                    open.spawn(door.receive(stream, parts.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a Postgres connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(self.socket);
        let ended = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, ended).await.is_err() {
            tracing::warn!("Postgres conversations were cut off by the stop");
        }
    }
}

/// One client at the door.
struct Door {
    /// `None`: there is no place left. A cancel needs none.
    place: Option<OwnedSemaphorePermit>,
    login: Login,
    registry: Arc<Registry>,
    keys: Arc<Keys>,
    shutdown: Shutdown,
}

type Line = Framed<MaybeTls, Codec>;

impl Door {
    async fn receive(self, stream: TcpStream, parts: Parts) {
        let shutdown = self.shutdown.clone();
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(STARTUP_MAX, self.greet(stream)) => greeted,
            () = shutdown.requested() => return,
        };
        let Ok(Ok(Some(line))) = greeted else { return };
        let (pid, key) = line.pid_and_secret_key();
        let registered = self.registry.enter(pid, key);
        let socket = Socket::new(line, registered, shutdown);
        match Conversation::new(socket, &parts) {
            Ok(conversation) => conversation.hold().await,
            Err(error) => tracing::error!(%error, "a Postgres conversation could not begin"),
        }
        drop(self.place);
    }

    /// Learns who it is; `None` where there is nothing more to say.
    async fn greet(&self, stream: TcpStream) -> Result<Option<Line>, Ended> {
        let Some(mut line) = negotiate_tls::<()>(stream, self.login.tls.clone()).await? else {
            return Ok(None);
        };
        let scram = self.scram(line.is_secure())?;
        let exposed = !line.is_secure() && !line.socket_addr().ip().is_loopback();
        loop {
            let message = line.next().await.ok_or(Ended::Gone)??;
            let outcome = match message {
                PgWireFrontendMessage::CancelRequest(cancel) => {
                    self.registry.cancel(cancel.pid, &cancel.secret_key);
                    line.close().await?;
                    return Ok(None);
                }
                _ if self.place.is_none() => {
                    return refuse(line, &Failure::new("53300", "too many connections are open"))
                        .await;
                }
                _ if exposed && self.login.tls.is_some() => {
                    let failure = Failure::new("28000", "other machines are asked to use TLS");
                    return refuse(line, &failure.hint("connect with sslmode=require")).await;
                }
                message => match &scram {
                    Some(scram) => scram.on_startup(&mut line, message).await,
                    None => self.welcome(&mut line, message).await,
                },
            };
            match outcome {
                Ok(()) if matches!(line.state(), PgWireConnectionState::ReadyForQuery) => {
                    return Ok(Some(line));
                }
                Ok(()) => {}
                Err(error) => {
                    let info = ErrorInfo::from(error);
                    tracing::info!(reason = info.message, "a Postgres login was refused");
                    let failure = Failure::new("28P01", "the login was refused");
                    return refuse(line, &failure.hint("check the user and the password")).await;
                }
            }
        }
    }

    /// Lets in whoever comes: there are no users.
    async fn welcome(
        &self,
        line: &mut Line,
        message: PgWireFrontendMessage,
    ) -> Result<(), PgWireError> {
        let PgWireFrontendMessage::Startup(startup) = message else { return Ok(()) };
        protocol_negotiation(line, &startup).await?;
        save_startup_parameters_to_metadata(line, &startup);
        let (pid, key) = self.keys.generate(line);
        line.set_pid_and_secret_key(pid, key);
        finish_authentication(line, &Greeting).await
    }

    /// A login of its own for this connection: the library keeps the state of one in it.
    /// It is bound to the certificate where the line is private.
    fn scram(&self, secure: bool) -> Result<Option<SASLAuthStartupHandler<Greeting>>, Ended> {
        let Some(users) = &self.login.users else { return Ok(None) };
        let mut scram = ScramAuth::new(Arc::clone(users) as _);
        if let Some(certificate) = self.login.certificate.as_ref().filter(|_| secure) {
            scram.configure_certificate(certificate)?;
        }
        let handler = SASLAuthStartupHandler::new(Arc::new(Greeting))
            .with_scram(scram)
            .with_pid_secret_key_generator(Arc::clone(&self.keys) as _);
        Ok(Some(handler))
    }
}

/// Says why not, and closes.
async fn refuse(mut line: Line, failure: &Failure) -> Result<Option<Line>, Ended> {
    line.send(PgWireBackendMessage::ErrorResponse(failure.response("FATAL"))).await?;
    line.close().await?;
    Ok(None)
}
