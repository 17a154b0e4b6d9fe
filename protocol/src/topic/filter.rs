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

    /// The same as a regular expression in which each wildcard is a group.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::from("(?s)^");
        for (index, level) in self.0.split('/').enumerate() {
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
        pattern
    }
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
            let pattern = Regex::new(&built.pattern()).unwrap();
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
