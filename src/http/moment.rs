//! Moments in requests and answers: RFC 3339, UTC.
//!
//! *Invariant.* Nothing of a moment is lost: the fraction has the fewest of 0, 3, 6 or 9 digits
//! that hold it.

use axum::http::StatusCode;
use chrono::{DateTime, SecondsFormat};
use tacitus_model::Timestamp;

use super::Problem;

/// A moment as it is written.
pub(super) fn rfc3339(ts: Timestamp) -> String {
    DateTime::from_timestamp_nanos(ts.nanos()).to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A moment as it was written.
pub(super) fn read(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let refuse = |what: &str| {
        Problem::new(StatusCode::BAD_REQUEST, format!("\"{name}\" is \"{text}\", which {what}"))
            .hint("write a time like 2026-01-31T12:00:00.250Z")
    };
    let moment =
        DateTime::parse_from_rfc3339(text).map_err(|_unreadable| refuse("is not a time"))?;
    let nanos = moment.timestamp_nanos_opt();
    nanos.map(Timestamp::from_nanos).ok_or_else(|| refuse("is not between 1678 and 2262"))
}
