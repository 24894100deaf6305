//! The files under check, read once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::steps::Failure;

/// Path relative to the root, with `/`, and text of every file that git knows or would add.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Texts by path.
    pub(crate) files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the texts of a checkout; files that are not UTF-8 are data and left out.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::Start { program: "git ls-files".into(), source };
        let listing = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(failed)?;
        if !listing.status.success() {
            return Err(Failure::Step("git ls-files".into()));
        }
        let mut files = BTreeMap::new();
        for path in String::from_utf8_lossy(&listing.stdout).lines() {
            if let Ok(text) = fs::read_to_string(root.join(path)) {
                files.insert(path.to_owned(), text);
            }
        }
        Ok(Self { files })
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter(|(p, _)| p.ends_with(".rs")).map(|(p, t)| (p.as_str(), t.as_str()))
    }
}

/// Whether a Rust file holds tests only.
pub(crate) fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.starts_with("tests/") || path.contains("/tests/")
}
