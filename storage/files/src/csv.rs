//! CSV files, narrow and wide.
//!
//! ```text
//! tag,ts,value,quality                 narrow: the header names tag, ts and value, in any order
//! oven/temp,2024-05-01T08:00:00Z,211.5,0
//!
//! ts,temp,door                         wide: a time, then a column for each tag, which is named
//! 2024-05-01T08:00:00Z,211.5,false     FILE/COLUMN after the file without its endings
//! ```
//!
//! Cells are parted by commas, semicolons or tabs, as the header shows, and may be quoted
//! (RFC 4180). In a wide file an empty cell is no sample; in a narrow one it is a sample without
//! a value.
//!
//! *Invariant.* A line that cannot be read costs itself alone: of a quote that is never closed
//! at most [`LINE_BYTES_MAX`] bytes are read.
//!
//! *Not here.* Decimal commas.

use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use tacitus_model::Kind;

use crate::cell::{Cell, quality};
use crate::fault::shown;
use crate::limits::LINE_BYTES_MAX;
use crate::moment::{self, Unit};
use crate::rows::{Row, Rows};

/// Reads a CSV file: `stem` is what the tags of a wide one are named after.
///
/// # Errors
/// The file cannot be read, has no usable header, or a row could not be kept.
pub fn read_csv(
    input: &mut dyn BufRead,
    stem: &str,
    unit: Unit,
    rows: &mut dyn Rows,
) -> io::Result<()> {
    let mut lines = Lines::new(input);
    let Some((_, header)) = lines.next()? else { return Err(refuse("the file is empty")) };
    let header = header.map_err(|fault| refuse(&format!("the header cannot be read: {fault}")))?;
    let header = header.strip_prefix('\u{feff}').unwrap_or(header).to_owned();
    let delimiter = delimiter(&header);
    let mut cells = Cells::default();
    cells.split(&header, delimiter);
    let names: Vec<String> = cells.iter(&header).map(|name| name.trim().to_owned()).collect();
    let layout = Layout::of(&names, stem, rows).map_err(|why| refuse(&why))?;
    while let Some((number, line)) = lines.next()? {
        let line = match line {
            Ok(line) => line,
            Err(fault) => {
                rows.fault(number, fault.to_owned());
                continue;
            }
        };
        if line.is_empty() {
            continue;
        }
        cells.split(line, delimiter);
        let row = Line { text: line, number, cells: &cells, unit };
        if cells.len() > names.len() || cells.len() < layout.cells_min() {
            rows.fault(number, format!("{} cells under {} names", cells.len(), names.len()));
            continue;
        }
        match &layout {
            Layout::Narrow(narrow) => row.narrow(narrow, rows)?,
            Layout::Wide { time, tags } => row.wide(*time, tags, rows)?,
        }
    }
    Ok(())
}

