//! Which segments and heads make up the store at one moment.
//!
//! *Invariant.* Segments stand in the order of their sequences, then the frozen head that is
//! being sealed, then the head: of two sources the later one is the truth. A version is replaced
//! whole, never changed.

use std::sync::Arc;

use crate::head::Head;
use crate::manifest::Deletion;
use crate::segment::Segment;

/// The parts of the store.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The last sequence that is in the segments.
    pub(crate) checkpoint: u64,
    pub(crate) frozen: Option<Arc<Head>>,
    pub(crate) head: Arc<Head>,
    /// In the order of their sequences; those of the head's records too.
    pub(crate) deletions: Arc<Vec<Deletion>>,
}

impl Version {
    /// The same parts, to be put together anew.
    pub(crate) fn share(&self) -> Self {
        Self {
            segments: self.segments.clone(),
            checkpoint: self.checkpoint,
            frozen: self.frozen.clone(),
            head: Arc::clone(&self.head),
            deletions: Arc::clone(&self.deletions),
        }
    }

    /// The heads, older first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Arc<Head>> {
        self.frozen.iter().chain(std::iter::once(&self.head))
    }
}
