//! Server library.
pub mod broker;
