//! What commands print: documents as JSON, or lines for people.

use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;

/// One JSON document on one line of stdout.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(document)?)
}

/// One line of stdout, flushed: readers may be waiting for it.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")?;
    Ok(stdout.flush()?)
}

/// One line of stderr.
pub(crate) fn note(text: &str) {
    // Nothing can be done when stderr is gone.
    let _unheard = writeln!(std::io::stderr(), "{text}");
}

/// Why the command failed.
pub(crate) fn complain(failure: &Failure) {
    note(&format!("tidings: {failure}"));
}
