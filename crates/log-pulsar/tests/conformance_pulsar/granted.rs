//! Owners by terms that were granted to them: an old word takes nothing, and one term has one owner.

use tidings_event::Term;
use tidings_log::PartitionLog;
use tidings_log::conformance::fixture::{fill, partition, read_all};
use tidings_log_pulsar::OpenError;

use crate::rig::OnPulsar;

fn outdated(error: OpenError) -> (Term, Term) {
    match error {
        OpenError::Outdated { granted, newest } => (granted, newest),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_grant_takes_nothing() {
    let Some(engine) = OnPulsar::find().await else { return };
    let owner = engine.granted(7).await.unwrap();
    assert_eq!(owner.term(), Term(7));
    let partition = partition(&*owner, 1).await;
    let mut appended = fill(&*owner, partition, 3).await;
    let entries = engine.entries("state").await;
    for late in [1, 6, 7] {
        let error = engine.granted(late).await.unwrap_err();
        assert_eq!(outdated(error), (Term(late), Term(7)));
    }
    // It was not even asked for the topic.
    assert_eq!(engine.entries("state").await, entries);
    appended.extend(fill(&*owner, partition, 3).await);
    assert_eq!(owner.health(), Ok(()));
    owner.close().await;
    // Terms need not be dense; without one the next is taken.
    let next = engine.granted(20).await.unwrap();
    assert_eq!(read_all(&*next, partition).await, appended);
    next.close().await;
    let last = engine.try_open().await.unwrap();
    assert_eq!(last.term(), Term(21));
    last.close().await;
}

/// As after a loss of the members' topic, when terms begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_with_one_term_have_one_owner() {
    let Some(engine) = OnPulsar::find().await else { return };
    for term in [1, 5, 9] {
        let (one, other) = tokio::join!(engine.granted(term), engine.granted(term));
        let (owner, late) = match (one, other) {
            (Ok(owner), Err(late)) | (Err(late), Ok(owner)) => (owner, late),
            (Ok(_), Ok(_)) => panic!("two owners of term {term}"),
            // Each ended the other's producer in turn, until both found somebody's start.
            (Err(one), Err(other)) => panic!("no owner of term {term}: {one}; {other}"),
        };
        assert_eq!(outdated(late), (Term(term), Term(term)));
        let partition = partition(&*owner, term).await;
        let appended = fill(&*owner, partition, 3).await;
        assert_eq!(read_all(&*owner, partition).await, appended);
        assert_eq!(owner.health(), Ok(()));
        owner.close().await;
    }
}
