//! Any bytes as a CSV file: every line is rows, a fault, or nothing, and both passes agree.
#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use tacitus_files::{Names, Row, Rows, Survey, Unit, read_csv};
use tacitus_model::Kind;

struct Counted<'a> {
    names: &'a mut Names,
    rows: u64,
}

impl Rows for Counted<'_> {
    fn name(&mut self, path: &str, _kind: Option<Kind>) -> u32 {
        let known = self.names.forms().len();
        let number = self.names.number(path);
        assert_eq!(self.names.forms().len(), known, "the first pass did not see \"{path}\"");
        number
    }

    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        assert!((row.tag as usize) < self.names.forms().len());
        assert!(row.line > 1, "the header is no row");
        self.rows += 1;
        Ok(())
    }

    fn fault(&mut self, line: u64, _reason: String) {
        assert!(line > 1);
    }
}

fuzz_target!(|file: &[u8]| {
    let mut names = Names::default();
    let mut survey = Survey { names: &mut names, rows: 0 };
    if read_csv(&mut &*file, "file", Unit::BySize, &mut survey).is_err() {
        return;
    }
    let surveyed = survey.rows;
    let mut counted = Counted { names: &mut names, rows: 0 };
    read_csv(&mut &*file, "file", Unit::BySize, &mut counted).expect("it could be read before");
    assert_eq!(counted.rows, surveyed);
});
