//! Subscriptions and those who consume them.

mod pull;
mod stream;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_catalog::{Precondition, Sharing};
use tidings_checker::Op;
use tidings_checker::history::{self, Place, Range};
use tidings_deliver::{GapNotice, Run};
use tidings_event::Refusal;

use crate::node::{Node, TENANT};
use crate::plan::{SubscriptionPlan, filter};
use crate::world::World;

/// A subscription, and what outlives its consumers.
pub(crate) struct Subscriber {
    pub(crate) plan: SubscriptionPlan,
    pub(crate) world: Arc<World>,
    /// Whether the history has it.
    is_known: AtomicBool,
    /// Whether consumers are to go and stay away.
    pub(crate) is_held: AtomicBool,
    /// Consumers that are there.
    pub(crate) present: AtomicU64,
    /// Every set of instruments that its filter ever selected.
    pub(crate) filters: Mutex<Vec<u64>>,
}

impl Subscriber {
    pub(crate) fn new(plan: SubscriptionPlan, world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            filters: Mutex::new(vec![plan.keys]),
            plan,
            world: Arc::clone(world),
            is_known: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            present: AtomicU64::new(0),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.plan.name
    }

    /// Sees to it that the service has it.
    pub(crate) async fn ensure(&self, node: &Node) -> Result<(), Refusal> {
        let snapshot = node.catalog.snapshot();
        let made = match snapshot.subscription(TENANT, self.name()) {
            Some(there) => Arc::clone(there),
            None => node.catalog.create_subscription(TENANT, self.plan.spec()).await?.into_inner(),
        };
        if self.is_known.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let start = made.boundary.iter().map(|(at, offset)| Place {
            topic: node.path(at.topic).into(),
            partition: at.partition.0,
            offset: offset.0,
        });
        self.record(Op::Subscription(history::Subscription {
            subscription: self.name().into(),
            topics: vec![self.plan.pattern.into()],
            start: start.collect(),
            ordered: self.plan.mode == tidings_catalog::Mode::Ordered,
            tenant: Some(TENANT.into()),
        }));
        Ok(())
    }

    /// Has the filter select other instruments.
    pub(crate) async fn select(&self, node: &Node, keys: u64) -> Result<(), Refusal> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner).push(keys);
        let change = move |spec: &tidings_catalog::SubscriptionSpec| {
            Ok(tidings_catalog::SubscriptionSpec { filter: filter(keys), ..spec.clone() })
        };
        let changed =
            node.catalog.update_subscription(TENANT, self.name(), change, Precondition::None);
        changed.await.map(|_| ())
    }

    /// Consumes it until the future is dropped.
    pub(crate) async fn consume(self: Arc<Self>, member: u64, node: Arc<Node>, is_sound: bool) {
        let consumer = format!("{}-{member}", self.name());
        loop {
            self.world.pause(500..30_000).await;
            if self.is_held.load(Ordering::Relaxed) {
                continue;
            }
            self.present.fetch_add(1, Ordering::Relaxed);
            self.mark("reconnect");
            let is_group = self.plan.sharing == Sharing::Group && self.plan.members > 1;
            self.world.count("group moves", u64::from(is_group));
            if self.plan.is_pulled {
                pull::consume(&self, &node, &consumer, is_sound).await;
            } else {
                stream::consume(&self, &node, &consumer, is_sound).await;
            }
            self.mark("reconnect");
            self.present.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn mark(&self, what: &str) {
        self.world.mark(what, Some(self.name()));
    }

    pub(crate) fn record(&self, op: Op) {
        self.world.record(self.name(), op);
    }

    fn range(&self, node: &Node, run: &Run) -> Range {
        Range {
            subscription: self.name().into(),
            topic: node.path(run.topic).into(),
            partition: run.partition.0,
            first: run.first.0,
            last: run.last.0,
        }
    }

    fn gap(&self, notice: &GapNotice) {
        self.world.count("gaps", 1);
        self.record(Op::Gap(Range {
            subscription: self.name().into(),
            topic: notice.topic.name.path().into(),
            partition: notice.partition.0,
            first: notice.from.0,
            last: notice.to.0,
        }));
    }

    /// What a consumer makes of an event.
    fn judge(&self, number: u64, is_sound: bool) -> bool {
        let refused = self.plan.refuses(number) || (!is_sound && self.world.one_in(40));
        !refused
    }
}
