//! Streams that ask for an ack deadline: what is not settled in time fails, and may be given more.

use std::time::Duration;

use tidings_event::{Clock, Code, Offset, Timestamp};

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets, summary};
use crate::{Attach, Delivery, Outgoing, Run, Session};

const DEADLINE: Duration = Duration::from_secs(5);
/// Above every back-off of a second attempt.
const BACKOFF: Duration = Duration::from_secs(1);

/// Three events of three keys, delivered to a stream.
async fn rig(ack_deadline: Option<Duration>) -> (Rig, Session, Delivery) {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    let bodies: Vec<_> = (0..3).map(|n| summary(n, &format!("KEY{n}"), "XNAS", true)).collect();
    rig.append(&topic, 0, &bodies).await;
    let attach = Attach { ack_deadline, ..Attach::default() };
    let mut session = rig.deliver.attach_with(TENANT, "s", attach).unwrap();
    session.grant(1 << 40, 1 << 40);
    let delivery = next_delivery(&mut session).await;
    assert_eq!(offsets(&delivery), [0, 1, 2]);
    (rig, session, delivery)
}

fn run(delivery: &Delivery, first: u64, last: u64) -> Run {
    let (topic, epoch, partition) = (delivery.topic.id, delivery.epoch, delivery.partition);
    Run { topic, epoch, partition, first: Offset(first), last: Offset(last) }
}

/// First and last offsets of what was moved, and of what was stale.
async fn extended(session: &mut Session) -> (Vec<(u64, u64)>, Vec<(u64, u64)>) {
    let Outgoing::Extended { runs, stale } = next(session).await else { panic!("not extended") };
    let ends = |runs: &[Run]| runs.iter().map(|run| (run.first.0, run.last.0)).collect();
    (ends(&runs), ends(&stale))
}

#[tokio::test]
async fn what_a_stream_does_not_settle_in_its_deadline_comes_again_and_what_was_extended_does_not()
{
    let (rig, mut session, sent) = rig(Some(DEADLINE)).await;
    session.extend(vec![run(&sent, 1, 1), run(&sent, 2, 9)], 10 * DEADLINE).unwrap();
    assert_eq!(extended(&mut session).await, (vec![(1, 1), (2, 2)], vec![(3, 9)]));
    rig.clock.advance(DEADLINE);
    nothing(&mut session).await;
    rig.clock.advance(BACKOFF);
    let again = next_delivery(&mut session).await;
    assert_eq!((offsets(&again), again.attempts[0].2), (vec![0], 2));
    // By ids: the first attempt is over, the second is not, and nobody else's is this stream's.
    let place = |offset: u64| run(&sent, offset, offset);
    let position = |offset: u64| tidings_event::Position {
        topic: sent.topic.id,
        epoch: sent.epoch,
        partition: sent.partition,
        offset: Offset(offset),
    };
    let ids = [session.ack_id(position(0), 1), session.ack_id(position(0), 2)];
    session.extend_ids(&ids, 10 * DEADLINE).unwrap();
    assert_eq!(extended(&mut session).await, (vec![(0, 0)], vec![(0, 0)]));
    rig.clock.advance(2 * DEADLINE);
    nothing(&mut session).await;
    session.ack(Vec::new(), (0..3).map(place).collect());
    while rig.deliver.status(TENANT, "s").unwrap().lag_events > 0 {
        next(&mut session).await;
    }
    session.extend(vec![place(1)], DEADLINE).unwrap();
    loop {
        match next(&mut session).await {
            Outgoing::Confirmed { .. } => {}
            Outgoing::Extended { runs, stale } => {
                assert_eq!((runs.len(), stale.len()), (0, 1));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn an_ack_after_the_deadline_counts_while_nobody_has_the_event_again() {
    let (rig, mut session, sent) = rig(Some(DEADLINE)).await;
    rig.clock.advance(DEADLINE);
    nothing(&mut session).await;
    session.ack(Vec::new(), vec![run(&sent, 0, 2)]);
    let Outgoing::Confirmed { runs, stale } = next(&mut session).await else { panic!("nothing") };
    assert_eq!((runs, stale), (vec![], vec![run(&sent, 0, 2)]));
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 0);
    rig.clock.advance(BACKOFF);
    nothing(&mut session).await;
}

#[tokio::test]
async fn a_stream_without_a_deadline_keeps_what_it_has_and_cannot_extend_it() {
    let (rig, mut session, sent) = rig(None).await;
    rig.clock.advance(Duration::from_secs(100_000));
    nothing(&mut session).await;
    let refusal = session.extend(vec![run(&sent, 0, 2)], DEADLINE).unwrap_err();
    assert_eq!(refusal.code, Code::FieldInvalid);
}

#[tokio::test]
async fn a_leap_of_the_wall_clock_ends_no_deadline_and_holds_none_up() {
    const TEN_YEARS: u64 = 10 * 365 * 86_400 * 1_000_000_000;
    let (rig, mut session, _) = rig(Some(DEADLINE)).await;
    rig.clock.set_wall(Timestamp(rig.clock.wall().0 + TEN_YEARS));
    nothing(&mut session).await;
    rig.clock.advance(BACKOFF);
    nothing(&mut session).await;
    rig.clock.set_wall(Timestamp(0));
    rig.clock.advance(DEADLINE - BACKOFF);
    nothing(&mut session).await;
    rig.clock.advance(BACKOFF);
    assert_eq!(offsets(&next_delivery(&mut session).await), [0, 1, 2]);
}
