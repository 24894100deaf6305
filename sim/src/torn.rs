//! Whether a power cut left part of what was being written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidings_log::disk::{Disk, OpenMode};
use tidings_log::fake_disk::FakeDisk;

/// The unit that a page is torn at.
const SECTOR: usize = 512;

/// Whether some of the bytes that files grew by are there after the cut, and others are not.
pub(crate) fn is_torn(before: &[(PathBuf, u64)], whole: &FakeDisk, left: &FakeDisk) -> bool {
    let before: BTreeMap<&PathBuf, u64> = before.iter().map(|(path, len)| (path, *len)).collect();
    let (mut kept, mut lost) = (0, 0);
    for (path, len) in whole.files() {
        let from = before.get(&path).copied().unwrap_or(0);
        if from >= len {
            continue;
        }
        let (written, found) = (read(whole, &path, from, len), read(left, &path, from, len));
        for (written, found) in written.chunks(SECTOR).zip(found.chunks(SECTOR)) {
            let is_there = written == found;
            let is_empty = written.iter().all(|&byte| byte == 0);
            kept += usize::from(is_there && !is_empty);
            lost += usize::from(!is_there);
        }
    }
    kept > 0 && lost > 0
}

/// Some of a file's bytes; zeros where it has none.
fn read(disk: &FakeDisk, path: &Path, from: u64, to: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
    if let Ok(file) = disk.open(path, OpenMode::Read) {
        let len = file.len().unwrap_or(0).clamp(from, to);
        let there = usize::try_from(len - from).unwrap_or(0);
        if file.read_exact_at(&mut bytes[..there], from).is_err() {
            bytes.fill(0);
        }
    }
    bytes
}
