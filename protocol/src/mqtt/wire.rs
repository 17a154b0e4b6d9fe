//! A bounded cursor over the body of a packet, and the encoding of lengths.
//!
//! *Invariant.* No read goes past the end and none panics: too few bytes are a [`Refusal`].

use bytes::{BufMut, BytesMut};

use super::refusal::Refusal;

/// Largest value of a variable byte integer.
pub(crate) const VARINT_MAX: usize = 268_435_455;

/// Reads fields of a packet from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes not yet read.
    pub(crate) const fn len(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Refusal> {
        let Some((head, rest)) = self.rest.split_at_checked(count) else {
            return Err(Refusal::malformed("packet is shorter than its fields"));
        };
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(Refusal::malformed("packet is shorter than its fields"));
        };
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Refusal> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Refusal> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Refusal> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Refusal> {
        self.array().map(u64::from_be_bytes)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// A variable byte integer in its shortest form.
    pub(crate) fn varint(&mut self) -> Result<u32, Refusal> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(Refusal::malformed("variable byte integer is not minimal"));
                }
                return Ok(value);
            }
        }
        Err(Refusal::malformed("variable byte integer is longer than 4 bytes"))
    }

    /// Bytes with a two-byte length.
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// UTF-8 text with a two-byte length and without U+0000.
    pub(crate) fn text(&mut self) -> Result<&'a str, Refusal> {
        let Ok(text) = std::str::from_utf8(self.binary()?) else {
            return Err(Refusal::malformed("text is not UTF-8"));
        };
        if text.contains('\0') {
            return Err(Refusal::malformed("text contains U+0000"));
        }
        Ok(text)
    }

    /// A packet identifier, which is never 0.
    pub(crate) fn packet_id(&mut self) -> Result<u16, Refusal> {
        match self.u16()? {
            0 => Err(Refusal::protocol("packet identifier is 0")),
            id => Ok(id),
        }
    }
}

/// Bytes a variable byte integer takes.
pub(crate) const fn varint_bytes(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Writes a variable byte integer; `value` must not exceed [`VARINT_MAX`].
pub(crate) fn put_varint(out: &mut BytesMut, mut value: usize) {
    loop {
        let [low, ..] = (value & 0x7F).to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.put_u8(low);
            return;
        }
        out.put_u8(low | 0x80);
    }
}
