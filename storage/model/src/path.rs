//! The name of a tag: `site/area/line/cell/signal`.
//!
//! *Invariant.* A `TagPath` is 1 to 1,024 bytes of UTF-8 without control characters. It is never
//! a file name: nothing in the data directory is named after it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest path, in bytes. LIMIT: a path is kept in memory for every tag, and one at this
/// length still fits a log frame and an index entry many times over.
pub const PATH_BYTES_MAX: usize = 1024;

/// A checked tag path. Cloning shares the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagPath(Arc<str>);

/// Why a text is not a tag path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// The text is empty.
    Empty,
    /// The text has more than [`PATH_BYTES_MAX`] bytes.
    TooLong,
    /// The text has a control character (U+0000 to U+001F, U+007F to U+009F).
    ControlCharacter,
}

impl TagPath {
    /// Checks a text.
    ///
    /// # Errors
    /// What keeps the text from being a path.
    pub fn new(text: &str) -> Result<Self, PathError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// Checks a text without keeping it.
    ///
    /// # Errors
    /// What keeps the text from being a path.
    pub fn check(text: &str) -> Result<(), PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(PathError::ControlCharacter);
        }
        Ok(())
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TagPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for TagPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("a tag path is empty"),
            Self::TooLong => write!(out, "a tag path has more than {PATH_BYTES_MAX} bytes"),
            Self::ControlCharacter => out.write_str("a tag path has a control character"),
        }
    }
}

impl std::error::Error for PathError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_refused_for_what_is_wrong_with_it() {
        let long = "x".repeat(PATH_BYTES_MAX + 1);
        for (text, why) in [
            ("", PathError::Empty),
            (long.as_str(), PathError::TooLong),
            ("a/\u{0}/b", PathError::ControlCharacter),
            ("a/b\n", PathError::ControlCharacter),
        ] {
            assert_eq!(TagPath::new(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn letters_of_any_script_spaces_and_empty_levels_are_kept_as_sent() {
        for text in ["Übergabe/Ofen 1/T", "/leading", "a//b", "温度"] {
            assert_eq!(TagPath::new(text).unwrap().as_str(), text);
        }
    }
}
