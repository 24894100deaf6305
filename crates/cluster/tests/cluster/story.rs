//! What happens to a cluster, one thing at a time.

use std::time::Duration;

use tidings_cluster::PartitionGroup;

use crate::world::{BACK, World};

const SECOND: Duration = Duration::from_secs(1);
/// From a death to every partition group being answered for, with openings that take 0.4 s.
const TAKEOVER: Duration = Duration::from_secs(7);

/// A cluster that has come to rest.
fn at_rest(groups: u32, nodes: usize) -> World {
    let mut world = World::new(groups, 7);
    for of in 0..nodes {
        world.start(of, None);
    }
    come_to_rest(&mut world);
    world
}

fn come_to_rest(world: &mut World) {
    world.until(SECOND * 60, |world| world.is_served() && world.is_balanced() && world.is_agreed());
}

fn terms(world: &World, groups: u8) -> Vec<u64> {
    let term = |group| world.owner(PartitionGroup(group)).map_or(0, |(_, term)| term.0);
    (0..groups).map(term).collect()
}

#[test]
fn a_lone_node_owns_everything_at_once() {
    let mut world = World::new(16, 7);
    world.start(0, None);
    let took = world.until(SECOND * 3, World::is_served);
    assert!(took <= SECOND * 2, "{took:?}");
    assert_eq!(terms(&world, 16), [1; 16]);
}

#[test]
fn a_newcomer_gets_its_share_and_nothing_else_moves() {
    let mut world = at_rest(16, 2);
    world.start(2, None);
    let before = world.granted;
    come_to_rest(&mut world);
    assert_eq!(world.granted - before, 5);
    world.run(SECOND * 60);
    assert_eq!(world.granted - before, 5, "and then all is quiet");
}

#[test]
fn a_newcomer_has_to_stay_for_a_while_before_anything_is_moved_to_it() {
    let mut world = at_rest(4, 1);
    let before = world.granted;
    for _ in 0..5 {
        world.start(1, None);
        world.run(SECOND * 2);
    }
    assert_eq!(world.granted, before, "it came and went");
    come_to_rest(&mut world);
}

#[test]
fn a_dead_nodes_partitions_are_answered_for_in_time() {
    for coordinates in [true, false] {
        let mut world = at_rest(8, 3);
        let coordinator = world.coordinators();
        assert_eq!(coordinator.len(), 1);
        let dies = if coordinates { coordinator[0] } else { (coordinator[0] + 1) % 3 };
        world.kill(dies);
        let took = world.until(TAKEOVER, |world| world.is_served() && world.is_agreed());
        assert!(took >= SECOND * 3, "nobody is taken for dead that soon: {took:?}");
    }
}

#[test]
fn a_hundred_deaths_and_each_is_answered_in_time() {
    let mut world = at_rest(8, 3);
    for round in 0..100 {
        let dies = if round % 3 == 0 { world.coordinators()[0] } else { round % 3 };
        world.kill(dies);
        world.until(TAKEOVER, World::is_served);
        world.start(dies, None);
        come_to_rest(&mut world);
    }
    assert!(terms(&world, 8).iter().sum::<u64>() >= 200);
}

#[test]
fn a_frozen_node_that_comes_back_answers_for_nothing_of_before() {
    for coordinates in [true, false] {
        let mut world = at_rest(8, 3);
        let coordinator = world.coordinators()[0];
        let frozen = if coordinates { coordinator } else { (coordinator + 1) % 3 };
        let before = terms(&world, 8);
        world.freeze(frozen);
        world.until(TAKEOVER, World::is_served);
        assert!(world.loads()[&frozen] == 0);
        world.thaw(frozen);
        // It still took itself for the coordinator: its word counts nowhere, as `look` checks.
        world.run(SECOND * 2);
        assert_eq!(world.coordinators().len(), 1, "{}", world.shown());
        assert_ne!(world.coordinators(), [frozen].map(|of| if coordinates { of } else { 99 }));
        come_to_rest(&mut world);
        assert!(terms(&world, 8).iter().zip(&before).filter(|(a, b)| a > b).count() >= 2);
    }
}

