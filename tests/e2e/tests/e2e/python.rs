//! The Python client: its own tests against the real executable, its types, its style.

use tidings_e2e::toolchain;

#[test]
fn the_python_client_keeps_its_word() {
    let Some(python) = toolchain::python() else { return };
    let client = toolchain::root().join("clients/python");
    let run = |arguments: &[&str]| toolchain::drive(&python, &client, arguments);
    run(&["-B", "-m", "pytest", "-p", "no:cacheprovider"]);
    run(&["-m", "ruff", "check", "--no-cache", "."]);
    run(&["-m", "ruff", "format", "--no-cache", "--check", "."]);
    let cache = python.with_file_name("mypy-cache");
    let cache = format!("--cache-dir={}", cache.display());
    let config = client.join("pyproject.toml");
    let config = format!("--config-file={}", config.display());
    // Elsewhere, so that the installed package is checked.
    let elsewhere = tempfile::tempdir().unwrap();
    let check = ["-m", "mypy", &cache, &config, "-p", "tidings"];
    toolchain::drive(&python, elsewhere.path(), &check);
    run(&["-m", "mypy", &cache, "tests"]);
}
