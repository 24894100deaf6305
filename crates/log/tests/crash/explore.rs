//! Crashing a log after every operation of its disk, and looking at what is left.

use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::Term;
use tidings_log::conformance::fixture::block;
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{EmbeddedLog, PartitionLog, Sabotage};

use super::ledger::{Found, Ledger};
use super::workload::{Setup, Workload, open};

/// How much to do for one seed.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Lives of a log: each starts from one of the crashes of the one before.
    pub(crate) lives: usize,
    /// Steps of work in each.
    pub(crate) steps: usize,
    /// Crashes looked at in each.
    pub(crate) crashes: usize,
}

/// What was seen, to show that there was something to see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Crash states that recovered well.
    pub(crate) states: usize,
    /// Unconfirmed appends that a crash left.
    pub(crate) kept: usize,
    /// Unconfirmed appends that a crash took.
    pub(crate) gone: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.states += other.states;
        self.kept += other.kept;
        self.gone += other.gone;
    }
}

/// Runs one seed.
pub(crate) async fn explore(
    seed: u64,
    effort: Effort,
    sabotage: Sabotage,
) -> Result<Tally, String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut disk, mut ledger) =
        (FakeDisk::new(), Ledger::default().after(Term(0), &Found::default()));
    let (mut tally, setup) = (Tally::default(), Setup { seed, sabotage });
    for life in 0..effort.lives {
        let at = |what: &str| format!("seed {seed}, life {life}, {what}");
        let mut workload = Workload { disk: &disk, rng: &mut rng, ledger: &mut ledger, setup };
        workload.run(effort.steps).await.map_err(|error| at(&error))?;
        let mut explorer = disk.explore();
        let mut next = None;
        let mut moments: Vec<usize> =
            (0..effort.crashes).map(|_| rng.random_range(0..=explorer.len())).collect();
        moments.sort_unstable();
        let chosen = rng.random_range(effort.crashes / 2..effort.crashes);
        for (number, moment) in moments.into_iter().enumerate() {
            while explorer.done() < moment {
                explorer.step();
            }
            let crash_seed = rng.random();
            let crashed = explorer.crash(&mut StdRng::seed_from_u64(crash_seed));
            let look = Look { ledger: &ledger, moment, setup, crash_seed };
            let at = |error| at(&format!("crash {crash_seed} after {moment}: {error}"));
            tally.add(look.at(&crashed).await.map_err(at)?);
            if number == chosen {
                let again = explorer.crash(&mut StdRng::seed_from_u64(crash_seed));
                let (log, found) = look.recover(&again).await.map_err(at)?;
                next = Some((again, ledger.after(log.term(), &found)));
            }
        }
        if let Some((crashed, after)) = next {
            // Its own operations count from here.
            (disk, ledger) = (crashed.copy(), after);
        }
    }
    Ok(tally)
}

/// Crashes a log, lets it go on, then damages the header of any of its segments: nothing is lost,
/// and nothing that was discarded comes back.
pub(crate) async fn damage_a_header(seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (disk, mut ledger) = (FakeDisk::new(), Ledger::default().after(Term(0), &Found::default()));
    let setup = Setup { seed, sabotage: Sabotage::None };
    let mut workload = Workload { disk: &disk, rng: &mut rng, ledger: &mut ledger, setup };
    workload.run(40).await?;
    let mut explorer = disk.explore();
    let moment = rng.random_range(0..=explorer.len());
    while explorer.done() < moment {
        explorer.step();
    }
    let crashed = explorer.crash(&mut rng);
    let look = Look { ledger: &ledger, moment, setup, crash_seed: seed };
    let (log, found) = look.recover(&crashed).await?;
    look.goes_on(&log, &found).await?;
    log.close().await;
    let before = Found::read(&*log, ledger.topics()).await?;
    drop(log);
    let segments = crashed.files().into_iter().map(|(path, _)| path);
    let segments: Vec<_> = segments.filter(|p| p.extension().is_some_and(|e| e == "seg")).collect();
    if segments.is_empty() {
        return Ok(());
    }
    let path = &segments[rng.random_range(0..segments.len())];
    crashed.zero_page(path, 0).map_err(|error| error.to_string())?;
    let log = open(&crashed, setup).map_err(|error| format!("open: {error}"))?;
    let after = Found::read(&*log, ledger.topics()).await?;
    if after == before { Ok(()) } else { Err(format!("{} damaged: differs", path.display())) }
}

/// One crash state.
struct Look<'a> {
    ledger: &'a Ledger,
    moment: usize,
    setup: Setup,
    crash_seed: u64,
}

impl Look<'_> {
    /// Recovers, checks, and checks again in one of three ways.
    async fn at(&self, crashed: &FakeDisk) -> Result<Tally, String> {
        let mut rng = StdRng::seed_from_u64(self.crash_seed ^ 1);
        let (log, found) = self.recover(crashed).await?;
        let (kept, gone) = self.ledger.unconfirmed(self.moment, &found);
        let tally = Tally { states: 1, kept, gone };
        match rng.random_range(0..6) {
            0 => {
                let again = crashed.crash(&mut rng);
                drop(log);
                let (_, second) = self.recover(&again).await?;
                if second != found {
                    return Err("the second recovery found something else".to_owned());
                }
                Ok(Tally { states: 2, ..tally })
            }
            1 => {
                drop(log);
                self.during_recovery(crashed, &mut rng).await?;
                Ok(Tally { states: 2, ..tally })
            }
            2 => {
                self.goes_on(&log, &found).await?;
                Ok(tally)
            }
            _ => Ok(tally),
        }
    }

    pub(crate) async fn recover(
        &self,
        disk: &FakeDisk,
    ) -> Result<(Arc<EmbeddedLog>, Found), String> {
        let log = open(disk, self.setup).map_err(|error| format!("open: {error}"))?;
        let found = Found::read(&*log, self.ledger.topics()).await?;
        self.ledger.check(self.moment, log.term(), &found)?;
        Ok((log, found))
    }

    /// Crashes at any moment of the recovery itself.
    async fn during_recovery(&self, disk: &FakeDisk, rng: &mut StdRng) -> Result<(), String> {
        let mut explorer = disk.explore();
        let moment = rng.random_range(0..=explorer.len());
        while explorer.done() < moment {
            explorer.step();
        }
        let again = explorer.crash(rng);
        let recovered = self.recover(&again).await;
        recovered
            .map_err(|error| format!("crashed again after {moment} of its recovery: {error}"))?;
        Ok(())
    }

    /// Whether appending goes on in every partition.
    async fn goes_on(&self, log: &EmbeddedLog, found: &Found) -> Result<(), String> {
        for &partition in found.partitions.keys() {
            let tail = log.bounds(partition).map_err(|error| error.to_string())?.tail;
            let next = block(log, partition, tail.0, (2, 100));
            let appended = log.append(vec![next.clone()]).map_err(|error| error.to_string())?;
            appended.await.map_err(|error| error.to_string())?;
            let read = log.read(partition, tail, 1).await.map_err(|error| error.to_string())?;
            if read.first().map(|committed| &committed.block) != Some(&next) {
                return Err(format!("{partition}: what was appended at {tail} is not there"));
            }
        }
        Ok(())
    }
}
