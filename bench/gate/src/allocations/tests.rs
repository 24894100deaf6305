//! What is asked for is counted, whoever asks.

use std::hint::black_box;

use super::Allocations;

const EVENTS: u64 = 200_000;

/// Like a stage: looks at each event, and asks for memory for each when that is planted.
fn stage(plants: bool) -> u64 {
    let event = [7u8; 200];
    let sum = (0..EVENTS).map(|number| {
        let planted = plants.then(|| Box::new(black_box(number)));
        u64::from(black_box(&event)[(number % 200) as usize]) + planted.map_or(0, |one| *one & 1)
    });
    sum.sum()
}

/// Allocations of a run; other tests run at the same time, so the least of a few counts.
fn counted(plants: bool) -> u64 {
    let runs = (0..5).map(|_| {
        let before = Allocations::now();
        black_box(stage(plants));
        (Allocations::now() - before).calls
    });
    runs.min().unwrap()
}

#[test]
fn an_allocation_for_each_event_is_counted() {
    assert!(counted(true) >= EVENTS);
    assert!(counted(false) < EVENTS / 2);
}

#[test]
fn other_threads_are_counted_too() {
    let before = Allocations::now();
    let made = std::thread::spawn(|| black_box(vec![1u8; 1 << 20]).len()).join().unwrap();
    let asked = Allocations::now() - before;
    assert!(asked.bytes >= made as u64, "{asked:?}");
}

#[test]
fn what_grows_counts_by_what_it_grew() {
    let mut grown: Vec<u8> = Vec::with_capacity(1 << 20);
    let before = Allocations::now();
    grown.reserve_exact(black_box(3 << 20));
    let asked = Allocations::now() - before;
    assert!(asked.bytes >= 2 << 20 && asked.calls >= 1, "{asked:?}");
}