fn refuse(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// The separator that the header has most of.
fn delimiter(header: &str) -> u8 {
    let count = |delimiter: u8| header.bytes().filter(|byte| *byte == delimiter).count();
    // Of equals the last: a header of one column has none of any.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

/// What the columns mean.
#[derive(Debug)]
enum Layout {
    Narrow(Narrow),
    Wide {
        time: usize,
        /// The tag of each column but the time's.
        tags: Vec<Option<u32>>,
    },
}

/// Where the cells of a narrow file are.
#[derive(Debug)]
struct Narrow {
    tag: usize,
    time: usize,
    value: usize,
    quality: Option<usize>,
    kind: Option<usize>,
}

const TIMES: [&str; 6] = ["ts", "time", "timestamp", "datetime", "date_time", "date"];

impl Layout {
    fn of(names: &[String], stem: &str, rows: &mut dyn Rows) -> Result<Self, String> {
        let at = |wanted: &[&str]| {
            let is = |name: &String| wanted.iter().any(|wanted| name.eq_ignore_ascii_case(wanted));
            names.iter().position(is)
        };
        let time = at(&TIMES);
        if let (Some(tag), Some(time), Some(value)) = (at(&["tag", "name"]), time, at(&["value"])) {
            let (quality, kind) = (at(&["quality"]), at(&["kind"]));
            return Ok(Self::Narrow(Narrow { tag, time, value, quality, kind }));
        }
        let time = time.ok_or_else(|| {
            let first: String = names.first().map_or_else(String::new, |name| shown(name));
            format!(
                "no column is called \"ts\" (or time, timestamp, datetime, date); the first is \
                 \"{first}\""
            )
        })?;
        if names.len() < 2 {
            return Err("there is no column beside the time".to_owned());
        }
        let columns = names.iter().enumerate();
        let tags = columns.map(|(at, name)| {
            (at != time).then(|| match name.as_str() {
                "" => rows.name(&format!("{stem}/{at}"), None),
                name => rows.name(&format!("{stem}/{name}"), None),
            })
        });
        Ok(Self::Wide { time, tags: tags.collect() })
    }

    /// How many cells a line must have: a wide one may end early.
    fn cells_min(&self) -> usize {
        match self {
            Self::Narrow(narrow) => narrow.tag.max(narrow.time).max(narrow.value) + 1,
            Self::Wide { time, .. } => time + 1,
        }
    }
}

/// One line, split.
struct Line<'a> {
    text: &'a str,
    number: u64,
    cells: &'a Cells,
    unit: Unit,
}

impl Line<'_> {
    fn cell(&self, at: usize) -> &str {
        self.cells.get(self.text, at).unwrap_or_default()
    }

    fn time(&self, at: usize, rows: &mut dyn Rows) -> Option<i64> {
        let text = self.cell(at);
        moment::parse(text, self.unit)
            .map_err(|why| rows.fault(self.number, format!("\"{}\" is {why}", shown(text))))
            .ok()
    }

    fn wide(&self, time: usize, tags: &[Option<u32>], rows: &mut dyn Rows) -> io::Result<()> {
        let Some(ts) = self.time(time, rows) else { return Ok(()) };
        for (at, tag) in tags.iter().enumerate() {
            let text = self.cell(at);
            let Some(tag) = tag.filter(|_tag| !text.is_empty()) else { continue };
            let cell = Cell::Spelled(text);
            rows.row(Row { tag, ts, cell, quality: None, line: self.number })?;
        }
        Ok(())
    }

    fn narrow(&self, narrow: &Narrow, rows: &mut dyn Rows) -> io::Result<()> {
        let Some(ts) = self.time(narrow.time, rows) else { return Ok(()) };
        let optional =
            |at: Option<usize>| at.map(|at| self.cell(at)).filter(|text| !text.is_empty());
        let kind = match optional(narrow.kind) {
            // The states of a state tag are not in the file; their names are its values.
            None | Some("state") => None,
            Some(name) => {
                let known = Kind::from_name(name);
                if known.is_none() {
                    rows.fault(self.number, format!("\"{}\" is no kind of tag", shown(name)));
                    return Ok(());
                }
                known
            }
        };
        let quality = match optional(narrow.quality).map(|text| (text, quality(text))) {
            None => None,
            Some((_, Some(quality))) => Some(quality.0),
            Some((text, None)) => {
                rows.fault(self.number, format!("\"{}\" is no quality", shown(text)));
                return Ok(());
            }
        };
        let tag = rows.name(self.cell(narrow.tag), kind);
        let text = self.cell(narrow.value);
        let quoted = self.cells.is_quoted(narrow.value);
        let cell = match text {
            // As in answers of the server: nothing is null, an empty text is in quotes.
            "" if !quoted => Cell::Null,
            text => Cell::Spelled(text),
        };
        rows.row(Row { tag, ts, cell, quality, line: self.number })
    }
}

/// The cells of a line: where they are in it, or, where quotes were doubled, in a buffer.
#[derive(Debug, Default)]
struct Cells {
    places: Vec<Place>,
    unquoted: String,
}

#[derive(Debug)]
struct Place {
    range: Range<usize>,
    kept: Kept,
}

#[derive(Debug, PartialEq)]
enum Kept {
    Plain,
    Quoted,
    /// The range is one of the buffer.
    Unquoted,
}

impl Cells {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn get<'a>(&'a self, line: &'a str, at: usize) -> Option<&'a str> {
        let place = self.places.get(at)?;
        let from = if place.kept == Kept::Unquoted { &self.unquoted } else { line };
        from.get(place.range.clone())
    }

    fn is_quoted(&self, at: usize) -> bool {
        self.places.get(at).is_some_and(|place| place.kept != Kept::Plain)
    }

