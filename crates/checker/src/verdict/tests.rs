//! The checker is checked: a good history, one bad history per invariant, and vacuous ones.

use super::{Thresholds, Verdict, judge};
use crate::history::{
    Dead, Delivery, Fault, Fence, History, Invoke, Mark, Op, Phase, Place, Placed, Range, Record,
    Recovered, Sample, Settled, Subscription, Verdict as Said,
};

const TOPIC: &str = "analysis/indicators/1m";

/// Sends an event of key `k`.
fn invoke(event: &str, seq: u64) -> Op {
    Op::Invoke(Invoke {
        event: event.into(),
        producer: "p".into(),
        key: "k".into(),
        seq,
        hash: format!("h-{event}").into(),
        topic: TOPIC.into(),
        ordered: true,
        producer_epoch: None,
        tenant: None,
    })
}

fn ok(event: &str, offset: u64) -> Op {
    let topic = TOPIC.into();
    let event = event.into();
    let offset = Some(offset);
    Op::Ok(Placed { event, topic, partition: 0, offset, duplicate: false, epoch: None })
}

fn fail(event: &str) -> Op {
    Op::Fail { event: event.into(), code: "FIELD_INVALID".into() }
}

fn info(event: &str) -> Op {
    Op::Info { event: event.into(), code: "timeout".into() }
}

fn subscription(start: u64) -> Op {
    Op::Subscription(Subscription {
        subscription: "s".into(),
        topics: vec!["analysis/**".into()],
        start: vec![Place { topic: TOPIC.into(), partition: 0, offset: start }],
        ordered: true,
        tenant: None,
    })
}

fn delivery(event: &str, offset: u64) -> Delivery {
    Delivery {
        subscription: "s".into(),
        consumer: "c".into(),
        topic: TOPIC.into(),
        partition: 0,
        offset,
        event: event.into(),
        hash: format!("h-{event}").into(),
        key: "k".into(),
        attempt: 1,
        redelivered: false,
        tenant: None,
    }
}

fn got(event: &str, offset: u64) -> Op {
    Op::Delivery(delivery(event, offset))
}

fn again(event: &str, offset: u64) -> Op {
    Op::Delivery(Delivery { redelivered: true, ..delivery(event, offset) })
}

fn range(first: u64, last: u64) -> Range {
    let (subscription, topic) = ("s".into(), TOPIC.into());
    Range { subscription, topic, partition: 0, first, last }
}

fn dead(offset: u64) -> Op {
    let Range { subscription, topic, partition, .. } = range(0, 0);
    Op::Dead(Dead { subscription, topic, partition, offset })
}

fn settled(first: u64, last: u64, count: u64, outcome: &str) -> Op {
    Op::Settled(Settled { range: range(first, last), count, outcome: outcome.into() })
}

fn said(event: &str, matched: bool) -> Op {
    let (s, event) = (vec!["s".into()], event.into());
    let (selected_by, left_out_by) = if matched { (s, vec![]) } else { (vec![], s) };
    Op::Verdict(Said { event, selected_by, left_out_by })
}

fn mark(what: &str) -> Op {
    Op::Mark(Mark { what: what.into(), subscription: None })
}

fn history(ops: Vec<Op>) -> History {
    let record = |(at, op)| Record { at: at as u64, process: "test".into(), op };
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
    let damaged = Delivery { hash: "other".into(), ..delivery("b", 1) };
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
    let other = Delivery { subscription: "other".into(), ..delivery("a", 0) };
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
    let crash = Thresholds { expect_marks: vec!["crash".into()], ..Thresholds::default() };
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
    let (back, gate) = (|| Op::Nack(range(0, 0)), || Op::Gate(range(0, 0)));
    let nacked = |rest: Vec<Op>| after_two([vec![got("a", 0), back()], rest].concat());
    let overtaken = nacked(vec![gate(), got("b", 1), again("a", 0)]);
    check_violated(&overtaken, "I-6", "order-after-retry", &[7, 8]);
    check_valid(&nacked(vec![gate(), again("a", 0), got("b", 1)]));
    // It was on its way, or was sent before.
    check_valid(&nacked(vec![got("b", 1), gate(), again("a", 0)]));
    check_valid(&nacked(vec![gate(), again("b", 1), again("a", 0)]));
    // Another key does not wait.
    let other = |event, offset| Delivery { key: "other".into(), ..delivery(event, offset) };
    check_valid(&nacked(vec![gate(), Op::Delivery(other("b", 1)), again("a", 0)]));
    // A dead letter lets its key go on after its last attempt, and another mode holds nothing back.
    check_valid(&nacked(vec![gate(), got("b", 1), dead(0)]));
    let tried = |next| nacked([vec![gate(), again("a", 0)], next, vec![dead(0)]].concat());
    check_valid(&tried(vec![back(), got("b", 1)]));
    let early = tried(vec![got("b", 1), back()]);
    check_violated(&early, "I-6", "order-after-retry", &[7, 9]);
    let mut parallel = overtaken;
    if let Op::Subscription(definition) = &mut parallel.records[0].op {
        definition.ordered = false;
    }
    check_valid(&parallel);
}

