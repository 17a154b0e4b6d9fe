//! What surrounds a small file that is written and read whole.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ body        the crc covers the three others
//! ```
//!
//! *Invariant.* Nothing of a body is believed before its checksum; a file of another version is
//! refused as such.

use crate::checksum::checksum;
use crate::cursor::Cursor;

/// The kind of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    /// What to say of a file that is of another kind.
    pub(crate) otherwise: &'static str,
}

impl Envelope {
    /// A file with this body.
    pub(crate) fn seal(&self, body: &[u8]) -> Vec<u8> {
        let version = self.version.to_le_bytes();
        let crc = checksum(&[&self.magic, &version, body]).to_le_bytes();
        [&self.magic[..], &version, &crc, body].concat()
    }

    /// The body of a file, or what is wrong with it.
    pub(crate) fn open<'a>(&self, bytes: &'a [u8]) -> Result<Cursor<'a>, &'static str> {
        let short = "it is cut off";
        let mut from = Cursor::new(bytes);
        if from.array().ok_or(short)? != self.magic {
            return Err(self.otherwise);
        }
        let version = from.u32().ok_or(short)?;
        if version != self.version {
            return Err("a newer version of Tacitus wrote it; nothing was touched");
        }
        let crc = from.u32().ok_or(short)?;
        let body = from.take(from.remaining()).ok_or(short)?;
        if crc != checksum(&[&self.magic, &version.to_le_bytes(), body]) {
            return Err("its checksum is wrong");
        }
        Ok(Cursor::new(body))
    }
}
