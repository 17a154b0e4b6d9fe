//! The wire of PostgreSQL in TLS: logins by SCRAM, bound to the channel and not.
//!
//! `tls/certificate.pem` and `tls/key.pem` are for these tests alone.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, NoTls, Socket, error::SqlState};
use tokio_rustls::client::TlsStream as Encrypted;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_rustls::{Connect, TlsConnector};

use crate::server::{DEADLINE, Server};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

/// The server of these tests, which knows one user.
fn server(dir: &Path) -> Server {
    let users = dir.join("users");
    std::fs::write(&users, "anna:open sesame\n").unwrap();
    let [users, certificate, key] =
        [users, file("certificate.pem"), file("key.pem")].map(|path| path.display().to_string());
    let variables = [
        ("TACITUS_PG_USERS_FILE", users.as_str()),
        ("TACITUS_PG_CERTIFICATE_FILE", certificate.as_str()),
        ("TACITUS_PG_KEY_FILE", key.as_str()),
    ];
    Server::start_with(&dir.join("data"), &variables)
}

/// TLS for the driver.
#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    /// What the client takes the server's certificate to hash to.
    binding: Vec<u8>,
}

impl Tls {
    fn new() -> Self {
        let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
        let suite = ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let binding = suite.common.hash_provider.hash(&certificate).as_ref().to_vec();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { connector: TlsConnector::from(Arc::new(config)), binding }
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Channel;
    type TlsConnect = Self;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _: &str) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for Tls {
    type Stream = Channel;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Channel>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        let name = ServerName::try_from("localhost").unwrap();
        let connecting: Connect<Socket> = self.connector.connect(name, stream);
        let binding = self.binding;
        Box::pin(async move { Ok(Channel { stream: connecting.await?, binding }) })
    }
}

/// An encrypted connection that a login can be bound to.
struct Channel {
    stream: Encrypted<Socket>,
    binding: Vec<u8>,
}

impl AsyncRead for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl TlsStream for Channel {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::tls_server_end_point(self.binding.clone())
    }
}

/// Connects with these settings beside the address.
async fn connect(server: &Server, tls: Tls, more: &str) -> Result<Client, tokio_postgres::Error> {
    let (host, port) = server.pg.rsplit_once(':').unwrap();
    let settings = format!("host={host} port={port} dbname=tacitus user=anna {more}");
    let (client, connection) = tokio_postgres::connect(&settings, tls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.unwrap() })
}

const PASSWORD: &str = "password='open sesame' sslmode=require";

#[test]
fn a_login_is_bound_to_the_channel_or_not_as_the_client_wants() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    run(async {
        for binding in ["require", "prefer", "disable"] {
            let more = format!("{PASSWORD} channel_binding={binding}");
            let client = connect(&server, Tls::new(), &more).await.unwrap();
            let row = client.query_one("SELECT 1 + 1 AS two", &[]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), 2, "{binding}");
        }
    });
}

#[test]
fn a_login_bound_to_another_channel_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    run(async {
        // As behind someone in the middle with a certificate of their own.
        let mut tls = Tls::new();
        *tls.binding.last_mut().unwrap() ^= 1;
        let more = format!("{PASSWORD} channel_binding=require");
        let refused = connect(&server, tls, &more).await.err().unwrap();
        assert_eq!(refused.code(), Some(&SqlState::INVALID_PASSWORD), "{refused}");
    });
}

#[test]
fn a_wrong_password_is_refused_in_tls_and_without() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    run(async {
        let refused = connect(&server, Tls::new(), "password=guess sslmode=require").await;
        assert_eq!(refused.err().unwrap().code(), Some(&SqlState::INVALID_PASSWORD));
        let (host, port) = server.pg.rsplit_once(':').unwrap();
        let settings = format!("host={host} port={port} user=anna password=guess");
        let refused = tokio_postgres::connect(&settings, NoTls).await;
        assert_eq!(refused.err().unwrap().code(), Some(&SqlState::INVALID_PASSWORD));
    });
}

#[test]
fn a_server_without_a_certificate_says_no_to_tls_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    run(async {
        let mut stream = TcpStream::connect(&server.pg).await.unwrap();
        // SSLRequest: its length, and the code that stands for it.
        stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
        let refused = connect(&server, Tls::new(), "sslmode=require").await;
        assert!(refused.is_err(), "the client wanted TLS");
        connect(&server, Tls::new(), "sslmode=prefer").await.unwrap();
    });
}