/// A node may say more in the moment in which it is given up: then it is not.
#[test]
fn whoever_wakes_while_it_is_taken_for_dead_never_answers_beside_its_successor() {
    for chance in 0..30 {
        for woken_after in (3_000..5_000).step_by(50) {
            let mut world = World::new(1, chance);
            world.start(0, None);
            world.until(SECOND * 5, World::is_served);
            world.start(1, None);
            world.run(SECOND);
            world.freeze(0);
            world.run(Duration::from_millis(woken_after));
            world.thaw(0);
            world.run(Duration::from_millis(100 + 50 * (chance % 3)));
            world.freeze(0);
            world.run(SECOND * 3);
            world.thaw(0);
        }
    }
}

#[test]
fn a_short_freeze_moves_nothing() {
    let mut world = at_rest(8, 3);
    let before = terms(&world, 8);
    for frozen in [0, 1, 2, 0, 1, 2] {
        world.freeze(frozen);
        world.run(SECOND * 2);
        world.thaw(frozen);
        world.run(SECOND * 3);
    }
    assert_eq!((terms(&world, 8), world.is_served()), (before, true));
}

#[test]
fn who_leaves_hands_over_without_being_missed() {
    for coordinates in [true, false] {
        let mut world = at_rest(8, 3);
        let coordinator = world.coordinators()[0];
        let leaves = if coordinates { coordinator } else { (coordinator + 1) % 3 };
        world.leave(leaves);
        let took = world.until(SECOND * 3, |world| world.processes[&leaves].has_left);
        assert!(took < SECOND * 2, "{took:?}");
        world.kill(leaves);
        world.until(SECOND * 2, World::is_served);
        assert!(world.coordinators().len() == 1 || coordinates);
        come_to_rest(&mut world);
    }
}

#[test]
fn the_last_one_may_leave_too() {
    let mut world = at_rest(4, 1);
    world.leave(0);
    world.until(SECOND * 3, |world| world.processes[&0].has_left);
    world.start(0, None);
    world.until(SECOND * 3, World::is_served);
}

#[test]
fn a_broker_that_is_gone_kills_nobody() {
    let mut world = at_rest(8, 3);
    let (before, granted) = (terms(&world, 8), world.granted);
    world.is_down = true;
    world.run(SECOND * 120);
    assert_eq!(world.loads().values().sum::<usize>(), 0, "nobody answers on an old word");
    world.is_down = false;
    world.until(SECOND * 2, World::is_served);
    world.run(SECOND * 20);
    assert_eq!((terms(&world, 8), world.granted), (before, granted));
}

#[test]
fn who_cannot_reach_the_broker_loses_what_it_held() {
    let mut world = at_rest(8, 2);
    world.processes.get_mut(&1).unwrap().is_cut = true;
    let lost = world.until(SECOND * 3, |world| world.loads()[&1] == 0);
    world.until(TAKEOVER - lost, World::is_served);
    assert!(world.processes[&1].is_suspended);
    world.processes.get_mut(&1).unwrap().is_cut = false;
    come_to_rest(&mut world);
    assert_eq!(world.loads()[&1], 4);
}

#[test]
fn receipts_that_are_lost_cost_nothing() {
    let mut world = at_rest(8, 3);
    let granted = world.granted;
    for round in 0..200 {
        world.run(Duration::from_millis(150));
        world.lose_connection(round % 3);
    }
    assert_eq!((world.granted, world.is_served()), (granted, true), "{}", world.shown());
}

#[test]
fn what_the_log_took_away_is_given_again() {
    let mut world = at_rest(4, 2);
    world.lose(PartitionGroup(2));
    assert!(!world.is_served());
    world.until(SECOND * 2, World::is_served);
    assert_eq!(terms(&world, 4).iter().filter(|term| **term > 1).count() % 4, 3 - 2);
}

