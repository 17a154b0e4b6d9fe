//! SQL over a Tacitus store, on DataFusion.
//!
//! ```text
//! Session ─ statement (one, read-only) ─ plan over one Snapshot ─ scan ─ Answer ─ format
//! ```
//!
//! A [`Session`] is the only handle through which a wire asks: it checks the statement, plans it
//! over one snapshot of the store, runs it on threads of its own and hands back an [`Answer`],
//! a stream of record batches that the caller renders with a [`Renderer`].
//!
//! *Invariant.* Nothing here writes: not to the store, not to a file, not to a socket. All
//! relations of one statement show the same moment of the store.
//!
//! *Not here.* Sockets and HTTP (the server), and how samples are stored (`tacitus-storage`).

mod aggregate;
mod answer;
mod error;
mod filter;
mod format;
mod function;
mod history;
mod limits;
mod relation;
mod scan;
mod session;
mod statement;
mod yielding;
mod zone;

pub use answer::Answer;
pub use error::{QueryError, SqlState};
pub use format::{Format, Renderer};
pub use limits::{Limits, STATEMENT_BYTES_MAX};
pub use session::Session;
pub use statement::Parameter;
