//! One life of the service: from its start on a disk to its end, which leaves another disk.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_checker::history::Phase;
use tidings_event::{Clock, TopicName};
use tidings_log::fake_disk::{EIO, FakeDisk};
use tidings_log::{EmbeddedLog, Journal, PartitionLog, StillLog};
use tokio::task::JoinSet;

use crate::node::{Node, open_log};
use crate::operator;
use crate::plan::{Doom, Life, Plan};
use crate::publisher::Publisher;
use crate::subscriber::Subscriber;
use crate::torn::is_torn;
use crate::world::World;

/// Who uses the service, over all its lives.
pub(crate) struct Cast {
    pub(crate) publishers: Vec<Arc<Publisher>>,
    pub(crate) subscribers: Vec<Arc<Subscriber>>,
}

/// A stop takes no longer.
const STOPPING: Duration = Duration::from_secs(20);

/// What the journals' writers do, and when power goes.
struct Machine<'a> {
    world: &'a World,
    plan: &'a Plan,
    life: &'a Life,
    disk: &'a FakeDisk,
    still: &'a mut StillLog,
    clock: Arc<dyn Clock>,
    /// Writes until the power goes.
    writes_left: u64,
    failed: BTreeSet<&'static str>,
}

const JOURNALS: [(Journal, &str); 4] = [
    (Journal::State, "state"),
    (Journal::Short, "short"),
    (Journal::Medium, "medium"),
    (Journal::Long, "long"),
];

/// Lives until its doom; what is on the disk then.
pub(crate) async fn live(
    world: &Arc<World>,
    plan: &Plan,
    cast: &Cast,
    life: &Life,
    disk: FakeDisk,
) -> FakeDisk {
    let clock: Arc<dyn Clock> = world.begin_life();
    if let Some((call, before)) = life.failing {
        disk.fail(call, before, EIO);
    }
    let left = match open_log(&disk, Arc::clone(&clock)) {
        Err(_) => {
            world.count("starts that an I/O error ended", 1);
            world.fault("start", Phase::Fired, &[]);
            world.mark("crash", None);
            disk.copy()
        }
        Ok(mut still) => {
            recovered(world);
            let log = Arc::clone(still.log());
            let mut machine = Machine {
                world,
                plan,
                life,
                disk: &disk,
                still: &mut still,
                clock: Arc::clone(&clock),
                writes_left: match life.doom {
                    Doom::PowerInWrite(writes) => writes,
                    _ => u64::MAX,
                },
                failed: BTreeSet::new(),
            };
            let left = tokio::select! {
                biased;
                left = machine.run() => Some(left),
                () = serve(world, plan, cast, life, (&log, &clock)) => None,
            };
            left.unwrap_or_else(|| {
                world.count("clean stops", 1);
                world.mark("crash", None);
                still.close();
                disk.copy()
            })
        }
    };
    world.end_life();
    left
}

fn recovered(world: &World) {
    world.count("starts", 1);
    world.mark("restart", None);
}

