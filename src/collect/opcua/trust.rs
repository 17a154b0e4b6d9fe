//! Which certificates of servers are trusted: none until a person approves it.
//!
//! ```text
//!  server's certificate ─ never seen ─▶ waiting ─ approve ─▶ approved ─▶ connections
//!                                          └──── refuse ──▶ refused
//! ```
//!
//! *Invariant.* An encrypted session is opened only with a server whose very certificate was
//! approved, which is valid today, and whose names include the address that was called, unless
//! the approval says that the address does not matter. The client library then insists that the
//! server signs with this certificate.
//!
//! *Not here.* Who may approve: whoever may change collectors.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opcua::crypto::X509;
use opcua::types::ByteString;
use serde::{Deserialize, Serialize};
use tacitus_model::Timestamp;
use tacitus_storage::Document;

use crate::collect::limits::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX};
use crate::documents::CERTIFICATES;
use crate::keeper::{Keeper, NotKept};

/// What a person decided of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing yet.
    Waiting,
    /// It is trusted.
    Approved,
    /// It is not.
    Refused,
}

/// A certificate that a server showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The SHA-1 of it, in hexadecimal digits, as OPC UA tools show it.
    pub thumbprint: String,
    /// Whose it says it is.
    pub subject: String,
    /// From when it is valid, RFC 3339.
    pub not_before: String,
    /// Until when, RFC 3339.
    pub not_after: String,
    /// The application it says it belongs to.
    pub application_uri: String,
    /// The address at which it was last seen.
    pub endpoint: String,
    /// When it was last seen, in nanoseconds since 1970.
    pub seen_ns: i64,
    /// What a person decided.
    pub decision: Decision,
    /// Whether it is trusted at an address that it does not name.
    pub any_host: bool,
}

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It cannot be read.
    #[error("the server's certificate cannot be read: {0}")]
    Unreadable(String),
    /// Nobody approved it.
    #[error(
        "the server's certificate {0} is not approved yet; look at it with GET \
         /api/v1/opcua/certificates and approve it there"
    )]
    Unknown(String),
    /// Somebody refused it.
    #[error("the server's certificate {0} was refused")]
    Refused(String),
    /// It is not valid today.
    #[error("the server's certificate is not valid today: {0}")]
    Time(String),
    /// It names other addresses.
    #[error(
        "the server's certificate does not name the address \"{0}\"; give it a certificate that \
         does, or approve this one with \"any_host\": true"
    )]
    Host(String),
}

/// The certificates that were seen.
pub struct Trust {
    keeper: Arc<dyn Keeper>,
    seen: Mutex<BTreeMap<String, Certificate>>,
}

impl Trust {
    /// What was kept.
    #[must_use]
    pub fn new(keeper: Arc<dyn Keeper>) -> Self {
        let mut seen = BTreeMap::new();
        for (_, body) in keeper.kept(CERTIFICATES) {
            match serde_json::from_slice::<Certificate>(&body) {
                Ok(one) => drop(seen.insert(one.thumbprint.clone(), one)),
                Err(error) => tracing::warn!(%error, "a kept certificate is unreadable"),
            }
        }
        Self { keeper, seen: Mutex::new(seen) }
    }

    /// Every certificate, by thumbprint.
    #[must_use]
    pub fn list(&self) -> Vec<Certificate> {
        self.seen().values().cloned().collect()
    }

    /// Decides of a certificate; `None` where it was never seen.
    ///
    /// # Errors
    /// The decision could not be kept, and does not hold.
    pub async fn decide(
        &self,
        thumbprint: &str,
        decision: Decision,
        any_host: bool,
    ) -> Result<Option<Certificate>, NotKept> {
        let known = self.seen().get(thumbprint).cloned();
        let Some(known) = known else { return Ok(None) };
        let decided = Certificate { decision, any_host, ..known };
        self.keep(&decided).await?;
        self.seen().insert(thumbprint.to_owned(), decided.clone());
        Ok(Some(decided))
    }

