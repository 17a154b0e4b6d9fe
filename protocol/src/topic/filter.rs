//! An MQTT topic filter (MQTT 5.0, 4.7): levels, `+` for one level, `#` for all that follow.
//!
//! *Invariant.* A filter that was built follows the rules of the standard.

/// A checked filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

/// Why a text is no filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterError {
    #[error("is empty")]
    Empty,
    #[error("has more than 65535 bytes")]
    TooLong,
    #[error("has + or # beside other characters of a level")]
    WildcardInLevel,
    #[error("has # before its end")]
    HashInside,
}

impl FilterError {
    /// What to do about it.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Empty => "use # for every topic",
            Self::TooLong => "MQTT topics end at 65535 bytes",
            Self::WildcardInLevel => "a wildcard stands for whole levels: a/+/c, a/#",
            Self::HashInside => "# stands for all that follows; use + for one level",
        }
    }
}

impl Filter {
    /// The filter of every topic that does not start with `$`.
    pub(super) fn all() -> Self {
        Self("#".to_owned())
    }

    pub(super) fn new(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if text.len() > usize::from(u16::MAX) {
            return Err(FilterError::TooLong);
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            if level.len() > 1 && level.contains(['+', '#']) {
                return Err(FilterError::WildcardInLevel);
            }
            if level == "#" && levels.peek().is_some() {
                return Err(FilterError::HashInside);
            }
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.0.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// A filter in whose levels `{name}` may stand for `+`, as a regular expression in which each
    /// wildcard is a group, those with a name by that name.
    pub(super) fn pattern_of(text: &str) -> Result<String, FilterError> {
        let plain = |level| if group(level).is_some() { "+" } else { level };
        let levels: Vec<&str> = text.split('/').collect();
        let filter: Vec<&str> = levels.iter().map(|level| plain(level)).collect();
        Self::new(&filter.join("/"))?;
        let mut pattern = String::from("(?s)^");
        for (index, level) in levels.into_iter().enumerate() {
            if let Some(name) = group(level) {
                let inside = if index == 0 { "[^$/][^/]*|" } else { "[^/]*" };
                let before = if index == 0 { "" } else { "/" };
                pattern.extend([before, "(?<", name, ">", inside, ")"]);
                continue;
            }
            match (level, index) {
                // The first level of a wildcard is not "$…".
                ("#", 0) => pattern.push_str("([^$].*|)"),
                ("+", 0) => pattern.push_str("([^$/][^/]*|)"),
                // "a/#" also matches "a".
                ("#", _) => pattern.push_str("(?:/(.*))?"),
                ("+", _) => pattern.push_str("/([^/]*)"),
                (level, _) => {
                    pattern.push_str(if index == 0 { "" } else { "/" });
                    pattern.push_str(&regex::escape(level));
                }
            }
        }
        pattern.push('$');
        Ok(pattern)
    }
}

/// The name in a level that is `{name}`.
fn group(level: &str) -> Option<&str> {
    let name = level.strip_prefix('{')?.strip_suffix('}')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(letters))
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::Regex;

    #[test]
    fn a_filter_matches_as_the_standard_says() {
        for (filter, topic, want) in [
            ("#", "a/b", true),
            ("#", "/", true),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a//c", true),
            ("a/+/c", "a/b/d", false),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+", "a", true),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("+", "/a", false),
            ("a.b", "axb", false),
            ("ü/+", "ü/1", true),
        ] {
            let built = Filter::new(filter).unwrap();
            assert_eq!(built.matches(topic), want, "{filter} {topic}");
            let pattern = Regex::new(&Filter::pattern_of(filter).unwrap()).unwrap();
            assert_eq!(pattern.is_match(topic), want, "{pattern} {topic}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (text, why) in [
            ("", FilterError::Empty),
            ("a+/b", FilterError::WildcardInLevel),
            ("a/b#", FilterError::WildcardInLevel),
            ("a/#/b", FilterError::HashInside),
        ] {
            assert_eq!(Filter::new(text), Err(why), "{text}");
        }
        assert_eq!(Filter::new(&"x".repeat(65_536)), Err(FilterError::TooLong));
    }
}
