//! One simulation: a seed in, a history out.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tidings_checker::{History, Op};
use tidings_log::fake_disk::FakeDisk;
use tokio::runtime::{Builder, Runtime};

use crate::end;
use crate::life::{self, Cast};
use crate::plan::Plan;
use crate::publisher::Publisher;
use crate::subscriber::Subscriber;
use crate::world::World;

/// What a simulation came to.
pub(crate) struct Outcome {
    pub(crate) history: History,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Why it did not come to its end.
    pub(crate) broken: Option<String>,
}

/// A machine that is switched on: one thread, and time that passes when nobody has anything to do.
fn machine() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

/// Runs a seed.
///
/// # Errors
/// When the system gives no runtime.
pub(crate) fn run(seed: u64) -> io::Result<Outcome> {
    let world = World::new(seed);
    let plan = world.draw(Plan::draw);
    world.record("world", Op::Run { seed });
    let publishers = plan.publishers.iter();
    let subscriptions = plan.subscriptions.iter();
    let cast = Cast {
        publishers: publishers
            .map(|publisher| Publisher::new(publisher.clone(), &plan.topics, &world))
            .collect(),
        subscribers: subscriptions
            .map(|subscription| Subscriber::new(subscription.clone(), &world))
            .collect(),
    };
    let mut disk = FakeDisk::new();
    for life in &plan.lives {
        // Everybody who is there ends with the machine, without another step.
        disk = machine()?.block_on(life::live(&world, &plan, &cast, life, disk));
    }
    let broken = machine()?.block_on(end::end(&world, &plan, &cast, disk)).err();
    let (history, counts) = Arc::clone(&world).end();
    Ok(Outcome { history, counts, broken })
}
