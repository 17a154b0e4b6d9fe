//! What sort of value a tag holds. A tag's kind is fixed when the tag is created.
//!
//! *Invariant.* The numbers are part of the disk format: they are never reused or changed.

/// The kind of a tag's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// IEEE 754 binary64; binary32 sources are widened, which is exact.
    Float = 1,
    /// Signed 64-bit integer.
    Int = 2,
    /// True or false.
    Bool = 3,
    /// An index into the tag's named state set.
    State = 4,
    /// UTF-8 text.
    Text = 5,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 5] = [Self::Float, Self::Int, Self::Bool, Self::State, Self::Text];

    /// The number that stands for this kind on disk.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this number, or `None` for a number no version has used.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The name used in SQL, in the configuration and in the interfaces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Int => "int",
            Self::Bool => "bool",
            Self::State => "state",
            Self::Text => "text",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether values hold until the next sample instead of being interpolated, unless the tag
    /// says otherwise: only floats are taken to move in straight lines.
    #[must_use]
    pub const fn steps(self) -> bool {
        !matches!(self, Self::Float)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}
