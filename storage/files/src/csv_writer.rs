//! Samples as narrow CSV: `tag,kind,ts,value,quality`.
//!
//! A null value is nothing, an empty text is `""`; floats have the fewest digits that give the
//! same bits again and always a point or an exponent; times are RFC 3339 in UTC.
//!
//! *Invariant.* Read by [`crate::read_csv`], a file gives the same samples again. The two things
//! that text cannot carry are the payload of a NaN and the state set of a state tag, whose
//! states are written by name.

use std::fmt::Write as _;
use std::io::{self, Write};

use tacitus_model::{Kind, TagDefinition, Value};
use tacitus_storage::Block;

use crate::moment::rfc3339;

/// Writes blocks as rows.
#[derive(Debug)]
pub struct CsvWriter<W: Write> {
    out: W,
    line: String,
}

impl<W: Write> CsvWriter<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// As the output says.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(b"tag,kind,ts,value,quality\n")?;
        Ok(Self { out, line: String::new() })
    }

    /// Writes the samples of a tag.
    ///
    /// # Errors
    /// As the output says.
    pub fn block(&mut self, tag: &TagDefinition, block: &Block) -> io::Result<()> {
        let mut head = String::new();
        cell(tag.path.as_str(), &mut head);
        for (row, ts) in block.times.iter().enumerate() {
            self.line.clear();
            // Writing to a String cannot fail.
            let _infallible = write!(self.line, "{head},{},", tag.kind);
            rfc3339(*ts, &mut self.line);
            self.line.push(',');
            value(&block.value(row), tag, &mut self.line);
            let _infallible = writeln!(self.line, ",{}", block.quality(row).0);
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

fn value(value: &Value, tag: &TagDefinition, line: &mut String) {
    let _infallible = match value {
        Value::Null => Ok(()),
        Value::Float(number) => write!(line, "{number:?}"),
        Value::Int(number) => write!(line, "{number}"),
        Value::Bool(fact) => write!(line, "{fact}"),
        Value::State(index) => match tag.states.get(*index as usize) {
            Some(name) if tag.kind == Kind::State => {
                cell(name, line);
                Ok(())
            }
            _ => write!(line, "{index}"),
        },
        Value::Text(text) => {
            cell(text, line);
            Ok(())
        }
    };
}

/// Appends a text, in quotes where it needs them.
fn cell(text: &str, line: &mut String) {
    if text.is_empty() || text.contains(['"', ',', '\n', '\r', ';', '\t']) {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Faults;
    use crate::moment::Unit;
    use crate::rows::{Names, Survey};
    use crate::sort::Sorter;
    use crate::spill::Spill;
    use crate::target::{Loader, Target};
    use tacitus_model::{Quality, TagId, TagPath};

    fn tag(path: &str, kind: Kind) -> TagDefinition {
        TagDefinition::new(TagPath::new(path).unwrap(), kind, "test")
    }

    fn sorted(samples: &[(u32, Kind, i64, Value, Quality)]) -> Vec<(TagId, Block)> {
        let mut sorter = Sorter::new(1 << 20, Spill::in_dir(&std::env::temp_dir()));
        for (tag, kind, ts, value, quality) in samples {
            sorter.add(TagId(*tag), *kind, *ts, value, *quality).unwrap();
        }
        sorter.finish().unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn what_is_written_is_read_as_the_same_samples() {
        let texts = ["", "plain", "say \"no\"", "a,b", "two\nlines", "0012", "21", "true"];
        let mut samples = vec![
            (0, Kind::Float, i64::MIN, Value::Float(-0.0), Quality::GOOD),
            (0, Kind::Float, -1, Value::Float(5e-324), Quality(0x4000_0001)),
            (0, Kind::Float, 0, Value::Float(21.0), Quality::GOOD),
            (0, Kind::Float, 1, Value::Float(f64::NAN), Quality::BAD_OUT_OF_RANGE),
            (0, Kind::Float, 2, Value::Float(f64::NEG_INFINITY), Quality::GOOD),
            (0, Kind::Float, i64::MAX, Value::Null, Quality::BAD_NO_DATA),
            (1, Kind::Int, 5, Value::Int(i64::MIN), Quality::GOOD),
            (1, Kind::Int, 6, Value::Int(i64::MAX), Quality(u32::MAX)),
            (2, Kind::Bool, 5, Value::Bool(true), Quality::GOOD),
            (2, Kind::Bool, 6, Value::Bool(false), Quality::GOOD),
        ];
        for (ts, text) in (0..).zip(texts) {
            samples.push((3, Kind::Text, ts, Value::Text(text.into()), Quality::GOOD));
        }
        let tags = [
            tag("plant/a, b", Kind::Float),
            tag("plant/\"c\"", Kind::Int),
            tag("d", Kind::Bool),
            tag("e", Kind::Text),
        ];
        let want = sorted(&samples);
        let mut out = CsvWriter::new(Vec::new()).unwrap();
        for (id, block) in &want {
            out.block(&tags[id.0 as usize], block).unwrap();
        }
        let text = out.finish().unwrap();

        let mut names = Names::default();
        let mut survey = Survey { names: &mut names, rows: 0 };
        crate::read_csv(&mut &*text, "x", Unit::BySize, &mut survey).unwrap();
        assert_eq!(survey.rows, samples.len() as u64);
        let targets: Vec<_> = names
            .forms()
            .iter()
            .map(|form| {
                let at = tags.iter().position(|tag| tag.path.as_str() == form.path).unwrap();
                assert_eq!(form.kind(), Some(tags[at].kind), "{}", form.path);
                let id = TagId(u32::try_from(at).unwrap());
                Ok(Target { tag: id, kind: tags[at].kind, states: Vec::new() })
            })
            .collect();
        let (mut sorter, mut faults) =
            (Sorter::new(1 << 20, Spill::in_dir(&std::env::temp_dir())), Faults::default());
        let mut loader = Loader {
            names: &mut names,
            targets: &targets,
            sorter: &mut sorter,
            faults: &mut faults,
            file: "x.csv",
        };
        crate::read_csv(&mut &*text, "x", Unit::BySize, &mut loader).unwrap();
        assert_eq!(faults, Faults::default());
        let got: Vec<_> = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn states_are_written_by_name() {
        let tag = TagDefinition {
            states: vec!["idle".into(), "run, fast".into()],
            ..tag("m", Kind::State)
        };
        let blocks = sorted(&[
            (0, Kind::State, 0, Value::State(1), Quality::GOOD),
            (0, Kind::State, 1_500_000_000, Value::State(7), Quality::BAD),
        ]);
        let mut out = CsvWriter::new(Vec::new()).unwrap();
        out.block(&tag, &blocks[0].1).unwrap();
        assert_eq!(
            String::from_utf8(out.finish().unwrap()).unwrap(),
            "tag,kind,ts,value,quality\n\
             m,state,1970-01-01T00:00:00Z,\"run, fast\",0\n\
             m,state,1970-01-01T00:00:01.500Z,7,2147483648\n"
        );
    }
}
