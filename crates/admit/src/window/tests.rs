//! The window against a plain list.

use std::collections::hash_map::Entry;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn it_agrees_with_a_list(steps in prop::collection::vec((0u8..4, 0u32..60), 1..600)) {
        let (ids_max, age_max) = (40, 20);
        let mut window = Window::new(ids_max, age_max);
        let mut list: Vec<(u32, u32, u64, bool)> = Vec::new(); // id, at, offset, alive
        let location = window.locate(TopicPartition::new(1, 2));
        let mut now = 0;
        for (offset, (action, id)) in (0u64..).zip(steps) {
            let hash = identity(7, "s", &u128::from(id % 50).to_le_bytes());
            let id = id % 50;
            match action {
                0 => now += id % 5,
                1 => {
                    window.remove(hash);
                    list.iter_mut().filter(|e| e.0 == id).for_each(|e| e.3 = false);
                }
                _ => {
                    window.expire(now);
                    while list.first().is_some_and(|e| now - e.1 > age_max) { list.remove(0); }
                    let known = list.iter().find(|e| e.0 == id && e.3).map(|e| e.2);
                    prop_assert_eq!(window.get(hash).map(|(_, at)| at.0), known);
                    if known.is_none() {
                        if list.len() >= ids_max { list.remove(0); }
                        list.push((id, now, offset, true));
                        window.insert(hash, location, Offset(offset), now);
                    }
                }
            }
        }
    }
}

proptest! {
    /// Their tags are few and belong at the index's end, so that they are pushed on and begin at its front.
    #[test]
    fn ids_that_crowd_in_one_place_are_told_apart(steps in prop::collection::vec((any::<bool>(), 0u64..40), 1..200)) {
        let mut window = Window::new(1_000, 100);
        let location = window.locate(TopicPartition::new(1, 2));
        let hash = |id: u64| u128::from(id) << 64 | u128::from(u32::MAX - 2 * (id % 3) as u32);
        let mut known: HashMap<u64, u64> = HashMap::new();
        for (offset, (stored, id)) in (0u64..).zip(steps) {
            if !stored {
                window.remove(hash(id));
                known.remove(&id);
            } else if let Entry::Vacant(unknown) = known.entry(id) {
                window.insert(hash(id), location, Offset(offset), 0);
                unknown.insert(offset);
            }
            for id in 0..40 {
                let found = window.get(hash(id)).map(|(_, at)| at.0);
                prop_assert_eq!(found, known.get(&id).copied());
            }
        }
    }
}

#[test]
fn thousands_are_found_and_what_is_forgotten_leaves_its_room() {
    let mut window = Window::new(2_000, 100);
    let place = TopicPartition::new(1, 2);
    let location = window.locate(place);
    let hash = |id: u64| identity(7, "s", &u128::from(id).to_le_bytes());
    for id in 0..20_000 {
        window.insert(hash(id), location, Offset(id), 0);
    }
    let found = |id: u64| window.get(hash(id));
    assert!((0..18_000).all(|id| found(id).is_none()));
    assert!((18_000..20_000).all(|id| found(id) == Some((place, Offset(id)))));
    assert_eq!((window.index.used, window.index.slots.len()), (2_000, 4_096));
}

#[test]
fn tenants_and_sources_are_apart() {
    let id = [3; 16];
    let one = identity(tenant_seed("a"), "s", &id);
    assert_ne!(one, identity(tenant_seed("b"), "s", &id));
    assert_ne!(one, identity(tenant_seed("a"), "t", &id));
}
