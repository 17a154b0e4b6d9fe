//! Who a client is, and whether the line is private.
//!
//! *Invariant.* Where users are configured, nobody gets in without SCRAM-SHA-256; where a
//! certificate is configured, it is used or the server does not start, and no connection of
//! another machine is taken in clear text. A wrong user name fails as a wrong password does.
//!
//! *Not here.* Rights: every user may read everything.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, gen_salted_password};
use pgwire::api::auth::{AuthSource, LoginInfo, Password, ServerParameterProvider};
use pgwire::api::{ClientInfo, PidSecretKeyGenerator, RandomPidSecretKeyGenerator};
use pgwire::error::PgWireResult;
use pgwire::messages::startup::SecretKey;
use pgwire::tokio::TlsAcceptor;
use tacitus_query::{POSTGRES_VERSION, Settings};

use crate::secrets::{self, Certificate, SecretError};

/// The files that make the wire ask for credentials and keep its line private.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Lines of `name:password`.
    pub users: Option<PathBuf>,
    /// A chain of certificates and its key, both PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The files, read and checked.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) users: Option<Arc<Users>>,
    pub(super) tls: Option<TlsAcceptor>,
    /// The chain as it stands in its file: logins are bound to it.
    pub(super) certificate: Option<Arc<[u8]>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = self.tls.is_some();
        out.debug_struct("Login")
            .field("users", &self.users)
            .field("tls", &tls)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Reads and checks the files.
    pub(super) fn read(secrets: &Secrets) -> Result<Self, SecretError> {
        let users = secrets.users.as_deref().map(Users::read).transpose()?.map(Arc::new);
        let tls = secrets.certificate.as_ref().map(|(chain, key)| tls(chain, key)).transpose()?;
        let certificate =
            secrets.certificate.as_ref().map(|(chain, _)| secrets::read(chain)).transpose()?;
        Ok(Self { users, tls, certificate: certificate.map(Into::into) })
    }
}

fn tls(chain: &Path, key: &Path) -> Result<TlsAcceptor, SecretError> {
    let (chain, key) = (chain.to_owned(), key.to_owned());
    let certificate = Certificate { chain, key, client_authority: None };
    let mut config = secrets::tls(&certificate)?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The users and what their passwords become with a salt of this start.
pub(super) struct Users {
    salted: HashMap<String, Password>,
    /// What a user who does not exist is compared with: nobody's password.
    nobody: Password,
}

impl fmt::Debug for Users {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} users", self.salted.len())
    }
}

impl Users {
    fn read(file: &Path) -> Result<Self, SecretError> {
        let users = secrets::users(file)?.into_iter();
        let salted = users.map(|(name, password)| (name, with_salt(&password))).collect();
        Ok(Self { salted, nobody: with_salt(&nonce()) })
    }
}

fn nonce() -> String {
    pgwire::api::auth::sasl::scram::random_nonce()
}

fn with_salt(password: &str) -> Password {
    let salt = nonce().into_bytes();
    let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
    Password::new(Some(salt), salted)
}

#[async_trait]
impl AuthSource for Users {
    #[expect(elided_lifetimes_in_paths, reason = "the trait is declared without them")]
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let known = login.user().and_then(|user| self.salted.get(user));
        Ok(known.unwrap_or(&self.nobody).clone())
    }
}

/// Numbers connections, and gives each a key that cannot be guessed.
#[derive(Debug, Default)]
pub(super) struct Keys(RandomPidSecretKeyGenerator);

impl PidSecretKeyGenerator for Keys {
    fn generate(&self, client: &dyn ClientInfo) -> (i32, SecretKey) {
        self.0.generate(client)
    }
}

/// What a client sets when it says who it is. What nobody knows is no reason to turn it away.
pub(super) fn settings<C: ClientInfo + ?Sized>(client: &C) -> Settings {
    let mut settings = Settings::default();
    let told = client.metadata();
    for (name, value) in told {
        if !matches!(name.as_str(), "user" | "database" | "replication" | "options") {
            drop(settings.set(name, value));
        }
    }
    let options = told.get("options").map_or("", String::as_str);
    for (name, value) in options.split("-c").filter_map(|option| option.trim().split_once('=')) {
        drop(settings.set(name.trim(), value.trim()));
    }
    settings
}

/// What the server says of itself when a client has logged in.
#[derive(Debug)]
pub(super) struct Greeting;

impl ServerParameterProvider for Greeting {
    fn server_parameters<C: ClientInfo>(&self, client: &C) -> Option<HashMap<String, String>> {
        let told = settings(client);
        let own = |name: &str| told.get(name).unwrap_or_default().to_owned();
        let facts = [
            (
                "server_version",
                format!("{POSTGRES_VERSION} (Tacitus {})", env!("CARGO_PKG_VERSION")),
            ),
            ("server_encoding", "UTF8".to_owned()),
            ("client_encoding", own("client_encoding")),
            ("DateStyle", own("DateStyle")),
            ("IntervalStyle", own("IntervalStyle")),
            ("TimeZone", own("TimeZone")),
            ("integer_datetimes", "on".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("in_hot_standby", "off".to_owned()),
            ("default_transaction_read_only", "off".to_owned()),
            ("is_superuser", "off".to_owned()),
            ("application_name", own("application_name")),
            ("session_authorization", client.metadata().get("user").cloned().unwrap_or_default()),
        ];
        Some(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
