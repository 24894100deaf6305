//! The checker is checked: a good history, one bad history per invariant, and vacuous ones.

use super::{Thresholds, Verdict, judge};
use crate::history::{
    Dead, Delivery, History, Invoke, Mark, Op, Place, Placed, Range, Record, Settled, Subscription,
    Verdict as Said,
};

const TOPIC: &str = "analysis/indicators/1m";

/// Sends an event of key `k`.
fn invoke(event: &str, seq: u64) -> Op {
    Op::Invoke(Invoke {
        event: event.to_owned(),
        producer: "p".to_owned(),
        key: "k".to_owned(),
        seq,
        hash: format!("h-{event}"),
        topic: TOPIC.to_owned(),
        ordered: true,
    })
}

fn ok(event: &str, offset: u64) -> Op {
    let topic = TOPIC.to_owned();
    let event = event.to_owned();
    Op::Ok(Placed { event, topic, partition: 0, offset: Some(offset), duplicate: false })
}

fn fail(event: &str) -> Op {
    Op::Fail { event: event.to_owned(), code: "FIELD_INVALID".to_owned() }
}

fn info(event: &str) -> Op {
    Op::Info { event: event.to_owned(), code: "timeout".to_owned() }
}

fn subscription(start: u64) -> Op {
    Op::Subscription(Subscription {
        subscription: "s".to_owned(),
        topics: vec!["analysis/**".to_owned()],
        start: vec![Place { topic: TOPIC.to_owned(), partition: 0, offset: start }],
        ordered: true,
    })
}

fn delivery(event: &str, offset: u64) -> Delivery {
    Delivery {
        subscription: "s".to_owned(),
        consumer: "c".to_owned(),
        topic: TOPIC.to_owned(),
        partition: 0,
        offset,
        event: event.to_owned(),
        hash: format!("h-{event}"),
        key: "k".to_owned(),
        attempt: 1,
        redelivered: false,
    }
}

fn got(event: &str, offset: u64) -> Op {
    Op::Delivery(delivery(event, offset))
}

fn again(event: &str, offset: u64) -> Op {
    Op::Delivery(Delivery { redelivered: true, ..delivery(event, offset) })
}

fn range(first: u64, last: u64) -> Range {
    let (subscription, topic) = ("s".to_owned(), TOPIC.to_owned());
    Range { subscription, topic, partition: 0, first, last }
}

fn dead(offset: u64) -> Op {
    let Range { subscription, topic, partition, .. } = range(0, 0);
    Op::Dead(Dead { subscription, topic, partition, offset })
}

fn settled(first: u64, last: u64, count: u64, outcome: &str) -> Op {
    Op::Settled(Settled { range: range(first, last), count, outcome: outcome.to_owned() })
}

fn said(event: &str, matched: bool) -> Op {
    Op::Verdict(Said { subscription: "s".to_owned(), event: event.to_owned(), matched })
}

fn mark(what: &str) -> Op {
    Op::Mark(Mark { what: what.to_owned(), subscription: None })
}

fn history(ops: Vec<Op>) -> History {
    let record = |(at, op)| Record { at: at as u64, process: "test".to_owned(), op };
    History { records: ops.into_iter().enumerate().map(record).collect() }
}

/// Two events sent and placed at 0 and 1, then `rest`.
fn after_two(rest: Vec<Op>) -> History {
    let two = vec![subscription(0), invoke("a", 0), ok("a", 0), invoke("b", 1), ok("b", 1)];
    history([two, rest].concat())
}

#[track_caller]
fn check_valid(history: &History) {
    let report = judge(history, &Thresholds::default());
    assert_eq!(report.verdict, Verdict::Valid);
    assert_eq!(report.exit_code(), 0);
}

/// Exactly this violation, shown by exactly these records.
#[track_caller]
fn check_violated(history: &History, invariant: &str, name: &str, slice: &[usize]) {
    let report = judge(history, &Thresholds::default());
    let Verdict::Violated(violations) = &report.verdict else { panic!("{report:?}") };
    let found = violations.iter().find(|v| v.invariant == invariant && v.name == name);
    assert_eq!(found.map(|v| v.slice.as_slice()), Some(slice), "{violations:?}");
    assert_eq!(report.exit_code(), 1);
    assert!(report.show(&history.records).to_string().contains(name));
}

#[track_caller]
fn check_vacuous(history: &History, thresholds: &Thresholds, why: &str) {
    let report = judge(history, thresholds);
    let Verdict::Vacuous(missing) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(missing, &[why]);
    assert_eq!(report.exit_code(), 2);
}

#[test]
fn a_good_history_is_valid() {
    check_valid(&after_two(vec![
        got("a", 0),
        Op::Ack(range(0, 0)),
        got("b", 1),
        mark("crash"),
        again("b", 1),
        Op::Ack(range(1, 1)),
    ]));
}

