//! Other languages' tools: looked for, prepared once, run to their end.
//!
//! Where one is missing, or the registries cannot be reached, its tests say so and pass. In CI they
//! fail.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use tidings_event::block::crc32c;

use crate::executable::Finished;

/// Longest run of a tool, in seconds: it may have packages to fetch and compile.
const LIMIT: &str = "600";

/// The root of the project.
#[must_use]
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate lies two levels below the root").to_owned()
}

/// Where what tools make is kept: `target/clients`.
///
/// # Panics
/// When it cannot be made.
fn kept() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    // target/<profile>/deps/<test>
    let target = test.ancestors().nth(3).expect("target/<profile>/deps");
    let kept = target.join("clients");
    std::fs::create_dir_all(&kept).expect("the target directory can be written");
    kept
}

/// Runs a command to its end, within ten minutes.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn tool(program: impl AsRef<Path>, dir: &Path, arguments: &[&str]) -> Finished {
    command(program.as_ref(), dir, arguments).output().expect("timeout runs").into()
}

fn command(program: &Path, dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", LIMIT]).arg(program).args(arguments).current_dir(dir);
    command
}

/// Starts a command, with its output to be read; its end is within ten minutes.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn begin(program: impl AsRef<Path>, dir: &Path, arguments: &[&str]) -> Child {
    let mut command = command(program.as_ref(), dir, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("timeout runs")
}

/// Waits for the end of what [`begin`] started.
///
/// # Panics
/// When it does not end.
pub async fn ended(child: Child) -> Finished {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = crate::limit::soon("a tool to end", output).await.expect("it is waited for");
    output.expect("its output can be read").into()
}

/// As [`tool`], with the executable and the project's root in its environment.
///
/// # Panics
/// When it fails.
pub fn drive(program: impl AsRef<Path>, dir: &Path, arguments: &[&str]) {
    let mut command = command(program.as_ref(), dir, arguments);
    command.env("TIDINGS_BIN", crate::executable()).env("TIDINGS_ROOT", root());
    succeeded(&command.output().expect("timeout runs").into(), arguments);
}

/// # Panics
/// When it failed, with what it said.
pub fn succeeded(ended: &Finished, what: &[&str]) {
    assert_eq!(ended.code, Some(0), "{what:?}\n{}\n{}", ended.stdout, ended.stderr);
}

/// What there is, or why not.
type Prepared = Result<PathBuf, String>;

fn or_skip(what: &str, prepared: &Prepared) -> Option<PathBuf> {
    match prepared {
        Ok(path) => Some(path.clone()),
        Err(reason) => {
            let required = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!required, "{what} is required in CI: {reason}");
            // Past the test runner, which keeps what passing tests print to itself.
            let _closed = writeln!(std::io::stderr(), "SKIPPED: everything in {what}: {reason}");
            None
        }
    }
}

fn step(program: impl AsRef<Path>, dir: &Path, arguments: &[&str]) -> Result<(), String> {
    let ended = tool(program.as_ref(), dir, arguments);
    if ended.code == Some(0) {
        return Ok(());
    }
    let program = program.as_ref().display();
    Err(format!("{program} {}: {}{}", arguments.join(" "), ended.stdout, ended.stderr))
}

/// The Python of an environment with the client and all that its tests need; `None` when there is
/// none.
///
/// # Panics
/// When there is none in CI.
#[must_use]
pub fn python() -> Option<PathBuf> {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    or_skip("Python", PREPARED.get_or_init(prepare_python))
}

/// The environment is made once for each content of the requirements; the client is installed into
/// it each time, from its source distribution.
fn prepare_python() -> Prepared {
    let client = root().join("clients/python");
    let requirements = client.join("requirements-test.txt");
    let text = std::fs::read(&requirements).map_err(|error| error.to_string())?;
    let home = kept().join(format!("python-{:08x}", crc32c(&text)));
    let python = home.join("bin/python");
    let ready = home.join("ready");
    if !ready.exists() {
        let at = home.to_string_lossy();
        step("python3", &client, &["-m", "venv", "--clear", &at])?;
        let list = requirements.to_string_lossy();
        step(&python, &client, &["-m", "pip", "install", "--quiet", "--no-deps", "-r", &list])?;
        std::fs::write(&ready, "").map_err(|error| error.to_string())?;
    }
    let made = tempfile::tempdir().map_err(|error| error.to_string())?;
    let sources = made.path().to_string_lossy();
    step(&python, &client, &["-m", "hatchling", "build", "-t", "sdist", "-d", &sources])?;
    let built = std::fs::read_dir(made.path()).map_err(|error| error.to_string())?.next();
    let archive = built.and_then(Result::ok).ok_or("no source distribution was built")?.path();
    let archive = archive.to_string_lossy();
    let install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"];
    let again = ["--force-reinstall", &archive];
    step(&python, &client, &[&install[..], &again[..]].concat())?;
    Ok(python)
}

/// The directory of the Go module, with its generated messages, compiled; `None` when there is no
/// Go.
///
/// # Panics
/// When there is none in CI.
#[must_use]
pub fn go() -> Option<PathBuf> {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    or_skip("Go", PREPARED.get_or_init(prepare_go))
}

fn prepare_go() -> Prepared {
    let module = root().join("clients/go");
    step("go", &module, &["version"])?;
    step("go", &module, &["mod", "download"])?;
    step("go", &module, &["generate", "./..."])?;
    let programs = kept().join("go");
    let at = format!("{}/", programs.display());
    step("go", &module, &["build", "-o", &at, "./examples/..."])?;
    Ok(programs)
}

/// The directory of the compiled TypeScript; `None` when there is no Node.
///
/// # Panics
/// When there is none in CI.
#[must_use]
pub fn node() -> Option<PathBuf> {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    or_skip("Node", PREPARED.get_or_init(prepare_node))
}

fn prepare_node() -> Prepared {
    let package = root().join("clients/typescript");
    step("node", &package, &["--version"])?;
    let lock = std::fs::read(package.join("package-lock.json")).map_err(|e| e.to_string())?;
    let ready = package.join(format!("node_modules/.ready-{:08x}", crc32c(&lock)));
    if !ready.exists() {
        step("npm", &package, &["ci", "--no-audit", "--no-fund"])?;
        std::fs::write(&ready, "").map_err(|error| error.to_string())?;
    }
    step("npm", &package, &["run", "build"])?;
    Ok(package.join("dist"))
}
