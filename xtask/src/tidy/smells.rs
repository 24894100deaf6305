//! Lines that must not be there, and the first line that must.

use super::tree::{Tree, is_test};

/// Text that no Rust file may hold, and why. Spelt in parts so that this file passes.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or write it in docs/roadmap.md"),
    (concat!("FIX", "ME"), "mend it, or write it in docs/roadmap.md"),
    (concat!("todo", "!("), "finish it"),
    (concat!("unimplemented", "!("), "finish it"),
    (concat!("#[ign", "ore"), "a test runs or is deleted"),
    (concat!("#[all", "ow("), "use #[expect(..., reason = \"...\")]"),
    (concat!("db", "g!("), "remove it"),
];

/// Places with a banned text, a sleeping test, or no first line.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    tree.rust().flat_map(|(path, text)| in_file(path, text)).collect()
}

fn in_file(path: &str, text: &str) -> Vec<String> {
    let mut places = Vec::new();
    if !text.starts_with("//!") {
        places.push(format!("{path}:1: first line is not `//!` with what the file is for"));
    }
    if path.ends_with("/mod.rs") {
        places.push(format!("{path}: use foo.rs beside foo/, not mod.rs"));
    }
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        for (banned, instead) in BANNED {
            if line.contains(banned) && !is_generated_include(path) {
                places.push(format!("{path}:{number}: `{banned}`: {instead}"));
            }
        }
        if is_test(path) && line.contains("sleep(") {
            places.push(format!("{path}:{number}: a test sleeps: await what it waits for"));
        }
    }
    places
}

/// Files that only include generated code may relax lints for it.
fn is_generated_include(path: &str) -> bool {
    path.ends_with("/v1.rs")
}
