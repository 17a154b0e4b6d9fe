//! Which topics a user may publish to and subscribe to.
//!
//! *Invariant.* Where there are rights at all, a user without an entry may do nothing; what an
//! entry denies, no other part of it allows.
//!
//! *Not here.* Who a user is: `credentials`.

use std::sync::Arc;

use tacitus_protocol::mqtt::{covers, matches};

/// What one user, or everybody else (`*`), may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Right {
    /// User name; `*` for all who have no entry of their own.
    pub user: String,
    /// Filters of topics the user may publish to. `%u` and `%c` stand for user and client.
    pub publish: Vec<String>,
    /// Filters the user may subscribe to, and all that they cover.
    pub subscribe: Vec<String>,
    /// Filters of topics that are denied all the same.
    pub deny: Vec<String>,
}

/// Everybody's rights.
#[derive(Debug, Clone, Default)]
pub(super) struct Rights(pub(super) Vec<Right>);

/// The rights of one connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    publish: Vec<String>,
    subscribe: Vec<String>,
    deny: Vec<String>,
}

impl Rights {
    /// The rights of a client; `None`: it may do everything.
    pub(super) fn of(&self, user: Option<&str>, client: &str) -> Option<Arc<Allowed>> {
        if self.0.is_empty() {
            return None;
        }
        let named = self.0.iter().find(|right| Some(right.user.as_str()) == user);
        let right = named.or_else(|| self.0.iter().find(|right| right.user == "*"));
        // A name with a wildcard in it would widen the filter it is put into.
        let is_plain = |name: &str| !name.contains(['+', '#', '/']);
        let filled = |filters: &[String]| -> Vec<String> {
            filters
                .iter()
                .filter(|filter| !filter.contains("%c") || is_plain(client))
                .filter(|filter| !filter.contains("%u") || user.is_some_and(is_plain))
                .map(|filter| filter.replace("%u", user.unwrap_or_default()).replace("%c", client))
                .collect()
        };
        Some(Arc::new(Allowed {
            publish: right.map(|right| filled(&right.publish)).unwrap_or_default(),
            subscribe: right.map(|right| filled(&right.subscribe)).unwrap_or_default(),
            deny: right.map(|right| filled(&right.deny)).unwrap_or_default(),
        }))
    }
}

impl Allowed {
    /// Whether messages may be published to a topic.
    pub(super) fn may_publish(&self, topic: &str) -> bool {
        self.publish.iter().any(|filter| matches(filter, topic)) && !self.hides(topic)
    }

    /// Whether a filter may be subscribed to.
    pub(super) fn may_subscribe(&self, filter: &str) -> bool {
        self.subscribe.iter().any(|wide| covers(wide, filter))
            && !self.deny.iter().any(|denied| covers(denied, filter))
    }

    /// Whether messages of a topic are withheld, whatever filter they match.
    pub(super) fn hides(&self, topic: &str) -> bool {
        self.deny.iter().any(|filter| matches(filter, topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights() -> Rights {
        let list = |filters: &[&str]| filters.iter().map(|&filter| filter.to_owned()).collect();
        Rights(vec![
            Right {
                user: "plc".to_owned(),
                publish: list(&["line/%u/#", "own/%c"]),
                subscribe: list(&["line/#"]),
                deny: list(&["line/+/secret"]),
            },
            Right { user: "*".to_owned(), subscribe: list(&["public/#"]), ..Right::default() },
        ])
    }

    #[test]
    fn a_user_may_do_what_the_entry_says() {
        let rights = rights();
        let plc = rights.of(Some("plc"), "c").unwrap();
        for (topic, want) in [
            ("line/plc/a", true),
            ("line/plc", true),
            ("line/other/a", false),
            ("line/plc/secret", false),
            ("own/c", true),
            ("own/d", false),
        ] {
            assert_eq!(plc.may_publish(topic), want, "{topic}");
        }
        for (filter, want) in [
            ("line/#", true),
            ("line/+/a", true),
            ("#", false),
            ("line/1/secret", false),
            ("line/+/secret", false),
        ] {
            assert_eq!(plc.may_subscribe(filter), want, "{filter}");
        }
        assert!(plc.hides("line/1/secret") && !plc.hides("line/1/a"));
    }

    #[test]
    fn others_have_the_rights_of_the_star_and_without_one_none() {
        let mut rights = rights();
        let other = rights.of(None, "c").unwrap();
        assert!(other.may_subscribe("public/a") && !other.may_publish("public/a"));
        rights.0.pop();
        assert!(!rights.of(Some("x"), "c").unwrap().may_subscribe("public/a"));
        assert_eq!(Rights::default().of(None, "c"), None);
    }

    #[test]
    fn a_client_cannot_name_itself_into_more() {
        let plc = rights().of(Some("plc"), "+").unwrap();
        assert!(!plc.may_publish("own/anything"));
    }
}
