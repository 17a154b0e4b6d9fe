//! The servers of a redundant set, as one of them names the others.
//!
//! A server of a set that is not transparent names all of it by application URIs (Part 5, 6.3.10), and
//! FindServers says where they are (Part 4, 6.6.2.4.5.1).
//!
//! *Invariant.* What a server says is added to what a person named, and replaces none of it.

use opcua::client::Session;
use opcua::types::{ApplicationDescription, Error, RedundancySupport, VariableId, Variant};

use super::survey::value;
use crate::collect::limits::ALTERNATIVES_MAX;

/// The URIs of the servers of the set that this one belongs to; none where it stands alone, or
/// where a switch from one to the other is none of its clients' business.
pub(super) async fn uris(session: &Session) -> Result<Vec<String>, Error> {
    let support = value(session, VariableId::Server_ServerRedundancy_RedundancySupport).await?;
    let support = match support.value {
        Some(Variant::Int32(number)) => RedundancySupport::try_from(number).unwrap_or_default(),
        _ => RedundancySupport::None,
    };
    if matches!(support, RedundancySupport::None | RedundancySupport::Transparent) {
        return Ok(Vec::new());
    }
    let named = value(session, VariableId::Server_ServerRedundancy_ServerUriArray).await?;
    let Some(Variant::Array(array)) = named.value else { return Ok(Vec::new()) };
    let text = |value: &Variant| match value {
        Variant::String(text) => text.value().as_deref().map(str::to_owned),
        _ => None,
    };
    // LIMIT: a set has few servers; what is beyond them is not asked for.
    Ok(array.values.iter().filter_map(text).take(ALTERNATIVES_MAX + 1).collect())
}

/// The addresses of those applications that belong to the set, one each, without the address at hand.
pub(super) fn addresses(
    applications: &[ApplicationDescription],
    uris: &[String],
    at_hand: &str,
) -> Vec<String> {
    let own = |one: &&ApplicationDescription| {
        uris.iter().any(|uri| uri.as_str() == one.application_uri.as_ref())
    };
    let address = |one: &ApplicationDescription| {
        let urls: Vec<&str> =
            one.discovery_urls.iter().flatten().map(AsRef::<str>::as_ref).collect();
        if urls.contains(&at_hand) {
            return None;
        }
        urls.into_iter().find(|url| url.starts_with("opc.tcp://")).map(str::to_owned)
    };
    let mut found: Vec<String> = applications.iter().filter(own).filter_map(address).collect();
    found.truncate(ALTERNATIVES_MAX);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_of_the_set_are_known_by_their_uris_and_found_by_their_addresses() {
        let application = |uri: &str, urls: &[&str]| ApplicationDescription {
            application_uri: uri.into(),
            discovery_urls: Some(urls.iter().map(|url| (*url).into()).collect()),
            ..ApplicationDescription::default()
        };
        let applications = [
            application("urn:a", &["opc.tcp://a:4840"]),
            application("urn:b", &["https://b:443", "opc.tcp://b:4840", "opc.tcp://b:4841"]),
            application("urn:other", &["opc.tcp://other:4840"]),
            application("urn:c", &["https://c:443"]),
        ];
        let uris = ["urn:a", "urn:b", "urn:c", "urn:gone"].map(str::to_owned);
        assert_eq!(addresses(&applications, &uris, "opc.tcp://a:4840"), ["opc.tcp://b:4840"]);
        assert_eq!(addresses(&applications, &[], "opc.tcp://a:4840"), Vec::<String>::new());
    }
}
