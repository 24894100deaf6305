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

/// A progress bar of 20 places.
pub(crate) fn bar(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let full = (share * 20.0) as usize;
    format!("[{}{}] {:>3.0} %", "#".repeat(full), "-".repeat(20 - full), share * 100.0)
}

#[cfg(test)]
mod tests;
