//! Where a value lies on a device, in every way in which people write it.
//!
//! | written | means |
//! |---|---|
//! | `40001`, `400001`, `30001`, `10001`, `00001` | Modicon: area by the first digit, counted from 1 |
//! | `HR1`, `IR1`, `DI1`, `C1`, `3.HR1`; `HRF1`, `HRI1`, `HRUI1`, `HRS1:20` … | Ignition: area, type, counted from 1; a unit before the point |
//! | `holding:0`, `input:0`, `discrete:0`, `coil:0` | as on the wire, counted from 0 |
//! | `…:F`, `…:F:CDAB` | with a type, and the order of its bytes |
//! | `….5` | bit 5 of a register, the lowest is 0 |
//!
//! *Invariant.* An [`Address`] is what goes over the wire: counted from 0.

use std::fmt;
use std::str::FromStr;

use super::shape::{Order, Shape};

/// One of the four tables of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Bits that can be written: 0x.
    Coil,
    /// Bits that can be read only: 1x.
    Discrete,
    /// Registers that can be read only: 3x.
    Input,
    /// Registers that can be written: 4x.
    Holding,
}

/// A place on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The table.
    pub area: Area,
    /// The register or bit in it, from 0.
    pub number: u16,
}

/// An address with what was written beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notation {
    /// The unit identifier, where one was written.
    pub unit: Option<u8>,
    /// The place.
    pub address: Address,
    /// The type, where one was written.
    pub shape: Option<Shape>,
    /// The order of the bytes, where one was written.
    pub order: Option<Order>,
    /// The bit of the register, where one was written.
    pub bit: Option<u8>,
}

impl Area {
    /// The function that reads it.
    #[must_use]
    pub const fn function(self) -> u8 {
        match self {
            Self::Coil => 1,
            Self::Discrete => 2,
            Self::Holding => 3,
            Self::Input => 4,
        }
    }

    /// Whether it has bits, not registers.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
        }
    }
}

impl fmt::Display for Address {
    /// As on the wire: `holding:0`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.area.word(), self.number)
    }
}

/// What is wrong with an address, and what to write.
type Wrong = String;

impl FromStr for Notation {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let unknown = || {
            format!(
                "\"{text}\" is no address; write 40001, HR1, 3.HR1 or holding:0, with :F:CDAB for \
                 type and order or .5 for a bit where they are wanted"
            )
        };
        let mut parts = text.trim().split(':');
        let mut head = parts.next().unwrap_or_default();
        let mut rest: Vec<&str> = parts.collect();
        let wire = [Area::Coil, Area::Discrete, Area::Input, Area::Holding]
            .into_iter()
            .find(|area| area.word().eq_ignore_ascii_case(head));
        let mut found = if let Some(area) = wire {
            if rest.is_empty() {
                return Err(unknown());
            }
            let (number, bit) = with_bit(rest.remove(0)).ok_or_else(unknown)?;
            let number = number.parse().ok().ok_or_else(unknown)?;
            let address = Address { area, number };
            Self { unit: None, address, shape: None, order: None, bit }
        } else {
            let mut unit = None;
            if let Some((before, after)) = head.split_once('.')
                && after.starts_with(|letter: char| letter.is_ascii_alphabetic())
            {
                unit = Some(before.parse().ok().ok_or_else(unknown)?);
                head = after;
            }
            let (head, bit) = with_bit(head).ok_or_else(unknown)?;
            let (address, shape) = modicon(head)
                .map(|own| (own, None))
                .or_else(|| ignition(head))
                .ok_or_else(unknown)?;
            Self { unit, address, shape, order: None, bit }
        };
        if let Some(Shape::Text { .. }) = found.shape {
            // HRS1:20 is a text of 20 letters.
            let letters = (!rest.is_empty()).then(|| rest.remove(0)).ok_or_else(unknown)?;
            let letters: u16 = letters.parse().ok().ok_or_else(unknown)?;
            found.shape = Some(Shape::Text { registers: letters.div_ceil(2) });
        }
        let mut rest = rest.into_iter();
        if let Some(word) = rest.next() {
            found.shape = Some(word.parse()?);
        }
        if let Some(word) = rest.next() {
            found.order = Some(word.parse()?);
        }
        if rest.next().is_some() {
            return Err(unknown());
        }
        found.checked(text)
    }
}

impl Notation {
    fn checked(self, text: &str) -> Result<Self, Wrong> {
        if self.bit.is_some() && (self.address.area.is_bits() || self.shape.is_some()) {
            return Err(format!("\"{text}\": only a register without a type has bits"));
        }
        if self.address.area.is_bits() && self.shape.is_some() {
            return Err(format!("\"{text}\": a coil or discrete input is a bit and has no type"));
        }
        Ok(self)
    }
}