#[test]
fn who_cannot_open_something_is_passed_over() {
    let mut world = World::new(4, 7);
    world.failing = (0..4).map(|group| (0, PartitionGroup(group))).collect();
    world.start(0, None);
    world.run(SECOND * 5);
    assert_eq!(world.loads()[&0], 0);
    world.start(1, None);
    world.until(SECOND * 5, World::is_served);
    assert_eq!(world.loads()[&1], 4);
    // What failed there is not moved there again as long as that life lasts.
    world.run(SECOND * 60);
    assert!(world.is_served());
    world.failing.clear();
    world.start(0, None);
    come_to_rest(&mut world);
}

#[test]
fn everybody_killed_at_once_comes_back() {
    let mut world = at_rest(8, 2);
    let before = terms(&world, 8);
    world.kill(0);
    world.kill(1);
    world.run(SECOND * 5);
    world.start(1, None);
    // It has to count its own beats before it takes the other one for dead.
    world.until(TAKEOVER, World::is_served);
    world.start(0, None);
    come_to_rest(&mut world);
    assert!(terms(&world, 8).iter().zip(&before).all(|(after, before)| after > before));
}

#[test]
fn whoever_reads_from_the_middle_comes_to_the_same() {
    let mut world = at_rest(8, 2);
    world.run(SECOND * 600);
    world.start(2, Some(BACK as usize));
    come_to_rest(&mut world);
    world.kill(0);
    world.kill(1);
    // It is the last one, and has to claim above what it never read.
    world.until(TAKEOVER, World::is_served);
    assert_eq!(world.loads()[&2], 8);
}

#[test]
fn terms_go_on_above_those_of_the_logs_when_the_topic_is_lost() {
    let mut world = at_rest(4, 2);
    world.age_logs(1_000_000);
    world.forget_topic();
    world.start(0, None);
    world.start(1, None);
    come_to_rest(&mut world);
    assert!(terms(&world, 4).iter().all(|term| (1_000_001..1_000_009).contains(term)));
}

#[test]
fn a_node_that_was_away_for_long_comes_back_with_its_life() {
    for frozen in [0, 1] {
        let mut world = at_rest(4, 3);
        world.freeze(frozen);
        world.run(SECOND * 900);
        world.thaw(frozen);
        come_to_rest(&mut world);
        assert!(!world.processes[&frozen].was_replaced);
        // And in another one, when everybody has forgotten the one before.
        world.kill(frozen);
        world.run(SECOND * 900);
        world.start(frozen, Some(BACK as usize));
        come_to_rest(&mut world);
    }
}

#[test]
fn of_two_with_one_name_the_earlier_one_ends() {
    let mut world = at_rest(4, 2);
    let twin = world.processes.remove(&1).unwrap();
    world.start(1, None);
    world.processes.insert(7, twin);
    world.until(SECOND * 2, |world| {
        world.processes[&7].was_replaced && world.processes[&7].has_left
    });
    world.kill(7);
    come_to_rest(&mut world);
    assert!(!world.processes[&1].was_replaced, "what the earlier one said meanwhile did not count");
}

#[test]
fn a_claim_is_made_once() {
    let mut world = at_rest(8, 3);
    for round in 1..10 {
        let dies = world.coordinators()[0];
        world.kill(dies);
        world.until(TAKEOVER, World::is_served);
        world.start(dies, None);
        come_to_rest(&mut world);
        assert_eq!(world.coordinator_terms(), [round + 1], "one for the first, one for each death");
    }
}

#[test]
fn who_is_to_close_before_it_opened_says_so() {
    let mut world = at_rest(4, 2);
    let coordinator = world.coordinators()[0];
    let other = 1 - coordinator;
    world.lose(PartitionGroup(0));
    world.lose(PartitionGroup(1));
    world.freeze(other);
    world.run(SECOND);
    world.thaw(other);
    world.leave(other);
    world.until(SECOND * 3, |world| world.processes[&other].has_left);
    world.kill(other);
    world.until(SECOND * 2, World::is_served);
}
