//! Server library.
pub mod collect;
pub mod demo;
pub mod shutdown;
