//! The cursor over a body of lines: where the parts of a line end.
//!
//! *Invariant.* The cursor only moves forward and never past the end; a part borrows from the
//! body unless it has escapes.

use std::borrow::Cow;

use super::Fault;

/// A place in a body of lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: usize,
    breaks: usize,
}

/// The cursor.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    text: &'a [u8],
    /// The next byte to read.
    offset: usize,
    /// Where the line at hand starts.
    line_offset: usize,
    /// The number of the line at hand, from 1.
    line: usize,
    /// How many line ends lie between the start of the line at hand and the next byte.
    breaks: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, offset: 0, line_offset: 0, line: 1, breaks: 0 }
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Moves to the next line that is not blank and no comment; false at the end.
    pub(super) fn next_line(&mut self) -> bool {
        self.line += std::mem::take(&mut self.breaks);
        loop {
            match self.peek() {
                None => return false,
                Some(b' ' | b'\t' | b'\r' | 0) => self.offset += 1,
                Some(b'\n') => {
                    self.offset += 1;
                    self.line += 1;
                }
                Some(b'#') => self.offset = self.line_end(self.offset),
                Some(_) => {
                    self.line_offset = self.offset;
                    return true;
                }
            }
        }
    }

    /// Leaves a broken line: goes to the end of the text line where it started, so that an open
    /// quote does not swallow the lines after it.
    pub(super) fn skip_line(&mut self) {
        self.breaks = 0;
        self.offset = self.line_end(self.line_offset);
    }

    pub(super) fn place(&self) -> Place {
        Place { offset: self.offset, breaks: self.breaks }
    }

    /// Goes back to a place in the line at hand, or forward again.
    pub(super) fn go_to(&mut self, place: Place) {
        (self.offset, self.breaks) = (place.offset, place.breaks);
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.offset = self.offset.saturating_add(bytes).min(self.text.len());
    }

    /// So many bytes from a place on.
    pub(super) fn bytes(&self, from: &Place, len: usize) -> &'a [u8] {
        let rest = self.text.get(from.offset..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest)
    }

    /// Measurement and labels as they are spelled, before one space; `None` with an escape.
    pub(super) fn plain_series(&self) -> Option<&'a [u8]> {
        let rest = self.text.get(self.offset..)?;
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\\' | b'\n'))?;
        (rest.get(end) == Some(&b' ')).then(|| rest.get(..end))?
    }

    /// A field's name, and the `=` after it; `None` where that is not all, or with an escape.
    pub(super) fn plain_name(&mut self) -> Option<&'a [u8]> {
        let rest = self.text.get(self.offset..)?;
        let end = |byte: &u8| matches!(byte, b'=' | b' ' | b',' | b'\\' | b'\n' | b'\r');
        let end = rest.iter().position(end)?;
        let is_whole = end > 0 && rest.get(end) == Some(&b'=');
        let name = rest.get(..end).filter(|_| is_whole)?;
        self.skip(end + 1);
        Some(name)
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.offset += usize::from(found);
        found
    }

    /// The measurement, up to the comma or space after it.
    pub(super) fn measurement(&mut self) -> Result<Cow<'a, str>, Fault> {
        let part = self.part(b", ", b", ", Fault::FieldsMissing)?;
        if part.is_empty() { Err(Fault::MeasurementMissing) } else { Ok(part) }
    }

    /// A label's name and value, up to the comma or space after them.
    pub(super) fn label(&mut self) -> Result<(Cow<'a, str>, Cow<'a, str>), Fault> {
        let name = self.part(b"=, ", b",= ", Fault::LabelBroken)?;
        if name.is_empty() || !self.take(b'=') {
            return Err(Fault::LabelBroken);
        }
        let value = self.part(b",= ", b",= ", Fault::FieldsMissing)?;
        if value.is_empty() || self.peek() == Some(b'=') {
            return Err(Fault::LabelBroken);
        }
        Ok((name, value))
    }

    /// A field's name, with the spaces before it and the `=` after it.
    pub(super) fn field_name(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.spaces();
        if matches!(self.peek(), None | Some(b'\n' | b'\r')) {
            return Err(Fault::FieldsMissing);
        }
        let name = self.part(b"=, ", b",= ", Fault::FieldBroken)?;
        if name.is_empty() || !self.take(b'=') { Err(Fault::FieldBroken) } else { Ok(name) }
    }

    /// A quoted text without its quotes; `None` where none starts here.
    pub(super) fn quoted(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        if !self.take(b'"') {
            return Ok(None);
        }
        let start = self.offset;
        let mut escapes = false;
        loop {
            match self.peek() {
                None => return Err(Fault::QuoteOpen),
                Some(b'"') => break,
                Some(b'\\') if matches!(self.after(), Some(b'"' | b'\\')) => {
                    escapes = true;
                    self.offset += 2;
                }
                Some(byte) => {
                    self.breaks += usize::from(byte == b'\n');
                    self.offset += 1;
                }
            }
        }
        let raw = self.text.get(start..self.offset).unwrap_or_default();
        self.offset += 1;
        if !matches!(self.peek(), None | Some(b',' | b' ' | b'\n' | b'\r')) {
            return Err(Fault::ValueBroken);
        }
        unescape(raw, b"\"\\", escapes).map(Some)
    }

    /// An unquoted value: everything up to a comma, space or line end.
    pub(super) fn token(&mut self) -> &'a [u8] {
        let start = self.offset;
        while !matches!(self.peek(), None | Some(b',' | b' ' | b'\n' | b'\r')) {
            self.offset += 1;
        }
        self.text.get(start..self.offset).unwrap_or_default()
    }

    /// The time at the end of a line, if there is one, and the line end.
    pub(super) fn time(&mut self) -> Result<Option<i64>, Fault> {
        self.spaces();
        let token = self.token();
        self.spaces();
        if !matches!(self.peek(), None | Some(b'\n')) {
            return Err(Fault::Trailing);
        }
        if token.is_empty() {
            return Ok(None);
        }
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Fault::TimeBroken);
        }
        let text = std::str::from_utf8(token).map_err(|_utf8| Fault::TimeBroken)?;
        text.parse().map(Some).map_err(|_range| Fault::TimeRange)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.offset).copied()
    }

    fn after(&self) -> Option<u8> {
        self.text.get(self.offset + 1).copied()
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\r')) {
            self.offset += 1;
        }
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |at| from + at)
    }

    /// A name or label value that ends before one of `ends`; a backslash before one of `escaped`
    /// stands for that byte alone, any other for itself. `missing` is the fault of a line that
    /// ends first.
    fn part(&mut self, ends: &[u8], escaped: &[u8], missing: Fault) -> Result<Cow<'a, str>, Fault> {
        let start = self.offset;
        let mut escapes = false;
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err(missing),
                Some(byte) if ends.contains(&byte) => break,
                Some(b'\\') if self.after().is_some_and(|byte| escaped.contains(&byte)) => {
                    escapes = true;
                    self.offset += 2;
                }
                Some(_) => self.offset += 1,
            }
        }
        unescape(self.text.get(start..self.offset).unwrap_or_default(), escaped, escapes)
    }
}

/// A part as text, without the backslashes before `escaped` bytes.
fn unescape<'a>(raw: &'a [u8], escaped: &[u8], escapes: bool) -> Result<Cow<'a, str>, Fault> {
    let text = std::str::from_utf8(raw).map_err(|_utf8| Fault::NotText)?;
    if !escapes {
        return Ok(Cow::Borrowed(text));
    }
    let is_escaped = |c: char| u8::try_from(c).is_ok_and(|byte| escaped.contains(&byte));
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match rest.peek() {
            Some(next) if c == '\\' && is_escaped(*next) => {}
            _ => {
                plain.push(c);
                continue;
            }
        }
        plain.extend(rest.next());
    }
    Ok(Cow::Owned(plain))
}
