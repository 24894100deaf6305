//! Power cuts: the service runs on a file system in an image; at a random moment it is frozen and the
//! image copied, which is what the disk would hold; the copy is mounted, and it starts on that.
//!
//! What was written and not synced is in the page cache and not in the image. Where that is not so,
//! nothing is proven: so the first rounds run with every sync turned into nothing, and must be
//! violated.

use std::path::Path;

use tidings_e2e::Tmpfs;
use tidings_event::{Clock, SystemClock};

use crate::failure::TortureError;
use crate::lanes;
use crate::plan::Plan;
use crate::report::{Row, Verdict};
use crate::round::{FileSystem, Harm};

const PART: &str = "power_cut";
/// Cuts of a round, before the last life.
const LIVES: u64 = 20;
/// Cuts without any sync; one is enough to lose everything, if it comes late enough.
const UNSYNCED_LIVES: u64 = 8;
const UNSYNCED_ROUNDS: u64 = 5;
/// Room for the images of all lanes.
const TMPFS_MIB: u32 = 4096;

/// Without these a run proves nothing.
const NEEDED: &[&str] =
    &["acked", "cut off", "redelivered", "recoveries cut short", "open groups kept"];

/// Rounds of cuts on every file system that this machine can make, until the time is over.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let tmpfs_at = plan.dir.join("memory");
    let Some(_memory) = Tmpfs::mount(&tmpfs_at, TMPFS_MIB) else {
        return Ok(Row::skipped(PART, plan.seed, "it mounts file systems, which takes root"));
    };
    let kinds = FileSystem::available();
    if kinds.is_empty() {
        return Ok(Row::skipped(PART, plan.seed, "there is no mkfs.ext4, mkfs.xfs or mkfs.btrfs"));
    }
    let clock = SystemClock::new();
    let end = clock.monotonic() + plan.time;
    let mut row = Row::new(PART, plan.seed);
    let unsynced = caught(plan, &tmpfs_at, kinds[0]).await?;
    for (at, kind) in kinds.iter().enumerate() {
        let left = end.saturating_sub(clock.monotonic());
        let time = left / u32::try_from(kinds.len() - at).unwrap_or(1);
        let harm = Harm::new(PART, LIVES, plan).on(*kind, &tmpfs_at);
        println!("   {} for {time:.0?}", kind.name());
        row = lanes::run(row, &harm, time).await?;
    }
    row.count("rounds without sync caught", unsynced);
    Ok(row.unless_vacuous(NEEDED).unless_vacuous(&["rounds without sync caught"]))
}

/// How many rounds it took until one without any sync was violated: 0 when none was.
async fn caught(plan: &Plan, tmpfs_at: &Path, kind: FileSystem) -> Result<u64, TortureError> {
    println!("   {} with syncs that do nothing: what follows must go wrong", kind.name());
    let harm = Harm::new(PART, UNSYNCED_LIVES, plan).on(kind, tmpfs_at).unsynced();
    for seed in plan.seed..plan.seed + UNSYNCED_ROUNDS {
        let row = lanes::one(seed, harm.clone()).await?;
        if let Verdict::Violated(how) = row.verdict {
            println!("   it did: {}", how.lines().take(2).collect::<Vec<_>>().join(" "));
            return Ok(1);
        }
    }
    Ok(0)
}
