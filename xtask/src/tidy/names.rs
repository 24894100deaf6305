//! One word for one thing: words that no file and no type may be called.

use super::tree::{Tree, is_test};

const WORDS: &[&str] = &[
    "channel",
    "shard",
    "listener",
    "dispatcher",
    "job",
    "manager",
    "handler",
    "processor",
    "service",
    "helper",
    "util",
    "utils",
    "common",
    "base",
    "impl",
    "v2",
];

/// Files and types with a banned word in their name.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    tree.rust().flat_map(|(path, text)| in_file(path, text)).collect()
}

fn in_file(path: &str, text: &str) -> Vec<String> {
    let mut places = Vec::new();
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
    if let Some(word) = stem.split('_').find(|part| WORDS.contains(part)) {
        places.push(format!("{path}: file name says `{word}`: use a noun of the domain"));
    }
    if is_test(path) {
        return places;
    }
    for (number, line) in text.lines().enumerate() {
        let Some(name) = declared_type(line) else { continue };
        if let Some(word) = camel_words(name).into_iter().find(|w| WORDS.contains(&w.as_str())) {
            places.push(format!("{path}:{}: type `{name}` says `{word}`", number + 1));
        }
    }
    places
}

/// The type that a line declares.
fn declared_type(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line =
        line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|k| line.strip_prefix(k))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty())
}

fn camel_words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if !c.is_uppercase() => word.push(c),
            _ => words.push(c.to_lowercase().collect()),
        }
    }
    words
}
