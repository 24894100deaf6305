//! Large bodies wait for each other, and never for longer than they have patience; small ones do not.

use std::cell::Cell;
use std::time::Duration;

use futures::FutureExt;
use tidings_event::Code;
use tidings_telemetry::{Counter, Recorder, Timer};

use super::{Room, SMALL};
use crate::limits::Limits;

thread_local! {
    static GIVEN_BACK: Cell<u32> = const { Cell::new(0) };
}

fn room(held: usize, worked_on: usize) -> Room {
    let patience = Duration::from_millis(20);
    let limits = Limits { bodies_held: held, bodies_worked_on: worked_on, ..Limits::default() };
    let give_back = || GIVEN_BACK.with(|times| times.set(times.get() + 1));
    let limits = Limits { body_read: patience, bodies_small: 1_000, ..limits };
    Room::new(&limits, Timer, give_back, Recorder::new())
}

#[tokio::test]
async fn a_small_body_of_events_that_finds_no_room_is_refused_at_once() {
    let room = room(SMALL + 1, 0);
    let mut first = room.to_hold_events(600).await.unwrap();
    let refused = room.to_hold_events(500).now_or_never().unwrap().err().unwrap();
    assert_eq!((refused.code, refused.retry_after_ms), (Code::ResourceExhausted, Some(1_000)));
    assert_eq!(room.recorder.counted(Counter::ServeMemoryRefused), 1);
    let large = room.to_hold_events(SMALL + 1).now_or_never().unwrap().unwrap();
    first.shrink(500);
    let second = room.to_hold_small(500).unwrap();
    assert!(room.to_hold_small(1).is_err());
    drop((first, second, large));
    assert!(room.to_hold_small(1_000).is_ok());
}

#[tokio::test]
async fn who_finds_no_room_waits_for_it_and_is_refused_in_the_end() {
    let room = room(10 << 20, 0);
    let mut first = room.to_hold(8 << 20).await.unwrap();
    assert!(room.to_hold(4 << 20).now_or_never().is_none());
    first.shrink(6 << 20);
    let second = room.to_hold(4 << 20).now_or_never().unwrap().unwrap();
    let refused = room.to_hold(1 << 20).await.err().unwrap();
    assert_eq!(refused.code, Code::ResourceExhausted);
    assert!(refused.retry_after_ms.is_some());
    drop((first, second));
    assert!(room.to_hold(10 << 20).now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn one_that_is_larger_than_all_room_takes_all_of_it() {
    let room = room(1 << 20, 1 << 20);
    let all = room.to_hold(8 << 20).now_or_never().unwrap().unwrap();
    assert!(room.to_hold(1).now_or_never().is_none());
    drop(all);
    assert!(room.to_work_on(8 << 20).now_or_never().unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_small_body_waits_for_nobody() {
    let room = room(1 << 20, 1 << 20);
    let _all = room.to_work_on(1 << 20).await.unwrap();
    assert!(room.to_work_on(SMALL).now_or_never().unwrap().unwrap().is_none());
    assert!(room.to_work_on(SMALL + 1).now_or_never().is_none());
}

#[tokio::test]
async fn many_are_refused_by_one_at_a_time_who_gives_back_what_it_took() {
    let room = room(0, 0);
    let first = room.to_refuse_many().await.unwrap();
    assert_eq!(room.to_refuse_many().await.err().unwrap().code, Code::ResourceExhausted);
    assert_eq!(GIVEN_BACK.with(Cell::get), 0);
    drop(first);
    assert_eq!(GIVEN_BACK.with(Cell::get), 1);
    assert!(room.to_refuse_many().now_or_never().unwrap().is_ok());
}
