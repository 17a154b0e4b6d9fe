//! Files with passwords, keys and certificates, as the listeners read them at the start.
//!
//! *Invariant.* A file that cannot be used is named together with what is wrong; no secret is in a
//! message or a log.
//!
//! *Not here.* How a client proves who it is: each wire has its own way.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;

/// Why a file cannot be used.
#[derive(Debug)]
pub struct SecretError(String);

impl SecretError {
    fn new(file: &Path, error: &dyn fmt::Display) -> Self {
        Self(format!("\"{}\" cannot be used: {error}", file.display()))
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for SecretError {}

/// A certificate and its key, and who may sign those of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, PEM.
    pub chain: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    /// Certificates of authorities whose clients are known by their certificate, PEM.
    pub client_authority: Option<PathBuf>,
}

/// The bytes of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, SecretError> {
    std::fs::read(file)
        .map_err(|error| SecretError(format!("could not read \"{}\": {error}", file.display())))
}

/// The names and passwords in a file of lines `name:password`.
pub(crate) fn users(file: &Path) -> Result<Vec<(String, String)>, SecretError> {
    let text = String::from_utf8(read(file)?).map_err(|error| SecretError::new(file, &error))?;
    let mut users = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                users.push((name.to_owned(), password.to_owned()));
            }
            _ => {
                return Err(SecretError(format!(
                    "line {number} of \"{}\" is not name:password",
                    file.display()
                )));
            }
        }
    }
    if users.is_empty() {
        return Err(SecretError(format!("\"{}\" names no user", file.display())));
    }
    Ok(users)
}

/// TLS with a certificate.
pub(crate) fn tls(certificate: &Certificate) -> Result<rustls::ServerConfig, SecretError> {
    let Certificate { chain, key, client_authority } = certificate;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| SecretError::new(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| SecretError::new(chain, &error))?;
    let builder = match client_authority {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = rustls::RootCertStore::empty();
            for authority in certificates(file)? {
                roots.add(authority).map_err(|error| SecretError::new(file, &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| SecretError::new(file, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    builder
        .with_single_cert(certificates(chain)?, private)
        .map_err(|error| SecretError::new(key, &error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, SecretError> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| SecretError::new(file, &error))?;
    if certificates.is_empty() {
        return Err(SecretError::new(file, &"it holds no certificate"));
    }
    Ok(certificates)
}

/// TLS towards a server whose certificate is signed by one of these.
pub(crate) fn trusting(file: &Path) -> Result<rustls::ClientConfig, SecretError> {
    let mut roots = rustls::RootCertStore::empty();
    for authority in certificates(file)? {
        roots.add(authority).map_err(|error| SecretError::new(file, &error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SecretError::new(file, &error))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
