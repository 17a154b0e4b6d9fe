//! Floats as integers: the step before every integer code.
//!
//! ```text
//! 0 lane        the lane itself
//! 1 ordered     the bits of a binary64, turned so that integers order as floats do
//! 2 single      the same of a binary32 that the float is exactly
//! 3 decimal     d ÷ 10^e, one binary64 division
//! 4 decimal32   d ÷ 10^e, rounded to binary32
//! 5 counts      d ÷ q, any other divisor
//! 6 counts32    d ÷ q, rounded to binary32
//! ```
//! After a decimal a second lane says by how many *steps* (neighbouring floats) the value lies
//! beside it: 0 for most, small for floats printed with too few digits, anything for NaN.
//!
//! *Invariant.* The arithmetic is part of the format: one correctly rounded division, one
//! rounding to binary32, no fused or wider intermediates. Every integer gives a float; every
//! float comes back from what was made of it, bit for bit.

use crate::cursor::Cursor;

/// Powers of ten that a binary64 holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The largest exponent of ten.
const EXPONENT_MAX: u8 = 22;

/// The digits of a decimal stay within ±(2^51 − 1): what an addition alone turns into a float.
const DIGITS_MAX: f64 = 2_251_799_813_685_247.0;

/// 1.5 × 2^52: around it neighbouring floats lie one apart.
const MAGIC: f64 = 6_755_399_441_055_744.0;

/// How floats become integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transform {
    /// The lane itself: ints, states, booleans.
    Lane,
    /// The bits of a binary64 in the order of floats.
    Ordered,
    /// The bits of a binary32 in the order of floats.
    Single,
    /// Digits over a power of ten, or over another divisor.
    Decimal(Scale),
}

/// What digits are divided by, and the width of the floats that this makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) divisor: Divisor,
    pub(crate) is_single: bool,
}

/// What digits are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divisor {
    /// A power of ten, by its exponent.
    Ten(u8),
    /// Any other, by the bits of a normal, positive binary64: what a converter counts a unit.
    Other(u64),
}

/// What lanes stand for once their integers are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lanes {
    /// The values.
    Values,
    /// Digits, which a division turns into the values. They order as the values do, and are
    /// within ±2^51 where they were encoded.
    Digits(Scale),
}

impl Lanes {
    /// Makes them the values.
    pub(crate) fn finish(self, lanes: &mut [u64]) {
        if let Self::Digits(scale) = self {
            divide(lanes, scale.power(), scale.is_single);
        }
    }
}

impl Transform {
    /// The number that names it on disk.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Lane => 0,
            Self::Ordered => 1,
            Self::Single => 2,
            Self::Decimal(Scale { divisor: Divisor::Ten(_), is_single }) => 3 + u8::from(is_single),
            Self::Decimal(Scale { is_single, .. }) => 5 + u8::from(is_single),
        }
    }

    /// Appends what it needs besides its code.
    pub(crate) fn put_scale(self, out: &mut Vec<u8>) {
        match self {
            Self::Decimal(Scale { divisor: Divisor::Ten(exponent), .. }) => out.push(exponent),
            Self::Decimal(Scale { divisor: Divisor::Other(bits), .. }) => {
                out.extend_from_slice(&bits.to_le_bytes());
            }
            _ => {}
        }
    }

    /// The transform of a code and of what follows it.
    pub(crate) fn take(code: u8, from: &mut Cursor<'_>) -> Option<Self> {
        let divisor = match code {
            0 => return Some(Self::Lane),
            1 => return Some(Self::Ordered),
            2 => return Some(Self::Single),
            3 | 4 => Divisor::Ten(from.u8().filter(|exponent| *exponent <= EXPONENT_MAX)?),
            5 | 6 => {
                let is_scale = |bits: &u64| f64::from_bits(*bits).is_normal() && bits >> 63 == 0;
                Divisor::Other(from.u64().filter(is_scale)?)
            }
            _ => return None,
        };
        Some(Self::Decimal(Scale { divisor, is_single: code.is_multiple_of(2) }))
    }

    /// Turns integers, and the steps beside them, into the lanes that they stand for, but for
    /// digits without steps; `None` where there are steps that the transform knows nothing of.
    pub(crate) fn restore(self, steps: Option<&[u64]>, lanes: &mut [u64]) -> Option<Lanes> {
        match (self, steps) {
            (Self::Lane, None) => {}
            (Self::Ordered, None) => {
                lanes.iter_mut().for_each(|lane| *lane = from_ordered(lane.cast_signed()));
            }
            (Self::Single, None) => {
                lanes.iter_mut().for_each(|lane| *lane = single_lane(lane.cast_signed()));
            }
            (Self::Decimal(scale), None) => return Some(Lanes::Digits(scale)),
            (Self::Decimal(scale), Some(steps)) => {
                divide(lanes, scale.power(), scale.is_single);
                for (lane, steps) in lanes.iter_mut().zip(steps) {
                    *lane = beside(*lane, steps.cast_signed());
                }
            }
            _ => return None,
        }
        Some(Lanes::Values)
    }
}

