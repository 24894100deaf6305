//! All short sequences of work, all moments, all disks that a crash may leave.
//!
//! A sequence is crashed only from its last piece of work on: the moments before it belong to the
//! sequence without it. What bounds the disks of a moment is [`Exhaustive::most`]; how often it did is
//! [`Tally::drawn`].

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::TopicPartition;
use tidings_event::block::ProducerStamp;

use super::found::Found;
use super::ledger::Ledger;
use super::look::{Look, More};
use super::work::{Setup, Work};
use super::{Tally, Violation};
use crate::conformance::fixture::{DAY, delete, set};
use crate::fake_disk::{FakeDisk, Model, Operation};
use crate::partition_log::{Journal, Retention, Table, TopicSpec};
use crate::{EmbeddedOptions, Sabotage};

/// What to go through.
#[derive(Clone, Copy, Debug)]
pub struct Exhaustive {
    /// Pieces of work in a sequence, after a log with two topics was made.
    pub pieces: usize,
    /// What the disk may do.
    pub model: Model,
    /// Whether a journal at rest marks what is durable.
    pub marks: bool,
    /// States of one set of names above which they are drawn: so many then.
    pub most: usize,
    /// Only every so manieth sequence, counted from the first number: `(0, 1)` is all.
    pub share: (u64, u64),
    /// Where to begin; draws what is done to a state beyond recovering it.
    pub seed: u64,
    /// A bug that is to be found.
    pub sabotage: Sabotage,
}

/// One piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// One block that fits a sector.
    Append,
    /// Blocks of two sectors in two journals, of a producer that counts.
    Sequenced,
    /// Two appends and a commit that are asked for at once.
    Burst,
    Commit,
    Trim,
    Create,
    Drop,
    Roll,
    Checkpoint,
    /// Stop and start.
    Reopen,
    /// The process dies and starts; the machine goes on.
    Kill,
}

const PIECES: [Piece; 11] = [
    Piece::Append,
    Piece::Sequenced,
    Piece::Burst,
    Piece::Commit,
    Piece::Trim,
    Piece::Create,
    Piece::Drop,
    Piece::Roll,
    Piece::Checkpoint,
    Piece::Reopen,
    Piece::Kill,
];

const FIRST: TopicPartition = TopicPartition::new(1, 0);
const SECOND: TopicPartition = TopicPartition::new(2, 0);

/// Goes through all sequences of exactly so many pieces, until `goes_on` says no.
///
/// # Errors
/// The first state that is not as it must be.
pub fn exhaustive(
    plan: &Exhaustive,
    mut goes_on: impl FnMut(&Tally) -> bool,
) -> Result<Tally, Violation> {
    let setup = Setup::new(EmbeddedOptions {
        segment_bytes_min: 24 << 10,
        segment_bytes_max: 24 << 10,
        group_bytes_max: 1,
        ring_bytes: 1,
        mark_after: plan.marks.then_some(std::time::Duration::ZERO),
        spare_bytes_max: if plan.marks { 24 << 10 } else { 0 },
        sabotage: plan.sabotage,
        ..EmbeddedOptions::default()
    });
    let mut tally = Tally::default();
    let count = (PIECES.len() as u64).pow(u32::try_from(plan.pieces).unwrap_or(u32::MAX));
    // Whoever has no time for all of them begins elsewhere with another seed.
    let numbers = (plan.seed % count..count).chain(0..plan.seed % count);
    for number in numbers.filter(|number| number % plan.share.1 == plan.share.0) {
        let pieces = sequence(plan.pieces, number);
        let work = || format!("sequence {number} {pieces:?} of {plan:?}");
        tally +=
            one(plan, &setup, &pieces, number).map_err(|what| Violation { work: work(), what })?;
        if !goes_on(&tally) {
            break;
        }
    }
    Ok(tally)
}

/// The sequence with a number: its digits are the pieces.
fn sequence(length: usize, mut number: u64) -> Vec<Piece> {
    let mut digit = || {
        let piece = PIECES[(number % PIECES.len() as u64) as usize];
        number /= PIECES.len() as u64;
        piece
    };
    (0..length).map(|_| digit()).collect()
}

