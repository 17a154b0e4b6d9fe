//! What a collector is doing, for the status page, the relation `collectors` and the metrics.
//!
//! *Invariant.* Counters only grow. Reading a state never waits for the collector.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tacitus_model::Timestamp;
use tacitus_storage::Clock;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

use super::limits::{FAILURES_SHOWN_MAX, RATE_WINDOW};
use super::{Order, Unfulfilled};

/// Where a collector is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It reaches out to its device.
    #[default]
    Connecting,
    /// It receives values.
    Connected,
    /// The connection was lost; the device may still hold values for it.
    Reconnecting,
    /// It waits before it tries again.
    Waiting,
    /// A person keeps it from collecting.
    Paused,
    /// It has stopped.
    Stopped,
}

impl Phase {
    /// The word for status pages and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// An item that cannot be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The item's name on the device.
    pub node: String,
    /// The tag it would fill.
    pub tag: String,
    /// What the device said.
    pub reason: String,
}

/// One look at a collector.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// The word of its kind.
    pub kind: String,
    /// The address of its device.
    pub endpoint: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when it is connected, in this connection.
    pub connected_since: Option<Timestamp>,
    /// Items that are watched.
    pub items_good: usize,
    /// Items that are not, and are retried.
    pub items_failed: usize,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// The last thing that went wrong, and when.
    pub last_error: Option<(Timestamp, String)>,
    /// The time of the last sample.
    pub last_sample: Option<Timestamp>,
    /// How much later than its time it arrived, in nanoseconds. Negative: the device's clock is
    /// ahead.
    pub lag_ns: Option<i64>,
    /// By how much the device's clock is ahead of ours, in nanoseconds, where it says its time.
    pub skew_ns: Option<i64>,
    /// Values a second, lately.
    pub rate: f64,
    /// Values received.
    pub values_total: u64,
    /// Values that cannot be stored, for what they are.
    pub values_refused_total: u64,
    /// Values dropped because the store was slower than the device for too long.
    pub values_dropped_total: u64,
    /// Values the device marked as following lost ones (the overflow bit).
    pub overflows_total: u64,
    /// Values that were fetched from the device's history.
    pub values_recovered_total: u64,
    /// Connections that came about.
    pub connections_total: u64,
    /// Interruptions that were written into the tags' histories.
    pub gaps_total: u64,
    /// Subscriptions that fell silent and were created again.
    pub silences_total: u64,
}

impl Status {
    /// Values a second, lately, as a whole number.
    #[must_use]
    pub fn rate_rounded(&self) -> u64 {
        // Through text: a rate is small and never negative, and no cast has to be argued for.
        format!("{:.0}", self.rate).parse().unwrap_or(0)
    }
}

/// The state of a collector. The collector writes it, anyone reads it.
pub struct State {
    clock: Arc<dyn Clock>,
    shown: Mutex<Status>,
    window: Mutex<Window>,
    values: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    overflows: AtomicU64,
    recovered: AtomicU64,
    /// The time of the last sample and its lag; `i64::MIN` before the first.
    last_ns: AtomicI64,
    lag_ns: AtomicI64,
    orders: Mutex<Option<Sender<Order>>>,
}

/// Counts of values in windows of one length: the running one and the one before.
#[derive(Debug, Default, Clone, Copy)]
struct Window {
    number: u64,
    running: u64,
    before: u64,
}

impl Window {
    fn turn_to(&mut self, number: u64) {
        if number != self.number {
            self.before = if number == self.number + 1 { self.running } else { 0 };
            self.running = 0;
            self.number = number;
        }
    }
}

impl State {
    /// The state of a collector that is about to start.
    #[must_use]
    pub fn new(name: &str, kind: &str, endpoint: &str, clock: &Arc<dyn Clock>) -> Self {
        let shown = Status {
            name: name.to_owned(),
            kind: kind.to_owned(),
            endpoint: endpoint.to_owned(),
            ..Status::default()
        };
        Self {
            clock: Arc::clone(clock),
            shown: Mutex::new(shown),
            window: Mutex::default(),
            values: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            last_ns: AtomicI64::new(i64::MIN),
            lag_ns: AtomicI64::new(0),
            orders: Mutex::default(),
        }
    }

