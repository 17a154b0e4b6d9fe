//! Samples as InfluxDB line protocol, for other stores.
//!
//! A tag that came as line protocol (`oven/side=left/temp`) becomes the line it was; of any other
//! path the last part is the field and what is before it the measurement.
//!
//! *Invariant.* A written line is valid: what line protocol cannot say (no value, infinity, NaN,
//! a sample that is not good) is left out and counted.

use std::fmt::Write as _;
use std::io::{self, Write};

use tacitus_model::{Kind, TagDefinition, Value};
use tacitus_storage::Block;

/// Writes blocks as lines.
#[derive(Debug)]
pub struct LineWriter<W: Write> {
    out: W,
    line: String,
    left_out: u64,
}

impl<W: Write> LineWriter<W> {
    /// Writes to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, line: String::new(), left_out: 0 }
    }

    /// How many samples were left out so far.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Writes the samples of a tag.
    ///
    /// # Errors
    /// As the output says.
    pub fn block(&mut self, tag: &TagDefinition, block: &Block) -> io::Result<()> {
        let head = series(tag.path.as_str());
        for (row, ts) in block.times.iter().enumerate() {
            self.line.clear();
            self.line.push_str(&head);
            let known =
                block.quality(row).is_good() && field(&block.value(row), tag, &mut self.line);
            if !known {
                self.left_out += 1;
                continue;
            }
            // Writing to a String cannot fail.
            let _infallible = writeln!(self.line, " {ts}");
            self.out.write_all(self.line.as_bytes())?;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As the output says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Everything of a line before its value.
fn series(path: &str) -> String {
    let (before, field) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parts = before.split('/');
    let measurement = parts.next().unwrap_or_default();
    let labels: Option<Vec<(&str, &str)>> = parts.map(|part| part.split_once('=')).collect();
    let mut line = String::new();
    match labels {
        Some(labels) if !measurement.is_empty() && !measurement.contains('=') => {
            name(&unescaped(measurement), &[',', ' '], &mut line);
            for (label, text) in labels {
                line.push(',');
                name(&unescaped(label), &[',', '=', ' '], &mut line);
                line.push('=');
                name(&unescaped(text), &[',', '=', ' '], &mut line);
            }
        }
        _ => {
            let measurement = if before.is_empty() { "tacitus" } else { before };
            name(measurement, &[',', ' '], &mut line);
        }
    }
    line.push(' ');
    name(&unescaped(field), &[',', '=', ' '], &mut line);
    line.push('=');
    line
}

/// A part of a path as it was before ingestion wrote `%2F` for `/`.
fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) if *first == b'%' => {
                bytes.push(code);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_broken| part.to_owned())
}

/// Appends a name with a backslash before what would end it.
fn name(text: &str, ends: &[char], line: &mut String) {
    for c in text.chars() {
        if c == '\n' {
            line.push_str("\\n");
            continue;
        }
        if ends.contains(&c) {
            line.push('\\');
        }
        line.push(c);
    }
}

/// Appends a value; false where line protocol has no word for it.
fn field(value: &Value, tag: &TagDefinition, line: &mut String) -> bool {
    let written = match value {
        Value::Float(number) if number.is_finite() => write!(line, "{number:?}"),
        Value::Int(number) => write!(line, "{number}i"),
        Value::Bool(fact) => write!(line, "{fact}"),
        Value::Text(words) => {
            text(words, line);
            Ok(())
        }
        Value::State(index) => match tag.states.get(*index as usize) {
            Some(state) if tag.kind == Kind::State => {
                text(state, line);
                Ok(())
            }
            _ => write!(line, "{index}i"),
        },
        Value::Float(_) | Value::Null => return false,
    };
    written.is_ok()
}

fn text(words: &str, line: &mut String) {
    line.push('"');
    for c in words.chars() {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacitus_model::{Quality, TagPath};

    #[test]
    fn a_path_becomes_the_line_it_came_as_or_measurement_and_field() {
        for (path, want) in [
            ("oven/side=left/zone=2/temp", "oven,side=left,zone=2 temp="),
            ("oven/temp", "oven temp="),
            ("my%2Foven/zone=a%3Db/t 1", "my/oven,zone=a\\=b t\\ 1="),
            ("plant/area 1/temp", "plant/area\\ 1 temp="),
            ("temp", "tacitus temp="),
            ("/a/b", "/a b="),
        ] {
            assert_eq!(series(path), want, "{path}");
        }
    }

    #[test]
    fn what_line_protocol_cannot_say_is_left_out_and_counted() {
        let tag = TagDefinition::new(TagPath::new("a/b").unwrap(), Kind::Float, "test");
        let mut block = Block::empty(Kind::Float);
        let values = [1.5, f64::NAN, 2.0, 3.0, 4.0];
        block.times = vec![1, 2, 3, 4, 5];
        block.bits = values.iter().map(|value| value.to_bits()).collect();
        block.nulls = Some(vec![false, false, true, false, false]);
        block.qualities = Some(vec![0, 0, 0, Quality::BAD.0, 0]);
        let mut out = LineWriter::new(Vec::new());
        out.block(&tag, &block).unwrap();
        assert_eq!(out.left_out(), 3);
        let text = String::from_utf8(out.finish().unwrap()).unwrap();
        assert_eq!(text, "a b=1.5 1\na b=4.0 5\n");
    }

    #[test]
    fn texts_are_quoted_and_integers_marked() {
        let tag = |kind| TagDefinition::new(TagPath::new("a").unwrap(), kind, "test");
        for (kind, value, want) in [
            (Kind::Text, Value::Text("say \"no\" \\".into()), "\"say \\\"no\\\" \\\\\""),
            (Kind::Int, Value::Int(-7), "-7i"),
            (Kind::Bool, Value::Bool(true), "true"),
        ] {
            let mut line = String::new();
            assert!(field(&value, &tag(kind), &mut line));
            assert_eq!(line, want);
        }
    }
}
