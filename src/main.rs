//! The `tacitus` binary.
fn main() {}
