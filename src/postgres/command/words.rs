//! The words of a statement, one after the other.
//!
//! *Invariant.* Names are folded to small letters unless they are quoted; what is taken as it was
//! written ([`Words::rest`], [`Words::between`]) is a piece of the text.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Word};

use crate::postgres::failure::Failure;

/// The words of a statement, one after the other.
pub(super) struct Words<'t> {
    text: &'t str,
    /// Each with the place where it begins.
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) at: usize,
}

impl<'t> Words<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self, Failure> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location()
            .map_err(|error| Failure::new("42601", error.to_string()))?;
        let lines: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let offset = |line: u64, column: u64| -> usize {
            let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
            let start = lines.get(line).copied().unwrap_or(text.len());
            let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
            let rest = text.get(start..).unwrap_or_default();
            start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
        };
        let tokens = tokens
            .into_iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .map(|token| {
                let place = token.span.start;
                (token.token, offset(place.line, place.column))
            })
            .collect();
        Ok(Self { text, tokens, at: 0 })
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    /// The next token, if it is a keyword.
    pub(super) fn keyword(&mut self) -> Option<Keyword> {
        let keyword = match self.peek()? {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => return None,
        };
        self.at += 1;
        Some(keyword)
    }

    /// Takes the next token, if it is this keyword.
    pub(super) fn eat(&mut self, wanted: Keyword) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(Word { keyword, quote_style: None, .. })) if *keyword == wanted);
        self.at += usize::from(found);
        found
    }

    /// Takes the next token, if it is this word, which is no keyword of the tokenizer.
    pub(super) fn eat_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted));
        self.at += usize::from(found);
        found
    }

    pub(super) fn eat_token(&mut self, wanted: &Token) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// A name: folded to small letters unless it is quoted.
    pub(super) fn name(&mut self) -> Result<String, Failure> {
        match self.next() {
            Some(Token::Word(word)) => Ok(folded(&word)),
            _ => Err(Failure::new("42601", "a name is missing")),
        }
    }

    /// The name of a setting, which may have a dot in it.
    pub(super) fn setting(&mut self) -> Result<String, Failure> {
        let mut name = self.name()?;
        while self.eat_token(&Token::Period) {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }

    /// A table's name, without its schema.
    pub(super) fn table(&mut self) -> Result<String, Failure> {
        let mut name = self.name()?;
        while self.eat_token(&Token::Period) {
            name = self.name()?;
        }
        Ok(name)
    }

    /// Names in brackets, if there are any.
    pub(super) fn names(&mut self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        if self.eat_token(&Token::LParen) {
            loop {
                names.push(self.name()?);
                if !self.eat_token(&Token::Comma) {
                    break;
                }
            }
            if !self.eat_token(&Token::RParen) {
                return Err(Failure::new("42601", "a bracket is missing"));
            }
        }
        Ok(names)
    }

    /// What is left of the text.
    pub(super) fn rest(&self) -> &'t str {
        self.tokens.get(self.at).and_then(|(_, at)| self.text.get(*at..)).unwrap_or_default()
    }

    /// What stands between two tokens.
    pub(super) fn between(&self, from: usize, to: usize) -> &'t str {
        let place = |at: usize| self.tokens.get(at).map_or(self.text.len(), |(_, place)| *place);
        self.text.get(place(from)..place(to)).unwrap_or_default().trim()
    }
}

fn folded(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_lowercase() }
}
