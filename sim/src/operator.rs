//! An operator: pauses, filters, seeks and redrives while everything goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidings_catalog::{Precondition, Start};
use tidings_checker::Op;
use tidings_checker::history::Range;
use tidings_deliver::Selection;
use tidings_event::{Offset, Position};

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
    let is_latest = to == Start::Latest;
    world.mark("sought", Some(name));
    let reached = node.deliver.seek(TENANT, name, to).await;
    world.mark("sought", Some(name));
    if let Ok(positions) = reached {
        world.count("seeks", 1);
        for position in positions.iter().filter(|position| is_latest && position.offset.0 > 0) {
            subscriber.record(passed(node, name, position));
        }
    }
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

/// What a seek to the end left out.
fn passed(node: &Node, name: &str, position: &Position) -> Op {
    Op::Gap(Range {
        subscription: name.into(),
        topic: node.path(position.topic).into(),
        partition: position.partition.0,
        first: 0,
        last: position.offset.0 - 1,
    })
}
