//! Cases of opening, closing and crashing.

use tidings_event::{Offset, TopicPartition};

use super::Engine;
use super::fixture::{append, block, commit, fill, partition, read_all, set};
use crate::{AppendError, CommitError, LeaseError, Table, TopicError};

/// A writer goes on where it was, and what it sends again is refused.
pub async fn the_tail_survives_reopening(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    for opening in 0..4 {
        let log = engine.open().await;
        let bounds = log.bounds(partition).unwrap();
        assert_eq!((bounds.trim, bounds.tail), (Offset(0), Offset(opening * 5)));
        assert_eq!(bounds.durable_tail, bounds.tail);
        if opening > 0 {
            let again = log.append(vec![block(&*log, partition, 4, (1, 40))]).unwrap_err();
            assert!(matches!(again, AppendError::NotAtTail { .. }), "{again}");
        }
        fill(&*log, partition, 5).await;
        assert_eq!(read_all(&*log, partition).await.len() as u64, opening * 5 + 5);
        log.close().await;
    }
}

/// Positions stay valid; owners do not.
pub async fn the_term_grows_and_the_epoch_stays(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let (mut term, epoch) = (log.term(), log.epoch());
    log.close().await;
    for opening in 0..6 {
        let crashed = if opening % 2 == 1 { engine.crash().await } else { None };
        let log = match crashed {
            Some(log) => log,
            None => engine.open().await,
        };
        assert!(log.term() > term, "term {} after {term}", log.term());
        assert_eq!(log.epoch(), epoch);
        term = log.term();
    }
}

/// Pending appends resolve; every later call says that it is closed.
pub async fn closing_makes_everything_durable_and_refuses_more(engine: &mut dyn Engine) {
    let log = engine.open().await;
    assert_eq!(log.health(), Ok(()));
    let partition = partition(&*log, 1).await;
    let appends: Vec<_> = (0..20)
        .map(|base| log.append(vec![block(&*log, partition, base, (1, 5000))]).unwrap())
        .collect();
    let committed = log.commit(log.term(), vec![set(Table::CURSORS, "key", "value")]).unwrap();
    log.close().await;
    for append in appends {
        append.await.unwrap();
    }
    committed.await.unwrap();
    let refused = log.append(vec![block(&*log, partition, 20, (1, 10))]).unwrap_err();
    assert_eq!(refused, AppendError::Closed);
    let refused = log.commit(log.term(), vec![set(Table::CURSORS, "key", "late")]).unwrap_err();
    assert_eq!(refused, CommitError::Append(AppendError::Closed));
    let refused = log.ensure_topic(&super::fixture::topic(2, 1, super::fixture::DAY)).await;
    assert_eq!(refused.unwrap_err(), TopicError::Append(AppendError::Closed));
    let refused = log.lease("name").await.unwrap_err();
    assert!(matches!(refused, LeaseError::Commit(CommitError::Append(AppendError::Closed))));
    log.close().await;
    let log = engine.open().await;
    assert_eq!(read_all(&*log, partition).await.len(), 20);
    assert_eq!(log.get(Table::CURSORS, b"key").as_deref(), Some(&b"value"[..]));
}

/// Blocks, keys and topics, every time.
pub async fn what_was_resolved_survives_a_crash(engine: &mut dyn Engine) {
    let mut log = engine.open().await;
    let mut appended = Vec::new();
    let first = partition(&*log, 1).await;
    for round in 0..8u64 {
        appended.extend(fill(&*log, first, 7).await);
        commit(&*log, vec![set(Table::CURSORS, "round", round.to_string())]).await;
        let other = partition(&*log, 10 + round).await;
        fill(&*log, other, 1).await;
        let Some(crashed) = engine.crash().await else { return };
        log = crashed;
        assert_eq!(read_all(&*log, first).await, appended, "round {round}");
        let value = log.get(Table::CURSORS, b"round");
        assert_eq!(value.as_deref(), Some(round.to_string().as_bytes()));
        for earlier in 0..=round {
            let other = TopicPartition::new(10 + earlier, 0);
            assert_eq!(read_all(&*log, other).await.len(), 1);
        }
    }
}

/// What was pending is whole or gone, and the tail is where the next block goes.
pub async fn appending_goes_on_after_a_crash(engine: &mut dyn Engine) {
    let mut log = engine.open().await;
    let partition = partition(&*log, 1).await;
    for _ in 0..8 {
        fill(&*log, partition, 2).await;
        let resolved = log.bounds(partition).unwrap().tail.0;
        let unresolved: Vec<_> = (0..3)
            .map(|n| {
                log.append(vec![block(&*log, partition, resolved + n * 4, (4, 2000))]).unwrap()
            })
            .collect();
        let Some(crashed) = engine.crash().await else { return };
        drop(unresolved);
        log = crashed;
        let tail = log.bounds(partition).unwrap().durable_tail.0;
        assert!([0, 4, 8, 12].map(|more| resolved + more).contains(&tail), "{tail}");
        let stored = read_all(&*log, partition).await;
        assert_eq!(stored.last().unwrap().header.end_offset(), Offset(tail));
        append(&*log, block(&*log, partition, tail, (1, 10))).await;
    }
}
