//! What a path must look like: a prefix, a glob or a regular expression.
//!
//! A pattern becomes an automaton that walks the index together with the paths, so that a part of
//! the tree that cannot match is never visited. One to which every beginning is good, that would be
//! too large, or that asks for word boundaries of all scripts, is tried on every path instead.
//!
//! *Invariant.* What a pattern compiles to is bounded; matching takes time linear in the path.

use fst::{Automaton, IntoStreamer, Streamer};
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::start;
use regex_automata::{Anchored, meta};

use crate::catalog::paths::Level;
use crate::error::{Error, ErrorKind};
use crate::limits::{AUTOMATON_BYTES_MAX, PATTERN_BYTES_MAX};

#[derive(Debug)]
pub(super) enum Pattern {
    Prefix(String),
    Expression {
        tried: meta::Regex,
        /// Only where some parts of the tree cannot match.
        walk: Option<Box<Walk>>,
    },
}

/// A glob: what [`TagQuery::Glob`](crate::TagQuery::Glob) is, for any text.
#[derive(Debug)]
pub struct Glob(Pattern);

impl Glob {
    /// Reads a glob: `*` any characters of a level, `**` any characters, `?` one character of a
    /// level, `{a,b}` either, `\` before a character that stands for itself.
    ///
    /// # Errors
    /// It is too long, or a brace or a `\` is left open.
    pub fn new(glob: &str) -> Result<Self, Error> {
        Pattern::glob(glob).map(Self)
    }

    /// Whether all of a text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

/// States looked at for one that fails. LIMIT: a fraction of the time that one search takes.
const WALK_STATES_SEEN: usize = 256;

/// An automaton, and where it starts.
#[derive(Debug)]
pub(super) struct Walk {
    automaton: dense::DFA<Vec<u32>>,
    start: StateID,
}

/// Where an automaton is in a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    state: StateID,
    /// A match has ended already.
    matched: bool,
}

impl Pattern {
    pub(super) fn prefix(text: &str) -> Self {
        Self::Prefix(text.to_owned())
    }

    /// `*` within a level, `**` across levels, `?` one character of a level, `{a,b}` either,
    /// `\` before a character that stands for itself. All of the path must match.
    pub(super) fn glob(glob: &str) -> Result<Self, Error> {
        check_length(glob)?;
        let expression = expression_of(glob).ok_or_else(|| {
            let hint = "close every { with a }, and put \\ before one that stands for itself";
            let what = format!("\"{glob}\" is no glob: a brace or a \\ is left open");
            Error::new(ErrorKind::Invalid, what, hint)
        })?;
        Self::compile(glob, &expression, Anchored::Yes)
    }

    /// A regular expression, found anywhere in the path unless it says `^` and `$`.
    pub(super) fn regex(expression: &str) -> Result<Self, Error> {
        check_length(expression)?;
        Self::compile(expression, expression, Anchored::No)
    }

    fn compile(named: &str, expression: &str, anchored: Anchored) -> Result<Self, Error> {
        // The expression's own errors are told by the engine that takes every expression.
        let limit = Some(AUTOMATON_BYTES_MAX);
        let config = meta::Config::new()
            .nfa_size_limit(limit)
            .onepass_size_limit(limit)
            .dfa_size_limit(limit)
            .hybrid_cache_capacity(AUTOMATON_BYTES_MAX);
        let tried = meta::Builder::new().configure(config).build(expression).map_err(|error| {
            let why = error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string);
            let why = why.lines().last().unwrap_or_default().trim().to_owned();
            let what = format!("\"{named}\" is no pattern that can be searched for: {why}");
            Error::new(ErrorKind::Invalid, what, "correct or shorten the pattern")
        })?;
        let start_kind =
            if anchored == Anchored::Yes { StartKind::Anchored } else { StartKind::Unanchored };
        let config = dense::Config::new()
            .start_kind(start_kind)
            .dfa_size_limit(limit)
            .determinize_size_limit(limit);
        let walked = dense::Builder::new()
            .configure(config)
            .thompson(thompson::Config::new().nfa_size_limit(limit))
            .build(expression);
        let walk = walked.ok().and_then(|automaton| Walk::new(automaton, anchored)).map(Box::new);
        Ok(Self::Expression { tried, walk })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
            Self::Expression { tried, .. } => tried.is_match(path),
        }
    }

    /// Whether searching the index is less work than trying every path.
    pub(super) fn is_searchable(&self) -> bool {
        !matches!(self, Self::Expression { walk: None, .. })
    }

    /// Tells every path of a level that matches, with its id; none where it is not searchable.
    pub(super) fn search(&self, level: &Level, mut tell: impl FnMut(&[u8], u32)) {
        let mut tell = |path: &[u8], id: u64| tell(path, u32::try_from(id).unwrap_or_default());
        match self {
            Self::Prefix(prefix) => {
                let mut found = level.range().ge(prefix).into_stream();
                while let Some((path, id)) = found.next()
                    && path.starts_with(prefix.as_bytes())
                {
                    tell(path, id);
                }
            }
            Self::Expression { walk: Some(walk), .. } => {
                let mut found = level.search(&**walk).into_stream();
                while let Some((path, id)) = found.next() {
                    tell(path, id);
                }
            }
            Self::Expression { walk: None, .. } => {}
        }
    }
}

