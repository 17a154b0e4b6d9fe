//! The types of Sparkplug B, by number and name (specification 3.0, chapter 6.4.16).
//!
//! *Invariant.* A signed integer travels as two's complement in an unsigned field; its width comes
//! from the type of the birth, so that −5 never becomes 4294967291.

use tacitus_model::Kind;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum DataType {
    /// Not said.
    Unknown = 0,
    /// Signed, 8 bits.
    Int8 = 1,
    /// Signed, 16 bits.
    Int16 = 2,
    /// Signed, 32 bits.
    Int32 = 3,
    /// Signed, 64 bits.
    Int64 = 4,
    /// Unsigned, 8 bits.
    UInt8 = 5,
    /// Unsigned, 16 bits.
    UInt16 = 6,
    /// Unsigned, 32 bits.
    UInt32 = 7,
    /// Unsigned, 64 bits.
    UInt64 = 8,
    /// A binary32.
    Float = 9,
    /// A binary64.
    Double = 10,
    /// A boolean.
    Boolean = 11,
    /// A text.
    String = 12,
    /// Milliseconds since 1970, UTC.
    DateTime = 13,
    /// A text.
    Text = 14,
    /// A UUID as text.
    Uuid = 15,
    /// A table.
    DataSet = 16,
    /// Bytes.
    Bytes = 17,
    /// The bytes of a file.
    File = 18,
    /// A structure.
    Template = 19,
    /// Properties.
    PropertySet = 20,
    /// Lists of properties.
    PropertySetList = 21,
    /// Signed, 8 bits each.
    Int8Array = 22,
    /// Signed, 16 bits each.
    Int16Array = 23,
    /// Signed, 32 bits each.
    Int32Array = 24,
    /// Signed, 64 bits each.
    Int64Array = 25,
    /// Unsigned, 8 bits each.
    UInt8Array = 26,
    /// Unsigned, 16 bits each.
    UInt16Array = 27,
    /// Unsigned, 32 bits each.
    UInt32Array = 28,
    /// Unsigned, 64 bits each.
    UInt64Array = 29,
    /// Binary32 each.
    FloatArray = 30,
    /// Binary64 each.
    DoubleArray = 31,
    /// A bit each.
    BooleanArray = 32,
    /// Texts, each ended by a zero byte.
    StringArray = 33,
    /// Milliseconds since 1970 each.
    DateTimeArray = 34,
}

impl DataType {
    /// Every type, by its number.
    pub const ALL: [Self; 35] = [
        Self::Unknown,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::UInt8,
        Self::UInt16,
        Self::UInt32,
        Self::UInt64,
        Self::Float,
        Self::Double,
        Self::Boolean,
        Self::String,
        Self::DateTime,
        Self::Text,
        Self::Uuid,
        Self::DataSet,
        Self::Bytes,
        Self::File,
        Self::Template,
        Self::PropertySet,
        Self::PropertySetList,
        Self::Int8Array,
        Self::Int16Array,
        Self::Int32Array,
        Self::Int64Array,
        Self::UInt8Array,
        Self::UInt16Array,
        Self::UInt32Array,
        Self::UInt64Array,
        Self::FloatArray,
        Self::DoubleArray,
        Self::BooleanArray,
        Self::StringArray,
        Self::DateTimeArray,
    ];

    /// The type with this number; a number that no version defines is unknown.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        Self::ALL.get(index).copied().unwrap_or(Self::Unknown)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Its name as renderings in JSON have it.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// The type of a name, whatever its case; `UUID` is one.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let same = |kind: &&Self| kind.name().eq_ignore_ascii_case(name);
        Self::ALL.iter().find(same).copied().unwrap_or(Self::Unknown)
    }

    /// The type of each element of an array.
    #[must_use]
    pub const fn element(self) -> Option<Self> {
        Some(match self {
            Self::Int8Array => Self::Int8,
            Self::Int16Array => Self::Int16,
            Self::Int32Array => Self::Int32,
            Self::Int64Array => Self::Int64,
            Self::UInt8Array => Self::UInt8,
            Self::UInt16Array => Self::UInt16,
            Self::UInt32Array => Self::UInt32,
            Self::UInt64Array => Self::UInt64,
            Self::FloatArray => Self::Float,
            Self::DoubleArray => Self::Double,
            Self::BooleanArray => Self::Boolean,
            Self::StringArray => Self::String,
            Self::DateTimeArray => Self::DateTime,
            _ => return None,
        })
    }

    /// The kind of the tag of a value of this type; `None` where it has several, or is unknown.
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        Some(match self {
            Self::Int8
            | Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::UInt8
            | Self::UInt16
            | Self::UInt32
            | Self::UInt64
            | Self::DateTime => Kind::Int,
            Self::Float | Self::Double => Kind::Float,
            Self::Boolean => Kind::Bool,
            Self::String | Self::Text | Self::Uuid | Self::Bytes | Self::File => Kind::Text,
            _ => return None,
        })
    }
}
