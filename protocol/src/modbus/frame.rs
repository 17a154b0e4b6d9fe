//! A request for registers or bits, and the answer to it.
//!
//! ```text
//! transaction 2 │ protocol 2 = 0 │ length 2 │ unit 1 │ function 1 │ …
//! request   … address 2 │ count 2
//! answer    … bytes 1 │ registers, big-endian, or bits, the first in the lowest place
//! exception … function + 128 │ code 1
//! ```
//! *Invariant.* An answer is taken only if transaction, unit, function and length are those of the
//! request: a late answer to another request never becomes a value.

use super::Area;

/// What comes before the part that tells of registers: all but unit and function.
pub const HEADER_BYTES: usize = 6;

/// The most bytes behind the header that an answer has. LIMIT: 125 registers and what surrounds
/// them; the specification allows 254.
const BODY_BYTES_MAX: usize = 254;

/// A read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Which answer belongs to it.
    pub transaction: u16,
    /// The device behind the connection.
    pub unit: u8,
    /// What is read.
    pub area: Area,
    /// The first register or bit, from 0.
    pub address: u16,
    /// How many.
    pub count: u16,
}

/// What a device answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Registers.
    Registers(Vec<u16>),
    /// Coils or discrete inputs.
    Bits(Vec<bool>),
    /// It cannot.
    Exception(Exception),
}

/// Why a device cannot: the code of the exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception(pub u8);

/// An answer that is none to the request: the connection is out of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

impl Exception {
    /// Whether asking again is of no use: the device has no such function, address or count.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(self.0, 1..=3)
    }

    /// Whether a gateway answered for a device that it cannot reach.
    #[must_use]
    pub const fn is_of_gateway(self) -> bool {
        matches!(self.0, 10 | 11)
    }

    /// What it means (V1.1b3, section 7).
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self.0 {
            1 => "the device does not know the function",
            2 => "the device has no such address",
            3 => "the device does not take this count",
            4 => "the device failed",
            5 => "the device needs longer",
            6 => "the device is busy",
            8 => "the memory of the device is damaged",
            10 => "the gateway has no path to the device",
            11 => "the device behind the gateway does not answer",
            _ => "the device refused for a reason of its own",
        }
    }
}

impl Request {
    /// The request as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; 12] {
        let [t1, t0] = self.transaction.to_be_bytes();
        let [a1, a0] = self.address.to_be_bytes();
        let [c1, c0] = self.count.to_be_bytes();
        [t1, t0, 0, 0, 0, 6, self.unit, self.area.function(), a1, a0, c1, c0]
    }
}

/// How many bytes follow a header.
///
/// # Errors
/// What comes is not Modbus TCP.
pub fn answer_bytes(header: [u8; HEADER_BYTES]) -> Result<usize, Malformed> {
    let [_, _, p1, p0, l1, l0] = header;
    let length = usize::from(u16::from_be_bytes([l1, l0]));
    if (p1, p0) != (0, 0) || !(3..=BODY_BYTES_MAX).contains(&length) {
        return Err(Malformed("the answer is not one of Modbus TCP"));
    }
    Ok(length)
}

/// Reads the answer to a request: header, and the bytes that follow.
///
/// # Errors
/// It does not belong to the request.
pub fn decode_answer(
    request: &Request,
    header: [u8; HEADER_BYTES],
    body: &[u8],
) -> Result<Answer, Malformed> {
    let [t1, t0, ..] = header;
    if u16::from_be_bytes([t1, t0]) != request.transaction {
        return Err(Malformed("the answer belongs to another request"));
    }
    let [unit, function, rest @ ..] = body else { return Err(Malformed("the answer is cut off")) };
    if *unit != request.unit {
        return Err(Malformed("the answer is that of another device"));
    }
    if *function == request.area.function() | 0x80 {
        let [code] = rest else { return Err(Malformed("the exception has no code")) };
        return Ok(Answer::Exception(Exception(*code)));
    }
    let [bytes, data @ ..] = rest else { return Err(Malformed("the answer is cut off")) };
    let count = usize::from(request.count);
    let wanted = if request.area.is_bits() { count.div_ceil(8) } else { count * 2 };
    if *function != request.area.function()
        || usize::from(*bytes) != data.len()
        || data.len() != wanted
    {
        return Err(Malformed("the answer has another function or length"));
    }
    if request.area.is_bits() {
        let bit = |at: usize| data.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        return Ok(Answer::Bits((0..count).map(bit).collect()));
    }
    let registers = data.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    Ok(Answer::Registers(registers.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(area: Area, address: u16, count: u16) -> Request {
        Request { transaction: 0x1501, unit: 0x11, area, address, count }
    }

    fn header(length: u8) -> [u8; HEADER_BYTES] {
        [0x15, 0x01, 0, 0, 0, length]
    }

    #[test]
    fn requests_and_answers_are_those_of_the_specification() {
        // V1.1b3, sections 6.1 and 6.3: coils 20 to 38, holding registers 108 to 110.
        let coils = request(Area::Coil, 0x13, 0x13);
        assert_eq!(coils.encode()[6..], [0x11, 1, 0, 0x13, 0, 0x13]);
        let Answer::Bits(bits) =
            decode_answer(&coils, header(6), &[0x11, 1, 3, 0xcd, 0x6b, 0x05]).unwrap()
        else {
            panic!("bits")
        };
        let text: String = bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect();
        assert_eq!(text, "1011001111010110101");
        let holding = request(Area::Holding, 0x6b, 3);
        assert_eq!(holding.encode()[6..], [0x11, 3, 0, 0x6b, 0, 3]);
        let body = [0x11, 3, 6, 2, 0x2b, 0, 0, 0, 0x64];
        let answer = decode_answer(&holding, header(9), &body).unwrap();
        assert_eq!(answer, Answer::Registers(vec![0x022b, 0, 0x64]));
    }

    #[test]
    fn an_exception_is_told_from_values() {
        let request = request(Area::Input, 0, 1);
        let answer = decode_answer(&request, header(3), &[0x11, 0x84, 2]).unwrap();
        assert_eq!(answer, Answer::Exception(Exception(2)));
        assert!(Exception(2).is_permanent() && Exception(11).is_of_gateway());
        assert!(!Exception(6).is_permanent());
    }

    #[test]
    fn an_answer_to_anything_else_is_no_answer() {
        let request = request(Area::Holding, 0, 2);
        let good = [0x11, 3, 4, 0, 1, 0, 2];
        assert!(decode_answer(&request, header(7), &good).is_ok());
        decode_answer(&request, [0x15, 0x02, 0, 0, 0, 7], &good).unwrap_err();
        let bad: [&[u8]; 8] = [
            &[0x12, 3, 4, 0, 1, 0, 2],
            &[0x11, 4, 4, 0, 1, 0, 2],
            &[0x11, 3, 4, 0, 1, 0],
            &[0x11, 3, 2, 0, 1],
            &[0x11, 3, 6, 0, 1, 0, 2, 0, 3],
            &[0x11, 0x83],
            &[0x11],
            &[],
        ];
        for body in bad {
            decode_answer(&request, header(7), body).unwrap_err();
        }
        assert_eq!(answer_bytes(header(7)), Ok(7));
        for header in [[0, 1, 0, 1, 0, 7], [0, 1, 0, 0, 0, 2], [0, 1, 0, 0, 1, 0]] {
            answer_bytes(header).unwrap_err();
        }
    }
}
