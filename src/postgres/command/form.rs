//! What `COPY` says of the form of its rows: `WITH (FORMAT csv, HEADER)`, or the words of old.
//!
//! *Invariant.* An option that is not known is refused, never passed over.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::words::Words;
use crate::postgres::failure::Failure;

/// How `COPY` writes rows.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::postgres) struct CopyForm {
    pub(in crate::postgres) style: CopyStyle,
    pub(in crate::postgres) header: bool,
    pub(in crate::postgres) delimiter: u8,
    pub(in crate::postgres) null: String,
    pub(in crate::postgres) quote: u8,
    pub(in crate::postgres) escape: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum CopyStyle {
    Text,
    Csv,
    Binary,
}

impl CopyForm {
    fn of(style: CopyStyle) -> Self {
        let csv = style == CopyStyle::Csv;
        Self {
            style,
            header: false,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".to_owned() },
            quote: b'"',
            escape: b'"',
        }
    }
}

/// What COPY says of its format, in the words of today or of old.
pub(super) fn form(words: &mut Words<'_>) -> Result<CopyForm, Failure> {
    words.eat(Keyword::WITH);
    let listed = words.eat_token(&Token::LParen);
    let mut form = CopyForm::of(CopyStyle::Text);
    let mut given: Vec<(String, String)> = Vec::new();
    while let Some(token) = words.next() {
        match token {
            Token::Comma | Token::RParen => {}
            Token::Word(word) => {
                let name = word.value.to_uppercase();
                words.eat(Keyword::AS);
                let bare = matches!(name.as_str(), "CSV" | "BINARY" | "TEXT")
                    || matches!(words.peek(), None | Some(Token::Comma | Token::RParen));
                let takes = !bare && (name != "HEADER" || listed);
                let value = if takes {
                    match words.next() {
                        Some(
                            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text),
                        ) => text,
                        Some(Token::Word(word)) => word.value,
                        Some(other) => other.to_string(),
                        None => String::new(),
                    }
                } else {
                    String::new()
                };
                given.push((name, value));
            }
            other => return Err(Failure::new("42601", format!("COPY does not know \"{other}\""))),
        }
    }
    let style = given.iter().find_map(|(name, value)| match (name.as_str(), value.as_str()) {
        ("CSV", _) => Some("CSV".to_owned()),
        ("BINARY", _) => Some("BINARY".to_owned()),
        ("FORMAT", value) => Some(value.to_uppercase()),
        _ => None,
    });
    match style.as_deref() {
        Some("CSV") => form = CopyForm::of(CopyStyle::Csv),
        Some("BINARY") => form = CopyForm::of(CopyStyle::Binary),
        None | Some("TEXT") => {}
        Some(other) => {
            return Err(Failure::new("22023", format!("COPY format \"{other}\" not recognized")));
        }
    }
    for (name, value) in given {
        set_option(&mut form, &name, &value)?;
    }
    Ok(form)
}

fn set_option(form: &mut CopyForm, name: &str, value: &str) -> Result<(), Failure> {
    let byte = || match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(Failure::new("0A000", format!("COPY {name} must be a single one-byte character"))),
    };
    match name {
        "CSV" | "BINARY" | "TEXT" | "FORMAT" | "ENCODING" | "FREEZE" => {}
        "HEADER" => form.header = !matches!(value.to_lowercase().as_str(), "false" | "off" | "0"),
        "DELIMITER" | "DELIMITERS" => form.delimiter = byte()?,
        "NULL" => value.clone_into(&mut form.null),
        "QUOTE" => {
            form.quote = byte()?;
            form.escape = form.quote;
        }
        "ESCAPE" => form.escape = byte()?,
        other => return Err(Failure::unsupported(format!("COPY has no option {other} here"))),
    }
    Ok(())
}
