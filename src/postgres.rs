//! The wire of PostgreSQL: what psql, drivers, Grafana and BI tools speak.
//!
//! ```text
//! listener ─▶ startup (TLS, who) ─▶ conversation ─┬─ query ──▶ tacitus_query::Connection ─▶ rows
//!                  │                              ├─ command (SET, BEGIN, DECLARE, …)
//!               cancel ◀── CancelRequest          └─ COPY, INSERT ──▶ ingest
//! ```
//!
//! Messages are decoded and encoded by `pgwire`; the conversation is ours, so that a cancel, a
//! client that leaves, a time limit and a stop of the server end a statement at any moment.
//!
//! *Invariant.* Every connection has settings, statements, portals and a login of its own. What
//! is written is acknowledged after the sync. A client that is gone leaves no work behind.
//!
//! *Not here.* SQL itself (`tacitus-query`); what a catalog view shows ([`dialect`]).

mod bind;
mod cancel;
mod command;
mod conversation;
mod copy;
mod dialect;
mod failure;
mod insert;
mod limits;
mod listener;
mod login;
mod row;
mod rows;
mod socket;
mod types;
mod work;

pub(crate) use listener::{Listener, Parts};
pub use login::Secrets;
