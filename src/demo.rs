//! Demo.
pub mod plant;
