//! SQL over a Tacitus store, on DataFusion.
//!
//! ```text
//! Session ─connect(role)─▶ Connection ─prepare(text, types)─▶ Prepared: columns, parameter types
//!    └─sql(text, params)─▶     └─run(text, params), run_prepared─▶ Answer ─next─▶ record batches
//!                                                                    └─canceller─▶ from any task
//! ```
//!
//! A [`Session`] is the only handle through which a wire asks. A wire opens a [`Connection`] for
//! each of its clients (settings, role, and with [`Connection::with_dialect`] words of its own) or
//! asks the session itself, where nothing is to be kept. A statement is checked, planned over one
//! snapshot of the store, let in by role and weight, and run on threads of the session; an
//! [`Answer`] is the stream of its record batches, which the caller renders with a [`Renderer`] or
//! in its own way. [`Canceller::cancel`], dropping the answer and the time limit all end the work.
//!
//! *Invariant.* Nothing here writes: not to the store, not to a socket; the only files are
//! temporary ones in the folder of [`Limits::temp_dir`]. All relations of one statement show the
//! same moment of the store.
//!
//! *Not here.* Sockets and HTTP (the server), and how samples are stored (`tacitus-storage`).

mod admission;
mod aggregate;
mod alarm;
mod answer;
pub mod calendar;
mod connection;
mod cost;
mod dialect;
mod error;
mod filter;
mod format;
mod function;
mod history;
mod holding;
mod limits;
mod memory;
pub mod oee;
mod pacing;
mod padding;
mod parameters;
mod plans;
pub mod plant;
mod preselect;
mod relation;
mod run;
mod scan;
mod session;
mod settings;
pub mod spc;
mod statement;
mod summary;
mod tail;
mod yielding;
mod zone;

pub use alarm::EVENTS_LABEL;
pub use answer::{Answer, Canceller};
pub use connection::{Connection, Prepared};
pub use dialect::Dialect;
pub use error::{QueryError, SqlState};
pub use format::{
    Format, Plain, Plainness, Renderer, type_name, write_date_time, write_float, write_int,
    write_whole,
};
pub use history::{
    AccessError, Frozen, Processed, Processing, TagHistory, freeze, standard_aggregates,
};
pub use limits::{Limits, RoleLimits, STATEMENT_BYTES_MAX};
pub use relation::{
    AnnotationRow, CATALOG, CollectorRow, EventRow, ForwardRow, GapRow, Landscape, RefusalRow,
    SCHEMA, SourceRow, relations,
};
pub use session::Session;
pub use settings::{POSTGRES_VERSION, SETTINGS, Setting, Settings};
pub use statement::{Parameter, split};
pub use tail::Tail;
