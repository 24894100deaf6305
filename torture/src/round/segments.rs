//! What a log's files tell of a run: segments begun, segments that retention took, and how many kills
//! left a write half done.

use std::collections::BTreeMap;
use std::path::Path;

use crate::failure::TortureError;
use crate::report::Row;

/// Counts them into a row, from a data directory and what the service wrote to stderr.
pub(super) fn count(data: &Path, row: &mut Row) -> Result<(), TortureError> {
    let mut journals: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for journal in entries(data)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&journal)? {
            let number = file.file_stem().and_then(|name| name.to_str()?.parse::<u64>().ok());
            if let Some(number) = number.filter(|_| file.extension().is_some_and(|e| e == "seg")) {
                let (highest, there) = journals.entry(journal.clone()).or_default();
                (*highest, *there) = ((*highest).max(number), *there + 1);
            }
        }
    }
    row.count("segments", journals.values().map(|(highest, _)| highest).sum());
    row.count("deleted", journals.values().map(|(highest, there)| highest - there).sum());
    let log = data.with_extension("stderr");
    let log = std::fs::read_to_string(&log).map_err(TortureError::at(&log))?;
    let tails = log.lines().filter(|line| line.contains("a write was under way"));
    let (mut kept, mut torn) = (0, 0);
    for line in tails {
        kept += u64::from(!line.contains("\"kept_groups\":0"));
        torn += u64::from(!line.contains("\"torn_bytes\":0"));
    }
    row.count("open groups kept", kept);
    row.count("torn tails", torn);
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<std::path::PathBuf>, TortureError> {
    let listed = std::fs::read_dir(dir).map_err(TortureError::at(dir))?;
    listed.map(|entry| Ok(entry?.path())).collect()
}
