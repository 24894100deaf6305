//! Streaming says what the full mode says, and forgets what is finished.

use proptest::prelude::*;

use super::*;
use crate::history::{
    Dead, Delivery, Invoke, Mark, Name, Placed, Range, Subscription, Verdict as Said,
};

const TOPIC: &str = "analysis/indicators/1m";
const SUBSCRIPTIONS: [&str; 2] = ["all", "even"];

/// What is wrong with one event of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    Lost,
    Damaged,
    Phantom,
    Repeated,
    Unselected,
    AckedAndAgain,
    AckedAndDead,
    OffsetAgain,
    Untold,
}

fn defect() -> impl Strategy<Value = Defect> {
    use Defect::*;
    let bad = [
        Lost,
        Damaged,
        Phantom,
        Repeated,
        Unselected,
        AckedAndAgain,
        AckedAndDead,
        OffsetAgain,
        Untold,
    ];
    prop_oneof![3 => Just(None), 2 => prop::sample::select(bad.to_vec())]
}

fn id(number: u64) -> Name {
    format!("e{number}").into()
}

fn is_selected(subscription: &str, number: u64) -> bool {
    subscription == "all" || number.is_multiple_of(2)
}

/// An event sent, placed and judged.
fn sent(number: u64, offset: u64) -> Vec<Op> {
    let invoke = Invoke {
        event: id(number),
        producer: "p".into(),
        key: format!("k{}", number % 3).into(),
        seq: number / 3,
        hash: format!("h{number}").into(),
        topic: TOPIC.into(),
        ordered: true,
        producer_epoch: None,
        tenant: None,
    };
    let (topic, offset) = (TOPIC.into(), Some(offset));
    let placed =
        Placed { event: id(number), topic, partition: 0, offset, duplicate: false, epoch: None };
    let (selected, left_out): (Vec<&str>, Vec<&str>) =
        SUBSCRIPTIONS.iter().partition(|name| is_selected(name, number));
    let names = |those: Vec<&str>| those.into_iter().map(Name::from).collect();
    let (selected_by, left_out_by) = (names(selected), names(left_out));
    let said = Said { event: id(number), selected_by, left_out_by };
    vec![Op::Invoke(invoke), Op::Ok(placed), Op::Verdict(said)]
}

fn got(subscription: &str, number: u64, redelivered: bool) -> Delivery {
    Delivery {
        subscription: subscription.into(),
        consumer: "c".into(),
        topic: TOPIC.into(),
        partition: 0,
        offset: number,
        event: id(number),
        hash: format!("h{number}").into(),
        key: format!("k{}", number % 3).into(),
        attempt: 1,
        redelivered,
        tenant: None,
    }
}

fn range(subscription: &str, offset: u64) -> Range {
    let (subscription, topic) = (subscription.into(), TOPIC.into());
    Range { subscription, topic, partition: 0, first: offset, last: offset }
}

/// A delivery and its ack.
fn taken(subscription: &str, number: u64) -> Vec<Op> {
    vec![Op::Delivery(got(subscription, number, false)), Op::Ack(range(subscription, number))]
}

/// What happens to one event, with its defect.
fn life(number: u64, defect: Defect) -> Vec<Op> {
    let mut ops = sent(number, number);
    for name in SUBSCRIPTIONS.into_iter().filter(|name| is_selected(name, number)) {
        match (name, defect) {
            ("all", Defect::Lost) => {}
            ("all", Defect::Untold) => ops.push(Op::Delivery(got(name, number, false))),
            ("all", Defect::Damaged) => {
                let damaged = Delivery { hash: "other".into(), ..got(name, number, false) };
                ops.extend([Op::Delivery(damaged), Op::Ack(range(name, number))]);
            }
            _ => ops.extend(taken(name, number)),
        }
    }
    let again = |name| Op::Delivery(got(name, number, true));
    match defect {
        Defect::Phantom => {
            ops.push(Op::Delivery(Delivery { event: "never".into(), ..got("all", number, false) }));
        }
        Defect::Repeated => ops.push(again("all")),
        Defect::Unselected if number % 2 == 1 => ops.push(again("even")),
        Defect::AckedAndAgain => ops.extend([mark("crash"), again("all")]),
        Defect::AckedAndDead => ops.push(Op::Dead(Dead {
            subscription: "all".into(),
            topic: TOPIC.into(),
            partition: 0,
            offset: number,
        })),
        Defect::OffsetAgain => ops.extend(sent(1_000_000 + number, number).into_iter().take(2)),
        _ => {}
    }
    ops
}