    fn iter<'a>(&'a self, line: &'a str) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(move |at| self.get(line, at).unwrap_or_default())
    }

    fn split(&mut self, line: &str, delimiter: u8) {
        self.places.clear();
        self.unquoted.clear();
        let bytes = line.as_bytes();
        let mut at = 0;
        loop {
            let end = if bytes.get(at) == Some(&b'"') {
                self.quoted(line, at, delimiter)
            } else {
                let rest = bytes.get(at..).unwrap_or_default();
                let length = rest.iter().position(|byte| *byte == delimiter).unwrap_or(rest.len());
                self.places.push(Place { range: at..at + length, kept: Kept::Plain });
                at + length
            };
            if end >= bytes.len() {
                return;
            }
            at = end + 1;
        }
    }

    /// A cell in quotes from `start`; the place of the delimiter after it.
    fn quoted(&mut self, line: &str, start: usize, delimiter: u8) -> usize {
        let bytes = line.as_bytes();
        let mut at = start + 1;
        let mut doubled = false;
        while let Some(byte) = bytes.get(at) {
            match (byte, bytes.get(at + 1)) {
                (b'"', Some(b'"')) => {
                    doubled = true;
                    at += 2;
                }
                (b'"', _) => break,
                _ => at += 1,
            }
        }
        let inside = start + 1..at.min(bytes.len());
        if doubled {
            let from = self.unquoted.len();
            let text = line.get(inside).unwrap_or_default();
            self.unquoted.push_str(&text.replace("\"\"", "\""));
            let range = from..self.unquoted.len();
            self.places.push(Place { range, kept: Kept::Unquoted });
        } else {
            self.places.push(Place { range: inside, kept: Kept::Quoted });
        }
        let rest = bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| *byte == delimiter).unwrap_or(rest.len())
    }
}

/// A line and the number it begins at, from 1; or what is wrong with it.
type Numbered<'l> = (u64, Result<&'l str, &'static str>);

/// The lines of a file, those of one quoted cell together.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    buffer: Vec<u8>,
    /// Lines read so far.
    count: u64,
}

impl<'a> Lines<'a> {
    fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, buffer: Vec::new(), count: 0 }
    }

    /// The next line without its end; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Numbered<'_>>> {
        self.buffer.clear();
        let number = self.count + 1;
        let mut open = false;
        loop {
            let from = self.buffer.len();
            // One byte more than allowed shows that the line goes on.
            let room = LINE_BYTES_MAX + 1 - from;
            let mut limited = (&mut *self.input).take(room as u64);
            let read = limited.read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                if from == 0 {
                    return Ok(None);
                }
                return Ok(Some((number, Err("a quote that is never closed"))));
            }
            self.count += 1;
            if self.buffer.len() > LINE_BYTES_MAX {
                self.skip_line()?;
                return Ok(Some((number, Err("longer than a line may be"))));
            }
            let added = self.buffer.get(from..).unwrap_or_default();
            open = is_open_after(added, open);
            if !open {
                break;
            }
            if added.last() != Some(&b'\n') {
                return Ok(Some((number, Err("a quote that is never closed"))));
            }
        }
        let line = match self.buffer.as_slice() {
            [line @ .., b'\r', b'\n'] | [line @ .., b'\n'] | line => line,
        };
        Ok(Some((number, std::str::from_utf8(line).map_err(|_utf8| "not UTF-8 text"))))
    }

    /// Leaves a line that is too long behind.
    fn skip_line(&mut self) -> io::Result<()> {
        while self.buffer.last() != Some(&b'\n') {
            self.buffer.clear();
            let mut limited = (&mut *self.input).take(LINE_BYTES_MAX as u64);
            if limited.read_until(b'\n', &mut self.buffer)? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Whether a quoted cell goes on after these bytes. Only a quote at the beginning of a cell opens
/// one: the inch in `5" pipe` does not.
fn is_open_after(bytes: &[u8], open: bool) -> bool {
    let mut open = open;
    let mut closed_just_now = false;
    let mut before = b',';
    for byte in bytes {
        if *byte != b'"' {
            closed_just_now = false;
        } else if open {
            (open, closed_just_now) = (false, true);
        } else if closed_just_now || matches!(before, b',' | b';' | b'\t') {
            // The second of two opens again what the first has closed.
            (open, closed_just_now) = (true, false);
        }
        before = *byte;
    }
    open
}

#[cfg(test)]
mod tests;
