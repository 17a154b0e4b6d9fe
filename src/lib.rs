//! The Tacitus server: everything with sockets, threads, clocks and a command line.
//!
//! ```text
//! cli ─▶ config ─▶ server ─┬─▶ broker   MQTT ────────┐
//!                          ├─▶ collect  OPC UA ──────┤
//!                          ├─▶ folder   files ───────┼─▶ ingest ─▶ store
//!                          ├─▶ http     writes ──────┤
//!                          │            SQL ─▶ query ┼───────────▶ store
//!                          ├─▶ postgres SQL, COPY ───┤
//!                          └─▶ flight   SQL, bulk ───┘
//! ```
//!
//! *Invariant.* This crate is the only place that wires: the crates below it are handed their
//! disk, clock and limits and know nothing of each other's existence beyond their direction.

pub mod broker;
mod chance;
pub mod cli;
mod clock;
pub mod collect;
pub mod config;
pub mod demo;
pub mod documents;
mod export;
mod flight;
pub mod folder;
pub mod forward;
pub mod gaps;
mod http;
mod import;
pub mod ingest;
pub mod keeper;
mod limits;
mod live;
mod logging;
mod metrics;
pub mod opcua_server;
pub mod plant;
pub mod postgres;
pub mod secrets;
pub mod server;
pub mod shutdown;
pub mod sources;
