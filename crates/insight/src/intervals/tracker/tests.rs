//! What is decided, in whatever order events arrive; and that reading again decides nothing twice.

mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidings_event::Timestamp;
use tidings_event::v1::Kind;

use super::super::checkpoint;
use super::super::mark::{IntervalKey, Mark, mark_id};
use super::super::settings::{Declared, ExpectedFrom, IntervalSettings};
use super::{Counts, Now, Tracker};
use crate::glance::Glance;
use crate::publish::Saying;
use model::Model;

const SECOND: u64 = 1_000_000_000;
const DEADLINE: u64 = 30;

fn settings(declared: &[&str]) -> IntervalSettings {
    let list = Declared {
        tenant: "default".into(),
        venue: "XNAS".into(),
        timeframe: "1m".into(),
        instruments: declared.iter().map(|&name| name.to_owned()).collect(),
    };
    IntervalSettings {
        declared: if declared.is_empty() { Vec::new() } else { vec![list] },
        deadline: Duration::from_secs(DEADLINE),
        ..IntervalSettings::default()
    }
}

/// Start and end of the n-th minute.
fn minute(n: u64) -> (u64, u64) {
    (n * 60 * SECOND, (n + 1) * 60 * SECOND)
}

fn now(seconds: u64) -> Now {
    let since = Duration::from_secs(seconds);
    Now { wall: Timestamp(seconds * SECOND), monotonic: since }
}

fn event<'a>(instrument: &'a str, venue: &'a str, n: u64) -> Glance<'a> {
    let (start, end) = minute(n);
    Glance {
        kind: Kind::Indicators,
        id: b"",
        source: b"test",
        instrument: instrument.as_bytes(),
        venue: venue.as_bytes(),
        timeframe: b"1m",
        start,
        end,
        is_final: true,
        revision: 0,
        mark: b"",
    }
}

/// A tracker that decides, and what it says, in one line a mark.
struct Rig {
    tracker: Tracker,
    seconds: u64,
}

impl Rig {
    fn new(settings: IntervalSettings) -> Self {
        let mut tracker = Tracker::new(settings);
        tracker.release();
        Self { tracker, seconds: 60 * 100 }
    }

    fn publish(&mut self, n: u64, instruments: &[&str]) {
        let now = now(self.seconds);
        for instrument in instruments {
            self.tracker.take("default", &event(instrument, "XNAS", n), now.wall, now);
        }
    }

    /// The marks of a step, each answered as stored.
    fn marks(&mut self) -> Vec<String> {
        let marks = self.tracker.step(now(self.seconds));
        marks.iter().for_each(|mark| self.tracker.sent(mark, true));
        marks.iter().map(shown).collect()
    }

    fn after(&mut self, seconds: u64) -> Vec<String> {
        self.seconds += seconds;
        self.marks()
    }
}

fn shown(mark: &Mark) -> String {
    let Mark { key, revision, expected, published, missing, .. } = mark;
    let n = key.start / SECOND / 60;
    format!("{}/{n} r{revision} {published}/{expected} -{}", key.venue, missing.join(","))
}

#[test]
fn declared_instruments_complete_an_interval() {
    let mut rig = Rig::new(settings(&["A", "B", "C"]));
    rig.publish(90, &["A", "B", "A", "X"]);
    assert!(rig.marks().is_empty());
    rig.publish(90, &["C"]);
    assert_eq!(rig.marks(), ["XNAS/90 r0 3/3 -"]);
    rig.publish(90, &["A", "Y"]);
    assert!(rig.after(1_000).is_empty(), "it has its mark");
}

