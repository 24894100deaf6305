//! The end of a simulation: all faults are over, everything is delivered, and what is left is
//! written down.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use prost::Message;
use tidings_catalog::{InternalTopic, Precondition, Subscription};
use tidings_checker::Op;
use tidings_checker::history::{Dead, Name, Phase, Range, Settled, Verdict};
use tidings_deliver::{DeadLetter, SubscriptionStatus};
use tidings_event::block::events;
use tidings_event::{Clock, PartitionId, TopicId, TopicPartition, v1};
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{EmbeddedLog, PartitionLog, StillLog};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use crate::life::{Cast, start};
use crate::node::{Node, TENANT, open_log};
use crate::plan::{KEYS, Plan, filter, instrument};
use crate::subscriber::Subscriber;
use crate::world::World;

/// Within this time everything has to be delivered.
const PATIENCE: Duration = Duration::from_secs(120);

/// The last life. What keeps it from being judged, where something does.
pub(crate) async fn end(
    world: &Arc<World>,
    plan: &Plan,
    cast: &Cast,
    disk: FakeDisk,
) -> Result<(), String> {
    let clock: Arc<dyn Clock> = world.begin_life();
    let mut still = open_log(&disk, Arc::clone(&clock)).map_err(|error| error.to_string())?;
    let log = Arc::clone(still.log());
    world.mark("restart", None);
    let done = tokio::select! {
        biased;
        () = turns(world, &mut still) => Ok(()),
        done = settle(world, plan, cast, (&log, &clock)) => done,
    };
    world.end_life();
    done
}

async fn turns(world: &World, still: &mut StillLog) {
    loop {
        world.pause(200..2_000).await;
        still.step();
    }
}

async fn settle(
    world: &Arc<World>,
    plan: &Plan,
    cast: &Cast,
    (log, clock): (&Arc<EmbeddedLog>, &Arc<dyn Clock>),
) -> Result<(), String> {
    let node = start(world, plan, cast, (log, clock)).await.ok_or("the last start failed")?;
    for subscriber in &cast.subscribers {
        let name = subscriber.name();
        let resumed = node.catalog.set_paused(TENANT, name, false, Precondition::None).await;
        resumed.map_err(|refusal| refusal.to_string())?;
    }
    world.fault("all", Phase::Healed, &[]);
    let mut tasks = JoinSet::new();
    for publisher in &cast.publishers {
        tasks.spawn(Arc::clone(publisher).run(Arc::clone(&node), true));
    }
    for subscriber in &cast.subscribers {
        for member in 0..subscriber.plan.members {
            let (subscriber, node) = (Arc::clone(subscriber), Arc::clone(&node));
            tasks.spawn(subscriber.consume(member, node, true));
        }
    }
    let is_quiet = Timer.limit(PATIENCE, quiet(&node, cast)).await.is_ok();
    world.count("ends that were not quiet", u64::from(!is_quiet));
    // What is on its way arrives.
    Timer.after(Duration::from_secs(2)).await;
    world.mark("quiesced", None);
    letters(&node, cast).await?;
    verdicts(&node, cast)?;
    let snapshot = node.catalog.snapshot();
    tasks.abort_all();
    node.admission.close().await;
    node.deliver.close().await;
    let subscriptions: Vec<_> = snapshot.subscriptions().cloned().collect();
    settlements(&node, world, &subscriptions).await
}

/// Until everything is published and settled.
async fn quiet(node: &Node, cast: &Cast) {
    let is_settled = |subscriber: &Arc<Subscriber>| {
        let status = node.deliver.status(TENANT, subscriber.name());
        status
            .is_ok_and(|status: SubscriptionStatus| status.lag_events == 0 && status.in_flight == 0)
    };
    while !(cast.publishers.iter().all(|publisher| publisher.is_done())
        && cast.subscribers.iter().all(is_settled))
    {
        Timer.after(Duration::from_millis(50)).await;
    }
}

/// Writes the dead letters down.
async fn letters(node: &Node, cast: &Cast) -> Result<(), String> {
    for subscriber in &cast.subscribers {
        let name = subscriber.name();
        let listed = node.deliver.dead_letters(TENANT, name, None, 10_000).await;
        let listed: Vec<DeadLetter> = listed.map_err(|refusal| refusal.to_string())?;
        subscriber.world.count("dead letters", listed.len() as u64);
        for letter in listed {
            subscriber.record(Op::Dead(Dead {
                subscription: name.into(),
                topic: node.path(letter.position.topic).into(),
                partition: letter.position.partition.0,
                offset: letter.position.offset.0,
            }));
        }
        subscriber.world.mark("drained", Some(name));
    }
    Ok(())
}

