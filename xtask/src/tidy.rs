//! The rules of the tree that no compiler checks, as a test of the tree.
//!
//! Each check is a function from the [`Tree`] to the places that break it, in a file of its own.

mod agreement;
mod layers;
mod names;
mod seeded;
mod sizes;
mod smells;
mod tree;

use std::path::Path;

use crate::steps::Failure;
use tree::Tree;

/// Checks everything; the failure lists every place.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let tree = Tree::read(root)?;
    let metadata = layers::metadata(root)?;
    let places: Vec<String> = [
        sizes::check(&tree),
        smells::check(&tree),
        names::check(&tree),
        layers::check(&metadata),
        agreement::check(&tree, &crate::docs::pages()),
        seeded::check(&tree, root),
    ]
    .concat();
    if places.is_empty() {
        println!("tidy: {} files, nothing to say", tree.files.len());
        return Ok(());
    }
    Err(Failure::Untidy(format!("{}\n\ntidy: {} places", places.join("\n"), places.len())))
}

#[cfg(test)]
mod tests;
