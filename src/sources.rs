//! Clock trust: by how much the times that sources give their samples differ from when these arrive,
//! and when that changed at once.
//!
//! ```text
//! newest time of a message, arrival ─▶ distance ─┬─ near what is usual ─▶ skew, jitter (smoothed)
//!                                                └─ far, and stays there for 10 s ─▶ a jump
//! ```
//! Arrival is told by the monotonic clock, so that a jump of this server's own clock is no jump of
//! every source; it has a row of its own, `server`.
//!
//! *Invariant.* Memory is bounded: of too many sources the one that was silent longest is forgotten, and
//! counted. A message costs a look-up; the smoothing is done some fifty times a second and source.
//!
//! *Not here.* What to do about a clock that is wrong: samples keep the times they came with.
//! Retention has its own judgement of the server's clock (`tacitus_storage`).

mod drift;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tacitus_model::Timestamp;
use tacitus_storage::Clock;

use crate::shutdown::Shutdown;
use drift::Drift;

pub use drift::{Jump, Trust};

/// LIMIT: sources that are remembered, some 300 bytes each; more than a server has connections.
pub const SOURCES_MAX: usize = 4096;

/// LIMIT: how long two looks at one source are apart at least: a flood of messages says no more
/// about a clock than fifty a second.
const LOOK_EVERY_NS: i64 = 20_000_000;

/// LIMIT: a time of day that moves by less than this against the monotonic one is being corrected,
/// not set.
const OWN_JUMP_NS: i64 = 1_000_000_000;

/// How often this server's clock is looked at where nothing arrives.
const WATCH_EVERY: Duration = Duration::from_secs(5);

/// The name of this server's own clock among the sources.
const OWN: &str = "server";

/// One look at a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name: `mqtt:CLIENT`, `opcua:NAME`, `server`.
    pub source: String,
    /// When something arrived last.
    pub last_arrival: Timestamp,
    /// The newest time in it; `None` where there was never one.
    pub last: Option<Timestamp>,
    /// By how much times lie before arrivals, smoothed, in nanoseconds; negative: its clock is
    /// ahead.
    pub skew_ns: Option<i64>,
    /// How far single ones are from that, smoothed, in nanoseconds.
    pub jitter_ns: Option<i64>,
    /// How often the skew changed at once.
    pub jumps: u64,
    /// The last time it did.
    pub last_jump: Option<Jump>,
    /// What to think of its times.
    pub trust: Trust,
}

/// All sources.
pub struct Sources {
    clock: Arc<dyn Clock>,
    own: Mutex<Own>,
    known: RwLock<HashMap<String, Arc<Source>>>,
    forgotten: AtomicU64,
    jumps: AtomicU64,
}

/// This server's clock.
struct Own {
    /// Time of day and monotonic time at the start.
    first: (i64, i64),
    /// By how much the time of day was off that when last looked at.
    offset_ns: i64,
    drift: Drift,
}

struct Source {
    last_arrival_ns: AtomicI64,
    last_ns: AtomicI64,
    looked_ns: AtomicI64,
    drift: Mutex<Drift>,
}

