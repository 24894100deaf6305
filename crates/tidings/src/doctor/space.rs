//! Free space, against the reserve that stays free and against what the journals may grow to.

use std::path::Path;

use tidings_log::disk::Disk;
use tidings_log::{EmbeddedOptions, Journal};

use super::finding::Finding;
use crate::config::Config;

const CHECK: &str = "free space";

pub(crate) fn check(disk: &dyn Disk, place: &Path, config: &Config) -> Vec<Finding> {
    let (free, total) = match disk.space(place) {
        Ok(space) => space,
        Err(error) => {
            let found = format!("{} cannot say: {error}", place.display());
            let why = "the service cannot refuse publishes before the disk is full";
            return vec![Finding::warn(CHECK, found, why, "use a local file system")];
        }
    };
    let journals = config.log.journal_bytes_max.saturating_mul(Journal::TOPICS.len() as u64);
    vec![judge(free, total), cap(total, journals)]
}

/// The reserve is for acks and cursors: publishes are refused before they use it.
pub(crate) fn judge(free: u64, total: u64) -> Finding {
    let reserve = EmbeddedOptions::default().reserve_bytes.min(total / 100).max(1);
    let found = format!("{} of {} free", mib(free), mib(total));
    let why = "with less than the reserve free, publishes are refused with STORAGE_FULL";
    if free <= reserve {
        let found = format!("{found}, reserve {}", mib(reserve));
        return Finding::fail(CHECK, found, why, "free space, or shorten retention");
    }
    if free < reserve.saturating_mul(10) {
        return Finding::warn(CHECK, found, why, "free space soon, or shorten retention");
    }
    Finding::ok(CHECK, found)
}

fn cap(total: u64, journals: u64) -> Finding {
    let found = format!("journals may grow to {}, the disk has {}", mib(journals), mib(total));
    if journals <= total {
        return Finding::ok("journal caps", found);
    }
    let why = "the disk is full before the caps of the journals cut";
    let remedy = "lower log.journal_bytes_max, or take a larger disk";
    Finding::warn("journal caps", found, why, remedy)
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
