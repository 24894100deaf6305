//! Edges against a cluster that fails as it is told: nothing is lost, nothing out of order, nothing acknowledged early.

mod rig;

use std::sync::atomic::Ordering;

use tidings_deliver::{GapNotice, GapReason, Outgoing};
use tidings_event::{Code, Offset, PartitionId, Refusal};
use tidings_telemetry::{Counter, Gauge};

use rig::{Rig, soon};

#[tokio::test]
async fn what_is_confirmed_is_acknowledged_and_makes_room() {
    let rig = Rig::new();
    let running = rig.start();
    rig.deliver(0, 0..3);
    rig.deliver(1, 0..2);
    rig.acked(&[(0, 0..3), (1, 0..2)]).await;
    assert_eq!(rig.stored(0), [0, 1, 2]);
    assert_eq!(rig.stored(1), [0, 1]);
    assert_eq!(rig.world().names(), ["tidings.edge.e.1-1-0", "tidings.edge.e.1-1-1"]);
    assert_eq!(rig.recorder.counted(Counter::EdgeMessages), 5);
    assert_eq!(rig.recorder.gauge(Gauge::EdgeWaiting), 0);
    assert_eq!(rig.recorder.gauge(Gauge::EdgeStopped), 0);
    let granted = rig.told.granted.load(Ordering::SeqCst);
    assert_eq!(granted, u64::from(rig.edge.settings.window) + 5);
    running.stop().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_without_its_receipt() {
    let rig = Rig::new();
    rig.world().holds_receipts = true;
    let running = rig.start();
    rig.deliver(0, 0..4);
    soon(rig.until(|world| world.messages.len() == 4)).await;
    assert_eq!(rig.recorder.gauge(Gauge::EdgeWaiting), 4);
    assert!(rig.told.acked.lock().unwrap().is_empty());
    rig.world().release();
    rig.acked(&[(0, 0..4)]).await;
    running.stop().await;
}

#[tokio::test]
async fn what_has_no_receipt_is_sent_again_in_order_after_a_lost_connection() {
    let rig = Rig::new();
    rig.world().loses_receipts_from = Some(2);
    let running = rig.start();
    rig.deliver(0, 0..5);
    rig.acked(&[(0, 0..5)]).await;
    // Those whose receipts were lost are there twice, as at-least-once says: in order each time.
    assert_eq!(rig.stored(0), [0, 1, 2, 3, 4, 2, 3, 4]);
    assert_eq!(rig.recorder.counted(Counter::EdgeResent), 3);
    running.stop().await;
}

#[tokio::test]
async fn a_receipt_of_before_counts_for_nothing_that_is_sent_again() {
    let rig = Rig::new();
    rig.world().holds_receipts = true;
    rig.world().loses_receipts_from = Some(100);
    let running = rig.start();
    rig.deliver(1, 0..2);
    soon(rig.until(|world| world.messages.len() == 2)).await;
    // Takes the connection with it: everything is sent again.
    rig.deliver(0, 100..101);
    soon(rig.until(|world| world.messages.len() == 6)).await;
    rig.world().release_one((1, 0));
    rig.world().release_one((1, 0));
    rig.world().release_one((0, 100));
    rig.acked(&[(1, 0..1), (0, 100..101)]).await;
    // Whatever else these receipts did was done before this one has its own.
    rig.deliver(0, 101..102);
    soon(rig.until(|world| world.messages.len() == 7)).await;
    rig.world().release_one((0, 101));
    rig.acked(&[(1, 0..1), (0, 100..102)]).await;
    rig.world().release();
    rig.acked(&[(1, 0..2), (0, 100..102)]).await;
    running.stop().await;
}

#[tokio::test]
async fn a_cluster_that_drops_repeats_has_each_event_once() {
    let rig = Rig::new();
    rig.world().drops_repeats = true;
    rig.world().loses_receipts_from = Some(2);
    let running = rig.start();
    rig.deliver(0, 0..5);
    rig.acked(&[(0, 0..5)]).await;
    assert_eq!(rig.stored(0), [0, 1, 2, 3, 4]);
    assert_eq!(rig.recorder.counted(Counter::EdgeRepeats), 3);
    running.stop().await;
}

#[tokio::test]
async fn while_nobody_is_there_events_wait_and_that_is_shown() {
    let rig = Rig::new();
    rig.world().is_down = true;
    let running = rig.start();
    rig.deliver(0, 0..3);
    soon(rig.until(|world| world.connects >= 3)).await;
    assert_eq!(rig.recorder.gauge(Gauge::EdgeStopped), 1);
    assert!(rig.told.acked.lock().unwrap().is_empty());
    rig.world().is_down = false;
    rig.acked(&[(0, 0..3)]).await;
    assert_eq!(rig.stored(0), [0, 1, 2]);
    running.stop().await;
    assert_eq!(rig.recorder.gauge(Gauge::EdgeStopped), 0);
}

#[tokio::test]
async fn a_topic_that_is_refused_stops_its_partitions_alone() {
    let rig = Rig::new();
    rig.world().refuses_partition = Some(1);
    let running = rig.start();
    rig.deliver(1, 0..2);
    rig.deliver(0, 0..2);
    rig.acked(&[(0, 0..2)]).await;
    soon(rig.until(|world| world.refused >= 2)).await;
    assert_eq!(rig.recorder.gauge(Gauge::EdgeStopped), 1);
    rig.world().refuses_partition = None;
    rig.acked(&[(0, 0..2), (1, 0..2)]).await;
    running.stop().await;
}

#[tokio::test]
async fn an_event_that_is_not_taken_fails_alone_and_later_goes_by_no_number() {
    let rig = Rig::new();
    rig.world().drops_repeats = true;
    rig.world().refuses_offset = Some(1);
    let running = rig.start();
    rig.deliver(0, 0..4);
    rig.acked(&[(0, 0..1), (0, 2..4)]).await;
    assert_eq!(*rig.told.nacked.lock().unwrap(), [(1, "too large".to_owned())]);
    // Tried again, when it would be dropped as a repeat under its number.
    rig.world().refuses_offset = None;
    rig.deliver(0, 1..2);
    rig.acked(&[(0, 0..1), (0, 2..4), (0, 1..2)]).await;
    assert_eq!(rig.stored(0), [0, 2, 3, 1]);
    assert_eq!(rig.recorder.counted(Counter::EdgeRefused), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_is_redriven_goes_by_no_number_and_the_rest_goes_on_with_theirs() {
    let rig = Rig::new();
    rig.world().drops_repeats = true;
    rig.world().highest.insert("tidings.edge.e.1-1-0".to_owned(), 9);
    let running = rig.start();
    rig.redrive(0, 3);
    rig.deliver(0, 10..12);
    rig.acked(&[(0, 3..4), (0, 10..12)]).await;
    assert_eq!(rig.stored(0), [3, 10, 11]);
    running.stop().await;
}

#[tokio::test]
async fn a_hole_in_the_offsets_is_no_hole_in_the_numbers() {
    let rig = Rig::new();
    rig.world().drops_repeats = true;
    let running = rig.start();
    rig.deliver(0, 0..2);
    rig.deliver(0, 7..9);
    rig.acked(&[(0, 0..2), (0, 7..9)]).await;
    let numbers: Vec<_> = rig.world().messages.iter().map(|message| message.number).collect();
    assert_eq!(numbers, [0, 1, 7, 8]);
    running.stop().await;
}

#[tokio::test]
async fn an_edge_with_a_filter_has_producers_without_a_name() {
    let rig = Rig::filtered();
    let running = rig.start();
    for offset in [0, 2, 5, 9] {
        rig.deliver(0, offset..offset + 1);
    }
    rig.acked(&[(0, 0..1), (0, 2..3), (0, 5..6), (0, 9..10)]).await;
    assert_eq!(rig.world().names(), Vec::<String>::new());
    assert_eq!(rig.world().opened, 1, "and needs no other one for a hole");
    running.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_receipts_and_takes_nothing_more() {
    let rig = Rig::new();
    rig.world().holds_receipts = true;
    let running = rig.start();
    rig.deliver(0, 0..3);
    soon(rig.until(|world| world.messages.len() == 3)).await;
    running.stop.cancel();
    rig.world().release();
    running.stop().await;
    rig.acked(&[(0, 0..3)]).await;
    assert_eq!(rig.recorder.gauge(Gauge::EdgeWaiting), 0);
}

#[tokio::test]
async fn a_gap_is_counted_and_sends_nothing() {
    let rig = Rig::new();
    let running = rig.start();
    rig.send(Outgoing::Gap(GapNotice {
        topic: rig.topic.clone(),
        epoch: rig.edge.epoch,
        partition: PartitionId(0),
        from: Offset(0),
        to: Offset(6),
        count: 7,
        reason: GapReason::Retention,
    }));
    rig.deliver(0, 7..8);
    rig.acked(&[(0, 7..8)]).await;
    assert_eq!(rig.recorder.counted(Counter::EdgeGapEvents), 7);
    assert_eq!(rig.stored(0), [7]);
    running.stop().await;
}

#[tokio::test]
async fn whoever_ends_the_source_says_why() {
    let rig = Rig::new();
    let running = rig.start();
    rig.send(Outgoing::Closed(Refusal::new(Code::SubscriptionGone, "deleted")));
    let ended = soon(running.task).await.unwrap();
    assert_eq!(ended.unwrap_err().code, Code::SubscriptionGone);
}
