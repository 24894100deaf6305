//! Sequences, one block after the other, against what P5 says of each.

use super::*;

const LIMITS: ProducerLimits = ProducerLimits { producers: 2, idle: Duration::from_secs(10) };

fn stamp(epoch: u32, first_sequence: u64) -> ProducerStamp {
    ProducerStamp { id: [1; 16], epoch, first_sequence }
}

/// Stores sequences 0..2,000 of epoch 2 at offsets 5.., in blocks of 10.
fn table() -> ProducerTable {
    let mut table = ProducerTable::default();
    for first in (0..2_000).step_by(10) {
        table.store(&stamp(2, first), 10, Offset(5 + first), Duration::ZERO);
    }
    table
}

fn check(epoch: u32, first: u64, count: u64, expected: Result<Verdict, Code>) {
    let verdict = table().judge(&stamp(epoch, first), count, false).map_err(|r| r.code);
    assert_eq!(verdict, expected, "epoch {epoch}, {count} from {first}");
}

#[test]
fn every_case_of_the_promise() {
    let store = |repeated, at| Ok(Verdict::Store { repeated, repeated_at: at });
    check(2, 2_000, 10, store(0, None));
    check(2, 2_001, 10, Err(Code::SequenceGap));
    check(1, 2_000, 10, Err(Code::ProducerFenced));
    check(3, 0, 10, store(0, None));
    check(3, 2_000, 10, Err(Code::SequenceGap));
    check(2, 1_990, 10, Ok(Verdict::Duplicate(Some(Offset(1_995)))));
    check(2, 976, 1, Ok(Verdict::Duplicate(Some(Offset(981)))));
    check(2, 975, 1, Ok(Verdict::Duplicate(None)));
    check(2, 0, 10, Ok(Verdict::Duplicate(None)));
    check(2, 1_990, 20, store(10, Some(Offset(1_995))));
}

#[test]
fn an_unknown_producer_starts_at_zero() {
    let table = ProducerTable::default();
    let code = |fresh| table.judge(&stamp(1, 7), 1, fresh).map_err(|r| r.code);
    assert_eq!(code(false), Err(Code::ProducerUnknown));
    assert_eq!(code(true), Err(Code::SequenceGap));
}

#[test]
fn a_block_larger_than_the_memory_is_remembered_whole() {
    let mut table = ProducerTable::default();
    table.store(&stamp(1, 0), 5_000, Offset(0), Duration::ZERO);
    let again = table.judge(&stamp(1, 0), 5_000, false);
    assert_eq!(again, Ok(Verdict::Duplicate(Some(Offset(0)))));
}

#[test]
fn every_remembered_sequence_has_its_own_offset() {
    let mut table = ProducerTable::default();
    // Others stored something in between.
    let offset = |sequence: u64| Offset(sequence + 10_000 * (sequence / 600));
    for first in (0..1_300).step_by(10) {
        table.store(&stamp(2, first), 10, offset(first), Duration::ZERO);
    }
    for sequence in 0..1_300 {
        let known = (sequence >= 1_300 - REMEMBERED).then(|| offset(sequence));
        let verdict = table.judge(&stamp(2, sequence), 1, false);
        assert_eq!(verdict, Ok(Verdict::Duplicate(known)), "{sequence}");
    }
}

#[test]
fn nobody_is_forgotten_while_there_is_room() {
    let mut table = ProducerTable::default();
    table.store(&stamp(1, 0), 1, Offset(0), Duration::ZERO);
    assert!(table.admit(&[9; 16], Duration::from_secs(1_000), LIMITS, |_| false).is_ok());
    assert_eq!(table.judge(&stamp(1, 0), 1, false), Ok(Verdict::Duplicate(Some(Offset(0)))));
}

#[test]
fn a_full_table_refuses_new_producers_and_evicts_idle_ones() {
    let mut table = ProducerTable::default();
    for id in 1..=2u8 {
        let stamp = ProducerStamp { id: [id; 16], epoch: 1, first_sequence: 0 };
        table.store(&stamp, 1, Offset(0), Duration::from_secs(u64::from(id)));
    }
    let mut admit = |now, connected: u8| {
        let now = Duration::from_secs(now);
        table.admit(&[9; 16], now, LIMITS, |id| id[0] == connected).map_err(|r| r.code)
    };
    assert_eq!(admit(10, 0), Err(Code::ProducerLimit));
    assert_eq!(admit(11, 1), Err(Code::ProducerLimit), "a connected one stays");
    assert_eq!(admit(11, 0), Ok(()));
}
