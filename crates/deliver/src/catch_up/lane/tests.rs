//! Who is handed a share, who goes on, and where the next read begins.

use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Subscription, SubscriptionId, SubscriptionSpec};
use tidings_event::Epoch;
use tidings_event::hop::Committed;

use super::{Lane, NEAR};
use crate::catch_up::Asker;
use crate::live::Live;
use crate::routes::Route;
use crate::state::tests::PARTITION;
use crate::state::tests::rig::{block, subscription, topic};
use crate::state::{Consumer, Limits, State};
use crate::window::Window;

/// Those who take every second event of the first 24 of a partition, and what there is of it.
struct Walk {
    lane: Lane,
    route: Route,
    blocks: Vec<Committed>,
}

impl Walk {
    fn new() -> Self {
        let blocks = (0..6).map(|n| block(4 * n, &[0, 1, 0, 1])).collect();
        Self { lane: Lane::default(), route: Route::default(), blocks }
    }

    /// Somebody with a consumer, who has nothing yet.
    fn somebody(&self, id: u64) -> (Arc<Live>, Arc<Subscription>) {
        let spec = SubscriptionSpec::new("s", Vec::new());
        let mut subscription = subscription(spec, Some("instrument == 'K1'"));
        subscription.id = SubscriptionId(id);
        let subscription = Arc::new(subscription);
        let limits = Limits { events: 100, bytes: 1 << 20, live_bytes: 1 << 20 };
        let mut state = State::new(Arc::clone(&subscription), limits, Epoch(1), 0);
        state.add(PARTITION, topic(), Window::default(), 24);
        state.reached(PARTITION, 24);
        let live = Arc::new(Live::new(state));
        let consumer = Consumer {
            name: "c".into(),
            session: 7,
            is_stream: true,
            window: 100,
            hears_pauses: false,
        };
        let log = tidings_log::MemoryLog::new(Arc::new(tidings_event::ManualClock::at(
            tidings_event::Timestamp(1),
        )));
        let clock = tidings_event::ManualClock::at(tidings_event::Timestamp(1));
        live.claim(consumer, None, log.as_ref(), &clock).unwrap();
        self.route.some(subscription.id, &live, subscription.revision().unwrap());
        (live, subscription)
    }

    fn join(&self, live: &Arc<Live>, id: u64, at: u64) {
        let asker = Asker { id: SubscriptionId(id), revision: 1 };
        let since = self.route.since(asker.id, 1).unwrap();
        self.lane.join((PARTITION, at), live, asker, since);
    }

    /// Reads some blocks for everybody.
    fn read(&self, blocks: std::ops::Range<usize>) {
        let stretch = self.lane.look_up(self.blocks[blocks].to_vec(), &self.route).unwrap();
        self.lane.hand_out(PARTITION, &stretch, &self.route);
    }

    fn walking(&self) -> Vec<(u64, u64)> {
        let walkers = self.lane.walkers();
        let all = walkers.get(&PARTITION).into_iter().flatten();
        all.map(|(id, walker)| (*id, walker.at)).collect()
    }
}

/// From where on somebody has to read, and how much waits.
fn stand(live: &Live) -> (Option<(u64, bool)>, bool) {
    let mut state = live.lock();
    let has_some = state.queued_bytes > 0;
    (state.slots.get_mut(&PARTITION).unwrap().hole(), has_some)
}

#[test]
fn everybody_who_is_there_takes_a_share_and_goes_on() {
    let walk = Walk::new();
    let all = [1, 2, 3].map(|id| walk.somebody(id).0);
    walk.join(&all[0], 1, 0);
    walk.join(&all[1], 2, 0);
    walk.read(0..2);
    assert_eq!(walk.walking(), [(1, 8), (2, 8)]);
    assert_eq!(stand(&all[0]), (Some((8, false)), true));
    // Who did not take part has nothing.
    assert_eq!(stand(&all[2]), (Some((0, true)), false));
    // What is read somewhere else is nobody's, and nobody leaves for it.
    walk.read(4..6);
    assert_eq!(walk.walking(), [(1, 8), (2, 8)]);
    walk.read(2..6);
    assert_eq!((walk.walking(), stand(&all[1])), (Vec::new(), (None, true)));
}