    /// Judges the certificate that a server shows at an address.
    ///
    /// # Errors
    /// Why it is not trusted.
    pub(super) async fn judge(
        &self,
        der: &ByteString,
        endpoint: &str,
        application_uri: &str,
        now: Timestamp,
    ) -> Result<(), Distrust> {
        let bytes = der.as_ref();
        if bytes.len() > CERTIFICATE_BYTES_MAX {
            return Err(Distrust::Unreadable(format!("it has {} bytes", bytes.len())));
        }
        let certificate =
            X509::from_byte_string(der).map_err(|error| Distrust::Unreadable(error.to_string()))?;
        let shown = describe(&certificate, endpoint, application_uri, now);
        let thumbprint = shown.thumbprint.clone();
        let known = self.see(shown).await;
        match known.decision {
            Decision::Waiting => return Err(Distrust::Unknown(thumbprint)),
            Decision::Refused => return Err(Distrust::Refused(thumbprint)),
            Decision::Approved => {}
        }
        let today = chrono::DateTime::from_timestamp_nanos(now.nanos());
        certificate.is_time_valid(&today).map_err(|error| Distrust::Time(error.to_string()))?;
        let host = host(endpoint);
        if !known.any_host && certificate.is_hostname_valid(host).is_err() {
            return Err(Distrust::Host(host.to_owned()));
        }
        Ok(())
    }

    /// Remembers that a certificate was seen; returns what is known of it.
    async fn see(&self, now: Certificate) -> Certificate {
        let (known, is_new, forgotten) = {
            let mut seen = self.seen();
            if let Some(known) = seen.get_mut(&now.thumbprint) {
                known.endpoint = now.endpoint;
                known.seen_ns = now.seen_ns;
                (known.clone(), false, None)
            } else {
                seen.insert(now.thumbprint.clone(), now.clone());
                let forgotten =
                    if seen.len() > CERTIFICATES_MAX { forget(&mut seen) } else { None };
                (now, true, forgotten)
            }
        };
        if is_new && let Err(error) = self.keep(&known).await {
            tracing::warn!(%error, "a certificate that was seen is not kept");
        }
        if let Some(thumbprint) = forgotten {
            let record =
                Document { collection: CERTIFICATES, key: thumbprint.into_bytes(), body: None };
            if let Err(error) = self.keeper.keep(vec![record]).await {
                tracing::warn!(%error, "a certificate is not forgotten");
            }
        }
        known
    }