    /// What there is to see.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = self.shown().clone();
        status.values_total = self.values.load(Ordering::Relaxed);
        status.values_refused_total = self.refused.load(Ordering::Relaxed);
        status.values_dropped_total = self.dropped.load(Ordering::Relaxed);
        status.overflows_total = self.overflows.load(Ordering::Relaxed);
        status.values_recovered_total = self.recovered.load(Ordering::Relaxed);
        let last_ns = self.last_ns.load(Ordering::Relaxed);
        if last_ns != i64::MIN {
            status.last_sample = Some(Timestamp::from_nanos(last_ns));
            status.lag_ns = Some(self.lag_ns.load(Ordering::Relaxed));
        }
        status.rate = self.rate();
        status
    }

    /// Values were received.
    pub fn received(&self, count: u64) {
        self.values.fetch_add(count, Ordering::Relaxed);
        let number = self.window_number();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.turn_to(number);
        window.running += count;
    }

    /// A sample of this time arrived now.
    pub fn sampled(&self, ts: Timestamp, arrival: Timestamp) {
        self.last_ns.store(ts.nanos(), Ordering::Relaxed);
        self.lag_ns.store(arrival.nanos().saturating_sub(ts.nanos()), Ordering::Relaxed);
    }

    /// Values cannot be stored, for what they are.
    pub fn refused(&self, count: u64) {
        self.refused.fetch_add(count, Ordering::Relaxed);
    }

    /// Values were dropped: the store was slower than the device for too long.
    pub fn dropped(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// The device said that values before this one are lost.
    pub fn overflowed(&self) {
        self.overflows.fetch_add(1, Ordering::Relaxed);
    }

    /// Values came from the device's history.
    pub fn recovered(&self, count: u64) {
        self.recovered.fetch_add(count, Ordering::Relaxed);
    }

    /// Opens the way for orders to the device; `None` closes it.
    pub fn take_orders(&self, to: Option<Sender<Order>>) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Has an order carried out by the device.
    ///
    /// # Errors
    /// Why it was not, or that this is not known.
    pub async fn order(&self, what: Value) -> Result<Value, Unfulfilled> {
        let way = self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let way = way.ok_or(Unfulfilled::Unconnected)?;
        let (answer, outcome) = oneshot::channel();
        way.try_send(Order { what, answer }).map_err(|_full| Unfulfilled::Unconnected)?;
        let lost = |_| Err(Unfulfilled::Unknown("the connection ended".to_owned()));
        outcome.await.unwrap_or_else(lost)
    }

    /// Changes what is shown.
    pub fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.shown());
    }

    /// It goes on to another phase.
    pub fn phase(&self, phase: Phase) {
        let since = (phase == Phase::Connected).then(|| self.clock.now());
        self.change(|status| {
            status.phase = phase;
            status.connected_since = since;
        });
    }

    /// It has stopped.
    pub fn stopped(&self) {
        self.phase(Phase::Stopped);
    }

    /// Something went wrong.
    pub fn error(&self, text: impl Into<String>) {
        let error = (self.clock.now(), text.into());
        self.change(|status| status.last_error = Some(error));
    }

    /// How many items are watched, and which are not.
    pub fn items(&self, good: usize, failures: Vec<Failure>) {
        self.change(|status| {
            status.items_good = good;
            status.items_failed = failures.len();
            status.failures = failures.into_iter().take(FAILURES_SHOWN_MAX).collect();
        });
    }

    fn window_number(&self) -> u64 {
        let window_ns = u64::try_from(RATE_WINDOW.as_nanos()).unwrap_or(u64::MAX);
        self.clock.monotonic_ns() / window_ns.max(1)
    }

    /// The larger of what the last whole window says and what the running one already proves.
    fn rate(&self) -> f64 {
        let mut window = *self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.turn_to(self.window_number());
        let count = window.before.max(window.running);
        f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / RATE_WINDOW.as_secs_f64()
    }

    /// A panic while the lock was held cannot leave a half-written status behind that matters.
    fn shown(&self) -> MutexGuard<'_, Status> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("State").field(&self.status()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_nanos(0)
        }

        fn monotonic_ns(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_whole_window_and_ends_with_the_values() {
        let hand = Arc::new(Hand::default());
        let clock: Arc<dyn Clock> = Arc::clone(&hand) as Arc<dyn Clock>;
        let state = State::new("a", "opcua", "there", &clock);
        let window_ns = u64::try_from(RATE_WINDOW.as_nanos()).unwrap();
        let rate_at = |windows: u64, count: u64| {
            hand.0.store(windows * window_ns, Ordering::Relaxed);
            state.received(count);
            state.status().rate * RATE_WINDOW.as_secs_f64()
        };
        let rates = [(0, 100), (1, 30), (1, 30), (2, 0), (3, 0)].map(|(at, n)| rate_at(at, n));
        let near = |(got, want): (f64, f64)| (got - want).abs() < 1e-6;
        assert!(rates.into_iter().zip([100.0, 100.0, 100.0, 60.0, 0.0]).all(near), "{rates:?}");
    }
}
