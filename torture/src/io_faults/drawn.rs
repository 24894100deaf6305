//! What a round draws: when calls go wrong, of which journal, and how many.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tidings_e2e::{Call, Fault, Shim};

/// When calls go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Running,
    Stopping,
    Starting,
}

/// Longest time for which calls go wrong, once one has.
const HOLD_MS_MAX: u64 = 600;
/// So many late calls are enough of those that are very late.
const LATE_MAX: u64 = 8;

/// A journal's directory, and the topics in it that producers publish to.
type Journal = (&'static str, &'static [&'static str]);

const BUSY: [Journal; 2] = [("/data/short", &["analysis/**"]), ("/data/long", &["little-room/**"])];
const QUIET: [Journal; 2] = [("/data/medium", &[]), ("/data/state", &[])];

/// Which calls of a kind go wrong, and how.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) call: Call,
    pub(super) fault: Fault,
    pub(super) when: When,
    /// For so long.
    pub(super) hold: Duration,
    journal: Journal,
    /// The end of the paths that count.
    ending: &'static str,
    /// So many calls pass, and so many are hit.
    after: u64,
    times: u64,
}

impl Drawn {
    pub(super) fn new(call: Call, fault: Fault, chance: &mut StdRng) -> Self {
        let when = match chance.random_range(0..5) {
            // Nothing is read at a stop.
            0 if call != Call::Read => When::Stopping,
            1 => When::Starting,
            _ => When::Running,
        };
        let is_rare = !matches!(call, Call::Write | Call::Sync);
        let journals = match when {
            // Journals that hardly grow begin no segment while they run.
            When::Running if is_rare => BUSY.to_vec(),
            // The tables' snapshot is made then.
            When::Stopping if is_rare => vec![QUIET[1]],
            When::Starting if chance.random_ratio(1, 2) => vec![("", &[][..])],
            _ => [BUSY, QUIET].concat(),
        };
        let journal = journals[chance.random_range(0..journals.len())];
        let is_segments = matches!(call, Call::Open | Call::Write | Call::Sync)
            && when == When::Running
            && chance.random_ratio(2, 3);
        let least = if matches!(fault, Fault::Late(by) if by > Duration::from_secs(1)) {
            1
        } else {
            chance.random_range(1..=LATE_MAX)
        };
        let always = if matches!(fault, Fault::Late(_)) { LATE_MAX } else { u64::MAX };
        let comes_rarely = is_rare && when != When::Starting;
        Self {
            call,
            fault,
            when,
            hold: Duration::from_millis(chance.random_range(20..HOLD_MS_MAX)),
            journal,
            ending: if is_segments { ".seg" } else { "" },
            after: if comes_rarely { 0 } else { chance.random_range(0..12) },
            times: [1, least, always.max(least)][chance.random_range(0..3)].min(always),
        }
    }

    /// In a history.
    pub(super) fn name(&self) -> String {
        let Self { call, fault, when, after, times, .. } = self;
        let times = if *times == u64::MAX { "all".to_owned() } else { times.to_string() };
        let only = format!("{}*{}", self.journal.0, self.ending);
        format!("{when:?}: {call:?} of {only} {fault:?}, {times} after {after}").to_lowercase()
    }

    /// From now on they go wrong.
    pub(super) fn arm(&self, shim: &Shim) {
        shim.only(self.journal.0);
        shim.ending(self.ending);
        shim.hit(self.call, self.fault, self.after, self.times);
    }

    /// Whether it is an error, and none that says that something is lacking for the moment or that the
    /// call is to be made again.
    fn is_hard(&self) -> bool {
        match self.fault {
            Fault::Broken | Fault::Again => true,
            // What a failed sync has stored nobody knows.
            Fault::NoRoom => matches!(self.call, Call::Sync | Call::SyncDir),
            // The C library's callers make these again, and not the other ones.
            Fault::Interrupted => matches!(self.call, Call::Rename | Call::Remove),
            _ => false,
        }
    }

    /// Whether a journal may be read-only after it.
    pub(super) fn may_stop_a_journal(&self) -> bool {
        self.is_hard() && self.call != Call::Read
    }

    /// Whether a start may be refused for it, with what was said of that. Where not even a sector can be written over
    /// there is no new term.
    pub(super) fn may_refuse_a_start(&self, said: &str) -> bool {
        let is_of_the_term = self.call != Call::Write || said.contains("/log.meta: ");
        self.is_hard() || self.fault == Fault::NoRoom && is_of_the_term
    }

    /// The topics in which nothing may be acknowledged after it, until a restart.
    pub(super) fn silences(&self) -> &'static [&'static str] {
        let must = self.is_hard() && !self.ending.is_empty();
        if must { self.journal.1 } else { &[] }
    }
}
