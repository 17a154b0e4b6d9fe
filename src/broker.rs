//! The embedded MQTT broker: sockets, connections and fan-out.

pub mod intake;

pub use intake::{Incoming, Intake, StoreError};
