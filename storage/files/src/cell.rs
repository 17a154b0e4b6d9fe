//! One cell of a file: what its text looks like, and the value it becomes.
//!
//! *Invariant.* What a text looks like depends on its letters alone, so two passes over a file
//! agree. A number keeps its bits: whole numbers that are written so become integers, `-0` and
//! every other number the nearest float. A number with leading zeros is a name, not a number.
//!
//! *Not here.* Times (`moment`).

use tacitus_model::{Kind, Quality, TEXT_BYTES_MAX, Value};

/// A value as a file states it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// There is no value, but a sample.
    Null,
    /// A text of a file without types: its letters say what it is.
    Spelled(&'a str),
    /// A number of a typed file.
    Float(f64),
    /// A whole number of a typed file.
    Int(i64),
    /// A truth of a typed file.
    Bool(bool),
    /// A text of a typed file.
    Text(&'a str),
}

/// What the values of a tag were seen to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(u8);

impl Seen {
    const BOOL: u8 = 1;
    const INT: u8 = 2;
    const FLOAT: u8 = 4;
    const TEXT: u8 = 8;

    /// Notes a value.
    pub(crate) fn add(&mut self, cell: Cell<'_>) {
        self.0 |= match cell {
            Cell::Null => 0,
            Cell::Float(_) => Self::FLOAT,
            Cell::Int(_) => Self::INT,
            Cell::Bool(_) => Self::BOOL,
            Cell::Text(_) => Self::TEXT,
            Cell::Spelled(text) => match spelling(text) {
                Spelling::Bool(_) => Self::BOOL,
                Spelling::Int => Self::INT,
                Spelling::Float => Self::FLOAT,
                Spelling::Text => Self::TEXT,
            },
        };
    }

    /// Notes that values are of this kind.
    pub(crate) fn add_kind(&mut self, kind: Kind) {
        self.0 |= match kind {
            Kind::Float => Self::FLOAT,
            Kind::Int => Self::INT,
            Kind::Bool => Self::BOOL,
            Kind::State | Kind::Text => Self::TEXT,
        };
    }

    /// The kind that all of them fit; `None` where there was no value.
    pub(crate) const fn kind(self) -> Option<Kind> {
        match self.0 {
            0 => None,
            Self::BOOL => Some(Kind::Bool),
            Self::INT => Some(Kind::Int),
            seen if seen & (Self::TEXT | Self::BOOL) == 0 => Some(Kind::Float),
            _ => Some(Kind::Text),
        }
    }
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Bool(bool),
    Int,
    Float,
    Text,
}

fn spelling(text: &str) -> Spelling {
    let bytes = text.as_bytes();
    let digits = match bytes {
        [b'-' | b'+', rest @ ..] => rest,
        all => all,
    };
    match digits {
        [b'0', b'0'..=b'9', ..] => Spelling::Text,
        [b'0'..=b'9' | b'.', ..] => number(text, digits),
        _ => word(text),
    }
}

/// Something that begins like a number.
fn number(text: &str, digits: &[u8]) -> Spelling {
    let run = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = run(digits);
    let mut rest = digits.get(whole..).unwrap_or_default();
    if rest.is_empty() {
        // Nineteen digits and more may be beyond 64 bits; minus nothing has a sign of its own.
        let fits = whole < 19 || text.parse::<i64>().is_ok();
        return if fits && text != "-0" { Spelling::Int } else { Spelling::Float };
    }
    let mut some = whole > 0;
    if let [b'.', fraction @ ..] = rest {
        let count = run(fraction);
        some |= count > 0;
        rest = fraction.get(count..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = match exponent {
            [b'-' | b'+', digits @ ..] => digits,
            all => all,
        };
        let count = run(exponent);
        some &= count > 0;
        rest = exponent.get(count..).unwrap_or_default();
    }
    if some && rest.is_empty() { Spelling::Float } else { Spelling::Text }
}

fn word(text: &str) -> Spelling {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let infinite = |name: &&str| unsigned.eq_ignore_ascii_case(name);
    if is("true") {
        Spelling::Bool(true)
    } else if is("false") {
        Spelling::Bool(false)
    } else if is("nan") || ["inf", "infinity"].iter().any(infinite) {
        Spelling::Float
    } else {
        Spelling::Text
    }
}

/// The value of a cell for a tag of this kind; `states` are the names of a state tag's states.
///
/// # Errors
/// Why there is none.
pub(crate) fn value(cell: Cell<'_>, kind: Kind, states: &[String]) -> Result<Value, String> {
    let misfit = |shown: &dyn std::fmt::Display| {
        format!(
            "\"{}\" is no value of tags of kind {kind}",
            crate::fault::shown(&shown.to_string())
        )
    };
    let coerced = |value: Value, shown: &dyn std::fmt::Display| {
        value.coerced(kind).map_err(|_mismatch| misfit(shown))
    };
    let own = match cell {
        Cell::Null => return Ok(Value::Null),
        Cell::Float(number) => return coerced(Value::Float(number), &number),
        Cell::Int(number) => return coerced(Value::Int(number), &number),
        Cell::Bool(fact) => return coerced(Value::Bool(fact), &fact),
        Cell::Text(text) | Cell::Spelled(text) => text,
    };
    match kind {
        Kind::Text if own.len() > TEXT_BYTES_MAX => {
            Err(format!("a text of more than {TEXT_BYTES_MAX} bytes"))
        }
        Kind::Text => Ok(Value::Text(own.into())),
        Kind::State => {
            let known = states.iter().position(|state| state == own);
            let index = known.and_then(|index| u32::try_from(index).ok());
            let index = index.or_else(|| own.parse().ok());
            let valid = index.filter(|index| (*index as usize) < states.len());
            valid.map(Value::State).ok_or_else(|| misfit(&own))
        }
        Kind::Float | Kind::Int | Kind::Bool => match spelling(own) {
            Spelling::Bool(fact) => coerced(Value::Bool(fact), &own),
            // Integers go the straight way for every kind but float, whose nearest they become.
            Spelling::Int if kind != Kind::Float => own
                .parse()
                .map_err(|_broken| misfit(&own))
                .and_then(|n| coerced(Value::Int(n), &own)),
            Spelling::Int | Spelling::Float => own
                .parse()
                .map_err(|_broken| misfit(&own))
                .and_then(|number| coerced(Value::Float(number), &own)),
            Spelling::Text => Err(misfit(&own)),
        },
    }
}

/// The quality a text states: an OPC UA status code, or `good`, `uncertain`, `bad` with anything
/// after it.
pub(crate) fn quality(text: &str) -> Option<Quality> {
    if let Ok(code) = text.parse() {
        return Some(Quality(code));
    }
    let begins =
        |word: &str| text.get(..word.len()).is_some_and(|own| own.eq_ignore_ascii_case(word));
    [("good", Quality::GOOD), ("uncertain", Quality::UNCERTAIN), ("bad", Quality::BAD)]
        .into_iter()
        .find_map(|(word, quality)| begins(word).then_some(quality))
}

/// The quality of a value where the file says none.
pub(crate) fn usual_quality(value: &Value) -> Quality {
    match value {
        Value::Null => Quality::BAD_NO_DATA,
        Value::Float(number) if !number.is_finite() => Quality::BAD_OUT_OF_RANGE,
        _ => Quality::GOOD,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kind_of_a_column_is_what_all_its_cells_fit() {
        for (cells, want) in [
            (&["1", "2", "-3"][..], Some(Kind::Int)),
            (&["0", "1"], Some(Kind::Int)),
            (&["1", "2.5"], Some(Kind::Float)),
            (&["1", "-0"], Some(Kind::Float)),
            (&["1", "1e3"], Some(Kind::Float)),
            (&["1", "nan", "-Infinity"], Some(Kind::Float)),
            (&["9223372036854775807", "-9223372036854775808"], Some(Kind::Int)),
            (&["9223372036854775808"], Some(Kind::Float)),
            (&["true", "False", "TRUE"], Some(Kind::Bool)),
            (&["true", "1"], Some(Kind::Text)),
            (&["0012"], Some(Kind::Text)),
            (&["1", "RUN"], Some(Kind::Text)),
            (&["1.2.3"], Some(Kind::Text)),
            (&[".", "e5", "1e", "--1", "0x10"], Some(Kind::Text)),
            (&[], None),
        ] {
            let mut seen = Seen::default();
            cells.iter().for_each(|cell| seen.add(Cell::Spelled(cell)));
            assert_eq!(seen.kind(), want, "{cells:?}");
        }
    }

    #[test]
    fn a_cell_becomes_a_value_of_its_tag_or_is_refused() {
        let states = ["idle".to_owned(), "run".to_owned()];
        for (cell, kind, want) in [
            (Cell::Spelled("21.5"), Kind::Float, Some(Value::Float(21.5))),
            (Cell::Spelled("21"), Kind::Float, Some(Value::Float(21.0))),
            (Cell::Spelled("-0"), Kind::Float, Some(Value::Float(-0.0))),
            (Cell::Spelled("21.0"), Kind::Int, Some(Value::Int(21))),
            (Cell::Spelled("21.5"), Kind::Int, None),
            (Cell::Spelled("9223372036854775807"), Kind::Int, Some(Value::Int(i64::MAX))),
            (Cell::Spelled("1"), Kind::Bool, Some(Value::Bool(true))),
            (Cell::Spelled("TRUE"), Kind::Bool, Some(Value::Bool(true))),
            (Cell::Spelled("2"), Kind::Bool, None),
            (Cell::Spelled("0012"), Kind::Text, Some(Value::Text("0012".into()))),
            (Cell::Spelled("RUN"), Kind::Float, None),
            (Cell::Spelled("run"), Kind::State, Some(Value::State(1))),
            (Cell::Spelled("1"), Kind::State, Some(Value::State(1))),
            (Cell::Spelled("2"), Kind::State, None),
            (Cell::Int(7), Kind::Float, Some(Value::Float(7.0))),
            (Cell::Text("21.5"), Kind::Text, Some(Value::Text("21.5".into()))),
            (Cell::Null, Kind::Int, Some(Value::Null)),
        ] {
            assert_eq!(value(cell, kind, &states).ok(), want, "{cell:?} for {kind}");
        }
    }

    #[test]
    fn a_quality_is_a_status_code_or_a_word() {
        for (text, want) in [
            ("0", Some(Quality::GOOD)),
            ("2150891520", Some(Quality(0x8034_0000))),
            ("Good", Some(Quality::GOOD)),
            ("uncertain: last known", Some(Quality::UNCERTAIN)),
            ("BAD", Some(Quality::BAD)),
            ("-1", None),
            ("perhaps", None),
            ("ß", None),
        ] {
            assert_eq!(quality(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_float_comes_back_bit_for_bit(bits: u64) {
            let number = f64::from_bits(bits);
            // A text does not carry the payload of a NaN.
            prop_assume!(!number.is_nan());
            let text = format!("{number:?}");
            let Ok(Value::Float(back)) = value(Cell::Spelled(&text), Kind::Float, &[]) else {
                return Err(TestCaseError::fail(text));
            };
            prop_assert_eq!(back.to_bits(), bits);
        }

        #[test]
        fn what_a_text_looks_like_is_what_it_can_be_read_as(text in "[-+0-9.eE]{0,24}|[a-zA-Z]{0,8}") {
            let mut seen = Seen::default();
            seen.add(Cell::Spelled(&text));
            let kind = seen.kind().unwrap_or(Kind::Text);
            prop_assert!(value(Cell::Spelled(&text), kind, &[]).is_ok(), "{} {}", text, kind);
        }
    }
}
