//! What a client sends with COPY, as points.
//!
//! *Invariant.* Bytes may come cut anywhere; what is read does not depend on where.

use bytes::{Buf, Bytes};
use datafusion::arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use datafusion::common::ScalarValue;
use tacitus_protocol::Point;

use super::SIGNATURE;
use crate::postgres::bind;
use crate::postgres::command::{CopyForm, CopyStyle};
use crate::postgres::failure::Failure;
use crate::postgres::insert::{Cells, Target};
use crate::postgres::limits::COPY_LINE_BYTES_MAX;

/// Reads rows.
pub(super) struct Reader {
    targets: Vec<Target>,
    form: CopyForm,
    /// What was sent and is not a whole row yet.
    rest: Vec<u8>,
    points: Vec<Point>,
    rows: u64,
    /// The header, or the signature, was read.
    begun: bool,
    ended: bool,
}

impl Reader {
    pub(super) fn new(targets: Vec<Target>, form: CopyForm) -> Self {
        let begun = !form.header && form.style != CopyStyle::Binary;
        Self { targets, form, rest: Vec::new(), points: Vec::new(), rows: 0, begun, ended: false }
    }

    /// How many rows were read and not taken.
    pub(super) fn points(&self) -> usize {
        self.points.len()
    }

    /// Takes the first rows.
    pub(super) fn take(&mut self, most: usize) -> Vec<Point> {
        let rest = self.points.split_off(most.min(self.points.len()));
        std::mem::replace(&mut self.points, rest)
    }

    /// Reads what was sent.
    pub(super) fn feed(&mut self, data: &[u8]) -> Result<(), Failure> {
        if self.ended {
            return Ok(());
        }
        self.rest.extend_from_slice(data);
        let sent = std::mem::take(&mut self.rest);
        let used = match self.form.style {
            CopyStyle::Binary => self.binary(&sent)?,
            _ => self.lines(&sent)?,
        };
        self.rest = sent.get(used..).unwrap_or_default().to_vec();
        if self.rest.len() > COPY_LINE_BYTES_MAX && !self.ended {
            return Err(self.wrong("54000", "it is too long"));
        }
        Ok(())
    }

