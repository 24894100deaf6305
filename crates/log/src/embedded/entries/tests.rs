//! Against a plain map.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn they_are_a_map(
        acts in proptest::collection::vec(("[ab]{0,3}", proptest::option::of("[a-c]{0,3}")), 0..60),
    ) {
        let (mut entries, mut plain) = (Entries::default(), BTreeMap::new());
        for (key, value) in acts {
            match value {
                Some(value) => {
                    entries.put(key.as_bytes(), value.as_bytes());
                    plain.insert(Bytes::from(key), Bytes::from(value));
                }
                None => {
                    entries.remove(key.as_bytes());
                    plain.remove(key.as_bytes());
                }
            }
            for key in ["", "a", "ab", "b", "bba", "c"] {
                let want = plain.get(key.as_bytes()).map(Bytes::as_ref);
                prop_assert_eq!(entries.get(key.as_bytes()), want);
            }
            prop_assert_eq!(&entries.to_map(), &plain);
        }
    }
}
