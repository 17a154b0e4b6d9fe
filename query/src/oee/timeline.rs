//! A value that holds from one change to the next.
//!
//! *Invariant.* Changes rise strictly in time, and no two that follow each other are the same.

/// The changes of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timeline<T> {
    changes: Vec<(i64, T)>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self { changes: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Timeline<T> {
    /// A value that always holds.
    pub(crate) fn always(value: T) -> Self {
        Self { changes: vec![(i64::MIN, value)] }
    }

    /// The value from a moment on, which is not before the last change. Of two at one moment the
    /// later counts.
    pub(crate) fn push(&mut self, at: i64, value: T) {
        if self.changes.last().is_some_and(|(last, _)| *last >= at) {
            self.changes.pop();
        }
        if self.changes.last().is_none_or(|(_, last)| *last != value) {
            self.changes.push((at, value));
        }
    }

    /// How many changes there are.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    /// The changes, with their moments.
    pub(crate) fn changes(&self) -> &[(i64, T)] {
        &self.changes
    }

    /// The value at the end.
    pub(crate) fn last(&self) -> Option<&T> {
        self.changes.last().map(|(_, value)| value)
    }

    /// The value that holds at a moment, and until when.
    pub(crate) fn at(&self, moment: i64) -> (Option<&T>, i64) {
        let after = self.changes.partition_point(|(at, _)| *at <= moment);
        let until = self.changes.get(after).map_or(i64::MAX, |(at, _)| *at);
        let held = after.checked_sub(1).and_then(|before| self.changes.get(before));
        (held.map(|(_, value)| value), until)
    }

    /// Changes what held between two moments.
    pub(crate) fn change(&mut self, from: i64, to: i64, mut change: impl FnMut(&T) -> T) {
        let all = std::mem::take(&mut self.changes);
        for (place, (at, value)) in all.iter().enumerate() {
            let end = all.get(place + 1).map_or(i64::MAX, |(next, _)| *next);
            let (first, last) = (from.max(*at), to.min(end));
            if first >= last {
                self.push(*at, value.clone());
                continue;
            }
            if *at < first {
                self.push(*at, value.clone());
            }
            self.push(first, change(value));
            if last < end {
                self.push(last, value.clone());
            }
        }
    }

    /// Puts a value over what held between two moments. Where nothing held, it goes on until the
    /// next change.
    pub(crate) fn cover(&mut self, from: i64, to: i64, value: T) {
        if to <= from {
            return;
        }
        let after = self.at(to).0.cloned();
        let mut covered = Self::default();
        let all = std::mem::take(&mut self.changes);
        let (before, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(at, _)| *at < from);
        before.into_iter().for_each(|(at, own)| covered.push(at, own));
        covered.push(from, value);
        if let Some(after) = after
            && to < i64::MAX
        {
            covered.push(to, after);
        }
        rest.into_iter().filter(|(at, _)| *at >= to).for_each(|(at, own)| covered.push(at, own));
        *self = covered;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(changes: &[(i64, char)]) -> Timeline<char> {
        let mut timeline = Timeline::default();
        changes.iter().for_each(|(at, value)| timeline.push(*at, *value));
        timeline
    }

    #[test]
    fn only_changes_are_kept_and_the_later_of_one_moment_counts() {
        let own = timeline(&[(1, 'a'), (2, 'a'), (3, 'b'), (5, 'c'), (5, 'd'), (7, 'e'), (7, 'd')]);
        assert_eq!(own.changes(), [(1, 'a'), (3, 'b'), (5, 'd')]);
        assert_eq!(own.at(0), (None, 1));
        assert_eq!(own.at(4), (Some(&'b'), 5));
        assert_eq!(own.at(5), (Some(&'d'), i64::MAX));
    }

    #[test]
    fn what_is_changed_is_changed_between_two_moments_only() {
        for (from, to, want) in [
            (2, 4, vec![(1, 'a'), (2, 'A'), (3, 'B'), (4, 'b'), (5, 'c')]),
            (3, 5, vec![(1, 'a'), (3, 'B'), (5, 'c')]),
            (0, 1, vec![(1, 'a'), (3, 'b'), (5, 'c')]),
            (6, i64::MAX, vec![(1, 'a'), (3, 'b'), (5, 'c'), (6, 'C')]),
        ] {
            let mut own = timeline(&[(1, 'a'), (3, 'b'), (5, 'c')]);
            own.change(from, to, char::to_ascii_uppercase);
            assert_eq!(own.changes(), want, "{from} to {to}");
        }
    }

    #[test]
    fn what_is_covered_is_hidden_and_comes_back_after_it() {
        for (from, to, want) in [
            (2, 4, vec![(1, 'a'), (2, 'x'), (4, 'b'), (5, 'c')]),
            (3, 5, vec![(1, 'a'), (3, 'x'), (5, 'c')]),
            (0, 9, vec![(0, 'x'), (9, 'c')]),
            (4, i64::MAX, vec![(1, 'a'), (3, 'b'), (4, 'x')]),
            (-5, -2, vec![(-5, 'x'), (1, 'a'), (3, 'b'), (5, 'c')]),
            (4, 4, vec![(1, 'a'), (3, 'b'), (5, 'c')]),
        ] {
            let mut own = timeline(&[(1, 'a'), (3, 'b'), (5, 'c')]);
            own.cover(from, to, 'x');
            assert_eq!(own.changes(), want, "{from} to {to}");
        }
    }
}
