//! Cases of leases: one holder, tokens that only grow.

use tidings_event::Term;

use super::Engine;
use super::fixture::set;
use crate::{CommitError, LeaseError, Table};

/// Until it is given back; names do not stand in each other's way.
pub async fn a_lease_has_one_holder(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let first = log.lease("compactor").await.unwrap();
    assert_eq!(log.lease("compactor").await.unwrap_err(), LeaseError::Held("compactor".into()));
    let other = log.lease("other").await.unwrap();
    log.release(&other);
    assert!(log.lease("compactor").await.is_err());
    log.release(&first);
    let second = log.lease("compactor").await.unwrap();
    // Given back late, by one who lost it: the holder keeps it.
    log.release(&first);
    assert!(log.lease("compactor").await.is_err());
    assert_eq!(second.name, "compactor");
}

/// Through releases, restarts and crashes.
pub async fn tokens_grow_for_ever(engine: &mut dyn Engine) {
    let mut last = Term(0);
    for opening in 0..4 {
        let crashed = if opening % 2 == 1 { engine.crash().await } else { None };
        let log = match crashed {
            Some(log) => log,
            None => engine.open().await,
        };
        for _ in 0..3 {
            let lease = log.lease("name").await.unwrap();
            assert!(lease.token > last, "{} after {last}", lease.token);
            last = lease.token;
            log.release(&lease);
        }
        // Held at the crash: free after it.
        assert!(log.lease("name").await.unwrap().token > last);
    }
}

/// The holder can.
pub async fn a_former_holder_cannot_commit(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let former = log.lease("name").await.unwrap();
    let change = || vec![set(Table::CURSORS, "key", "value")];
    log.commit(former.token, change()).unwrap().await.unwrap();
    log.release(&former);
    let holder = log.lease("name").await.unwrap();
    let refused = log.commit(former.token, change()).unwrap_err();
    assert!(matches!(refused, CommitError::Fenced { given, .. } if given == former.token));
    log.commit(holder.token, change()).unwrap().await.unwrap();
    log.commit(log.term(), change()).unwrap().await.unwrap();
}
