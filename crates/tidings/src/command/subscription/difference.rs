//! What differs between two documents of a subscription.

use serde_json::Value;
use tidings_client::documents::SubscriptionDocument;

/// Members that change with every change, or tell of the past.
const ASIDE: [&str; 6] = ["boundary", "created_at", "etag", "notes", "revision", "revisions"];

/// `member: old -> new`, one a member.
pub(super) fn difference(old: &SubscriptionDocument, new: &SubscriptionDocument) -> Vec<String> {
    let (old, new) = (members(old), members(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let names = names.into_iter().filter(|name| !ASIDE.contains(&name.as_str()));
    let changed = names.filter(|name| old.get(*name) != new.get(*name));
    let shown = |value: Option<&Value>| value.map_or("none".to_owned(), Value::to_string);
    changed
        .map(|name| format!("{name}: {} -> {}", shown(old.get(name)), shown(new.get(name))))
        .collect()
}

fn members(document: &SubscriptionDocument) -> serde_json::Map<String, Value> {
    match serde_json::to_value(document) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}
