//! A consumer that asks for events, and acknowledges them by their ids.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_checker::Op;
use tidings_deliver::{AckId, AckRequest, AckState, PullRequest, Pulled, Run};

use super::Subscriber;
use crate::network::{self, Cut};
use crate::node::{Node, TENANT};

pub(super) async fn consume(
    subscriber: &Arc<Subscriber>,
    node: &Arc<Node>,
    name: &str,
    is_sound: bool,
) {
    loop {
        if subscriber.is_held.load(Ordering::Relaxed) {
            return;
        }
        if round(subscriber, node, name, is_sound).await.is_err() {
            return;
        }
    }
}

/// Asks, takes, answers.
async fn round(
    subscriber: &Subscriber,
    node: &Node,
    name: &str,
    is_sound: bool,
) -> Result<(), Cut> {
    let world = &subscriber.world;
    network::trip(world, is_sound).await?;
    let request = PullRequest {
        max: u32::try_from(world.number(1..20)).unwrap_or(1),
        wait: Duration::from_millis(world.number(0..40)),
        consumer: name.to_owned(),
    };
    let pulled = node.deliver.pull(TENANT, subscriber.name(), request).await;
    // As on a stream: a gap is not told again when its answer gets lost.
    let gaps = pulled.iter().flatten().filter_map(|pulled| match pulled {
        Pulled::Gap(notice) => Some(notice),
        Pulled::Event(_) => None,
    });
    gaps.for_each(|notice| subscriber.gap(notice));
    if let Err(cut) = network::trip(world, is_sound).await {
        // What it carried waits for its deadline; what is behind that comes first.
        subscriber.mark("lost");
        return Err(cut);
    }
    let Ok(pulled) = pulled else { return Err(Cut) };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for pulled in &pulled {
        match pulled {
            Pulled::Gap(_) => {}
            Pulled::Event(event) => {
                let at =
                    (event.topic.name.path(), event.position.partition.0, event.position.offset.0);
                let again = event.redelivered || event.redriven;
                world.count("deliveries", 1);
                world.count("redeliveries", u64::from(again || event.attempt > 1));
                world.count("redriven", u64::from(event.redriven));
                let number = subscriber.delivered(name, at, &event.event, (event.attempt, again));
                let side = if subscriber.judge(number, is_sound) { &mut good } else { &mut bad };
                side.push(event.ack_id);
            }
        }
    }
    if !is_sound && world.one_in(15) {
        // Their deadline passes.
        world.count("consumers stalled", 1);
        world.mark("deadline", Some(subscriber.name()));
        world.pause(900_000..1_300_000).await;
    }
    give_back(subscriber, node, bad, is_sound).await?;
    acknowledge(subscriber, node, good, is_sound).await
}

async fn give_back(
    subscriber: &Subscriber,
    node: &Node,
    bad: Vec<AckId>,
    is_sound: bool,
) -> Result<(), Cut> {
    if bad.is_empty() {
        return Ok(());
    }
    let range = |id: &AckId| subscriber.range(node, &Run::of(id.position()));
    bad.iter().for_each(|id| subscriber.record(Op::Nack(range(id))));
    subscriber.world.count("events given back", bad.len() as u64);
    network::trip(&subscriber.world, is_sound).await?;
    let answer = node.deliver.nack(TENANT, subscriber.name(), bad, Duration::ZERO).await;
    network::trip(&subscriber.world, is_sound).await?;
    for (id, state) in answer.unwrap_or_default() {
        if state == AckState::Confirmed {
            subscriber.record(Op::Gate(range(&id)));
        }
    }
    Ok(())
}

async fn acknowledge(
    subscriber: &Subscriber,
    node: &Node,
    good: Vec<AckId>,
    is_sound: bool,
) -> Result<(), Cut> {
    if good.is_empty() {
        return Ok(());
    }
    network::trip(&subscriber.world, is_sound).await?;
    let request = AckRequest { up_to: Vec::new(), ack_ids: good };
    let answer = node.deliver.ack(TENANT, subscriber.name(), request).await;
    network::trip(&subscriber.world, is_sound).await?;
    for (id, state) in answer.unwrap_or_default() {
        if state == AckState::Confirmed {
            subscriber.record(Op::Ack(subscriber.range(node, &Run::of(id.position()))));
        }
    }
    Ok(())
}
