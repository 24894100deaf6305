//! How long a small durable write takes on the real device: every acknowledgement waits for one.

use std::io::{self, IoSlice};
use std::path::Path;
use std::time::Duration;

use tidings_event::Clock;
use tidings_log::disk::{Disk, OpenMode};

use super::finding::Finding;

const CHECK: &str = "sync speed";
const PAGE: usize = 4096;

/// Most writes, and the time after which no further one is begun.
const WRITES: u64 = 200;
const TIME: Duration = Duration::from_secs(2);

/// Slower than this, one sync in a hundred is felt by whoever trades on the events.
const SLOW: Duration = Duration::from_millis(50);

/// No device keeps data faster than this.
const TOO_FAST: Duration = Duration::from_micros(4);

pub(crate) fn check(disk: &dyn Disk, clock: &dyn Clock, place: &Path) -> Finding {
    match measure(disk, clock, place) {
        Ok(took) => judge(took),
        Err(error) => {
            let found = format!("cannot write in {}: {error}", place.display());
            let why = "the service could not store anything";
            let remedy = "make room, or make the directory writable for the user of the service";
            Finding::fail(CHECK, found, why, remedy)
        }
    }
}

/// How long each of some small durable writes took, the quickest first.
pub(crate) fn measure(
    disk: &dyn Disk,
    clock: &dyn Clock,
    place: &Path,
) -> io::Result<Vec<Duration>> {
    let path = place.join(format!(".tidings-doctor-{}", std::process::id()));
    let file = disk.open(&path, OpenMode::CreateNew)?;
    let page = [0xa5; PAGE];
    let began = clock.monotonic();
    let mut took = Vec::new();
    let mut written = Ok(());
    for n in 0..WRITES {
        let before = clock.monotonic();
        written = file
            .write_all_at(&[IoSlice::new(&page)], n * PAGE as u64)
            .and_then(|()| file.sync_data());
        let after = clock.monotonic();
        if written.is_err() || after.saturating_sub(began) > TIME {
            break;
        }
        took.push(after.saturating_sub(before));
    }
    disk.remove(&path)?;
    took.sort_unstable();
    written.map(|()| took)
}

pub(crate) fn judge(mut took: Vec<Duration>) -> Finding {
    took.sort_unstable();
    let at = |share: usize| took.get((took.len() * share / 100).min(took.len() - 1)).copied();
    let (Some(half), Some(tail)) =
        (if took.is_empty() { None } else { at(50) }, if took.is_empty() { None } else { at(99) })
    else {
        let why = "every acknowledgement waits for a sync";
        let found = format!("one durable write takes more than {} s", TIME.as_secs());
        return Finding::fail(CHECK, found, why, "use a faster disk");
    };
    let found = format!("{PAGE} bytes written and synced: p50 {half:.1?}, p99 {tail:.1?}");
    if half < TOO_FAST {
        let why = "nothing can be kept that fast: syncs seem to be ignored";
        return Finding::warn(
            CHECK,
            found,
            why,
            "check the disk's and the hypervisor's cache mode",
        );
    }
    if tail > SLOW {
        let why = "every acknowledgement waits for a sync";
        let remedy = "use a disk of its own with power-loss protection; see what else writes to it";
        return Finding::warn(CHECK, found, why, remedy);
    }
    Finding::ok(CHECK, found)
}
