//! What registers mean: types, the order of bytes, and the value they stand for.
//!
//! *Invariant.* A value is made of exactly the registers its type takes. An integer keeps all its
//! bits; a decimal code with a digit above nine is no number.

use std::str::FromStr;

use tacitus_model::Value;

/// A type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// The high byte of a register, signed.
    Int8High,
    /// The low byte, signed.
    Int8Low,
    /// The high byte.
    Uint8High,
    /// The low byte.
    Uint8Low,
    /// One register, signed.
    Int16,
    /// One register.
    Uint16,
    /// Two registers, signed.
    Int32,
    /// Two registers.
    Uint32,
    /// Four registers, signed.
    Int64,
    /// Four registers.
    Uint64,
    /// One register, IEEE 754.
    Float16,
    /// Two registers, IEEE 754.
    Float32,
    /// Four registers, IEEE 754.
    Float64,
    /// Decimal digits, four to a register.
    Bcd {
        /// 1 or 2.
        registers: u16,
    },
    /// Registers of 0 to 9999 each, as power meters count.
    Mod10k {
        /// 2 to 4.
        registers: u16,
    },
    /// One register: the highest bit is the sign of the others.
    SignMagnitude,
    /// Text of one byte a letter, two to a register.
    Text {
        /// How many registers.
        registers: u16,
    },
}

/// The order of bytes, as the letters of a number `ABCD` come over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// The lowest register comes first.
    pub low_word_first: bool,
    /// Within a register the low byte comes first.
    pub low_byte_first: bool,
    /// The two halves of eight bytes stand the other way round than the registers of a half.
    pub mixed_halves: bool,
}

/// The registers are no such value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the registers hold no {0}")]
pub struct Unreadable(&'static str);

impl Shape {
    /// How many registers it takes.
    #[must_use]
    pub const fn registers(self) -> u16 {
        match self {
            Self::Int32 | Self::Uint32 | Self::Float32 => 2,
            Self::Int64 | Self::Uint64 | Self::Float64 => 4,
            Self::Bcd { registers } | Self::Mod10k { registers } | Self::Text { registers } => {
                registers
            }
            _ => 1,
        }
    }

    /// The value of these registers.
    ///
    /// # Errors
    /// They are too few, or stand for no value of this type.
    pub fn value(self, registers: &[u16], order: Order) -> Result<Value, Unreadable> {
        let registers =
            registers.get(..usize::from(self.registers())).ok_or(Unreadable("complete value"))?;
        if let Self::Text { .. } = self {
            return Ok(text(registers, order));
        }
        let words = order.words(registers);
        let bits = words.iter().fold(0_u64, |bits, word| bits << 16 | u64::from(*word));
        let [.., b3, b2, b1, b0] = bits.to_be_bytes();
        Ok(match self {
            Self::Int8High => Value::Int(i64::from(i8::from_be_bytes([b1]))),
            Self::Int8Low => Value::Int(i64::from(i8::from_be_bytes([b0]))),
            Self::Uint8High => Value::Int(i64::from(b1)),
            Self::Uint8Low => Value::Int(i64::from(b0)),
            Self::Int16 => Value::Int(i64::from(i16::from_be_bytes([b1, b0]))),
            Self::Int32 => Value::Int(i64::from(i32::from_be_bytes([b3, b2, b1, b0]))),
            Self::Int64 => Value::Int(bits.cast_signed()),
            Self::Uint16 | Self::Uint32 | Self::Uint64 => whole(bits),
            Self::Float16 => Value::Float(half(u16::from_be_bytes([b1, b0]))),
            Self::Float32 => Value::Float(f64::from(f32::from_be_bytes([b3, b2, b1, b0]))),
            Self::Float64 => Value::Float(f64::from_bits(bits)),
            Self::Bcd { .. } => whole(decimal(&words)?),
            Self::Mod10k { .. } => whole(ten_thousands(&words)?),
            Self::SignMagnitude => {
                let magnitude = i64::from(u16::from_be_bytes([b1 & 0x7f, b0]));
                Value::Int(if b1 & 0x80 == 0 { magnitude } else { -magnitude })
            }
            Self::Text { .. } => Value::Null,
        })
    }
}

impl Order {
    /// The registers with the highest first, each with its high byte high.
    fn words(self, registers: &[u16]) -> Vec<u16> {
        let swap = |word: &u16| if self.low_byte_first { word.swap_bytes() } else { *word };
        let mut words: Vec<u16> = registers.iter().map(swap).collect();
        if self.low_word_first {
            words.reverse();
        }
        if self.mixed_halves && words.len() == 4 {
            words.rotate_left(2);
        }
        words
    }
}

/// A whole number that a signed one holds, or the nearest float.
fn whole(bits: u64) -> Value {
    i64::try_from(bits).map_or_else(
        |_| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "beyond 63 bits the nearest float is meant"
            )]
            Value::Float(bits as f64)
        },
        Value::Int,
    )
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

