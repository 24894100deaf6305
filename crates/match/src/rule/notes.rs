//! What to tell whoever saves a filter.

use super::expression::Test;
use super::pins::{Pin, Pinned, pins};

/// Most characters of a filter's part that a note quotes.
const QUOTED_MAX: usize = 120;

/// One sentence for each thing that is worth knowing.
pub(super) fn notes(test: &Test, pinned: &[Pin]) -> Vec<String> {
    match test {
        Test::Constant(true) => return vec!["every event passes".to_owned()],
        Test::Constant(false) => return vec!["no event passes".to_owned()],
        _ => {}
    }
    let Some(first) = pinned.first() else {
        return vec![format!(
            "slow: every event of the topics is judged, for no part of it asks for {}",
            Pinned::ALL.map(Pinned::name).join(", ")
        )];
    };
    let parts = match test {
        Test::All(parts) => parts.as_slice(),
        single => std::slice::from_ref(single),
    };
    let rest = parts.iter().filter(|part| !pins(part).iter().any(|pin| pin.field == first.field));
    rest.map(|part| {
        format!("judged per event of the {} it asks for: {}", first.field.name(), quoted(part))
    })
    .take(8)
    .collect()
}

fn quoted(part: &Test) -> String {
    let text = part.to_string();
    match text.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
