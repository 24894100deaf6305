//! Long sequences of work, crashed at drawn moments, over several lives of one log.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::{Term, TopicId, TopicPartition};

use super::found::{Found, TABLES};
use super::ledger::Ledger;
use super::look::{Look, More};
use super::work::{Setup, Work};
use super::{Tally, Violation};
use crate::conformance::fixture::{DAY, delete, set};
use crate::fake_disk::{FakeDisk, Left, Model};
use crate::partition_log::{PartitionLog, Retention, TopicSpec};
use crate::{EmbeddedOptions, Sabotage};

/// How much to do for one seed.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Lives of a log: each starts from one of the crashes of the one before.
    pub lives: usize,
    /// Steps of work in each.
    pub steps: usize,
    /// Moments looked at in each.
    pub moments: usize,
    /// States looked at in each moment and set of names.
    pub states: usize,
}

/// Small segments and snapshots, a group for each append: a little work reaches everything. Some
/// logs mark at once what is durable, some have a physical cap, some write over what was written before: by their seed.
fn setup(seed: u64, sabotage: Sabotage) -> Setup {
    let default = EmbeddedOptions::default();
    Setup::new(EmbeddedOptions {
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 64 << 10,
        spare_bytes_max: if seed % 5 < 3 { 48 << 10 } else { 0 },
        ring_bytes: 24 << 10,
        queue_bytes_max: 4 << 20,
        snapshot_bytes: 600,
        mark_after: (seed % 3 == 1).then_some(Duration::ZERO),
        journal_bytes_max: if seed % 4 == 3 { 150 << 10 } else { default.journal_bytes_max },
        group_bytes_max: 1,
        sabotage,
        ..default
    })
}

/// Runs one seed.
///
/// # Errors
/// The first state that is not as it must be.
pub fn random(seed: u64, effort: Effort, sabotage: Sabotage) -> Result<Tally, Violation> {
    let mut rng = StdRng::seed_from_u64(seed);
    let setup = setup(seed, sabotage);
    let (mut disk, mut tally) = (FakeDisk::new(), Tally { sequences: 1, ..Tally::default() });
    let mut ledger = Ledger::default().after(Term(0), &Found::default());
    for life in 0..effort.lives {
        let violation = |what: String| Violation {
            work: format!("seed {seed}, {effort:?}, {sabotage:?}, life {life}"),
            what,
        };
        let (worked, written) =
            live((disk, ledger), &setup, effort.steps, &mut rng).map_err(violation)?;
        let next = crash(&worked, &written, (&setup, effort), (&mut rng, &mut tally))
            .map_err(violation)?;
        (disk, ledger) = next.unwrap_or((worked.copy(), written));
    }
    Ok(tally)
}

/// A life: so many steps of work, then an end with some of it unconfirmed.
fn live(
    (disk, ledger): (FakeDisk, Ledger),
    setup: &Setup,
    steps: usize,
    rng: &mut StdRng,
) -> Result<(FakeDisk, Ledger), String> {
    let mut work = Work::open(disk, ledger, setup.clone())?;
    for _ in 0..steps {
        work = step(work, rng)?;
    }
    if rng.random() {
        work.settle()?;
    }
    Ok(work.end())
}

/// Crashes a life at drawn moments; one of the crashes is where the next begins.
fn crash(
    disk: &FakeDisk,
    ledger: &Ledger,
    (setup, effort): (&Setup, Effort),
    (rng, tally): (&mut StdRng, &mut Tally),
) -> Result<Option<(FakeDisk, Ledger)>, String> {
    let mut explorer = disk.explore();
    let mut moments: Vec<usize> =
        (0..effort.moments).map(|_| rng.random_range(0..=explorer.len())).collect();
    moments.sort_unstable();
    let chosen = rng.random_range(effort.moments / 2..effort.moments.max(1));
    let mut next = None;
    for (number, moment) in moments.into_iter().enumerate() {
        explorer.until(moment);
        let look = Look { ledger, moment, setup };
        let model = if rng.random() { Model::Anything } else { Model::Ordered };
        let mut extra = StdRng::seed_from_u64(rng.random());
        let mut at = 0;
        let whole = explorer.each_left(model, (effort.states, &mut *rng), |left| {
            *tally += look
                .at(&left, More::drawn(&mut extra), extra.random())
                .map_err(|error| format!("{model:?} {at} after operation {moment}: {error}"))?;
            at += 1;
            Ok::<(), String>(())
        })?;
        *tally += Tally { moments: 1, drawn: u64::from(!whole), ..Tally::default() };
        if number == chosen {
            let left = explorer.crash(rng);
            let (still, found) = look.recover(&left)?;
            next = Some((left.copy(), ledger.after(still.log().term(), &found)));
        }
    }
    // Its own operations count from here.
    Ok(next)
}

