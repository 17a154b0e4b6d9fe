//! "Did you mean": the nearest of the names there are.
//!
//! *Invariant.* A name is only offered when it is near: a wrong hint is worse than none.

/// How many letters may differ. LIMIT: beyond a third of the name the likeness is chance.
fn distance_max(name: &str) -> usize {
    (name.chars().count() / 3).clamp(1, 3)
}

/// The name most like `wrong`, if one is near.
pub(crate) fn nearest<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    names
        .into_iter()
        .map(|name| (distance(&wrong, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= distance_max(name))
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, delete or change, or neighbours to swap, to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut above_that: Vec<usize> = Vec::new();
    let mut before = None;
    for (row, x) in a.chars().enumerate() {
        let mut line = vec![row + 1];
        for (column, y) in b.iter().enumerate() {
            let at =
                |line: &[usize], column: usize| line.get(column).copied().unwrap_or(usize::MAX / 2);
            let change = at(&above, column) + usize::from(x != *y);
            let mut best = change.min(at(&above, column + 1) + 1).min(at(&line, column) + 1);
            let swapped = column > 0 && before == Some(*y) && b.get(column - 1) == Some(&x);
            if swapped {
                best = best.min(at(&above_that, column - 1) + 1);
            }
            line.push(best);
        }
        above_that = std::mem::replace(&mut above, line);
        before = Some(x);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_name_is_offered() {
        for (wrong, want) in [
            ("sample", Some("samples")),
            ("smaples", Some("samples")),
            ("Tags", Some("tags")),
            ("tagz", Some("tags")),
            ("lastest", Some("latest")),
            ("machines", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wrong, ["latest", "samples", "tags"]), want, "{wrong}");
        }
    }
}
