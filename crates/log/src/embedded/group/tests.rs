//! A group is read back as it was written, however long its directory, and not at all where it is cut
//! off or a byte of its front is another.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tidings_event::block::{FIXED_BYTES, Flags};
use tidings_event::{Epoch, Term, Timestamp};

use super::*;
use crate::disk::{Disk, OpenMode};
use crate::fake_disk::FakeDisk;

const AT: u64 = 3 * PAGE as u64;
const STAMP: Stamp = Stamp { generation: 7, seq: 12, durable: 11, previous_crc: 13 };

fn block(number: u64, extension_bytes: usize) -> Block {
    let body = vec![number as u8; number as usize % 5 * 300];
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: TopicPartition::new(number, number as u32 % 3),
        epoch: Epoch(1),
        term: Term(2),
        base_offset: Offset(10 * number),
        count: 2,
        codec: 0,
        body_bytes: body.len() as u32,
        body_crc: crc32c(&body),
        ingested_at: Timestamp(number),
        producer: None,
        extensions: vec![1; extension_bytes].into(),
    };
    Block { header, body: body.into() }
}

fn echo(length: u64) -> Ends {
    (0..length).map(|topic| (TopicPartition::new(topic, 1), Offset(5 * topic))).collect()
}

/// A file that has nothing but one group.
fn stored(blocks: &[Block], echo: &Ends) -> (Arc<dyn DiskFile>, Front) {
    let front = encode(&STAMP, blocks.iter(), echo);
    let padding = vec![0; front.padding];
    let slices = [front.bytes.as_slice()].into_iter();
    let slices = slices.chain(blocks.iter().map(|block| &block.body[..])).chain([&padding[..]]);
    let (disk, dir) = (FakeDisk::new(), Path::new("/log"));
    disk.create_dir_all(dir).unwrap();
    let file = disk.open(&dir.join("segment"), OpenMode::CreateNew).unwrap();
    file.write_all_at(&slices.map(IoSlice::new).collect::<Vec<_>>(), AT).unwrap();
    (file, front)
}

/// Blocks and echoes whose fronts end below, at and behind the first page, and the next ones.
fn cases() -> Vec<(Vec<Block>, Ends)> {
    let mut cases: Vec<_> =
        (0..130).map(|n| ((0..n).map(|number| block(number, 0)).collect(), vec![])).collect();
    cases.extend((1..8).map(|n| (vec![block(n, 0)], echo(70 * n))));
    let page = PAGE - HEADER - FIXED_BYTES;
    cases.extend([page - 8, page, page + 8].map(|n| (vec![block(2, n)], vec![])));
    cases.push((vec![], echo(3)));
    cases
}

#[test]
fn a_group_is_read_back_as_it_was_written() {
    for (blocks, echo) in cases() {
        let (file, front) = stored(&blocks, &echo);
        let (bytes, end) = (front.bytes.len(), AT + front.total as u64);
        assert_eq!(file.len().unwrap(), end);
        let group = read(&*file, AT, end).unwrap().unwrap();
        let Stamp { generation, seq, durable, previous_crc } = STAMP;
        let want = Group {
            mark: blocks.is_empty(),
            generation,
            seq,
            durable,
            previous_crc,
            headers: blocks.iter().map(|block| block.header.clone()).collect(),
            echo: echo.clone(),
            total: front.total as u64,
            bodies_at: bytes,
            crc: front.crc,
        };
        assert_eq!(group, want);
        for (at, block) in blocks.iter().enumerate() {
            assert_eq!(read_body(&*file, AT, &group, at).unwrap().as_ref(), Some(block));
        }
        // What ends earlier does not hold all of it.
        assert_eq!(read(&*file, AT, end - 1).unwrap(), None);
        let least = bytes.max(PAGE) as u64;
        assert_eq!(read_front(&*file, AT, AT + least).unwrap(), Some(front.bytes));
        assert_eq!(read_front(&*file, AT, AT + least - 1).unwrap(), None);
        assert_eq!(read_front(&*file, AT, AT).unwrap(), None);
    }
}

#[test]
fn no_byte_of_a_front_or_a_body_may_be_another() {
    let blocks = [block(3, 16), block(4, 0)];
    let front = encode(&STAMP, blocks.iter(), &echo(2)).bytes;
    assert!(decode(&front).is_some());
    for at in 0..front.len() {
        let mut other = front.clone();
        other[at] ^= 0x40;
        assert_eq!(decode(&other), None, "byte {at}");
        assert_eq!(decode(&front[..at]), None, "cut off at {at}");
    }
    let (file, front) = stored(&blocks, &vec![]);
    let group = read(&*file, AT, u64::MAX).unwrap().unwrap();
    file.write_all_at(&[IoSlice::new(&[9])], AT + front.bytes.len() as u64 + 900).unwrap();
    let bodies = [0, 1].map(|at| read_body(&*file, AT, &group, at).unwrap().map(|b| b.body));
    assert_eq!(bodies, [Some(Bytes::from(vec![3; 900])), None]);
}

#[test]
fn a_front_that_contradicts_itself_is_none_whatever_its_checksum() {
    let blocks = [block(3, 16), block(4, 0)];
    let front = encode(&STAMP, blocks.iter(), &echo(2)).bytes;
    // Version, mark, and the lengths and counts behind the checksum of what is before.
    for at in [5, 36, 44, 48, 52] {
        let mut other = front.clone();
        other[at] ^= 1;
        other[CRC_AT..CRC_AT + 4].fill(0);
        let crc = crc32c(&other);
        other[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&other), None, "byte {at}");
    }
    let page = |at: usize, byte: u8| {
        let mut page = front.clone();
        page[at] = byte;
        front_bytes(&page)
    };
    assert_eq!(page(4, 1), Some(front.len()));
    assert_eq!(page(4, 2), None, "another version");
    assert_eq!(page(0, b'X'), None, "no group");
    assert_eq!(page(39, 1), None, "a directory of 16 MiB");
}
