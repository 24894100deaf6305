//! A log on a disk in memory, and what was stored in it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::TopicPartition;
use tidings_event::block::Block;

use crate::conformance::fixture::{DAY, block, set, topic};
use crate::crash_states::{Keys, Setup, keys, ready};
use crate::disk::{Disk, OpenMode};
use crate::fake_disk::FakeDisk;
use crate::partition_log::{PartitionLog, Table};
use crate::{EmbeddedOptions, StillLog};

/// Where a block's group is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) file: PathBuf,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The truth.
pub(crate) struct Stored {
    pub(crate) disk: FakeDisk,
    /// The same disk at earlier times.
    pub(crate) before: Vec<FakeDisk>,
    pub(crate) blocks: BTreeMap<TopicPartition, BTreeMap<u64, (Block, Place)>>,
    pub(crate) keys: Keys,
    /// Whether it was not stopped cleanly: then nothing says where it ended.
    pub(crate) killed: bool,
    /// The segment that state records were last written to.
    pub(crate) last_state: PathBuf,
    pub(crate) setup: Setup,
}

impl Stored {
    /// A log of three topics in two journals, opened several times, at last stopped or killed.
    pub(crate) fn new(seed: u64) -> Result<Self, String> {
        let setup = Setup::new(EmbeddedOptions {
            segment_bytes_min: 24 << 10,
            segment_bytes_max: 24 << 10,
            ring_bytes: 1,
            group_bytes_max: 1,
            snapshot_bytes: 500,
            spare_bytes_max: if seed % 5 < 3 { 24 << 10 } else { 0 },
            mark_after: seed.is_multiple_of(2).then_some(Duration::ZERO),
            ..EmbeddedOptions::default()
        });
        let killed = seed.is_multiple_of(3);
        setup.clock.advance(Duration::from_nanos(seed % (1 << 30)));
        let (disk, mut before) = (FakeDisk::new(), Vec::new());
        let (mut rng, mut blocks) = (StdRng::seed_from_u64(seed), BTreeMap::new());
        for opening in 0..3u32 {
            if seed % 5 < 3 {
                put_by(&disk).map_err(|error| error.to_string())?;
            }
            let mut still = setup.open(&disk).map_err(|error| error.to_string())?;
            for (id, age) in [(1, DAY), (2, DAY), (3, 30 * DAY)] {
                let log = Arc::clone(still.log());
                let made = async move { log.ensure_topic(&topic(id, 2, age)).await };
                still.until(&crate::Noted::on(&disk), made).ok_or("a topic waits")?.ok();
            }
            for call in 0..6u32 {
                let written = write(&mut still, (opening, call), &mut rng)?;
                for block in written {
                    let header = &block.header;
                    let known: &mut BTreeMap<u64, Block> =
                        blocks.entry(header.topic_partition).or_default();
                    known.insert(header.base_offset.0, block);
                }
            }
            before.push(disk.copy());
            if opening < 2 || !killed {
                still.close();
            }
        }
        let still = setup.open(&disk.copy()).map_err(|error| error.to_string())?;
        let blocks = blocks.into_iter().map(|(partition, blocks)| {
            let mut places = still.places(partition);
            let each = blocks.into_iter().filter_map(|(base, block)| {
                let (file, from, to) = places.remove(&base)?;
                Some((base, (block, Place { file, from, to })))
            });
            (partition, each.collect())
        });
        let (blocks, keys) = (blocks.collect(), keys(&**still.log()));
        drop(still);
        let state = |path: &PathBuf| {
            path.extension().is_some_and(|e| e == "seg") && path.iter().any(|part| part == "state")
        };
        let names = disk.files().into_iter().map(|(path, _)| path);
        let last_state = names.filter(state).max().unwrap_or_default();
        Ok(Self { disk, before, blocks, keys, killed, last_state, setup })
    }
}

/// Has the next segments begun where older ones were: as if those had been taken by retention.
fn put_by(disk: &FakeDisk) -> io::Result<()> {
    for (path, bytes) in disk.files() {
        let spare = path.with_file_name("next.spare");
        let is_first = path.file_name().is_some_and(|name| name == "0000000001.seg");
        if !is_first || disk.files().iter().any(|(path, _)| *path == spare) {
            continue;
        }
        let mut old = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        disk.open(&path, OpenMode::Read)?.read_exact_at(&mut old, 0)?;
        let file = disk.open(&spare, OpenMode::CreateNew)?;
        file.write_all_at(&[IoSlice::new(&old)], 0)?;
        file.sync_data()?;
    }
    Ok(())
}

fn write(
    still: &mut StillLog,
    (opening, call): (u32, u32),
    rng: &mut StdRng,
) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    for place in [(1, call % 2), (2, 1), (3, 0)] {
        let place = TopicPartition::new(place.0, place.1);
        let tail = still.log().bounds(place).map_err(|error| error.to_string())?.tail.0;
        let size = (rng.random_range(1..4), rng.random_range(1..1500));
        blocks.push(block(&**still.log(), place, tail, size));
    }
    let log = still.log();
    let appended = log.append(blocks.clone()).map_err(|error| error.to_string())?;
    let key = format!("{}", call % 4);
    let changes = vec![set(Table::CURSORS, key, format!("{opening}/{call}").repeat(9))];
    let committed = log.commit(log.term(), changes).map_err(|error| error.to_string())?;
    while still.step() {}
    ready(appended)?.map_err(|error| error.to_string())?;
    ready(committed)?.map_err(|error| error.to_string())?;
    Ok(blocks)
}
