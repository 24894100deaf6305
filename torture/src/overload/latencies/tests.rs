//! Quantiles are of all that was sent, not of what came.

use std::time::Duration;

use tidings_event::Timestamp;

use super::{Latencies, SECOND};

const BEGAN: u64 = 5_000 * SECOND;

fn latencies(sent: u64, came: u64) -> Latencies {
    let latencies = Latencies::new(Timestamp(BEGAN));
    for n in 0..sent {
        let meant = Timestamp(BEGAN + SECOND + n);
        latencies.sent(meant);
        if n < came {
            latencies.came(meant, Timestamp(meant.0 + (n + 1) * 1_000_000));
        }
    }
    latencies
}

#[test]
fn a_quantile_is_of_what_was_sent() {
    let all = latencies(200, 200);
    assert_eq!(all.quantile(1..2, 99), Some(Duration::from_millis(198)));
    assert_eq!(all.quantile(0..9, 50), Some(Duration::from_millis(100)));
    assert_eq!(all.each(0..3), [None, Some(Duration::from_millis(198)), None]);
}

#[test]
fn what_has_not_come_is_later_than_the_rest() {
    assert_eq!(latencies(200, 198).quantile(1..2, 99), Some(Duration::from_millis(198)));
    assert_eq!(latencies(200, 197).quantile(1..2, 99), None);
    assert_eq!(latencies(200, 197).quantile(1..2, 50), Some(Duration::from_millis(100)));
}

#[test]
fn a_second_without_any_has_no_quantile() {
    assert_eq!(latencies(0, 0).quantile(0..5, 99), None);
    assert_eq!(latencies(5, 5).quantile(7..9, 99), None);
}
