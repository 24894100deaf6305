//! Finding, building and running the executable.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};

use crate::limit::blocking;

/// How a run of the executable ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The executable, built once by whichever test asks first. With `TIDINGS_E2E_PREBUILT` set it is
/// taken as it lies beside the test.
///
/// # Panics
/// When it cannot be built.
pub fn executable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| built("tidings", "tidings"))
}

/// An example of the SDK, built by whichever test asks first.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    static BUILT: Mutex<()> = Mutex::new(());
    let _turn = BUILT.lock();
    built("tidings-examples", name)
}

/// The library that stands between the executable and its disk and clock; always built, for no test
/// has it beside itself.
pub(crate) fn shim() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = profile();
        build("tidings-shim", &profile);
        profile.join("libtidings_shim.so")
    })
}

/// The project's own tools; always built, for no test has them beside itself.
pub(crate) fn xtask() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let profile = profile();
        build("xtask", &profile);
        profile.join("xtask")
    })
}

/// `target/<profile>` of the running program: a test in `deps`, or a program beside the executable.
fn profile() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a path");
    let dir = program.parent().expect("a program lies in a directory");
    let is_test = dir.file_name().is_some_and(|name| name == "deps");
    let profile = if is_test { dir.parent() } else { Some(dir) };
    profile.expect("target/<profile>/deps").to_owned()
}

fn built(package: &str, name: &str) -> PathBuf {
    let profile = profile();
    let path = profile.join(name);
    if std::env::var_os("TIDINGS_E2E_PREBUILT").is_none() {
        build(package, &profile);
    }
    assert!(path.exists(), "{} is not there", path.display());
    path
}

/// Into the test's own target directory, with the flags it was built with: a coverage run counts
/// what the executable does, too.
fn build(package: &str, profile: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", package, "--target-dir"]);
    command.arg(profile.parent().expect("a profile lies in the target directory"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.arg("--profile").arg(match profile.file_name() {
        Some(name) if name != "debug" => name,
        _ => "dev".as_ref(),
    });
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "{package} does not build");
}

/// Runs a command of the executable to its end.
///
/// # Panics
/// When it cannot be started, or does not end.
#[must_use]
pub fn run(dir: &Path, arguments: &[&str]) -> Finished {
    run_with_input(dir, arguments, "")
}

/// As [`run`], with a text on stdin.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn run_with_input(dir: &Path, arguments: &[&str], input: &str) -> Finished {
    let mut command = Command::new(executable());
    command.args(arguments).current_dir(dir);
    finish(command, input)
}

/// Runs any command to its end, with a text on stdin.
///
/// # Panics
/// When it cannot be started, or does not end.
#[must_use]
pub fn finish(mut command: Command, input: &str) -> Finished {
    let what = format!("the end of {command:?}");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_owned();
    blocking(&what, child.id(), move || {
        // A command that does not read its input may be gone already.
        let _ended = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends").into()
    })
}