#[test]
fn who_left_the_index_takes_nothing_of_what_was_looked_up_without_it() {
    let walk = Walk::new();
    let (live, subscription) = walk.somebody(1);
    walk.join(&live, 1, 0);
    walk.route.remove(subscription.id, &live);
    let stretch = walk.lane.look_up(walk.blocks.clone(), &walk.route).unwrap();
    walk.route.some(subscription.id, &live, subscription.revision().unwrap());
    walk.lane.hand_out(PARTITION, &stretch, &walk.route);
    assert_eq!((walk.walking(), stand(&live)), (Vec::new(), (Some((0, true)), false)));
    // Nor does who came to the index since it was looked up.
    walk.join(&live, 1, 0);
    walk.lane.hand_out(PARTITION, &stretch, &walk.route);
    assert_eq!((walk.walking(), stand(&live)), (Vec::new(), (Some((0, true)), false)));
}

#[test]
fn who_is_routed_again_as_before_keeps_its_share() {
    let walk = Walk::new();
    let (live, subscription) = walk.somebody(1);
    walk.join(&live, 1, 0);
    let stretch = walk.lane.look_up(walk.blocks.clone(), &walk.route).unwrap();
    walk.route.some(subscription.id, &live, subscription.revision().unwrap());
    walk.lane.hand_out(PARTITION, &stretch, &walk.route);
    assert_eq!(stand(&live), (None, true));
}

#[test]
fn who_does_not_consume_leaves() {
    let walk = Walk::new();
    let (live, _) = walk.somebody(1);
    walk.join(&live, 1, 0);
    live.detach(7, Duration::ZERO);
    walk.read(0..1);
    assert_eq!((walk.walking(), stand(&live)), (Vec::new(), (Some((0, true)), false)));
}

#[test]
fn a_read_begins_where_the_last_of_those_near_is_who_would_take_a_share() {
    let walk = Walk::new();
    let all = [1, 2, 3].map(|id| walk.somebody(id).0);
    // They have taken different parts.
    walk.join(&all[0], 1, 0);
    walk.read(0..1);
    walk.join(&all[1], 2, 0);
    walk.read(0..2);
    assert_eq!(walk.walking(), [(1, 8), (2, 8)]);
    walk.join(&all[2], 3, 0);
    assert_eq!(walk.lane.last(PARTITION, 8), 0);
    // Where it was said to be is not where it is.
    walk.join(&all[2], 3, 7);
    assert_eq!(walk.lane.last(PARTITION, 8), 0);
    // Who is far behind is waited for by nobody.
    assert_eq!(walk.lane.last(PARTITION, NEAR + 1), 8);
    // Who is gone, or has all of it, is waited for by nobody.
    walk.read(0..6);
    walk.join(&all[2], 3, 0);
    assert_eq!((walk.lane.last(PARTITION, 20), walk.walking()), (20, Vec::new()));
    let elsewhere = tidings_event::TopicPartition::new(PARTITION.topic.0, 99);
    assert_eq!(walk.lane.last(elsewhere, 20), 20);
}

#[test]
fn those_where_nothing_can_be_read_go_on_alone() {
    let walk = Walk::new();
    let all = [1, 2, 3].map(|id| walk.somebody(id).0);
    for (live, (id, at)) in all.iter().zip([(1, 0), (2, 4), (3, 4)]) {
        walk.join(live, id, at);
    }
    walk.lane.leave(PARTITION, 4);
    assert_eq!(walk.walking(), [(1, 0)]);
}

#[test]
fn who_is_gone_is_forgotten_with_its_partition() {
    let walk = Walk::new();
    let all = [1, 2].map(|id| walk.somebody(id).0);
    for (live, id) in all.iter().zip([1, 2]) {
        walk.join(live, id, 0);
    }
    all[0].detach(7, Duration::ZERO);
    walk.lane.tidy(|place| place == PARTITION);
    assert_eq!(walk.walking(), [(2, 0)]);
    walk.lane.tidy(|_| false);
    assert!(walk.lane.walkers().is_empty());
}
