//! Every disk that a crash may leave, recovered by the engine itself: all short sequences of work
//! first, then long ones at random. It all happens in memory.

use std::sync::Mutex;

use tidings_event::{Clock, SystemClock};
use tidings_log::Sabotage;
use tidings_log::crash_states::{Effort, Exhaustive, Tally, Violation, exhaustive, random};
use tidings_log::fake_disk::Model;

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::{Row, Verdict};

/// Threads: the machine that proves releases has two cores.
const LANES: u64 = 2;
const PIECES_MAX: usize = 4;
const EFFORT: Effort = Effort { lives: 4, steps: 60, moments: 40, states: 16 };

/// Without these a run proves nothing.
const NEEDED: &[&str] = &["states", "torn", "unsynced", "kept", "gone", "recoveries killed"];

/// What all lanes have found by now.
#[derive(Default)]
struct Seen {
    tally: Tally,
    violation: Option<Violation>,
    /// Lanes that went through all sequences of so many pieces.
    whole: [u64; PIECES_MAX + 1],
}

/// Explores until the time is over or a state is not as it must be.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let plan = plan.clone();
    let seen = tokio::task::spawn_blocking(move || explore(&plan)).await;
    seen.map_err(|panicked| std::io::Error::other(panicked).into())
}

fn explore(plan: &Plan) -> Row {
    let (seen, clock) = (Mutex::new(Seen::default()), SystemClock::new());
    // Threads without a runtime: all that the log would hand to one is done in them.
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let (seen, clock) = (&seen, &clock);
            scope.spawn(move || Lane { plan, seen, clock, lane }.run());
        }
    });
    let Seen { tally, violation, whole } =
        seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut row = Row::new("crash_states", plan.seed);
    row.runs = tally.states;
    let counts = [
        ("states", tally.states),
        ("moments", tally.moments),
        ("sequences", tally.sequences),
        ("torn", tally.torn),
        ("unsynced", tally.unsynced),
        ("kept", tally.kept),
        ("gone", tally.gone),
        ("recoveries killed", tally.killed),
        ("recovered twice", tally.twice),
        ("moments too rich to go through", tally.drawn),
        (
            "pieces gone through whole",
            whole.iter().take_while(|lanes| **lanes == LANES).count() as u64,
        ),
    ];
    for (name, count) in counts {
        row.count(name, count);
    }
    if let Some(violation) = violation {
        row.verdict = Verdict::Violated(violation.to_string());
    }
    row.unless_vacuous(NEEDED)
}

struct Lane<'a> {
    plan: &'a Plan,
    seen: &'a Mutex<Seen>,
    clock: &'a SystemClock,
    lane: u64,
}

impl Lane<'_> {
    /// Half of the time goes to short sequences, the rest to long ones.
    fn run(&self) {
        let start = self.clock.monotonic();
        let (half, end) = (start + self.plan.time / 2, start + self.plan.time);
        for pieces in 0..=PIECES_MAX {
            let mut whole = true;
            for (model, marks) in [
                (Model::Anything, false),
                (Model::Ordered, true),
                (Model::Anything, true),
                (Model::Ordered, false),
            ] {
                let share = (self.lane, LANES);
                let (seed, sabotage) = (self.plan.seed, Sabotage::None);
                let order = Exhaustive { pieces, model, marks, most: 256, share, seed, sabotage };
                let found = exhaustive(&order, |_| {
                    whole = self.clock.monotonic() < half && !self.is_over();
                    whole
                });
                self.add(found);
                if !whole {
                    break;
                }
            }
            if !whole {
                break;
            }
            self.seen().whole[pieces] += 1;
        }
        let seeds = (self.plan.seed..).filter(|seed| seed % LANES == self.lane);
        for seed in seeds.take_while(|_| self.clock.monotonic() < end) {
            if self.is_over() {
                return;
            }
            self.add(random(seed, EFFORT, Sabotage::None));
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.seen().violation.is_some()
    }

    fn add(&self, found: Result<Tally, Violation>) {
        let mut seen = self.seen();
        match found {
            Ok(tally) => seen.tally += tally,
            Err(violation) => seen.violation = Some(violation),
        }
    }
}
