//! Who may read through the OPC UA server.
//!
//! *Invariant.* Where users are named, nobody gets in without the password of one, on a line that
//! is encrypted or signed. A wrong name takes as long as a wrong password, and both take a while.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use opcua::server::authenticator::{AuthManager, DefaultAuthenticator, Password, UserToken};
use opcua::server::{ServerEndpoint, ServerUserToken};
use opcua::types::{Error, StatusCode, UserTokenPolicy};

/// How long a refusal takes, so that guessing does too.
const REFUSAL_TAKES: Duration = Duration::from_millis(500);

/// The users.
pub(super) struct Users {
    passwords: BTreeMap<String, String>,
    /// Knows what an endpoint offers.
    offers: DefaultAuthenticator,
}

impl Users {
    /// Reads a file of lines `name:password`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("could not read \"{}\": {error}", file.display()))?;
        let mut passwords = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once(':') {
                Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                    passwords.insert(name.to_owned(), password.to_owned());
                }
                _ => {
                    let file = file.display();
                    return Err(format!("line {number} of \"{file}\" is not name:password"));
                }
            }
        }
        if passwords.is_empty() {
            return Err(format!("\"{}\" names no user", file.display()));
        }
        Ok(Self::new(passwords))
    }

    fn new(passwords: BTreeMap<String, String>) -> Self {
        let token = |(name, password): (&String, &String)| {
            (name.clone(), ServerUserToken::user_pass(name.clone(), password.clone()))
        };
        let offers = DefaultAuthenticator::new(passwords.iter().map(token).collect());
        Self { passwords, offers }
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.passwords.keys().cloned().collect()
    }

    fn knows(&self, name: &str, password: &str) -> bool {
        let known = self.passwords.get(name);
        let same = alike(known.map_or("", String::as_str).as_bytes(), password.as_bytes());
        known.is_some() && same
    }
}

/// Whether two passwords are the same, in a time that does not tell where they differ.
fn alike(one: &[u8], other: &[u8]) -> bool {
    let differing = one
        .iter()
        .zip(other.iter().chain(std::iter::repeat(&0)))
        .fold(0, |differing, (one, other)| differing | (one ^ other));
    one.len() == other.len() && differing == 0
}

#[async_trait]
impl AuthManager for Users {
    async fn authenticate_username_identity_token(
        &self,
        endpoint: &ServerEndpoint,
        username: &str,
        password: &Password,
    ) -> Result<UserToken, Error> {
        if endpoint.user_token_ids.contains(username) && self.knows(username, password.get()) {
            return Ok(UserToken(username.to_owned()));
        }
        tokio::time::sleep(REFUSAL_TAKES).await;
        tracing::warn!("a login at the OPC UA server was refused");
        let text = "the user or the password is wrong";
        Err(Error::new(StatusCode::BadUserAccessDenied, text))
    }

    fn user_token_policies(&self, endpoint: &ServerEndpoint) -> Vec<UserTokenPolicy> {
        self.offers.user_token_policies(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_gets_in_with_the_whole_password_and_nobody_else_does() {
        let users = Users::new(BTreeMap::from([("reader".to_owned(), "secret".to_owned())]));
        for (name, password, want) in [
            ("reader", "secret", true),
            ("reader", "secre", false),
            ("reader", "secrets", false),
            ("reader", "", false),
            ("writer", "secret", false),
            ("", "", false),
        ] {
            assert_eq!(users.knows(name, password), want, "{name} {password}");
        }
    }

    #[test]
    fn a_file_of_users_is_read_or_refused_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("users");
        for (text, want) in [
            ("reader:a:b\n# no user\n\nother:x", Ok(vec!["other", "reader"])),
            ("reader", Err("line 1")),
            ("# nobody", Err("names no user")),
        ] {
            std::fs::write(&file, text).unwrap();
            match (Users::read(&file), want) {
                (Ok(users), Ok(names)) => assert_eq!(users.names(), names),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (got, _) => panic!("{text}: {:?}", got.map(|users| users.names())),
            }
        }
    }
}
