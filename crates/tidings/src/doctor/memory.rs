//! Memory, against what the log's rings and queues may take.

use std::path::Path;

use tidings_log::Journal;

use super::finding::Finding;
use super::read;
use crate::config::Config;

const CHECK: &str = "memory";

/// What the process needs besides: indexes, connections, code.
const BESIDES: u64 = 128 << 20;

/// Limits that a control group may have set.
const GROUPS: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

pub(crate) fn check(config: &Config) -> Finding {
    let machine = available(&read(Path::new("/proc/meminfo")));
    let groups = GROUPS.iter().filter_map(|file| read(Path::new(file)).trim().parse().ok());
    let least = machine.into_iter().chain(groups).min();
    let journals = Journal::TOPICS.len() as u64;
    let wanted = (config.log.ring_bytes as u64)
        .saturating_add(config.log.queue_bytes_max)
        .saturating_mul(journals)
        .saturating_add(BESIDES);
    judge(least, wanted)
}

/// `MemAvailable:   123 kB`
pub(crate) fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

pub(crate) fn judge(available: Option<u64>, wanted: u64) -> Finding {
    let why = "the system ends the process that takes more than there is";
    let remedy = "lower log.ring_bytes and log.queue_bytes_max, or give it more memory";
    let Some(available) = available else {
        return Finding::warn(CHECK, "cannot be told", why, remedy);
    };
    let found = format!(
        "{} MiB available, rings and queues may take {} MiB",
        available >> 20,
        wanted >> 20
    );
    if available < wanted {
        return Finding::warn(CHECK, found, why, remedy);
    }
    Finding::ok(CHECK, found)
}