#[test]
fn the_deadline_names_the_missing_and_late_ones_revise() {
    let mut rig = Rig::new(settings(&["D", "C", "B", "A"]));
    rig.publish(90, &["B"]);
    assert!(rig.after(DEADLINE - 1).is_empty());
    assert_eq!(rig.after(1), ["XNAS/90 r0 1/4 -A,C,D"]);
    rig.publish(90, &["D"]);
    assert!(rig.marks().is_empty(), "late ones are gathered for a second");
    rig.publish(90, &["A"]);
    assert_eq!(rig.after(1), ["XNAS/90 r1 3/4 -C"]);
    rig.publish(90, &["C"]);
    assert_eq!(rig.marks(), ["XNAS/90 r2 4/4 -"], "being complete does not wait");
    let counts = Counts { late: 3, incomplete: 1, missing: 3, ..Counts::default() };
    assert_eq!(rig.tracker.counted(), counts);
}

#[test]
fn the_deadline_runs_from_the_end_of_a_current_interval() {
    let mut rig = Rig::new(settings(&["A", "B"]));
    rig.seconds = 60 * 100 + 20;
    rig.publish(100, &["A"]);
    assert!(rig.after(40 + DEADLINE - 1).is_empty(), "the minute ends 40 s later");
    assert_eq!(rig.after(1), ["XNAS/100 r0 1/2 -B"]);
}

#[test]
fn an_end_far_ahead_does_not_hold_the_mark_for_ever() {
    let mut rig = Rig::new(settings(&["A", "B"]));
    rig.publish(5_000_000, &["A"]);
    assert_eq!(rig.after(60 + DEADLINE), ["XNAS/5000000 r0 1/2 -B"]);
}

#[test]
fn expectations_are_learned_from_the_last_intervals() {
    let mut rig = Rig::new(settings(&[]));
    rig.publish(1, &["A", "B"]);
    assert!(rig.after(DEADLINE).is_empty(), "nothing was learned yet, nothing is said");
    rig.publish(2, &["B", "A"]);
    assert_eq!(rig.marks(), ["XNAS/2 r0 2/2 -"]);
    rig.publish(2, &["C"]);
    rig.publish(3, &["A", "B"]);
    assert_eq!(rig.after(DEADLINE), ["XNAS/3 r0 2/3 -C"]);
    for n in 4..6 {
        rig.publish(n, &["A", "B"]);
        assert_eq!(rig.after(DEADLINE).len(), 1);
    }
    rig.publish(6, &["A", "B"]);
    assert_eq!(rig.marks(), ["XNAS/6 r0 2/2 -"], "C was not in the last three");
}

#[test]
fn what_is_not_followed_costs_nothing_and_says_nothing() {
    let mut rig = Rig::new(IntervalSettings { learn_from: 0, ..settings(&["A"]) });
    let now = now(rig.seconds);
    rig.tracker.take("default", &event("A", "XNYS", 90), now.wall, now);
    rig.tracker.take("other", &event("A", "XNAS", 90), now.wall, now);
    let unfinished = Glance { is_final: false, ..event("A", "XNAS", 90) };
    rig.tracker.take("default", &unfinished, now.wall, now);
    assert!(rig.marks().is_empty() && rig.tracker.keys("default").is_empty());
}

#[test]
fn lists_are_reloaded_for_open_intervals() {
    let mut rig = Rig::new(settings(&["A", "B", "C"]));
    rig.publish(90, &["A", "B"]);
    assert!(rig.marks().is_empty());
    rig.tracker.declare(settings(&["A", "B"]).declared);
    assert_eq!(rig.marks(), ["XNAS/90 r0 2/2 -"]);
}

#[test]
fn a_refused_mark_is_not_tried_again_and_a_pending_one_not_doubled() {
    let mut rig = Rig::new(settings(&["A", "B"]));
    rig.publish(90, &["A"]);
    rig.seconds += DEADLINE;
    let marks = rig.tracker.step(now(rig.seconds));
    assert_eq!(marks.len(), 1);
    rig.publish(90, &["B"]);
    assert!(rig.tracker.step(now(rig.seconds)).is_empty(), "the first is on its way");
    rig.tracker.sent(&marks[0], false);
    assert!(rig.after(100).is_empty());
}

