//! The scrub as part of the background work: at what pace, and what becomes of its findings.
//!
//! *Invariant.* A finding changes nothing: it is listed until the process ends, and found again by
//! the next tour.

use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use crate::engine::{Engine, Keeper};
use crate::limits::{FINDINGS_MAX, SCRUB_BYTES};
use crate::scrub::ScrubProgress;
use crate::verify::Damage;

impl Engine {
    /// Checks about `budget_bytes` of the files that never change, from where the tour stands.
    pub fn scrub_step(&self, budget_bytes: u64) -> ScrubProgress {
        self.scrub(&mut self.lock_keeper(), budget_bytes)
    }

    /// What was found damaged since the store was opened, at most a thousand places.
    pub fn damages(&self) -> Vec<Damage> {
        self.lock_findings().clone()
    }

    /// Goes on with the tour as far as its pace asks for.
    pub(super) fn scrub_if_due(&self, keeper: &mut Keeper) -> bool {
        let total = keeper.manifest.files().map(|(_, file)| file.bytes).sum();
        let tour_ns = self.settings.scrub_tour_s.saturating_mul(1_000_000_000);
        let now_ns = self.parts.clock.monotonic_ns();
        let budget = keeper.scrub.allow(now_ns, total, tour_ns, SCRUB_BYTES);
        budget > 0 && self.scrub(keeper, budget).bytes > 0
    }

    fn scrub(&self, keeper: &mut Keeper, budget: u64) -> ScrubProgress {
        let now_ns = self.parts.clock.now().nanos();
        let Keeper { manifest, scrub, .. } = keeper;
        let progress = scrub.advance(&*self.parts.disk, manifest, now_ns, budget);
        self.scrub_tours.store(scrub.mark().tours, Ordering::Relaxed);
        let mut findings = self.lock_findings();
        for damage in &progress.damages {
            if findings.len() < FINDINGS_MAX && !findings.contains(damage) {
                findings.push(damage.clone());
            }
        }
        progress
    }

    pub(crate) fn lock_findings(&self) -> MutexGuard<'_, Vec<Damage>> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