impl Walk {
    /// An automaton that has a way to fail before the end of a path.
    fn new(automaton: dense::DFA<Vec<u32>>, anchored: Anchored) -> Option<Self> {
        let start = automaton.start_state(&start::Config::new().anchored(anchored)).ok()?;
        let mut seen = vec![start];
        let mut next = 0;
        while let Some(state) = seen.get(next).copied() {
            for byte in b' '..=b'~' {
                let after = automaton.next_state(state, byte);
                if automaton.is_dead_state(after) {
                    return Some(Self { automaton, start });
                }
                if !automaton.is_match_state(after) && !seen.contains(&after) {
                    seen.push(after);
                }
            }
            next += 1;
            if next > WALK_STATES_SEEN {
                return None;
            }
        }
        None
    }
}

impl Automaton for &Walk {
    type State = At;

    fn start(&self) -> At {
        At { state: self.start, matched: false }
    }

    fn accept(&self, at: &At, byte: u8) -> At {
        if at.matched {
            return *at;
        }
        // A match is told one byte after its end.
        let state = self.automaton.next_state(at.state, byte);
        At { state, matched: self.automaton.is_match_state(state) }
    }

    fn is_match(&self, at: &At) -> bool {
        let end = || self.automaton.next_eoi_state(at.state);
        at.matched || self.automaton.is_match_state(end())
    }

    fn can_match(&self, at: &At) -> bool {
        at.matched || !self.automaton.is_dead_state(at.state)
    }

    fn will_always_match(&self, at: &At) -> bool {
        at.matched
    }
}

fn check_length(pattern: &str) -> Result<(), Error> {
    if pattern.len() <= PATTERN_BYTES_MAX {
        return Ok(());
    }
    let what = format!("a pattern has {} bytes, at most {PATTERN_BYTES_MAX}", pattern.len());
    Err(Error::new(ErrorKind::Invalid, what, "shorten the pattern"))
}

/// The regular expression that a glob stands for; `None` where it is left open.
fn expression_of(glob: &str) -> Option<String> {
    let mut expression = String::from(r"\A(?s:");
    let mut open: usize = 0;
    let mut rest = glob.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '*' if rest.next_if_eq(&'*').is_some() => expression.push_str(".*"),
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            '{' => {
                open += 1;
                expression.push_str("(?:");
            }
            '}' if open > 0 => {
                open -= 1;
                expression.push(')');
            }
            ',' if open > 0 => expression.push('|'),
            '\\' => push_literal(&mut expression, rest.next()?),
            letter => push_literal(&mut expression, letter),
        }
    }
    expression.push_str(r")\z");
    (open == 0).then_some(expression)
}

