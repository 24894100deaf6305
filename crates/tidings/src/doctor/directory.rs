//! The data directory: whose it is, who holds it, what its log says of itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tidings_log::disk::Disk;
use tidings_log::{CheckError, CheckReport, Inspection, OpenError};

use super::finding::Finding;
use super::read;
use crate::moved::Moved;

const CHECK: &str = "data directory";
const LOG: &str = "log";

/// Up to here the whole log is verified; `tidings check` verifies larger ones.
const VERIFIED_BYTES_MAX: u64 = 256 << 20;

/// The process that holds the lock of a data directory, when one does and can be named.
pub(crate) fn holder(dir: &Path) -> Option<u32> {
    let inode = std::fs::metadata(dir.join("LOCK")).ok()?.ino();
    holder_in(&read(Path::new("/proc/locks")), inode)
}

/// Lines like `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1234 0 EOF`.
pub(crate) fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let of_file = fields.get(5)?.rsplit(':').next()? == inode.to_string();
        (of_file && fields[1] == "FLOCK").then(|| fields[4].parse().ok())?
    })
}

/// The directory, or the closest one above it that exists.
pub(crate) fn nearest(dir: &Path) -> &Path {
    let above = dir.ancestors().find(|path| path.exists());
    // A relative path ends in the empty one, which is where this process is.
    above.unwrap_or(Path::new("."))
}

pub(crate) fn check(disk: &dyn Disk, dir: &Path, holder: Option<u32>) -> Vec<Finding> {
    let shown = dir.display();
    let Ok(metadata) = std::fs::metadata(dir) else {
        return vec![Finding::ok(CHECK, format!("{shown} will be created at the first start"))];
    };
    if !metadata.is_dir() {
        let found = format!("{shown} is no directory");
        let why = "the log is a directory of files";
        return vec![Finding::fail(CHECK, found, why, "name another one with --data-dir")];
    }
    let me = rustix::process::geteuid().as_raw();
    let mut findings = vec![if metadata.uid() == me || me == 0 {
        Finding::ok(
            CHECK,
            format!("{shown}, owner {}, mode {:o}", metadata.uid(), metadata.mode() & 0o7777),
        )
    } else {
        let found = format!("{shown} belongs to user {}, this is user {me}", metadata.uid());
        let why = "files of another user cannot be written, or not be read later";
        Finding::warn(CHECK, found, why, format!("run as that user, or chown -R {me} {shown}"))
    }];
    findings.push(log(disk, dir, holder));
    findings.extend(Moved::find(dir).map(|moved| {
        let why = "the service would not start on it";
        Finding::fail(LOG, moved.to_string(), why, moved.remedy())
    }));
    findings
}

/// What the log in it is.
fn log(disk: &dyn Disk, dir: &Path, holder: Option<u32>) -> Finding {
    let inspected = match tidings_log::inspect(disk, dir) {
        Ok(Some(inspected)) => inspected,
        Ok(None) => return Finding::ok(LOG, "none yet"),
        Err(error) => return unusable(&error, dir),
    };
    let Inspection { format, epoch, term, bytes } = inspected;
    let found = format!("format {format}, epoch {}, term {}, {bytes} bytes", epoch.0, term.0);
    if let Some(pid) = holder {
        let why = "one process at a time has it open: a second one would not start";
        let remedy = "nothing if that is the service: ask it with --server; else stop it";
        return Finding::warn(LOG, format!("{found}; in use by process {pid}"), why, remedy);
    }
    if bytes > VERIFIED_BYTES_MAX {
        let found = format!("{found}; not verified, `tidings check {}` does", dir.display());
        return Finding::ok(LOG, found);
    }
    match tidings_log::check(disk, dir) {
        Ok(report) if report.is_sound() => Finding::ok(LOG, format!("{found}, sound")),
        Ok(report) => damaged(&found, &report, dir),
        Err(CheckError::NotALog(_)) => Finding::ok(LOG, "none yet"),
        Err(CheckError::Open(error)) => unusable(&error, dir),
    }
}

fn damaged(found: &str, report: &CheckReport, dir: &Path) -> Finding {
    let CheckReport { damaged, missing_groups, unreadable, .. } = report;
    let found = format!(
        "{found}; {} ranges damaged, {missing_groups} groups missing, {} files unreadable",
        damaged.len(),
        unreadable.len()
    );
    let why = "events that were acknowledged are lost; consumers get gap notices in their place";
    let remedy = format!("`tidings check {}` names them; restore a backup", dir.display());
    Finding::fail(LOG, found, why, remedy)
}

fn unusable(error: &OpenError, dir: &Path) -> Finding {
    let why = "the service would not start with it";
    let remedy = match error {
        OpenError::Feature { .. } => "use the version that wrote it, or a newer one".to_owned(),
        OpenError::Locked(_) => "stop the process that has it open".to_owned(),
        OpenError::Damaged { .. } => "restore it from a backup".to_owned(),
        OpenError::Io { .. } => format!("make {} readable for this user", dir.display()),
    };
    Finding::fail(LOG, error.to_string(), why, remedy)
}