fn mark(what: &str) -> Op {
    Op::Mark(Mark { what: what.into(), subscription: None })
}

fn history(ops: impl IntoIterator<Item = Op>) -> History {
    let begin = SUBSCRIPTIONS.map(|name| {
        Op::Subscription(Subscription {
            subscription: name.into(),
            topics: vec!["**".into()],
            start: Vec::new(),
            ordered: true,
            tenant: None,
        })
    });
    let records = (0..).zip(begin.into_iter().chain(ops));
    let record = |(at, op)| Record { at, process: "test".into(), op };
    History { records: records.map(record).collect() }
}

/// What both modes make of a history: the verdict, and what was counted.
fn check(history: &History, window: usize) -> (Report, Report, usize) {
    let full = judge(history, &Thresholds::default());
    let mut streaming = Streaming::new(window, Thresholds::default());
    let mut held = 0;
    for record in &history.records {
        streaming.take(record.clone());
        held = streaming.held().max(held);
    }
    let streamed = streaming.end();
    assert_eq!(streamed.exit_code(), full.exit_code(), "{streamed:?}\n{full:?}");
    (full, streamed, held)
}

/// Names of what was violated.
fn names(report: &Report) -> std::collections::BTreeSet<&'static str> {
    let Verdict::Violated(violations) = &report.verdict else { return Default::default() };
    violations.iter().map(|violation| violation.name).collect()
}

proptest! {
    #[test]
    fn both_modes_agree(
        defects in prop::collection::vec(defect(), 1..60),
        quiet in 0..80u64,
        window in 1..60usize,
    ) {
        // Much that is right lies before and after what is wrong.
        let count = defects.len() as u64;
        let right = |numbers: std::ops::Range<u64>| numbers.flat_map(|n| life(n, Defect::None));
        let wrong = (quiet..).zip(defects).flat_map(|(number, defect)| life(number, defect));
        let all = right(0..quiet).chain(wrong).chain(right(quiet + count..2 * quiet + count));
        let all = history(all.collect::<Vec<_>>());
        let (full, streamed, _) = check(&all, window);
        // Of what is finished fewer names are left to call a violation by.
        prop_assert!(names(&streamed).is_subset(&names(&full)), "{streamed:?}");
        prop_assert_eq!(full.deliveries, streamed.deliveries);
        let (_, whole, _) = check(&all, all.records.len());
        prop_assert_eq!(names(&full), names(&whole));
    }

    #[test]
    fn what_comes_of_finished_events_later_is_found(
        defect in prop::sample::select(vec![
            Defect::Repeated, Defect::Unselected, Defect::AckedAndAgain, Defect::AckedAndDead,
            Defect::OffsetAgain,
        ]),
        number in (0..40u64).prop_map(|number| number * 2 + 1),
    ) {
        let right = (0..200).flat_map(|n| life(n, Defect::None));
        let extra = life(number, defect).split_off(life(number, Defect::None).len());
        let (full, streamed, _) = check(&history(right.chain(extra).collect::<Vec<_>>()), 16);
        prop_assert_eq!(full.exit_code(), 1);
        prop_assert_eq!(streamed.exit_code(), 1);
    }
}

#[test]
fn memory_is_what_is_open() {
    let most = |events: u64| {
        let all = (0..events).flat_map(|number| life(number, Defect::None)).collect::<Vec<_>>();
        let (_, streamed, held) = check(&history(all), 64);
        assert_eq!(streamed.acked as u64, events);
        held
    };
    assert_eq!(most(1_000), most(5_000));
}
