//! Events: what the author writes is admitted, and counts per key have no gap.

use tidings_event::v1::{self, event::Payload};
use tidings_event::{Timestamp, encode};

use crate::{Analyst, Author, Bar, Series};

fn series(instrument: &str, timeframe: &str) -> Series {
    let timeframe = timeframe.parse().unwrap();
    Series { instrument: instrument.to_owned(), venue: "XNAS".to_owned(), timeframe }
}

fn bar() -> Bar {
    let (start, end) = (Timestamp(1_000_000_000), Timestamp(61_000_000_000));
    Bar { start, end, open: 1.0, high: 2.0, low: 0.5, close: 1.5, volume: 3.0 }
}

#[test]
fn values_that_are_not_there_yet_say_why() {
    let mut author = Author::new("demo", 1);
    let mut events = Vec::new();
    Analyst::new(series("A", "1m")).finished(&bar(), &mut author, Timestamp(5), &mut events);
    let Some(Payload::Indicators(payload)) = &events[0].payload else { panic!("{:?}", events[0]) };
    assert_eq!(payload.values.len(), 10);
    for value in payload.values.values() {
        assert_eq!((value.value, value.status()), (None, v1::ValueStatus::WarmingUp));
    }
    tidings_event::scan(&encode(&events[0])).unwrap();
}

#[test]
fn counts_run_per_key_across_kinds_and_timeframes() {
    let mut author = Author::new("demo", 1);
    let mut events = Vec::new();
    for (instrument, timeframe) in [("A", "1m"), ("B", "1m"), ("A", "1mo"), ("A", "1w")] {
        let mut analyst = Analyst::new(series(instrument, timeframe));
        analyst.finished(&bar(), &mut author, Timestamp(5), &mut events);
    }
    let counts: Vec<_> = events.iter().map(|e| e.key_seq.unwrap()).collect();
    assert_eq!(counts, [0, 0, 1, 2]);
}

#[test]
fn a_forming_bar_is_superseded_by_each_later_report() {
    let mut author = Author::new("demo", 1);
    let mut analyst = Analyst::new(series("A", "1m"));
    let mut events: Vec<_> =
        (0..2).map(|_| analyst.forming(&bar(), &mut author, Timestamp(5))).collect();
    analyst.finished(&bar(), &mut author, Timestamp(5), &mut events);
    let reports: Vec<_> = events.iter().map(|e| (e.revision, e.is_final)).collect();
    assert_eq!(reports, [(0, Some(false)), (1, Some(false)), (2, None)]);
}

#[test]
fn the_same_seed_writes_the_same_events() {
    let write = |seed| {
        let mut author = Author::new("demo", seed);
        encode(&Analyst::new(series("A", "1m")).forming(&bar(), &mut author, Timestamp(5)))
    };
    assert_eq!(write(1), write(1));
    assert_ne!(write(1), write(2));
}