#[test]
fn a_key_that_goes_on_after_a_crash_past_what_was_not_settled_is_i_6() {
    let crashed = |rest: Vec<Op>| after_two([vec![got("a", 0), mark("crash")], rest].concat());
    let overtaken = crashed(vec![got("b", 1), again("a", 0)]);
    check_violated(&overtaken, "I-6", "order-after-retry", &[6, 7]);
    check_valid(&crashed(vec![again("a", 0), got("b", 1)]));
    // It was settled, and nobody lived to hear it.
    check_valid(&crashed(vec![got("b", 1)]));
}

#[test]
fn a_letter_that_is_dead_twice_or_also_acknowledged_or_nowhere_is_i_11() {
    let both = |rest: Vec<Op>| after_two([vec![got("a", 0), got("b", 1)], rest].concat());
    check_violated(&both(vec![dead(1), dead(1)]), "I-11", "dlq-dup", &[7, 8]);
    check_valid(&both(vec![dead(1), mark("redriven"), dead(1)]));
    check_violated(&both(vec![Op::Ack(range(0, 1)), dead(1)]), "I-11", "dlq-acked", &[7, 8]);
    check_valid(&both(vec![dead(1), mark("redriven"), again("b", 1), Op::Ack(range(1, 1))]));
    let sought = |then: Vec<Op>| both([vec![Op::Nack(range(1, 1))], then].concat());
    let ack = || Op::Ack(range(1, 1));
    check_valid(&sought(vec![mark("sought"), again("b", 1), ack(), dead(1)]));
    check_violated(&sought(vec![again("b", 1), ack(), dead(1)]), "I-11", "dlq-acked", &[9, 10]);
    let hole = both(vec![Op::Nack(range(1, 1)), mark("drained")]);
    check_violated(&hole, "I-11", "dlq-hole", &[7, 8]);
    check_valid(&both(vec![Op::Nack(range(1, 1)), dead(1), mark("drained")]));
}

#[test]
fn settlements_that_do_not_add_up_are_i_11() {
    let both = |rest: Vec<Op>| after_two([vec![got("a", 0), got("b", 1)], rest].concat());
    check_valid(&both(vec![settled(0, 1, 2, "DELIVERED")]));
    check_violated(&both(vec![settled(0, 0, 1, "DELIVERED")]), "I-11", "unsettled", &[4]);
    let short = both(vec![settled(0, 1, 1, "DELIVERED")]);
    check_violated(&short, "I-11", "settlement-count", &[7]);
    let gone = after_two(vec![Op::Gap(range(0, 0)), got("b", 1), settled(0, 1, 2, "DELIVERED")]);
    check_violated(&gone, "I-11", "settled-undelivered", &[7]);
    // What the filter left out of a run is not meant.
    let filtered = vec![said("a", false), got("b", 1), settled(0, 1, 1, "DELIVERED")];
    check_valid(&after_two(filtered));
    // Two revisions share the run: the counts are right together.
    let parts = |first, second| {
        let parts = [settled(0, 0, first, "DELIVERED"), settled(1, 1, second, "DELIVERED")];
        after_two([vec![said("a", false), got("b", 1)], parts.to_vec()].concat())
    };
    check_valid(&parts(1, 0));
    check_violated(&parts(1, 1), "I-11", "settlement-count", &[7]);
    // What is gone can be asked of no filter.
    let skipped = |outcome| {
        let gone = vec![said("a", false), Op::Gap(range(0, 0)), settled(0, 0, 1, outcome)];
        after_two([gone, vec![got("b", 1), settled(1, 1, 1, "DELIVERED")]].concat())
    };
    check_valid(&skipped("SKIPPED"));
    check_violated(&skipped("EXPIRED"), "I-11", "settlement-count", &[7]);
    let twice = || vec![settled(0, 1, 2, "DELIVERED"), settled(1, 1, 1, "DELIVERED")];
    check_violated(&both(twice()), "I-11", "settled-twice", &[7, 8]);
    check_valid(&both([vec![mark("crash")], twice()].concat()));
    // A run that ends before it begins is its first.
    check_valid(&both(vec![settled(0, 0, 1, "DELIVERED"), settled(1, 0, 1, "DELIVERED")]));
}

