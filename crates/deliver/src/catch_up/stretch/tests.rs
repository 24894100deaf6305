//! What each takes of a stretch, against asking its filter about every event.

use std::ops::Range;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tidings_catalog::{Subscription, SubscriptionId, SubscriptionSpec};
use tidings_event::Epoch;
use tidings_event::hop::Committed;
use tidings_match::Matches;

use super::{FOUND_BYTES, Stretch};
use crate::feed::Piece;
use crate::live::Live;
use crate::matching::Judge;
use crate::routes::Route;
use crate::state::tests::rig::{block, subscription};
use crate::state::{Limits, State};

const FILTERS: [&str; 5] = [
    "instrument == 'K0'",
    "instrument in ['K0', 'K2']",
    "instrument == 'K9'",
    "key_seq > 5",
    "venue == 'XNAS' && instrument != 'K1'",
];

fn subscribed(id: u64, filter: &str) -> Arc<Subscription> {
    let mut subscription = subscription(SubscriptionSpec::new("s", Vec::new()), Some(filter));
    subscription.id = SubscriptionId(id);
    Arc::new(subscription)
}

fn on_route(route: &Route, subscription: &Arc<Subscription>) {
    let limits = Limits { events: 1, bytes: 1, live_bytes: 1 };
    let state = State::new(Arc::clone(subscription), limits, Epoch(1), 0);
    let revision = subscription.revision().unwrap();
    route.some(subscription.id, &Arc::new(Live::new(state)), revision);
}

fn look_up(blocks: &[Committed], route: &Route) -> Option<Stretch> {
    Stretch::look_up(blocks.to_vec(), route, &mut Matches::new())
}

/// What is taken, as runs with their bytes; and which offsets that is decided of.
fn taken(pieces: &[Piece]) -> (Vec<(u64, u64, u64)>, Vec<u64>) {
    let offsets = pieces.iter().flat_map(|piece| piece.first..piece.end());
    (pieces.iter().flat_map(Piece::runs).collect(), offsets.collect())
}

fn naive(blocks: &[Committed], subscription: &Arc<Subscription>) -> Vec<Piece> {
    let judge = Judge::of(subscription, "a/b").unwrap();
    blocks.iter().map(|block| Piece::of(block, &judge.select(block))).collect()
}

/// Blocks of events of so many keys, with holes between some of them.
fn stored(shape: &[(Vec<u64>, bool)]) -> Vec<Committed> {
    let mut at = 0;
    let one = |(keys, is_after_hole): &(Vec<u64>, bool)| {
        at += 3 * u64::from(*is_after_hole);
        let made = block(at, keys);
        at = made.end_offset().0;
        made
    };
    shape.iter().map(one).collect()
}

proptest! {
    #[test]
    fn each_takes_what_its_filter_takes(
        shape in vec((vec(0..4u64, 1..5), any::<bool>()), 1..8),
        filters in vec(0..FILTERS.len(), 1..12),
        skip in 0..8usize,
    ) {
        let blocks = stored(&shape);
        let numbered = (1..).zip(&filters);
        let all: Vec<_> = numbered.map(|(id, of)| subscribed(id, FILTERS[*of])).collect();
        let route = Route::default();
        all.iter().for_each(|subscription| on_route(&route, subscription));
        let stretch = look_up(&blocks, &route).unwrap();
        let rest = &blocks[skip.min(blocks.len() - 1)..];
        let from = rest[0].block.header.base_offset.0;
        for subscription in &all {
            let pieces = stretch.pieces(subscription.id, from);
            prop_assert_eq!(taken(&pieces), taken(&naive(rest, subscription)));
        }
        // Nobody's share is another's.
        let (nothing, offsets) = taken(&stretch.pieces(SubscriptionId(99), from));
        prop_assert!(nothing.is_empty());
        prop_assert_eq!(offsets, taken(&naive(rest, &all[0])).1);
    }
}

#[test]
fn blocks_without_a_share_are_one_piece_up_to_a_hole() {
    let shape = [(vec![1, 1], false), (vec![1], false), (vec![1], true), (vec![0], false)];
    let route = Route::default();
    on_route(&route, &subscribed(1, FILTERS[0]));
    let stretch = look_up(&stored(&shape), &route).unwrap();
    let pieces = stretch.pieces(SubscriptionId(1), 0);
    let places: Vec<Range<u64>> = pieces.iter().map(|piece| piece.first..piece.end()).collect();
    assert_eq!(places, [0..3, 6..7, 7..8]);
}

#[test]
fn a_stretch_holds_its_offsets_and_what_is_lost_between_them() {
    let route = Route::default();
    on_route(&route, &subscribed(1, FILTERS[0]));
    let stretch = look_up(&stored(&[(vec![1, 0], true), (vec![0], true)]), &route).unwrap();
    let held: Vec<u64> = (0..12).filter(|at| stretch.holds(*at)).collect();
    assert_eq!(held, [3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_stretch_ends_where_too_much_was_found() {
    let route = Route::default();
    (1..=2_000).for_each(|id| {
        on_route(&route, &subscribed(id, &format!("key_seq >= 0 && venue != '{id}'")))
    });
    let keys = [0; 64].map(|_| 0);
    let shape: Vec<_> = (0..200).map(|_| (keys.to_vec(), false)).collect();
    let blocks = stored(&shape);
    let stretch = look_up(&blocks, &route).unwrap();
    assert!(2_000 * blocks.len() * size_of::<super::Share>() > 2 * FOUND_BYTES);
    let pieces = stretch.pieces(SubscriptionId(7), 0);
    assert!((1..blocks.len()).contains(&pieces.len()), "{} of {}", pieces.len(), blocks.len());
    let end = pieces.last().unwrap().end();
    assert!(stretch.holds(end - 1) && !stretch.holds(end));
}

#[test]
fn of_no_blocks_there_is_no_stretch() {
    assert!(look_up(&[], &Route::default()).is_none());
}
