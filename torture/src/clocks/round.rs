//! A round: two lives under a wall clock that is set again and again, and a last one at the true time.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tidings_client::{Client, PublisherOptions};
use tidings_e2e::mixed::{Load, foretell};
use tidings_e2e::{Desk, Pulled, Server, Shim, Wall, indicator, soon, trims};
use tidings_event::{Clock, SystemClock};
use tidings_telemetry::Timer;

use crate::failure::TortureError;
use crate::life::{Life, during};
use crate::report::{Row, Verdict};
use crate::stage::{LOOSE, SEQUENCED, Stage, tuned};
use crate::violation::{Failed, hold};

const HOUR: i64 = 3_600;
const YEARS: i64 = 10 * 365 * 86_400;
/// Events of each producer that are acknowledged under each clock.
const EVENTS: u64 = 150;
/// A clock that jumps every second does so twice at least.
const JUMPS: Duration = Duration::from_millis(2_100);
/// Longer than retention takes to come by.
const HOLD: Duration = Duration::from_millis(1_100);

/// What the clock does, as the table counts it.
const WALLS: [(&str, Set); 8] = [
    ("an hour ahead", Set::Off(HOUR)),
    ("an hour behind", Set::Off(-HOUR)),
    ("ten years ahead", Set::Off(YEARS)),
    ("ten years behind", Set::Off(-YEARS)),
    ("an hour forth and back", Set::Jumping(HOUR)),
    ("ten years forth and back", Set::Jumping(YEARS)),
    ("frozen", Set::Frozen(0)),
    ("frozen ten years behind", Set::Frozen(-YEARS)),
];

/// What is done to the clock.
#[derive(Clone, Copy, Debug)]
enum Set {
    Off(i64),
    Jumping(i64),
    /// So many seconds from now.
    Frozen(i64),
}

impl Set {
    fn wall(self) -> Wall {
        match self {
            Self::Off(by) => Wall::Off(by),
            Self::Jumping(most) => Wall::Jumping(most),
            Self::Frozen(by) => {
                let now = SystemClock::new().wall().0 / 1_000_000_000;
                Wall::Frozen(i64::try_from(now).unwrap_or(i64::MAX) + by)
            }
        }
    }

    fn hold(self) -> Duration {
        if matches!(self, Self::Jumping(_)) { JUMPS } else { HOLD }
    }
}

/// What a round works with.
pub(super) struct Round {
    stage: Stage,
    server: PathBuf,
    shim: Shim,
    loads: [Load; 2],
    /// What the clock does, one after the other; the last is for the second life.
    walls: Vec<(&'static str, Set)>,
    /// Whether the first life begins under the first of them.
    from_the_start: bool,
}

impl Round {
    pub(super) fn new(stage: Stage, server: PathBuf) -> Self {
        let mut chance = StdRng::seed_from_u64(stage.seed);
        let mut walls = WALLS.to_vec();
        walls.shuffle(&mut chance);
        walls.truncate(4);
        let shim = Shim::over(&stage.data());
        let loads = [SEQUENCED, LOOSE].map(|producer| stage.load(producer));
        let from_the_start = chance.random_ratio(1, 2);
        Self { stage, server, shim, loads, walls, from_the_start }
    }

    fn command(&self) -> Command {
        tuned(self.shim.before(Command::new(&self.server)))
    }

    /// Runs it.
    pub(super) async fn run(mut self, mut row: Row) -> Result<Row, TortureError> {
        match self.lives(&mut row).await {
            Ok(()) => self.judge(&mut row).await,
            Err(Failed::Broken(how)) => {
                let walls: Vec<_> = self.walls.iter().map(|(name, _)| *name).collect();
                row.verdict = self.stage.violated(&format!("{walls:?}: {how}"));
            }
            Err(Failed::Torture(error)) => return Err(error),
        }
        self.stage.close(&row)?;
        Ok(row)
    }

    async fn lives(&mut self, row: &mut Row) -> Result<(), Failed> {
        let data = self.stage.data();
        if self.from_the_start {
            self.set(0, row);
        }
        let server = Server::start_by(self.command(), &data);
        self.stage.begin(&server).await?;
        self.first(server, row).await?;
        self.set(self.walls.len() - 1, row);
        let server = Server::start_by(self.command(), &data);
        self.second(server).await?;
        self.shim.wall(Wall::True);
        Ok(())
    }

