//! Who comes in: users, passwords, certificates, and the rights they bring.
//!
//! *Invariant.* Where users are configured, nobody gets in with a wrong password, and without one
//! only if that is allowed. A name that was not proven gives no rights.
//!
//! *Not here.* What rights allow: `rights`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tacitus_protocol::mqtt::{Connect, ConnectReturnCode};
use tokio_rustls::TlsAcceptor;

use super::Settings;
use super::rights::{Allowed, Rights};
use crate::secrets::{self, SecretError};

/// What clients are asked for at the door.
pub struct Door {
    passwords: Option<HashMap<String, Box<[u8]>>>,
    anonymous: bool,
    pub(super) tls: Option<TlsAcceptor>,
    rights: Rights,
}

impl fmt::Debug for Door {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.passwords.as_ref().map(HashMap::len);
        out.debug_struct("Door")
            .field("users", &users)
            .field("anonymous", &self.anonymous)
            .finish_non_exhaustive()
    }
}

/// A client that was let in.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) allowed: Option<Arc<Allowed>>,
}

impl Door {
    /// Reads and checks the files of the settings.
    pub fn open(settings: &Settings) -> Result<Self, SecretError> {
        let users = settings.users.as_deref().map(secrets::users).transpose()?;
        let passwords = users.map(|users| {
            let boxed = |(name, password): (String, String)| (name, password.into_bytes().into());
            users.into_iter().map(boxed).collect()
        });
        let tls = match &settings.tls {
            None => None,
            Some((_, certificate)) => {
                let mut config = secrets::tls(certificate)?;
                config.alpn_protocols = vec![b"mqtt".to_vec(), b"http/1.1".to_vec()];
                Some(TlsAcceptor::from(Arc::new(config)))
            }
        };
        let rights = Rights(settings.rights.clone());
        Ok(Self { passwords, anonymous: settings.anonymous, tls, rights })
    }

    /// Whether a client has to say who it is.
    pub(super) fn is_guarded(&self) -> bool {
        self.passwords.is_some() || !self.anonymous
    }

    /// Lets a client in, or says why not. A name in a certificate is proven.
    pub(super) fn admit(
        &self,
        connect: &Connect,
        client: &str,
        certificate: Option<&str>,
    ) -> Result<Guest, ConnectReturnCode> {
        let user = match certificate {
            Some(name) => Some(name),
            None => self.user(connect)?,
        };
        let allowed = self.rights.of(user, client);
        let will = connect.will.as_ref();
        if let (Some(allowed), Some(will)) = (&allowed, will)
            && !allowed.may_publish(&will.topic)
        {
            return Err(ConnectReturnCode::NotAuthorized);
        }
        Ok(Guest { allowed })
    }

    fn user<'a>(&self, connect: &'a Connect) -> Result<Option<&'a str>, ConnectReturnCode> {
        let nobody = if self.anonymous { Ok(None) } else { Err(ConnectReturnCode::NotAuthorized) };
        let Some(passwords) = &self.passwords else { return nobody };
        let Some(user) = connect.user.as_deref() else { return nobody };
        let given = connect.password.as_deref().unwrap_or_default();
        // Who is not known is compared with a password all the same.
        let known = passwords.get(user);
        let same = is_same(known.map_or(b"\0", |password| password), given);
        if known.is_some() && same {
            Ok(Some(user))
        } else {
            Err(ConnectReturnCode::BadUserNamePassword)
        }
    }
}

/// Compares in a time that tells only the length of what was given.
fn is_same(known: &[u8], given: &[u8]) -> bool {
    let mut differs = known.len() ^ given.len();
    for (place, byte) in given.iter().enumerate() {
        let other = known.get(place % known.len().max(1)).copied().unwrap_or(0);
        differs |= usize::from(byte ^ other);
    }
    differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacitus_protocol::mqtt::{Frames, read_connect};

    fn door(anonymous: bool, users: &[(&str, &str)]) -> Door {
        let boxed = |&(name, password): &(&str, &str)| {
            (name.to_owned(), password.as_bytes().to_vec().into())
        };
        let passwords = (!users.is_empty()).then(|| users.iter().map(boxed).collect());
        Door { passwords, anonymous, tls: None, rights: Rights::default() }
    }

    fn connect(user: Option<(&str, &str)>) -> Connect {
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x01c".to_vec();
        if let Some((name, password)) = user {
            body[7] |= 0xC0;
            for text in [name, password] {
                body.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
                body.extend(text.as_bytes());
            }
        }
        let mut frames = Frames::default();
        frames.buffer().extend_from_slice(&[0x10, u8::try_from(body.len()).unwrap()]);
        frames.buffer().extend_from_slice(&body);
        read_connect(&frames.next_frame().unwrap().unwrap()).unwrap()
    }

    #[test]
    fn who_comes_in_is_decided_by_users_and_by_what_is_allowed() {
        use ConnectReturnCode::{BadUserNamePassword, NotAuthorized};
        let users = [("ann", "secret"), ("bob", "x")];
        let cases = [
            (true, &users[..0], None, Ok(())),
            (true, &users[..0], Some(("ann", "any")), Ok(())),
            (false, &users[..0], Some(("ann", "secret")), Err(NotAuthorized)),
            (true, &users, None, Ok(())),
            (false, &users, None, Err(NotAuthorized)),
            (false, &users, Some(("ann", "secret")), Ok(())),
            (true, &users, Some(("ann", "wrong")), Err(BadUserNamePassword)),
            (true, &users, Some(("ann", "")), Err(BadUserNamePassword)),
            (true, &users, Some(("ann", "secretsecret")), Err(BadUserNamePassword)),
            (true, &users, Some(("eve", "secret")), Err(BadUserNamePassword)),
            (true, &users, Some(("eve", "\0")), Err(BadUserNamePassword)),
        ];
        for (anonymous, users, who, want) in cases {
            let admitted = door(anonymous, users).admit(&connect(who), "c", None);
            assert_eq!(admitted.map(|_guest| ()), want, "{who:?} where {anonymous}, {users:?}");
        }
        let known = door(false, &[]).admit(&connect(None), "c", Some("plc"));
        assert!(known.is_ok(), "a certificate is proof enough");
    }
}
