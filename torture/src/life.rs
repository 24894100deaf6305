//! One life of the service in which something is done to it, while producers publish and every kind of
//! subscription is consumed.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidings_e2e::mixed::{Load, attach};
use tidings_e2e::{Ended, Server, soon};
use tidings_telemetry::Timer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::failure::TortureError;
use crate::stage::{Stage, ended};

/// Between a refusal and the next try of a producer.
const PAUSE: Duration = Duration::from_millis(20);

/// How many journals an I/O error has made read-only.
const READ_ONLY: &str = "tidings_log_read_only_journals ";

/// The service and its consumers.
pub(crate) struct Life<'s> {
    stage: &'s Stage,
    server: Server,
    members: JoinSet<()>,
    acknowledged: Vec<watch::Receiver<u64>>,
    attached: u64,
}

impl<'s> Life<'s> {
    /// Everybody attaches to a service.
    pub(crate) fn of(stage: &'s Stage, server: Server, loads: &[Load]) -> Self {
        let acknowledged = loads.iter().map(Load::acknowledged).collect();
        let mut life = Self { stage, server, members: JoinSet::new(), acknowledged, attached: 0 };
        life.attach();
        life
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    fn attach(&mut self) {
        let seed = self.stage.seed.wrapping_mul(1000) + self.attached;
        self.attached += 1;
        self.members = attach(&self.server, seed, &self.stage.chronicle);
    }

    /// All consumers leave with what they have in their hands.
    async fn leave(&mut self) {
        self.stage.chronicle.mark("reconnect", None);
        self.members.abort_all();
        ended(std::mem::take(&mut self.members)).await;
        self.stage.chronicle.mark("reconnect", None);
    }

    /// All consumers leave and others come: some may have been told of the trouble and have gone.
    pub(crate) async fn reattach(&mut self) {
        self.leave().await;
        self.attach();
    }

    /// Whether some consumer has gone by itself.
    pub(crate) fn has_lost_a_member(&mut self) -> bool {
        self.members.try_join_next().is_some()
    }

    /// Waits until so many more events of each producer are acknowledged.
    pub(crate) async fn advance(&mut self, events: u64) {
        for acknowledged in &mut self.acknowledged {
            let wanted = *acknowledged.borrow() + events;
            let reached =
                soon("events to be acknowledged", acknowledged.wait_for(|n| *n >= wanted));
            // Its load is there for as long as the life is.
            let _there = reached.await.is_ok();
        }
    }

    /// How many journals are read-only.
    pub(crate) async fn read_only_journals(&self) -> Result<u64, TortureError> {
        let client = self.server.client().await;
        let metrics = client.rest().get("/metrics").await?;
        let text = String::from_utf8_lossy(&metrics);
        let value = text.lines().find_map(|line| line.strip_prefix(READ_ONLY));
        Ok(value.and_then(|value| value.trim().parse().ok()).unwrap_or(0))
    }

    /// kill -9.
    pub(crate) async fn kill(self) {
        self.server.kill();
        soon("the members to end", ended(self.members)).await;
        self.stage.chronicle.mark("crash", None);
    }

    /// kill -9, unless it is dead already: how it died.
    pub(crate) async fn kill_or_ended(self) -> Option<Ended> {
        let died = self.server.kill_or_ended();
        soon("the members to end", ended(self.members)).await;
        self.stage.chronicle.mark("crash", None);
        died
    }

    /// SIGTERM, and how it ended; something else happens meanwhile.
    pub(crate) async fn stop(
        mut self,
        meanwhile: impl Future<Output = ()>,
    ) -> std::io::Result<Ended> {
        // It would let go of them one after the other, with nobody to say when.
        self.leave().await;
        let pid = i32::try_from(self.server.pid()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| std::io::Error::other("no such process"))?;
        kill_process(pid, Signal::TERM)?;
        let server = self.server;
        let waiting = tokio::task::spawn_blocking(move || server.wait());
        let (ended, ()) = tokio::join!(waiting, meanwhile);
        self.stage.chronicle.mark("crash", None);
        ended.map_err(std::io::Error::other)
    }
}

/// Lets both producers publish while something is done that ends the service; they try again after each
/// refusal.
pub(crate) async fn during<T>(
    loads: &mut [Load; 2],
    url: &str,
    work: impl Future<Output = T>,
) -> T {
    let over = watch::Sender::new(false);
    let publish = async |load: &mut Load| {
        loop {
            load.publish(url).await;
            if *over.borrow() {
                return;
            }
            Timer.after(PAUSE).await;
        }
    };
    let [one, two] = loads;
    let work = async {
        let done = work.await;
        over.send_replace(true);
        done
    };
    let ((), (), done) = tokio::join!(publish(one), publish(two), work);
    done
}
