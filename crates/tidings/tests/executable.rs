//! The executable answers about itself, and refuses what it does not know.
//!
//! Being here, this test also makes `cargo test` build the executable that `tests/e2e` drives.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::{Command, Output};

fn tidings(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidings")).args(arguments).output().unwrap()
}

#[test]
fn it_says_its_version() {
    let output = tidings(&["--version"]);
    assert!(output.status.success());
    let version = concat!("tidings ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&output.stdout), version);
}

#[test]
fn it_prints_the_shipped_configuration() {
    let output = tidings(&["serve", "--print-config"]);
    assert!(output.status.success());
    assert_eq!(output.stdout, include_bytes!("../default.toml"));
}

#[test]
fn it_refuses_what_it_does_not_know() {
    for arguments in [&["sreve"][..], &["serve", "--adr", "x"], &["check"]] {
        let output = tidings(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
