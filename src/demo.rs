//! Demo.
pub mod opcua;
pub mod plant;
