//! What is said of a members' topic, by what is in it.

use tidings_cluster::{
    Address, Assignment, Beat, CallKey, CoordinatorTerm, Entry, Held, HeldState, Holder, Life,
    NodeId, NodeName, PartitionGroup, RecordError,
};
use tidings_event::Term;

use super::heard::Heard;
use crate::config::ClusterNode;
use crate::doctor::finding::{Finding, Verdict};

fn node(name: &str, life: u64) -> NodeId {
    NodeId { name: NodeName::new(name).unwrap(), life: Life(life) }
}

fn beat(node: &NodeId, number: u64) -> Beat {
    Beat {
        node: node.clone(),
        number,
        pace: number + 1,
        address: Address::new("10.0.0.1:8080").unwrap(),
        call_key: CallKey([0; 32]),
        is_joining: number == 0,
        after: None,
        is_leaving: false,
        claim: None,
        held: vec![],
        assignment: None,
    }
}

/// The coordinator's word that one of them owns the log.
fn granting(by: &NodeId, number: u64, members: &[&NodeId], holder: Option<&NodeId>) -> Beat {
    let holder = holder.map(|node| Holder { node: node.clone(), is_closing: false });
    let assignment = Assignment {
        by: CoordinatorTerm(1),
        version: number,
        members: members.iter().copied().cloned().collect(),
        gone: vec![],
        entries: vec![Entry { term: Term(3), holder }],
    };
    let claim = Some(CoordinatorTerm(1)).filter(|_| number == 1);
    Beat { claim, assignment: Some(assignment), ..beat(by, number) }
}

fn holding(beat: Beat, state: HeldState) -> Beat {
    let held = vec![Held { group: PartitionGroup(0), term: Term(3), state }];
    Beat { held, ..beat }
}

/// What the doctor's own configuration names.
fn own() -> ClusterNode {
    let address = Address::new("10.0.0.1:8080").unwrap();
    ClusterNode { name: NodeName::new("a").unwrap(), address }
}

fn check(finding: &Finding, verdict: Verdict, says: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert!(finding.found.contains(says), "{finding:?} does not say `{says}`");
}

#[test]
fn nodes_that_are_heard_and_the_owner_are_named() {
    let (a, b) = (node("a", 1), node("b", 2));
    let mut heard = Heard::new(true);
    heard.before(Ok(beat(&a, 0)));
    heard.before(Ok(beat(&b, 0)));
    let granted = || granting(&a, 1, &[&a, &b], Some(&b));
    heard.now(Ok(granted()));
    heard.now(Ok(holding(beat(&b, 1), HeldState::Opening)));
    check(
        &heard.judged(Some(&own()))[1],
        Verdict::Warn,
        "b by term 3, which does not serve it yet",
    );
    heard.now(Ok(holding(beat(&b, 2), HeldState::Serving)));
    let found = heard.judged(Some(&own()));
    check(&found[0], Verdict::Ok, "a at 10.0.0.1:8080, b at 10.0.0.1:8080");
    check(&found[1], Verdict::Ok, "b, by term 3");
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_silent_owner_and_none_are_warned_of() {
    let (a, b) = (node("a", 1), node("b", 2));
    let mut heard = Heard::new(true);
    heard.before(Ok(beat(&b, 0)));
    heard.before(Ok(beat(&a, 0)));
    heard.now(Ok(granting(&a, 1, &[&a, &b], Some(&b))));
    let found = heard.judged(Some(&own()));
    check(&found[0], Verdict::Warn, "b was not heard");
    check(&found[1], Verdict::Warn, "b by term 3, which was not heard");
    heard.now(Ok(granting(&a, 2, &[&a], None)));
    let found = heard.judged(Some(&own()));
    check(&found[0], Verdict::Ok, "b was not heard");
    check(&found[1], Verdict::Warn, "no node owns it");
}

#[test]
fn a_cluster_that_does_not_run_is_well() {
    let mut heard = Heard::new(true);
    check(&heard.judged(Some(&own()))[0], Verdict::Ok, "no node runs; of the last hour: none");
    heard.before(Ok(beat(&node("a", 1), 0)));
    let found = heard.judged(Some(&own()));
    check(&found[0], Verdict::Ok, "of the last hour: a was not heard");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_shared_name_and_foreign_records_are_told() {
    let mut heard = Heard::new(true);
    heard.now(Ok(beat(&node("a", 1), 0)));
    heard.now(Ok(Beat { after: Some(Life(1)), ..beat(&node("a", 2), 0) }));
    heard.now(Err(RecordError::Foreign));
    let found = heard.judged(Some(&own()));
    check(&found[2], Verdict::Warn, "two processes run as a");
    check(&found[3], Verdict::Warn, "1 records of the topic cannot be read");
}

#[test]
fn a_topic_that_was_not_read_to_its_end_says_nothing_of_the_owner() {
    let mut heard = Heard::new(true);
    heard.now(Ok(beat(&node("a", 1), 0)));
    heard.is_behind = true;
    let found = heard.judged(Some(&own()));
    check(&found[0], Verdict::Warn, "not reached in time");
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_start_that_would_harm_who_is_there_is_warned_of() {
    let mut heard = Heard::new(true);
    assert_eq!(heard.judged(None).len(), 1);
    heard.now(Ok(beat(&node("a", 1), 0)));
    check(&heard.judged(None)[2], Verdict::Warn, "nodes share this log");
    assert_eq!(heard.judged(Some(&own())).len(), 2, "it is the one that runs");
    let elsewhere = ClusterNode { address: Address::new("10.0.0.2:8080").unwrap(), ..own() };
    let found = heard.judged(Some(&elsewhere));
    check(&found[2], Verdict::Warn, "a runs already, at 10.0.0.1:8080");
}
