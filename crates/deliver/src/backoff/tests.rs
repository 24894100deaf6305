//! Bounds and spread of the back-off.

use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tidings_catalog::Retry;

use super::delay;

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// That delays after `failed` failures fill `least..=most` evenly.
#[track_caller]
fn check(retry: &Retry, failed: u32, least: Duration, most: Duration) {
    let mut random = StdRng::seed_from_u64(7);
    let mut tenths = [0u32; 10];
    for _ in 0..10_000 {
        let at = delay(retry, failed, &mut random);
        assert!((least..=most).contains(&at), "{at:?} after {failed}");
        let share = (at - least).as_secs_f64() / (most - least).as_secs_f64().max(1e-9);
        tenths[((share * 10.0) as usize).min(9)] += 1;
    }
    if least < most {
        assert!(tenths.iter().all(|n| (850..1_150).contains(n)), "{tenths:?} after {failed}");
    }
}

#[test]
fn each_failure_doubles_the_cap_up_to_the_most() {
    let retry = Retry::default();
    check(&retry, 0, ms(100), ms(100));
    check(&retry, 1, ms(100), ms(200));
    check(&retry, 2, ms(100), ms(400));
    check(&retry, 8, ms(100), ms(25_600));
    check(&retry, 9, ms(100), ms(30_000));
    check(&retry, u32::MAX, ms(100), ms(30_000));
}

#[test]
fn equal_bounds_leave_no_choice() {
    let retry = Retry { min_backoff: ms(5), max_backoff: ms(5), ..Retry::default() };
    check(&retry, 3, ms(5), ms(5));
}

proptest! {
    #[test]
    fn any_terms_are_kept(min in 1u64..u64::MAX, more: u64, failed: u32, seed: u64) {
        let min_backoff = Duration::from_nanos(min);
        let max_backoff = min_backoff + Duration::from_secs(more >> 2);
        let retry = Retry { min_backoff, max_backoff, ..Retry::default() };
        let at = delay(&retry, failed, &mut StdRng::seed_from_u64(seed));
        prop_assert!((min_backoff..=max_backoff).contains(&at));
    }
}
