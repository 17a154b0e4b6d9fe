//! One measured or computed value.
//!
//! *Invariant.* A value is kept bit for bit: two values are the same only if their bits are, so
//! that −0.0 is not 0.0 and a NaN keeps its payload.

use crate::Kind;

/// A value, or the statement that there is none.
#[derive(Debug, Clone)]
pub enum Value {
    /// The source reported a sample without a value, usually with a bad quality.
    Null,
    /// A value of a [`Kind::Float`] tag.
    Float(f64),
    /// A value of a [`Kind::Int`] tag.
    Int(i64),
    /// A value of a [`Kind::Bool`] tag.
    Bool(bool),
    /// A value of a [`Kind::State`] tag: an index into its state set.
    State(u32),
    /// A value of a [`Kind::Text`] tag.
    Text(Box<str>),
}

/// A value could not become a value of a tag's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindMismatch {
    /// The kind of the value.
    pub value: Kind,
    /// The kind of the tag.
    pub tag: Kind,
}

impl Value {
    /// The kind this value belongs to; `None` for [`Value::Null`], which fits every kind.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Null => None,
            Self::Float(_) => Some(Kind::Float),
            Self::Int(_) => Some(Kind::Int),
            Self::Bool(_) => Some(Kind::Bool),
            Self::State(_) => Some(Kind::State),
            Self::Text(_) => Some(Kind::Text),
        }
    }

    /// This value as a value of `kind`, where that loses nothing a plant would miss: numbers
    /// and booleans widen to float, whole floats become integers, 0 and 1 become booleans, and
    /// anything becomes text. States are set by index only: a name needs the tag's state set.
    ///
    /// # Errors
    /// The two kinds, where one cannot stand for the other.
    pub fn coerced(self, kind: Kind) -> Result<Self, KindMismatch> {
        let Some(own) = self.kind() else { return Ok(Self::Null) };
        if own == kind {
            return Ok(self);
        }
        let mismatch = KindMismatch { value: own, tag: kind };
        match kind {
            Kind::Float => self.as_number().map(Self::Float).ok_or(mismatch),
            Kind::Int => self.as_integer().map(Self::Int).ok_or(mismatch),
            Kind::Bool => match self.as_integer() {
                Some(0) => Ok(Self::Bool(false)),
                Some(1) => Ok(Self::Bool(true)),
                _ => Err(mismatch),
            },
            Kind::State => self
                .as_integer()
                .and_then(|n| u32::try_from(n).ok())
                .map(Self::State)
                .ok_or(mismatch),
            Kind::Text => match self {
                Self::Float(number) => Ok(Self::Text(number.to_string().into())),
                Self::Int(number) => Ok(Self::Text(number.to_string().into())),
                Self::Bool(fact) => Ok(Self::Text(fact.to_string().into())),
                other => Err(KindMismatch { value: other.kind().unwrap_or(own), tag: kind }),
            },
        }
    }

    /// The value as a number for arithmetic: booleans as 0 and 1, states by index. Text and
    /// null have none. Integers beyond 2^53 are rounded to the nearest float.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "documented: nearest float")]
            Self::Int(number) => Some(*number as f64),
            Self::Bool(fact) => Some(f64::from(u8::from(*fact))),
            Self::State(index) => Some(f64::from(*index)),
            Self::Null | Self::Text(_) => None,
        }
    }

    /// The value as a whole number, where it is one exactly.
    fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bool(fact) => Some(i64::from(*fact)),
            Self::State(index) => Some(i64::from(*index)),
            Self::Float(number) => whole(*number),
            Self::Null | Self::Text(_) => None,
        }
    }
}

/// A float as an integer, where it is whole and within ±2^53, the span in which every integer
/// has its own float.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fits = number.is_finite() && number.abs() <= EXACT && number.fract().to_bits() << 1 == 0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53 by the line above")]
    fits.then_some(number as i64)
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::State(a), Self::State(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl std::fmt::Display for KindMismatch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "a {} value does not fit a {} tag", self.value, self.tag)
    }
}

impl std::error::Error for KindMismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_by_bits() {
        let quiet = f64::from_bits(0x7ff8_0000_0000_0001);
        assert_eq!(Value::Float(quiet), Value::Float(quiet));
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_ne!(Value::Int(1), Value::Bool(true));
    }

    #[test]
    fn a_value_becomes_another_kind_only_where_nothing_is_lost() {
        let text = |s: &str| Value::Text(s.into());
        for (value, kind, want) in [
            (Value::Int(3), Kind::Float, Some(Value::Float(3.0))),
            (Value::Bool(true), Kind::Float, Some(Value::Float(1.0))),
            (Value::Float(3.0), Kind::Int, Some(Value::Int(3))),
            (Value::Float(-0.0), Kind::Int, Some(Value::Int(0))),
            (Value::Float(3.5), Kind::Int, None),
            (Value::Float(1e300), Kind::Int, None),
            (Value::Float(f64::NAN), Kind::Int, None),
            (Value::Int(1), Kind::Bool, Some(Value::Bool(true))),
            (Value::Int(2), Kind::Bool, None),
            (Value::Int(2), Kind::State, Some(Value::State(2))),
            (Value::Int(-1), Kind::State, None),
            (Value::Float(21.5), Kind::Text, Some(text("21.5"))),
            (text("21.5"), Kind::Float, None),
            (Value::Null, Kind::Int, Some(Value::Null)),
        ] {
            assert_eq!(value.clone().coerced(kind).ok(), want, "{value:?} as {kind}");
        }
    }
}
