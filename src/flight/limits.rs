//! Every bound of the Flight SQL wire that nobody needs to configure, each with the reason for
//! the number.

use std::time::Duration;

use super::shelf::Room;

/// LIMIT: statements that were asked about and not fetched yet; a client fetches at once. With
/// their parameters they may be long.
pub(super) const TICKETS: Room =
    Room { things: 1024, bytes: 64 << 20, kept: Duration::from_mins(5) };

/// LIMIT: prepared statements of all clients together; some keep dozens, and clients that vanish
/// never close theirs.
pub(super) const PREPARED: Room =
    Room { things: 4096, bytes: 64 << 20, kept: Duration::from_hours(1) };

/// LIMIT: rows of parameters of one prepared statement; each is a statement of its own.
pub(super) const PARAMETER_ROWS_MAX: usize = 1000;

/// LIMIT: one message that comes in lies in memory whole; the clients' usual is below 4 MiB.
pub(super) const MESSAGE_IN_BYTES_MAX: usize = 16 << 20;

/// LIMIT: about the largest message that goes out; clients refuse more than 4 MiB.
pub(super) const MESSAGE_OUT_BYTES_MAX: usize = 2 << 20;

/// LIMIT: batches of rows on their way into the store at once, so that one sender shares a sync
/// with itself and still cannot fill the queue.
pub(super) const BATCHES_UNDER_WAY_MAX: usize = 4;

/// LIMIT: a longer list of refused rows is read by nobody; the rest is counted.
pub(super) const REFUSED_NAMED_MAX: usize = 5;

/// LIMIT: calls of one connection at a time.
pub(super) const CALLS_MAX: u32 = 256;

/// LIMIT: how much of what a client sends is taken before it must wait: as much as keeps a fast
/// link busy.
pub(super) const WINDOW_BYTES: u32 = 4 << 20;

/// LIMIT: the head of a call lies in memory before anyone looks at it; ours are short.
pub(super) const HEAD_BYTES_MAX: u32 = 64 << 10;

/// How often a silent connection is asked whether it still lives, and how long it may take to
/// answer. LIMIT: a client that vanished frees its place and ends its statements.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(30);

/// LIMIT: how long open calls may take to finish after the stop was requested.
pub(super) const DRAIN: Duration = Duration::from_secs(4);

/// LIMIT: connections at a time, each with all its calls.
pub(super) const CONNECTIONS_MAX: usize = 512;
