//! A file to write: packed as its name says.
//!
//! *Invariant.* The name appears only once the file is whole: it is written beside it and renamed.

use std::fs::{File, rename};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The level of zstd: quick, and near what slower ones reach on numbers.
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written.
#[derive(Debug)]
pub struct Output {
    packer: Packer,
    path: PathBuf,
    temporary: PathBuf,
}

enum Packer {
    None(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl Output {
    /// Begins a file; its name ends in `.gz` or `.zst` if it is to be packed.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = BufWriter::with_capacity(1 << 18, File::create(&temporary)?);
        let packer = match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Packer::Gzip(GzEncoder::new(file, Compression::default())),
            Some("zst" | "zstd") => Packer::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
            _ => Packer::None(file),
        };
        Ok(Self { packer, path: path.to_owned(), temporary })
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// As the operating system says; the file is not there then.
    pub fn finish(self) -> io::Result<()> {
        let file = match self.packer {
            Packer::None(file) => file,
            Packer::Gzip(gzip) => gzip.finish()?,
            Packer::Zstd(zstd) => zstd.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        rename(&self.temporary, &self.path)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.packer {
            Packer::None(out) => out.write(bytes),
            Packer::Gzip(out) => out.write(bytes),
            Packer::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.packer {
            Packer::None(out) => out.flush(),
            Packer::Gzip(out) => out.flush(),
            Packer::Zstd(out) => out.flush(),
        }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Packer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;

    #[test]
    fn a_file_is_packed_as_its_name_says_and_there_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.csv", "a.csv.gz", "a.csv.zst"] {
            let path = dir.path().join(name);
            let mut out = Output::create(&path).unwrap();
            out.write_all(b"tag,ts,value\n").unwrap();
            assert!(!path.exists());
            out.finish().unwrap();
            let mut back = String::new();
            Input::open(&path).unwrap().bytes().read_to_string(&mut back).unwrap();
            assert_eq!(back, "tag,ts,value\n");
            let packed = std::fs::read(&path).unwrap() != back.as_bytes();
            assert_eq!(packed, name != "a.csv", "{name}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3, "nothing is left beside");
    }
}
