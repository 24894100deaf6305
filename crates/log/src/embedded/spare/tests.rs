//! Segments over bytes that were there: made ahead, taken from retention, found, given back, and never believed.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Clock, ManualClock, Offset, TopicPartition};
use tidings_telemetry::{Recorder, Timer};

use crate::conformance::fixture::{DAY, NOW, append, block, topic};
use crate::disk::{Disk, OpenMode};
use crate::embedded::group::PAGE;
use crate::embedded::segment::SegmentHeader;
use crate::fake_disk::{Call, EIO, ENOSPC, FakeDisk};
use crate::partition_log::{Journal, PartitionLog};
use crate::{EmbeddedLog, EmbeddedOptions, Noted, StillLog, check};

const P0: TopicPartition = TopicPartition::new(1, 0);
const SEGMENT_BYTES: u64 = 8 * PAGE as u64;
/// Something is wrong after this.
const ENDS: Duration = Duration::from_secs(30);

fn options(spare_bytes_max: u64) -> EmbeddedOptions {
    EmbeddedOptions {
        segment_bytes_min: SEGMENT_BYTES,
        segment_bytes_max: SEGMENT_BYTES,
        spare_bytes_max,
        group_bytes_max: 1,
        ring_bytes: 1,
        mark_after: None,
        ..EmbeddedOptions::default()
    }
}

struct Rig {
    disk: FakeDisk,
    clock: Arc<ManualClock>,
    still: StillLog,
    next: u64,
}

impl Rig {
    fn new() -> Self {
        let mut rig = Self::on(&FakeDisk::new(), SEGMENT_BYTES);
        let log = Arc::clone(rig.still.log());
        let made = async move { log.ensure_topic(&topic(1, 1, DAY)).await };
        rig.still.until(&Noted::on(&rig.disk), made).unwrap().unwrap();
        rig
    }

    fn on(disk: &FakeDisk, spare_bytes_max: u64) -> Self {
        let clock = Arc::new(ManualClock::at(NOW));
        let still = StillLog::open(
            Arc::new(disk.clone()),
            Path::new("/log"),
            options(spare_bytes_max),
            Arc::clone(&clock) as Arc<dyn Clock>,
            Recorder::new(),
        );
        let still = still.unwrap();
        let next = still.log().bounds(P0).map_or(0, |bounds| bounds.tail.0);
        Self { disk: disk.clone(), clock, still, next }
    }

    /// Appends so many blocks of a page each.
    fn fill(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let next = block(&**self.still.log(), P0, self.next, (1, 3000));
            self.next = next.header.end_offset().0;
            let appended = self.still.log().append(vec![next]).unwrap();
            while self.still.step() {}
            self.still.until(&Noted::on(&self.disk), appended).unwrap().unwrap();
        }
    }

    /// Retention takes all but the last segment.
    fn trim(&mut self) {
        self.clock.advance(2 * DAY);
        let (log, now) = (Arc::clone(self.still.log()), self.clock.wall());
        let trimmed = async move { log.trim(now).await };
        self.still.until(&Noted::on(&self.disk), trimmed).unwrap();
    }

    fn header(&self, number: u32) -> SegmentHeader {
        let mut page = vec![0; PAGE];
        let file = self.disk.open(&segment(number), OpenMode::Read).unwrap();
        file.read_exact_at(&mut page, 0).unwrap();
        SegmentHeader::decode(&page).unwrap()
    }

    fn bytes_of(&self, path: &Path) -> Option<u64> {
        self.disk.files().into_iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes)
    }

    /// Everything that is kept can be read, from the trim point to the end.
    fn reads_all(&mut self) {
        let bounds = self.still.log().bounds(P0).unwrap();
        assert_eq!(bounds.durable_tail, Offset(self.next));
        let mut at = bounds.trim;
        while at < bounds.durable_tail {
            let log = Arc::clone(self.still.log());
            let read = async move { log.read(P0, at, 1 << 20).await };
            let read = self.still.until(&Noted::on(&self.disk), read).unwrap().unwrap();
            at = read.last().unwrap().end_offset();
        }
    }
}

fn segment(number: u32) -> PathBuf {
    format!("/log/short/{number:010}.seg").into()
}

