//! A round in which calls on files go wrong: while the service runs, as it stops, or as it starts.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_e2e::mixed::{Load, Producer};
use tidings_e2e::{Ended, Server, Shim, soon};
use tidings_event::{Clock, SystemClock};
use tidings_telemetry::Timer;

use super::drawn::{Drawn, When};
use crate::failure::TortureError;
use crate::life::{Life, during};
use crate::report::Row;
use crate::stage::{LOOSE, SEQUENCED, Stage, tuned};
use crate::violation::{Failed, hold};

/// Longest wait for a call that is to go wrong.
const FIRES_WITHIN: Duration = Duration::from_secs(8);
/// Events of each producer that are acknowledged before, and after.
pub(super) const EVENTS: u64 = 200;
/// Little of what is new is in memory, so that consumers that come back read files.
const RING_BYTES: &str = "65536";
/// What a producer may be told when a disk fails, and when the service stops.
const DOCUMENTED: [&str; 5] =
    ["LOG_READ_ONLY", "STORAGE_FULL", "UNKNOWN_OUTCOME", "RESOURCE_EXHAUSTED", "SHUTTING_DOWN"];

/// What a round works with.
pub(super) struct Faulty {
    stage: Stage,
    server: PathBuf,
    drawn: Drawn,
    shim: Shim,
    chance: StdRng,
    loads: [Load; 2],
}

impl Faulty {
    pub(super) fn new(
        stage: Stage,
        server: PathBuf,
        mut draw: impl FnMut(&mut StdRng) -> Drawn,
    ) -> Self {
        let mut chance = StdRng::seed_from_u64(stage.seed);
        let drawn = draw(&mut chance);
        let shim = Shim::over(&stage.data());
        let loads =
            [Producer { labels: 8, ..SEQUENCED }, LOOSE].map(|producer| stage.load(producer));
        Self { stage, server, drawn, shim, chance, loads }
    }

    fn command(&self) -> Command {
        let mut command = tuned(self.shim.before(Command::new(&self.server)));
        command.env("TIDINGS_LOG__RING_BYTES", RING_BYTES);
        command
    }

    /// Runs it; whether a call went wrong.
    pub(super) async fn run(mut self, mut row: Row) -> Result<(Row, bool), TortureError> {
        match self.lives(&mut row).await {
            Ok(()) => {
                self.stage.judge(self.command(), &mut row).await;
                super::sound::judge(&self.stage, &mut row)?;
            }
            Err(Failed::Broken(how)) => {
                row.verdict = self.stage.violated(&format!("{}: {how}", self.drawn.name()));
            }
            Err(Failed::Torture(error)) => return Err(error),
        }
        let fired = self.shim.hits(self.drawn.call) > 0;
        self.stage.close(&row)?;
        Ok((row, fired))
    }

    async fn lives(&mut self, row: &mut Row) -> Result<(), Failed> {
        let server = Server::start_by(self.command(), &self.stage.data());
        self.stage.begin(&server).await?;
        match self.drawn.when {
            When::Running => self.while_it_runs(server, row).await?,
            When::Stopping => self.as_it_stops(server).await?,
            When::Starting => {
                self.publish(server).await?;
                self.as_it_starts(row).await?;
            }
        }
        self.shim.heal();
        let server = Server::start_by(self.command(), &self.stage.data());
        self.stage.chronicle.healed(&self.drawn.name());
        self.publish(server).await?;
        self.are_documented()
    }

    /// A life without trouble.
    async fn publish(&mut self, server: Server) -> Result<(), Failed> {
        let url = server.url().to_owned();
        let mut life = Life::of(&self.stage, server, &self.loads);
        let done = async {
            life.advance(EVENTS).await;
            life.kill().await;
        };
        during(&mut self.loads, &url, done).await;
        Ok(())
    }

