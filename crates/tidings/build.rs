//! Hands what only the build knows to `tidings version`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TIDINGS_COMMIT");
    for (name, known_as) in [("TARGET", "TIDINGS_TARGET"), ("PROFILE", "TIDINGS_PROFILE")] {
        let value = std::env::var(name).unwrap_or_default();
        println!("cargo::rustc-env={known_as}={value}");
    }
    println!("cargo::rustc-env=TIDINGS_RUSTC={}", rustc());
}

/// `rustc 1.95.0 (...)`; empty when it does not say.
fn rustc() -> String {
    let Some(rustc) = std::env::var_os("RUSTC") else { return String::new() };
    let output = Command::new(rustc).arg("--version").output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}
