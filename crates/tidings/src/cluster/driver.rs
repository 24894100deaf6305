//! Drives one node: tells it what happened and does what it says.

use std::sync::Arc;
use std::time::Duration;

use rand::random;
use tidings_cluster::{
    CallKey, Closing, Identity, Input, Life, Node, NodeId, Output, Pace, PartitionGroups,
};
use tidings_event::Term;
use tidings_log_pulsar::{MembersTopic, PulsarOptions};
use tidings_serve::{Port, Standby, Standing};
use tidings_telemetry::{Counter, Gauge, Timer};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::{Board, WHOLE};
use super::holding::{Done, Holding, Opened, Tasks, Unopened};
use super::members::{Heard, Members, beat};
use crate::build;
use crate::config::{Config, Engine};
use crate::failure::Failure;
use crate::reload::Reloading;
use crate::stack::{Process, Stack};

/// How often it is looked whether another owner has the log, at least.
const LOOK: Duration = Duration::from_millis(500);
/// How long the streams of an owner stay open whose lease has run out: a broker that hesitates ends none, and about then
/// another node may own the log.
const STREAMS_STAY: Duration = Duration::from_secs(2);
/// How long a node that is to stop waits until it is told that it holds nothing: as long as a coordinator waits for it.
const LEAVE: Duration = Duration::from_secs(10);

/// A node of a cluster, with its doors open.
pub(crate) struct Driver {
    node: Node,
    process: Process,
    options: PulsarOptions,
    port: Port,
    board: Arc<Board>,
    members: Members,
    holding: Holding,
    tasks: Tasks,
    /// The doors without stages, while there are none with them.
    standby: Option<CancellationToken>,
    doors: JoinSet<()>,
    /// When it stops waiting to be let go.
    leave_until: Option<Duration>,
    has_left: bool,
    is_replaced: bool,
}

/// What happened, for [`Driver::take`].
pub(crate) enum Event {
    Heard(Heard),
    Done(Done),
    Tick,
}

impl Driver {
    /// Opens the doors, joins, and stands by.
    ///
    /// # Errors
    /// The port is taken, or the members' topic cannot be reached or used.
    pub(crate) async fn start(
        config: &Config,
        mut process: Process,
    ) -> Result<(Self, Process), Failure> {
        let (Some(cluster), Engine::Pulsar(options)) = (&config.cluster, &config.engine) else {
            return Err(Failure::Usage("this service is no node of a cluster".to_owned()));
        };
        let port = build::serve::bind(config).await?;
        let opened = MembersTopic::open(options).await;
        let mut topic = opened.map_err(|error| build::log::refused(&error))?;
        let node = NodeId { name: cluster.name.clone(), life: Life(random()) };
        let identity =
            Identity { node, address: cluster.address.clone(), call_key: CallKey(random()) };
        let clock = Arc::clone(&process.shared.clock);
        let pace = Pace::default().checked().map_err(Failure::failed)?;
        let mut node =
            Node::new(identity, PartitionGroups::ONE, pace, topic.reads_all, clock.monotonic());
        while topic.reader.is_behind() {
            match topic.reader.next().await {
                Ok(record) => {
                    if let Some(beat) = beat(&record) {
                        node.catch_up(&beat);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "waits for the members' topic");
                    Timer.after(LOOK).await;
                }
            }
        }
        tracing::info!(node = %node.identity().node, "joins the cluster");
        let board = Arc::new(Board::new(clock, &node));
        process.standing = Some(Arc::clone(&board) as Arc<dyn Standing>);
        let mut driver = Self {
            node,
            process: process.clone(),
            options: PulsarOptions::clone(options),
            port,
            board,
            members: Members::start(topic),
            holding: Holding::Nothing,
            tasks: Tasks::new(process.clone()),
            standby: None,
            doors: JoinSet::new(),
            leave_until: None,
            has_left: false,
            is_replaced: false,
        };
        driver.stand_by(config);
        Ok((driver, process))
    }

