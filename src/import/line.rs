//! Files of line protocol.
//!
//! *Invariant.* Lines are read in parts of bounded length; a line that is longer is refused. A
//! line without a time is refused: the moment of an import says nothing about a plant.

use std::io::{self, BufRead as _, Read as _};

use tacitus_files::{Cell, Input, LINE_BYTES_MAX, Names, Row, Rows, Survey, Unit};
use tacitus_model::Value;
use tacitus_protocol::Point;
use tacitus_protocol::line::{Lines, Precision};

/// About how many bytes are parsed at once.
const PART_BYTES: usize = 1 << 20;

/// How many points of a part are in memory at once.
const POINTS_AT_ONCE: usize = 8192;

/// The first pass: the names, kinds and labels of the tags.
pub(super) fn survey(input: &mut Input, unit: Unit, names: &mut Names) -> io::Result<()> {
    scan(input, unit, |part| {
        for (point, line) in part.points {
            let tag = names.number(&point.path);
            names.label(tag, &point.labels);
            let row = row(tag, &point, 0, line);
            Survey { names, rows: 0 }.row(row)?;
        }
        Ok(())
    })
}

/// The second pass: the samples.
pub(super) fn read(input: &mut Input, unit: Unit, rows: &mut dyn Rows) -> io::Result<()> {
    scan(input, unit, |part| {
        for (line, reason) in part.faults {
            rows.fault(line, reason);
        }
        for (point, line) in part.points {
            let Some(ts) = point.ts else {
                rows.fault(line, "the line has no time".to_owned());
                continue;
            };
            let tag = rows.name(&point.path, None);
            rows.row(row(tag, &point, ts.nanos(), line))?;
        }
        Ok(())
    })
}

fn row(tag: u32, point: &Point, ts: i64, line: u64) -> Row<'_> {
    let cell = match &point.value {
        Value::Null => Cell::Null,
        Value::Float(number) => Cell::Float(*number),
        Value::Int(number) => Cell::Int(*number),
        Value::Bool(fact) => Cell::Bool(*fact),
        Value::State(index) => Cell::Int((*index).into()),
        Value::Text(text) => Cell::Text(text),
    };
    Row { tag, ts, cell, quality: None, line }
}

/// Some lines of a file, with their numbers from 1.
struct Part {
    points: Vec<(Point, u64)>,
    faults: Vec<(u64, String)>,
}

fn scan(
    input: &mut Input,
    unit: Unit,
    mut take: impl FnMut(Part) -> io::Result<()>,
) -> io::Result<()> {
    let precision = match unit {
        Unit::BySize | Unit::Nanos => Precision::Nanos,
        Unit::Micros => Precision::Micros,
        Unit::Millis => Precision::Millis,
        Unit::Seconds => Precision::Seconds,
    };
    let mut text = Vec::new();
    let mut before = 0;
    loop {
        text.clear();
        let mut bytes = input.bytes();
        (&mut bytes).take(PART_BYTES as u64).read_to_end(&mut text)?;
        // The line at the cut belongs to this part.
        (&mut bytes).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut text)?;
        if text.is_empty() {
            return Ok(());
        }
        let mut lines = Lines::new(&text, precision);
        while let Some(parsed) = lines.read(POINTS_AT_ONCE) {
            let number = |line: &usize| before + *line as u64;
            let points = parsed.points.into_iter().zip(parsed.lines.iter().map(number)).collect();
            let named = parsed.refused.iter();
            let mut faults: Vec<(u64, String)> =
                named.map(|error| (number(&error.line), error.reason.to_string())).collect();
            // Those that the parser only counted.
            let last = faults.last().cloned();
            faults.extend(last.into_iter().cycle().take(parsed.refused_count - faults.len()));
            take(Part { points, faults })?;
        }
        // One more than there are line ends.
        before += text.split(|byte| *byte == b'\n').count() as u64 - 1;
    }
}
