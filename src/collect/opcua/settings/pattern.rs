//! Patterns of paths below a browse root: `*` within a level, `**` across levels, `?` one letter.
//!
//! *Invariant.* A pattern matches a whole path, in time linear in its length.

use regex::RegexSet;

/// LIMIT: the memory of all patterns of a list together, compiled.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// A list of patterns.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Option<RegexSet>);

impl Patterns {
    /// Reads patterns.
    ///
    /// # Errors
    /// What is wrong with one.
    pub fn new(patterns: &[String]) -> Result<Self, String> {
        if patterns.is_empty() {
            return Ok(Self(None));
        }
        if let Some(odd) = patterns.iter().find(|one| one.is_empty() || one.contains(['[', '{'])) {
            return Err(format!("\"{odd}\" is not a pattern"));
        }
        regex::RegexSetBuilder::new(patterns.iter().map(|one| expression(one)))
            .size_limit(COMPILED_BYTES_MAX)
            .build()
            .map(|set| Self(Some(set)))
            .map_err(|error| error.to_string())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether one of them matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.0.as_ref().is_some_and(|set| set.is_match(path))
    }
}

fn expression(pattern: &str) -> String {
    let mut expression = String::from("^");
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            expression.push_str("(?:.*/)?");
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("**") {
            expression.push_str(".*");
            rest = after;
            continue;
        }
        match letter {
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]"),
            other => expression.push_str(&regex::escape(&other.to_string())),
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    expression.push('$');
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_a_whole_path() {
        for (pattern, path, want) in [
            ("Temp*", "Temperature", true),
            ("Temp*", "Oven/Temperature", false),
            ("**/Temp*", "Oven/Zone 1/Temperature", true),
            ("**/Temp*", "Temperature", true),
            ("Oven/**", "Oven/Zone 1/Temperature", true),
            ("Oven/?", "Oven/1", true),
            ("Oven/?", "Oven/12", false),
            ("a.b", "axb", false),
            ("Größe*", "Größe 1", true),
        ] {
            let patterns = Patterns::new(&[pattern.to_owned()]).unwrap();
            assert_eq!(patterns.matches(path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        assert!(Patterns::new(&[String::new()]).is_err());
        assert!(Patterns::new(&["a[b".to_owned()]).is_err());
        assert!(Patterns::new(&[]).unwrap().is_empty());
    }
}
