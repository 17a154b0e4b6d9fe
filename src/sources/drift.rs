//! What is usual of a source's times, and when that changed.
//!
//! *Invariant.* One message that is late, or a backlog that is sent fast, is no jump: what is far from
//! the usual has to stay in one place for a while.

use tacitus_model::Timestamp;

use super::Status;

/// What is within this of the usual is no jump. LIMIT: networks and batching delay by seconds.
const NEAR_NS: i64 = 5_000_000_000;

/// Of what is far, how near each other distances must stay to be one new place.
const STEADY_NS: i64 = 2_000_000_000;

/// How long they must, and how many they must be.
const SETTLED_NS: i64 = 10_000_000_000;
const SETTLED_COUNT: u32 = 4;

/// The part of a new distance that goes into the smoothed one: one in this many.
const SMOOTH: i64 = 16;

/// Jitter by which what is near is wider.
const JITTERS: i64 = 8;

/// Ahead by more than this is a clock that is wrong: nothing arrives before it was measured.
const AHEAD_NS: i64 = 1_000_000_000;

/// Behind by more than this is a clock that is wrong, or a way that is slow.
const BEHIND_NS: i64 = 30_000_000_000;

/// How long a source counts as jumping after a jump.
const JUMPING_NS: i64 = 600_000_000_000;

/// What to think of the times of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// They are what they should be.
    Trusted,
    /// They are in the future.
    Ahead,
    /// They are long past when they arrive.
    Behind,
    /// They changed at once, within the last ten minutes.
    Jumping,
    /// There are none: what it sends is dated by its arrival.
    Untimed,
}

impl Trust {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Ahead => "ahead",
            Self::Behind => "behind",
            Self::Jumping => "jumping",
            Self::Untimed => "untimed",
        }
    }
}

/// A change at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// When it was noticed.
    pub at: Timestamp,
    /// The skew before.
    pub from_ns: i64,
    /// The skew after.
    pub to_ns: i64,
}

/// The times of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Drift {
    /// `None` before the first.
    usual_ns: Option<i64>,
    /// When the first was, and how many were near the usual since, until that is established.
    begun: Begun,
    jitter_ns: i64,
    /// Where what is far from the usual lies.
    far: Option<Far>,
    jumps: u64,
    last: Option<Jump>,
}

/// What comes first can be a backlog: until the usual has stayed for a while, another is no jump.
#[derive(Debug, Clone, Copy, Default)]
struct Begun {
    since_ns: i64,
    count: u32,
    is_over: bool,
}

#[derive(Debug, Clone, Copy)]
struct Far {
    behind_ns: i64,
    since_ns: i64,
    count: u32,
}

impl Drift {
    /// Something arrived that was `behind_ns` old; the jump that this proves.
    pub(super) fn note(&mut self, behind_ns: i64, steady_ns: i64, now: Timestamp) -> Option<Jump> {
        let Some(usual_ns) = self.usual_ns else {
            self.usual_ns = Some(behind_ns);
            self.begun = Begun { since_ns: steady_ns, count: 1, is_over: false };
            return None;
        };
        let off_ns = behind_ns.saturating_sub(usual_ns);
        let size_ns = off_ns.saturating_abs();
        if size_ns <= NEAR_NS.max(self.jitter_ns.saturating_mul(JITTERS)) {
            self.usual_ns = Some(usual_ns.saturating_add(off_ns / SMOOTH));
            self.jitter_ns += (size_ns - self.jitter_ns) / SMOOTH;
            self.far = None;
            let begun = &mut self.begun;
            begun.count = begun.count.saturating_add(1);
            begun.is_over |= begun.count > SETTLED_COUNT
                && steady_ns.saturating_sub(begun.since_ns) >= SETTLED_NS;
            return None;
        }
        let near =
            |far: &Far| behind_ns.saturating_sub(far.behind_ns).saturating_abs() <= STEADY_NS;
        let far = match self.far.filter(near) {
            Some(far) => Far { count: far.count.saturating_add(1), ..far },
            None => Far { behind_ns, since_ns: steady_ns, count: 1 },
        };
        self.far = Some(far);
        let settled = steady_ns.saturating_sub(far.since_ns) >= SETTLED_NS;
        if settled && far.count >= SETTLED_COUNT && !self.begun.is_over {
            let (usual_ns, begun) = (Some(behind_ns), Begun { is_over: true, ..self.begun });
            *self = Self { usual_ns, begun, ..Self::default() };
            return None;
        }
        (settled && far.count >= SETTLED_COUNT)
            .then(|| self.jump(Jump { at: now, from_ns: usual_ns, to_ns: behind_ns }))
    }

    /// Takes a jump for true.
    pub(super) fn jump(&mut self, jump: Jump) -> Jump {
        self.jumps = self.jumps.saturating_add(1);
        self.last = Some(jump);
        self.usual_ns = Some(jump.to_ns);
        self.jitter_ns = 0;
        self.far = None;
        jump
    }

    pub(super) fn jumps(&self) -> u64 {
        self.jumps
    }

    /// What there is to see; all distances are `offset_ns` longer by the clock as it is.
    pub(super) fn status(
        &self,
        source: &str,
        last_arrival: Timestamp,
        last: Option<Timestamp>,
        (offset_ns, now): (i64, Timestamp),
    ) -> Status {
        let skew_ns = self.usual_ns.unwrap_or(0).saturating_add(offset_ns);
        let is_new = |jump: &Jump| now.nanos().saturating_sub(jump.at.nanos()) < JUMPING_NS;
        let trust = if last.is_none() {
            Trust::Untimed
        } else if self.last.as_ref().is_some_and(is_new) {
            Trust::Jumping
        } else if skew_ns < -AHEAD_NS {
            Trust::Ahead
        } else if skew_ns > BEHIND_NS {
            Trust::Behind
        } else {
            Trust::Trusted
        };
        Status {
            source: source.to_owned(),
            last_arrival,
            last,
            skew_ns: last.map(|_| skew_ns),
            jitter_ns: last.map(|_| self.jitter_ns),
            jumps: self.jumps,
            last_jump: self.last,
            trust,
        }
    }
}