fn spare() -> PathBuf {
    "/log/short/next.spare".into()
}

#[test]
fn a_segment_is_begun_in_a_spare_and_gives_back_what_it_does_not_use() {
    let mut rig = Rig::new();
    rig.fill(2);
    assert_eq!(rig.header(1).written_before, 0);
    rig.still.spare();
    assert_eq!(rig.bytes_of(&spare()), Some(SEGMENT_BYTES));
    rig.fill(6);
    assert_eq!(rig.header(2).written_before, SEGMENT_BYTES);
    assert_eq!((rig.bytes_of(&spare()), rig.bytes_of(&segment(2))), (None, Some(SEGMENT_BYTES)));
    rig.reads_all();
    let Rig { disk, still, next, .. } = rig;
    still.close();
    let mut rig = Rig::on(&disk, SEGMENT_BYTES);
    assert_eq!(rig.next, next);
    assert!(rig.bytes_of(&segment(2)) < Some(SEGMENT_BYTES));
    rig.reads_all();
    drop(rig);
    assert!(check(&disk, Path::new("/log")).unwrap().is_sound());
}

#[test]
fn one_that_was_removed_by_hand_is_not_missed() {
    let mut rig = Rig::new();
    rig.fill(2);
    rig.still.spare();
    rig.disk.remove(&spare()).unwrap();
    rig.fill(8);
    assert_eq!(rig.header(2).written_before, 0);
    rig.reads_all();
}

#[test]
fn while_a_segment_is_begun_in_one_no_other_file_gets_its_name() {
    let mut rig = Rig::new();
    rig.fill(8);
    rig.still.spare();
    let context = Arc::clone(&rig.still.log().context);
    let taken = context.take_spare(Journal::Short, SEGMENT_BYTES).unwrap();
    taken.file.write_all_at(&[IoSlice::new(b"begun")], 0).unwrap();
    rig.trim();
    rig.still.spare();
    let mut there = [0; 5];
    let file = rig.disk.open(&spare(), OpenMode::Read).unwrap();
    file.read_exact_at(&mut there, 0).unwrap();
    assert_eq!((&there, rig.bytes_of(&segment(1))), (b"begun", None));
    rig.disk.remove(&spare()).unwrap();
    context.spare_is_used(Journal::Short);
    rig.still.spare();
    assert_eq!(rig.bytes_of(&spare()), Some(SEGMENT_BYTES));
}

#[test]
fn a_directory_without_room_to_be_opened_in_is_tried_again() {
    let mut rig = Rig::new();
    rig.fill(2);
    rig.still.spare();
    // The first time is the index's.
    rig.disk.fail(Call::OpenDir, 1, ENOSPC);
    rig.fill(8);
    assert_eq!((rig.disk.faults_left(), rig.header(2).written_before), (0, 0));
    rig.reads_all();
}

#[test]
fn after_a_kill_the_end_is_found_before_what_was_there() {
    let mut rig = Rig::new();
    rig.fill(8);
    rig.trim();
    assert!(rig.bytes_of(&spare()).is_some() && rig.bytes_of(&segment(1)).is_none());
    rig.fill(7);
    assert!(rig.header(3).written_before > 0);
    let (disk, next) = (rig.disk.copy(), rig.next);
    let mut rig = Rig::on(&disk, SEGMENT_BYTES);
    assert_eq!(rig.next, next);
    rig.reads_all();
    // The end is on record; what is behind it is given back.
    assert!(rig.bytes_of(&segment(3)) < Some(SEGMENT_BYTES));
}

#[test]
fn groups_that_were_there_before_are_not_taken_for_those_of_a_lost_header() {
    let mut rig = Rig::new();
    rig.fill(8);
    rig.trim();
    // Begins one that holds no group.
    rig.still.roll(Journal::Short).unwrap();
    assert!(rig.header(3).written_before > 0);
    let disk = rig.disk.copy();
    let file = disk.open(&segment(3), OpenMode::Write).unwrap();
    file.write_all_at(&[IoSlice::new(&[0xA5; PAGE])], 0).unwrap();
    let report = check(&disk, Path::new("/log")).unwrap();
    assert_eq!((report.unreadable, report.missing_groups), (vec![segment(3)], 0));
    let mut again = Rig::on(&disk, SEGMENT_BYTES);
    assert_eq!(again.next, rig.next);
    again.reads_all();
}

