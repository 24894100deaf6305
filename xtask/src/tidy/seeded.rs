//! Seeded bugs do not rot: each patch applies to the tree as it is, and names a test that is there.

use std::path::Path;

use super::agreement::test_names;
use super::tree::Tree;
use crate::seeded::bugs;

/// What of the table and the patches does not fit the tree.
pub(crate) fn check(tree: &Tree, root: &Path) -> Vec<String> {
    let path = format!("{}/bugs.toml", bugs::DIR);
    let listed = tree.files.get(&path).ok_or("no such file".to_owned());
    match listed.and_then(|text| bugs::parse(text)) {
        Ok(listed) => {
            let is_patch = |path: &&str| path.starts_with(bugs::DIR) && path.ends_with(".patch");
            let patches = tree.files.keys().map(String::as_str).filter(is_patch).collect();
            bugs::check(root, &listed, &patches, &test_names(tree))
        }
        Err(error) => vec![format!("{path}: {error}")],
    }
}
