//! One round: a fresh log, some dozens of lives of the service on it, a last one in which everything
//! is read, and the checker's verdict.

mod definitions;
mod disk;
mod harm;
mod points;
mod segments;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_client::documents::{RetentionDocument, TopicRequestDocument};
use tidings_e2e::mixed::{KINDS, Load, Producer, attach, drain};
use tidings_e2e::{Chronicle, Server, Shim, Thresholds, record_stored, settlements, soon};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use definitions::Definitions;
use disk::Disk;
pub(crate) use disk::FileSystem;
pub(crate) use harm::Harm;
pub(crate) use points::POINTS;

use crate::failure::TortureError;
use crate::report::{Row, Verdict};

/// Longest time from readiness to the kill; short ones are as likely as long ones.
const KILL_MS_MAX: f64 = 500.0;
/// When retention first trims, and how long after that kills fall.
const RETENTION_AT: Duration = Duration::from_millis(995);
const RETENTION_MS_MAX: f64 = 40.0;
/// So long that the topic is in the journal for what is kept long, where nothing else is.
const LONG_SECONDS: u64 = 100 * 86_400;
/// Room of a topic that has little.
const TOPIC_BYTES: u64 = 128 << 10;
/// Longest time from start to a kill that does not wait for readiness.
const RECOVERY_MS_MAX: f64 = 50.0;

const SEQUENCED: Producer = Producer {
    name: "p",
    sequenced: true,
    topic: None,
    timeframe: "1m",
    labels: 0,
    under_way: 200,
};
/// Large events, to a topic that keeps few of them.
const LOOSE: Producer = Producer {
    name: "u",
    sequenced: false,
    topic: Some("little-room/heavy"),
    timeframe: "5m",
    labels: 16,
    under_way: 150,
};

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
        if self.dir.exists() {
            std::fs::remove_dir_all(&self.dir).map_err(TortureError::at(&self.dir))?;
        }
        std::fs::create_dir_all(&self.dir).map_err(TortureError::at(&self.dir))?;
        self.disk = self.harm.disk(self.seed, &self.data())?;
        self.shim = self.harm.at_points.then(|| Shim::over(&self.data()));
        let row = self.lives().await?;
        if row.verdict != Verdict::Valid && self.disk.is_some() {
            // The image goes with the memory that it lies in.
            disk::told(Command::new("cp").arg("-a").arg(self.data()).arg(self.dir.join("kept")))?;
        }
        drop(self.disk);
        if row.verdict == Verdict::Valid {
            std::fs::remove_dir_all(&self.dir).map_err(TortureError::at(&self.dir))?;
        }
        Ok(row)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self) -> Command {
        let mut command = self.harm.command(&self.data());
        if let Some(shim) = &self.shim {
            command = shim.before(command);
        }
        command.env("TIDINGS_LOG__SEGMENT_BYTES_MIN", "1048576");
        command.env("TIDINGS_LOG__SEGMENT_BYTES_MAX", "1048576");
        command.env("TIDINGS_LOG__TRIM_INTERVAL_SECONDS", "1");
        command
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

    async fn lives(&mut self) -> Result<Row, TortureError> {
        let mut row = Row::new(self.harm.part, self.seed);
        let (data, chronicle) = (self.data(), Chronicle::open(&self.dir));
        let mut loads = [SEQUENCED, LOOSE].map(|producer| Load::new(producer, chronicle.clone()));
        let mut definitions = Definitions::new(StdRng::seed_from_u64(self.seed ^ 1));
        for life in 0..self.harm.lives {
            if life > 0 && self.chance.random_ratio(1, 4) {
                let moment = self.moment(RECOVERY_MS_MAX);
                let server = Server::starting(self.command(), &data);
                Timer.after(moment).await;
                self.end(server).await?;
                row.count("recoveries cut short", 1);
                row.runs += 1;
            }
            let server = Server::start_by(self.command(), &data);
            if life == 0 {
                self.begin(&server, &chronicle).await?;
            }
            if let Err(how) = definitions.check(&server.client().await).await {
                row.verdict = self.violated(&how);
                return Ok(row);
            }
            let mut members = attach(&server, self.seed.wrapping_mul(1000) + life, &chronicle);
            let (url, moment) = (server.url().to_owned(), self.kill_after());
            let killing = self.end_life(server, (life, moment), (&chronicle, &mut members));
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
        self.judge(&chronicle, row).await
    }

    /// A topic with little room, in a journal of its own, and every kind of subscription.
    async fn begin(&self, server: &Server, chronicle: &Chronicle) -> Result<(), TortureError> {
        let retention = RetentionDocument { seconds: LONG_SECONDS, bytes: Some(TOPIC_BYTES) };
        let topic =
            TopicRequestDocument { retention: Some(retention), ..TopicRequestDocument::default() };
        let client = server.client().await;
        client.rest().put_topic(LOOSE.topic.unwrap_or_default(), &topic).await?;
        KINDS.iter().for_each(|kind| kind.open(server, chronicle));
        Ok(())
    }

    /// As likely short as long; sometimes just when retention is at work.
    fn kill_after(&mut self) -> Duration {
        if self.chance.random_ratio(1, 10) {
            return RETENTION_AT + self.moment(RETENTION_MS_MAX);
        }
        self.moment(KILL_MS_MAX)
    }

    fn violated(&self, how: &str) -> Verdict {
        let (seed, dir) = (self.seed, self.dir.display());
        Verdict::Violated(format!("round --seed {seed} in {dir}:\n{how}"))
    }

    async fn judge(&self, chronicle: &Chronicle, mut row: Row) -> Result<Row, TortureError> {
        let data = self.data();
        let server = Server::start_by(self.command(), &data);
        drain(&server, chronicle).await;
        let ended = server.terminate();
        chronicle.settled(settlements(&data).await);
        record_stored(&data, chronicle, "the log").await;
        let (report, told) = chronicle.report(&Thresholds::default());
        row.count("acked", report.acked as u64);
        row.count("delivered", report.deliveries as u64);
        row.count("redelivered", report.redeliveries as u64);
        segments::count(&data, &mut row)?;
        if ended.code != Some(0) {
            row.verdict = self.violated(&format!("it ended with {:?}", ended.code));
        } else if report.exit_code() == 1 {
            row.verdict = self.violated(&told);
        }
        Ok(row)
    }
}

/// Waits until all members have ended, by themselves or not; one that failed fails the round.
async fn ended(mut members: JoinSet<()>) {
    while let Some(done) = members.join_next().await {
        if let Err(error) = done
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
