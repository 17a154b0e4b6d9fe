//! A frame, the unit of writing and of loss; and the header of a log file.
//!
//! ```text
//! frame   magic 4 │ length 4 │ crc 4 │ records 4 │ first sequence 8 │ file number 8 │ payload … pad
//! header  magic 8 │ version 4 │ crc 4 │ store id 16 │ file number 8 │ zeros to 512
//! ```
//! Little-endian; frames start at multiples of 8. The checksum of a frame covers, besides its
//! bytes, the store, the file number and the offset: a frame verifies only where it was written.
//!
//! *Invariant.* [`decode`] never reads past the bytes it is given and never fails on rubbish: it
//! finds a frame or none.

use crate::checksum::checksum;
use crate::cursor::Cursor;
use crate::log::StoreId;
use crate::planted::{self, Bug};

pub(crate) const FILE_HEADER_BYTES: usize = 512;
pub(crate) const FRAME_HEADER_BYTES: usize = 32;

const FILE_MAGIC: [u8; 8] = *b"TACLOG1\0";
const FRAME_MAGIC: [u8; 4] = *b"TFRM";
const VERSION: u32 = 1;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) records: u32,
    pub(crate) first_sequence: u64,
    pub(crate) number: u64,
}

/// A frame that verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) head: FrameHead,
    pub(crate) payload: &'a [u8],
    /// Where the next frame starts.
    pub(crate) next: u64,
}

/// The bytes a frame with this payload takes in the file.
pub(crate) fn frame_bytes(payload: usize) -> u64 {
    (FRAME_HEADER_BYTES + payload).next_multiple_of(8) as u64
}

/// A frame as bytes, for writing at `offset`. The payload is at most as long as a log file.
pub(crate) fn encode(store: &StoreId, offset: u64, head: FrameHead, payload: &[u8]) -> Vec<u8> {
    let padded = usize::try_from(frame_bytes(payload.len())).unwrap_or(payload.len());
    let mut bytes = Vec::with_capacity(padded);
    bytes.extend_from_slice(&FRAME_MAGIC);
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&frame_checksum(store, offset, head, payload).to_le_bytes());
    bytes.extend_from_slice(&head.records.to_le_bytes());
    bytes.extend_from_slice(&head.first_sequence.to_le_bytes());
    bytes.extend_from_slice(&head.number.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(padded, 0);
    bytes
}

/// The frame at `offset` of a file with this number, if there is one.
pub(crate) fn decode<'a>(
    store: &StoreId,
    number: u64,
    file: &'a [u8],
    offset: u64,
) -> Option<Frame<'a>> {
    let mut from = Cursor::new(file.get(usize::try_from(offset).ok()?..)?);
    if from.array()? != FRAME_MAGIC {
        return None;
    }
    let length = from.u32()? as usize;
    let crc = from.u32()?;
    let head = FrameHead { records: from.u32()?, first_sequence: from.u64()?, number: from.u64()? };
    let ours = head.number == number || planted::active(Bug::ReplayRecycledFrame);
    if !ours || head.records == 0 {
        return None;
    }
    let payload = from.take(length)?;
    let verified = frame_checksum(store, offset, head, payload) == crc;
    if !verified && !planted::active(Bug::AcceptTornTail) {
        return None;
    }
    Some(Frame { head, payload, next: offset + frame_bytes(length) })
}

fn frame_checksum(store: &StoreId, offset: u64, head: FrameHead, payload: &[u8]) -> u32 {
    checksum(&[
        store,
        &offset.to_le_bytes(),
        &(payload.len() as u64).to_le_bytes(),
        &head.records.to_le_bytes(),
        &head.first_sequence.to_le_bytes(),
        &head.number.to_le_bytes(),
        payload,
    ])
}

/// The header of a log file.
pub(crate) fn encode_file_header(store: &StoreId, number: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = [0; FILE_HEADER_BYTES];
    let fields = [
        &FILE_MAGIC[..],
        &VERSION.to_le_bytes(),
        &file_checksum(store, number).to_le_bytes(),
        store,
        &number.to_le_bytes(),
    ];
    for (place, byte) in bytes.iter_mut().zip(fields.concat()) {
        *place = byte;
    }
    bytes
}

/// The store and number that a header names.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn decode_file_header(bytes: &[u8]) -> Result<(StoreId, u64), &'static str> {
    let short = "its header is cut off";
    let mut from = Cursor::new(bytes);
    if from.array().ok_or(short)? != FILE_MAGIC {
        return Err("it is no log file");
    }
    if from.u32().ok_or(short)? != VERSION {
        return Err("a newer version of Tacitus wrote it");
    }
    let crc = from.u32().ok_or(short)?;
    let store: StoreId = from.array().ok_or(short)?;
    let number = from.u64().ok_or(short)?;
    if crc != file_checksum(&store, number) {
        return Err("the checksum of its header is wrong");
    }
    Ok((store, number))
}

fn file_checksum(store: &StoreId, number: u64) -> u32 {
    checksum(&[&FILE_MAGIC, &VERSION.to_le_bytes(), store, &number.to_le_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = [7; 16];
    const HEAD: FrameHead = FrameHead { records: 2, first_sequence: 40, number: 3 };

    fn file_with(payload: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file.extend(encode(&STORE, 64, HEAD, payload));
        file
    }

    #[test]
    fn a_frame_is_found_where_it_was_written_and_nowhere_else() {
        let file = file_with(b"hello");
        let frame = decode(&STORE, 3, &file, 64).unwrap();
        assert_eq!((frame.head, frame.payload, frame.next), (HEAD, &b"hello"[..], 64 + 40));
        assert!(decode(&STORE, 4, &file, 64).is_none(), "another file number");
        assert!(decode(&[8; 16], 3, &file, 64).is_none(), "another store");
        let moved = [vec![0; 8], file].concat();
        assert!(decode(&STORE, 3, &moved, 72).is_none(), "another offset");
    }

    #[test]
    fn a_frame_with_any_bit_flipped_is_none() {
        let file = file_with(b"hello");
        for bit in 64 * 8..(64 + FRAME_HEADER_BYTES + 5) * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&STORE, 3, &flipped, 64).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_frame_is_none() {
        let file = file_with(b"hello");
        for len in 0..64 + FRAME_HEADER_BYTES + 5 {
            assert!(decode(&STORE, 3, &file[..len], 64).is_none(), "cut at {len}");
        }
    }

    #[test]
    fn a_file_header_says_whose_file_it_is() {
        let header = encode_file_header(&STORE, 9);
        assert_eq!(decode_file_header(&header), Ok((STORE, 9)));
        for byte in 0..40 {
            let mut damaged = header;
            damaged[byte] ^= 4;
            assert!(decode_file_header(&damaged).is_err(), "byte {byte}");
        }
    }
}
