//! What CSV files turn into, seen as rows.

use super::*;
use proptest::prelude::*;

/// Writes down what a reader hands on.
#[derive(Default)]
struct Seen {
    names: Vec<String>,
    rows: Vec<String>,
    faults: Vec<String>,
}

impl Rows for Seen {
    fn name(&mut self, path: &str, kind: Option<Kind>) -> u32 {
        let path = kind.map_or_else(|| path.to_owned(), |kind| format!("{path}:{kind}"));
        let at = self.names.iter().position(|name| *name == path).unwrap_or_else(|| {
            self.names.push(path);
            self.names.len() - 1
        });
        u32::try_from(at).unwrap()
    }

    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        let value = match row.cell {
            Cell::Null => "null".to_owned(),
            Cell::Spelled(text) => format!("[{text}]"),
            other => format!("{other:?}"),
        };
        let name = &self.names[row.tag as usize];
        let quality = row.quality.map_or_else(String::new, |quality| format!(" q{quality}"));
        self.rows.push(format!("{} {name} {} {value}{quality}", row.line, row.ts / 1_000_000_000));
        Ok(())
    }

    fn fault(&mut self, line: u64, reason: String) {
        self.faults.push(format!("{line}: {reason}"));
    }
}

fn seen(text: &[u8]) -> Seen {
    let mut seen = Seen::default();
    read_csv(&mut &*text, "oven", Unit::BySize, &mut seen).unwrap();
    seen
}

#[track_caller]
fn check(text: &str, rows: &[&str], faults: &[&str]) {
    let seen = seen(text.as_bytes());
    assert_eq!(seen.rows, rows, "{text}");
    assert_eq!(seen.faults, faults, "{text}");
}

#[test]
fn a_wide_file_has_a_tag_for_each_column_named_after_the_file() {
    check(
        "ts,temp,door\n10,21.5,true\n11,,false\n",
        &["2 oven/temp 10 [21.5]", "2 oven/door 10 [true]", "3 oven/door 11 [false]"],
        &[],
    );
}

#[test]
fn the_time_may_stand_in_any_column_and_lines_may_end_early() {
    check(
        "temp,Time,door\n21.5,10,1\n22,11\n",
        &["2 oven/temp 10 [21.5]", "2 oven/door 10 [1]", "3 oven/temp 11 [22]"],
        &[],
    );
}

#[test]
fn a_narrow_file_says_the_tag_in_each_row() {
    check(
        "tag,ts,value,quality\na/b,10,21.5,0\na/c,10,,bad\na/c,11,\"\",\n",
        &["2 a/b 10 [21.5] q0", "3 a/c 10 null q2147483648", "4 a/c 11 []"],
        &[],
    );
}

#[test]
fn a_narrow_file_may_state_kinds() {
    check(
        "kind,tag,ts,value\nfloat,a,10,1\nstate,b,10,run\nmany,c,10,1\n",
        &["2 a:float 10 [1]", "3 b 10 [run]"],
        &["4: \"many\" is no kind of tag"],
    );
}

#[test]
fn cells_may_be_quoted_and_parted_otherwise() {
    check(
        "\u{feff}\"ts\";\"a;b\";c\r\n10;\"say \"\"no\"\"; now\";\"two\nlines\"\r\n11;x;y",
        &[
            "2 oven/a;b 10 [say \"no\"; now]",
            "2 oven/c 10 [two\nlines]",
            "4 oven/a;b 11 [x]",
            "4 oven/c 11 [y]",
        ],
        &[],
    );
    check("ts\ta\n10\t1\n", &["2 oven/a 10 [1]"], &[]);
}

#[test]
fn a_wrong_line_costs_itself_alone() {
    check(
        "ts,a\n10,1\nnoon,2\n11,3,4\n\n12,5\n9999999999999999999,6\n",
        &["2 oven/a 10 [1]", "6 oven/a 12 [5]"],
        &[
            "3: \"noon\" is not a time",
            "4: 3 cells under 2 names",
            "7: \"9999999999999999999\" is a time outside 1677 to 2262",
        ],
    );
    check(
        "tag,ts,value,quality\na,10,1,maybe\na,11,2,good\na,12\n",
        &["3 a 11 [2] q0"],
        &["2: \"maybe\" is no quality", "4: 2 cells under 4 names"],
    );
    let seen = seen(b"ts,a\n10,\xff\n11,1\n");
    assert_eq!((seen.rows.len(), seen.faults), (1, vec!["2: not UTF-8 text".to_owned()]));
}

#[test]
fn a_quote_within_a_cell_is_a_letter() {
    check(
        "ts,a\n10,5\" pipe\n11,6\" pipe\n",
        &["2 oven/a 10 [5\" pipe]", "3 oven/a 11 [6\" pipe]"],
        &[],
    );
}

#[test]
fn a_quote_that_is_never_closed_does_not_read_the_file_into_memory() {
    let mut text = b"ts,a\n10,\"open\n".to_vec();
    while text.len() < 2 * LINE_BYTES_MAX {
        text.extend(b"11,1\n");
    }
    let seen = seen(&text);
    assert_eq!(seen.faults.first().unwrap(), "2: longer than a line may be");
    assert!(!seen.rows.is_empty(), "what follows is read again");
    assert_eq!(seen.faults.len(), 1);
}

#[test]
fn a_header_that_says_nothing_ends_the_reading() {
    for (text, why) in [
        ("", "the file is empty"),
        ("a,b\n1,2\n", "no column is called \"ts\""),
        ("ts\n1\n", "there is no column beside the time"),
    ] {
        let error = read_csv(&mut text.as_bytes(), "x", Unit::BySize, &mut Seen::default());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

proptest! {
    #[test]
    fn any_cells_come_back_as_they_were_quoted(
        cells in proptest::collection::vec("[a-z\",;\n\r 0-9.]{1,12}", 1..6),
    ) {
        let header: Vec<String> = (0..cells.len()).map(|at| format!("c{at}")).collect();
        let quoted: Vec<String> =
            cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
        let text = format!("ts,{}\n10,{}\n", header.join(","), quoted.join(","));
        let rows = seen(text.as_bytes()).rows;
        let want: Vec<String> = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| format!("2 oven/c{at} 10 [{cell}]"))
            .collect();
        prop_assert_eq!(rows, want);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = [b"tag,ts,value,quality,kind\n", &bytes[..]].concat();
        let seen = seen(&text);
        prop_assert!(seen.rows.len() + seen.faults.len() <= bytes.len());
    }
}
