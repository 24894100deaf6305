//! What is kept is bounded, and the oldest goes first.

use std::sync::Arc;

use tidings_event::{Epoch, Offset, TopicPartition};

use super::{EventTexts, KEPT_BYTES, Recent};

fn texts(bytes: usize) -> Arc<EventTexts> {
    Arc::new(EventTexts { text: "x".repeat(bytes), ends: vec![1, bytes], ingested_at: "T".into() })
}

#[test]
fn the_newest_texts_are_kept_up_to_a_bound() {
    let place = |offset| (TopicPartition::new(1, 0), Epoch(1), Offset(offset), 2);
    let mut recent = Recent::default();
    for offset in 0..9 {
        recent.keep(place(offset), &texts(KEPT_BYTES / 4));
        recent.keep(place(offset), &texts(KEPT_BYTES / 4));
    }
    recent.keep(place(99), &texts(KEPT_BYTES + 1));
    let mut kept: Vec<_> = recent.texts.keys().map(|(.., offset, _)| offset.0).collect();
    kept.sort_unstable();
    assert_eq!((kept, recent.bytes), (vec![5, 6, 7, 8], KEPT_BYTES));
    assert_eq!(texts(3).iter().collect::<Vec<_>>(), ["x", "xx"]);
}