    async fn keep(&self, certificate: &Certificate) -> Result<(), NotKept> {
        let body = serde_json::to_vec(certificate).map_err(|error| NotKept(error.to_string()))?;
        let key = certificate.thumbprint.clone().into_bytes();
        self.keeper.keep(vec![Document { collection: CERTIFICATES, key, body: Some(body) }]).await
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Certificate>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets the certificate that was not seen for the longest time, of those not approved.
fn forget(seen: &mut BTreeMap<String, Certificate>) -> Option<String> {
    let strangers = seen.values().filter(|one| one.decision != Decision::Approved);
    let oldest = strangers.min_by_key(|one| one.seen_ns)?.thumbprint.clone();
    seen.remove(&oldest);
    Some(oldest)
}

fn describe(
    certificate: &X509,
    endpoint: &str,
    application_uri: &str,
    now: Timestamp,
) -> Certificate {
    let time = |moment: Option<chrono::DateTime<chrono::Utc>>| {
        moment.map(|moment| moment.to_rfc3339()).unwrap_or_default()
    };
    Certificate {
        thumbprint: certificate.thumbprint().as_hex_string(),
        subject: certificate.subject_name(),
        not_before: time(certificate.not_before().ok()),
        not_after: time(certificate.not_after().ok()),
        application_uri: application_uri.to_owned(),
        endpoint: endpoint.to_owned(),
        seen_ns: now.nanos(),
        decision: Decision::Waiting,
        any_host: false,
    }
}

/// The host of an address.
fn host(endpoint: &str) -> &str {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    if let Some(bracketed) = authority.strip_prefix('[') {
        return bracketed.split(']').next().unwrap_or_default();
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Trust").field("seen", &self.seen().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::Shelf;
    use opcua::crypto::X509Data;

    const ENDPOINT: &str = "opc.tcp://plc7:4840/ua";

    fn certificate(hosts: &[&str]) -> ByteString {
        let mut data = X509Data::sample_cert();
        data.alt_host_names.names.0.clear();
        data.alt_host_names.add_uri("urn:plc7");
        hosts.iter().for_each(|host| data.alt_host_names.add_address(*host));
        data.certificate_duration_days = 30;
        X509::cert_and_pkey(&data).unwrap().0.as_byte_string()
    }

    fn now() -> Timestamp {
        Timestamp::from_nanos(chrono::Utc::now().timestamp_nanos_opt().unwrap())
    }

    #[tokio::test]
    async fn a_certificate_waits_for_its_approval_which_outlives_a_restart() {
        let shelf: Arc<dyn Keeper> = Arc::new(Shelf::default());
        let trust = Trust::new(Arc::clone(&shelf));
        let der = certificate(&["plc7"]);
        let refusal = trust.judge(&der, ENDPOINT, "urn:plc7", now()).await.unwrap_err();
        let Distrust::Unknown(thumbprint) = refusal else { panic!("{refusal}") };
        assert_eq!(trust.list()[0].decision, Decision::Waiting);
        trust.decide(&thumbprint, Decision::Approved, false).await.unwrap().unwrap();
        assert_eq!(trust.judge(&der, ENDPOINT, "urn:plc7", now()).await, Ok(()));
        let after = Trust::new(shelf);
        assert_eq!(after.judge(&der, ENDPOINT, "urn:plc7", now()).await, Ok(()));
        after.decide(&thumbprint, Decision::Refused, false).await.unwrap().unwrap();
        assert_eq!(
            after.judge(&der, ENDPOINT, "urn:plc7", now()).await,
            Err(Distrust::Refused(thumbprint))
        );
        assert_eq!(after.decide("ffff", Decision::Approved, false).await, Ok(None));
    }

    #[tokio::test]
    async fn another_address_is_trusted_only_where_the_approval_says_so() {
        let trust = Trust::new(Arc::new(Shelf::default()));
        let der = certificate(&["line1"]);
        let refusal = trust.judge(&der, ENDPOINT, "urn:plc7", now()).await.unwrap_err();
        let Distrust::Unknown(thumbprint) = refusal else { panic!("{refusal}") };
        trust.decide(&thumbprint, Decision::Approved, false).await.unwrap();
        assert_eq!(
            trust.judge(&der, ENDPOINT, "urn:plc7", now()).await,
            Err(Distrust::Host("plc7".to_owned()))
        );
        trust.decide(&thumbprint, Decision::Approved, true).await.unwrap();
        assert_eq!(trust.judge(&der, ENDPOINT, "urn:plc7", now()).await, Ok(()));
        let next_year = Timestamp::from_nanos(now().nanos() + 366 * 86_400_000_000_000);
        let refusal = trust.judge(&der, ENDPOINT, "urn:plc7", next_year).await.unwrap_err();
        assert!(matches!(refusal, Distrust::Time(_)), "{refusal}");
    }

    #[test]
    fn the_host_of_an_address_is_found() {
        for (endpoint, want) in [
            ("opc.tcp://plc7:4840/ua", "plc7"),
            ("opc.tcp://plc7", "plc7"),
            ("opc.tcp://10.0.0.5:4840", "10.0.0.5"),
            ("opc.tcp://[::1]:4840/ua", "::1"),
        ] {
            assert_eq!(host(endpoint), want);
        }
    }
}
