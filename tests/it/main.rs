//! The real binary, over real sockets: what a user, a supervisor and a power cut see.
//!
//! *Invariant.* Nothing here reaches into the server: a process is started, talked to and stopped
//! or killed. Every server listens on ports of its own and keeps its data in a directory of its
//! own, so that tests run beside each other.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]
#![expect(clippy::panic, reason = "a test that cannot go on may panic")]
#![expect(clippy::print_stdout, reason = "a test that measures or skips says so")]

// Alarms, from the events of an OPC UA server to SQL.
mod alarms;
// Backup, restore, verify, repair.
mod backup;
// The broker across a kill.
mod broker;
// What is typed, and the exact texts and exit codes that come back.
mod cli;
// Collectors defined while the server runs.
mod collectors;
// Tags changed and samples corrected over HTTP.
mod corrections;
// The examples of the documentation.
mod examples;
// Arrow Flight SQL as its own client speaks it.
mod flight;
// Two servers, and the way between them.
mod forward;
mod forward_tls;
// A disk without room: refused, readable, and alive again when there is room.
mod full;
// The pack for Grafana, every query of it.
mod grafana;
// What HTTP answers to what is wrong.
mod http;
// Samples that are a pure function of their number, and what must be found of them.
mod ledger;
// SIGKILL at any instant: nothing acknowledged is lost, nothing is invented.
mod kill;
// A minimal MQTT client that knows which message was acknowledged.
mod mqtt;
// The wire of PostgreSQL, asked by a real driver.
mod postgres;
// What machines did with their time.
mod oee;
// Assets, calendars, events and annotations, kept and asked for.
mod plant;
// A sync that fails: no acknowledgement after it, exit code 4.
mod poison;
// A server as a child process.
mod server;
// Following the store: events, WebSocket, the tail of a query.
mod live;
// By how much the times of senders differ from when they arrive.
mod sources;
// The Sparkplug host as an edge node sees it.
mod sparkplug;
// Control charts: defined, frozen, killed, asked.
mod spc;
// SIGTERM: a polite stop.
mod stop;
// The wire of PostgreSQL in TLS.
mod tls;