    /// Reads what is left when nothing more comes.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let rest = std::mem::take(&mut self.rest);
        if self.ended || rest.is_empty() {
            return Ok(());
        }
        if self.form.style == CopyStyle::Binary {
            return Err(self.wrong("22P04", "the data ends within it"));
        }
        self.line(&rest)
    }

    fn wrong(&self, code: &'static str, what: &str) -> Failure {
        Failure::new(code, format!("row {}: {what}", self.rows + 1))
    }

    /// Reads whole lines; how many bytes they had.
    fn lines(&mut self, sent: &[u8]) -> Result<usize, Failure> {
        let csv = self.form.style == CopyStyle::Csv;
        let (mut start, mut quoted, mut escaped) = (0, false, false);
        for (at, byte) in sent.iter().enumerate() {
            match *byte {
                byte if csv && byte == self.form.quote => quoted = !quoted,
                // In text a backslash may stand before a line's end.
                b'\\' if !csv => {
                    escaped = !escaped;
                    continue;
                }
                b'\n' if !quoted && !escaped => {
                    self.line(sent.get(start..at).unwrap_or_default())?;
                    start = at + 1;
                    if self.ended {
                        return Ok(sent.len());
                    }
                }
                _ => {}
            }
            escaped = false;
        }
        Ok(start)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Failure> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !self.begun {
            self.begun = true;
            return Ok(());
        }
        if line == b"\\." {
            self.ended = true;
            return Ok(());
        }
        let text =
            std::str::from_utf8(line).map_err(|_error| self.wrong("22021", "it is not UTF-8"))?;
        let fields = match self.form.style {
            CopyStyle::Csv => self.csv_fields(text),
            _ => self.text_fields(text),
        };
        if fields.len() != self.targets.len() {
            let what = format!("it has {} columns and not {}", fields.len(), self.targets.len());
            return Err(self.wrong("22P04", &what));
        }
        let mut cells = Cells::default();
        for (target, field) in self.targets.clone().into_iter().zip(fields) {
            let Some(field) = field else { continue };
            set_text(&mut cells, target, field).map_err(|what| self.wrong("22P02", &what))?;
        }
        self.keep(cells)
    }

    fn keep(&mut self, cells: Cells) -> Result<(), Failure> {
        self.points.push(cells.point()?);
        self.rows += 1;
        Ok(())
    }

    fn text_fields(&self, line: &str) -> Vec<Option<String>> {
        let delimiter = char::from(self.form.delimiter);
        let mut fields = vec![];
        let (mut field, mut from) = (String::new(), 0);
        let mut letters = line.char_indices().peekable();
        let close = |field: &mut String, raw: &str, fields: &mut Vec<Option<String>>| {
            let value = std::mem::take(field);
            fields.push((raw != self.form.null).then_some(value));
        };
        while let Some((at, letter)) = letters.next() {
            if letter == delimiter {
                close(&mut field, line.get(from..at).unwrap_or_default(), &mut fields);
                from = at + letter.len_utf8();
            } else if letter == '\\' {
                match letters.next() {
                    Some((_, 'n')) => field.push('\n'),
                    Some((_, 'r')) => field.push('\r'),
                    Some((_, 't')) => field.push('\t'),
                    Some((_, 'b')) => field.push('\u{8}'),
                    Some((_, 'v')) => field.push('\u{b}'),
                    Some((_, 'f')) => field.push('\u{c}'),
                    Some((_, other)) => field.push(other),
                    None => {}
                }
            } else {
                field.push(letter);
            }
        }
        close(&mut field, line.get(from..).unwrap_or_default(), &mut fields);
        fields
    }

    fn csv_fields(&self, line: &str) -> Vec<Option<String>> {
        let [delimiter, quote, escape] =
            [self.form.delimiter, self.form.quote, self.form.escape].map(char::from);
        let mut fields = Vec::new();
        let (mut field, mut was_quoted, mut inside) = (String::new(), false, false);
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            if inside {
                let next = letters.peek().copied();
                if letter == escape
                    && (next == Some(quote) || (escape != quote && next == Some(escape)))
                {
                    field.extend(letters.next());
                } else if letter == quote {
                    inside = false;
                } else {
                    field.push(letter);
                }
            } else if letter == quote {
                (inside, was_quoted) = (true, true);
            } else if letter == delimiter {
                let null = !was_quoted && field == self.form.null;
                fields.push((!null).then(|| std::mem::take(&mut field)));
                field.clear();
                was_quoted = false;
            } else {
                field.push(letter);
            }
        }
        let null = !was_quoted && field == self.form.null;
        fields.push((!null).then_some(field));
        fields
    }

    /// Reads whole rows of the binary form; how many bytes they had.
    fn binary(&mut self, sent: &[u8]) -> Result<usize, Failure> {
        let mut used = 0;
        if !self.begun {
            let Some(head) = sent.get(..SIGNATURE.len()) else { return Ok(0) };
            if head.get(..11) != SIGNATURE.get(..11) {
                return Err(Failure::new("22P04", "COPY file signature not recognized"));
            }
            let mut tail = head.get(15..).unwrap_or_default();
            let extension = usize::try_from(tail.get_i32()).unwrap_or(0);
            if sent.len() < SIGNATURE.len() + extension {
                return Ok(0);
            }
            used = SIGNATURE.len() + extension;
            self.begun = true;
        }
        while let Some((fields, next)) = self.tuple(sent, used)? {
            used = next;
            let Some(fields) = fields else {
                self.ended = true;
                return Ok(sent.len());
            };
            let mut cells = Cells::default();
            for (target, field) in self.targets.clone().into_iter().zip(fields) {
                let Some(field) = field else { continue };
                let value = bind::read_binary(&target.kind(), field, None)
                    .ok_or_else(|| self.wrong("22P03", "a value has not the size of its type"))?;
                set_value(&mut cells, target, value);
            }
            self.keep(cells)?;
        }
        Ok(used)
    }

    /// The fields of the row at `from` and where it ends; `None` where it is not whole yet; no
    /// fields at the end of the data.
    #[expect(clippy::type_complexity, reason = "two kinds of end")]
    fn tuple(
        &self,
        sent: &[u8],
        from: usize,
    ) -> Result<Option<(Option<Vec<Option<Bytes>>>, usize)>, Failure> {
        let mut left = sent.get(from..).unwrap_or_default();
        if left.len() < 2 {
            return Ok(None);
        }
        let count = left.get_i16();
        if count == -1 {
            return Ok(Some((None, sent.len())));
        }
        if usize::try_from(count) != Ok(self.targets.len()) {
            let what = format!("it has {count} columns and not {}", self.targets.len());
            return Err(self.wrong("22P04", &what));
        }
        let mut fields = Vec::new();
        for _ in 0..count {
            if left.len() < 4 {
                return Ok(None);
            }
            let Ok(length) = usize::try_from(left.get_i32()) else {
                fields.push(None);
                continue;
            };
            let Some(field) = left.get(..length) else { return Ok(None) };
            fields.push(Some(Bytes::copy_from_slice(field)));
            left.advance(length);
        }
        Ok(Some((Some(fields), sent.len() - left.len())))
    }
}

