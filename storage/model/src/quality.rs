//! How far a sample can be trusted: a full OPC UA `StatusCode`.
//!
//! *Invariant.* All 32 bits are kept as the source sent them; only the two highest decide whether
//! a quality is good, uncertain or bad (OPC UA Part 4, 7.39).

use std::fmt;

/// The quality of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quality(pub u32);

impl Quality {
    /// Good, without further detail.
    pub const GOOD: Self = Self(0x0000_0000);
    /// Uncertain, without further detail.
    pub const UNCERTAIN: Self = Self(0x4000_0000);
    /// Bad, without further detail.
    pub const BAD: Self = Self(0x8000_0000);
    /// `BadNoCommunication`: the source cannot be reached.
    pub const BAD_NO_COMMUNICATION: Self = Self(0x8031_0000);
    /// `BadOutOfRange`: the value is outside what its type or range can express.
    pub const BAD_OUT_OF_RANGE: Self = Self(0x803C_0000);
    /// `BadNoData`: the source said that it has no value.
    pub const BAD_NO_DATA: Self = Self(0x809B_0000);

    /// Whether the severity bits say good.
    #[must_use]
    pub const fn is_good(self) -> bool {
        self.0 >> 30 == 0
    }

    /// Whether the severity bits say uncertain.
    #[must_use]
    pub const fn is_uncertain(self) -> bool {
        self.0 >> 30 == 1
    }

    /// Whether the severity bits say bad (the reserved fourth severity counts as bad).
    #[must_use]
    pub const fn is_bad(self) -> bool {
        self.0 >> 31 == 1
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.is_good() {
            "good"
        } else if self.is_uncertain() {
            "uncertain"
        } else {
            "bad"
        };
        write!(out, "{word} (0x{:08X})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_highest_bits_decide() {
        for (code, good, uncertain, bad) in [
            (0x0000_0000, true, false, false),
            (0x00BA_0000, true, false, false),
            (0x4000_0001, false, true, false),
            (0x8031_0000, false, false, true),
            (0xC000_0000, false, false, true),
        ] {
            let quality = Quality(code);
            assert_eq!(
                (quality.is_good(), quality.is_uncertain(), quality.is_bad()),
                (good, uncertain, bad),
                "{code:#x}"
            );
        }
    }
}
