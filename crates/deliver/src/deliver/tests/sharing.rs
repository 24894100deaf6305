//! Several consumers of one subscription: groups by key, and stand-ins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_catalog::{Sharing, Topic};
use tidings_event::block::events;
use tidings_event::key::KeyHash;
use tidings_event::{Code, Offset, Position};
use tidings_telemetry::{Counter, Timer};

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets, summary};
use crate::{Attach, Delivery, Outgoing, PullRequest, Pulled, Run, Session};

const PARTITIONS: u32 = 16;
const KEYS: u32 = 100;

fn instrument(key: u32) -> String {
    format!("KEY{key}")
}

async fn shared(sharing: Sharing, max_in_flight: u32) -> (Rig, Arc<Topic>) {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", PARTITIONS).await;
    let set = |spec: &mut tidings_catalog::SubscriptionSpec| {
        (spec.sharing, spec.max_in_flight) = (sharing, max_in_flight);
    };
    rig.subscribe_with("s", "a/b", set).await;
    (rig, topic)
}

/// Appends an event of every key, in blocks of one partition each.
async fn publish(rig: &Rig, topic: &Topic, rounds: u32) {
    for partition in 0..PARTITIONS {
        let at = |key: &u32| {
            KeyHash::of_instrument("XNAS", &instrument(*key)).partition(PARTITIONS).0 == partition
        };
        let keys: Vec<u32> = (0..KEYS).filter(at).collect();
        let to = tidings_event::TopicPartition::new(topic.id.0, partition);
        for _ in 0..rounds {
            let base = rig.deliver.stage.log.bounds(to).unwrap().tail.0;
            let bodies: Vec<_> = (base..)
                .zip(&keys)
                .map(|(offset, &key)| summary(offset, &instrument(key), "XNAS", true))
                .collect();
            if !bodies.is_empty() {
                rig.append(topic, partition, &bodies).await;
            }
        }
    }
}

/// Where an event is: partition and offset.
type At = (u32, u64);

/// The members of a group, and what each has in its hands.
struct Crew<'a> {
    rig: &'a Rig,
    topic: Arc<Topic>,
    members: BTreeMap<u32, Session>,
    held: BTreeMap<At, (u32, String)>,
    /// The last first delivery of each key.
    latest: BTreeMap<String, u64>,
    settled: BTreeSet<At>,
    /// The keys that each member was sent.
    keys: BTreeMap<u32, BTreeSet<String>>,
    /// Whether members may be fenced: then others get what they still hold.
    may_fence: bool,
}

impl<'a> Crew<'a> {
    fn new(rig: &'a Rig, topic: &Arc<Topic>) -> Self {
        Self {
            rig,
            topic: Arc::clone(topic),
            members: BTreeMap::new(),
            held: BTreeMap::new(),
            latest: BTreeMap::new(),
            settled: BTreeSet::new(),
            keys: BTreeMap::new(),
            may_fence: false,
        }
    }

    async fn join(&mut self, member: u32) {
        let attached = self.rig.deliver.attach(TENANT, "s", &format!("worker-{member}")).await;
        let session = attached.unwrap();
        session.grant(1 << 40, 1 << 40);
        self.members.insert(member, session);
    }

    fn kill(&mut self, member: u32) {
        self.members.remove(&member);
        self.held.retain(|_, (holder, _)| *holder != member);
    }

    /// Takes what comes next for a member, if anything does soon.
    async fn take(&mut self, member: u32) -> bool {
        let session = self.members.get_mut(&member).unwrap();
        match Timer.limit(Duration::from_millis(10), session.next()).await {
            Ok(Some(Outgoing::Delivery(delivery))) => self.took(member, &delivery),
            Ok(Some(Outgoing::Confirmed { stale, .. })) => assert_eq!(stale, []),
            Ok(other) => panic!("{other:?}"),
            Err(_) => return false,
        }
        true
    }