#[test]
fn ends_that_are_not_what_consumers_saw_are_i_11() {
    let both = |rest: Vec<Op>| after_two([vec![got("a", 0), got("b", 1)], rest].concat());
    let ended = |b: &str| vec![settled(0, 0, 1, "DELIVERED"), settled(1, 1, 1, b)];
    let acked = both([vec![Op::Ack(range(1, 1))], ended("SKIPPED")].concat());
    check_violated(&acked, "I-11", "settled-otherwise", &[7, 9]);
    let sought = |what: Vec<Op>| both([what, ended("SKIPPED")].concat());
    check_valid(&sought(vec![Op::Ack(range(1, 1)), mark("sought")]));
    let before = sought(vec![mark("sought"), Op::Ack(range(1, 1))]);
    check_violated(&before, "I-11", "settled-otherwise", &[8, 10]);
    let alive = |b| both([vec![mark("drained")], ended(b)].concat());
    check_violated(&alive("DEAD_LETTERED"), "I-11", "settled-dead", &[7, 9]);
    let letter = |b| both([vec![dead(1), mark("drained")], ended(b)].concat());
    check_valid(&letter("DEAD_LETTERED"));
    check_violated(&letter("DELIVERED"), "I-11", "settled-dead", &[8, 10]);
    // Of two that speak of one event the later one counts.
    let again = [ended("DELIVERED"), vec![settled(1, 1, 1, "DEAD_LETTERED")]].concat();
    check_valid(&both([vec![mark("crash"), dead(1), mark("drained")], again].concat()));
}

