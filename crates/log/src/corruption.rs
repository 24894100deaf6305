//! The damage proof: what a disk did to the log is told, never served, and costs no more than it hit.
//!
//! A log is made by the engine and taken for the truth. Then copies of it are damaged in one place
//! each, checked, opened and read to the last event. See [`Tally`] for what is counted.

mod damage;
mod judge;
mod stored;

use std::fmt;
use std::ops::AddAssign;

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use damage::Damage;
use damage::Files;
use judge::judge;
use stored::Stored;

/// What was seen, to show that there was something to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Damages that were told and not served.
    pub harms: u64,
    /// Single bits.
    pub flips: u64,
    /// Files that ended early.
    pub cuts: u64,
    /// Blocks of 4 KiB: zeroed, stale, of another place.
    pub blocks: u64,
    /// Whole files: missing, swapped, twice, of another journal, of another log.
    pub files: u64,
    /// Events that were served, each compared with what was stored.
    pub served: u64,
    /// Events that were told to be lost.
    pub lost: u64,
    /// Those of them whose group was not hit.
    pub hidden: u64,
    /// Partitions that ended before their last event, as the check said.
    pub shorter: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.harms += other.harms;
        self.flips += other.flips;
        self.cuts += other.cuts;
        self.blocks += other.blocks;
        self.files += other.files;
        self.served += other.served;
        self.lost += other.lost;
        self.hidden += other.hidden;
        self.shorter += other.shorter;
    }
}

/// What must not be: which damage to which log, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// Of the log.
    pub seed: u64,
    /// What was done to it.
    pub damage: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {}, {}: {}", self.seed, self.damage, self.what)
    }
}

/// How much to do to one log.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Single bits, drawn.
    pub flips: u64,
    /// Files of up to so many bytes have every bit flipped.
    pub small: u64,
    /// Every file is cut at every so manieth offset.
    pub stride: u64,
}

/// Damages the log of a seed in every way, until `goes_on` says no.
///
/// # Errors
/// The first damage that is served, kept quiet, or keeps the log from starting.
pub fn corruption(
    seed: u64,
    effort: Effort,
    mut goes_on: impl FnMut(&Tally) -> bool,
) -> Result<Tally, Violation> {
    let violation = |damage: String, what: String| Violation { seed, damage, what };
    let stored = Stored::new(seed).map_err(|what| violation("none".to_owned(), what))?;
    let foreign = Stored::new(!seed).map_err(|what| violation("none".to_owned(), what))?;
    let files = Files::of(&stored, &foreign);
    let (mut tally, mut rng) = (Tally::default(), StdRng::seed_from_u64(seed));
    for damage in files.all(effort, &mut rng) {
        let disk = stored.disk.copy();
        damage.apply(&disk, &files);
        let goes = rng_every(&mut rng, 16);
        let seen = judge(&disk, &stored, (&damage, &files), goes);
        tally += seen.map_err(|what| violation(format!("{damage:?}"), what))?;
        if !goes_on(&tally) {
            break;
        }
    }
    Ok(tally)
}

/// Damages a log once, as a violation names it.
///
/// # Errors
/// What is wrong then.
pub fn corrupt_once(seed: u64, damage: &Damage) -> Result<Tally, Violation> {
    let violation = |what: String| Violation { seed, damage: format!("{damage:?}"), what };
    let stored = Stored::new(seed).map_err(violation)?;
    let foreign = Stored::new(!seed).map_err(violation)?;
    let files = Files::of(&stored, &foreign);
    let disk = stored.disk.copy();
    damage.apply(&disk, &files);
    judge(&disk, &stored, (damage, &files), true).map_err(violation)
}

fn rng_every(rng: &mut StdRng, one_in: u32) -> bool {
    rand::RngExt::random_range(rng, 0..one_in) == 0
}