#[test]
fn unknown_outcomes_may_appear_or_not() {
    let sent = vec![invoke("c", 2), info("c"), invoke("d", 3), info("d")];
    check_valid(&after_two([sent, vec![got("a", 0), got("b", 1), got("c", 2)]].concat()));
}

#[test]
fn a_refused_event_that_is_sent_again_and_accepted_may_appear() {
    let sent = vec![invoke("c", 2), fail("c"), invoke("c", 2), ok("c", 2)];
    check_valid(&after_two([sent, vec![got("a", 0), got("b", 1), got("c", 2)]].concat()));
}

#[test]
fn a_gap_excuses_and_so_does_a_later_start() {
    check_valid(&after_two(vec![Op::Gap(range(0, 0)), got("b", 1)]));
    let mut late = after_two(vec![got("b", 1)]);
    late.records[0].op = subscription(1);
    check_valid(&late);
}

#[test]
fn a_lost_acknowledged_event_is_i_1() {
    check_violated(&after_two(vec![got("a", 0)]), "I-1", "acked-loss", &[3, 4]);
}

#[test]
fn a_phantom_is_i_2() {
    let bad = after_two(vec![got("a", 0), got("b", 1), got("x", 2)]);
    check_violated(&bad, "I-2", "phantom", &[7]);
}

#[test]
fn a_refused_event_that_appears_is_i_2() {
    let bad = after_two(vec![invoke("c", 2), fail("c"), got("a", 0), got("b", 1), got("c", 2)]);
    check_violated(&bad, "I-2", "aborted-read", &[6, 9]);
}

#[test]
fn damaged_bytes_are_i_3() {
    let damaged = Delivery { hash: "other".to_owned(), ..delivery("b", 1) };
    let bad = after_two(vec![got("a", 0), Op::Delivery(damaged)]);
    check_violated(&bad, "I-3", "damage", &[3, 6]);
}

#[test]
fn an_offset_given_twice_is_i_4() {
    let bad = after_two(vec![got("a", 0), got("b", 1), invoke("c", 2), ok("c", 1)]);
    check_violated(&bad, "I-4", "offset-reuse", &[4, 8]);
}

#[test]
fn events_stored_out_of_the_order_sent_are_i_5() {
    let bad = history(vec![
        subscription(0),
        invoke("a", 0),
        invoke("b", 1),
        ok("a", 1),
        ok("b", 0),
        got("b", 0),
        got("a", 1),
    ]);
    check_violated(&bad, "I-5", "nonmonotonic-send", &[3, 4]);
}

#[test]
fn events_delivered_out_of_the_order_stored_are_i_5() {
    check_violated(&after_two(vec![got("b", 1), got("a", 0)]), "I-5", "reorder", &[5, 6]);
}

#[test]
fn a_repeat_without_flag_or_cause_is_i_7() {
    let repeat = |op| after_two(vec![got("a", 0), got("b", 1), op]);
    check_violated(&repeat(got("b", 1)), "I-7", "unexplained-dup", &[6, 7]);
    check_violated(&repeat(again("b", 1)), "I-7", "unexplained-dup", &[6, 7]);
    let caused = |cause| after_two(vec![got("a", 0), got("b", 1), cause, again("b", 1)]);
    check_valid(&caused(Op::Nack(range(1, 1))));
    check_valid(&caused(mark("reconnect")));
    check_violated(&caused(Op::Nack(range(0, 0))), "I-7", "unexplained-dup", &[6, 8]);
}

#[test]
fn an_event_stored_twice_is_i_8() {
    let bad = after_two(vec![invoke("b", 1), ok("b", 2), got("a", 0), got("b", 1), got("b", 2)]);
    check_violated(&bad, "I-8", "dup-append", &[4, 6]);
}

#[test]
fn a_hole_without_a_gap_is_i_9() {
    // The event at 0 was never acknowledged, so only the hole tells.
    let sent = vec![subscription(0), invoke("a", 0), info("a"), invoke("b", 1), ok("b", 1)];
    let bad = history([sent, vec![got("b", 1)]].concat());
    check_violated(&bad, "I-9", "skip", &[5]);
}

#[test]
fn a_confirmed_ack_that_is_delivered_again_is_i_10() {
    let bad = after_two(vec![
        got("a", 0),
        got("b", 1),
        Op::Ack(range(0, 1)),
        mark("crash"),
        again("b", 1),
    ]);
    check_violated(&bad, "I-10", "lost-ack", &[7, 9]);
}

#[test]
fn what_somebody_else_got_is_known_to_lie_there() {
    // Nobody knows whether `a` was stored but the other subscription, which got it.
    let other = Delivery { subscription: "other".to_owned(), ..delivery("a", 0) };
    let sent = vec![subscription(0), invoke("a", 0), info("a"), invoke("b", 1), ok("b", 1)];
    let got = vec![Op::Delivery(other), said("a", false), got("b", 1)];
    check_valid(&history([sent, got].concat()));
}

