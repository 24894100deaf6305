//! A copy keeps the event, the last attempts, and so much of what was said of each.

use std::sync::Arc;

use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::{Clock, Epoch, ManualClock, Position, TopicId};
use tidings_log::MemoryLog;

use super::*;
use crate::dead_letter::Reason;

const ABOUT: PartitionId = PartitionId(3);

fn attempt(number: u64, detail: &str) -> Attempt {
    Attempt {
        at: Timestamp(number),
        consumer: "a".into(),
        outcome: AttemptOutcome::ALL[number as usize % 3],
        detail: detail.into(),
    }
}

fn letter(offset: u64, attempts: Vec<Attempt>, sent: u32) -> Buried {
    Buried {
        position: Position {
            topic: TopicId(4),
            epoch: Epoch(1),
            partition: ABOUT,
            offset: Offset(offset),
        },
        event: vec![offset as u8; 10].into(),
        reason: Reason::Rejected,
        attempts,
        sent,
    }
}

/// A log whose topic of dead letters has these blocks of items.
async fn stored(blocks: &[&[Buried]]) -> Arc<MemoryLog> {
    let log = MemoryLog::new(Arc::new(ManualClock::at(Timestamp(1))) as Arc<dyn Clock>);
    log.ensure_topic(&InternalTopic::DEAD_LETTERS.spec()).await.unwrap();
    let at = InternalTopic::DEAD_LETTERS.about(ABOUT);
    for letters in blocks {
        let mut body = BodyBuilder::default();
        for item in letters.iter().flat_map(|l| items(SubscriptionId(9), l, Timestamp(77))) {
            assert!(body.push(&item));
        }
        let (body, count) = body.take();
        let header = BlockHeader {
            flags: Flags::INTERNAL,
            topic_partition: at,
            epoch: log.epoch(),
            term: log.term(),
            base_offset: log.bounds(at).unwrap().tail,
            count,
            codec: 0,
            body_bytes: body.len() as u32,
            body_crc: crc32c(&body),
            ingested_at: Timestamp(1),
            producer: None,
            extensions: Bytes::new(),
        };
        log.append(vec![Block { header, body }]).unwrap().await.unwrap();
    }
    log
}

#[tokio::test]
async fn every_copy_is_read_back_whichever_block_it_is_in() {
    let letters: Vec<_> = (0..5).map(|n| letter(n, vec![attempt(n, "no")], n as u32 + 1)).collect();
    let log = stored(&[&letters[..2], &letters[2..3], &letters[3..]]).await;
    // Forwards and backwards, so that what is held of the last read is of use or is not.
    let mut copies = Copies::of(&*log);
    for number in [0, 1, 2, 3, 4, 3, 1, 0, 4, 2] {
        let (at, want) = (Offset(2 * number), &letters[number as usize]);
        let note = copies.note(ABOUT, at).await.unwrap().unwrap();
        assert_eq!((note.buried_at, note.sent), (Timestamp(77), want.sent));
        assert_eq!(note.attempts, want.attempts);
        assert_eq!(copies.event(ABOUT, at).await.unwrap(), Some(want.event.clone()));
    }
    assert_eq!(copies.event(ABOUT, Offset(9)).await.unwrap(), None, "behind the last");
}

#[tokio::test]
async fn of_many_attempts_the_last_are_kept_and_of_much_that_was_said_the_front() {
    let long = "é".repeat(DETAIL_BYTES_MAX);
    for count in [0, 1, ATTEMPTS_MAX, ATTEMPTS_MAX + 6] {
        let attempts: Vec<_> = (0..count as u64).map(|n| attempt(n, &long)).collect();
        // What was sent was not counted once: as often as it failed, at least.
        for (sent, told) in [(0, count.min(ATTEMPTS_MAX) as u32), (1_000, 1_000)] {
            let log = stored(&[&[letter(1, attempts.clone(), sent)]]).await;
            let note = Copies::of(&*log).note(ABOUT, Offset(0)).await.unwrap().unwrap();
            assert_eq!(note.sent, told);
            let want = attempts[count.saturating_sub(ATTEMPTS_MAX)..].iter();
            let want = want.map(|a| (a.at, a.outcome, long[..DETAIL_BYTES_MAX].into()));
            let said = note.attempts.into_iter().map(|a| (a.at, a.outcome, a.detail));
            assert_eq!(said.collect::<Vec<_>>(), want.collect::<Vec<(_, _, Box<str>)>>());
        }
    }
}