    fn took(&mut self, member: u32, delivery: &Delivery) {
        let carried = offsets(delivery).into_iter().zip(events(&delivery.body));
        for (offset, event) in carried {
            let at = (delivery.partition.0, offset);
            let key = tidings_event::scan(event.unwrap()).unwrap().instrument.to_owned();
            let other = self.held.values().find(|(holder, k)| *holder != member && *k == key);
            assert!(self.may_fence || other.is_none(), "{key} is with {member} and {other:?}");
            assert!(!self.settled.contains(&at), "{at:?} was settled");
            let is_again = delivery
                .redelivered
                .iter()
                .any(|&(first, count)| (first.0..first.0 + u64::from(count)).contains(&offset));
            if !is_again {
                let latest = self.latest.insert(key.clone(), offset);
                assert!(latest < Some(offset), "{key}: {offset} is first sent after {latest:?}");
            }
            let later = self
                .held
                .range(at..)
                .find(|((partition, _), (_, of))| *partition == at.0 && *of == key);
            assert!(self.may_fence || later.is_none(), "{key}: {at:?} comes after {later:?}");
            self.keys.entry(member).or_default().insert(key.clone());
            self.held.insert(at, (member, key));
        }
    }

    /// Acknowledges what a member has and `picks`.
    fn ack(&mut self, member: u32, mut picks: impl FnMut() -> bool) {
        let mine = self.held.iter().filter(|(_, (holder, _))| *holder == member);
        let mine: Vec<At> = mine.map(|(&at, _)| at).filter(|_| picks()).collect();
        let epoch = self.rig.deliver.stage.log.epoch();
        let run = |&(partition, offset): &At| {
            let partition = tidings_event::PartitionId(partition);
            let topic = self.topic.id;
            Run::of(Position { topic, epoch, partition, offset: Offset(offset) })
        };
        self.members[&member].ack(Vec::new(), mine.iter().map(run).collect());
        for at in mine {
            self.held.remove(&at);
            self.settled.insert(at);
        }
    }

    /// Lets these members work until nothing comes any more.
    async fn work(&mut self, members: &[u32]) {
        loop {
            let mut any = false;
            for &member in members {
                while self.take(member).await {
                    any = true;
                }
                self.ack(member, || true);
            }
            if !any {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_group_of_four_shares_the_keys_and_each_has_its_own() {
    let (rig, topic) = shared(Sharing::Group, 1_000).await;
    let mut crew = Crew::new(&rig, &topic);
    for member in 1..=4 {
        crew.join(member).await;
    }
    publish(&rig, &topic, 10).await;
    crew.work(&[1, 2, 3, 4]).await;
    assert_eq!(crew.settled.len(), 1_000);
    let shares: Vec<usize> = crew.keys.values().map(BTreeSet::len).collect();
    assert_eq!(shares.iter().sum::<usize>(), 100, "no key was with two: {shares:?}");
    assert!(shares.iter().all(|share| (10..=40).contains(share)), "{shares:?}");
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.in_flight), (0, 0));
}

/// Members that come, die, come back, take and acknowledge some, in any order.
async fn storm(seed: u64) {
    let (rig, topic) = shared(Sharing::Group, 40).await;
    let mut crew = Crew::new(&rig, &topic);
    let mut random = StdRng::seed_from_u64(seed);
    let mut published = 0;
    for _ in 0..150 {
        let member = random.random_range(1..=5);
        let is_here = crew.members.contains_key(&member);
        match random.random_range(0..12) {
            0 if published < 6 => {
                publish(&rig, &topic, 1).await;
                published += 1;
            }
            1 if is_here => crew.kill(member),
            _ if !is_here => crew.join(member).await,
            2..=6 => drop(crew.take(member).await),
            _ => crew.ack(member, || random.random_bool(0.6)),
        }
    }
    for member in 1..=5 {
        if !crew.members.contains_key(&member) {
            crew.join(member).await;
        }
    }
    publish(&rig, &topic, 1).await;
    for member in 1..=5 {
        crew.ack(member, || true);
    }
    crew.work(&[1, 2, 3, 4, 5]).await;
    assert_eq!(crew.settled.len(), (published + 1) * 100, "seed {seed}");
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.in_flight), (0, 0), "seed {seed}");
}

