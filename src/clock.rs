//! The one place where the server asks what time it is.
//!
//! *Invariant.* A reading never panics and never leaves the range of [`Timestamp`]: a clock before
//! 1677 or after 2262 reads as the nearest end. Deadlines use [`std::time::Instant`], never this.
//!
//! *Not here.* What to do about a clock that is wrong: that is decided where a time is used.

use std::time::{Instant, SystemTime};

use tacitus_model::Timestamp;
use tacitus_storage::Clock;

/// The clock of the operating system, in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let nanos = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos)
            }
        };
        Timestamp::from_nanos(nanos)
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
