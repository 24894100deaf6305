//! The window against a plain list.

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

#[test]
fn tenants_and_sources_are_apart() {
    let id = [3; 16];
    let one = identity(tenant_seed("a"), "s", &id);
    assert_ne!(one, identity(tenant_seed("b"), "s", &id));
    assert_ne!(one, identity(tenant_seed("a"), "t", &id));
}