#[test]
fn sums_tell_how_many_ended_how() {
    let sent = vec![got("a", 0), got("b", 1), dead(1), mark("drained")];
    let ends = vec![settled(0, 0, 1, "DELIVERED"), settled(1, 1, 1, "DEAD_LETTERED")];
    let history = after_two([sent, ends].concat());
    let shown = judge(&history, &Thresholds::default()).show(&history.records).to_string();
    assert!(shown.contains("s: 2 selected = 1 DEAD_LETTERED + 1 DELIVERED\n"), "{shown}");
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

#[test]
fn tenants_that_meet_in_a_delivery_are_i_12() {
    let with = |producer: &str, topic: &str, subscriber: &str| {
        let mut history = after_two(vec![got("a", 0), got("b", 1)]);
        for record in &mut history.records {
            match &mut record.op {
                Op::Invoke(invoke) => invoke.tenant = Some(producer.into()),
                Op::Delivery(delivery) => delivery.tenant = Some(topic.into()),
                Op::Subscription(definition) => definition.tenant = Some(subscriber.into()),
                _ => {}
            }
        }
        history
    };
    check_valid(&with("one", "one", "one"));
    for bad in [with("two", "one", "one"), with("one", "two", "one"), with("one", "one", "two")] {
        check_violated(&bad, "I-12", "cross-tenant", &[1, 5]);
    }
}

/// Sends an event in a producer's epoch.
fn in_epoch(event: &str, seq: u64, epoch: u64) -> Op {
    let Op::Invoke(sent) = invoke(event, seq) else { unreachable!() };
    Op::Invoke(Invoke { producer_epoch: Some(epoch), ..sent })
}

fn ok_in(event: &str, offset: u64, epoch: u64) -> Op {
    let Op::Ok(placed) = ok(event, offset) else { unreachable!() };
    Op::Ok(Placed { epoch: Some(epoch), ..placed })
}

#[test]
fn epochs_that_go_back_are_i_14() {
    let granted = |epoch| Op::Fence(Fence { producer: "p".into(), epoch });
    let fenced = |answer| history(vec![granted(2), in_epoch("a", 0, 1), answer]);
    check_violated(&fenced(ok("a", 0)), "I-14", "fenced-ack", &[0, 1, 2]);
    check_valid(&history(vec![
        subscription(0),
        in_epoch("a", 0, 1),
        granted(2),
        ok("a", 0),
        got("a", 0),
    ]));
    let sent = vec![subscription(0), invoke("a", 0), ok_in("a", 0, 7)];
    let back = [sent.clone(), vec![invoke("b", 1), ok_in("b", 1, 6)]].concat();
    check_violated(&history(back), "I-14", "split-brain", &[2, 3, 4]);
    // The answer of before was long on its way.
    let late = vec![subscription(0), invoke("a", 0), invoke("b", 1), ok_in("b", 1, 7)];
    let late = [late, vec![ok_in("a", 0, 6), got("a", 0), got("b", 1)]].concat();
    check_valid(&history(late));
}

fn fault(what: &str, phase: Phase, silences: &[&str]) -> Op {
    let silences = silences.iter().map(|&pattern| pattern.into()).collect();
    Op::Fault(Fault { what: what.into(), phase, silences })
}

#[test]
fn an_ack_after_an_io_error_is_i_15() {
    let after = |silences: &[&str], rest: Vec<Op>| {
        let error = vec![fault("eio", Phase::Fired, silences)];
        let got = vec![got("a", 0), got("b", 1)];
        after_two([error, got, rest].concat())
    };
    let acked = || vec![invoke("c", 2), ok("c", 2), got("c", 2)];
    check_violated(&after(&["**"], acked()), "I-15", "ack-after-eio", &[5, 8, 9]);
    check_valid(&after(&["analysis/summaries"], acked()));
    check_valid(&after(&["**"], [vec![mark("restart")], acked()].concat()));
    let before = vec![
        subscription(0),
        invoke("a", 0),
        fault("eio", Phase::Fired, &["**"]),
        ok("a", 0),
        got("a", 0),
    ];
    check_valid(&history(before));
}

/// Each operation as many seconds after the start as it says.
fn timed(ops: Vec<(u64, Op)>) -> History {
    let record = |(at, op)| Record { at: at * 1_000_000_000, process: "test".into(), op };
    History { records: ops.into_iter().map(record).collect() }
}

#[test]
fn what_does_not_advance_after_all_faults_are_over_is_i_16() {
    let healed = || (2, fault("partition", Phase::Healed, &[]));
    let begin = || vec![(0, subscription(0)), (0, invoke("a", 0)), (1, ok("a", 0)), healed()];
    let end = (30, mark("quiesced"));
    let run = |rest: Vec<(u64, Op)>| timed([begin(), rest, vec![end.clone()]].concat());
    check_valid(&run(vec![(11, got("a", 0))]));
    check_violated(&run(vec![(13, got("a", 0))]), "I-16", "stuck", &[3, 2]);
    let away = Op::Mark(Mark { what: "away".into(), subscription: Some("s".into()) });
    check_valid(&run(vec![(3, away), (13, got("a", 0))]));
    let again = (12, fault("partition", Phase::Fired, &[]));
    check_valid(&run(vec![again, (13, got("a", 0))]));
    let sent = |answered| {
        let sent = vec![(3, got("a", 0)), (4, invoke("b", 1)), (answered, ok("b", 1))];
        run([sent, vec![(answered, got("b", 1))]].concat())
    };
    check_valid(&sent(14));
    check_violated(&sent(15), "I-16", "stuck", &[3, 5]);
    let cut_off = |at| run(vec![(3, got("a", 0)), (4, invoke("b", 1)), (at, mark("crash"))]);
    check_valid(&cut_off(14));
    check_violated(&cut_off(15), "I-16", "stuck", &[3, 5]);
    // Nobody knows what would have come.
    check_valid(&timed([begin(), vec![(12, mark("quiesced")), (12, got("a", 0))]].concat()));
}

#[test]
fn what_is_above_its_limit_is_i_17() {
    let sample = |value| Op::Sample(Sample { what: "fds".into(), value, limit: 20 });
    let with = |value| after_two(vec![got("a", 0), got("b", 1), sample(value)]);
    check_valid(&with(20));
    check_violated(&with(21), "I-17", "leak", &[7]);
}

#[test]
fn a_recovery_that_is_slow_or_recovers_something_else_is_i_18() {
    let recovered = |took, state: &str| {
        Op::Recovered(Recovered { took, limit: Some(2), state: Some(state.into()) })
    };
    let with = |rest: Vec<Op>| after_two([vec![got("a", 0), got("b", 1)], rest].concat());
    check_valid(&with(vec![recovered(2, "x"), mark("crash"), recovered(1, "x")]));
    check_violated(&with(vec![recovered(3, "x")]), "I-18", "slow-recovery", &[7]);
    let changed = with(vec![recovered(1, "x"), mark("crash"), recovered(1, "y")]);
    check_violated(&changed, "I-18", "unsafe-recovery", &[7, 9]);
    let sent = vec![recovered(1, "x"), invoke("c", 2), info("c"), recovered(1, "y")];
    check_valid(&with(sent));
}

#[test]
fn a_refusal_without_a_code_is_i_19() {
    let refused = |code: &str| {
        let fail = Op::Fail { event: "c".into(), code: code.into() };
        after_two(vec![got("a", 0), got("b", 1), invoke("c", 2), fail])
    };
    check_valid(&refused("FIELD_INVALID"));
    check_violated(&refused("thread panicked at"), "I-19", "opaque-error", &[8]);
}

#[test]
fn a_dead_letter_is_no_loss_and_no_hole() {
    check_valid(&after_two(vec![got("b", 1), dead(0)]));
}

#[test]
fn who_seeks_gets_again_what_was_confirmed_but_not_what_was_confirmed_since() {
    let sought = |rest: Vec<Op>| {
        let before = vec![got("b", 1), Op::Gap(range(0, 0)), Op::Ack(range(1, 1)), mark("sought")];
        after_two([before, vec![again("a", 0)], rest].concat())
    };
    check_valid(&sought(vec![again("b", 1)]));
    let lost = sought(vec![Op::Ack(range(0, 0)), mark("crash"), again("a", 0)]);
    check_violated(&lost, "I-10", "lost-ack", &[10, 12]);
    // It was a letter when somebody sought to before it, and that was redriven.
    let redriven = |what| {
        let ends = [settled(0, 0, 1, "DEAD_LETTERED"), settled(0, 1, 2, "DELIVERED")];
        let rest = vec![Op::Ack(range(0, 1)), mark(what), again("a", 0)];
        sought([rest, ends.to_vec()].concat())
    };
    check_valid(&redriven("redriven"));
    check_violated(&redriven("crash"), "I-10", "lost-ack", &[10, 12]);
}

#[test]
fn a_fault_that_never_fired_and_a_crash_outside_of_writes_are_vacuous() {
    let armed = |rest: Vec<Op>| {
        let all = vec![got("a", 0), got("b", 1), fault("eio", Phase::Armed, &[])];
        after_two([all, rest].concat())
    };
    check_vacuous(&armed(vec![]), &Thresholds::default(), "the fault `eio` never fired");
    check_valid(&armed(vec![fault("eio", Phase::Fired, &[])]));
    let inside = Thresholds { expect_crash_in_write: true, ..Thresholds::default() };
    let quiet = after_two(vec![got("a", 0), got("b", 1), mark("crash")]);
    check_vacuous(&quiet, &inside, "0 crashes inside a write, at least 1 needed");
    let rest = vec![invoke("c", 2), mark("crash"), info("c"), got("a", 0), got("b", 1)];
    assert_eq!(judge(&after_two(rest), &inside).verdict, Verdict::Valid);
}

#[test]
fn a_violation_is_shown_with_the_seed_and_what_was_done() {
    let run =
        vec![Op::Run { seed: 42 }, got("x", 2), fault("eio", Phase::Fired, &[]), mark("crash")];
    let history = after_two(run);
    let shown = judge(&history, &Thresholds::default()).show(&history.records).to_string();
    for line in ["  | seed 42\n", "s eio fired\n", "s crash\n"] {
        assert!(shown.contains(line), "{shown}");
    }
}