/// Says which subscriptions select what was in the log, the slow and obvious way.
fn verdicts(node: &Node, cast: &Cast) -> Result<(), String> {
    let snapshot = node.catalog.snapshot();
    let mut subscriptions = Vec::new();
    for subscriber in &cast.subscribers {
        let there = snapshot.subscription(TENANT, subscriber.name()).ok_or("it is not there")?;
        subscriptions.push((Arc::clone(subscriber), Arc::clone(there)));
    }
    let topics: BTreeMap<&str, TopicId> =
        snapshot.topics(TENANT).map(|topic| (topic.name.path(), topic.id)).collect();
    let world = &cast.subscribers[0].world;
    for (event, key, topic, number, offset) in world.placed() {
        let topic = *topics.get(topic.as_str()).ok_or("a topic is not there")?;
        let place = TopicPartition { topic, partition: PartitionId(number) };
        let selects = |(subscriber, there): &&(Arc<Subscriber>, Arc<Subscription>)| {
            selects(subscriber, there, (place, offset), &key)
        };
        let (selected, left_out): (Vec<_>, Vec<_>) = subscriptions.iter().partition(selects);
        let names = |those: Vec<&(Arc<Subscriber>, _)>| -> Vec<Name> {
            those.iter().map(|(subscriber, _)| subscriber.name().into()).collect()
        };
        let (selected_by, left_out_by) = (names(selected), names(left_out));
        world.record("world", Op::Verdict(Verdict { event, selected_by, left_out_by }));
    }
    Ok(())
}

/// Whether a subscription's filter in force at a place selects an instrument.
fn selects(
    subscriber: &Subscriber,
    there: &Subscription,
    (place, offset): (TopicPartition, u64),
    of: &str,
) -> bool {
    let begins = |revision: &&tidings_catalog::Revision| {
        revision.number == 1
            || revision.boundary.get(place).is_none_or(|boundary| boundary.0 <= offset)
    };
    let Some(revision) = there.revisions.iter().rev().find(begins) else { return true };
    let filters = subscriber.filters.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(keys) = filters.iter().find(|&&keys| filter(keys) == revision.filter) else {
        return true;
    };
    (0..KEYS).any(|key| keys >> key & 1 == 1 && instrument(key) == of)
}

/// Everything that a partition has.
async fn read(node: &Node, place: TopicPartition) -> Result<Vec<(u64, bytes::Bytes)>, String> {
    let mut all = Vec::new();
    let mut from = node.log.bounds(place).map_err(|error| error.to_string())?.trim;
    loop {
        let blocks = node.log.read(place, from, 1 << 20).await.map_err(|e| e.to_string())?;
        let Some(last) = blocks.last() else { return Ok(all) };
        from = last.end_offset();
        for committed in &blocks {
            let body = &committed.block.body;
            let first = committed.block.header.base_offset.0;
            let items = events(body).map_while(Result::ok).map(|event| body.slice_ref(event));
            all.extend((first..).zip(items));
        }
    }
}

/// Writes down how deliveries ended.
async fn settlements(
    node: &Node,
    world: &World,
    subscriptions: &[Arc<Subscription>],
) -> Result<(), String> {
    let names: BTreeMap<u64, &str> =
        subscriptions.iter().map(|there| (there.id.0, there.spec.name.as_str())).collect();
    for number in 0..InternalTopic::SETTLEMENTS.partitions {
        let place = InternalTopic::SETTLEMENTS.about(PartitionId(number));
        for (_, message) in read(node, place).await? {
            let settlement = v1::Settlement::decode(message).map_err(|error| error.to_string())?;
            let Some(&name) = names.get(&settlement.subscription_id) else { continue };
            world.count("settlements", 1);
            let range = Range {
                subscription: name.into(),
                topic: node.path(TopicId(settlement.topic_id)).into(),
                partition: settlement.partition,
                first: settlement.first,
                last: settlement.last,
            };
            let outcome = settlement.outcome().as_str_name().into();
            let count = settlement.count;
            world.record("world", Op::Settled(Settled { range, count, outcome }));
        }
    }
    Ok(())
}
