//! Where a sort puts what does not fit in memory: one file without a name.
//!
//! *Invariant.* The file loses its name as it is made, so whatever ends the process leaves
//! nothing behind.

use std::fs::{File, OpenOptions, remove_file};
use std::io;
use std::path::{Path, PathBuf};

/// A directory for temporary bytes.
#[derive(Debug, Clone)]
pub struct Spill {
    dir: PathBuf,
}

impl Spill {
    /// Spills to this directory. Nothing is made until there is need.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// A file without a name.
    pub(crate) fn file(&self) -> io::Result<File> {
        for attempt in 0..100 {
            let path = self.dir.join(format!("import-{}-{attempt}.tmp", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => {
                    remove_file(&path)?;
                    return Ok(file);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
