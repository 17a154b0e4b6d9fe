//! Every bound of the Postgres wire that nobody needs to configure, each with its reason.

use std::time::Duration;

/// LIMIT: who connects and does not say who it is holds a descriptor.
pub(super) const STARTUP_MAX: Duration = Duration::from_secs(30);

/// LIMIT: bytes that wait to be sent; beyond, the statement waits for its reader.
pub(super) const SEND_BYTES: usize = 64 * 1024;

/// LIMIT: messages that a client may send ahead while a statement runs; beyond, they wait in its
/// own socket. Pipelines of drivers are shorter.
pub(super) const AHEAD_MAX: usize = 256;

/// LIMIT: statements and portals a connection may keep; each holds its text and its rows at hand.
pub(super) const STATEMENTS_MAX: usize = 1_000;

/// LIMIT: portals and cursors of a connection; each holds a place among the running statements.
pub(super) const PORTALS_MAX: usize = 64;

/// LIMIT: rows of COPY or INSERT that are turned into samples at once.
pub(super) const WRITE_ROWS_MAX: usize = 8_192;

/// LIMIT: bytes of one line or field of COPY; a text value has 64 KiB.
pub(super) const COPY_LINE_BYTES_MAX: usize = 1024 * 1024;

/// LIMIT: how long open conversations may take to end after the stop was requested.
pub(super) const DRAIN: Duration = Duration::from_secs(2);
