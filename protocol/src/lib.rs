//! Crate root.
pub mod opcua;
mod point;
pub use point::Point;