impl Machine<'_> {
    /// Gives the writers their turns until power goes, or the process is killed.
    async fn run(&mut self) -> FakeDisk {
        let mut jump = self.life.jump;
        loop {
            self.world.pause(100..2_500).await;
            if let Some(left) = self.turn() {
                return left;
            }
            self.tell_failures();
            let lived = self.clock.monotonic();
            if lived > self.life.lasts / 2
                && let Some(by) = jump.take()
            {
                self.world.fault("clock", Phase::Fired, &[]);
                self.world.count("clock jumps", 1);
                self.world.jump(by);
            }
            if lived > self.life.lasts {
                match self.life.doom {
                    Doom::Power | Doom::PowerInWrite(_) => {
                        self.world.count("power cuts between writes", 1);
                        self.world.mark("crash", None);
                        return self.world.draw(|random| self.disk.crash(random));
                    }
                    Doom::Kill => {
                        self.world.count("kills", 1);
                        self.world.mark("crash", None);
                        return self.disk.copy();
                    }
                    // It met an error on its way up, and there is nothing to stop.
                    Doom::Stop if lived > self.life.lasts + STOPPING => {
                        self.world.count("starts that an I/O error ended", 1);
                        self.world.mark("crash", None);
                        return self.disk.copy();
                    }
                    Doom::Stop => {}
                }
            }
        }
    }

    /// Lets every journal write; the disk that is left when power goes meanwhile.
    fn turn(&mut self) -> Option<FakeDisk> {
        let before = self.disk.operations();
        let files = if self.writes_left == 1 { self.disk.files() } else { Vec::new() };
        if !self.still.step() {
            return None;
        }
        self.writes_left = self.writes_left.saturating_sub(1);
        (self.writes_left == 0).then(|| self.power_cut(before, &files))
    }

    /// Power goes at a moment of what was just done; nobody has heard of it yet.
    fn power_cut(&self, before: usize, files: &[(PathBuf, u64)]) -> FakeDisk {
        let after = self.disk.operations();
        let moment = self.world.number(before as u64..after as u64 + 1) as usize;
        let mut history = self.disk.explore();
        while history.done() < moment && history.step().is_some() {}
        self.world.count("power cuts in writes", u64::from(moment < after));
        self.world.count("power cuts before answers", u64::from(moment == after));
        self.world.mark("crash", None);
        let left = self.world.draw(|random| history.crash(random));
        self.world.count("torn tails", u64::from(is_torn(files, self.disk, &left)));
        left
    }

    /// Writes down which journals have met an error.
    fn tell_failures(&mut self) {
        let Err(reason) = self.still.log().health() else { return };
        for (journal, name) in JOURNALS {
            if reason.starts_with(&format!("journal {name} ")) && self.failed.insert(name) {
                let topics = self.plan.topics.iter().filter(|topic| topic.journal == journal);
                let silenced: Vec<_> = topics.map(|topic| topic.path).collect();
                self.world.count("journals that met an I/O error", 1);
                self.world.fault("eio", Phase::Fired, &silenced);
            }
        }
    }
}

/// The service and all who use it, until it is stopped.
async fn serve(
    world: &Arc<World>,
    plan: &Plan,
    cast: &Cast,
    life: &Life,
    (log, clock): (&Arc<EmbeddedLog>, &Arc<dyn Clock>),
) {
    let Some(node) = start(world, plan, cast, (log, clock)).await else {
        // It met an I/O error, and waits for its end.
        return std::future::pending().await;
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&node).keep(Arc::clone(world)));
    for publisher in &cast.publishers {
        tasks.spawn(Arc::clone(publisher).run(Arc::clone(&node), false));
    }
    for subscriber in &cast.subscribers {
        for member in 0..subscriber.plan.members {
            let (subscriber, node) = (Arc::clone(subscriber), Arc::clone(&node));
            tasks.spawn(subscriber.consume(member, node, false));
        }
    }
    tasks.spawn(operator::operate(Arc::clone(&node), cast.subscribers.clone(), Arc::clone(world)));
    while clock.monotonic() < life.lasts || life.doom != Doom::Stop {
        world.pause(10_000..20_000).await;
    }
    node.close().await;
    tasks.abort_all();
}

/// Starts the service and sees to it that it has what the simulation needs; `None` when its log
/// fails on the way.
pub(crate) async fn start(
    world: &Arc<World>,
    plan: &Plan,
    cast: &Cast,
    (log, clock): (&Arc<EmbeddedLog>, &Arc<dyn Clock>),
) -> Option<Arc<Node>> {
    let seed = world.number(0..u64::MAX);
    let node = match Node::open(Arc::clone(log), Arc::clone(clock), seed).await {
        Ok(node) => node,
        Err(_) => return None,
    };
    for topic in &plan.topics {
        let name = TopicName::default_tenant(topic.path).ok()?;
        node.catalog.put_topic(name, topic.request()).await.ok()?;
    }
    for subscriber in &cast.subscribers {
        subscriber.present.store(0, std::sync::atomic::Ordering::Relaxed);
        subscriber.is_held.store(false, std::sync::atomic::Ordering::Relaxed);
        subscriber.ensure(&node).await.ok()?;
    }
    Some(node)
}
