//! JSON in and out.
//!
//! *Invariant.* A body that stands for an object is one: members are told by name, never by their
//! place in a list.

use std::fmt;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Why a body is not read.
#[derive(Debug)]
pub(super) enum Unread {
    NoObject,
    Wrong(serde_json::Error),
}

impl fmt::Display for Unread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObject => out.write_str("it is not a JSON object"),
            Self::Wrong(error) => error.fmt(out),
        }
    }
}

/// Reads an object.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unread> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Unread::NoObject);
    }
    serde_json::from_slice(body).map_err(Unread::Wrong)
}

/// A JSON answer.
pub(super) fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Named {
        name: Option<String>,
    }

    #[test]
    fn a_list_is_no_object() {
        let read = |body: &str| object::<Named>(body.as_bytes()).map(|named| named.name);
        assert_eq!(read(" {\"name\": \"a\"}").unwrap().as_deref(), Some("a"));
        assert_eq!(read("[null]").unwrap_err().to_string(), "it is not a JSON object");
        assert!(read("{\"name\": 1}").unwrap_err().to_string().contains("expected a string"));
    }
}