fn step(mut work: Work, rng: &mut StdRng) -> Result<Work, String> {
    match rng.random_range(0..20) {
        0 => ensure(&mut work, rng)?,
        1 => drop_one(&mut work, rng)?,
        2 => work.trim()?,
        3 => return work.reopen(rng.random()),
        4..8 => commit(&mut work, rng)?,
        8..10 => work.settle()?,
        10 if rng.random() => work.still().spare(),
        10 => {
            work.still().step();
        }
        11..13 => {
            for _ in 0..rng.random_range(2..7) {
                append(&mut work, rng)?;
            }
        }
        _ => {
            append(&mut work, rng)?;
            if rng.random() {
                work.still().step();
            }
        }
    }
    Ok(work)
}

fn ensure(work: &mut Work, rng: &mut StdRng) -> Result<(), String> {
    let number = rng.random_range(1..6);
    let id = TopicId(number);
    if work.ledger.ensured.contains_key(&id) {
        return Ok(());
    }
    // Topics 4 and 5 are of another journal; 1 and 4 are trimmed by bytes.
    let age = if number > 3 { 30 * DAY } else { DAY };
    let retention = Retention { age, bytes: (number % 3 == 1).then_some(15_000) };
    work.ensure(TopicSpec { id, partitions: 2, retention })
}

fn drop_one(work: &mut Work, rng: &mut StdRng) -> Result<(), String> {
    let live = work.live();
    if live.len() < 3 {
        return Ok(());
    }
    work.drop_topic(live[rng.random_range(0..live.len())])
}

fn append(work: &mut Work, rng: &mut StdRng) -> Result<(), String> {
    let live = work.live();
    if live.is_empty() {
        return Ok(());
    }
    let places: Vec<_> = (0..rng.random_range(1..4))
        .map(|_| {
            let topic = live[rng.random_range(0..live.len())];
            let size = (rng.random_range(1..4), rng.random_range(1..1500));
            (TopicPartition::new(topic.0, rng.random_range(0..2)), size)
        })
        .collect();
    work.append(&places, None)
}

fn commit(work: &mut Work, rng: &mut StdRng) -> Result<(), String> {
    let mut changes = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let table = TABLES[rng.random_range(0..TABLES.len())];
        let key = format!("key-{}", rng.random_range(0..6));
        let value = vec![rng.random::<u8>(); rng.random_range(0..60)];
        let remove = rng.random_range(0..4) == 0;
        changes.push(if remove { delete(table, key) } else { set(table, key, value) });
    }
    work.commit(changes)
}

/// Crashes a log, lets it go on, then damages the header of any of its segments: nothing is lost,
/// and nothing that was discarded comes back.
///
/// # Errors
/// What is lost or came back.
pub fn damage_a_header(seed: u64) -> Result<(), Violation> {
    let violation =
        |what: String| Violation { work: format!("seed {seed}, a damaged header"), what };
    damaged_header(seed).map_err(violation)
}

fn damaged_header(seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let setup = setup(seed, Sabotage::None);
    let ledger = Ledger::default().after(Term(0), &Found::default());
    let (disk, ledger) = live((FakeDisk::new(), ledger), &setup, 40, &mut rng)?;
    let mut explorer = disk.explore();
    let moment = rng.random_range(0..=explorer.len());
    explorer.until(moment);
    let left = Left { disk: explorer.crash(&mut rng), torn: false };
    let look = Look { ledger: &ledger, moment, setup: &setup };
    let (mut still, found) = look.recover(&left.disk)?;
    look.goes_on(&mut still, &left.disk, &found)?;
    still.close();
    let open = |disk: &FakeDisk| setup.open(disk).map_err(|error| format!("open: {error}"));
    let still = open(&left.disk)?;
    let before = Found::read(&**still.log(), ledger.topics())?;
    still.close();
    let files = left.disk.files().into_iter().map(|(path, _)| path);
    let segments: Vec<_> = files.filter(|p| p.extension().is_some_and(|e| e == "seg")).collect();
    if segments.is_empty() {
        return Ok(());
    }
    let path = &segments[rng.random_range(0..segments.len())];
    left.disk.zero_page(path, 0).map_err(|error| error.to_string())?;
    let after = Found::read(&**open(&left.disk)?.log(), ledger.topics())?;
    if after == before { Ok(()) } else { Err(format!("{} damaged: differs", path.display())) }
}