#[tokio::test]
async fn whoever_comes_and_goes_nothing_is_lost_and_no_key_is_with_two() {
    for seed in 0..8 {
        storm(seed).await;
    }
}

#[tokio::test]
async fn what_two_dead_members_had_comes_in_order_of_each_key() {
    for taken in 0..24 {
        let (rig, topic) = shared(Sharing::Group, 1_000).await;
        let mut crew = Crew::new(&rig, &topic);
        for member in 1..=3 {
            crew.join(member).await;
        }
        publish(&rig, &topic, 3).await;
        while crew.take(1).await {}
        crew.kill(1);
        // What is due is looked at in part only; the keys of the second member wait for it.
        for _ in 0..taken {
            crew.take(3).await;
        }
        crew.kill(2);
        while crew.take(3).await {}
        assert_eq!(crew.held.len(), 300, "after {taken}");
    }
}

#[tokio::test]
async fn one_that_stops_acknowledging_holds_back_only_its_own_keys() {
    let (rig, topic) = shared(Sharing::Group, 10).await;
    let mut crew = Crew::new(&rig, &topic);
    for member in 1..=4 {
        crew.join(member).await;
    }
    publish(&rig, &topic, 1).await;
    while crew.take(1).await {}
    let stuck = crew.held.len();
    assert_eq!(stuck, 10, "its window is full");
    publish(&rig, &topic, 40).await;
    crew.work(&[2, 3, 4]).await;
    let others: usize = (2..=4).map(|member| crew.keys[&member].len()).sum();
    assert_eq!(crew.settled.len(), others * 41, "all of the others'");
    // Gone, all of its own comes to them, first what it had.
    crew.kill(1);
    crew.work(&[2, 3, 4]).await;
    assert_eq!(crew.settled.len(), 4_100);
}

#[tokio::test]
async fn keys_move_to_a_newcomer_once_settled_or_after_five_seconds() {
    let (rig, topic) = shared(Sharing::Group, 1_000).await;
    let mut crew = Crew::new(&rig, &topic);
    crew.join(1).await;
    publish(&rig, &topic, 1).await;
    while crew.take(1).await {}
    crew.join(2).await;
    publish(&rig, &topic, 1).await;
    // Of the keys that move the newcomer gets nothing while the other has something of them.
    assert!(!crew.take(2).await);
    let mut half = [true, false].into_iter().cycle();
    crew.ack(1, || half.next().unwrap());
    while crew.take(2).await {}
    let early = crew.keys[&2].len();
    assert!((5..45).contains(&early), "{early}");
    rig.clock.advance(Duration::from_secs(4));
    assert!(!crew.take(2).await);
    rig.clock.advance(Duration::from_secs(1));
    crew.may_fence = true;
    while crew.take(2).await {}
    assert!(crew.keys[&2].len() > early + 5);
    assert!(rig.deliver.stage.recorder.counted(Counter::DeliverFenced) > 0);
    // Too late for the fenced ones, but nobody settles twice or never.
    crew.work(&[2]).await;
    crew.held.retain(|at, _| !crew.settled.contains(at));
    crew.work(&[1, 2]).await;
    assert_eq!(crew.settled.len(), 200);
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 0);
}

#[tokio::test]
async fn a_group_reads_the_log_for_those_that_are_slow() {
    let (rig, topic) = shared(Sharing::Group, 65_536).await;
    publish(&rig, &topic, 300).await;
    let mut crew = Crew::new(&rig, &topic);
    crew.join(1).await;
    crew.join(2).await;
    while crew.take(1).await {}
    // Everything was looked at, and little of it is still in memory.
    crew.work(&[1, 2]).await;
    assert_eq!(crew.settled.len(), 30_000);
}

async fn pull(rig: &Rig, consumer: &str) -> Vec<Pulled> {
    let request = PullRequest { max: 1_000, wait: Duration::ZERO, consumer: consumer.into() };
    rig.deliver.pull(TENANT, "s", request).await.unwrap()
}

