//! What a round leaves on the disk is whole, and nobody panicked.

use tidings_log::{SystemDisk, check};

use crate::failure::TortureError;
use crate::report::{Row, Verdict};
use crate::stage::Stage;

/// Violated unless `tidings check` would say that all is well.
pub(super) fn judge(stage: &Stage, row: &mut Row) -> Result<(), TortureError> {
    if row.verdict != Verdict::Valid {
        return Ok(());
    }
    let data = stage.data();
    let found = check(&SystemDisk, &data).map_err(std::io::Error::other)?;
    let log = data.with_extension("stderr");
    let said = std::fs::read_to_string(&log).map_err(TortureError::at(&log))?;
    if !found.is_sound() {
        row.verdict = stage.violated(&format!("the log is not whole: {found:?}"));
    } else if said.contains("panicked") {
        row.verdict = stage.violated("it panicked");
    }
    Ok(())
}
