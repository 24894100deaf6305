//! The Java that runs Pulsar: found, and new enough.

use std::path::PathBuf;
use std::process::Command;

use super::PulsarError;

/// What `bin/pulsar` asks for.
pub(crate) const NEEDED: u32 = 17;

/// A Java runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Java {
    /// `$JAVA_HOME`, when that is how it was found.
    pub(crate) home: Option<PathBuf>,
}

/// The one in `$JAVA_HOME`, else the one in the path.
pub(crate) fn find() -> Result<Java, PulsarError> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let program = home.as_ref().map_or_else(|| PathBuf::from("java"), |h| h.join("bin/java"));
    let said = Command::new(&program).arg("-version").output();
    let said = said.map(|out| String::from_utf8_lossy(&out.stderr).into_owned());
    let major = said.as_ref().ok().and_then(|said| major(said));
    if major.is_some_and(|major| major >= NEEDED) {
        return Ok(Java { home });
    }
    let found = match (major, said) {
        (Some(major), _) => format!("Java {major} as {}", program.display()),
        (None, Ok(_)) => format!("{}, which does not say its version", program.display()),
        (None, Err(error)) => format!("no {} ({error})", program.display()),
    };
    Err(PulsarError::Java { needed: NEEDED, found })
}

/// The major version in what `java -version` says.
pub(crate) fn major(said: &str) -> Option<u32> {
    let quoted = said.split("version \"").nth(1)?;
    let number = |part: &str| part.parse().ok();
    let mut parts = quoted.split(['.', '-', '+', '"']);
    let first = number(parts.next()?)?;
    // Up to 8 the first number was 1.
    if first == 1 { number(parts.next()?) } else { Some(first) }
}