#[tokio::test]
async fn pull_consumers_are_members_by_name_until_they_have_rested() {
    let (rig, topic) = shared(Sharing::Group, 1_000).await;
    assert!(pull(&rig, "a").await.is_empty() && pull(&rig, "b").await.is_empty());
    publish(&rig, &topic, 1).await;
    let (of_a, of_b) = (pull(&rig, "a").await.len(), pull(&rig, "b").await.len());
    assert_eq!(of_a + of_b, 100);
    assert!((20..80).contains(&of_a), "{of_a}");
    // With its events in flight b stays a member, until their deadline passes.
    rig.clock.advance(Duration::from_secs(20));
    assert!(pull(&rig, "a").await.is_empty());
    rig.clock.advance(Duration::from_secs(10));
    pull(&rig, "a").await;
    rig.clock.advance(Duration::from_secs(20));
    assert_eq!(pull(&rig, "a").await.len(), 100);
}

#[tokio::test]
async fn a_stand_in_takes_over_at_once_in_the_order_of_coming() {
    let (rig, topic) = shared(Sharing::Failover, 1_000).await;
    let mut first = rig.attach("s").await;
    let mut second = rig.attach("s").await;
    let third = rig.attach("s").await;
    rig.publish(&topic, 0, 5).await;
    assert_eq!(offsets(&next_delivery(&mut first).await), [0, 1, 2, 3, 4]);
    let at = Position {
        topic: topic.id,
        epoch: rig.deliver.stage.log.epoch(),
        partition: tidings_event::PartitionId(0),
        offset: Offset(1),
    };
    first.ack(vec![at], Vec::new());
    assert!(matches!(next(&mut first).await, Outgoing::Confirmed { .. }));
    nothing(&mut second).await;
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.in_flight, status.lag_events), (3, 3));
    drop(third);
    let mut third = rig.attach("s").await;
    let (taken, ()) = tokio::join!(next_delivery(&mut second), async { drop(first) });
    assert_eq!(offsets(&taken), [2, 3, 4]);
    assert_eq!(taken.redelivered, [(Offset(2), 3)]);
    nothing(&mut third).await;
    drop(second);
    assert_eq!(offsets(&next_delivery(&mut third).await), [2, 3, 4]);
}

#[tokio::test]
async fn a_stand_in_may_pull() {
    let (rig, topic) = shared(Sharing::Failover, 1_000).await;
    rig.publish(&topic, 0, 5).await;
    assert_eq!(pull(&rig, "a").await.len(), 5);
    assert!(pull(&rig, "b").await.is_empty(), "it waits");
    let mut stream = rig.attach("s").await;
    nothing(&mut stream).await;
    // The one that pulled lets its deadline pass and does not come again.
    rig.clock.advance(Duration::from_secs(30));
    nothing(&mut stream).await;
    rig.clock.advance(Duration::from_secs(1));
    // All are of one key, and the first failed.
    assert_eq!(offsets(&next_delivery(&mut stream).await), [0]);
    assert!(pull(&rig, "a").await.is_empty(), "it waits now");
}

#[tokio::test]
async fn a_member_that_goes_on_elsewhere_keeps_its_place() {
    let (rig, topic) = shared(Sharing::Failover, 1_000).await;
    let mut first = rig.attach("s").await;
    let mut second = rig.attach("s").await;
    rig.publish(&topic, 0, 2).await;
    next_delivery(&mut first).await;
    let attach = Attach { follows: Some(first.number()), ..Attach::default() };
    let mut again = rig.deliver.attach_with(TENANT, "s", attach).unwrap();
    again.grant(100, 1 << 20);
    assert_eq!(offsets(&next_delivery(&mut again).await), [0, 1]);
    let Outgoing::Closed(refusal) = next(&mut first).await else { panic!() };
    assert_eq!(refusal.code, Code::SessionTaken);
    nothing(&mut second).await;
}
