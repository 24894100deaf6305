//! Against a plain map, and what a change costs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidings_event::Timestamp;

use super::*;
use crate::boundary::Boundary;
use crate::subscription::{SubscriptionId, SubscriptionSpec};

fn subscription(id: u64, name: u32) -> Arc<Subscription> {
    Arc::new(Subscription {
        id: SubscriptionId(id),
        tenant: "default".into(),
        spec: SubscriptionSpec::new(format!("s-{name}"), Vec::new()),
        created_at: Timestamp(0),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: Vec::new(),
    })
}

fn ids<'a>(of: impl Iterator<Item = &'a Arc<Subscription>>) -> Vec<u64> {
    of.map(|one| one.id.0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn it_is_a_map_and_knows_what_changed(
        acts in proptest::collection::vec((0u32..900, 0u8..4), 1..1_200),
        marked in 0usize..1_200,
    ) {
        let (mut shelf, mut plain) = (Shelf::default(), BTreeMap::new());
        let mut before = (shelf.clone(), plain.clone());
        for (id, (name, act)) in (0u64..).zip(acts) {
            if id as usize == marked {
                before = (shelf.clone(), plain.clone());
            }
            if act == 0 {
                shelf.remove(&format!("s-{name}"));
                plain.remove(&format!("s-{name}"));
            } else {
                shelf.insert(subscription(id, name));
                plain.insert(format!("s-{name}"), id);
            }
        }
        prop_assert_eq!(ids(shelf.iter()), plain.values().copied().collect::<Vec<_>>());
        prop_assert_eq!(shelf.len(), plain.len());
        for name in (0..901).map(|name| format!("s-{name}")) {
            prop_assert_eq!(shelf.get(&name).map(|one| one.id.0), plain.get(&name).copied());
            if !plain.contains_key(&name) {
                let there = shelf.neighbour(&name).map(|one| &one.spec.name);
                let want = plain.range(..name).next_back().or(plain.first_key_value());
                prop_assert_eq!(there, want.map(|(name, _)| name));
            }
        }
        let since = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            let is_new = |(name, id): &(&String, &u64)| before.get(*name) != Some(*id);
            now.iter().filter(is_new).map(|(_, id)| *id).collect::<Vec<_>>()
        };
        prop_assert_eq!(ids(shelf.since(&before.0)), since(&plain, &before.1));
        prop_assert_eq!(ids(before.0.since(&shelf)), since(&before.1, &plain));
    }
}

#[test]
fn a_change_leaves_all_parts_but_one_to_both() {
    let mut shelf = Shelf::default();
    (0..10_000).for_each(|name| shelf.insert(subscription(u64::from(name), name)));
    let before = shelf.clone();
    shelf.insert(subscription(10_000, 10_000));
    let shared = shelf.parts.iter().filter(|p| before.parts.iter().any(|b| Arc::ptr_eq(p, b)));
    assert!(shared.count() + 2 >= shelf.parts.len());
    assert!(shelf.parts.len() < 10_000 / (PART_MAX / 4), "{} parts", shelf.parts.len());
}
