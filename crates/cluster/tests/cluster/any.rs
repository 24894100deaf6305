//! Any sequence of deaths, freezes, cuts and returns: what must hold at every moment does (`World::look`), and when
//! they are over every partition group has one owner within the bound.

use std::time::Duration;

use proptest::prelude::*;
use tidings_cluster::PartitionGroup;

use crate::world::{BACK, World};

const NODES: usize = 4;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
enum Act {
    Run(u16),
    Kill(usize),
    Start(usize, Option<usize>),
    Freeze(usize),
    Thaw(usize),
    Cut(usize, bool),
    Down(bool),
    Leave(usize),
    LoseConnection(usize),
    Lose(u8),
    Fail(usize, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let node = 0..NODES;
    prop_oneof![
        8 => (1u16..8_000).prop_map(Act::Run),
        2 => node.clone().prop_map(Act::Kill),
        3 => (node.clone(), proptest::option::weighted(0.3, BACK as usize..600)).prop_map(|(n, b)| Act::Start(n, b)),
        3 => node.clone().prop_map(Act::Freeze),
        3 => node.clone().prop_map(Act::Thaw),
        2 => (node.clone(), any::<bool>()).prop_map(|(n, cut)| Act::Cut(n, cut)),
        1 => any::<bool>().prop_map(Act::Down),
        1 => node.clone().prop_map(Act::Leave),
        2 => node.clone().prop_map(Act::LoseConnection),
        1 => (0u8..8).prop_map(Act::Lose),
        1 => (node, 0u8..8).prop_map(|(n, group)| Act::Fail(n, group)),
    ]
}

fn play(world: &mut World, act: Act) {
    match act {
        Act::Run(millis) => world.run(Duration::from_millis(u64::from(millis))),
        Act::Kill(of) => world.kill(of),
        Act::Start(of, back) => world.start(of, back),
        Act::Freeze(of) => world.freeze(of),
        Act::Thaw(of) => world.thaw(of),
        Act::Cut(of, is_cut) => {
            if let Some(process) = world.processes.get_mut(&of) {
                process.is_cut = is_cut;
            }
        }
        Act::Down(is_down) => world.is_down = is_down,
        Act::Leave(of) => world.leave(of),
        Act::LoseConnection(of) => world.lose_connection(of),
        Act::Lose(group) => world.lose(PartitionGroup(group)),
        Act::Fail(of, group) => world.failing.push((of, PartitionGroup(group))),
    }
}

/// Everything that is wrong ends; who has left stays away, and one process at least is there.
fn mend(world: &mut World) {
    world.is_down = false;
    world.failing.clear();
    for of in 0..NODES {
        if let Some(process) = world.processes.get_mut(&of) {
            (process.is_frozen, process.is_cut) = (false, false);
        }
    }
    let is_leaving =
        |world: &World, of: &usize| world.processes[of].is_leaving && !world.processes[of].has_left;
    world.until(Duration::from_secs(15), |world| {
        !world.processes.keys().any(|of| is_leaving(world, of))
    });
    let gone = world.processes.iter().filter(|(_, p)| p.has_left).map(|(of, _)| *of);
    gone.collect::<Vec<_>>().into_iter().for_each(|of| world.kill(of));
    if world.processes.is_empty() {
        world.start(0, None);
    }
}

/// A quarter of the usual number, as each takes a minute of simulated time; `PROPTEST_CASES=24000` finds more.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases / 4, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_one_answers_and_in_the_end_all_is_answered_for(
        acts in proptest::collection::vec(act(), 1..40),
        groups in prop_oneof![Just(1u32), Just(4), Just(8)],
        chance in any::<u64>(),
    ) {
        let mut world = World::new(groups, chance);
        for of in 0..NODES - 1 {
            world.start(of, None);
        }
        for act in acts {
            play(&mut world, act);
            let replaced = world.processes.values().any(|process| process.was_replaced);
            prop_assert!(!replaced, "no two ran under one name: {}", world.shown());
        }
        mend(&mut world);
        // Silence, a claim in turn, an opening; and a leaving node may hold on until it is heard.
        world.until(Duration::from_secs(12), World::is_served);
        world.until(Duration::from_secs(90), |world| {
            world.is_served() && world.is_agreed() && world.coordinators().len() == 1
        });
        let before = world.granted;
        world.run(Duration::from_secs(30));
        let moved = world.granted - before;
        prop_assert!(world.is_served(), "{}", world.shown());
        prop_assert!(moved <= groups as usize, "{} moves of {} in peace", moved, groups);
        let granted = world.granted;
        world.run(Duration::from_secs(30));
        prop_assert_eq!(world.granted, granted, "it does not come to rest: {}", world.shown());
    }
}
