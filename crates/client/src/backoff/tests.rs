//! Delays stay between their bounds and giving up happens.

use std::time::Duration;

use super::{Attempts, Backoff};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn caps_double_until_the_most() {
    let backoff = Backoff { min: ms(50), max: ms(300), give_up_after: None };
    let caps: Vec<_> = (0..5).map(|attempt| backoff.cap(attempt)).collect();
    assert_eq!(caps, [ms(50), ms(100), ms(200), ms(300), ms(300)]);
    assert_eq!(backoff.cap(u32::MAX), ms(300));
}

#[test]
fn delays_stay_within_their_cap() {
    let backoff = Backoff { min: ms(10), max: ms(1000), give_up_after: None };
    for attempt in 0..200 {
        let delay = backoff.delay(attempt % 10);
        assert!(delay >= ms(10) && delay <= backoff.cap(attempt % 10), "{delay:?}");
    }
}

#[test]
fn gives_up_only_without_progress() {
    let backoff = Backoff { min: ms(100), max: ms(100), give_up_after: Some(ms(250)) };
    let mut attempts = Attempts::new(backoff);
    let waits = std::iter::from_fn(|| attempts.next_delay(None)).count();
    assert_eq!(waits, 3);
    attempts.progress();
    assert_eq!(attempts.next_delay(None), Some(ms(100)));
}

#[test]
fn the_service_may_ask_for_more() {
    let mut attempts = Attempts::new(Backoff::default());
    assert_eq!(attempts.next_delay(Some(Duration::from_secs(9))), Some(Duration::from_secs(9)));
}
