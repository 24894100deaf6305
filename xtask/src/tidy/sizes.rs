//! Small rooms: how long files may be.

use super::tree::{Tree, is_test};

const LINES_MAX: usize = 500;
const LINES_MAX_LISTED: usize = 800;
const ROOT_LINES_MAX: usize = 200;

/// Files that may pass 500 lines, each with its reason.
const LISTED: &[(&str, &str)] = &[];

/// Places where a file is too long.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    tree.rust()
        .filter(|(path, _)| !is_test(path))
        .filter_map(|(path, text)| too_long(path, text))
        .collect()
}

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let is_root = path.ends_with("/lib.rs") || path.ends_with("/main.rs");
    let is_listed = LISTED.iter().any(|(listed, _)| *listed == path);
    let max = match (is_root, is_listed) {
        (true, _) => ROOT_LINES_MAX,
        (false, true) => LINES_MAX_LISTED,
        (false, false) => LINES_MAX,
    };
    (lines > max)
        .then(|| format!("{path}: {lines} lines, at most {max}: find its second reason to exist"))
}
