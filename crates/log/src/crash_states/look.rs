//! Looking at one crash state: recover it, hold it against the ledger, and recover it in worse ways.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::Term;

use super::Tally;
use super::found::{Found, ready};
use super::ledger::Ledger;
use super::work::Setup;
use crate::StillLog;
use crate::conformance::fixture::block;
use crate::fake_disk::{FakeDisk, Left, Model};
use crate::partition_log::PartitionLog;

/// What is done to a state beyond recovering it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// Nothing.
    No,
    /// It is recovered again, as when the process dies right after.
    Twice,
    /// Its recovery is crashed at one moment, and the rest recovered.
    Killed,
    /// Its recovery is crashed at every moment in up to so many ways.
    KilledEverywhere(usize),
    /// Appending goes on.
    GoesOn,
}

impl More {
    /// One of those that cost little, seldom.
    pub(crate) fn drawn(rng: &mut StdRng) -> Self {
        match rng.random_range(0..16) {
            0 => Self::Twice,
            1 | 2 => Self::Killed,
            3 => Self::GoesOn,
            _ => Self::No,
        }
    }
}

/// The crash states of one moment.
pub(crate) struct Look<'a> {
    pub(crate) ledger: &'a Ledger,
    /// After so many operations of the disk.
    pub(crate) moment: usize,
    pub(crate) setup: &'a Setup,
}

impl Look<'_> {
    /// Recovers and checks. What is done to the state beyond that is drawn from a seed.
    pub(crate) fn at(&self, left: &Left, more: More, seed: u64) -> Result<Tally, String> {
        let (mut still, found) = self.recover(&left.disk)?;
        let (kept, gone) = self.ledger.unconfirmed(self.moment, &found);
        let torn = u64::from(left.torn);
        let mut tally = Tally { states: 1, kept, gone, torn, ..Tally::default() };
        let mut rng = StdRng::seed_from_u64(seed);
        match more {
            More::No => {}
            More::Twice => {
                drop(still);
                self.same(&left.disk, &found).map_err(|error| format!("once more: {error}"))?;
                tally += Tally { states: 1, twice: 1, ..Tally::default() };
            }
            More::Killed => {
                drop(still);
                let mut explorer = left.disk.explore();
                let moment = rng.random_range(0..=explorer.len());
                explorer.until(moment);
                self.same(&explorer.crash(&mut rng), &found)
                    .map_err(|error| format!("crashed after {moment} of its recovery: {error}"))?;
                tally += Tally { states: 1, killed: 1, ..Tally::default() };
            }
            More::KilledEverywhere(most) => {
                drop(still);
                tally += self.killed_everywhere(&left.disk, &found, (most, &mut rng))?;
            }
            More::GoesOn => self.goes_on(&mut still, &left.disk, &found)?,
        }
        Ok(tally)
    }

    pub(crate) fn recover(&self, disk: &FakeDisk) -> Result<(StillLog, Found), String> {
        let (still, term, found) = self.found(disk)?;
        self.ledger.check(self.moment, term, &found)?;
        Ok((still, found))
    }

    fn found(&self, disk: &FakeDisk) -> Result<(StillLog, Term, Found), String> {
        let still = self.setup.open(disk).map_err(|error| format!("open: {error}"))?;
        let found = Found::read(&**still.log(), self.ledger.topics())?;
        let term = still.log().term();
        Ok((still, term, found))
    }

    /// Whether another recovery finds the same.
    fn same(&self, disk: &FakeDisk, found: &Found) -> Result<(), String> {
        let (_, term, again) = self.found(disk)?;
        self.ledger.check(self.moment, term, &again)?;
        if again == *found { Ok(()) } else { Err("it found something else".to_owned()) }
    }

    fn killed_everywhere(
        &self,
        disk: &FakeDisk,
        found: &Found,
        (most, rng): (usize, &mut StdRng),
    ) -> Result<Tally, String> {
        let mut explorer = disk.explore();
        let mut tally = Tally::default();
        loop {
            let moment = explorer.done();
            explorer.each_left(Model::Anything, (most, &mut *rng), |again| {
                tally += Tally { states: 1, killed: 1, ..Tally::default() };
                self.same(&again.disk, found)
                    .map_err(|error| format!("crashed after {moment} of its recovery: {error}"))
            })?;
            if explorer.step().is_none() {
                return Ok(tally);
            }
        }
    }

    /// Whether appending goes on in every partition, and what was appended is there after a kill.
    pub(crate) fn goes_on(
        &self,
        still: &mut StillLog,
        disk: &FakeDisk,
        found: &Found,
    ) -> Result<(), String> {
        let mut expected = found.clone();
        for (&partition, (_, blocks)) in &mut expected.partitions {
            let log = still.log();
            let tail = log.bounds(partition).map_err(|error| error.to_string())?.tail;
            let next = block(&**log, partition, tail.0, (2, 100));
            let appended = log.append(vec![next.clone()]).map_err(|error| error.to_string())?;
            while still.step() {}
            ready(appended)?.map_err(|error| error.to_string())?;
            blocks.push(next);
        }
        let after = disk.crash(&mut StdRng::seed_from_u64(0));
        let (_, _, again) = self.found(&after)?;
        if again == expected {
            Ok(())
        } else {
            Err("what was appended after it is gone".to_owned())
        }
    }
}
