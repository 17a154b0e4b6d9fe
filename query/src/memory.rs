//! The memory one statement may take, out of what all may take together.
//!
//! Operators that can go on with less (sorts, aggregates) share the statement's memory evenly and
//! put what does not fit into temporary files; what cannot is refused.
//!
//! *Invariant.* No byte is granted that is not within the bound of the statement and within the
//! bound of all statements.

use std::fmt;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// What the names of all consumers have in them that are hash tables of groups.
const GROUPS: &str = "HashAggregateStream[";

/// The pool of one statement.
#[derive(Debug)]
pub(crate) struct StatementPool {
    own: FairSpillPool,
    bytes_max: usize,
    all: Arc<dyn MemoryPool>,
}

impl StatementPool {
    pub(crate) fn new(bytes_max: usize, all: Arc<dyn MemoryPool>) -> Self {
        Self { own: FairSpillPool::new(bytes_max), bytes_max, all }
    }
}

impl fmt::Display for StatementPool {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "statement ({} of {} bytes)", self.own.reserved(), self.bytes_max)
    }
}

impl MemoryPool for StatementPool {
    fn name(&self) -> &'static str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
        self.all.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
        self.all.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.all.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.all.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let spare = spare_bytes(reservation, additional);
        self.own.try_grow(reservation, additional.saturating_add(spare))?;
        self.own.shrink(reservation, spare);
        self.all
            .try_grow(reservation, additional)
            .inspect_err(|_| self.own.shrink(reservation, additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.bytes_max)
    }
}

/// What must be free beside what is asked for. A hash table of groups doubles, and tells of it
/// afterwards.
fn spare_bytes(reservation: &MemoryReservation, additional: usize) -> usize {
    if reservation.consumer().name().contains(GROUPS) {
        reservation.size().saturating_add(additional) / 4 * 3
    } else {
        0
    }
}
