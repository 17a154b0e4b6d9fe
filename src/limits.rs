//! Every bound of the server that nobody needs to configure, each with the reason for the number.
//!
//! *Not here.* Bounds a person may want to move: `config::BOOK`.

use std::time::Duration;

/// LIMIT: the head of a request lies in memory before anyone looks at it; ours are short.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 64 * 1024;

/// LIMIT: each header costs a slot; browsers behind two proxies send about 30.
pub(crate) const HTTP_HEADERS_MAX: usize = 100;

/// LIMIT: how long open requests may take to finish after the stop was requested. Together with
/// draining the queue and closing the store a stop stays within ten seconds.
pub(crate) const HTTP_DRAIN: Duration = Duration::from_secs(4);

/// LIMIT: how long the listener rests when the system has no descriptor for a new connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// LIMIT: how long the parts of the server may take to stop, all together. What is acknowledged
/// is on disk before, so cutting off costs nobody an acknowledged sample.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(8);

/// LIMIT: how long threads may take to end after everything else has.
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(1);
