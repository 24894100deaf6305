//! `tidings version`: what this executable is and what it was built from.

use serde_json::json;

use crate::failure::Failure;
use crate::output;

/// The commit, where the build knew it.
const COMMIT: Option<&str> = option_env!("TIDINGS_COMMIT");
const TARGET: &str = env!("TIDINGS_TARGET");
const RUSTC: &str = env!("TIDINGS_RUSTC");
const PROFILE: &str = env!("TIDINGS_PROFILE");

pub(super) fn run(as_json: bool) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    if as_json {
        return output::json(&json!({
            "version": version,
            "commit": COMMIT,
            "target": TARGET,
            "profile": PROFILE,
            "rustc": RUSTC,
        }));
    }
    output::line(&format!("tidings {version}"))?;
    let commit = COMMIT.unwrap_or("unknown");
    for (name, value) in
        [("commit", commit), ("target", TARGET), ("profile", PROFILE), ("rustc", RUSTC)]
    {
        output::line(&format!("{name}: {value}"))?;
    }
    Ok(())
}
