//! How many messages a second a client may send.
//!
//! *Invariant.* Over any time a client is read no faster than its rate, but for one second's worth
//! at once; it is never cut for it, only read later.

use std::time::Duration;

use tokio::time::Instant;

/// How much may come at once.
const BURST: Duration = Duration::from_secs(1);

/// The pace of one client.
#[derive(Debug)]
pub(super) struct Pace {
    per_s: Option<u32>,
    /// When all that came would have come at the rate.
    paid: Instant,
}

impl Pace {
    /// No more than so many a second; `None`: as many as come.
    pub(super) fn new(per_s: Option<u32>) -> Self {
        Self { per_s, paid: Instant::now() }
    }

    /// Counts messages that came.
    pub(super) fn count(&mut self, messages: usize, now: Instant) {
        let Some(per_s) = self.per_s else { return };
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.paid = self.paid.max(now) + Duration::from_secs(1) * messages / per_s.max(1);
    }

    /// Until when nothing is to be read.
    pub(super) fn rests_until(&self, now: Instant) -> Option<Instant> {
        self.per_s?;
        let until = self.paid.checked_sub(BURST)?;
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_messages_may_come_at_once_and_more_is_waited_for() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(10));
        pace.count(10, start);
        assert_eq!(pace.rests_until(start + Duration::from_millis(1)), None);
        pace.count(5, start);
        let until = pace.rests_until(start).unwrap();
        assert!(until <= start + Duration::from_millis(501), "half a second's worth too many");
        assert_eq!(pace.rests_until(start + Duration::from_secs(1)), None);
    }

    #[test]
    fn without_a_rate_nothing_is_waited_for() {
        let start = Instant::now();
        let mut pace = Pace::new(None);
        pace.count(usize::MAX, start);
        assert_eq!(pace.rests_until(start), None);
    }
}
