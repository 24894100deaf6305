//! The file system of the data directory, and whether its syncs mean anything.

use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::read;

const CHECK: &str = "file system";

/// A line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) point: PathBuf,
    pub(crate) kind: String,
    pub(crate) source: String,
    /// Of the mount and of the file system.
    pub(crate) options: Vec<String>,
}

pub(crate) fn check(place: &Path) -> Finding {
    let path = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let text = read(Path::new("/proc/self/mountinfo"));
    let mounts = text.lines().filter_map(parse);
    // Of mounts on the same point, the last covers the others.
    let found = mounts
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len());
    found.map_or_else(unknown, |mount| judge(&mount))
}

fn unknown() -> Finding {
    let why = "some file systems do not keep what was synced";
    Finding::warn(CHECK, "cannot be told", why, "make sure that it is a local disk")
}

/// `36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue`
pub(crate) fn parse(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mount: Vec<&str> = mount.split(' ').collect();
    let filesystem: Vec<&str> = filesystem.split(' ').collect();
    let options = mount.get(5)?.split(',').chain(filesystem.get(2)?.split(','));
    Some(Mount {
        point: unescape(mount.get(4)?).into(),
        kind: (*filesystem.first()?).to_owned(),
        source: (*filesystem.get(1)?).to_owned(),
        options: options.map(str::to_owned).collect(),
    })
}

/// Blanks and backslashes are written as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

pub(crate) fn judge(mount: &Mount) -> Finding {
    let Mount { point, kind, source, options } = mount;
    let found = format!("{kind} ({source}) at {}", point.display());
    let has = |option: &str| options.iter().any(|given| given == option);
    if has("ro") {
        let why = "nothing can be stored";
        return Finding::fail(CHECK, format!("{found}, read-only"), why, "mount it writable");
    }
    if has("nobarrier") || has("barrier=0") {
        let why = "a power cut loses events that were acknowledged: syncs do not reach the disk";
        return Finding::fail(
            CHECK,
            format!("{found}, without barriers"),
            why,
            "mount it with barriers",
        );
    }
    match kind.as_str() {
        "ext4" | "xfs" | "btrfs" | "f2fs" | "zfs" | "ext3" | "bcachefs" => {
            Finding::ok(CHECK, found)
        }
        "tmpfs" | "ramfs" => {
            let why = "it is memory: a restart of the machine loses every event";
            Finding::fail(CHECK, found, why, "put the data directory on a disk")
        }
        "overlay" | "aufs" => {
            let why = "it is a layer of a container: the events go when the container goes";
            Finding::warn(CHECK, found, why, "put the data directory on a volume")
        }
        _ => {
            let why = "it was never tested that it keeps what was synced, and its locks";
            Finding::warn(CHECK, found, why, "use ext4, xfs, btrfs, f2fs or zfs on a local disk")
        }
    }
}
