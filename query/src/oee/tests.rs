//! Machines written down in a few lines, and what comes of them.

mod machine;
mod models;
mod properties;
mod reference;
mod rules;