    /// Where its doors are.
    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.port.local_addr()
    }

    /// Whether the process may end, and has nothing to lose.
    pub(crate) fn is_over(&self) -> bool {
        let is_late = self.leave_until.is_some_and(|until| self.now() >= until);
        self.has_left && self.tasks.is_empty() || is_late
    }

    /// What happens next. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The doors failed, or a task did.
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        while self.doors.try_join_next().is_some() {}
        let due = self.node.due().saturating_sub(self.now()).min(LOOK);
        let serving = async {
            match &mut self.holding {
                Holding::Open { stack, .. } => stack.ended().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = self.members.next() => Ok(Event::Heard(heard)),
            done = self.tasks.next() => done.map(Event::Done),
            ended = serving => {
                let failed = || Failure::Failed("the doors closed by themselves".to_owned());
                Err(ended.err().unwrap_or_else(failed))
            }
            () = Timer.after(due) => Ok(Event::Tick),
        }
    }

    /// Begins to give up what it holds.
    pub(crate) fn leave(&mut self, reloading: &mut Reloading) {
        if self.leave_until.is_none() {
            tracing::info!("leaves the cluster");
            self.leave_until = Some(self.now().saturating_add(LEAVE));
            self.step(Input::Leave, reloading);
        }
    }

    /// Takes in what happened, and does what follows.
    ///
    /// # Errors
    /// The doors of what it owns cannot be opened.
    pub(crate) async fn take(
        &mut self,
        event: Event,
        reloading: &mut Reloading,
    ) -> Result<(), Failure> {
        let input = match event {
            Event::Heard(Heard::Beat(beat)) => Input::Read(beat),
            Event::Heard(Heard::Stored) => Input::Stored,
            Event::Heard(Heard::Unsent) => Input::Unsent,
            Event::Tick => Input::Tick,
            Event::Done(Done::Closed { term }) => {
                tracing::info!(%term, "has let go of the log");
                self.holding = Holding::Nothing;
                Input::Ended { group: WHOLE, term }
            }
            Event::Done(Done::Opened { term, outcome }) => {
                match self.opened(term, outcome, reloading).await? {
                    Some(input) => input,
                    None => return Ok(()),
                }
            }
        };
        self.step(input, reloading);
        self.look_for_another_owner(reloading);
        self.mind_doors(reloading.in_force())
    }

    /// Ends the streams of an owner that is cut off, for their clients find the next owner only so; and lets them in
    /// again when it is back, and nobody took the log.
    fn mind_doors(&mut self, config: &Config) -> Result<(), Failure> {
        let now = self.now();
        let Holding::Open { stack, .. } = &mut self.holding else { return Ok(()) };
        if stack.has_doors() {
            if now >= self.node.lease_until().saturating_add(STREAMS_STAY) {
                tracing::warn!("is cut off: ends its streams");
                stack.shut_doors();
                self.stand_by(config);
            }
        } else if self.node.has_lease(now) {
            stack.open_doors(config)?;
            if let Some(standby) = self.standby.take() {
                standby.cancel();
            }
            tracing::info!("is back, and still owns the log");
        }
        Ok(())
    }

    /// What an opening came to.
    async fn opened(
        &mut self,
        term: Term,
        outcome: Result<Box<Opened>, Unopened>,
        reloading: &mut Reloading,
    ) -> Result<Option<Input>, Failure> {
        let opening = std::mem::replace(&mut self.holding, Holding::Nothing);
        let Holding::Opening { since, unwanted, .. } = opening else { return Ok(None) };
        let opened = match outcome {
            Ok(opened) => *opened,
            Err(Unopened::Unwanted) => return Ok(Some(Input::Ended { group: WHOLE, term })),
            Err(_) if unwanted.is_cancelled() => {
                return Ok(Some(Input::Ended { group: WHOLE, term }));
            }
            Err(Unopened::Outdated { newest }) => {
                tracing::warn!(%term, %newest, "leaves the log alone: it shows a later owner");
                self.process.shared.recorder.count(Counter::ClusterOutdated, 1);
                return Ok(Some(Input::Outdated { group: WHOLE, term, newest }));
            }
            Err(Unopened::Failed(error)) => {
                tracing::error!(%term, %error, "cannot open the log");
                return Ok(Some(Input::Failed { group: WHOLE, term }));
            }
        };
        if unwanted.is_cancelled() {
            self.holding = self.tasks.discard(opened, (term, self.later(term)));
            return Ok(None);
        }
        let Opened { log, stages } = opened;
        let config = reloading.in_force().clone();
        let stack = Box::new(Stack::serve(&config, stages, self.port.clone()).await?);
        if let Some(standby) = self.standby.take() {
            standby.cancel();
        }
        reloading.follow(Some(stack.parts()));
        self.holding = Holding::Open { term, stack, log };
        self.tasks.count(since);
        Ok(Some(Input::Opened { group: WHOLE, term }))
    }

    fn step(&mut self, input: Input, reloading: &mut Reloading) {
        let now = self.now();
        for output in self.node.step(input, now) {
            match output {
                Output::Send(beat) => {
                    if !self.members.say(&beat) {
                        tracing::error!("a beat is under way still: this one is not sent");
                    }
                }
                Output::Open { term, .. } => {
                    tracing::info!(%term, "is granted the log");
                    let config = reloading.in_force().clone();
                    self.holding = self.tasks.open(config, self.options.clone(), term);
                }
                Output::Close { how, .. } => self.close(how, reloading),
                Output::Suspend => tracing::warn!("its beats do not come back: answers nothing"),
                Output::Resume => tracing::info!("its beats come back"),
                Output::Rerouted => {}
                Output::Replaced => {
                    let node = &self.node.identity().node.name;
                    tracing::error!(%node, "another process runs under this name: this one ends");
                    self.is_replaced = true;
                }
                Output::Left => self.has_left = true,
            }
        }
        self.tell(now);
    }

    /// Gives up the log, whatever it is doing with it.
    fn close(&mut self, how: Closing, reloading: &mut Reloading) {
        match std::mem::replace(&mut self.holding, Holding::Nothing) {
            Holding::Open { term, stack, log } => {
                tracing::info!(%term, ?how, "gives up the log");
                reloading.follow(None);
                if stack.has_doors() {
                    self.stand_by(reloading.in_force());
                }
                let terms = (term, self.later(term));
                self.holding = self.tasks.close((stack, log), terms, how);
            }
            opening @ Holding::Opening { .. } => {
                if let Holding::Opening { unwanted, .. } = &opening {
                    unwanted.cancel();
                }
                self.holding = opening;
            }
            other => self.holding = other,
        }
    }

    /// Gives up what another owner took, whatever the members' topic says of it.
    fn look_for_another_owner(&mut self, reloading: &mut Reloading) {
        if let Holding::Open { log, .. } = &self.holding
            && log.fenced_by().is_some()
        {
            self.close(Closing::AtOnce, reloading);
        }
    }

    /// The newest term that is known, above one that is over.
    fn later(&self, than: Term) -> Term {
        let assignment = self.node.view().assignment();
        let granted = assignment.and_then(|known| known.entry(WHOLE)).map(|entry| entry.term);
        granted.unwrap_or_default().max(Term(than.0.saturating_add(1)))
    }

    /// Opens the doors that say who owns the log.
    fn stand_by(&mut self, config: &Config) {
        let stop = CancellationToken::new();
        let standby = Standby {
            port: self.port.clone(),
            standing: Arc::clone(&self.board) as Arc<dyn Standing>,
            recorder: Arc::clone(&self.process.shared.recorder),
            clock: Arc::clone(&self.process.shared.clock),
            limits: self.process.limits.clone(),
            origins: config.origins.clone(),
        };
        self.doors.spawn(standby.run(stop.clone()));
        self.standby = Some(stop);
    }

    /// Tells the doors and the metrics how it stands.
    fn tell(&self, now: Duration) {
        self.board.renew(&self.node, now);
        let (recorder, view) = (&self.process.shared.recorder, self.node.view());
        let is_alive = |(name, member): &(&_, &tidings_cluster::Member)| {
            view.is_alive(&NodeId { name: Clone::clone(*name), life: member.life })
        };
        let alive = view.members().filter(is_alive).count();
        let owns = matches!(self.holding, Holding::Open { .. });
        let entry = view.assignment().and_then(|known| known.entry(WHOLE));
        let term = entry.map_or(0, |entry| entry.term.0);
        recorder.set(Gauge::ClusterNodes, i64::try_from(alive).unwrap_or(i64::MAX));
        recorder.set(Gauge::ClusterOwned, i64::from(owns));
        recorder.set(Gauge::ClusterCoordinator, i64::from(self.node.coordinates().is_some()));
        recorder.set(Gauge::ClusterTerm, i64::try_from(term).unwrap_or(i64::MAX));
    }

    fn now(&self) -> Duration {
        self.process.shared.clock.monotonic()
    }

    /// Closes what is still open, and the doors.
    ///
    /// # Errors
    /// Another process runs under its name.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        match self.holding {
            Holding::Open { stack, log, term } => {
                if log.fenced_by().is_some() {
                    log.leave(Term(term.0.saturating_add(1)));
                }
                stack.stop().await?;
            }
            Holding::Opening { unwanted, .. } => unwanted.cancel(),
            Holding::Nothing | Holding::Closing => {}
        }
        while !self.tasks.is_empty() {
            if let Done::Opened { term, outcome: Ok(opened) } = self.tasks.next().await? {
                let later = Term(term.0.saturating_add(1));
                self.tasks.discard(*opened, (term, later));
            }
        }
        if let Some(standby) = self.standby.take() {
            standby.cancel();
        }
        while self.doors.join_next().await.is_some() {}
        self.members.close().await;
        if self.is_replaced {
            let node = &self.node.identity().node.name;
            return Err(Failure::Failed(format!(
                "another process runs as node `{node}`, and began later: give each node a `cluster.node` of its own"
            )));
        }
        Ok(())
    }
}