#[test]
fn a_run_in_which_too_little_happened_is_vacuous() {
    let none = Thresholds { min_deliveries: 0, ..Thresholds::default() };
    check_vacuous(&history(vec![]), &none, "0 acknowledged events, at least 1 needed");
    let silent = history(vec![invoke("a", 0), ok("a", 0)]);
    check_vacuous(&silent, &Thresholds::default(), "0 deliveries, at least 1 needed");
    let good = after_two(vec![got("a", 0), got("b", 1)]);
    let crash = Thresholds { expect_marks: vec!["crash".to_owned()], ..Thresholds::default() };
    check_vacuous(&good, &crash, "0 marks `crash`, at least 1 needed");
    let again = Thresholds { expect_redelivery: true, ..Thresholds::default() };
    check_vacuous(&good, &again, "0 redeliveries, at least 1 needed");
}

#[test]
fn the_smallest_slice_comes_first() {
    let bad = after_two(vec![got("x", 2)]);
    let Verdict::Violated(violations) = judge(&bad, &Thresholds::default()).verdict else {
        panic!("valid")
    };
    assert_eq!((violations[0].name, violations[0].slice.len()), ("phantom", 1));
    assert!(violations.len() > 1);
}

#[test]
fn a_key_that_goes_on_past_what_was_given_back_is_i_6() {
    let nacked =
        |rest: Vec<Op>| after_two([vec![got("a", 0), Op::Nack(range(0, 0))], rest].concat());
    let overtaken = nacked(vec![got("b", 1), again("a", 0)]);
    check_violated(&overtaken, "I-6", "order-after-retry", &[6, 7]);
    check_valid(&nacked(vec![again("a", 0), got("b", 1)]));
    // A dead letter lets its key go on, and another mode holds nothing back.
    check_valid(&nacked(vec![got("b", 1), dead(0)]));
    let mut parallel = overtaken;
    if let Op::Subscription(definition) = &mut parallel.records[0].op {
        definition.ordered = false;
    }
    check_valid(&parallel);
}

#[test]
fn a_letter_that_is_dead_twice_or_also_acknowledged_or_nowhere_is_i_11() {
    let both = |rest: Vec<Op>| after_two([vec![got("a", 0), got("b", 1)], rest].concat());
    check_violated(&both(vec![dead(1), dead(1)]), "I-11", "dlq-dup", &[7, 8]);
    check_valid(&both(vec![dead(1), mark("redriven"), dead(1)]));
    check_violated(&both(vec![Op::Ack(range(0, 1)), dead(1)]), "I-11", "dlq-acked", &[7, 8]);
    check_valid(&both(vec![dead(1), mark("redriven"), again("b", 1), Op::Ack(range(1, 1))]));
    let hole = both(vec![Op::Nack(range(1, 1)), mark("drained")]);
    check_violated(&hole, "I-11", "dlq-hole", &[7, 8]);
    check_valid(&both(vec![Op::Nack(range(1, 1)), dead(1), mark("drained")]));
}

#[test]
fn settlements_that_do_not_add_up_are_i_11() {
    let both = |rest: Vec<Op>| after_two([vec![got("a", 0), got("b", 1)], rest].concat());
    check_valid(&both(vec![settled(0, 1, 2, "DELIVERED")]));
    check_valid(&both(vec![settled(0, 1, 2, "DELIVERED"), settled(1, 1, 1, "DELIVERED")]));
    check_violated(&both(vec![settled(0, 0, 1, "DELIVERED")]), "I-11", "unsettled", &[4]);
    let short = both(vec![settled(0, 1, 1, "DELIVERED")]);
    check_violated(&short, "I-11", "settlement-count", &[7]);
    let gone = after_two(vec![Op::Gap(range(0, 0)), got("b", 1), settled(0, 1, 2, "DELIVERED")]);
    check_violated(&gone, "I-11", "settled-undelivered", &[7]);
    // What the filter left out of a run is not meant.
    let filtered = vec![said("a", false), got("b", 1), settled(0, 1, 1, "DELIVERED")];
    check_valid(&after_two(filtered));
}

#[test]
fn what_a_naive_filter_does_not_select_and_comes_is_i_13_and_what_it_selects_has_to_come() {
    check_valid(&after_two(vec![said("a", false), said("b", true), got("b", 1)]));
    let drift = after_two(vec![said("a", false), got("a", 0), got("b", 1)]);
    check_violated(&drift, "I-13", "rule-drift", &[5, 6]);
    let lost = after_two(vec![said("a", true), said("b", true), got("b", 1)]);
    check_violated(&lost, "I-1", "acked-loss", &[1, 2]);
    check_violated(&lost, "I-9", "skip", &[7]);
}
