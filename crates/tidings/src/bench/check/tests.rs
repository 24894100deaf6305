//! What is planted is found, and named.

use tidings_event::Timestamp;
use tidings_market::Load;

use super::*;

const OPTIONS: LoadOptions = LoadOptions { seed: 5, instruments: 7, timeframes: 3 };

/// So many events as they were sent, after `before` that somebody else took, and the account of them.
fn sent(before: u64, events: u64) -> (Got, Sent, Vec<Vec<u8>>) {
    let (mut load, mut sent) = (Load::new(OPTIONS), Sent::new(OPTIONS));
    (0..before).for_each(|at| sent.add(&load.next_event(Timestamp(at))));
    let got = sent.nothing_yet(events);
    let bytes = (0..events).map(|at| {
        let event = load.next_event(Timestamp(before + at));
        sent.add(&event);
        event.bytes.to_vec()
    });
    let bytes = bytes.collect();
    (got, sent, bytes)
}

/// The verdict on a delivery with something planted.
fn check(plant: impl FnOnce(&mut Vec<Vec<u8>>)) -> (Verdict, String) {
    let (mut got, sent, mut delivered) = sent(10, 200);
    plant(&mut delivered);
    delivered.iter().for_each(|event| {
        let _produced_at = got.take(event);
    });
    let verdict = got.judge(&sent);
    assert_eq!(verdict.is_sound(), verdict.to_string() == "every event once, in order");
    (verdict, verdict.to_string())
}

#[test]
fn a_sound_output_is_sound_and_complete() {
    let (mut got, sent, delivered) = sent(10, 200);
    assert_eq!((sent.events, got.is_complete()), (210, false));
    for (at, event) in delivered.iter().enumerate() {
        assert_eq!(got.take(event), Some(Timestamp(10 + at as u64)));
        assert_eq!((got.distinct, got.is_complete()), (at as u64 + 1, at == 199));
    }
    assert_eq!(got.judge(&sent), Verdict::default());
}

#[test]
fn other_keys_may_come_in_any_order() {
    // The last of each key first, key by key: only the order within a key counts.
    let (verdict, _) = check(|delivered| {
        let key = |event: &Vec<u8>| {
            let read = scan(event).unwrap();
            (read.timeframe.to_owned(), read.instrument.to_owned())
        };
        delivered.sort_by_key(key);
    });
    assert!(verdict.is_sound(), "{verdict}");
}

#[test]
fn a_lost_event_is_found_wherever_it_was() {
    for at in [0, 100, 199] {
        let (verdict, text) = check(|delivered| drop(delivered.remove(at)));
        assert_eq!((verdict, &*text), (Verdict { lost: 1, ..Verdict::default() }, "1 lost"));
    }
    let (verdict, _) = check(Vec::clear);
    assert_eq!(verdict, Verdict { lost: 200, ..Verdict::default() });
}

#[test]
fn a_repeated_event_is_found_wherever_it_comes_again() {
    for to in [101, 150, 200] {
        let (verdict, text) = check(|delivered| delivered.insert(to, delivered[100].clone()));
        assert_eq!(
            (verdict, &*text),
            (Verdict { repeated: 1, ..Verdict::default() }, "1 repeated")
        );
    }
}

#[test]
fn a_reordered_event_is_found_and_is_not_lost() {
    // 7 instruments in 3 timeframes: the same key again after 21 events.
    let (verdict, text) = check(|delivered| delivered.swap(50, 71));
    assert_eq!((verdict, &*text), (Verdict { late: 1, ..Verdict::default() }, "1 out of order"));
    let (verdict, _) = check(|delivered| {
        let early = delivered.remove(50);
        delivered.push(early);
    });
    assert_eq!(verdict, Verdict { late: 1, ..Verdict::default() });
}

#[test]
fn a_changed_and_a_foreign_event_are_found() {
    let (verdict, text) = check(|delivered| {
        let other = delivered[100].last_mut().unwrap();
        *other ^= 1;
    });
    assert!(verdict.changed || verdict.foreign == 1, "{verdict:?}");
    assert!(!text.is_empty() && !verdict.is_sound(), "{text}");
    let (verdict, text) = check(|delivered| delivered.push(b"not an event".to_vec()));
    assert_eq!((verdict.foreign, &*text), (1, "1 not of this run"));
    let mut wider = Load::new(LoadOptions { instruments: 9, ..OPTIONS });
    (0..7).for_each(|at| drop(wider.next_event(Timestamp(at)).bytes.to_vec()));
    let eighth = wider.next_event(Timestamp(7)).bytes.to_vec();
    let (verdict, _) = check(|delivered| delivered.push(eighth));
    assert_eq!(verdict.foreign, 1, "{verdict}");
}

#[test]
fn a_value_that_was_changed_on_the_way_is_found_by_the_checksum() {
    let (verdict, text) = check(|delivered| {
        let event = &mut delivered[100];
        let at = event.windows(4).position(|bytes| bytes == b"XSIM").unwrap();
        event[at + 3] = b'N';
    });
    assert_eq!(
        (verdict, &*text),
        (Verdict { changed: true, ..Verdict::default() }, "events are not as they were sent")
    );
}

#[test]
fn several_faults_are_told_together() {
    let (verdict, text) = check(|delivered| {
        delivered.push(delivered[10].clone());
        drop(delivered.remove(120));
    });
    assert_eq!(verdict, Verdict { lost: 1, repeated: 1, ..Verdict::default() });
    assert_eq!(text, "1 lost, 1 repeated");
    let (mut got, sent, _) = sent(0, 3);
    got.gap(3);
    assert_eq!(got.judge(&sent).to_string(), "3 lost, 3 given up by a gap notice");
}
