//! An operator: pauses, filters, seeks and redrives while everything goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidings_catalog::{Precondition, Start};
use tidings_checker::Op;
use tidings_checker::history::Range;
use tidings_deliver::Selection;
use tidings_event::{Code, Offset, Position};
use tidings_log::PartitionLog;

use crate::node::{Node, TENANT};
use crate::plan::KEYS;
use crate::subscriber::Subscriber;
use crate::world::World;

/// Does something every now and then, until the future is dropped.
pub(crate) async fn operate(node: Arc<Node>, subscribers: Vec<Arc<Subscriber>>, world: Arc<World>) {
    loop {
        world.pause(20_000..300_000).await;
        let subscriber = &subscribers[world.number(0..subscribers.len() as u64) as usize];
        let name = subscriber.name();
        match world.number(0..8) {
            0 => pause(&node, subscriber, &world).await,
            1 | 2 => {
                let keys = world.number(1..1 << KEYS);
                let changed = subscriber.select(&node, keys).await.is_ok();
                world.count("filters changed", u64::from(changed));
            }
            3 => seek(&node, subscriber).await,
            _ => {
                world.mark("redriven", Some(name));
                let chosen = node.deliver.redrive(TENANT, name, Selection::All).await;
                world.count("letters sent again", chosen.map_or(0, |chosen| chosen.letters));
                world.mark("redriven", Some(name));
            }
        }
    }
}

async fn pause(node: &Node, subscriber: &Subscriber, world: &World) {
    let set = |is_paused| {
        node.catalog.set_paused(TENANT, subscriber.name(), is_paused, Precondition::None)
    };
    let paused = set(true).await.is_ok();
    world.count("pauses", u64::from(paused));
    world.pause(10_000..200_000).await;
    // Where the log refuses, the end of the simulation does it.
    let _resumed = set(false).await;
}

/// Moves a subscription once nobody consumes it.
async fn seek(node: &Node, subscriber: &Subscriber) {
    let (name, world) = (subscriber.name(), &subscriber.world);
    subscriber.is_held.store(true, Ordering::Relaxed);
    while subscriber.present.load(Ordering::Relaxed) > 0 {
        world.pause(1_000..5_000).await;
    }
    let to = match world.number(0..4) {
        0 => Start::Latest,
        1 => Start::Earliest,
        _ => back(node, subscriber),
    };
    world.mark("sought", Some(name));
    let mut leap = Leap { node, subscriber, is_open: to == Start::Latest };
    let reached = node.deliver.seek(TENANT, name, to).await;
    world.mark("sought", Some(name));
    match reached {
        Ok(positions) => {
            world.count("seeks", 1);
            if std::mem::take(&mut leap.is_open) {
                leap.passed(&positions);
            }
        }
        Err(refusal) => leap.is_open &= refusal.code == Code::UnknownOutcome,
    }
    drop(leap);
    subscriber.is_held.store(false, Ordering::Relaxed);
}

/// Somewhat before where it is.
fn back(node: &Node, subscriber: &Subscriber) -> Start {
    let Ok(status) = node.deliver.status(TENANT, subscriber.name()) else { return Start::Earliest };
    let world = &subscriber.world;
    let back = |position: Position| {
        let offset = position.offset.0.saturating_sub(world.number(0..20));
        Position { offset: Offset(offset), ..position }
    };
    Start::Positions(status.low_water.into_iter().map(back).collect())
}

/// A seek to the end. Where nobody hears of its outcome, it may have left out all that was durable.
struct Leap<'a> {
    node: &'a Node,
    subscriber: &'a Subscriber,
    is_open: bool,
}

impl Leap<'_> {
    /// Says what it left out.
    fn passed(&self, reached: &[Position]) {
        let name = self.subscriber.name();
        for position in reached.iter().filter(|position| position.offset.0 > 0) {
            self.subscriber.record(Op::Gap(Range {
                subscription: name.into(),
                topic: self.node.path(position.topic).into(),
                partition: position.partition.0,
                first: 0,
                last: position.offset.0 - 1,
            }));
        }
    }
}

impl Drop for Leap<'_> {
    fn drop(&mut self) {
        let Ok(status) = self.node.deliver.status(TENANT, self.subscriber.name()) else { return };
        let tail = |at: Position| {
            let bounds = self.node.log.bounds(at.topic_partition()).ok()?;
            Some(Position { offset: bounds.durable_tail, ..at })
        };
        if self.is_open {
            let tails: Vec<_> = status.low_water.into_iter().filter_map(tail).collect();
            self.passed(&tails);
        }
    }
}
