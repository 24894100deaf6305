//! One round: a fresh log, some dozens of lives of the service on it, a last one in which everything
//! is read, and the checker's verdict.

mod definitions;
mod disk;
mod harm;
mod points;
mod segments;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_e2e::mixed::attach;
use tidings_e2e::{Chronicle, Server, Shim, soon};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use definitions::Definitions;
use disk::Disk;
pub(crate) use disk::FileSystem;
pub(crate) use harm::Harm;
pub(crate) use points::POINTS;

use crate::failure::TortureError;
use crate::report::{Row, Verdict};
use crate::stage::{LOOSE, SEQUENCED, Stage, ended, tuned};

/// Longest time from readiness to the kill; short ones are as likely as long ones.
const KILL_MS_MAX: f64 = 500.0;
/// When retention first comes by, and how long after that kills fall: what admission remembers is saved
/// before it trims.
const RETENTION_AT: Duration = Duration::from_millis(995);
const RETENTION_MS_MAX: f64 = 80.0;
/// Longest time from start to a kill that does not wait for readiness.
const RECOVERY_MS_MAX: f64 = 50.0;

/// What a round works with.
pub(crate) struct Round {
    seed: u64,
    chance: StdRng,
    harm: Harm,
    dir: PathBuf,
    disk: Option<Disk>,
    shim: Option<Shim>,
}

impl Round {
    /// A round in a directory of its own.
    pub(crate) fn new(seed: u64, harm: Harm) -> Self {
        let dir = harm.dir(seed);
        Self { seed, chance: StdRng::seed_from_u64(seed), harm, dir, disk: None, shim: None }
    }

    /// Runs it; what it left is removed unless it proves a violation.
    pub(crate) async fn run(mut self) -> Result<Row, TortureError> {
        let stage = Stage::open(self.seed, &self.dir)?;
        self.disk = self.harm.disk(self.seed, &stage.data())?;
        self.shim = self.harm.at_points.then(|| Shim::over(&stage.data()));
        let row = self.lives(&stage).await?;
        if row.verdict != Verdict::Valid && self.disk.is_some() {
            // The image goes with the memory that it lies in.
            disk::told(Command::new("cp").arg("-a").arg(stage.data()).arg(self.dir.join("kept")))?;
        }
        drop(self.disk);
        stage.close(&row)?;
        Ok(row)
    }

    fn command(&self, data: &Path) -> Command {
        let mut command = self.harm.command(data);
        if let Some(shim) = &self.shim {
            command = shim.before(command);
        }
        tuned(command)
    }

    /// Ends a life of the service at a named point or after so long; the point, if it came there.
    async fn end_life(
        &self,
        server: Server,
        (life, moment): (u64, Duration),
        clients: (&Chronicle, &mut JoinSet<()>),
    ) -> Result<Option<&'static str>, TortureError> {
        if let Some(shim) = &self.shim {
            let point = &POINTS[life as usize % POINTS.len()];
            let skip = moment.as_millis() as u64 % 8;
            let killed = point.end(shim, skip, server, clients).await?;
            return Ok(killed.then_some(point.name));
        }
        Timer.after(moment).await;
        self.end(server).await.map(|()| None)
    }

    /// Ends a life of the service: kill -9, or with all that its disk holds.
    async fn end(&self, server: Server) -> Result<(), TortureError> {
        let Some(disk) = &self.disk else {
            server.kill();
            return Ok(());
        };
        disk.cut(server.pid()).await?;
        server.kill();
        disk.restore()
    }

    /// As likely short as long.
    fn moment(&mut self, ms_max: f64) -> Duration {
        let ms = ms_max.powf(self.chance.random::<f64>());
        Duration::from_secs_f64(ms / 1000.0)
    }

    async fn lives(&mut self, stage: &Stage) -> Result<Row, TortureError> {
        let mut row = Row::new(self.harm.part, self.seed);
        let (data, chronicle) = (stage.data(), &stage.chronicle);
        let mut loads = [SEQUENCED, LOOSE].map(|producer| stage.load(producer));
        let mut definitions = Definitions::new(StdRng::seed_from_u64(self.seed ^ 1));
        for life in 0..self.harm.lives {
            if life > 0 && self.chance.random_ratio(1, 4) {
                let moment = self.moment(RECOVERY_MS_MAX);
                let server = Server::starting(self.command(&data), &data);
                Timer.after(moment).await;
                self.end(server).await?;
                row.count("recoveries cut short", 1);
                row.runs += 1;
            }
            let server = Server::start_by(self.command(&data), &data);
            if life == 0 {
                stage.begin(&server).await?;
            }
            if let Err(how) = definitions.check(&server.client().await).await {
                row.verdict = stage.violated(&how);
                return Ok(row);
            }
            let mut members = attach(&server, self.seed.wrapping_mul(1000) + life, chronicle);
            let (url, moment) = (server.url().to_owned(), self.kill_after());
            let killing = self.end_life(server, (life, moment), (chronicle, &mut members));
            let [one, two] = &mut loads;
            let changing = definitions.change(&url);
            let (a, b, (), point) =
                tokio::join!(one.publish(&url), two.publish(&url), changing, killing);
            if let Some(point) = point? {
                row.count(point, 1);
            }
            row.count("cut off", (a + b) as u64);
            row.runs += 1;
            soon("the members to end", ended(members)).await;
            chronicle.mark("crash", None);
        }
        row.count("definitions changed", definitions.changes());
        stage.judge(self.command(&data), &mut row).await;
        segments::count(&data, &mut row)?;
        Ok(row)
    }

    /// As likely short as long; sometimes just when retention is at work.
    fn kill_after(&mut self) -> Duration {
        if self.chance.random_ratio(1, 10) {
            return RETENTION_AT + self.moment(RETENTION_MS_MAX);
        }
        self.moment(KILL_MS_MAX)
    }
}
