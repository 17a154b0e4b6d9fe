//! How an aggregate treats what is not good: OPC UA's `AggregateConfiguration`, and `Stepped`.
//!
//! *Source.* OPC 10000-13, 4.2.1.2; the defaults are its own.

/// The configuration of one calculation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// A value holds until the next sample.
    pub(crate) stepped: bool,
    /// Uncertain samples are treated as bad.
    pub(crate) treat_uncertain_as_bad: bool,
    /// An interval is bad if at least so many per cent of it are.
    pub(crate) percent_data_bad: u8,
    /// An interval is good if at least so many per cent of it are.
    pub(crate) percent_data_good: u8,
    /// Past the last sample the line through the last two goes on; else the last value holds.
    pub(crate) use_sloped_extrapolation: bool,
    /// The shortest time the server tells apart, in nanoseconds.
    pub(crate) resolution_ns: i64,
}

impl Configuration {
    /// The standard's defaults, with a resolution of a millisecond.
    pub(crate) const STANDARD: Self = Self {
        stepped: false,
        treat_uncertain_as_bad: true,
        percent_data_bad: 100,
        percent_data_good: 100,
        use_sloped_extrapolation: false,
        resolution_ns: 1_000_000,
    };

    /// Whether a server may work by it: what is neither good nor bad is uncertain, nothing is both
    /// but at the boundary.
    pub(crate) fn is_consistent(&self) -> bool {
        self.percent_data_bad <= 100
            && self.percent_data_good <= 100
            && u16::from(self.percent_data_good) + u16::from(self.percent_data_bad) >= 100
    }
}