/// What stands before a bit, and the bit.
fn with_bit(text: &str) -> Option<(&str, Option<u8>)> {
    match text.split_once('.') {
        None => Some((text, None)),
        Some((before, bit)) => {
            let bit = bit.parse().ok().filter(|bit| *bit < 16)?;
            Some((before, Some(bit)))
        }
    }
}

/// Five or six digits: the area, and the place from 1.
fn modicon(text: &str) -> Option<Address> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits || !matches!(text.len(), 5 | 6) {
        return None;
    }
    let (area, place) = text.split_at_checked(1)?;
    let area = match area {
        "0" => Area::Coil,
        "1" => Area::Discrete,
        "3" => Area::Input,
        "4" => Area::Holding,
        _ => return None,
    };
    Some(Address { area, number: from_one(place)? })
}

fn from_one(place: &str) -> Option<u16> {
    u16::try_from(place.parse::<u32>().ok()?.checked_sub(1)?).ok()
}

/// Letters for area and type, and the place from 1.
fn ignition(text: &str) -> Option<(Address, Option<Shape>)> {
    // The digits of a width belong to the type: HRI_641 is register 1.
    let width = ["_64", "_32"].into_iter().find_map(|width| Some(text.find(width)? + width.len()));
    let digits = text.find(|letter: char| letter.is_ascii_digit());
    let (letters, place) = text.split_at_checked(width.or(digits)?)?;
    let letters = letters.to_ascii_uppercase();
    let area = |word: &str| match word {
        "C" => Some(Area::Coil),
        "DI" => Some(Area::Discrete),
        "IR" => Some(Area::Input),
        "HR" => Some(Area::Holding),
        _ => None,
    };
    let number = from_one(place)?;
    if let Some(area) = area(&letters) {
        return Some((Address { area, number }, None));
    }
    let (registers, shape) = letters.split_at_checked(2)?;
    let area = area(registers).filter(|area| !area.is_bits())?;
    let shape = match shape {
        "F" => Shape::Float32,
        "D" => Shape::Float64,
        "I" => Shape::Int32,
        "UI" => Shape::Uint32,
        "I_64" => Shape::Int64,
        "UI_64" => Shape::Uint64,
        "US" => Shape::Uint16,
        "BCD" => Shape::Bcd { registers: 1 },
        "BCD_32" => Shape::Bcd { registers: 2 },
        "S" => Shape::Text { registers: 0 },
        _ => return None,
    };
    Some((Address { area, number }, Some(shape)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_many_names() {
        for (text, wire) in [
            ("40001", "holding:0"),
            ("400001", "holding:0"),
            ("465536", "holding:65535"),
            ("30010", "input:9"),
            ("10001", "discrete:0"),
            ("00017", "coil:16"),
            ("HR10", "holding:9"),
            ("ir10", "input:9"),
            ("C1", "coil:0"),
            ("DI3", "discrete:2"),
            ("holding:0", "holding:0"),
            ("Coil:5", "coil:5"),
        ] {
            let found: Notation = text.parse().unwrap();
            assert_eq!(found.address.to_string(), wire, "{text}");
            assert_eq!((found.unit, found.shape, found.order, found.bit), (None, None, None, None));
        }
    }

    #[test]
    fn unit_type_order_and_bit_may_stand_beside_it() {
        let found: Notation = "3.HRF10".parse().unwrap();
        assert_eq!((found.unit, found.shape), (Some(3), Some(Shape::Float32)));
        let found: Notation = "40001:F:CDAB".parse().unwrap();
        let order: Order = "CDAB".parse().unwrap();
        assert_eq!((found.shape, found.order), (Some(Shape::Float32), Some(order)));
        for text in ["40001.5", "HR1.5", "7.HR1.5", "holding:0.5"] {
            assert_eq!(text.parse::<Notation>().unwrap().bit, Some(5), "{text}");
        }
        let found: Notation = "HRUI_641".parse().unwrap();
        assert_eq!((found.address.number, found.shape), (0, Some(Shape::Uint64)));
        let found: Notation = "HRBCD_3210".parse().unwrap();
        let shape = Some(Shape::Bcd { registers: 2 });
        assert_eq!((found.address.number, found.shape), (9, shape));
        let found: Notation = "HRS1024:20".parse().unwrap();
        assert_eq!(found.shape, Some(Shape::Text { registers: 10 }));
    }

    #[test]
    fn what_is_no_address_is_refused_with_examples() {
        for text in [
            "",
            "4",
            "4000",
            "40000",
            "20001",
            "465537",
            "4000001",
            "HR0",
            "HR",
            "XR1",
            "HR1.16",
            "holding",
            "holding:x",
            "holding:65536",
            "40001:F:CDAB:x",
            "40001:Z",
            "C1:F",
            "C1.2",
            "40001.2:F",
            "HRS1",
            "x.HR1",
            "300.HR1",
            "HRF",
            "4000é",
        ] {
            let error = text.parse::<Notation>().unwrap_err();
            assert!(!error.is_empty(), "{text}");
        }
    }
}
