//! The table of the bugs, `torture/seeded/bugs.toml`, and whether it and the patches still fit the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde::Deserialize;

use crate::steps::Failure;

/// Where the table and the patches are.
pub(crate) const DIR: &str = "torture/seeded";

/// One bug.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bug {
    /// Two digits.
    pub(crate) id: String,
    pub(crate) name: String,
    /// The promise or invariant that it breaks.
    pub(crate) breaks: String,
    /// The file that puts it in.
    pub(crate) patch: String,
    /// The package of the test that must catch it.
    pub(crate) package: String,
    /// Which of the package's test programs, as cargo is told.
    pub(crate) target: String,
    /// The test's whole name in that program.
    pub(crate) test: String,
    /// What else catches it.
    #[serde(default)]
    pub(crate) also: String,
}

#[derive(Deserialize)]
struct Table {
    bug: Vec<Bug>,
}

/// Reads the table of a checkout.
pub(crate) fn read(root: &Path) -> Result<Vec<Bug>, Failure> {
    let path = root.join(DIR).join("bugs.toml");
    let shown = path.display().to_string();
    let text = fs::read_to_string(&path)
        .map_err(|source| Failure::File { path: shown.clone(), source })?;
    parse(&text).map_err(|error| Failure::Seeded(format!("{shown}: {error}")))
}

/// Reads a table.
pub(crate) fn parse(text: &str) -> Result<Vec<Bug>, String> {
    toml::from_str::<Table>(text).map(|table| table.bug).map_err(|error| error.to_string())
}

/// Patches that are missing, listed nowhere or do not apply, and tests that do not exist. `patches` are the
/// files that are there.
pub(crate) fn check(
    root: &Path,
    bugs: &[Bug],
    patches: &BTreeSet<&str>,
    tests: &BTreeSet<&str>,
) -> Vec<String> {
    let mut places = Vec::new();
    for bug in bugs {
        let path = format!("{DIR}/{}", bug.patch);
        if !bug.patch.starts_with(&format!("{}-", bug.id)) {
            places.push(format!("{path}: not called after its bug, {}", bug.id));
        }
        if !patches.contains(&*path) {
            places.push(format!("{path}: no such file"));
        } else if let Err(error) = applies(root, Path::new(&path)) {
            places.push(format!("{path}: does not apply: put the bug in anew: {error}"));
        }
        let function = bug.test.rsplit("::").next().unwrap_or_default();
        if !tests.contains(function) {
            places.push(format!("{path}: its test `{}` does not exist", bug.test));
        }
    }
    let listed: BTreeSet<String> = bugs.iter().map(|bug| format!("{DIR}/{}", bug.patch)).collect();
    let unlisted = patches.iter().filter(|path| !listed.contains(**path));
    places.extend(unlisted.map(|path| format!("{path}: not in {DIR}/bugs.toml")));
    places
}

fn applies(root: &Path, patch: &Path) -> Result<(), String> {
    let output = git_apply(root, &["--check"], patch).map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(first_line(&output.stderr)) }
}

/// Runs `git apply` in a directory that need not be a repository.
pub(crate) fn git_apply(dir: &Path, flags: &[&str], patch: &Path) -> std::io::Result<Output> {
    let dir = dir.canonicalize()?;
    Command::new("git")
        .arg("apply")
        .args(flags)
        .arg(patch)
        // Else a copy below a repository's root would be taken for a part of it, and left as it is.
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap_or(&dir))
        .current_dir(&dir)
        .output()
}

/// The first line of what a program said.
pub(crate) fn first_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().next().unwrap_or_default().to_owned()
}