fn push_literal(expression: &mut String, letter: char) {
    if r"\.+*?()|[]{}^$#&-~".contains(letter) {
        expression.push('\\');
    }
    expression.push(letter);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::paths::build;

    const PATHS: [&str; 7] =
        ["a", "a/b", "a/b/c", "a/b.c", "a/{b}", "plant/north/T1", "plant/süd/T2"];

    /// What a pattern finds, walking and trying, must be the same.
    #[track_caller]
    fn check(pattern: &Pattern, matching: &[&str]) {
        let tried: Vec<&str> = PATHS.into_iter().filter(|path| pattern.matches(path)).collect();
        assert_eq!(tried, matching);
        if !pattern.is_searchable() {
            return;
        }
        let level = build((1..).zip(PATHS).map(|(id, path)| (Box::from(path), id)).collect());
        let mut found = Vec::new();
        pattern.search(&level.unwrap(), |path, id| {
            assert_eq!(path, PATHS[id as usize - 1].as_bytes());
            found.push(PATHS[id as usize - 1]);
        });
        found.sort_unstable_by_key(|path| PATHS.iter().position(|own| own == path));
        assert_eq!(found, matching);
    }

    #[test]
    fn a_glob_matches_whole_paths() {
        for (glob, matching) in [
            ("a", &["a"][..]),
            ("*", &["a"]),
            ("a/*", &["a/b", "a/b.c", "a/{b}"]),
            ("a/?", &["a/b"]),
            ("a/**", &["a/b", "a/b/c", "a/b.c", "a/{b}"]),
            ("**c", &["a/b/c", "a/b.c"]),
            ("a/b.c", &["a/b.c"]),
            (r"a/\{b\}", &["a/{b}"]),
            ("plant/{north,süd}/T?", &["plant/north/T1", "plant/süd/T2"]),
            ("plant/s?d/*", &["plant/süd/T2"]),
            ("{a,plant/{north,west}/T*}", &["a", "plant/north/T1"]),
            ("A", &[]),
        ] {
            check(&Pattern::glob(glob).unwrap(), matching);
        }
    }

    #[test]
    fn a_regular_expression_matches_anywhere_unless_it_says_where() {
        for (expression, matching) in [
            ("b", &["a/b", "a/b/c", "a/b.c", "a/{b}"][..]),
            ("^a/b", &["a/b", "a/b/c", "a/b.c"]),
            ("^a/b$", &["a/b"]),
            (r"b\.c", &["a/b.c"]),
            ("(?i)t[0-9]$", &["plant/north/T1", "plant/süd/T2"]),
            ("^$", &[]),
            ("", &PATHS),
            // The automaton has no word boundaries of all scripts, so every path is tried.
            (r"\bsüd\b", &["plant/süd/T2"]),
        ] {
            check(&Pattern::regex(expression).unwrap(), matching);
        }
    }

    #[test]
    fn a_prefix_matches_the_beginning() {
        check(&Pattern::prefix("a/b"), &["a/b", "a/b/c", "a/b.c"]);
        check(&Pattern::prefix(""), &PATHS);
    }

    #[test]
    fn a_pattern_that_cannot_be_searched_for_is_refused() {
        for pattern in ["(", "a{99999}", r"\w{500}", "[z-a]", &"a".repeat(PATTERN_BYTES_MAX + 1)] {
            let error = Pattern::regex(pattern).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{pattern}");
        }
        for glob in ["{a", r"a\", &"*".repeat(PATTERN_BYTES_MAX + 1)] {
            assert_eq!(Pattern::glob(glob).unwrap_err().kind(), ErrorKind::Invalid, "{glob}");
        }
    }

    #[test]
    fn a_pattern_is_walked_only_where_some_beginning_is_bad() {
        for (pattern, searchable) in [
            (Pattern::prefix("a"), true),
            (Pattern::glob("plant/**").unwrap(), true),
            (Pattern::glob("*/north/*").unwrap(), true),
            (Pattern::glob("**/T1").unwrap(), false),
            (Pattern::regex("^plant/.*1$").unwrap(), true),
            (Pattern::regex("T1").unwrap(), false),
            (Pattern::regex(r"^a/\bb").unwrap(), false),
        ] {
            assert_eq!(pattern.is_searchable(), searchable, "{pattern:?}");
        }
    }

    #[test]
    fn an_automaton_that_would_be_too_large_is_replaced_by_trying() {
        let wide = Pattern::regex(r"^[ab]{0,3}a[ab]*a[ab]{15}$").unwrap();
        assert!(!wide.is_searchable());
        assert!(wide.matches(&"a".repeat(20)) && !wide.matches(&"b".repeat(20)));
    }
}
