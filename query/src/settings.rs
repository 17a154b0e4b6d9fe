//! What a client sets on its connection, in PostgreSQL's words.
//!
//! *Invariant.* Only names of the table below, and names with a dot (which are the client's own),
//! can be set; what has a meaning here has been checked before it is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::{TZ_VARIANTS, Tz};

use crate::error::{QueryError, SqlState};
use crate::limits::SETTINGS_MAX;

/// The settings of one connection.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What differs from the defaults, by lower-case name.
    values: BTreeMap<String, String>,
}

/// One setting: its name as PostgreSQL writes it, its default, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The name.
    pub name: &'static str,
    /// The default.
    pub default: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Whether a client may set it.
    pub settable: bool,
}

const fn may(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    Setting { name, default, description, settable: true }
}

const fn fact(name: &'static str, default: &'static str, description: &'static str) -> Setting {
    Setting { name, default, description, settable: false }
}

const KEPT: &str = "Kept for clients that set it; nothing here depends on it.";

/// The version of PostgreSQL whose words are spoken.
pub const POSTGRES_VERSION: &str = "16.6";

/// Every setting there is, sorted by lower-case name.
pub const SETTINGS: &[Setting] = &[
    may("application_name", "", "The name of the client."),
    may("backslash_quote", "safe_encoding", KEPT),
    may("bytea_output", "hex", "How bytes are written as text; hex only."),
    may("check_function_bodies", "on", KEPT),
    may("client_connection_check_interval", "0", KEPT),
    may("client_encoding", "UTF8", "The encoding of texts; UTF8 only."),
    may("client_min_messages", "notice", KEPT),
    may("cursor_tuple_fraction", "0.1", KEPT),
    may("DateStyle", "ISO, MDY", "How times are written as text; ISO only."),
    may("default_statistics_target", "100", KEPT),
    may("default_tablespace", "", KEPT),
    may("default_text_search_config", "pg_catalog.english", KEPT),
    may("default_transaction_deferrable", "off", KEPT),
    may("default_transaction_isolation", "read committed", KEPT),
    may("default_transaction_read_only", "off", KEPT),
    may("effective_cache_size", "4GB", KEPT),
    may("enable_seqscan", "on", KEPT),
    may("escape_string_warning", "on", KEPT),
    may("extra_float_digits", "1", "Floats are always written so that they read back exactly."),
    may("geqo", "on", KEPT),
    may("idle_in_transaction_session_timeout", "0", KEPT),
    may("idle_session_timeout", "0", KEPT),
    fact("in_hot_standby", "off", "Whether this server follows another one."),
    fact("integer_datetimes", "on", "Times are whole numbers on the wire."),
    may("IntervalStyle", "postgres", "How intervals are written as text."),
    fact("is_superuser", "off", "Whether the user may do everything."),
    may("jit", "off", KEPT),
    may("lc_messages", "C", KEPT),
    may("lc_monetary", "C", KEPT),
    may("lc_numeric", "C", KEPT),
    may("lc_time", "C", KEPT),
    may("lock_timeout", "0", KEPT),
    may("log_min_duration_statement", "-1", KEPT),
    may("maintenance_work_mem", "64MB", KEPT),
    fact("max_connections", "100", "How many connections there may be."),
    fact("max_identifier_length", "63", "The longest name."),
    fact("max_index_keys", "32", "The most columns of an index."),
    may("max_parallel_workers_per_gather", "0", KEPT),
    may("password_encryption", "scram-sha-256", KEPT),
    fact("port", "5433", "The port of the listener, as it is by default."),
    may("quote_all_identifiers", "off", KEPT),
    may("random_page_cost", "4", KEPT),
    may("role", "none", KEPT),
    may("row_security", "on", KEPT),
    may("search_path", "\"$user\", public", "The schemas in which names are searched."),
    fact("server_encoding", "UTF8", "The encoding of the store."),
    fact("server_version", POSTGRES_VERSION, "The version of PostgreSQL that is spoken."),
    fact("server_version_num", "160006", "The same as a number."),
    may("session_replication_role", "origin", KEPT),
    may("standard_conforming_strings", "on", "A backslash in quotes is a backslash."),
    may(
        "statement_timeout",
        "0",
        "The longest time of a statement, in milliseconds; 0: the role's.",
    ),
    may("synchronous_commit", "on", "Samples are acknowledged after the sync, whatever is set."),
    may("tcp_keepalives_count", "0", KEPT),
    may("tcp_keepalives_idle", "0", KEPT),
    may("tcp_keepalives_interval", "0", KEPT),
    may("temp_buffers", "8MB", KEPT),
    may("TimeZone", "UTC", "The time zone of now() and of times written as text."),
    may("timezone_abbreviations", "Default", KEPT),
    may("transaction_deferrable", "off", KEPT),
    may("transaction_isolation", "read committed", KEPT),
    may("transaction_read_only", "off", KEPT),
    may("transform_null_equals", "off", KEPT),
    may("work_mem", "4MB", KEPT),
    may("xmloption", "content", KEPT),
];