impl Scale {
    /// A power of ten.
    pub(crate) fn ten(exponent: u8, is_single: bool) -> Self {
        Self { divisor: Divisor::Ten(exponent), is_single }
    }

    /// What digits are divided by.
    pub(crate) fn power(self) -> f64 {
        match self.divisor {
            Divisor::Ten(exponent) => POWERS.get(usize::from(exponent)).copied().unwrap_or(1.0),
            Divisor::Other(bits) => f64::from_bits(bits),
        }
    }

    /// The float of some digits.
    pub(crate) fn float(self, digits: i64) -> f64 {
        let quotient = to_float(digits.cast_unsigned()) / self.power();
        if self.is_single { rounded(quotient) } else { quotient }
    }

    /// The digits nearest to a float, where they are few enough.
    pub(crate) fn digits(self, number: f64) -> Option<i64> {
        let scaled = number * self.power();
        // Also refuses NaN.
        if scaled.abs() <= DIGITS_MAX {
            Some((scaled + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed())
        } else {
            None
        }
    }

    /// The digits of a float that they give back exactly.
    pub(crate) fn exact_digits(self, lane: u64) -> Option<i64> {
        let digits = self.digits(f64::from_bits(lane))?;
        (self.float(digits).to_bits() == lane).then_some(digits)
    }

    /// How many floats a lane lies beside the decimal.
    pub(crate) fn steps(self, digits: i64, lane: u64) -> i64 {
        ordered(lane).wrapping_sub(ordered(self.float(digits).to_bits()))
    }
}

/// The digits of lanes, into as many places; says whether all of them give their lane back.
#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
pub(crate) fn all_digits(lanes: &[u64], scale: Scale, digits: &mut [i64]) -> bool {
    let power = scale.power();
    let mut wrong = 0;
    for (lane, digits) in lanes.iter().zip(digits) {
        let number = f64::from_bits(*lane);
        let scaled = number * power;
        // What is too large, or NaN, gives digits too, but not the lane again.
        let whole = (scaled + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits());
        let quotient = to_float(whole) / power;
        let again = if scale.is_single { rounded(quotient) } else { quotient };
        wrong |= again.to_bits() ^ lane;
        wrong |= u64::from(scaled.abs() > DIGITS_MAX) | u64::from(scaled.is_nan());
        *digits = whole.cast_signed();
    }
    wrong == 0
}

/// Turns digits into the lanes of their floats.
#[multiversion::multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl",
    "x86_64+avx+avx2"
))]
fn divide(lanes: &mut [u64], power: f64, is_single: bool) {
    if is_single {
        lanes.iter_mut().for_each(|lane| *lane = rounded(to_float(*lane) / power).to_bits());
    } else {
        lanes.iter_mut().for_each(|lane| *lane = (to_float(*lane) / power).to_bits());
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what it is for")]
fn rounded(number: f64) -> f64 {
    f64::from(number as f32)
}

/// The float of an integer within ±2^51: two additions, which every processor does side by side,
/// where a conversion from 64 bits is one at a time on most.
pub(crate) fn to_float(digits: u64) -> f64 {
    f64::from_bits(digits.wrapping_add(MAGIC.to_bits())) - MAGIC
}

/// The lane that lies `steps` floats beside another.
fn beside(lane: u64, steps: i64) -> u64 {
    from_ordered(ordered(lane).wrapping_add(steps))
}

/// The bits of a binary64 as an integer that orders as floats do.
pub(crate) fn ordered(lane: u64) -> i64 {
    let bits = lane.cast_signed();
    bits ^ ((bits >> 63) & i64::MAX)
}

/// The inverse of [`ordered`], which is its own.
pub(crate) fn from_ordered(integer: i64) -> u64 {
    (integer ^ ((integer >> 63) & i64::MAX)).cast_unsigned()
}

/// The binary32 that a lane is exactly.
pub(crate) fn as_single(lane: u64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "checked for exactness by the next line")]
    let narrow = f64::from_bits(lane) as f32;
    (widened(narrow.to_bits()) == lane).then_some(narrow)
}

/// The lane of the bits of a binary32.
pub(crate) fn widened(bits: u32) -> u64 {
    f64::from(f32::from_bits(bits)).to_bits()
}

/// The same as an integer that orders as floats do.
pub(crate) fn single(lane: u64) -> Option<i64> {
    let bits = as_single(lane)?.to_bits().cast_signed();
    Some(i64::from(bits ^ ((bits >> 31) & i32::MAX)))
}

/// The lane of such an integer; its upper half means nothing.
fn single_lane(integer: i64) -> u64 {
    #[expect(clippy::cast_possible_truncation, reason = "a binary32 has the lower half")]
    let bits = integer as i32;
    widened((bits ^ ((bits >> 31) & i32::MAX)).cast_unsigned())
}
