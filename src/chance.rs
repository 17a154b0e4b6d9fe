//! Randomness from the operating system, for identities of stores.
//!
//! *Not here.* Secrets: this source is unique, not unguessable by contract.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use tacitus_storage::Chance;

/// Numbers that differ from process to process and from call to call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemChance;

impl Chance for SystemChance {
    fn next_u64(&self) -> u64 {
        // Each state has keys of its own, drawn from the operating system once a thread and then
        // counted on; the hash of nothing under such keys is as random as they are.
        RandomState::new().build_hasher().finish()
    }
}