    /// Sets the clock as drawn.
    fn set(&self, which: usize, row: &mut Row) {
        let (name, set) = self.walls[which];
        self.stage.chronicle.fired(name, &[]);
        self.shim.wall(set.wall());
        row.count(name, 1);
    }

    async fn first(&mut self, server: Server, row: &mut Row) -> Result<(), Failed> {
        let url = server.url().to_owned();
        let life = Life::of(&self.stage, server, &self.loads);
        let (stage, shim, walls) = (&self.stage, &self.shim, &self.walls);
        let work = async {
            let mut life = life;
            let _kept = Desk::open(life.server(), "unused", &["elsewhere/*"], &expiring());
            life.advance(EVENTS).await;
            let held = hold_some(life.server());
            for (number, (name, set)) in (0..).zip(&walls[..walls.len() - 1]) {
                stage.chronicle.fired(name, &[]);
                shim.wall(set.wall());
                row.count(name, 1);
                Timer.after(set.hold()).await;
                life.advance(EVENTS).await;
                repeat(&life.server().client().await, stage, number).await?;
                row.count("repeats recognised", 1);
                hold(!life.has_lost_a_member(), || format!("{name}: a consumer was cut off"))?;
            }
            row.count("deliveries held", held.len() as u64);
            let desk = Desk::of(life.server(), "holder", "holder");
            let again = desk.pull_within(1000, 50);
            hold(again.is_empty(), || format!("it held them, and they came again: {again:?}"))?;
            let states = desk.ack(&held);
            hold(states.iter().all(|state| state == "confirmed"), || format!("acks: {states:?}"))?;
            let unused = life.server().client().await.rest().status("unused").await;
            hold(unused.is_ok(), || format!("unused for less than an hour: {unused:?}"))?;
            life.kill().await;
            Ok(())
        };
        during(&mut self.loads, &url, work).await
    }

    async fn second(&mut self, server: Server) -> Result<(), Failed> {
        let url = server.url().to_owned();
        let mut life = Life::of(&self.stage, server, &self.loads);
        let work = async {
            life.advance(EVENTS).await;
            Timer.after(HOLD).await;
            let cut_off = life.has_lost_a_member();
            let unused = life.server().client().await.rest().status("unused").await;
            life.kill().await;
            hold(!cut_off, || "a consumer was cut off".to_owned())?;
            hold(unused.is_ok(), || format!("unused for less than an hour: {unused:?}"))
        };
        during(&mut self.loads, &url, work).await
    }

    /// The checker's verdict, and whether retention took anything but what has too little room.
    async fn judge(&self, row: &mut Row) {
        self.stage.judge(self.command(), row).await;
        let mut taken = trims(&self.stage.data()).await;
        taken.retain(|topic, events| *events > 0 && Some(topic.as_str()) != LOOSE.topic);
        if row.verdict == Verdict::Valid && !taken.is_empty() {
            row.verdict = self.stage.violated(&format!("retention took {taken:?}"));
        }
    }
}

/// Of a subscription that ends an hour after its last use.
fn expiring() -> Value {
    json!({"expires_after_ms": 3_600_000})
}

/// Takes some events and does not settle them: nobody else may have them for ten minutes.
fn hold_some(server: &Server) -> Vec<Pulled> {
    let more = json!({"delivery": {"pull": {"ack_deadline_ms": 600_000}}, "max_in_flight": 20});
    let _opened = Desk::open(server, "holder", &["analysis/**"], &more);
    Desk::of(server, "holder", "holder").pull(20)
}

/// Publishes an event twice, and the clock between does not matter.
async fn repeat(client: &Client, stage: &Stage, number: u64) -> Result<(), Failed> {
    let publisher = client.publisher(PublisherOptions::default()).await?;
    let event = indicator("REPEATED", "15m", number);
    foretell(&stage.chronicle, &event);
    let mut placed = Vec::new();
    for _ in 0..2 {
        stage.chronicle.invoke_to("analysis/indicators/15m", "repeats", &event, false);
        let outcome = soon("an outcome", async { publisher.send(&event).await?.await }).await;
        stage.chronicle.outcome(&event, &outcome);
        placed.push(outcome?);
    }
    let same = placed[0].offset == placed[1].offset && placed[1].duplicate;
    hold(same, || format!("a repeat is not recognised: {placed:?}"))
}
