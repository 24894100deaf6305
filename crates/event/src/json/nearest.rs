//! Which of the known names was meant.

/// A hint that names the known name nearest to what was written; empty when none is near.
#[must_use]
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, known).map_or_else(String::new, |name| format!("did you mean `{name}`?"))
}

/// The known name nearest to what was written, when it is near: at most a third of the letters
/// differ, case and underscores aside.
fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer than any name: not worth the comparison.
    if written.len() > 64 {
        return None;
    }
    let plain = plain(written);
    let scored = known.into_iter().map(|name| (distance(&plain, &self::plain(name)), name));
    let (distance, name) = scored.min_by_key(|(distance, _)| *distance)?;
    (3 * distance <= plain.len().max(3)).then_some(name)
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            left = (diagonal + usize::from(from != to)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
