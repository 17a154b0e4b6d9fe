//! The words of the settings that stand for more than themselves.
//!
//! *Invariant.* Every word a person may write is in one of the lists here, which the configuration
//! shows.

use std::fmt;

/// How the way to the server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// As well as the server offers.
    Auto,
    /// By this policy.
    Policy(Policy),
}

/// A security policy that both sides can keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `Basic256Sha256`.
    Basic256Sha256,
    /// `Aes128_Sha256_RsaOaep`.
    Aes128Sha256RsaOaep,
    /// `Aes256_Sha256_RsaPss`.
    Aes256Sha256RsaPss,
}

/// How much is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecurityMode {
    /// Messages are signed.
    Sign,
    /// Messages are signed and encrypted.
    #[default]
    SignAndEncrypt,
}

/// Whose time a sample has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Times {
    /// The source's, where it states one.
    #[default]
    Source,
    /// The server's.
    Server,
}

/// By how much a number must change before the server sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Deadband {
    /// In the unit of the item.
    Absolute(f64),
    /// In percent of the range that the server states for the item.
    Percent(f64),
}

impl Security {
    /// What may be written.
    pub const WORDS: &'static [&'static str] =
        &["none", "auto", "basic256sha256", "aes128_sha256_rsaoaep", "aes256_sha256_rsapss"];

    /// Reads a word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "auto" => Self::Auto,
            "basic256sha256" => Self::Policy(Policy::Basic256Sha256),
            "aes128_sha256_rsaoaep" => Self::Policy(Policy::Aes128Sha256RsaOaep),
            "aes256_sha256_rsapss" => Self::Policy(Policy::Aes256Sha256RsaPss),
            _ => return None,
        })
    }
}

impl Policy {
    /// The URI of the policy (Part 7, 6.6).
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Basic256Sha256 => "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256",
            Self::Aes128Sha256RsaOaep => {
                "http://opcfoundation.org/UA/SecurityPolicy#Aes128_Sha256_RsaOaep"
            }
            Self::Aes256Sha256RsaPss => {
                "http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss"
            }
        }
    }

    /// Every policy, the strongest first.
    pub const ALL: [Self; 3] =
        [Self::Aes256Sha256RsaPss, Self::Aes128Sha256RsaOaep, Self::Basic256Sha256];
}

impl SecurityMode {
    /// What may be written.
    pub const WORDS: &'static [&'static str] = &["sign_and_encrypt", "sign"];

    /// Reads a word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "sign_and_encrypt" => Some(Self::SignAndEncrypt),
            "sign" => Some(Self::Sign),
            _ => None,
        }
    }
}

impl Times {
    /// What may be written.
    pub const WORDS: &'static [&'static str] = &["source", "server"];

    /// Reads a word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "source" => Some(Self::Source),
            "server" => Some(Self::Server),
            _ => None,
        }
    }
}

impl Deadband {
    /// Reads `0.5` or `1 %`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (number, percent) = match text.trim().strip_suffix('%') {
            Some(number) => (number, true),
            None => (text, false),
        };
        let number: f64 = number.trim().parse().ok()?;
        let most = if percent { 100.0 } else { f64::MAX };
        if !(number > 0.0 && number <= most) {
            return None;
        }
        Some(if percent { Self::Percent(number) } else { Self::Absolute(number) })
    }
}

impl fmt::Display for Deadband {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(number) => write!(out, "{number}"),
            Self::Percent(number) => write!(out, "{number} %"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadband_is_a_number_or_a_percentage() {
        for (text, want) in [
            ("0.5", Some(Deadband::Absolute(0.5))),
            ("1 %", Some(Deadband::Percent(1.0))),
            ("2.5%", Some(Deadband::Percent(2.5))),
            ("0", None),
            ("-1", None),
            ("101 %", None),
            ("much", None),
            ("nan", None),
        ] {
            assert_eq!(Deadband::read(text), want, "{text}");
        }
    }

    #[test]
    fn every_listed_word_is_read() {
        assert!(Security::WORDS.iter().all(|word| Security::read(word).is_some()));
        assert!(SecurityMode::WORDS.iter().all(|word| SecurityMode::read(word).is_some()));
        assert!(Times::WORDS.iter().all(|word| Times::read(word).is_some()));
    }
}
