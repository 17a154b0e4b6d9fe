//! Moments as text: RFC 3339.
//!
//! *Invariant.* Nothing of a moment is lost. The fraction of the second has 0, 3, 6 or 9 digits,
//! the fewest that hold it.

use chrono::{DateTime, SecondsFormat};

/// A moment in UTC: `2026-01-31T12:00:00.250Z`.
pub(crate) fn rfc3339(nanos: i64) -> String {
    DateTime::from_timestamp_nanos(nanos).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A time without a time zone: `2026-01-31T12:00:00.250`.
pub(super) fn local(nanos: i64) -> String {
    let mut text = rfc3339(nanos);
    text.pop();
    text
}
