//! Which bars become due, when, and what is counted.

use std::time::Duration;

use tidings_event::Timestamp;
use tidings_event::v1::Kind;

use super::{Due, SummarySettings};
use crate::glance::Glance;
use crate::summaries::Composed;

const DELAY: Duration = Duration::from_millis(50);

fn due(instruments: &[&str]) -> Due {
    let composed = Composed {
        tenant: "default".to_owned(),
        venue: "XNAS".to_owned(),
        timeframe: "5m".to_owned(),
        instruments: instruments.iter().map(|&name| name.to_owned()).collect(),
        matrices: Vec::new(),
    };
    Due::new(SummarySettings {
        composed: vec![composed],
        delay: DELAY,
        anomaly_window: Duration::from_nanos(100),
        due_max: 3,
    })
}

fn bar(instrument: &str, start: u64) -> Glance<'_> {
    Glance {
        kind: Kind::Indicators,
        id: b"",
        source: b"",
        instrument: instrument.as_bytes(),
        venue: b"XNAS",
        timeframe: b"5m",
        start,
        end: start + 5,
        is_final: true,
        revision: 0,
        mark: b"",
    }
}

fn names(due: &mut Due, now: Duration) -> Vec<String> {
    due.step(now).iter().map(|bar| format!("{}@{}", bar.instrument, bar.start)).collect()
}

#[test]
fn a_bar_is_due_once_a_moment_after_its_first_event() {
    let mut due = due(&[]);
    let at = Duration::from_secs(1);
    for later in [0, 10, 20] {
        due.take("default", &bar("AAPL", 100), Timestamp(1), at + Duration::from_millis(later));
    }
    assert_eq!(due.next_due(), Some(at + DELAY));
    assert!(names(&mut due, at + DELAY - Duration::from_nanos(1)).is_empty());
    assert_eq!(names(&mut due, at + DELAY), ["AAPL@100"]);
    assert_eq!((due.next_due(), due.dropped()), (None, 0));
}

#[test]
fn only_finished_bars_of_what_is_declared_count() {
    let mut due = due(&["AAPL"]);
    let now = Duration::ZERO;
    let good = bar("AAPL", 1);
    due.take("other", &good, Timestamp(1), now);
    due.take("default", &Glance { is_final: false, ..good }, Timestamp(1), now);
    due.take("default", &Glance { timeframe: b"1h", ..good }, Timestamp(1), now);
    due.take("default", &Glance { venue: b"", ..good }, Timestamp(1), now);
    due.take("default", &bar("MSFT", 1), Timestamp(1), now);
    assert!(names(&mut due, DELAY).is_empty());
    due.take("default", &good, Timestamp(1), now);
    assert_eq!(names(&mut due, DELAY), ["AAPL@1"]);
}

#[test]
fn bars_above_the_bound_are_counted() {
    let mut due = due(&[]);
    for start in 0..5 {
        due.take("default", &bar("AAPL", start), Timestamp(1), Duration::ZERO);
    }
    assert_eq!((names(&mut due, DELAY).len(), due.dropped(), due.dropped()), (3, 2, 0));
}

#[test]
fn anomalies_are_open_for_their_window() {
    let mut due = due(&[]);
    let odd = Glance { kind: Kind::Anomaly, timeframe: b"", ..bar("AAPL", 0) };
    for at in [10, 20, 130] {
        due.take("default", &odd, Timestamp(at), Duration::ZERO);
    }
    due.take("default", &bar("AAPL", 7), Timestamp(1), Duration::ZERO);
    let of = due.step(DELAY).remove(0);
    assert_eq!(due.open_anomalies(&of, Timestamp(120)), (2, Some(Timestamp(130))));
    assert_eq!(due.open_anomalies(&of, Timestamp(300)), (0, None));
}
