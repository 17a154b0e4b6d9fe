//! The states of an alarm: ISA-18.2-2016 and IEC 62682, figure "alarm state diagram", A to I.
//!
//! *Invariant.* Of several things that keep an alarm from being announced the strongest is shown:
//! out of service, then suppressed by design, then shelved.

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AlarmState {
    /// A: all is well.
    Normal,
    /// B: active, nobody has seen it.
    Unacknowledged,
    /// C: active, somebody has.
    Acknowledged,
    /// D: over, nobody has seen it.
    ReturnedUnacknowledged,
    /// E: over and held until it is reset, nobody has seen it.
    LatchedUnacknowledged,
    /// F: over and held until it is reset, somebody has seen it.
    LatchedAcknowledged,
    /// G: put aside by an operator for a time.
    Shelved,
    /// H: not announced, by the logic of the plant.
    SuppressedByDesign,
    /// I: taken out of service.
    OutOfService,
}

impl AlarmState {
    /// The word for it in SQL.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Unacknowledged => "unacknowledged",
            Self::Acknowledged => "acknowledged",
            Self::ReturnedUnacknowledged => "returned_unacknowledged",
            Self::LatchedUnacknowledged => "latched_unacknowledged",
            Self::LatchedAcknowledged => "latched_acknowledged",
            Self::Shelved => "shelved",
            Self::SuppressedByDesign => "suppressed_by_design",
            Self::OutOfService => "out_of_service",
        }
    }
}