fn decimal(words: &[u16]) -> Result<u64, Unreadable> {
    let mut digits = words.iter().flat_map(|word| [12, 8, 4, 0].map(|at| word >> at & 0xf));
    digits.try_fold(0_u64, |number, digit| match digit {
        0..=9 => Ok(number * 10 + u64::from(digit)),
        _ => Err(Unreadable("decimal code")),
    })
}

fn ten_thousands(words: &[u16]) -> Result<u64, Unreadable> {
    words.iter().try_fold(0_u64, |number, word| match word {
        0..=9999 => Ok(number * 10_000 + u64::from(*word)),
        _ => Err(Unreadable("number to the base of 10000")),
    })
}

/// Letters up to the first zero byte, without the blanks behind them.
fn text(registers: &[u16], order: Order) -> Value {
    let bytes = registers.iter().flat_map(|word| {
        let word = if order.low_byte_first { word.swap_bytes() } else { *word };
        word.to_be_bytes()
    });
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    // What is no UTF-8 is taken for Latin-1, in which every byte is a letter.
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect());
    Value::Text(text.trim_end().into())
}

impl FromStr for Shape {
    type Err = String;

    /// Names of Telegraf (`INT16`), Ignition, Kepware and Wonderware (`F`), in any case.
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let plain = match upper.as_str() {
            "INT8H" => Self::Int8High,
            "INT8L" | "CHAR" | "SINT" => Self::Int8Low,
            "UINT8H" => Self::Uint8High,
            "UINT8L" | "BYTE" | "USINT" => Self::Uint8Low,
            "INT16" | "INT" | "SHORT" | "S" => Self::Int16,
            "UINT16" | "UINT" | "WORD" | "W" => Self::Uint16,
            "INT32" | "LONG" | "DINT" | "I" | "L" => Self::Int32,
            "UINT32" | "DWORD" | "UDINT" | "UI" => Self::Uint32,
            "INT64" | "LLONG" | "LINT" => Self::Int64,
            "UINT64" | "QWORD" | "ULINT" => Self::Uint64,
            "FLOAT16" | "FLOAT16-IEEE" => Self::Float16,
            "FLOAT32" | "FLOAT32-IEEE" | "FLOAT" | "REAL" | "F" => Self::Float32,
            "FLOAT64" | "FLOAT64-IEEE" | "DOUBLE" | "LREAL" | "D" => Self::Float64,
            "BCD" => Self::Bcd { registers: 1 },
            "BCD32" | "LBCD" => Self::Bcd { registers: 2 },
            "SM16" | "SIGN_MAGNITUDE" => Self::SignMagnitude,
            _ => return with_length(&upper).ok_or_else(|| unknown(text)),
        };
        Ok(plain)
    }
}

/// `STRING(20)`: letters; `MOD10K(3)`: registers.
fn with_length(upper: &str) -> Option<Shape> {
    let (word, rest) = upper.split_once('(')?;
    let length: u16 = rest.strip_suffix(')')?.trim().parse().ok()?;
    match word.trim() {
        "STRING" if (1..=250).contains(&length) => {
            Some(Shape::Text { registers: length.div_ceil(2) })
        }
        "MOD10K" if (2..=4).contains(&length) => Some(Shape::Mod10k { registers: length }),
        _ => None,
    }
}

fn unknown(text: &str) -> String {
    format!(
        "\"{text}\" is no type; there are int8h, int8l, uint8h, uint8l, int16, uint16, int32, \
         uint32, int64, uint64, float16, float32, float64, bcd, bcd32, mod10k(2), sm16 and \
         string(LETTERS)"
    )
}

impl FromStr for Order {
    type Err = String;

