//! The status codes that aggregates give, and the historian bits in them.
//!
//! *Source.* OPC 10000-4, 7.39 (severity, info type), OPC 10000-13, 4.2 and 6 (historian bits,
//! codes of aggregates).
//!
//! *Invariant.* Historian bits are only set together with the info type that makes them valid.

use tacitus_model::Quality;

/// `Uncertain_DataSubNormal`: not all of what the value is of was good.
pub(crate) const SUB_NORMAL: Quality = Quality(0x40A4_0000);

/// Info type `DataValue`: the lowest bits say how a historian came by the value.
const INFO_TYPE_DATA_VALUE: u32 = 0x0400;

/// How a historian came by a value. `0` is a raw value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bits(u32);

impl Bits {
    pub(crate) const RAW: Self = Self(0x00);
    pub(crate) const CALCULATED: Self = Self(0x01);
    pub(crate) const INTERPOLATED: Self = Self(0x02);
    pub(crate) const PARTIAL: Self = Self(0x04);
    pub(crate) const MULTI_VALUE: Self = Self(0x10);

    /// These bits, and others where `set`.
    pub(crate) const fn and(self, others: Self, set: bool) -> Self {
        if set { Self(self.0 | others.0) } else { self }
    }

    /// A status code with these bits.
    pub(crate) const fn on(self, quality: Quality) -> Quality {
        if self.0 == 0 { quality } else { Quality(quality.0 | INFO_TYPE_DATA_VALUE | self.0) }
    }
}

/// A status code without info bits.
#[cfg(test)]
pub(super) const fn base(quality: Quality) -> u32 {
    quality.0 & 0xFFFF_0000
}
