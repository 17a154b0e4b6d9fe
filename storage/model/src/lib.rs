//! The words of a plant historian: tag, sample, quality, batch.
//!
//! Every other crate speaks with these types, so this one depends on nothing but `std` and
//! holds no behaviour beyond what a word means: a quality knows whether it is good, a value
//! knows its kind, a path knows what is not a path.
//!
//! *Not here.* How a sample is stored (`tacitus-storage`), travels (`tacitus-protocol`) or is
//! asked for (`tacitus-query`).

mod batch;
mod kind;
mod path;
mod quality;
mod sample;
mod tag;
mod timestamp;
mod value;

pub use batch::Batch;
pub use kind::Kind;
pub use path::{PATH_BYTES_MAX, PathError, TagPath};
pub use quality::Quality;
pub use sample::{Sample, TEXT_BYTES_MAX};
pub use tag::{
    LABELS_MAX, STATES_MAX, Tag, TagChange, TagDefinition, TagId, Thinning, ThinningRule,
};
pub use timestamp::{TimeRange, Timestamp};
pub use value::{KindMismatch, Value};
