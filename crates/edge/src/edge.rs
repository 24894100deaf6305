//! The edges of a service: each a task that attaches to its subscription and mirrors what comes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_catalog::Catalog;
use tidings_deliver::{Attach, Deliver};
use tidings_event::topic_name::DEFAULT_TENANT;
use tidings_event::{Clock, Code, Epoch, TopicPartition};
use tidings_telemetry::{Gauge, Recorder, Timer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cluster::{Cluster, Schema};
use crate::pump::Pump;
use crate::schema::schema;
use crate::settings::EdgeSettings;
use crate::subscription::declare;

/// The name by which an edge consumes.
const CONSUMER: &str = "edge";
/// Between two tries: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What edges stand on.
#[derive(Clone)]
pub struct EdgesParts {
    /// Where their subscriptions are defined.
    pub catalog: Arc<Catalog>,
    /// Where they are served.
    pub deliver: Arc<Deliver>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counts and times.
    pub recorder: Arc<Recorder>,
    /// The log's: offsets of another one are others.
    pub epoch: Epoch,
}

/// Edges at work.
pub struct Edges {
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// One of them.
pub(crate) struct Edge {
    pub(crate) settings: EdgeSettings,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) schema: Schema,
    pub(crate) epoch: Epoch,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    /// Between two tries: the first, and the longest.
    pub(crate) retry: (Duration, Duration),
    /// Whether it is counted among those that wait.
    pub(crate) is_stopped: AtomicBool,
}

impl Edges {
    /// Starts them. Nothing here waits for another system: an edge whose broker is not there waits by itself.
    #[must_use]
    pub fn open(parts: &EdgesParts, edges: Vec<(EdgeSettings, Arc<dyn Cluster>)>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        for (settings, cluster) in edges {
            let edge = Edge::new(settings, cluster, parts);
            let (parts, stop) = (parts.clone(), stop.clone());
            tasks.spawn(async move { edge.run(&parts, &stop).await });
        }
        Self { tasks, stop }
    }

    /// Stops taking events, and waits for the receipts of those under way, for a while.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl fmt::Debug for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edges").field("running", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Edge {
    pub(crate) fn new(
        settings: EdgeSettings,
        cluster: Arc<dyn Cluster>,
        parts: &EdgesParts,
    ) -> Self {
        Self {
            schema: schema(settings.form),
            settings,
            cluster,
            epoch: parts.epoch,
            clock: Arc::clone(&parts.clock),
            recorder: Arc::clone(&parts.recorder),
            retry: RETRY,
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Mirrors until it is told to stop, or its subscription is deleted.
    async fn run(self, parts: &EdgesParts, stop: &CancellationToken) {
        tokio::select! {
            // What was begun of a change goes on without it.
            () = stop.cancelled() => {}
            () = self.declared(&parts.catalog) => self.attached(&parts.deliver, stop).await,
        }
        self.show(false);
        self.cluster.closed().await;
    }

    /// Has its subscription be as it is declared, as soon as that can be.
    async fn declared(&self, catalog: &Catalog) {
        self.show(true);
        while let Err(refusal) = declare(catalog, &self.settings).await {
            let edge = &self.settings.name;
            tracing::warn!(edge, %refusal, "cannot declare its subscription: tries again");
            Timer.after(self.retry.1).await;
        }
    }

    /// Consumes its subscription.
    async fn attached(&self, deliver: &Deliver, stop: &CancellationToken) {
        let (edge, subscription) = (&self.settings.name, self.settings.subscription());
        loop {
            let consumer = CONSUMER.to_owned();
            let attach = Attach { consumer, ..Attach::default() };
            let refusal = match deliver.attach_with(DEFAULT_TENANT, &subscription, attach) {
                Ok(mut session) => match Pump::new(self).run(&mut session, stop).await {
                    Ok(()) => return,
                    Err(refusal) => refusal,
                },
                Err(refusal) => refusal,
            };
            self.show(true);
            if stop.is_cancelled() {
                return;
            }
            if matches!(refusal.code, Code::SubscriptionGone | Code::SubscriptionUnknown) {
                tracing::error!(
                    edge,
                    "its subscription was deleted: it mirrors nothing until a restart, which makes it anew"
                );
                return stop.cancelled().await;
            }
            tracing::warn!(edge, %refusal, "is not attached to its subscription: tries again");
            tokio::select! {
                () = stop.cancelled() => return,
                () = Timer.after(self.retry.1) => {}
            }
        }
    }

    /// The name of the producer of a partition: the same after every restart.
    pub(crate) fn producer(&self, at: TopicPartition) -> String {
        let (name, epoch) = (&self.settings.name, self.epoch.0);
        format!("tidings.edge.{name}.{}-{epoch}-{}", at.topic.0, at.partition.0)
    }

    /// Whether events wait for something that is not there.
    pub(crate) fn show(&self, is_stopped: bool) {
        let was = self.is_stopped.swap(is_stopped, Ordering::AcqRel);
        let by = i64::from(is_stopped) - i64::from(was);
        self.recorder.shift(Gauge::EdgeStopped, by);
    }
}