impl Sources {
    /// Nobody was heard yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let first = (clock.now().nanos(), monotonic_ns(&*clock));
        Self {
            clock,
            own: Mutex::new(Own { first, offset_ns: 0, drift: Drift::default() }),
            known: RwLock::default(),
            forgotten: AtomicU64::new(0),
            jumps: AtomicU64::new(0),
        }
    }

    /// Something of a source arrived now, the newest of it with this time.
    pub fn heard(&self, source: &str, newest: Timestamp) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        let known = known.unwrap_or_else(|| self.meet(source));
        let steady_ns = self.steady_ns();
        known.last_arrival_ns.store(self.clock.now().nanos(), Ordering::Relaxed);
        known.last_ns.store(newest.nanos(), Ordering::Relaxed);
        let looked_ns = known.looked_ns.load(Ordering::Relaxed);
        if steady_ns.saturating_sub(looked_ns) < LOOK_EVERY_NS {
            return;
        }
        known.looked_ns.store(steady_ns, Ordering::Relaxed);
        let behind_ns = steady_ns.saturating_sub(newest.nanos());
        let jump = {
            let mut drift = known.drift.lock().unwrap_or_else(PoisonError::into_inner);
            drift.note(behind_ns, steady_ns, self.clock.now())
        };
        if let Some(jump) = jump {
            self.tell(source, jump);
        }
    }

    /// Something of a source arrived now that says no time. LIMIT: where as many sources are known as
    /// are remembered, none is forgotten for one whose clock nobody can judge.
    pub fn arrived(&self, source: &str) {
        let find =
            || self.known.read().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        let is_full =
            || self.known.read().unwrap_or_else(PoisonError::into_inner).len() >= SOURCES_MAX;
        let known = match find() {
            Some(known) => known,
            None if is_full() => return,
            None => self.meet(source),
        };
        known.last_arrival_ns.store(self.clock.now().nanos(), Ordering::Relaxed);
    }

    /// Every source by name, and this server's own clock.
    #[must_use]
    pub fn list(&self) -> Vec<Status> {
        self.look_at_own();
        let now = self.clock.now();
        let (offset_ns, own) = {
            let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            (own.offset_ns, own.drift.status(OWN, now, Some(now), (0, now)))
        };
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_source = |(name, source): (&String, &Arc<Source>)| {
            let at = |moment: &AtomicI64| Timestamp::from_nanos(moment.load(Ordering::Relaxed));
            let (arrival, last) = (at(&source.last_arrival_ns), at(&source.last_ns));
            let last = Some(last).filter(|last| last.nanos() > i64::MIN);
            let drift = source.drift.lock().unwrap_or_else(PoisonError::into_inner);
            // By the time of day as it is now, where this server's clock was set since the start.
            drift.status(name, arrival, last, (offset_ns, now))
        };
        let mut all: Vec<Status> = known.iter().map(of_source).chain([own]).collect();
        all.sort_by(|one, other| one.source.cmp(&other.source));
        all
    }

    /// Sources that were forgotten for others.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// Jumps of all sources, and of this server's clock.
    #[must_use]
    pub fn jumps(&self) -> (u64, u64) {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).drift.jumps();
        (self.jumps.load(Ordering::Relaxed), own)
    }

    /// Looks at this server's clock for ever.
    pub async fn watch(self: Arc<Self>, shutdown: Shutdown) {
        while tokio::time::timeout(WATCH_EVERY, shutdown.requested()).await.is_err() {
            self.look_at_own();
        }
    }

    /// Compares the time of day with the monotonic clock.
    pub(crate) fn look_at_own(&self) {
        let (now, steady_ns) = (self.clock.now(), self.steady_ns());
        let jump = {
            let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
            let before = own.offset_ns;
            own.offset_ns = now.nanos().saturating_sub(steady_ns);
            let moved = own.offset_ns.saturating_sub(before);
            (moved.saturating_abs() >= OWN_JUMP_NS)
                .then(|| own.drift.jump(Jump { at: now, from_ns: before, to_ns: before + moved }))
        };
        if let Some(jump) = jump {
            let seconds = jump.to_ns.saturating_sub(jump.from_ns) / 1_000_000_000;
            let hint = "look at the time service of this machine";
            tracing::warn!(seconds, hint, "the clock of this server was set");
        }
    }

    fn tell(&self, source: &str, jump: Jump) {
        self.jumps.fetch_add(1, Ordering::Relaxed);
        let (from_ms, to_ms) = (jump.from_ns / 1_000_000, jump.to_ns / 1_000_000);
        let hint = "look at its clock, or at what delays its samples";
        tracing::warn!(source, from_ms, to_ms, hint, "the times of a source jumped");
    }

    /// The time of day as it would be had nobody set the clock since the start.
    fn steady_ns(&self) -> i64 {
        let (wall_ns, at_ns) = self.own.lock().unwrap_or_else(PoisonError::into_inner).first;
        wall_ns.saturating_add(monotonic_ns(&*self.clock).saturating_sub(at_ns))
    }

    fn meet(&self, source: &str) -> Arc<Source> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = known.get(source) {
            return Arc::clone(own);
        }
        if known.len() >= SOURCES_MAX {
            let silent =
                |(_, own): &(&String, &Arc<Source>)| own.last_arrival_ns.load(Ordering::Relaxed);
            let oldest = known.iter().min_by_key(silent).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                known.remove(&oldest);
                self.forgotten.fetch_add(1, Ordering::Relaxed);
            }
        }
        let own = Arc::new(Source {
            last_arrival_ns: AtomicI64::new(i64::MIN),
            last_ns: AtomicI64::new(i64::MIN),
            looked_ns: AtomicI64::new(i64::MIN),
            drift: Mutex::default(),
        });
        known.insert(source.to_owned(), Arc::clone(&own));
        own
    }
}

fn monotonic_ns(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.monotonic_ns()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Sources {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).len();
        out.debug_struct("Sources").field("known", &known).finish_non_exhaustive()
    }
}
