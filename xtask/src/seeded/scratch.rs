//! A copy of the tree that bugs are put into. It is built in a directory of its own: cargo takes a package of
//! the copy and that of the checkout for one, and the one's test program for the other's.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::bugs::{Bug, DIR, first_line, git_apply};
use crate::steps::Failure;

/// A test that is not over by then hangs.
const SECONDS_MAX: &str = "600";

/// See the module.
pub(crate) struct Scratch {
    root: PathBuf,
    tree: PathBuf,
    build: PathBuf,
}

impl Scratch {
    /// The copy of a checkout, below its target directory; as the checkout is now.
    pub(crate) fn of(root: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::File { path: root.display().to_string(), source };
        let root = root.canonicalize().map_err(failed)?;
        let around = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let around = root.join(around).join("seeded");
        let scratch = Self { root, tree: around.join("tree"), build: around.join("build") };
        scratch.sync()?;
        Ok(scratch)
    }

    /// Makes the copy as the checkout is. A file that is so already stays untouched: it is not built again.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        let at = |path: &Path| {
            let path = path.display().to_string();
            move |source| Failure::File { path, source }
        };
        let files = self.files()?;
        fs::create_dir_all(&self.tree).map_err(at(&self.tree))?;
        for stray in strays(&self.tree, &self.tree, &files).map_err(at(&self.tree))? {
            fs::remove_file(&stray).map_err(at(&stray))?;
        }
        for file in &files {
            let (from, to) = (self.root.join(file), self.tree.join(file));
            let bytes = match fs::read(&from) {
                // Removed, and git was not told.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(at(&from))?,
            };
            if fs::read(&to).is_ok_and(|there| there == bytes) {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).map_err(at(folder))?;
            }
            fs::write(&to, bytes).map_err(at(&to))?;
        }
        Ok(())
    }

    /// The files that git knows or would add.
    fn files(&self) -> Result<BTreeSet<PathBuf>, Failure> {
        let asked = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = run(Command::new("git").args(asked).current_dir(&self.root))?;
        if !listed.status.success() {
            return Err(Failure::Step("git ls-files".into()));
        }
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        Ok(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
    }

    /// Puts a bug in; says why it cannot.
    pub(crate) fn apply(&self, patch: &str) -> Result<Result<(), String>, Failure> {
        let start = |source| Failure::Start { program: "git apply".into(), source };
        let output = git_apply(&self.tree, &[], &Path::new(DIR).join(patch)).map_err(start)?;
        Ok(if output.status.success() { Ok(()) } else { Err(first_line(&output.stderr)) })
    }

    /// Builds the test program of a bug; says why it does not compile.
    pub(crate) fn build(&self, bug: &Bug) -> Result<Result<(), String>, Failure> {
        let output = run(self.cargo(bug, "cargo", &[]).arg("--no-run"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let is_error = |line: &&str| line.starts_with("error");
        let why = || said.lines().find(is_error).unwrap_or_default().to_owned();
        Ok(if output.status.success() { Ok(()) } else { Err(why()) })
    }

    /// Runs tests of a bug's program; what it says.
    pub(crate) fn test(&self, bug: &Bug, tests: &[&str]) -> Result<String, Failure> {
        let output = run(self
            .cargo(bug, "timeout", &[SECONDS_MAX, "cargo"])
            .args(["--", "--exact"])
            .args(tests)
            // The same inputs in every run.
            .env("PROPTEST_RNG_SEED", "1"))?;
        Ok(format!(
            "{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        ))
    }

    fn cargo(&self, bug: &Bug, program: &str, before: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(before)
            .args(["test", "--locked", "--package", &bug.package])
            .args(bug.target.split_whitespace())
            .env("CARGO_TARGET_DIR", &self.build)
            .current_dir(&self.tree);
        command
    }
}

/// Files below a folder that are not among those of the checkout.
fn strays(tree: &Path, dir: &Path, files: &BTreeSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(strays(tree, &path, files)?);
        } else if path.strip_prefix(tree).is_ok_and(|name| !files.contains(name)) {
            found.push(path);
        }
    }
    Ok(found)
}

fn run(command: &mut Command) -> Result<Output, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).output().map_err(|source| Failure::Start { program, source })
}