#[test]
fn a_segment_that_somebody_reads_is_removed_instead() {
    let mut rig = Rig::new();
    rig.fill(8);
    let read = Arc::clone(&rig.still.log().journal(Journal::Short).core().segments[&1].file);
    rig.trim();
    assert_eq!((rig.bytes_of(&segment(1)), rig.bytes_of(&spare())), (None, None));
    drop(read);
    rig.fill(8);
    rig.trim();
    assert!(rig.bytes_of(&spare()).is_some());
}

#[test]
fn what_cannot_be_kept_is_removed_and_what_cannot_be_removed_stays_until_it_can() {
    let lives = |rig: &Rig| rig.still.log().journal(Journal::Short).core().segments.len();
    for (calls, stays) in [
        (&[Call::Rename][..], false),
        (&[Call::SyncDir], false),
        (&[Call::Rename, Call::SyncDir], true),
    ] {
        let mut rig = Rig::new();
        rig.fill(8);
        calls.iter().for_each(|call| rig.disk.fail(*call, 0, EIO));
        rig.trim();
        assert_eq!((lives(&rig), rig.bytes_of(&spare())), (1 + usize::from(stays), None));
        rig.trim();
        assert_eq!((lives(&rig), rig.disk.faults_left()), (1, 0));
        rig.fill(8);
        rig.reads_all();
    }
}

#[test]
fn a_write_without_room_takes_that_of_spares_and_none_is_made() {
    let mut rig = Rig::new();
    rig.fill(2);
    rig.still.spare();
    assert!(is_there(&rig.disk, &spare()));
    let log = rig.still.log();
    let mut errors = [ENOSPC].into_iter();
    let write = || errors.next().map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)));
    log.journal(Journal::Short).when_there_is_room(write).unwrap();
    assert!(!is_there(&rig.disk, &spare()));
    rig.disk.limit(0);
    rig.still.spare();
    assert!(!is_there(&rig.disk, &spare()));
}

#[test]
fn one_that_was_left_is_found_or_removed_and_a_small_one_is_not_used() {
    let mut rig = Rig::new();
    rig.fill(2);
    rig.still.spare();
    let unfinished = super::unfinished(&spare());
    rig.disk.open(&unfinished, OpenMode::CreateNew).unwrap();
    let disk = rig.disk.copy();
    let mut rig = Rig::on(&disk, SEGMENT_BYTES);
    // The start itself begins a segment.
    assert_eq!((rig.bytes_of(&unfinished), rig.header(2).written_before), (None, SEGMENT_BYTES));
    rig.still.spare();
    let disk = rig.disk.copy();
    disk.open(&spare(), OpenMode::Write).unwrap().truncate(PAGE as u64).unwrap();
    for (disk, spare_bytes_max) in [(disk, SEGMENT_BYTES), (rig.disk.copy(), 0)] {
        let rig = Rig::on(&disk, spare_bytes_max);
        assert_eq!((rig.bytes_of(&spare()), rig.header(3).written_before), (None, 0));
    }
}

fn open(disk: &FakeDisk) -> Arc<EmbeddedLog> {
    let (its_disk, clock) = (Arc::new(disk.clone()), Arc::new(ManualClock::at(NOW)));
    let options = options(SEGMENT_BYTES);
    EmbeddedLog::open(its_disk, Path::new("/log"), options, clock, Recorder::new()).unwrap()
}

fn is_there(disk: &FakeDisk, path: &Path) -> bool {
    disk.files().iter().any(|(name, _)| name == path)
}

#[tokio::test]
async fn the_thread_of_indexes_makes_it() {
    let disk = FakeDisk::new();
    let log = open(&disk);
    log.ensure_topic(&topic(1, 1, DAY)).await.unwrap();
    append(&*log, block(&*log, P0, 0, (1, 3000))).await;
    let made = Timer.limit(ENDS, async {
        while !is_there(&disk, &spare()) {
            tokio::task::yield_now().await;
        }
    });
    made.await.unwrap();
    log.close().await;
}