#[test]
fn memory_is_bounded_and_the_oldest_interval_goes() {
    let bounds = IntervalSettings { intervals_max: 3, instruments_max: 4, ..settings(&[]) };
    let mut rig = Rig::new(bounds);
    for n in 90..95 {
        rig.publish(n, &["A", "B"]);
    }
    let starts: Vec<u64> =
        rig.tracker.keys("default").iter().map(|k| k.start / SECOND / 60).collect();
    assert_eq!(starts, [92, 93, 94]);
    rig.publish(91, &["A"]);
    rig.publish(94, &["C", "D", "E"]);
    let counts = Counts { dropped: 2, untracked: 2, ..Counts::default() };
    assert_eq!(rig.tracker.counted(), counts, "a forgotten interval, and one name too many");
}

#[test]
fn names_nobody_uses_make_room() {
    let bounds = IntervalSettings { instruments_max: 3, learn_from: 1, ..settings(&[]) };
    let mut rig = Rig::new(bounds);
    for n in 0..40 {
        let name = format!("future-{n}");
        rig.publish(n, &[&name]);
        rig.after(DEADLINE);
    }
    assert!(rig.tracker.counted().untracked > 0, "the kept intervals still use their names");
    let all: Vec<String> =
        rig.tracker.keys("default").iter().map(|k| k.start.to_string()).collect();
    assert_eq!(all.len(), super::super::series::KEPT + 1);
}

#[derive(Clone, Debug)]
enum Op {
    Publish {
        venue: usize,
        minute: u64,
        instrument: usize,
    },
    Wait(u64),
    /// The oldest mark on its way is stored.
    Store,
}

const VENUES: [&str; 2] = ["XNAS", "XNYS"];
const NAMES: [&str; 5] = ["A", "B", "C", "D", "E"];

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let publish = (0..2usize, 90..96u64, 0..5usize)
        .prop_map(|(venue, minute, instrument)| Op::Publish { venue, minute, instrument });
    let op = prop_oneof![8 => publish, 1 => (1..40u64).prop_map(Op::Wait), 3 => Just(Op::Store)];
    prop::collection::vec(op, 0..120)
}

/// An entry of the log: an event, or a mark.
enum Entry {
    Event(usize, u64, usize, u64),
    Mark(Mark),
}

fn read(tracker: &mut Tracker, entry: &Entry, at: Now) {
    match entry {
        &Entry::Event(venue, n, instrument, seconds) => {
            let seen = event(NAMES[instrument], VENUES[venue], n);
            tracker.take("default", &seen, now(seconds).wall, at);
        }
        Entry::Mark(mark) => {
            let bytes = mark.event(Timestamp(1));
            let seen = crate::glance::glance(&bytes).unwrap();
            tracker.take("default", &seen, at.wall, at);
        }
    }
}

