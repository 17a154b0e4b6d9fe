//! Store and forward over a network that is not trusted: a proxy before the upstream speaks TLS and
//! asks who is there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto::ring};

use crate::forward::{forwarder, request, wait_until_equal, write};
use crate::server::{Server, wait_for};

/// `edge` with the password `open sesame`, as HTTP says it.
const LOGIN: &str = "Basic ZWRnZTpvcGVuIHNlc2FtZQ==";

/// Of the certificates that others of these tests have.
const ANOTHER_AUTHORITY: &str = "../../../src/broker/tests/certificates/authority.pem";

/// More than the head of any request.
const HEAD_BYTES_MAX: usize = 16 << 10;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/tls").join(name)
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(file("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Lets a connection through to the upstream if its first request says who asks.
async fn admit(acceptor: TlsAcceptor, stream: TcpStream, upstream: String) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    if !String::from_utf8_lossy(&head).contains(LOGIN) {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\nwho asks";
        stream.write_all(refusal.as_bytes()).await?;
        return stream.shutdown().await;
    }
    let mut upstream = TcpStream::connect(upstream).await?;
    upstream.write_all(&head).await?;
    copy_bidirectional(&mut stream, &mut upstream).await.map(drop)
}

/// A proxy for as long as the runtime lives; its address.
async fn proxy(upstream: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, acceptor) = (listener.local_addr().unwrap(), acceptor());
    let upstream = upstream.to_owned();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(admit(acceptor.clone(), stream, upstream.clone()));
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_upstream_behind_tls_is_asked_by_name_and_believed_by_certificate() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (centre, edge) = (Server::start(dirs[0].path()), Server::start(dirs[1].path()));
    let port = proxy(&centre.http).await.port();
    let settings = |authority: &Path, password: &str| {
        json!({"settings": {
            "url": format!("https://localhost:{port}"), "ca_file": authority,
            "user": "edge", "password": password, "start": "everything", "every": "20 ms",
        }})
    };
    let put = |settings: &serde_json::Value| {
        let (status, answer) = request(&edge, "PUT", "/api/v1/forwards/centre", settings);
        assert_eq!(status, 200, "{answer}");
        assert!(!answer.to_string().contains("sesame"), "{answer}");
    };
    let complains = |of: &str| {
        wait_for(of, || {
            Some(()).filter(|()| forwarder(&edge)["last_error"].to_string().contains(of))
        });
    };
    write(&edge, 0, 300);
    let (right, another) = (file("certificate.pem"), file(ANOTHER_AUTHORITY));
    put(&settings(&another, "open sesame"));
    complains("certificate");
    put(&settings(&right, "close"));
    complains("401");
    assert_eq!(centre.status()["samples"], 0);
    put(&settings(&right, "open sesame"));
    wait_until_equal(&edge, &centre);
    write(&edge, 300, 200);
    wait_until_equal(&edge, &centre);
    assert_eq!(forwarder(&edge)["phase"], "connected");
}