/// Sets a cell from its text.
fn set_text(cells: &mut Cells, target: Target, text: String) -> Result<(), String> {
    let wrong = |what: &str| format!("\"{text}\" is not {what}");
    match target {
        Target::Tag => cells.tag = Some(text),
        Target::Text => cells.text = Some(text),
        Target::Ts => {
            let moment = string_to_timestamp_nanos(text.trim());
            cells.ts = Some(moment.map_err(|_error| wrong("a time"))?);
        }
        Target::Value => match bind::read_text(&target.kind(), &text) {
            Some(value) => set_value(cells, target, value),
            // A bool or a state may be said by its name.
            None => match bind::boolean(&text) {
                Some(fact) => cells.whole = Some(i64::from(fact)),
                None => return Err(wrong("a number")),
            },
        },
        Target::ValueInt | Target::Quality => {
            let value = bind::read_text(&target.kind(), &text);
            set_value(cells, target, value.ok_or_else(|| wrong("a whole number"))?);
        }
        Target::Good => {}
    }
    Ok(())
}

fn set_value(cells: &mut Cells, target: Target, value: ScalarValue) {
    match (target, value) {
        (Target::Tag, ScalarValue::Utf8View(text)) => cells.tag = text,
        (Target::Text, ScalarValue::Utf8View(text)) => cells.text = text,
        (Target::Ts, ScalarValue::TimestampNanosecond(nanos, _)) => cells.ts = nanos,
        (Target::Value, ScalarValue::Float64(value)) => cells.value = value,
        (Target::ValueInt, ScalarValue::Int64(value)) => cells.whole = value,
        (Target::Quality, ScalarValue::Int64(value)) => cells.quality = value,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::command::{Command, parse};

    fn reader(command: &str, targets: &[Target]) -> Reader {
        let Command::CopyIn { form, .. } = parse(command).unwrap() else { panic!("{command}") };
        Reader::new(targets.to_vec(), form)
    }

    const ROW: [Target; 3] = [Target::Tag, Target::Ts, Target::Value];

    /// Reads the same bytes whole and byte by byte.
    fn read(command: &str, bytes: &[u8]) -> Vec<Point> {
        let mut whole = reader(command, &ROW);
        whole.feed(bytes).unwrap();
        whole.finish().unwrap();
        let mut cut = reader(command, &ROW);
        for byte in bytes {
            cut.feed(&[*byte]).unwrap();
        }
        cut.finish().unwrap();
        let points = whole.take(100);
        assert_eq!(points, cut.take(100));
        points
    }

    fn said(points: &[Point]) -> Vec<String> {
        let said = |point: &Point| format!("{} {:?}", point.path, point.value);
        points.iter().map(said).collect()
    }

    #[test]
    fn rows_mean_the_same_wherever_they_are_cut() {
        let text = b"a\\tb\t2026-03-01 00:00:00+00\t1.5\nc\t2026-03-01T00:00:01Z\t\\N\n\\.\nrest";
        let points = read("COPY samples (tag,ts,value) FROM STDIN", text);
        assert_eq!(said(&points), ["a\tb Float(1.5)", "c Null"]);
        let csv = b"tag,ts,value\r\n\"a,\"\"b\"\"\n\",2026-03-01 00:00:00Z,2\r\nc,2026-03-01,";
        let points = read("COPY samples (tag,ts,value) FROM STDIN CSV HEADER", csv);
        assert_eq!(said(&points), ["a,\"b\"\n Float(2.0)", "c Null"]);
        let mut binary = SIGNATURE.to_vec();
        binary.extend([0, 3, 0, 0, 0, 1, b'a', 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        binary.extend([0, 0, 0, 8]);
        binary.extend(7.5_f64.to_be_bytes());
        binary.extend([0xff, 0xff]);
        let points = read("COPY samples (tag,ts,value) FROM STDIN BINARY", &binary);
        assert_eq!(said(&points), ["a Float(7.5)"]);
        assert_eq!(points[0].ts.unwrap().nanos(), 946_684_800_000_000_000);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_row() {
        for (bytes, want) in [
            (&b"a\t2026-03-01\t1\nb\t2026-03-01\n"[..], "row 2: it has 2 columns and not 3"),
            (b"a\tsoon\t1\n", "row 1: \"soon\" is not a time"),
            (b"a\t2026-03-01\twarm\n", "row 1: \"warm\" is not a number"),
            (b"\xff\t2026-03-01\t1\n", "row 1: it is not UTF-8"),
        ] {
            let mut reader = reader("COPY samples (tag,ts,value) FROM STDIN", &ROW);
            let failure = reader.feed(bytes).unwrap_err();
            assert!(
                format!("{failure:?}").contains(want.split('"').next().unwrap()),
                "{failure:?}"
            );
        }
    }
}
