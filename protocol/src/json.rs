//! JSON text as a bounded tree.
//!
//! *Invariant.* Numbers are exact: a whole number within 64 bits keeps its integer, every other
//! the float nearest to its literal. Members keep their order, and a name that appears twice in
//! one object is an error, because senders and readers disagree on which one counts.
//!
//! *Not here.* What the members mean.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tacitus_model::Value;

use crate::limits::JSON_DEPTH_MAX;

/// One JSON value; texts without escapes borrow from the input.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// A JSON number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    /// A literal without fraction or exponent that fits.
    Int(i64),
    /// Any other.
    Float(f64),
}

impl Number {
    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "documented: nearest float")]
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    /// As the value of a sample: a float, unless it is an integer that no float holds exactly.
    pub(crate) fn value(self) -> Value {
        /// 2^53: up to here every integer has its own float.
        const EXACT: u64 = 1 << 53;
        match self {
            Self::Int(number) if number.unsigned_abs() > EXACT => Value::Int(number),
            other => Value::Float(other.as_f64()),
        }
    }
}

impl Json<'_> {
    /// A scalar as the value of a sample; `None` for arrays and objects.
    pub(crate) fn value(&self) -> Option<Value> {
        match self {
            Self::Null => Some(Value::Null),
            Self::Bool(fact) => Some(Value::Bool(*fact)),
            Self::Number(number) => Some(number.value()),
            Self::Text(text) => Some(Value::Text(text.as_ref().into())),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// The member of an object with exactly this name.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, member)| member)
    }

    /// A text.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A number.
    pub(crate) fn number(&self) -> Option<Number> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The elements of an array.
    pub(crate) fn elements(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }
}

/// Reads one JSON text of at most `values_max` values.
///
/// # Errors
/// What is wrong and where, as serde_json words it.
pub(crate) fn read(text: &str, values_max: usize) -> Result<Json<'_>, serde_json::Error> {
    let budget = Cell::new(values_max);
    Node { depth: 0, budget: &budget }.read(text)
}

/// A literal that no writer of numbers has, in the place of one that JSON has no word for.
const NAN: &str = "-0e999";

/// The text with the words that Python and JavaScript write for what is no finite number, `NaN`,
/// `Infinity` and `-Infinity`, as literals that [`read`] understands; `None` where it has none of them.
pub(crate) fn with_literals(text: &str) -> Option<String> {
    const WORDS: [(&str, &str); 2] = [("NaN", NAN), ("Infinity", "1e999")];
    let (mut spelled, mut found) = (String::with_capacity(text.len() + 16), false);
    let (mut in_text, mut rest) = (false, text);
    while let Some(c) = rest.chars().next() {
        let word = WORDS.iter().find(|(word, _)| !in_text && rest.starts_with(word));
        let taken = match word {
            Some((word, literal)) => {
                found = true;
                spelled.push_str(literal);
                word.len()
            }
            // What follows a back slash neither ends a text nor begins one.
            None if in_text && c == '\\' => {
                let length = rest.chars().take(2).map(char::len_utf8).sum();
                spelled.push_str(rest.get(..length)?);
                length
            }
            None => {
                in_text ^= c == '"';
                spelled.push(c);
                c.len_utf8()
            }
        };
        rest = rest.get(taken..)?;
    }
    found.then_some(spelled)
}

/// A value to be read at `depth`; it and each value inside are taken from the budget.
#[derive(Clone, Copy)]
struct Node<'b> {
    depth: usize,
    budget: &'b Cell<usize>,
}

