//! Docs and code agree: generated pages are as generated, and every MUST names a test that exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::tree::Tree;

/// Pages that differ from what the code says, MUSTs without a test, and a missing changelog.
pub(crate) fn check(tree: &Tree, pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut places = stale_pages(tree, pages);
    let tests = test_names(tree);
    for (path, text) in &tree.files {
        if path.starts_with("docs/spec/") && path.ends_with(".md") {
            places.extend(untested(path, text, &tests));
        }
    }
    if !tree.files.keys().any(|path| path.starts_with("changelog.d/")) {
        places.push("changelog.d: no fragment says what changed".into());
    }
    places
}

fn stale_pages(tree: &Tree, pages: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let mut places = Vec::new();
    for (path, want) in pages {
        let path = path.display().to_string();
        if tree.files.get(&path) != Some(want) {
            places.push(format!("{path}: not what the code says: run `cargo xtask docs`"));
        }
    }
    for path in tree.files.keys().filter(|p| p.starts_with("docs/errors/")) {
        if !pages.contains_key(&PathBuf::from(path)) {
            places.push(format!("{path}: no such error code"));
        }
    }
    places
}

/// Names of all test functions.
pub(crate) fn test_names(tree: &Tree) -> BTreeSet<&str> {
    let functions = tree.rust().flat_map(|(_, text)| text.lines()).filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let rest = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
        rest.split(['(', '<']).next()
    });
    functions.collect()
}

/// Lines that start with a spec id, `**DEL-1**`, must name at least one test after `Tests:`, and
/// every test named must exist. The names may stand on following lines of the same paragraph.
fn untested(path: &str, text: &str, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut places = Vec::new();
    for paragraph in text.split("\n\n").flat_map(entries) {
        let Some(id) = spec_id(paragraph) else { continue };
        let named = paragraph.split("Tests:").nth(1).map(quoted).unwrap_or_default();
        if named.is_empty() {
            places.push(format!("{path}: {id} names no test"));
        }
        for name in named {
            let function = name.rsplit("::").next().unwrap_or(name);
            if !tests.contains(function) {
                places.push(format!("{path}: {id} names test `{name}`, which does not exist"));
            }
        }
    }
    places
}

/// The list items or table rows of a paragraph, or the paragraph itself.
fn entries(paragraph: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = vec![0];
    starts.extend(paragraph.match_indices('\n').map(|(at, _)| at + 1).filter(|&at| {
        let line = &paragraph[at..];
        line.starts_with("- ") || line.starts_with("| ") || line.starts_with("**")
    }));
    starts.push(paragraph.len());
    starts.windows(2).map(|pair| &paragraph[pair[0]..pair[1]]).collect()
}

/// `DEL-1` of `**DEL-1**` at the start of an entry.
fn spec_id(entry: &str) -> Option<&str> {
    let rest = entry.trim_start_matches(['-', '|', ' ']).strip_prefix("**")?;
    let id = rest.split("**").next()?;
    let (word, number) = id.split_once('-')?;
    let is_id = word.bytes().all(|b| b.is_ascii_uppercase())
        && !number.is_empty()
        && number.bytes().all(|b| b.is_ascii_digit());
    is_id.then_some(id)
}

fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}
