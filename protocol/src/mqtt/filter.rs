//! Topic names and topic filters: what is one, and which matches which.
//!
//! *Invariant.* `matches` is total: any two texts give an answer, without recursion.
//!
//! *Not here.* Which topics become tags; who is subscribed (`tree`).

use super::limits::{FILTER_BYTES_MAX, FILTER_LEVELS_MAX, SHARE_BYTES_MAX};

/// Whether a text (already free of U+0000) is a topic name a client may publish to.
#[must_use]
pub fn is_topic(topic: &str) -> bool {
    !topic.is_empty() && !topic.contains(['+', '#'])
}

/// Why a topic filter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Not a filter by the standard, or too deep.
    #[error("topic filter is not valid")]
    Invalid,
}

/// A shared subscription: its group and the filter its members share. `None` if it is none.
#[must_use]
pub fn share(filter: &str) -> Option<(&str, &str)> {
    filter.strip_prefix("$share/")?.split_once('/')
}

/// Checks a topic filter, or one that is shared.
pub fn check_filter(filter: &str) -> Result<(), FilterError> {
    if filter == "$share" || filter.starts_with("$share/") {
        let (group, shared) = share(filter).ok_or(FilterError::Invalid)?;
        let fits = !group.is_empty()
            && group.len() <= SHARE_BYTES_MAX
            && !group.contains(['+', '#'])
            && !shared.starts_with("$share/");
        return if fits { check_plain(shared) } else { Err(FilterError::Invalid) };
    }
    check_plain(filter)
}

fn check_plain(filter: &str) -> Result<(), FilterError> {
    let is_too_long =
        filter.len() > FILTER_BYTES_MAX || filter.split('/').count() > FILTER_LEVELS_MAX;
    if filter.is_empty() || is_too_long {
        return Err(FilterError::Invalid);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        let fits = match level {
            "+" => true,
            "#" => is_last,
            level => !level.contains(['+', '#']),
        };
        if !fits {
            return Err(FilterError::Invalid);
        }
    }
    Ok(())
}

/// Whether a topic filter (already checked) matches a topic name. A filter that begins with a
/// wildcard does not match a topic that begins with `$`.
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic_levels = topic.split('/');
    for level in filter.split('/') {
        match (level, topic_levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    topic_levels.next().is_none()
}

/// Whether every topic that `narrow` matches is also matched by `wide`; both are checked.
#[must_use]
pub fn covers(wide: &str, narrow: &str) -> bool {
    if narrow.starts_with('$') && wide.starts_with(['+', '#']) {
        return false;
    }
    let mut narrow_levels = narrow.split('/');
    for level in wide.split('/') {
        match (level, narrow_levels.next()) {
            ("#", _) => return true,
            (_, Some("#")) => return false,
            ("+", Some(_)) => {}
            (level, Some(name)) if level == name => {}
            _ => return false,
        }
    }
    narrow_levels.next().is_none()
}

/// The part of a filter before its first wildcard: every topic it matches begins with it, except
/// that `a/#` also matches `a`, which is why the slash before `#` is left out.
#[must_use]
pub(super) fn literal_prefix(filter: &str) -> &str {
    let end = filter.find(['+', '#']).unwrap_or(filter.len());
    let prefix = filter.get(..end).unwrap_or(filter);
    if filter.ends_with("/#") && end + 1 == filter.len() {
        prefix.strip_suffix('/').unwrap_or(prefix)
    } else {
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_as_the_standard_says() {
        let deep = vec!["a"; FILTER_LEVELS_MAX + 1].join("/");
        let long = "a".repeat(FILTER_BYTES_MAX + 1);
        let cases = [
            ("a", Ok(())),
            ("a/b/c", Ok(())),
            ("#", Ok(())),
            ("+", Ok(())),
            ("/", Ok(())),
            ("//", Ok(())),
            ("a/#", Ok(())),
            ("+/+/#", Ok(())),
            ("+/a/+", Ok(())),
            ("Übergabe/+", Ok(())),
            ("$SYS/#", Ok(())),
            ("", Err(FilterError::Invalid)),
            ("a#", Err(FilterError::Invalid)),
            ("a/#/b", Err(FilterError::Invalid)),
            ("a+", Err(FilterError::Invalid)),
            ("+a", Err(FilterError::Invalid)),
            ("a/++", Err(FilterError::Invalid)),
            (deep.as_str(), Err(FilterError::Invalid)),
            (long.as_str(), Err(FilterError::Invalid)),
            ("$share/g/a", Ok(())),
            ("$share/g/#", Ok(())),
            ("$share/g//", Ok(())),
            ("$share", Err(FilterError::Invalid)),
            ("$share/g", Err(FilterError::Invalid)),
            ("$share/g/", Err(FilterError::Invalid)),
            ("$share//a", Err(FilterError::Invalid)),
            ("$share/g+/a", Err(FilterError::Invalid)),
            ("$share/#/a", Err(FilterError::Invalid)),
            ("$share/g/a#", Err(FilterError::Invalid)),
            ("$share/g/$share/h/a", Err(FilterError::Invalid)),
        ];
        for (filter, want) in cases {
            assert_eq!(check_filter(filter), want, "filter {filter:?}");
        }
    }

    #[test]
    fn a_filter_covers_what_only_matches_within_it() {
        let cases = [
            ("#", "a/b", true),
            ("#", "a/#", true),
            ("#", "$SYS/a", false),
            ("$SYS/#", "$SYS/+", true),
            ("a/#", "a", true),
            ("a/#", "a/+/c", true),
            ("a/+", "a/+", true),
            ("a/+", "a/b", true),
            ("a/+", "a/#", false),
            ("a/b", "a/+", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b/+", false),
            ("a", "#", false),
            ("+/b", "a/b", true),
            ("a/b", "a/b/c", false),
        ];
        for (wide, narrow, want) in cases {
            assert_eq!(covers(wide, narrow), want, "{wide:?} over {narrow:?}");
        }
    }

    #[test]
    fn matching_follows_the_standards_examples() {
        let cases = [
            ("sport/tennis/player1/#", "sport/tennis/player1", true),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
            ("sport/#", "sport", true),
            ("#", "a", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("sport/tennis/+", "sport/tennis/player1", true),
            ("sport/tennis/+", "sport/tennis/player1/ranking", false),
            ("sport/+", "sport", false),
            ("sport/+", "sport/", true),
            ("+/+", "/finance", true),
            ("/+", "/finance", true),
            ("+", "/finance", false),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("Ü/#", "Ü/ß", true),
        ];
        for (filter, topic, want) in cases {
            assert_eq!(matches(filter, topic), want, "{filter:?} against {topic:?}");
            if want {
                assert!(topic.starts_with(literal_prefix(filter)), "prefix of {filter:?}");
            }
        }
    }
}