impl Node<'_> {
    fn read(self, text: &str) -> Result<Json<'_>, serde_json::Error> {
        let Some(left) = self.budget.get().checked_sub(1) else {
            return Err(serde_json::Error::custom("too many values"));
        };
        self.budget.set(left);
        let mut input = serde_json::Deserializer::from_str(text);
        let json = match text.bytes().next() {
            Some(b'{') => input.deserialize_map(self)?,
            Some(b'[') => input.deserialize_seq(self)?,
            Some(b'"') => Json::Text(Text.deserialize(&mut input)?),
            _ => return scalar(text),
        };
        input.end()?;
        Ok(json)
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        // LIMIT: the text inside is scanned once for each level, and reading recurses.
        if self.depth >= JSON_DEPTH_MAX {
            return Err(E::custom(format_args!("nested deeper than {JSON_DEPTH_MAX} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

/// `null`, a boolean or a number. serde_json reads a float to within one unit in the last place
/// unless it is built otherwise for everyone; `f64::from_str` reads the nearest always.
fn scalar(text: &str) -> Result<Json<'_>, serde_json::Error> {
    let raw: &RawValue = serde_json::from_str(text)?;
    Ok(match raw.get() {
        "null" => Json::Null,
        "true" => Json::Bool(true),
        "false" => Json::Bool(false),
        "-0" => Json::Number(Number::Float(-0.0)),
        NAN => Json::Number(Number::Float(f64::NAN)),
        literal => Json::Number(match literal.parse() {
            Ok(number) => Number::Int(number),
            Err(_) => Number::Float(literal.parse().map_err(serde_json::Error::custom)?),
        }),
    })
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Json<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut elements = Vec::new();
        while let Some(raw) = input.next_element::<&RawValue>()? {
            elements.push(inner.read(raw.get()).map_err(A::Error::custom)?);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Json<'de>, A::Error> {
        let inner = self.inner()?;
        let mut members = Vec::new();
        while let Some(name) = input.next_key_seed(Text)? {
            let raw: &RawValue = input.next_value()?;
            members.push((name, inner.read(raw.get()).map_err(A::Error::custom)?));
        }
        match repeated(&members) {
            Some(name) => Err(A::Error::custom(format_args!("\"{name}\" appears twice"))),
            None => Ok(Json::Object(members)),
        }
    }
}

/// A name that two members share.
fn repeated<'m>(members: &'m [(Cow<'_, str>, Json<'_>)]) -> Option<&'m str> {
    let mut seen = HashSet::with_capacity(members.len());
    members.iter().map(|(name, _)| name.as_ref()).find(|name| !seen.insert(*name))
}

/// Reads a text, borrowed where it has no escapes.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Cow<'de, str>, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    fn number(text: &str) -> Value {
        read(text, 10).unwrap().value().unwrap()
    }

    #[test]
    fn an_integer_stays_one_only_where_no_float_holds_it() {
        for (text, want) in [
            ("3", Value::Float(3.0)),
            ("-0", Value::Float(-0.0)),
            ("9007199254740992", Value::Float(9_007_199_254_740_992.0)),
            ("9007199254740993", Value::Int(9_007_199_254_740_993)),
            ("-9007199254740993", Value::Int(-9_007_199_254_740_993)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
            ("9007199254740993.0", Value::Float(9_007_199_254_740_992.0)),
        ] {
            assert_eq!(number(text), want, "{text}");
        }
    }

    #[test]
    fn words_for_what_is_no_number_are_literals_outside_of_texts() {
        for (text, want) in [
            (r#"{"a": NaN}"#, Some(r#"{"a": -0e999}"#)),
            ("[-Infinity,Infinity]", Some("[-1e999,1e999]")),
            (r#"{"NaN": 1, "b\"NaN": "Infinity"}"#, None),
            (r#"{"b\\": NaN}"#, Some(r#"{"b\\": -0e999}"#)),
            ("[1]", None),
        ] {
            assert_eq!(with_literals(text).as_deref(), want, "{text}");
        }
        let Value::Float(number) = number("-0e999") else { panic!("no float") };
        assert!(number.is_nan());
    }

    #[test]
    fn depth_count_and_repetition_are_bounded() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(64), 1_000).is_ok());
        for (text, why) in [
            (nested(65), "nested deeper than 64 levels"),
            (nested(100_000), "nested deeper than 64 levels"),
            ("[1,2,3,4,5,6,7,8,9,10]".into(), "too many values"),
            (r#"{"a":1,"b":2,"a":3}"#.into(), "\"a\" appears twice"),
            (r#"{"a":1} 2"#.into(), "trailing characters"),
            (r#"{"a":NaN}"#.into(), "expected value"),
        ] {
            let budget = if text.contains(",10") { 10 } else { 1_000 };
            let error = read(&text, budget).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_float_literal_keeps_its_bits(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            if float.is_finite() {
                // `{:e}` is the shortest literal that reads back to the same bits.
                let text = format!("{float:e}");
                prop_assert_eq!(number(&text), Value::Float(float), "{}", text);
            }
        }
    }
}
