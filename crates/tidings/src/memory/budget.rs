//! How much memory the service may have: what the configuration says, of what there is.

use std::path::{Path, PathBuf};

/// The service does not run well with less.
pub(crate) const LEAST: u64 = 256 << 20;

/// Where control groups keep what they allow, of the second version and of the first.
const UNIFIED: (&str, &str) = ("/sys/fs/cgroup", "memory.max");
const SPLIT: (&str, &str) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");

/// What a budget may be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// So many hundredths of what there is, but [`LEAST`] at least.
    Share(u64),
    /// So many bytes.
    Bytes(u64),
}

impl Budget {
    /// `60%`; or bytes, perhaps with a unit: `536870912`, `512MiB`, `2 GiB`. Nothing else, and nothing
    /// too small.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: u64 = number.parse().ok()?;
        let shift = match unit.trim_start() {
            "%" => return (1..=100).contains(&number).then_some(Self::Share(number)),
            "" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return None,
        };
        let bytes = number.checked_mul(1 << shift)?;
        (bytes >= LEAST).then_some(Self::Bytes(bytes))
    }

    /// In bytes, where there are so many; nothing is a share of what is not known.
    pub(crate) fn of(self, there_is: Option<u64>) -> u64 {
        match self {
            Self::Share(hundredths) => {
                (there_is.unwrap_or(0) / 100).saturating_mul(hundredths).max(LEAST)
            }
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What the machine has, or less where a control group of this process allows less. `read` gives a
/// small file of the system, empty where there is none.
pub(crate) fn there_is(read: impl Fn(&Path) -> String) -> Option<u64> {
    let machine = kib_of(&read(Path::new("/proc/meminfo")), "MemTotal:");
    let groups = limits_of(&read(Path::new("/proc/self/cgroup")));
    let allowed = groups.iter().filter_map(|file| read(file).trim().parse().ok());
    machine.into_iter().chain(allowed).min()
}

/// Files that may limit a process of these groups: of its own, and of all above.
fn limits_of(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => UNIFIED,
            some if some.split(',').any(|one| one == "memory") => SPLIT,
            _ => continue,
        };
        // A container sees its own group as the root, whatever path it is told.
        let mut folder = Path::new(root).join(path.trim_start_matches('/'));
        while folder.starts_with(root) {
            files.push(folder.join(file));
            folder.pop();
        }
    }
    files
}

/// The value of a line such as `MemTotal:   123 kB`, in bytes.
pub(crate) fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1 << 10)
}

#[cfg(test)]
mod tests;
