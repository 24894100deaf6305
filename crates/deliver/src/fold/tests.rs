//! Folding against the definition: every event told once, in bounds, whatever comes when.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidings_event::Timestamp;
use tidings_event::key::KeyHash;

use super::{EVENTS_MAX, Fold, Folded, IDS_MAX, Likeness, Verdict, WINDOWS_MAX};
use crate::outgoing::Digest;

const WINDOW: Duration = Duration::from_millis(200);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn like(key: u64) -> Likeness {
    Likeness { key: KeyHash(key), kind: 7, severity: 3 }
}

fn event(offset: u64) -> Folded {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&offset.to_le_bytes());
    Folded { offset, id, ingested_at: Timestamp(offset) }
}

fn offsets(digest: &Digest) -> Vec<u64> {
    digest.runs.iter().flat_map(|&(first, end)| first..end).collect()
}

#[test]
fn a_storm_is_one_event_and_a_few_digests() {
    let mut fold = Fold::default();
    let (mut alone, mut digests) = (Vec::new(), Vec::new());
    // 5,000 in two seconds.
    for offset in 0..5_000 {
        let now = Duration::from_micros(offset * 400);
        while let Some(digest) = fold.due(now, WINDOW) {
            digests.push(digest);
        }
        match fold.offer(like(1), event(offset), now, WINDOW) {
            Verdict::Folded => {}
            other => alone.push((offset, other)),
        }
    }
    digests.extend(fold.due(ms(3_000), WINDOW));
    assert_eq!(alone, [(0, Verdict::First)]);
    assert!(digests.len() <= 11, "{}", digests.len());
    assert_eq!(digests.iter().map(|digest| digest.count).sum::<u64>(), 4_999);
    // Nothing came in another window: the storm is over.
    assert_eq!(fold.due(ms(4_000), WINDOW), None);
    assert_eq!(fold.offer(like(1), event(5_000), ms(4_000), WINDOW), Verdict::First);
}

#[test]
fn a_digest_says_what_it_holds() {
    let mut fold = Fold::default();
    for (offset, key) in [(10, 1), (11, 1), (12, 2), (13, 1), (14, 1)] {
        fold.offer(like(key), event(offset), ms(0), WINDOW);
    }
    assert_eq!((fold.waiting(), fold.next_at()), (3, Some(WINDOW)));
    assert_eq!(fold.due(ms(199), WINDOW), None);
    let digest = fold.due(WINDOW, WINDOW).unwrap();
    assert_eq!(digest.runs, [(11, 12), (13, 15)]);
    assert_eq!(digest.ids, [11, 13, 14].map(|offset| event(offset).id));
    assert_eq!((digest.first_ingested_at, digest.last_ingested_at), (Timestamp(11), Timestamp(14)));
    assert_eq!(fold.due(WINDOW, WINDOW), None, "the other one has nothing to tell");
    assert_eq!(fold.waiting(), 0);
}

#[test]
fn a_digest_names_a_bounded_number_of_ids() {
    let mut fold = Fold::default();
    for offset in 0..=2 * IDS_MAX as u64 {
        fold.offer(like(1), event(offset), ms(0), WINDOW);
    }
    let digest = fold.due(WINDOW, WINDOW).unwrap();
    assert_eq!((digest.count, digest.ids.len()), (2 * IDS_MAX as u64, IDS_MAX));
}

#[test]
fn above_its_bounds_events_go_by_themselves() {
    let mut fold = Fold::default();
    for key in 0..WINDOWS_MAX as u64 {
        assert_eq!(fold.offer(like(key), event(key), ms(0), WINDOW), Verdict::First);
    }
    let one_more = like(WINDOWS_MAX as u64);
    assert_eq!(fold.offer(one_more, event(1 << 20), ms(0), WINDOW), Verdict::NoRoom);
    for offset in 0..EVENTS_MAX as u64 {
        assert_eq!(fold.offer(like(0), event(offset), ms(0), WINDOW), Verdict::Folded);
    }
    assert_eq!(fold.offer(like(0), event(1 << 21), ms(0), WINDOW), Verdict::NoRoom);
    assert_eq!(fold.drop_range(10, 20), [(10, 20)]);
    let rest = [(0, 10), (20, EVENTS_MAX as u64)];
    assert_eq!(fold.drop_range(0, u64::MAX), rest);
    assert_eq!(fold.waiting(), 0);
    assert_eq!(fold.due(WINDOW, WINDOW), None);
}

proptest! {
    /// Whoever is folded is in exactly one digest, within one window; digests come in time.
    #[test]
    fn every_event_is_told_once(steps in prop::collection::vec((0..4u64, 0..250u64), 1..80)) {
        let mut fold = Fold::default();
        let mut waits: BTreeMap<u64, (u64, Duration)> = BTreeMap::new();
        let mut now = Duration::ZERO;
        let mut lately: BTreeMap<u64, Duration> = BTreeMap::new();
        for (offset, &(key, pause)) in (0..).zip(&steps) {
            now += ms(pause);
            while let Some(digest) = fold.due(now, WINDOW) {
                let told = offsets(&digest);
                prop_assert_eq!(told.len() as u64, digest.count);
                let keys: Vec<_> =
                    told.iter().filter_map(|at| waits.remove(at)).map(|(key, _)| key).collect();
                prop_assert_eq!(keys.len(), told.len(), "told twice");
                prop_assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", keys);
                lately.insert(keys[0], now);
            }
            prop_assert!(waits.values().all(|(_, since)| now - *since < WINDOW), "told late");
            let is_burst = lately.get(&key).is_some_and(|&since| now - since < WINDOW);
            let verdict = fold.offer(like(key), event(offset), now, WINDOW);
            prop_assert_eq!(verdict, if is_burst { Verdict::Folded } else { Verdict::First });
            match verdict {
                Verdict::Folded => drop(waits.insert(offset, (key, now))),
                _ => drop(lately.insert(key, now)),
            }
            prop_assert_eq!(fold.waiting(), waits.len());
        }
        let left: Vec<_> = fold.drop_range(0, u64::MAX).iter().flat_map(|&(first, end)| first..end).collect();
        prop_assert_eq!(left, waits.into_keys().collect::<Vec<_>>());
    }
}
