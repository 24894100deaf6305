//! What is selected, and what is counted, against a plain list of letters.

use proptest::prelude::*;
use tidings_event::{Epoch, PartitionId, TopicId};

use super::*;
use crate::dead_letter::Reason;

const ID: SubscriptionId = SubscriptionId(9);
const OTHER: SubscriptionId = SubscriptionId(8);

fn place(topic: u64, partition: u32, offset: u64) -> Place {
    Place { partition: TopicPartition::new(topic, partition), offset }
}

fn position(place: Place, epoch: u32) -> Position {
    let TopicPartition { topic, partition } = place.partition;
    Position { topic, epoch: Epoch(epoch), partition, offset: Offset(place.offset) }
}

fn record(bytes: u32, epoch: u32, state: LetterState) -> Record {
    let (copy, epoch, reason) = (Offset(0), Epoch(epoch), Reason::Rejected);
    Record { copy, bytes, epoch, reason, state }
}

/// Topic, partition, offset, bytes and whether it is redriven; absent: removed.
type Change = (u64, u32, u64, Option<(u32, bool)>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let letter = proptest::option::weighted(0.7, (1u32..100, any::<bool>()));
    prop::collection::vec((1u64..3, 0u32..2, 0u64..10, letter), 0..60)
}

proptest! {
    #[test]
    fn letters_are_counted_and_found_as_in_a_list(
        changes in changes(),
        (topic, partition, from, to) in (1u64..3, 0u32..2, 0u64..10, 0u64..12),
    ) {
        let (mut graves, mut plain) = (Graves::default(), BTreeMap::new());
        graves.insert(OTHER, place(1, 0, 5), record(7, 1, LetterState::Redriving));
        for (topic, partition, offset, letter) in changes {
            let at = place(topic, partition, offset);
            match letter {
                Some((bytes, redriven)) => {
                    let state = if redriven { LetterState::Redriving } else { LetterState::Dead };
                    let record = record(bytes, 1, state);
                    graves.insert(ID, at, record);
                    plain.insert(at, record);
                }
                None => prop_assert_eq!(graves.remove(ID, at), plain.remove(&at)),
            }
            prop_assert_eq!(graves.get(ID, at), plain.get(&at).copied());
        }
        let redriving = plain.values().filter(|r| r.state == LetterState::Redriving).count();
        prop_assert_eq!(graves.counts(ID), DeadLetterCounts {
            letters: plain.len() as u64,
            bytes: plain.values().map(|record| u64::from(record.bytes)).sum(),
            redriving: redriving as u64,
        });
        let mut known = graves.subscriptions();
        known.sort_unstable();
        let want = if plain.is_empty() { vec![OTHER] } else { vec![OTHER, ID] };
        prop_assert_eq!(known, want);
        let pairs = || plain.iter().map(|(at, record)| (*at, *record));
        prop_assert_eq!(graves.after(ID, None).collect::<Vec<_>>(), pairs().collect::<Vec<_>>());
        let last = place(topic, partition, from);
        let behind: Vec<_> = pairs().filter(|(at, _)| *at > last).collect();
        prop_assert_eq!(graves.after(ID, Some(last)).collect::<Vec<_>>(), behind);
        let here = |at: &Place| at.partition == last.partition;
        let inside: Vec<Place> =
            plain.keys().copied().filter(|at| here(at) && (from..to).contains(&at.offset)).collect();
        let within: Vec<Place> = graves.within(ID, last.partition, from..to).collect();
        prop_assert_eq!(within, inside);
        let range = |epoch| Selection::Range { from: position(last, epoch), to: Offset(to) };
        let meant = pairs().filter(|(at, _)| here(at) && (from..=to).contains(&at.offset));
        prop_assert_eq!(graves.select(ID, &range(1)), (meant.collect(), vec![]));
        prop_assert_eq!(graves.select(ID, &range(2)), (vec![], vec![]), "another epoch");
        prop_assert_eq!(graves.select(ID, &Selection::All), (pairs().collect(), vec![]));
    }
}

#[test]
fn positions_are_those_of_letters_in_order_and_the_rest_is_missing() {
    let mut graves = Graves::default();
    let (early, late) = (place(1, 0, 4), place(2, 1, 3));
    for at in [late, early] {
        graves.insert(ID, at, record(1, 1, LetterState::Dead));
    }
    let other = position(early, 2);
    let absent = position(place(1, 0, 5), 1);
    let asked = vec![position(late, 1), other, position(early, 1), absent, position(late, 1)];
    let found = [early, late].map(|at| (at, record(1, 1, LetterState::Dead)));
    let selected = graves.select(ID, &Selection::Positions(asked.clone()));
    assert_eq!(selected, (found.to_vec(), vec![other, absent]));
    assert_eq!(graves.select(OTHER, &Selection::Positions(asked.clone())), (vec![], asked));
    let first = &found[0];
    let want = Position {
        topic: TopicId(1),
        epoch: Epoch(1),
        partition: PartitionId(0),
        offset: Offset(4),
    };
    assert_eq!((first.0.position(&first.1), Place::of(&want)), (want, early));
}