proptest! {
    /// Random arrivals, against a model that looks at everything each time.
    #[test]
    fn agrees_with_the_model(ops in ops(), from in 0..4usize, least in 1..3usize) {
        let settings = IntervalSettings { learn_from: from, learn_least: least, ..settings(&["A", "B", "C"]) };
        let mut model = Model::new(settings.clone());
        let mut rig = Rig::new(settings);
        let mut on_the_way: Vec<Mark> = Vec::new();
        for op in ops {
            match op {
                Op::Publish { venue, minute: n, instrument } => {
                    let at = now(rig.seconds);
                    rig.tracker.take("default", &event(NAMES[instrument], VENUES[venue], n), at.wall, at);
                    model.publish(VENUES[venue], minute(n), NAMES[instrument], rig.seconds);
                }
                Op::Wait(seconds) => rig.seconds += seconds,
                Op::Store if on_the_way.is_empty() => {}
                Op::Store => {
                    let mark = on_the_way.remove(0);
                    rig.tracker.sent(&mark, true);
                    model.stored(&mark);
                }
            }
            let marks = rig.tracker.step(now(rig.seconds));
            let mut said: Vec<String> = marks.iter().map(shown).collect();
            said.sort();
            prop_assert_eq!(said, model.step(rig.seconds));
            on_the_way.extend(marks);
        }
    }

    /// A crash at any point: from any earlier checkpoint and the log since then, no mark that is in
    /// the log is said again, and in the end every interval's last mark says all that is known.
    #[test]
    fn a_restart_says_nothing_twice_and_forgets_nothing(
        ops in ops(),
        saved in any::<prop::sample::Index>(),
        crash in any::<prop::sample::Index>(),
    ) {
        let settings = settings(&["A", "B", "C"]);
        let mut rig = Rig::new(settings.clone());
        let (mut log, mut on_the_way) = (Vec::new(), Vec::new());
        let crash = crash.index(ops.len() + 1);
        let saved = saved.index(crash + 1);
        let mut checkpoint = (Vec::new(), 0);
        for (at, op) in ops[..crash].iter().enumerate() {
            if at == saved {
                let series = rig.tracker.series.iter().flatten();
                checkpoint = (series.map(checkpoint::record).collect(), log.len());
            }
            match *op {
                Op::Publish { venue, minute, instrument } => {
                    log.push(Entry::Event(venue, minute, instrument, rig.seconds));
                    read(&mut rig.tracker, &log[log.len() - 1], now(rig.seconds));
                }
                Op::Wait(seconds) => rig.seconds += seconds,
                Op::Store if on_the_way.is_empty() => {}
                Op::Store => {
                    let mark: Mark = on_the_way.remove(0);
                    rig.tracker.sent(&mark, true);
                    log.push(Entry::Mark(mark));
                    read(&mut rig.tracker, &log[log.len() - 1], now(rig.seconds));
                }
            }
            on_the_way.extend(rig.tracker.step(now(rig.seconds)));
        }
        let mut tracker = Tracker::new(settings);
        for record in checkpoint.0 {
            tracker.restore(checkpoint::series(record), now(rig.seconds));
        }
        log[checkpoint.1..].iter().for_each(|entry| read(&mut tracker, entry, now(rig.seconds)));
        tracker.release();
        let mut rig = Rig { tracker, seconds: rig.seconds };
        let mut last: BTreeMap<IntervalKey, Mark> = BTreeMap::new();
        for entry in &log {
            if let Entry::Mark(mark) = entry {
                last.insert(mark.key.clone(), mark.clone());
            }
        }
        for _ in 0..4 {
            rig.seconds += 200;
            for mark in rig.tracker.step(now(rig.seconds)) {
                let before = last.get(&mark.key).map(|mark| mark.revision);
                prop_assert_eq!(mark.revision, before.map_or(0, |revision| revision + 1));
                rig.tracker.sent(&mark, true);
                last.insert(mark.key.clone(), mark);
            }
        }
        for key in rig.tracker.keys("default") {
            let status = rig.tracker.status(&key).unwrap();
            let said = last.get(&key).map_or(0, |mark| mark.published);
            prop_assert!(status.expected == 0 || said >= status.published, "{status:?} {said}");
        }
    }
}

#[test]
fn a_mark_is_the_same_event_every_time_and_tells_where_it_is_from() {
    let mark = Mark {
        key: IntervalKey {
            tenant: "default".into(),
            venue: "XNAS".into(),
            timeframe: "1m".into(),
            start: 60 * SECOND,
        },
        end: 120 * SECOND,
        revision: 2,
        expected: 3,
        published: 2,
        missing: vec!["B".into()],
        from: ExpectedFrom::Learned,
        newest: Timestamp(1),
    };
    let bytes = mark.event(Timestamp(7));
    let envelope = tidings_event::scan(&bytes).unwrap();
    assert_eq!((envelope.source, envelope.kind), ("tidings", Kind::IntervalComplete));
    assert_eq!((envelope.revision, envelope.id), (2, mark_id(&mark.key, 2)));
    assert_ne!(mark_id(&mark.key, 1), mark_id(&mark.key, 2));
    let text = tidings_event::json::to_json(&bytes).unwrap();
    let wanted = r#""interval_complete":{"expected":3,"published":2,"missing":["B"],"expected_from":"LEARNED"}"#;
    assert!(text.contains(wanted), "{text}");
}
