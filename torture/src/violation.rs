//! What a round finds: the promise broken, or nothing that says anything about it.

use crate::failure::TortureError;

/// Why a round does not go on.
pub(crate) enum Failed {
    /// The promise was broken: how.
    Broken(String),
    /// The system refused something.
    Torture(TortureError),
}

impl<E: Into<TortureError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Torture(error.into())
    }
}

/// A violation unless something holds.
pub(crate) fn hold(holds: bool, how: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(Failed::Broken(how())) }
}
