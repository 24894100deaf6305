//! Shares are fair, moves are as few as can be, and nothing depends on who asks.

use proptest::prelude::*;

use super::{Placed, quotas, spread};
use crate::node_id::NodeName;

fn names(count: usize) -> Vec<NodeName> {
    (0..count).map(|at| NodeName::new(&format!("node-{at}")).unwrap()).collect()
}

fn given(groups: &[Placed], nodes: usize) -> Vec<usize> {
    let names = names(nodes);
    spread(groups, &names.iter().collect::<Vec<_>>())
}

fn loads(given: &[usize], nodes: usize) -> Vec<usize> {
    (0..nodes).map(|node| given.iter().filter(|at| **at == node).count()).collect()
}

fn moved(groups: &[Placed], given: &[usize]) -> usize {
    let kept = |(placed, to): (&Placed, &usize)| placed.holder.is_none_or(|holder| holder == *to);
    groups.iter().zip(given).filter(|both| !kept(*both)).count()
}

/// The fewest moves of all ways that give fair shares.
fn fewest_moves(groups: &[Placed], nodes: usize) -> usize {
    let even = groups.len() / nodes;
    let ways = nodes.pow(u32::try_from(groups.len()).unwrap());
    let way = |mut number: usize| {
        let mut way = Vec::with_capacity(groups.len());
        for _ in groups {
            way.push(number % nodes);
            number /= nodes;
        }
        way
    };
    let fair = |way: &Vec<usize>| {
        loads(way, nodes).iter().all(|load| (even..=groups.len().div_ceil(nodes)).contains(load))
    };
    (0..ways).map(way).filter(fair).map(|way| moved(groups, &way)).min().unwrap()
}

fn held_by(holders: &[Option<usize>]) -> Vec<Placed> {
    holders.iter().map(|holder| Placed { holder: *holder, avoid: None }).collect()
}

#[test]
fn without_a_node_nothing_is_given() {
    assert_eq!(spread(&[Placed::default(); 4], &[]), Vec::<usize>::new());
}

#[test]
fn who_leaves_and_comes_back_gets_the_same_when_nothing_else_moved() {
    let all = given(&[Placed::default(); 16], 3);
    let mut without: Vec<Placed> = held_by(&all.iter().map(|at| Some(*at)).collect::<Vec<_>>());
    without.iter_mut().filter(|placed| placed.holder == Some(2)).for_each(|p| p.holder = None);
    assert_eq!(given(&without, 3), all);
}

#[test]
fn a_node_that_failed_is_passed_over_where_there_is_another() {
    let balanced = [Some(0), Some(1), Some(0), None];
    let mut groups = held_by(&balanced);
    groups[3].avoid = Some(1);
    assert_eq!(given(&groups, 2)[3], 0);
    // What the one has too much goes to the other, but not what that failed with.
    let mut groups = held_by(&[Some(0), Some(1), Some(0), Some(0)]);
    groups[3].avoid = Some(1);
    let after = given(&groups, 2);
    assert_eq!((after[3], loads(&after, 2)), (0, vec![2, 2]));
    assert_eq!(given(&[Placed { holder: None, avoid: Some(0) }], 1), [0], "there is no other");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn shares_are_fair_and_moves_are_fewest(
        nodes in 1usize..4,
        holders in proptest::collection::vec(proptest::option::of(0usize..4), 1..8),
    ) {
        let holders: Vec<_> = holders.into_iter().map(|at| at.filter(|at| *at < nodes)).collect();
        let groups = held_by(&holders);
        let after = given(&groups, nodes);
        let (least, most) = (groups.len() / nodes, groups.len().div_ceil(nodes));
        prop_assert!(loads(&after, nodes).iter().all(|load| (least..=most).contains(load)));
        prop_assert_eq!(moved(&groups, &after), fewest_moves(&groups, nodes));
    }

    #[test]
    fn what_was_given_stays_when_it_is_given_again(
        nodes in 1usize..12,
        holders in proptest::collection::vec(proptest::option::of(0usize..12), 16),
    ) {
        let once = given(&held_by(&holders), nodes);
        let kept: Vec<_> = once.iter().map(|at| Some(*at)).collect();
        prop_assert_eq!(given(&held_by(&kept), nodes), once);
    }

    #[test]
    fn a_death_moves_nothing_of_the_others_and_a_newcomer_takes_only_its_share(nodes in 2usize..12) {
        let before = given(&[Placed::default(); 16], nodes);
        // The last one dies: places of the others stay.
        let dead = nodes - 1;
        let left: Vec<_> = before.iter().map(|at| Some(*at).filter(|at| *at != dead)).collect();
        prop_assert_eq!(moved(&held_by(&left), &given(&held_by(&left), dead)), 0);
        let kept: Vec<_> = before.iter().map(|at| Some(*at)).collect();
        let after = given(&held_by(&kept), nodes + 1);
        let share = quotas(16, &loads(&before, nodes + 1))[nodes];
        prop_assert_eq!(moved(&held_by(&kept), &after), share);
        prop_assert_eq!(after.iter().filter(|at| **at == nodes).count(), share);
    }
}
