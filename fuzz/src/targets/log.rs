//! A log whose files were overwritten: it opens or says why not, and serves only what was stored.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tidings_event::block::Block;
use tidings_event::{ManualClock, Offset, TopicPartition};
use tidings_log::conformance::fixture::{DAY, NOW, append_all, block, topic};
use tidings_log::disk::{Disk, OpenMode};
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, ReadError};
use tidings_telemetry::Recorder;
use tokio::runtime::{Builder, Runtime};

const DIR: &str = "/data";
const PARTITIONS: u32 = 2;

/// What was stored, and the disk it is on.
struct Stored {
    disk: FakeDisk,
    /// By partition and first offset.
    blocks: BTreeMap<(TopicPartition, Offset), Block>,
}

/// The input is a list of edits: file (1 byte), place (4 bytes), length (1 byte), bytes.
pub(super) fn run(input: &[u8]) {
    let stored = stored();
    let disk = stored.disk.copy();
    damage(&disk, input);
    runtime().block_on(async {
        let Ok(log) = open(&disk) else { return };
        for partition in (0..PARTITIONS).map(|partition| TopicPartition::new(1, partition)) {
            served_is_stored(&*log, partition, stored).await;
        }
        log.close().await;
    });
}

/// Reads a partition to its tail over every damage.
async fn served_is_stored(log: &dyn PartitionLog, partition: TopicPartition, stored: &Stored) {
    let Ok(bounds) = log.bounds(partition) else { return };
    let mut next = bounds.trim;
    while next < bounds.durable_tail {
        match log.read(partition, next, 1 << 20).await {
            Ok(read) if read.is_empty() => return,
            Ok(read) => {
                for committed in &read {
                    let block = &committed.block;
                    let original = stored.blocks.get(&(partition, block.header.base_offset));
                    assert_eq!(original, Some(block), "served what was not stored");
                }
                next = read.last().map_or(bounds.durable_tail, |last| last.end_offset());
            }
            Err(ReadError::DataLoss { from, to, .. }) => {
                assert!(from <= to && to >= next, "{from}..={to} is no damage at {next}");
                next = to.plus(1);
            }
            Err(ReadError::Io(_)) => return,
            Err(error) => panic!("{partition} from {next} of {bounds:?}: {error}"),
        }
    }
}

fn damage(disk: &FakeDisk, input: &[u8]) {
    let files = disk.files();
    let mut rest = input;
    while let [file, a, b, c, d, length, after @ ..] = rest {
        let (path, bytes) = &files[usize::from(*file) % files.len()];
        let at = u64::from(u32::from_le_bytes([*a, *b, *c, *d])) % (bytes + 1);
        let (piece, after) = after.split_at(usize::from(*length).min(after.len()));
        let open = disk.open(path, OpenMode::Write).expect("the file is there");
        open.write_all_at(&[IoSlice::new(piece)], at).expect("the disk has room");
        open.sync_data().expect("the disk works");
        rest = after;
    }
}

fn open(disk: &FakeDisk) -> Result<Arc<EmbeddedLog>, OpenError> {
    let options = EmbeddedOptions {
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 64 << 10,
        ring_bytes: 8 << 10,
        mark_after: Some(Duration::ZERO),
        ..EmbeddedOptions::default()
    };
    let clock = Arc::new(ManualClock::at(NOW));
    EmbeddedLog::open(Arc::new(disk.clone()), Path::new(DIR), options, clock, Recorder::new())
}

/// Some blocks in three segments, made once.
fn stored() -> &'static Stored {
    static STORED: OnceLock<Stored> = OnceLock::new();
    STORED.get_or_init(|| {
        let (disk, mut blocks) = (FakeDisk::new(), BTreeMap::new());
        runtime().block_on(async {
            let log = open(&disk).expect("an empty disk");
            log.ensure_topic(&topic(1, PARTITIONS, DAY)).await.expect("a new topic");
            for turn in 0..30 {
                for partition in (0..PARTITIONS).map(|p| TopicPartition::new(1, p)) {
                    let made = block(&*log, partition, turn * 3, (3, 400));
                    blocks.insert((partition, made.header.base_offset), made.clone());
                    append_all(&*log, vec![made]).await;
                }
            }
            log.close().await;
        });
        Stored { disk, blocks }
    })
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let edit = |file: u8, at: u32, bytes: &[u8]| {
        let mut edit = vec![file];
        edit.extend_from_slice(&at.to_le_bytes());
        edit.push(u8::try_from(bytes.len()).unwrap_or(0));
        edit.extend_from_slice(bytes);
        edit
    };
    let files = u8::try_from(stored().disk.files().len()).unwrap_or(u8::MAX);
    let mut seeds: Vec<_> = (0..files).map(|file| edit(file, 0, &[0; 64])).collect();
    seeds.extend((0..8).map(|page| edit(1, page * 4096 + 100, &[0xFF])));
    seeds.push([edit(0, 4096, b"TBK1"), edit(2, 8192, &[7; 200])].concat());
    seeds
}
