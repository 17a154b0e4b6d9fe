//! A file to read: what form it has, and its bytes unpacked.
//!
//! *Invariant.* What a file is packed with is known by its first bytes, not by its name; its form
//! by the name, once the endings of packers are taken off.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// InfluxDB line protocol.
    Line,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// The form of this name: `csv`, `line`, `parquet`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "csv" | "tsv" | "txt" => Self::Csv,
            "line" | "lp" | "influx" => Self::Line,
            "parquet" | "pq" => Self::Parquet,
            _ => return None,
        })
    }

    /// The form that a file's name tells.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let (_, extension) = unpacked_name(path);
        Self::from_name(&extension)
    }
}

/// A file's name without its endings, as in `oven` of `data/oven.csv.zst`.
#[must_use]
pub fn stem(path: &Path) -> String {
    unpacked_name(path).0
}

/// Name and last ending of a file, those of packers taken off.
fn unpacked_name(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = [".gz", ".zst", ".zstd"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name)
        .to_owned();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => {
            (stem.to_owned(), extension.to_ascii_lowercase())
        }
        _ => (name, String::new()),
    }
}

/// The unpacked bytes of a file.
pub struct Input(Box<dyn BufRead>);

impl Input {
    /// Opens a file, packed or not.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(128 << 10, File::open(path)?);
        let first = file.fill_buf()?;
        let bytes: Box<dyn BufRead> = match first {
            [0x1f, 0x8b, ..] => {
                Box::new(BufReader::with_capacity(128 << 10, MultiGzDecoder::new(file)))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                file.rewind()?;
                let unpacked = zstd::Decoder::with_buffer(file)?;
                Box::new(BufReader::with_capacity(128 << 10, unpacked))
            }
            _ => Box::new(file),
        };
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(&mut self) -> &mut dyn BufRead {
        &mut self.0
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Input")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_name_tells_the_form_and_the_stem() {
        for (path, stem_wanted, form) in [
            ("data/oven.csv", "oven", Some(Format::Csv)),
            ("oven.CSV.zst", "oven", Some(Format::Csv)),
            ("line1.2024.csv.gz", "line1.2024", Some(Format::Csv)),
            ("a.parquet", "a", Some(Format::Parquet)),
            ("a.lp", "a", Some(Format::Line)),
            ("a.line.zst", "a", Some(Format::Line)),
            ("a.xlsx", "a", None),
            (".csv", ".csv", None),
            ("readme", "readme", None),
        ] {
            let path = Path::new(path);
            assert_eq!((stem(path).as_str(), Format::of(path)), (stem_wanted, form), "{path:?}");
        }
    }

    #[test]
    fn a_file_is_unpacked_by_what_it_is_and_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let text = b"ts,a\n1,2\n".repeat(10_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        for packed in [text.clone(), gzip.finish().unwrap(), zstd::encode_all(&*text, 1).unwrap()] {
            let path = dir.path().join("a.csv");
            std::fs::write(&path, packed).unwrap();
            let mut back = Vec::new();
            Input::open(&path).unwrap().bytes().read_to_end(&mut back).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn an_empty_file_is_no_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Input::open(file.path()).unwrap().bytes().fill_buf().unwrap().is_empty());
    }
}