    /// Of two, four or eight bytes: `AB`, `CDAB`, `GHEFCDAB`, in any case; or words for it.
    fn from_str(text: &str) -> Result<Self, String> {
        let order = |low_word_first, low_byte_first| Self {
            low_word_first,
            low_byte_first,
            mixed_halves: false,
        };
        let mixed = |whole: Self| Self { mixed_halves: true, ..whole };
        match text.to_ascii_uppercase().as_str() {
            "AB" | "ABCD" | "ABCDEFGH" | "BIG_ENDIAN" => Ok(order(false, false)),
            "BA" | "BADC" | "BADCFEHG" | "BYTE_SWAP" => Ok(order(false, true)),
            "CDAB" | "GHEFCDAB" | "WORD_SWAP" => Ok(order(true, false)),
            "DCBA" | "HGFEDCBA" | "LITTLE_ENDIAN" => Ok(order(true, true)),
            "EFGHABCD" => Ok(mixed(order(false, false))),
            "FEHGBADC" => Ok(mixed(order(false, true))),
            "CDABGHEF" => Ok(mixed(order(true, false))),
            "DCBAHGFE" => Ok(mixed(order(true, true))),
            _ => Err(format!("\"{text}\" is no order of bytes; there are ABCD, BADC, CDAB, DCBA")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(shape: &str, order: &str, registers: &[u16]) -> Result<Value, Unreadable> {
        shape.parse::<Shape>().unwrap().value(registers, order.parse().unwrap())
    }

    #[test]
    fn a_number_is_the_same_in_every_order_of_its_bytes() {
        for (order, registers) in [
            ("ABCD", [0x42f6_u16, 0xe979]),
            ("BADC", [0xf642, 0x79e9]),
            ("CDAB", [0xe979, 0x42f6]),
            ("DCBA", [0x79e9, 0xf642]),
        ] {
            let found = value("float32", order, &registers).unwrap();
            assert_eq!(found, Value::Float(f64::from(123.456_f32)), "{order}");
        }
        for (order, registers) in [
            ("ABCDEFGH", [0x1122, 0x3344, 0x5566, 0x7788]),
            ("BADCFEHG", [0x2211, 0x4433, 0x6655, 0x8877]),
            ("GHEFCDAB", [0x7788, 0x5566, 0x3344, 0x1122]),
            ("HGFEDCBA", [0x8877, 0x6655, 0x4433, 0x2211]),
            ("EFGHABCD", [0x5566, 0x7788, 0x1122, 0x3344]),
            ("FEHGBADC", [0x6655, 0x8877, 0x2211, 0x4433]),
            ("CDABGHEF", [0x3344, 0x1122, 0x7788, 0x5566]),
            ("DCBAHGFE", [0x4433, 0x2211, 0x8877, 0x6655]),
        ] {
            let found = value("uint64", order, &registers).unwrap();
            assert_eq!(found, Value::Int(0x1122_3344_5566_7788), "{order}");
        }
    }

    #[test]
    fn every_type_reads_its_registers() {
        let text = |text: &str| Value::Text(text.into());
        for (shape, registers, wanted) in [
            ("int8h", vec![0xfe01], Value::Int(-2)),
            ("int8l", vec![0x01fe], Value::Int(-2)),
            ("uint8h", vec![0xfe01], Value::Int(254)),
            ("uint8l", vec![0x01fe], Value::Int(254)),
            ("int16", vec![0xfffb], Value::Int(-5)),
            ("uint16", vec![0xfffb], Value::Int(65_531)),
            ("int32", vec![0xffff, 0xfffb], Value::Int(-5)),
            ("uint32", vec![0xffff, 0xfffb], Value::Int(4_294_967_291)),
            ("int64", vec![0xffff; 4], Value::Int(-1)),
            ("uint64", vec![0xffff; 4], Value::Float(18_446_744_073_709_551_615.0)),
            ("float16", vec![0x3555], Value::Float(0.333_251_953_125)),
            ("float16", vec![0x8001], Value::Float(-2_f64.powi(-24))),
            ("float16", vec![0xfc00], Value::Float(f64::NEG_INFINITY)),
            ("float64", vec![0x3ff8, 0, 0, 0], Value::Float(1.5)),
            ("bcd", vec![0x1234], Value::Int(1_234)),
            ("bcd32", vec![0x1234, 0x5678], Value::Int(12_345_678)),
            ("mod10k(2)", vec![12, 3_456], Value::Int(123_456)),
            ("sm16", vec![0x8005], Value::Int(-5)),
            ("string(5)", vec![0x4142, 0x4320, 0x0044], text("ABC")),
            ("string(2)", vec![0xfc41], text("üA")),
        ] {
            assert_eq!(value(shape, "ABCD", &registers).unwrap(), wanted, "{shape}");
        }
    }

    #[test]
    fn registers_that_stand_for_nothing_are_no_value() {
        value("bcd", "ABCD", &[0x123a]).unwrap_err();
        value("mod10k(2)", "ABCD", &[1, 10_000]).unwrap_err();
        value("int32", "ABCD", &[1]).unwrap_err();
    }

    #[test]
    fn a_type_has_the_names_that_others_give_it() {
        for (shape, names) in [
            ("int16", ["short", "INT", "Int16"]),
            ("uint16", ["word", "UINT", "w"]),
            ("uint8l", ["byte", "USINT", "Uint8L"]),
            ("int32", ["long", "DINT", "i"]),
            ("float32", ["FLOAT32-IEEE", "real", "f"]),
            ("float64", ["FLOAT64-IEEE", "lreal", "double"]),
        ] {
            for name in names {
                assert_eq!(name.parse::<Shape>(), shape.parse(), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_type_or_order_is_refused() {
        for text in ["", "int7", "string", "string(0)", "string(999)", "mod10k(9)", "string(x"] {
            text.parse::<Shape>().unwrap_err();
        }
        for text in ["", "ACBD", "ABC"] {
            text.parse::<Order>().unwrap_err();
        }
    }
}