/// One sequence, crashed from its last piece on.
fn one(plan: &Exhaustive, setup: &Setup, pieces: &[Piece], number: u64) -> Result<Tally, String> {
    let ledger = Ledger::default().after(tidings_event::Term(0), &Found::default());
    let mut work = Work::open(FakeDisk::new(), ledger, setup.clone())?;
    // The beginning is explored by the sequence without pieces.
    let mut from = 0;
    begin(&mut work)?;
    for piece in pieces {
        from = work.disk.operations() + 1;
        work = piece.apply(work)?;
    }
    let (disk, ledger) = work.end();
    let mut explorer = disk.explore();
    explorer.until(from);
    let mut rng = StdRng::seed_from_u64(plan.seed ^ number);
    let mut tally = Tally { sequences: 1, ..Tally::default() };
    let mut unsynced = false;
    loop {
        let moment = explorer.done();
        let look = Look { ledger: &ledger, moment, setup };
        let (mut extra, mut at) = (StdRng::seed_from_u64(rng.random()), 0);
        let whole = explorer.each_left(plan.model, (plan.most, &mut rng), |left| {
            let more = match pieces.len() {
                0 | 1 if at % 16 == 0 => More::KilledEverywhere(8),
                _ => More::drawn(&mut extra),
            };
            tally += look
                .at(&left, more, extra.random())
                .map_err(|error| format!("state {at} after operation {moment}: {error}"))?;
            tally.unsynced += u64::from(unsynced);
            at += 1;
            Ok::<(), String>(())
        })?;
        tally += Tally { moments: 1, drawn: u64::from(!whole), ..Tally::default() };
        match explorer.step() {
            None => return Ok(tally),
            Some(Operation::Write { .. }) => unsynced = true,
            Some(Operation::Sync { .. }) => unsynced = false,
            Some(_) => {}
        }
    }
}

/// Two topics in two journals, and something of everything.
fn begin(work: &mut Work) -> Result<(), String> {
    let retention = Retention { age: DAY, bytes: Some(400) };
    work.ensure(TopicSpec { id: FIRST.topic, partitions: 1, retention })?;
    let retention = Retention { age: 30 * DAY, bytes: None };
    work.ensure(TopicSpec { id: SECOND.topic, partitions: 1, retention })?;
    work.append(&[(FIRST, (2, 60)), (SECOND, (1, 60))], None)?;
    work.commit(vec![set(Table::CURSORS, "a", "0"), set(Table::CATALOG, "b", "0")])?;
    work.settle()
}

impl Piece {
    fn apply(self, mut work: Work) -> Result<Work, String> {
        let nth = work.ledger.appends.len() + work.ledger.commits();
        match self {
            Self::Append => work.append(&[(FIRST, (1, 60))], None)?,
            Self::Sequenced => {
                let first_sequence = nth as u64;
                let producer = ProducerStamp { id: [7; 16], epoch: 1, first_sequence };
                let mut places = vec![(FIRST, (2, 300)), (SECOND, (1, 60))];
                places.retain(|(place, _)| work.live().contains(&place.topic));
                work.append(&places, Some(producer))?;
            }
            Self::Burst => {
                work.append(&[(FIRST, (1, 40))], None)?;
                work.commit(vec![set(Table::CURSORS, "a", format!("burst {nth}"))])?;
                work.append(&[(FIRST, (1, 80))], None)?;
            }
            Self::Commit => {
                let changes =
                    [delete(Table::CATALOG, "b"), set(Table::CURSORS, "a", nth.to_string())];
                work.commit(changes.into())?;
            }
            Self::Trim => work.trim()?,
            Self::Create => {
                let id = tidings_event::TopicId(3 + nth as u64);
                let retention = Retention { age: DAY, bytes: None };
                work.ensure(TopicSpec { id, partitions: 1, retention })?;
                work.append(&[(TopicPartition::new(id.0, 0), (1, 40))], None)?;
            }
            Self::Drop => {
                if let Some(&last) = work.live().iter().rfind(|id| **id != FIRST.topic) {
                    work.drop_topic(last)?;
                }
            }
            Self::Roll => {
                work.still().spare();
                for journal in [Journal::Short, Journal::State] {
                    work.still().roll(journal).map_err(|error| error.to_string())?;
                }
            }
            Self::Checkpoint => work.still().snapshot().map_err(|error| error.to_string())?,
            Self::Reopen | Self::Kill => return work.reopen(self == Self::Reopen),
        }
        work.settle()?;
        Ok(work)
    }
}