    async fn while_it_runs(&mut self, server: Server, row: &mut Row) -> Result<(), Failed> {
        let url = server.url().to_owned();
        let life = Life::of(&self.stage, server, &self.loads);
        let refusals = self.loads.each_ref().map(Load::refusals);
        let terminates = self.chance.random_ratio(1, 3);
        let (stage, shim, drawn) = (&self.stage, &self.shim, &self.drawn);
        let trouble = async {
            let mut life = life;
            life.advance(EVENTS).await;
            let fired = break_calls(stage, shim, drawn).await;
            let stopped = life.read_only_journals().await?;
            row.count("journals read-only", stopped);
            hold(stopped == 0 || drawn.may_stop_a_journal(), || {
                format!("{stopped} journals stopped")
            })?;
            let must_stop = fired && !drawn.silences().is_empty();
            hold(stopped > 0 || !must_stop, || "the journal goes on".to_owned())?;
            if must_stop {
                let [one, two] = refusals;
                let of_it = if drawn.silences() == ["analysis/**"] { one } else { two };
                let mut of_it = of_it;
                let told = of_it.wait_for(|codes| codes.contains("LOG_READ_ONLY"));
                let _there = soon("a refusal", told).await.is_ok();
            }
            if stopped == 0 {
                stage.chronicle.healed(&drawn.name());
                life.reattach().await;
                life.advance(EVENTS).await;
            }
            if terminates {
                let ended = life.stop(async {}).await?;
                return is_well(&ended);
            }
            life.kill().await;
            Ok(())
        };
        during(&mut self.loads, &url, trouble).await
    }

    async fn as_it_stops(&mut self, server: Server) -> Result<(), Failed> {
        let url = server.url().to_owned();
        let mut life = Life::of(&self.stage, server, &self.loads);
        let (stage, shim, drawn) = (&self.stage, &self.shim, &self.drawn);
        let trouble = async {
            life.advance(EVENTS).await;
            let ended = life.stop(async {
                let _fired = break_calls(stage, shim, drawn).await;
            });
            is_well(&ended.await?)
        };
        during(&mut self.loads, &url, trouble).await
    }

    async fn as_it_starts(&mut self, row: &mut Row) -> Result<(), Failed> {
        let (command, data) = (self.command(), self.stage.data());
        self.drawn.arm(&self.shim);
        let started = tokio::task::spawn_blocking(move || Server::try_start_by(command, &data));
        let lifted = async {
            Timer.after(self.drawn.hold).await;
            self.shim.heal();
        };
        let (started, ()) = tokio::join!(started, lifted);
        match started.map_err(std::io::Error::other)? {
            Err(refused) => {
                row.count("starts refused", 1);
                let may = self.drawn.may_refuse_a_start(&refused.stderr);
                let may = may && matches!(refused.code, Some(1..=3));
                hold(may, || format!("it does not start: {:?}\n{}", refused.code, last(&refused)))
            }
            Ok(server) => {
                let url = server.url().to_owned();
                let mut life = Life::of(&self.stage, server, &self.loads);
                let drawn = &self.drawn;
                let goes_on = async {
                    let stopped = life.read_only_journals().await?;
                    let may = stopped == 0 || drawn.may_stop_a_journal();
                    hold(may, || format!("{stopped} journals stopped"))?;
                    if stopped == 0 {
                        life.advance(EVENTS).await;
                    }
                    life.kill().await;
                    Ok(())
                };
                during(&mut self.loads, &url, goes_on).await
            }
        }
    }

    /// Whether producers were told nothing else than what is documented.
    fn are_documented(&self) -> Result<(), Failed> {
        let codes = self.loads.iter().flat_map(|load| load.refusals().borrow().clone());
        let other: Vec<_> = codes.filter(|code| !DOCUMENTED.contains(&code.as_str())).collect();
        hold(other.is_empty(), || format!("producers were told {other:?}"))
    }
}

/// Has calls go wrong for a while from the first that does; whether one did.
async fn break_calls(stage: &Stage, shim: &Shim, drawn: &Drawn) -> bool {
    let (name, clock) = (drawn.name(), SystemClock::new());
    stage.chronicle.armed(&name);
    let before = shim.hits(drawn.call);
    drawn.arm(shim);
    let until = clock.monotonic() + FIRES_WITHIN;
    while shim.hits(drawn.call) == before {
        if clock.monotonic() > until {
            shim.heal();
            return false;
        }
        Timer.after(Duration::from_millis(1)).await;
    }
    stage.chronicle.fired(&name, drawn.silences());
    Timer.after(drawn.hold).await;
    shim.heal();
    true
}

/// Whether it ended by itself as it was told to.
fn is_well(ended: &Ended) -> Result<(), Failed> {
    let well = ended.signal.is_none() && !ended.stderr.contains("panicked");
    hold(well, || format!("it ended with {:?} {:?}\n{}", ended.code, ended.signal, last(ended)))
}

/// The last that it said.
pub(super) fn last(ended: &Ended) -> String {
    let lines: Vec<_> = ended.stderr.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