/// The setting of this name, in whatever case.
fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

impl Settings {
    /// The value in effect; `None` where there is no such setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        let own = self.values.get(&name.to_ascii_lowercase()).map(String::as_str);
        own.or_else(|| find(name).map(|setting| setting.default))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// There is no such setting, it cannot be changed, or not to this.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let key = name.to_ascii_lowercase();
        let value = match find(name) {
            None if name.contains('.') => value.to_owned(),
            None => {
                return Err(QueryError::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("unrecognized configuration parameter \"{name}\""),
                )
                .with_hint("SHOW ALL lists what can be set"));
            }
            Some(setting) if !setting.settable => {
                return Err(QueryError::new(
                    SqlState::CANNOT_CHANGE_SETTING,
                    format!("parameter \"{name}\" cannot be changed"),
                ));
            }
            Some(_) => checked(&key, value)?,
        };
        if self.values.len() >= SETTINGS_MAX && !self.values.contains_key(&key) {
            return Err(QueryError::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("more than {SETTINGS_MAX} parameters are set"),
            ));
        }
        self.values.insert(key, value);
        Ok(())
    }

    /// Takes a setting back to its default.
    pub fn reset(&mut self, name: &str) {
        self.values.remove(&name.to_ascii_lowercase());
    }

    /// Takes all settings back to their defaults.
    pub fn reset_all(&mut self) {
        self.values.clear();
    }

    /// The time zone of the connection.
    pub fn time_zone(&self) -> &str {
        self.get("timezone").unwrap_or("UTC")
    }

    /// The longest time of a statement, where the client set one.
    pub fn statement_timeout(&self) -> Option<Duration> {
        let ms = span_ms(self.get("statement_timeout")?)?;
        (ms > 0).then(|| Duration::from_millis(ms))
    }
}

/// A value that fits its setting, as it is shown.
fn checked(key: &str, value: &str) -> Result<String, QueryError> {
    let wrong = || {
        QueryError::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"{key}\": \"{value}\""),
        )
    };
    match key {
        "timezone" => zone(value).ok_or_else(wrong),
        "statement_timeout" => span_ms(value).map(|_| value.to_owned()).ok_or_else(wrong),
        "client_encoding" => {
            let plain: String = value
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect::<String>()
                .to_lowercase();
            match plain.as_str() {
                "utf8" | "unicode" | "sqlascii" => Ok("UTF8".to_owned()),
                _ => Err(wrong().with_hint("texts are UTF8")),
            }
        }
        "standard_conforming_strings" if !is_on(value) => Err(QueryError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            "a backslash in quotes is always a backslash",
        )),
        _ => Ok(value.to_owned()),
    }
}

fn is_on(value: &str) -> bool {
    ["on", "true", "1", "yes"].iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// A time zone by its name, in whatever case, or UTC by one of its own.
fn zone(value: &str) -> Option<String> {
    let value = value.trim_matches('\'');
    if ["utc", "z", "gmt", "default", "utc0", "etc/utc", "0"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(value))
    {
        return Some("UTC".to_owned());
    }
    let named = |zone: &&Tz| zone.name().eq_ignore_ascii_case(value);
    TZ_VARIANTS.iter().find(named).map(|zone| zone.name().to_owned())
}

/// A length of time as PostgreSQL writes it: milliseconds, or a number with a unit.
fn span_ms(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_default_fits() {
        let names: Vec<String> = SETTINGS.iter().map(|one| one.name.to_lowercase()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for one in SETTINGS.iter().filter(|one| one.settable) {
            let mut settings = Settings::default();
            settings.set(one.name, one.default).unwrap();
            assert_eq!(settings.get(one.name), Some(one.default));
        }
    }

    #[test]
    fn what_has_a_meaning_is_checked() {
        let mut settings = Settings::default();
        settings.set("timezone", "europe/berlin").unwrap();
        assert_eq!(settings.time_zone(), "Europe/Berlin");
        settings.set("Statement_Timeout", "5s").unwrap();
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(5)));
        settings.set("app.own", "x").unwrap();
        assert_eq!(settings.get("app.own"), Some("x"));
        for (name, value, code) in [
            ("timezone", "Mars/Olympus", "22023"),
            ("statement_timeout", "soon", "22023"),
            ("client_encoding", "LATIN1", "22023"),
            ("no_such_thing", "1", "42704"),
            ("server_version", "9", "55P02"),
        ] {
            let error = settings.set(name, value).unwrap_err();
            assert_eq!(error.sqlstate().code(), code, "{name}");
        }
        settings.reset_all();
        assert_eq!((settings.time_zone(), settings.statement_timeout()), ("UTC", None));
    }
}
