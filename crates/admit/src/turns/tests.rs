//! Others come between two turns, and what is too large for one is done all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{TURN, Turns, UNIT_BYTES};

/// Most of so many batches that were done before somebody else had a turn.
async fn done_at_once(batches: usize, bytes: usize) -> usize {
    let (turns, done) = (Arc::new(Turns::default()), Arc::new(AtomicUsize::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..batches {
        let (turns, done) = (Arc::clone(&turns), Arc::clone(&done));
        tasks.spawn(async move {
            turns.take(bytes, async { done.fetch_add(1, Ordering::SeqCst) }).await;
        });
    }
    let (mut before, mut most) = (0, 0);
    while done.load(Ordering::SeqCst) < batches {
        tokio::task::yield_now().await;
        let now = done.load(Ordering::SeqCst);
        most = most.max(now - before);
        before = now;
    }
    tasks.join_all().await;
    most
}

#[tokio::test]
async fn between_two_turns_others_have_theirs() {
    assert_eq!(done_at_once(40, TURN as usize / 4 * UNIT_BYTES).await, 4);
    assert_eq!(done_at_once(40, 10 * TURN as usize * UNIT_BYTES).await, 1);
}

#[tokio::test]
async fn small_ones_go_together() {
    assert_eq!(done_at_once(50, 1).await, 50);
}
